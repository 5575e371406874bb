"""Sweeps: an experiment run at several values of a setting, to see what its result depends on.

Every point is an experiment of its own, with a run directory `points/<n>-<values>` in the sweep's;
source policies that are the same at several points are trained once (see `running.cache`).
"""

from __future__ import annotations

import copy
import itertools
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from ..core.files import lock, write_text
from ..core.plain import to_json
from ..core.streams import Terminal
from .config.overrides import check_target, put
from .config.schema import ConfigError, Experiment, build
from .config.source import adapt
from .config.sweep import LEAVE_ONE_OUT, untrained, zero_budgets
from .config.yaml_text import dumps, loads
from .measuring.results import SweepSummary
from .measuring.runs import Run, load
from .running import plan
from .running.runner import PATIENCE, first_difference
from .showing.html.sweep import render_sweep, write_sweep

POINTS = "points"
FILE = "sweep.yaml"


@dataclass(frozen=True)
class Point:
    """An experiment of a sweep: its folder, and what the swept keys are there."""

    folder: str
    values: Mapping[str, Any]
    experiment: Experiment


@dataclass(frozen=True)
class SweepResult:
    """A finished sweep: where it is, what it showed, and the units that failed."""

    directory: Path
    results: SweepSummary
    failed: Sequence[str]

    @property
    def summary(self) -> dict[str, Any]:
        """The results as plain data: what `summary.json` holds."""
        plain: dict[str, Any] = to_json(self.results)
        return plain

    def show(self, console: Console | None = None) -> None:
        """Print the tables."""
        (console or Terminal()).print(render_sweep(self.results))


def points(experiment: Experiment, where: str = "experiment") -> list[Point]:
    """Return the points of a sweep, in the order of its values, the last key's running fastest.

    A target's budget of 0 is no point of its own: it is where the curves of the others begin.

    Raises:
        ConfigError: an experiment that is not valid at some point, or a key that leads nowhere.
    """
    found = []
    plain = experiment.resolved()
    plain.pop("sweep", None)
    rows = [row for row in _rows(experiment, where) if not zero_budgets(_shown(row))]
    for number, row in enumerate(rows):
        data, values = copy.deepcopy(plain), _shown(row)
        adapt(data["source"], {key: value for key, (_, value) in row.items()})
        for key, (_, value) in row.items():
            for path in _paths(experiment, key, where):
                put(data, path, copy.deepcopy(value), f"{where}: sweep.{key}")
        slug = "-".join(filter(None, (_slug(shown) for shown in values.values())))
        folder = f"{number:02d}-{slug}"[:60].rstrip("-.")
        data["name"] = f"{experiment.name}-{folder}"
        where_at = f"{where}: sweep, {_named(values)}"
        found.append(Point(folder, values, build(data, where_at)))
    return found


def run_sweep(
    experiment: Experiment,
    directory: Path,
    run: Callable[[Experiment, Path], Any],
    console: Console,
    where: str,
    only: Collection[str] = (),
) -> SweepResult:
    """Run every point of a sweep by `run(experiment, directory)`, and write the sweep's report.

    With `only`, folders of points, only those are run. Several processes may share a sweep.

    Raises:
        ConfigError: see `points`; or the directory holds another sweep, or something else.
    """
    every = points(experiment, where)
    todo = [(n, p) for n, p in enumerate(every, start=1) if not only or p.folder in only]
    check([point for _, point in todo], where)
    with lock(directory, PATIENCE):
        _prepare(experiment, directory)
    failed: list[str] = []
    for number, point in todo:
        shown = f"point {number} of {len(every)}  {_named(point.values)}"
        console.print(shown, style="bold", highlight=False)
        result = run(point.experiment, directory / POINTS / point.folder)
        failed += [f"{POINTS}/{point.folder}/{unit}" for unit in result.failed]
    with lock(directory, PATIENCE):
        return SweepResult(directory, write(directory), failed)


def check(todo: Sequence[Point], where: str) -> None:
    """Check points before the first of them begins, as the last one's turn may come hours later.

    Raises:
        ConfigError: one line with the point, the key's path and what is wrong there.
    """
    for point in todo:
        plan.check(point.experiment, f"{where}: sweep, {_named(point.values)}")


def is_sweep(directory: Path) -> bool:
    """Return whether a directory holds a sweep."""
    return (directory / FILE).is_file()


