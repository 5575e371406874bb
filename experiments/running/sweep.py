"""Sweeps: an experiment run at several values of a setting, to see what its result depends on.

Every point is an experiment of its own, with a run directory `points/<n>-<values>` in the sweep's;
source policies that are the same at several points are trained once (see `cache`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from ...core.files import lock, write_text
from ..config.points import Point, named_values, points
from ..config.schema import ConfigError, Experiment, build
from ..config.yaml_text import dumps, loads
from .checks import check_plan
from .claims import PATIENCE
from .runner import LATER, first_difference

POINTS = "points"
FILE = "sweep.yaml"


def run_points(
    experiment: Experiment,
    directory: Path,
    run: Callable[[Experiment, Path], Sequence[str]],
    console: Console,
    where: str,
    only: Collection[str] = (),
) -> list[str]:
    """Run every point of a sweep by `run(experiment, directory)`; returns the failed units' paths.

    With `only`, folders of points, only those are run. Several processes may share a sweep.

    Raises:
        ConfigError: see `points`; or the directory holds another sweep, or something else.
    """
    every = points(experiment, where)
    todo = [(n, p) for n, p in enumerate(every, start=1) if not only or p.folder in only]
    check_points([point for _, point in todo], where)
    with lock(directory, PATIENCE):
        _prepare(experiment, directory)
    failed: list[str] = []
    for number, point in todo:
        shown = f"point {number} of {len(every)}  {named_values(point.values)}"
        console.print(shown, style="bold", highlight=False)
        lost = run(point.experiment, directory / POINTS / point.folder)
        failed += [f"{POINTS}/{point.folder}/{unit}" for unit in lost]
    return failed


def check_points(todo: Sequence[Point], where: str) -> None:
    """Check points before the first of them begins, as the last one's turn may come hours later.

    Raises:
        ConfigError: one line with the point, the key's path and what is wrong there.
    """
    for point in todo:
        check_plan(point.experiment, f"{where}: sweep, {named_values(point.values)}")


def point_places(directory: Path) -> dict[str, Path]:
    """Return the run directories of a sweep's points, run or not, by what is swept."""
    _, found = stored_points(directory)
    return {named_values(point.values): directory / POINTS / point.folder for point in found}


def begun_places(directory: Path) -> list[Path]:
    """Return the run directories of a sweep's points that have been run, or started."""
    _, found = stored_points(directory)
    return [place for _, place in begun_points(directory, found)]


def stored_points(directory: Path) -> tuple[Experiment, list[Point]]:
    """Read the sweep that a directory holds, and its points."""
    stored = loads((directory / FILE).read_text(encoding="utf-8"))
    experiment = build(stored, str(directory / FILE))
    return experiment, points(experiment, str(directory / FILE))


def begun_points(directory: Path, found: Sequence[Point]) -> list[tuple[Mapping[str, Any], Path]]:
    """Return the swept values and the run directory of every point that was run, or started."""
    every = [(point.values, directory / POINTS / point.folder) for point in found]
    return [(values, place) for values, place in every if (place / "experiment.yaml").exists()]


def _prepare(experiment: Experiment, directory: Path) -> None:
    """Write the sweep down, or check that the directory holds the same."""
    path, plain = directory / FILE, experiment.resolved()
    if path.exists():
        there = loads(path.read_text(encoding="utf-8"))
        differing = first_difference({**there, **LATER}, {**plain, **LATER})
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
