"""Randomizers: distributions over a world's parameters, drawn from episode by episode."""

from .uniform import UniformRandomization, randomized

__all__ = ["UniformRandomization", "randomized"]
