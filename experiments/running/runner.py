"""Running an experiment: the run directory, the worker processes and what one sees meanwhile."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from ...transfer.methods import tunable
from ..config import ConfigError, Experiment
from . import facts, plan
from .plan import Unit
from .store import lock, read_json, write_json, write_text

# Threads beyond one a process make small networks slower, and results depend on their number.
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}


def run_units(
    experiment: Experiment,
    directory: Path,
    *,
    jobs: int | None = None,
    console: Console | None = None,
    where: str = "experiment",
) -> list[str]:
    """Run all that is left of an experiment in `directory`; returns the failed units' paths.

    Raises:
        ConfigError: the experiment cannot run, or the directory holds another one.
        StoreError: the directory cannot be written or is in use.
    """
    console = console or Console()
    parameters = plan.check(experiment, where)
    with lock(directory):
        _prepare(experiment, directory, parameters)
        units = plan.units(experiment)
        done = {u.path for u in units if _state(directory, u) == "done"}
        if done:
            console.print(f"{len(done)} of {len(units)} units are done already; going on")
        todo = [unit for unit in units if unit.path not in done]
        failed = _Pool(directory, todo, done, jobs or cores(), console).run()
        _collect_anchors(experiment, directory)
    return failed


def cores() -> int:
    """Return the number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _state(directory: Path, unit: Unit) -> str | None:
    status = read_json(directory / unit.path / "status.json")
    return status["state"] if status else None


def _prepare(experiment: Experiment, directory: Path, parameters: dict[str, Any]) -> None:
    """Write the resolved experiment and the facts, or check that these are the same."""
    path = directory / "experiment.yaml"
    resolved = experiment.resolved()
    resolved["source"]["algorithm"] = _plain_algorithm(experiment)
    if path.exists():
        there = yaml.safe_load(path.read_text(encoding="utf-8"))
        # Videos are made of what a run leaves, so they may be wished for later.
        differing = first_difference({**there, "video": None}, {**resolved, "video": None})
        if differing:
            raise ConfigError(
                f"'{directory}' holds another experiment: {differing}; choose another directory "
                "with --out, or delete this one"
            )
        known = read_json(directory / "facts.json")
        if known is None:
            raise ConfigError(f"'{directory}' lacks its facts.json; choose another with --out")
        if known["versions"] != facts.versions():
            changed = first_difference(known["versions"], facts.versions())
            raise ConfigError(
                f"'{directory}' was begun with other versions: {changed}; finish it with those, "
                "or choose another directory with --out"
            )
        command = facts.command_line()
        if known["commands"][-1] != command:
            known["commands"].append(command)
        write_json(directory / "facts.json", known)
        return
    if any(p for p in directory.iterdir() if p.name != ".lock"):
        raise ConfigError(
            f"'{directory}' is not empty and holds no experiment; choose another with --out"
        )
    methods = {
        label: {
            "needs_source": method.needs_source,
            "trains": method.trains,
            "tunable": tunable(method),
        }
        for label, method in plan.methods(experiment).items()
    }
    known = facts.begin(parameters, plan.known_anchors(experiment), methods)
    write_json(directory / "facts.json", known)
    write_text(path, yaml.safe_dump(resolved, sort_keys=False))


def _plain_algorithm(experiment: Experiment) -> dict[str, Any]:
    algorithm = plan.algorithm(experiment)
    return {algorithm.name: dict(algorithm.settings)}


def first_difference(there: Any, here: Any, path: str = "") -> str | None:
    """Say at which key two plain values differ first, and how."""
    if isinstance(there, dict) and isinstance(here, dict):
        for key in [*there, *(k for k in here if k not in there)]:
            inner = f"{path}.{key}" if path else str(key)
            found = first_difference(there.get(key), here.get(key), inner)
            if found:
                return found
        return None
    return None if there == here else f"{path} is {there!r} there and {here!r} here"


