"""Randomizers: they draw a world's parameters for every episode."""

from .uniform import UniformRandomization, randomized

__all__ = ["UniformRandomization", "randomized"]
