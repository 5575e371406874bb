"""Measuring: from a run directory to the numbers, as pure functions of recorded curves."""

from .results import Summary
from .runs import Run, RunError, load_run
from .statistics import Interval
from .summary import measure_run

__all__ = ["Interval", "Run", "RunError", "Summary", "load_run", "measure_run"]