def _collect_anchors(experiment: Experiment, directory: Path) -> None:
    """Put the measured anchors among the facts."""
    known = read_json(directory / "facts.json") or {}
    for name in ("source", *experiment.targets):
        record = read_json(directory / "anchors" / name / "random.json")
        if record is not None:
            origin = f"measured: uniformly random actions, {record['episodes']} episodes"
            known["anchors"][name] = {
                "random": {"return": record["return"], "origin": origin},
                "reference": None,
            }
    write_json(directory / "facts.json", known)


class _Worker:
    """A worker process and what it is doing."""

    def __init__(self, number: int, run: Path, answers: queue.SimpleQueue[Any]) -> None:
        self.run = run
        self.unit: Unit | None = None
        self._log = run / "logs" / f"worker-{number}.log"
        self._log.parent.mkdir(exist_ok=True)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "headstart.experiments.running.worker", str(self._log)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **ONE_THREAD, "PYTHONPATH": _python_path()},
        )
        self._listener = threading.Thread(target=self._listen, args=(answers,), daemon=True)
        self._listener.start()

    def give(self, unit: Unit) -> None:
        """Send a unit to run."""
        self.unit = unit
        assert self._process.stdin is not None
        order = json.dumps({"run": str(self.run.resolve()), "unit": unit.path})
        # That a process is gone is noticed, and reported, by _listen.
        with suppress(BrokenPipeError):
            print(order, file=self._process.stdin, flush=True)

    def _listen(self, answers: queue.SimpleQueue[Any]) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            answers.put((self, json.loads(line)))
        answers.put((self, None))

    def ending(self) -> str:
        """Say how the process ended."""
        code = self._process.wait()
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit status {code}"
        return f"the worker process {how} (its output: {self._log})"

    def stop(self) -> None:
        """End the process, if it has not ended, and close what led to it."""
        self._process.terminate()
        self._process.wait()
        self._listener.join()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()


def _python_path() -> str:
    """Let workers import what this process can: beside the script, and in the working directory."""
    places = [os.getcwd(), sys.path[0], os.environ.get("PYTHONPATH")]
    return os.pathsep.join(dict.fromkeys(place for place in places if place))


