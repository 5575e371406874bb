"""The whole way in one call: run what is left of an experiment, measure it, show it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from .config import Experiment, build, load
from .running.preview import preview as preview_run
from .running.runner import cores, run_units
from .running.store import lock
from .showing import filming, tables, write

Given = Experiment | Mapping[str, Any] | str | Path


@dataclass(frozen=True)
class Result:
    """A finished run: where it is, what it showed, and the units that failed."""

    directory: Path
    summary: Mapping[str, Any]
    failed: Sequence[str]

    def show(self, console: Console | None = None) -> None:
        """Print the tables."""
        (console or Console()).print(tables.render(self.summary))


def run(
    experiment: Given,
    *,
    out: str | Path | None = None,
    jobs: int | None = None,
    overrides: Sequence[str] = (),
    console: Console | None = None,
) -> Result:
    """Run an experiment and write its report; goes on where an earlier run was interrupted.

    Args:
        experiment: an `Experiment`, the same as plain data, or a YAML file.
        out: the run directory, by default `runs/<name>`.
        jobs: worker processes, by default as many as there are cores.
        overrides: `key.path=value` texts, for a YAML file.
        console: where progress is shown.

    Raises:
        ConfigError: the experiment cannot run as written, or `out` holds another one.
        StoreError: `out` cannot be written, or another process is at work in it.
    """
    experiment, directory, where = _given(experiment, out, overrides)
    console = console or Console()
    if experiment.video:
        # Not only after the trials, which may take hours.
        filming.check(experiment, where)
    failed = run_units(experiment, directory, jobs=jobs, console=console, where=where)
    if experiment.video:
        with lock(directory):
            filming.record_all(experiment, directory, console)
    return Result(directory, write(directory), failed)


def preview(
    experiment: Given,
    *,
    out: str | Path | None = None,
    jobs: int | None = None,
    overrides: Sequence[str] = (),
) -> Iterator[Table | str]:
    """Yield, for a console, what `run` would do with these arguments and how long it would take.

    Raises:
        ConfigError: the experiment cannot run as written.
    """
    experiment, directory, where = _given(experiment, out, overrides)
    yield from preview_run(experiment, directory, jobs or cores(), where)


def _given(
    experiment: Given, out: str | Path | None, overrides: Sequence[str]
) -> tuple[Experiment, Path, str]:
    """Return the experiment, its run directory, and what errors begin with."""
    where = "experiment"
    if isinstance(experiment, (str, Path)):
        where = str(experiment)
        experiment = load(experiment, list(overrides))
    elif not isinstance(experiment, Experiment):
        experiment = build(experiment)
    return experiment, Path(out) if out is not None else Path("runs") / experiment.name, where
