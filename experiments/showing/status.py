"""How far a run is: a table of its sources and trials, while it runs or afterwards."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ..measuring.runs import Run, Trial, load_run
from ..running.claims import at_work
from .formats import duration

STATES = ("done", "running", "failed", "waiting")
EVERY = 2.0


@dataclass(frozen=True)
class Progress:
    """How far some units of a run are; steps and seconds are added up over them.

    `left` are the steps of those that are at work or waiting: what failed takes none. `reused` are
    the steps and the seconds of those that were taken from the cache, which tell of no pace.
    """

    counts: dict[str, int]
    steps: int
    all_steps: int
    left: int
    seconds: float
    reused: tuple[int, float] = (0, 0.0)

    def __add__(self, other: Progress) -> Progress:
        """Return the progress of both together."""
        counts = {state: self.counts[state] + other.counts[state] for state in STATES}
        return Progress(
            counts,
            self.steps + other.steps,
            self.all_steps + other.all_steps,
            self.left + other.left,
            self.seconds + other.seconds,
            (self.reused[0] + other.reused[0], self.reused[1] + other.reused[1]),
        )

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return not self.counts["running"] and not self.counts["waiting"]


def progress(trials: Iterable[Trial], budget: int, *, busy: bool = True) -> Progress:
    """Add up the states of units that train for `budget` steps each.

    Unless a process is `busy` with the run, what stopped in the middle waits to go on.
    """
    counts, steps, left, seconds = dict.fromkeys(STATES, 0), 0, 0, 0.0
    reused, copying = 0, 0.0
    for trial in trials:
        state = {"missing": "waiting", "invalid": "failed"}.get(trial.state, trial.state)
        if state == "running" and not busy:
            state = "waiting"
        counts[state] += 1
        taken = min(int(trial.status.step or 0), budget)
        steps += budget if state == "done" else taken
        left += budget - taken if state in ("running", "waiting") else 0
        spent = float(trial.seconds or 0.0)
        seconds += spent
        if trial.status.reused_seconds is not None:
            reused, copying = reused + budget, copying + spent
    whole = sum(counts.values()) * budget
    return Progress(counts, steps, whole, left, seconds, (reused, copying))


def overview(directory: Path) -> tuple[RenderableType, bool]:
    """Return what stands in a run directory, and whether more is to come of it now.

    Raises:
        RunError: it is no run directory.
    """
    return _overview(load_run(directory))


def _overview(run: Run) -> tuple[RenderableType, bool]:
    busy = at_work(run.directory)
    rows = _rows(run, busy=busy)
    table = _table("target", "method")
    for target, method, row in rows:
        table.add_row(target, method, *_counts(row), _share(row), duration(row.seconds))
    parts = [row for _, _, row in rows]
    now = [t for t in (*run.sources, *run.trials) if t.state == "running"] if busy else []
    lines: list[RenderableType] = [table, Text(_ending(parts, busy, len(now)))]
    lines += [Text(f"{t.unit}  step {t.status.step or 0:,}") for t in now]
    lines += [
        Text(f"{t.unit} {t.state}: {t.error}", style="red")
        for t in run.failures
        if t.state in ("failed", "invalid")
    ]
    return Group(*lines), busy and not all(part.finished for part in parts)


def sweep_overview(points: Mapping[str, Path]) -> tuple[RenderableType, bool]:
    """Return what stands in the run directories of a sweep's points, and whether more is to come.

    Raises:
        RunError: the directory of a point is no run directory.
    """
    table, spent, finished, more = _table("point"), 0.0, 0, False
    now: list[RenderableType] = []
    for name, directory in points.items():
        if not (directory / "experiment.yaml").exists():
            table.add_row(name, *["–"] * (len(STATES) + 2), style="dim")
            continue
        run = load_run(directory)
        busy = at_work(directory)
        parts = [row for _, _, row in _rows(run, busy=busy)]
        row = sum(parts[1:], parts[0])
        table.add_row(name, *_counts(row), _share(row), duration(row.seconds))
        spent, finished = spent + row.seconds, finished + row.finished
        if not row.finished and busy:
            now += [Text(name, style="bold"), _overview(run)[0]]
            more = True
    left = len(points) - finished
    said = f"{finished} of {len(points)} points done, {duration(spent)} of one core spent"
    if left and not more:
        said += "; no process is at work: the same 'headstart run' goes on from here"
    return Group(table, Text(f"{said}."), *now), more


def watch_status(
    look: Callable[[], tuple[RenderableType, bool]], console: Console, *, once: bool
) -> None:
    """Print an overview; in a terminal, unless `once`, renew it until nothing more comes."""
    shown, more = look()
    if once or not console.is_terminal:
        console.print(shown)
        return
    with Live(shown, console=console, auto_refresh=False) as live:
        while more:
            time.sleep(EVERY)
            shown, more = look()
            live.update(shown, refresh=True)


def _rows(run: Run, *, busy: bool) -> list[tuple[str, str, Progress]]:
    """Return how far the sources are, and each method on each target: target, method, progress."""
    budget = 0 if run.source.bundle else run.source.steps or 0
    rows = [("source", "", progress(run.sources, budget, busy=busy))]
    for target, settings in run.targets.items():
        for method in run.all_methods:
            about = run.method_facts.get(method, {})
            budget = (settings.steps or 0) * about.get("trains", True)
            budget += run.source_steps * about.get("adds_source_steps", False)
            found = [t for t in run.trials if (t.target, t.method) == (target, method)]
            rows.append((target, method, progress(found, budget, busy=busy)))
    return rows


def _table(*names: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in (*names, *STATES, "steps", "time spent"):
        table.add_column(column, justify="left" if column in names else "right")
    return table


def _counts(row: Progress) -> list[Text]:
    styles = {"failed": "bold red", "running": "yellow"}
    return [
        Text(str(count) if count else "–", style=styles.get(state, "") if count else "dim")
        for state, count in row.counts.items()
    ]


def _share(row: Progress) -> str:
    return f"{row.steps / row.all_steps:.0%}" if row.all_steps else "–"


def _ending(parts: Sequence[Progress], busy: bool, workers: int) -> str:
    """Say in words what is left, and how long it will take at the pace so far."""
    counts = {state: sum(part.counts[state] for part in parts) for state in STATES}
    said = f"{counts['done']} of {sum(counts.values())} sources and trials done"
    if counts["failed"]:
        said += f", {counts['failed']} failed"
    if all(part.finished for part in parts):
        return f"{said}."
    if not busy:
        return f"{said}; no process is at work: the same 'headstart run' goes on from here."
    whole = sum(parts[1:], parts[0])
    steps, seconds = whole.steps - whole.reused[0], whole.seconds - whole.reused[1]
    if not steps or not workers:
        return f"{said}; at work."
    return f"{said}; about {duration(seconds / steps * whole.left / workers)} left."