class _Pool:
    """Gives units to workers as soon as what they need is done.

    A unit that fails is tried once more, with the same seed: what was not its own fault (a worker
    that was killed, a full disk that was cleared) then leaves no gap.
    """

    def __init__(
        self, run: Path, todo: list[Unit], done: set[str], jobs: int, console: Console
    ) -> None:
        self.run_directory, self.todo, self.done = run, list(todo), set(done)
        self.jobs, self.console = max(1, min(jobs, len(todo))), console
        self.failed: list[str] = []
        self._tried: set[str] = set()
        self._answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._started = 0

    def run(self) -> list[str]:
        """Run everything; returns the failed units' paths."""
        if not self.todo:
            return []
        with self._display() as display, self._workers() as workers:
            for worker in workers:
                self._next(worker, display)
            while any(worker.unit for worker in workers):
                worker, message = self._answers.get()
                if message is None:
                    if worker in workers:
                        self._lost(worker, workers, display)
                elif "state" in message:
                    unit, worker.unit = worker.unit, None
                    if message["state"] == "done" or not self._again(
                        unit, message["error"], display
                    ):
                        self._finish(unit, message["state"], message["error"], display)
                    for idle in workers:
                        if idle.unit is None:
                            self._next(idle, display)
                else:
                    display.advance(worker.unit, message)
        return self.failed

    def _next(self, worker: _Worker, display: _Display) -> None:
        """Give an idle worker the first unit whose needs are met, if there is one."""
        for unit in list(self.todo):
            lost = [need for need in unit.needs if need in self.failed]
            if lost:
                self.todo.remove(unit)
                self._abandon(unit, lost[0], display)
            elif all(need in self.done for need in unit.needs):
                self.todo.remove(unit)
                display.begin(unit)
                worker.give(unit)
                return

    def _abandon(self, unit: Unit, need: str, display: _Display) -> None:
        error = f"not run: it needs {need}, which failed"
        _record_failure(self.run_directory / unit.path, error)
        self._finish(unit, "failed", error, display)

    def _lost(self, worker: _Worker, workers: list[_Worker], display: _Display) -> None:
        """Replace a worker that died; its unit failed, the others go on."""
        unit = worker.unit
        worker.unit = None
        workers.remove(worker)
        if unit is not None:
            error = worker.ending()
            worker.stop()
            # Not recorded as failed the first time, it goes on from its last checkpoint.
            if not self._again(unit, error, display):
                _record_failure(self.run_directory / unit.path, error)
                self._finish(unit, "failed", error, display)
            workers.append(self._start())
        for idle in workers:
            if idle.unit is None:
                self._next(idle, display)

    def _again(self, unit: Unit, error: str | None, display: _Display) -> bool:
        """Put a unit that failed for the first time back into the queue, and say so."""
        if unit.path in self._tried:
            return False
        self._tried.add(unit.path)
        self.todo.insert(0, unit)
        display.retry(unit, error)
        return True

    def _finish(self, unit: Unit, state: str, error: str | None, display: _Display) -> None:
        display.end(unit, state, error)
        if state == "done":
            self.done.add(unit.path)
        else:
            self.failed.append(unit.path)

    def _start(self) -> _Worker:
        self._started += 1
        return _Worker(self._started, self.run_directory, self._answers)

    @contextmanager
    def _workers(self) -> Iterator[list[_Worker]]:
        workers = [self._start() for _ in range(self.jobs)]
        try:
            yield workers
        finally:
            for worker in workers:
                worker.stop()

    @contextmanager
    def _display(self) -> Iterator[_Display]:
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}"),
        )
        with Progress(*columns, console=self.console, transient=True) as progress:
            yield _Display(progress, len(self.todo))


def _record_failure(folder: Path, error: str) -> None:
    """Record a failure that the unit's own process could not."""
    status = read_json(folder / "status.json") or {"step": 0, "steps": 0, "seconds": 0.0}
    status.update(state="failed", error=error, traceback=None)
    write_json(folder / "status.json", status)


class _Display:
    """What one sees: a bar for the whole, one for each unit at work, a line for each ended."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress = progress
        self._whole = progress.add_task("all units", total=total, note="")
        self._bars: dict[str, TaskID] = {}

    def begin(self, unit: Unit) -> None:
        """Show that a unit begins."""
        self._bars[unit.path] = self._progress.add_task(unit.path, total=unit.steps or 1, note="")

    def advance(self, unit: Unit, message: dict[str, Any]) -> None:
        """Show how far a unit is, and its last return."""
        self._progress.update(
            self._bars[unit.path],
            completed=min(message["step"], unit.steps),
            note=f"return {message['value']:.4g}",
        )

    def retry(self, unit: Unit, error: str | None) -> None:
        """Show that a unit failed and is tried once more."""
        self._remove(unit)
        self._say("[yellow]again[/]   ", unit, error)

    def end(self, unit: Unit, state: str, error: str | None) -> None:
        """Show how a unit ended."""
        taken = self._remove(unit)
        self._progress.advance(self._whole)
        if state == "done":
            self._progress.console.print(f"[green]done[/]    {unit.path}  {taken:.0f} s")
        else:
            self._say("[red]failed[/]  ", unit, error)

    def _remove(self, unit: Unit) -> float:
        """Take away a unit's bar, and return the seconds that it stood there."""
        bar = self._bars.pop(unit.path, None)
        if bar is None:
            return 0.0
        taken = self._progress.tasks[self._progress.task_ids.index(bar)].elapsed
        self._progress.remove_task(bar)
        return taken or 0.0

    def _say(self, lead: str, unit: Unit, error: str | None) -> None:
        self._progress.console.print(f"{lead}{unit.path}  ", end="")
        self._progress.console.print(error, markup=False, highlight=False)
