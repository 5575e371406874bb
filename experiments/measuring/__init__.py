"""Measuring: from a run directory to the numbers, as pure functions of recorded curves."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .results import Summary
    from .runs import Run, RunError, load_run
    from .statistics import Interval
    from .summary import measure_run

__all__ = ["Interval", "Run", "RunError", "Summary", "load_run", "measure_run"]

# Reading a run needs what an experiment may hold, and so torch; showing what was measured does not.
_LATE = {
    "Interval": ".statistics",
    "Run": ".runs",
    "RunError": ".runs",
    "Summary": ".results",
    "load_run": ".runs",
    "measure_run": ".summary",
}


def __getattr__(name: str) -> Any:
    if name in _LATE:
        return getattr(import_module(_LATE[name], __name__), name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
