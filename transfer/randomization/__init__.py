"""Randomizers: they draw a world's parameters for every episode."""

from .base import Adaptive, Draw, EpisodeBudget, EpisodeOutcome, Randomizer, RandomizerError, Spread
from .ranges import Ranges
from .registry import DEFAULT_RANDOMIZER, RANDOMIZERS, resolve_randomizer
from .signal import Signal
from .uniform import UniformRandomization, randomized
from .wrapper import Randomization

# `prepared` and `callback` need torch, whose import takes seconds.
__all__ = [
    "DEFAULT_RANDOMIZER",
    "RANDOMIZERS",
    "Adaptive",
    "Draw",
    "EpisodeBudget",
    "EpisodeOutcome",
    "Randomization",
    "Randomizer",
    "RandomizerError",
    "Ranges",
    "Signal",
    "Spread",
    "UniformRandomization",
    "randomized",
    "resolve_randomizer",
]