def places(directory: Path) -> dict[str, Path]:
    """Return the run directories of a sweep's points, run or not, by what is swept."""
    _, found = _stored(directory)
    return {_named(point.values): directory / POINTS / point.folder for point in found}


def run_places(directory: Path) -> list[Path]:
    """Return the run directories of a sweep's points that have been run, or begun."""
    _, found = _stored(directory)
    return [place for _, place in _begun(directory, found)]


def write(directory: Path) -> SweepSummary:
    """Write the table, figures and report of a sweep anew, as far as its points have been run."""
    experiment, found = _stored(directory)
    ran = [(values, load(place)) for values, place in _begun(directory, found)]
    if not ran:
        raise ConfigError(f"no point of the sweep '{directory}' has been run yet")
    shown, missing = [], []
    for row in _rows(experiment, str(directory / FILE)):
        values = _shown(row)
        run = _lender(values, ran)
        if run is None:
            missing.append(_named(values))
        else:
            shown.append((values, run))
    return write_sweep(experiment.name, shown, directory, missing)


def _begun(directory: Path, found: Sequence[Point]) -> list[tuple[Mapping[str, Any], Path]]:
    """Return the swept values and the run directory of every point that has been run, or begun."""
    every = [(point.values, directory / POINTS / point.folder) for point in found]
    return [(values, place) for values, place in every if (place / "experiment.yaml").exists()]


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


def _rows(experiment: Experiment, where: str) -> list[dict[str, tuple[Any, Any]]]:
    """Return what is shown and what is set for each swept key, point by point, in their order."""
    columns = [_values(experiment, key, values, where) for key, values in experiment.sweep.items()]
    return [dict(zip(experiment.sweep, row, strict=True)) for row in itertools.product(*columns)]


def _shown(row: Mapping[str, tuple[Any, Any]]) -> dict[str, Any]:
    return {key: shown for key, (shown, _) in row.items()}


def _stored(directory: Path) -> tuple[Experiment, list[Point]]:
    """Read the sweep that a directory holds, and its points."""
    stored = loads((directory / FILE).read_text(encoding="utf-8"))
    experiment = build(stored, str(directory / FILE))
    return experiment, points(experiment, str(directory / FILE))


def _prepare(experiment: Experiment, directory: Path) -> None:
    """Write the sweep down, or check that the directory holds the same."""
    path, plain = directory / FILE, experiment.resolved()
    if path.exists():
        there = loads(path.read_text(encoding="utf-8"))
        differing = first_difference({**there, "video": None}, {**plain, "video": None})
        if differing:
            raise ConfigError(
                f"'{directory}' holds another sweep: {differing}; choose another directory with "
                "--out, or delete this one"
            )
        return
    if any(not path.name.startswith(".") for path in directory.iterdir()):
        raise ConfigError(
            f"'{directory}' is not empty and holds no sweep; choose another with --out"
        )
    write_text(path, dumps(plain))


def _values(experiment: Experiment, key: str, values: Any, where: str) -> list[tuple[Any, Any]]:
    """Return what is shown and what is set for each value of a key."""
    if values != LEAVE_ONE_OUT:
        return [(value, value) for value in values]
    drawn = experiment.source.randomization
    if len(drawn) < 2:
        raise ConfigError(f"{where}: sweep.{key}: {LEAVE_ONE_OUT} needs a randomization of several")
    rest = [(f"without {name}", {k: v for k, v in drawn.items() if k != name}) for name in drawn]
    return [("all", dict(drawn)), *rest]


def _paths(experiment: Experiment, key: str, where: str) -> list[str]:
    """Return the paths that a key stands for: `targets.*` is every target."""
    parts = key.split(".")
    if parts[0] != "targets" or len(parts) < 2:
        return [key]
    names = list(experiment.targets) if parts[1] == "*" else [parts[1]]
    if parts[1] != "*":
        check_target(key, experiment.targets, f"{where}: sweep.{key}")
    return [".".join(["targets", name, *parts[2:]]) for name in names]


def _named(values: Mapping[str, Any]) -> str:
    """Return a point's swept keys and values in one line."""
    return ", ".join(f"{key}: {value}" for key, value in values.items())


def _slug(value: Any) -> str:
    return re.sub(r"[^A-Za-z0-9.]+", "-", str(value)).strip("-.")
