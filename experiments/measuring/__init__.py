"""Measuring: from a run directory to the numbers, as pure functions of recorded curves."""

from .runs import Run, RunError, load
from .statistics import Interval
from .summary import summarize

__all__ = ["Interval", "Run", "RunError", "load", "summarize"]
