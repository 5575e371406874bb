"""Whether what a unit left is there and can be used: its status alone does not say so."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console

from ...agents.bundles import bundle as bundles
from ...core.errors import HeadstartError
from ...core.files import StoreError, read_json
from ..records import CURVE, RunError, check_curve, read_evaluations
from .claims import claim
from .plan import Plan, Unit
from .pool import record_failure


def finished(plan: Plan, run: Path, unit: Unit) -> bool:
    """Whether a unit is done, and what it left can be used.

    Raises:
        HeadstartError: it is said to be done, but cannot be used, or its status cannot be read.
    """
    status = read_json(run / unit.path / "status.json") or {}
    if status.get("state") != "done":
        return False
    _check(plan, run, unit)
    return True


def settle(plan: Plan, run: Path, units: Iterable[Unit], console: Console) -> set[str]:
    """Return the paths of the units that are finished.

    One that says so but cannot be used is recorded as failed, with why, so that it is run again as
    those are; a line tells of it. One that another process is at work on is left to that one.

    Raises:
        StoreError: the run directory cannot be written.
    """
    done = set()
    for unit in units:
        try:
            if finished(plan, run, unit):
                done.add(unit.path)
        except HeadstartError:
            with claim(run, unit.path) as mine:
                if mine is None:
                    continue
                # Looked at again, now that nobody else writes there.
                try:
                    if finished(plan, run, unit):
                        done.add(unit.path)
                except HeadstartError as error:
                    why = f"it was done, but cannot be used: {error}"
                    record_failure(run / unit.path, why)
                    console.print(f"[yellow]again[/]   {unit.path}  ", end="")
                    console.print(why, markup=False, highlight=False, soft_wrap=True)
    return done


def _check(plan: Plan, run: Path, unit: Unit) -> None:
    """Raise HeadstartError unless what a unit that is done has left can be used."""
    folder, (kind, *rest) = run / unit.path, unit.path.split("/")
    if kind == "anchors":
        record = read_json(folder / "random.json") or {}
        measured = record.get("return")
        if not isinstance(measured, (int, float)) or not math.isfinite(measured):
            raise StoreError(f"'{folder / 'random.json'}' holds no return")
        return
    evaluations = read_evaluations(folder / CURVE)
    if kind == "source":
        bundles.load(folder / "bundle", plan.trust)
        if plan.experiment.source.bundle is not None and evaluations:
            return
        steps, grid = plan.experiment.source.steps, plan.source_grid()
    else:
        target, label, _ = rest
        steps, grid = plan.budgets[target, label], plan.target_grid(target, label)
    check_curve(evaluations, folder / CURVE)
    if (last := evaluations[-1]["step"]) < steps:
        raise RunError(f"{folder / CURVE}: ends at step {last:,} of {steps:,}")
    if lost := sorted(set(grid) - {line["step"] for line in evaluations}):
        raise RunError(f"{folder / CURVE}: has no evaluation at step {lost[0]:,}")
