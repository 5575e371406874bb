"""The whole way in one call: run what is left of an experiment, measure it, show it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from ..core.files import lock
from ..core.streams import Terminal
from .config.points import points
from .config.schema import ConfigError, Experiment, build, load
from .records import RUNS
from .running.checks import check_cluster, check_plan
from .running.claims import PATIENCE
from .running.dry_run import Known, preview_units
from .running.one_instance import Ready
from .running.plan import make_plan
from .running.runner import cores, matching, run_units
from .running.sweep import POINTS, check_points, run_points
from .showing.outputs import write_outputs
from .showing.result import Result, SweepResult
from .showing.sweep_outputs import write_sweep_outputs
from .showing.video import clips

Given = Experiment | Mapping[str, Any] | str | Path


def run(
    experiment: Given,
    *,
    out: str | Path | None = None,
    jobs: int | None = None,
    overrides: Sequence[str] = (),
    console: Console | None = None,
    trials: Sequence[str] = (),
    cluster: str | None = None,
    where: str | None = None,
    fresh: bool = False,
    keep: bool = False,
    ready: Ready = False,
) -> Result | SweepResult:
    """Run an experiment and write its report; goes on where an earlier run was interrupted.

    Several processes may run the same experiment in the same directory and share the work.

    Args:
        experiment: an `Experiment`, the same as plain data, or a YAML file.
        out: the run directory, by default `runs/<name>`.
        jobs: worker processes, by default as many as there are cores.
        overrides: `key.path=value` texts, for a YAML file.
        console: where progress is shown.
        cluster: the address of a Ray cluster to run on, or `local`, in place of processes here;
            `jobs` are then the tasks at a time, by default as many as the cluster has room for.
        trials: patterns of `target/method/seed`, in a sweep of `point/target/method/seed`; only
            these trials are run, with their sources.
        where: what errors begin with, by default the file.
        fresh: delete what the directory holds of this experiment, and compute it anew.
        keep: go on with what is there although code has changed since; the report says so.
        ready: whether targets that exist once (`instances: 1`) may move where their trials have
            been started before, or a function that is asked so with a text.

    Returns:
        The finished run, or of an experiment with a `sweep` the finished sweep. What failed is
        named in `failed`; the same call tries it again.

    Raises:
        ConfigError: the experiment cannot run as written, `out` holds another one, code has changed
            since and neither `fresh` nor `keep` is given, or there are `overrides` without a file.
        ClusterError: no cluster answers.
        StoreError: `out` cannot be written.

    >>> experiment = {
    ...     "name": "heavy",
    ...     "source": {"world": "Pendulum-v1", "steps": 50_000},
    ...     "targets": {"heavy": {"kwargs": {"g": 14.0}, "steps": 20_000}},
    ...     "methods": ["scratch", "fine_tune"],
    ...     "seeds": [0],
    ...     "evaluation": {"every": 2_000},
    ... }
    >>> trials(experiment)
    ['heavy/scratch/0', 'heavy/fine_tune/0']
    >>> run(experiment).show()  # doctest: +SKIP
    """
    experiment, directory, where = _given(experiment, out, overrides, where)
    console = console or Terminal()
    if experiment.sweep:
        at = _by_point(experiment, trials, where)

        def run_point(point: Experiment, place: Path) -> Sequence[str]:
            given: dict[str, Any] = {"jobs": jobs, "console": console, "cluster": cluster}
            given |= {"fresh": fresh, "keep": keep, "ready": ready}
            return run(point, out=place, trials=at.get(place.name, ()), **given).failed

        failed = run_points(experiment, directory, run_point, console, where, at)
        with lock(directory, PATIENCE):
            return SweepResult(directory, write_sweep_outputs(directory), failed)
    plan = check_plan(experiment, where)
    if cluster is not None and plan.single:
        raise ConfigError(
            f"{where}: targets.{min(plan.single)}.instances: its trials run on this machine; leave "
            "out --cluster"
        )
    if experiment.video:
        # Not only after the trials, which may take hours.
        clips.check_videos(plan, where)
    given: dict[str, Any] = {"console": console, "where": where, "trials": trials}
    given |= {"fresh": fresh, "keep": keep, "ready": ready}
    if cluster is None:
        failed = run_units(plan, directory, jobs=jobs, **given)
    else:
        from .running.workers.ray_cluster import connected

        check_cluster(plan, where)
        with connected(cluster, experiment) as (start, fit):
            failed = run_units(plan, directory, jobs=jobs or fit, start=start, **given)
    if experiment.video and not trials:
        with lock(directory, PATIENCE):
            clips.record_all(plan, directory, console)
    # Who writes last has read last, so that what others have finished is not lost.
    with lock(directory, PATIENCE):
        return Result(directory, write_outputs(directory), failed)


def preview(
    experiment: Given,
    *,
    out: str | Path | None = None,
    jobs: int | None = None,
    overrides: Sequence[str] = (),
    trials: Sequence[str] = (),
    where: str | None = None,
) -> Iterator[Table | str]:
    """Yield, for a console, what `run` would do with these arguments and how long it would take.

    Raises:
        ConfigError: the experiment cannot run as written.
    """
    experiment, directory, where = _given(experiment, out, overrides, where)
    if experiment.sweep:
        known, at = Known(), _by_point(experiment, trials, where)
        todo = [p for p in points(experiment, where) if not trials or p.folder in at]
        check_points(todo, where)
        for point in todo:
            yield f"point {point.folder}"
            place, its = directory / POINTS / point.folder, at.get(point.folder, ())
            yield from preview_units(point.experiment, place, jobs or cores(), where, its, known)
        yield f"All {'these ' if trials else ''}points: {known.work}."
        return
    yield from preview_units(experiment, directory, jobs or cores(), where, trials)


def trials(experiment: Given) -> list[str]:
    """Return the trials of an experiment as `run` takes them.

    They are `target/method/seed`, in a sweep `point/target/method/seed`.
    """
    found, _, where = _given(experiment, None)
    return _trials(found, where)


def share(parts: Sequence[Experiment], patterns: Sequence[str]) -> dict[str, list[str]]:
    """Return the trials that fit patterns, by the name of the experiment that has them.

    Of several experiments of one file, the patterns and the trials as listed begin with that name.

    Raises:
        ConfigError: a pattern that fits no trial.
    """
    lead = "name/" if len(parts) > 1 else ""
    named = {
        f"{part.name}/{name}" if lead else name: (part.name, name)
        for part in (parts if patterns else ())
        for name in _trials(part)
    }
    chosen: dict[str, list[str]] = {part.name: [] for part in parts}
    point = "point/" if any(part.sweep for part in parts) else ""
    for found in matching(patterns, list(named), f"{lead}{point}target/method/seed"):
        of, name = named[found]
        chosen[of].append(name)
    return chosen


def _by_point(experiment: Experiment, patterns: Sequence[str], where: str) -> dict[str, list[str]]:
    """Return the trials of a sweep that fit patterns, by the folder of their point."""
    found: dict[str, list[str]] = {}
    for name in matching(patterns, _trials(experiment, where), "point/target/method/seed"):
        folder, _, trial = name.partition("/")
        found.setdefault(folder, []).append(trial)
    return found


def _trials(experiment: Experiment, where: str = "experiment") -> list[str]:
    if experiment.sweep:
        return [
            f"{point.folder}/{name}"
            for point in points(experiment, where)
            for name in _trials(point.experiment, where)
        ]
    return [unit.trial_name for unit in make_plan(experiment, where).units if unit.is_trial]


def _given(
    experiment: Given,
    out: str | Path | None,
    overrides: Sequence[str] = (),
    where: str | None = None,
) -> tuple[Experiment, Path, str]:
    """Return the experiment, its run directory, and what errors begin with."""
    where = where or "experiment"
    if isinstance(experiment, (str, Path)):
        where = str(experiment)
        experiment = load(experiment, list(overrides))
    elif overrides:
        raise ConfigError(f"{where}: overrides are for a YAML file; put {overrides[0]} into it")
    elif not isinstance(experiment, Experiment):
        experiment = build(experiment)
    return experiment, Path(out) if out is not None else RUNS / experiment.name, where
