"""Giving units to workers, each as soon as what it needs is done."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from ...core.files import StoreError, read_json, write_json
from ...core.heartbeat import STEP_TIMEOUT
from .claims import CLAIMED, holder
from .plan import Unit
from .progress import Display, progress_bars

Answers = queue.SimpleQueue[Any]
LOOK_AGAIN = 1.0
"""Seconds from one look at what is at work, here and elsewhere, to the next."""


class Worker(Protocol):
    """What runs one unit at a time, somewhere.

    It puts `(self, message)` among the answers: `{"unit", "step", "steps", "value"}` as it
    proceeds, `{"unit", "state", "error"}` at the end, and None when it is itself lost.
    """

    unit: Unit | None

    def give(self, unit: Unit, cores: int) -> None:
        """Begin a unit, which may use so many cores."""
        ...

    def ending(self) -> str:
        """Say, of a worker that is lost, how it ended."""
        ...

    def hung(self, seconds: float) -> str | None:
        """Say which call of its world has not come back for so long, if one has."""
        ...

    def kill(self) -> None:
        """End it at once, whatever holds it."""
        ...

    def stop(self) -> None:
        """End it, whatever it is doing."""
        ...


StartWorker = Callable[[int, Path, Answers], Worker]


class Pool:
    """Runs the units of `todo` on `jobs` workers.

    A unit that fails is tried once more, with the same seed: what was not its own fault (a worker
    that was killed, a full disk that was cleared) then leaves no gap. One that another process is
    at work on is waited for. One whose world has not come back from a step or reset for
    `step_timeout` seconds has failed, and is not tried again. Units of a target that exists once
    are run by one worker, one after the other, until one fails after it has moved.

    Attributes:
        before_unit: called before a worker is given a unit.
    """

    def __init__(
        self,
        run: Path,
        todo: Sequence[Unit],
        done: set[str],
        jobs: int,
        console: Console,
        start: StartWorker,
        step_timeout: float = STEP_TIMEOUT,
    ) -> None:
        self.run_directory, self.todo, self.done = run, list(todo), set(done)
        self.cores, self.console = max(1, jobs), console
        self.jobs = max(1, min(jobs, len(todo)))
        self.failed: list[str] = []
        self.before_unit: Callable[[], None] = lambda: None
        self._start_worker, self._step_timeout = start, step_timeout
        self._tried: set[str] = set()
        self._holders: dict[str, Worker] = {}
        self._unsafe: dict[str, str] = {}
        self._elsewhere: list[Unit] = []
        self._answers: Answers = queue.SimpleQueue()
        self._started = 0

    def run(self) -> list[str]:
        """Run everything; returns the failed units' paths."""
        if not self.todo:
            return []
        with self._display() as display, self._workers() as workers:
            self._occupy(workers, display)
            while self._elsewhere or any(worker.unit for worker in workers):
                try:
                    worker, message = self._answers.get(timeout=LOOK_AGAIN)
                except queue.Empty:
                    self._look(display)
                else:
                    if worker in workers:
                        self._hear(worker, message, workers, display)
                self._end_hung(workers, display)
                self._occupy(workers, display)
        return self.failed

    def _hear(
        self, worker: Worker, message: dict[str, Any] | None, workers: list[Worker], show: Display
    ) -> None:
        unit = worker.unit
        if message is None:
            self._lost(worker, workers, show)
        elif unit is None:
            return
        elif "state" not in message:
            show.advance(unit, message)
        else:
            worker.unit = None
            if message["state"] == CLAIMED:
                self._elsewhere.append(unit)
                show.wait(unit, message["error"])
            elif message["state"] == "done" or not self._again(unit, message["error"], show):
                if message["state"] != "done" and message.get("moved"):
                    self._stop_instance(unit)
                self._finish(unit, message["state"], message["error"], show)

    def _look(self, display: Display) -> None:
        """Take back what others were at work on and are no longer."""
        for unit in list(self._elsewhere):
            status = read_json(self.run_directory / unit.path / "status.json") or {}
            if status.get("state") == "done" or holder(self.run_directory, unit.path) is None:
                self._elsewhere.remove(unit)
                display.take_back(unit)
                self.todo.insert(0, unit)

    def _end_hung(self, workers: list[Worker], display: Display) -> None:
        """End the workers whose worlds do not come back; their units failed, the others go on."""
        for worker in list(workers):
            why = worker.hung(self._step_timeout) if worker.unit else None
            if why is not None:
                worker.kill()
                self._replace(worker, why, workers, display, again=False)

    def _occupy(self, workers: list[Worker], display: Display) -> None:
        for idle in workers:
            if idle.unit is None:
                busy = sum(worker.unit is not None for worker in workers)
                self._next(idle, busy, display)

    def share(self, busy: int) -> int:
        """Return the cores for a unit that begins beside `busy` others: what all leave idle too.

        Those that wait for a source leave theirs to it.
        """
        ready = sum(all(need in self.done for need in unit.needs) for unit in self.todo)
        return max(1, self.cores // (busy + 1 + ready))

    def _next(self, worker: Worker, busy: int, display: Display) -> None:
        """Give an idle worker the first unit whose needs are met, if there is one."""
        # Who holds a world that exists once goes on with it.
        for unit in sorted(self.todo, key=lambda one: not self._holds(worker, one)):
            why = self._hopeless(unit)
            if why is not None:
                self.todo.remove(unit)
                self._abandon(unit, why, display)
            elif self._is_ready(unit, worker):
                self.todo.remove(unit)
                if unit.instance is not None:
                    self._holders[unit.instance] = worker
                display.begin(unit)
                self.before_unit()
                worker.give(unit, self.share(busy))
                return

    def _holds(self, worker: Worker, unit: Unit) -> bool:
        """Whether a unit's world exists once, and this worker has it."""
        return unit.instance is not None and self._holders.get(unit.instance) is worker

    def _is_ready(self, unit: Unit, worker: Worker) -> bool:
        """Whether a worker may run a unit now: one that exists once is held by one alone."""
        free = unit.instance not in self._holders or self._holds(worker, unit)
        return free and all(need in self.done for need in unit.needs)

    def _hopeless(self, unit: Unit) -> str | None:
        """Return why a unit is not run; None if it is."""
        lost = [need for need in unit.needs if need in self.failed]
        if lost:
            return f"not run: it needs {lost[0]}, which failed"
        if unit.instance in self._unsafe:
            return (
                f"not run: {self._unsafe[unit.instance]} failed after {unit.instance}, which "
                "exists once, had moved; look at it, and go on with --ready"
            )
        return None

    def _stop_instance(self, unit: Unit) -> None:
        """Let no other unit move what a unit failed in, if that exists once."""
        if unit.instance is not None:
            self._unsafe[unit.instance] = unit.path

    def _abandon(self, unit: Unit, error: str, display: Display) -> None:
        record_failure(self.run_directory / unit.path, error)
        self._finish(unit, "failed", error, display)

    def _lost(self, worker: Worker, workers: list[Worker], display: Display) -> None:
        """Replace a worker that died; its unit failed, the others go on."""
        error = worker.ending()
        worker.stop()
        self._replace(worker, error, workers, display, again=True)

    def _replace(
        self, worker: Worker, error: str, workers: list[Worker], display: Display, *, again: bool
    ) -> None:
        """Start a worker in place of one that has ended, whose unit may be tried `again`."""
        unit = worker.unit
        worker.unit = None
        workers.remove(worker)
        self._holders = {name: held for name, held in self._holders.items() if held is not worker}
        # Not recorded as failed the first time, it goes on from its last checkpoint.
        if unit is not None and not (again and self._again(unit, error, display)):
            self._stop_instance(unit)
            record_failure(self.run_directory / unit.path, error)
            self._finish(unit, "failed", error, display)
        workers.append(self._start())

    def _again(self, unit: Unit, error: str | None, display: Display) -> bool:
        """Put a unit that failed for the first time back into the queue, and say so.

        Not where it would move by itself what exists once.
        """
        if unit.path in self._tried or unit.instance is not None:
            return False
        self._tried.add(unit.path)
        self.todo.insert(0, unit)
        display.retry(unit, error)
        return True

    def _finish(self, unit: Unit, state: str, error: str | None, display: Display) -> None:
        display.end(unit, state, error)
        if state == "done":
            self.done.add(unit.path)
        else:
            self.failed.append(unit.path)

    def _start(self) -> Worker:
        self._started += 1
        return self._start_worker(self._started, self.run_directory, self._answers)

    @contextmanager
    def _workers(self) -> Iterator[list[Worker]]:
        workers = [self._start() for _ in range(self.jobs)]
        try:
            yield workers
        finally:
            for worker in workers:
                worker.stop()

    @contextmanager
    def _display(self) -> Iterator[Display]:
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}"),
        )
        with progress_bars(*columns, console=self.console) as progress:
            yield Display(progress, len(self.todo))


def record_failure(folder: Path, error: str) -> None:
    """Record a failure that the unit's own process could not."""
    try:
        status = read_json(folder / "status.json")
    except StoreError:
        status = None  # damaged: nothing of it can be kept
    status = status or {"step": 0, "steps": 0, "seconds": 0.0}
    status.update(state="failed", error=error, traceback=None)
    write_json(folder / "status.json", status)
