"""What is written of a sweep: its table, figures and report, as far as its points have been run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..config.points import named_values, shown_values, swept_rows
from ..config.schema import ConfigError
from ..config.sweep import untrained, zero_budgets
from ..measuring.results import SweepSummary
from ..measuring.runs import Run, load_run
from ..running.sweep import FILE, begun_points, stored_points
from .html.sweep import write_sweep


def write_sweep_outputs(directory: Path) -> SweepSummary:
    """Write the table, figures and report of a sweep anew, as far as its points have been run."""
    experiment, found = stored_points(directory)
    ran = [(values, load_run(place)) for values, place in begun_points(directory, found)]
    if not ran:
        raise ConfigError(f"no point of the sweep '{directory}' has been run yet")
    shown, missing = [], []
    for row in swept_rows(experiment, str(directory / FILE)):
        values = shown_values(row)
        run = _lender(values, ran)
        if run is None:
            missing.append(named_values(values))
        else:
            shown.append((values, run))
    return write_sweep(experiment.name, shown, directory, missing)


def _lender(values: Mapping[str, Any], ran: Sequence[tuple[Mapping[str, Any], Run]]) -> Run | None:
    """Return the run that shows a point: its own, or where a budget is 0 one whose curves begin so.

    That is the one with the most finished trials in targets of that budget, and of these the one
    with the largest, among those whose other swept value is the same. None where there is none.
    """
    zeros = zero_budgets(values)
    alike = [
        (given, run)
        for given, run in ran
        if all(given[key] == value for key, value in values.items() if key not in zeros)
    ]

    def rank(point: tuple[Mapping[str, Any], Run]) -> tuple[int, ...]:
        given, run = point
        begun = untrained(zeros, run.experiment["targets"])
        finished = sum(trial.state == "done" and trial.target in begun for trial in run.trials)
        return finished, *(given[key] for key in zeros)

    return max(alike, key=rank)[1] if alike else None
