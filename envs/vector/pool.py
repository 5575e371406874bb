"""Worker processes that step many worlds, the base of the vector environments."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, NoReturn

import cloudpickle
import gymnasium
import numpy as np

from ...core.errors import HeadstartError
from ..main_module import taken_main
from . import cores
from .worker import ANSWER, CALL, LENGTH_BYTES, STEP, Built, Failure, Layout, Make, News, Shared

# Importing a learning library and building worlds may take this long on a busy machine, in seconds.
START_SECONDS = 60.0
# How often a wait checks that the process is alive, and how long worlds may take to close.
SLICE = 1.0
GRACE = 5.0


class RemoteTraceback(Exception):
    """The traceback of an error in a worker, as the cause of the error raised here."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


class WorkerPool:
    """Worlds spread over worker processes, in order and evenly.

    A worker steps all its worlds at one wake-up, so that light worlds do not pay for a switch of
    processes each. Workers are new interpreters: a fork would copy torch's and OpenMP's locks but
    not the threads that hold them, and physics clients; `spawn` and `forkserver` import the main
    script once more, which would need a main guard. Shared memory has no name, so that none remains
    however this process ends.

    After a failed step or reset, or when a worker dies or does not answer, all workers are ended.
    """

    def __init__(self, makes: Sequence[Make], workers: int, timeout: float) -> None:
        """Make the worlds; an answer may take `timeout` s (60 s at the start, if more).

        Raises:
            HeadstartError: no worlds, fewer than one worker, worlds that cannot be made, that
                differ in their spaces, or that have spaces of no fixed shape.
        """
        if not makes or workers < 1 or not timeout > 0:
            raise HeadstartError(
                f"{len(makes)} worlds in {workers} workers with a timeout of {timeout} s: expected "
                "at least one world, one worker and a timeout above 0"
            )
        self.count, self._timeout = len(makes), timeout
        self._waiting = self.closed = False
        self._shared: Shared | None = None
        self._workers: list[_Worker] = []
        # Also stops them when this object is collected or the interpreter ends.
        self._stop = weakref.finalize(self, _stop, self._workers, os.getpid(), 0.0)
        with _memory() as file:
            try:
                self._start(makes, min(workers, len(makes)), file.fileno())
            except BaseException:
                self._end()
                raise

    def _start(self, makes: Sequence[Make], workers: int, file: int) -> None:
        """Start the workers, and make the worlds in them."""
        self._start_processes(workers, file)
        waiting, self._timeout = self._timeout, max(self._timeout, START_SECONDS)
        built = self._build(makes)
        self.observation_space, self.action_space, self.metadata, self.spec = built[0]
        layout = self._common_layout(built)
        self._shared = Shared(file, layout)
        self._ask_all([("share", layout) for _ in self])
        self._timeout = waiting

    def _start_processes(self, workers: int, file: int) -> None:
        """Start the processes, each for an equal part of the worlds."""
        bounds = [self.count * number // workers for number in range(workers + 1)]
        # Where workers must share cores, one that polls for work keeps another from working.
        patience = cores.BETWEEN if workers <= len(cores.available_cores()) else 0.0
        for number in range(workers):
            worlds = range(bounds[number], bounds[number + 1])
            self._workers.append(_Worker(number, worlds, file, patience))
        places = cores.pin_to_cores([worker.process.pid for worker in self])
        for worker, core in zip(self, places, strict=True):
            worker.core = core

    def _build(self, makes: Sequence[Make]) -> list[Built]:
        """Let each worker make its worlds; return what it reports of each."""
        known = self._ask_all([("registered",) for _ in self])[0]
        specs, main = _specs(known), taken_main()
        orders = [
            ("build", makes[w.worlds.start : w.worlds.stop], w.worlds.start, specs, main)
            for w in self
        ]
        return [world for part in self._ask_all(orders) for world in part]

    def _common_layout(self, built: Sequence[Built]) -> Layout:
        """Return the layout of all worlds; raise HeadstartError if they differ."""
        layouts = [Layout.of(self.count, *world[:2]) for world in built]
        for number, layout in enumerate(layouts):
            if layout != layouts[0]:
                raise HeadstartError(
                    f"world {number} has the spaces {built[number][0]} and {built[number][1]}: "
                    f"expected those of world 0, {built[0][0]} and {built[0][1]}"
                )
        return layouts[0]

    def __iter__(self) -> Iterator[_Worker]:
        return iter(self._workers)

    @property
    def shared(self) -> Shared:
        """The arrays with the observations, rewards and ends of the last step."""
        if self._shared is None:
            raise HeadstartError("the worlds are closed")
        return self._shared

    def observations(self) -> Any:
        """Return copies of the observations, with the structure of their space."""
        copies = {key: array.copy() for key, array in self.shared.observations.items()}
        if isinstance(self.observation_space, gymnasium.spaces.Dict):
            return copies
        if isinstance(self.observation_space, gymnasium.spaces.Tuple):
            return tuple(copies.values())
        return copies[None]

    def step_async(self, actions: Any) -> None:
        """Start a step of all worlds; `actions` is an array or a sequence, one for each."""
        shared = self.shared
        if self._waiting:
            raise HeadstartError("a step was started before the last one was waited for")
        there = shared.actions
        if (
            there is not None
            and isinstance(actions, np.ndarray)
            and actions.dtype == there.dtype
            and actions.shape == there.shape
        ):
            there[...] = actions
            messages = [STEP] * len(self._workers)
        else:
            # Any other dtype or structure reaches the worlds unchanged, only slower.
            if len(actions) != self.count:
                raise HeadstartError(f"{len(actions)} actions for {self.count} worlds")
            messages = [_call("step", [actions[i] for i in w.worlds]) for w in self]
        self._send(messages)
        self._waiting = True

    def step_wait(self) -> dict[int, News]:
        """Wait for the step that was started; return news by world, in order.

        Raises:
            HeadstartError: a world raised an error, a worker died or does not answer, or no step
                was started.
        """
        if not self._waiting:
            raise HeadstartError("no step was started that could be waited for")
        news: dict[int, News] = {}
        for answer in self._receive():
            if answer is not None:
                news.update(_checked(answer, self))
        return news

    def reset(
        self, seeds: Sequence[int | None], options: Sequence[Any], chosen: Iterable[int]
    ) -> dict[int, dict[str, Any]]:
        """Reset the `chosen` worlds, each with its seed and options; return their infos.

        A step that was started is waited for and its result dropped.
        """
        self._settle()
        chosen = set(chosen)
        orders = [
            ("reset", [(i, seeds[i], options[i]) for i in w.worlds if i in chosen]) for w in self
        ]
        infos: dict[int, dict[str, Any]] = {}
        for part in self._ask_all(orders):
            infos.update(part)
        return infos

    def ask(self, operation: str, arguments: dict[int, tuple[Any, ...]]) -> dict[int, Any]:
        """Do an operation of `worker.OPERATIONS`; arguments and answers are by world.

        An error in a worker is raised here; the worlds stay usable.
        """
        self._settle()
        orders = [
            ("ask", operation, [(i, arguments[i]) for i in w.worlds if i in arguments])
            for w in self
        ]
        self._send([_call(*order) for order in orders])
        answers = self._receive()
        for answer in answers:
            if isinstance(answer, Failure):
                cause = RemoteTraceback(answer.traceback)
                if answer.exception is None:
                    raise _error(answer) from cause
                raise cloudpickle.loads(answer.exception) from cause
        return {world: value for part in answers for world, value in part.items()}

    def close(self) -> None:
        """Close the worlds and end the workers; may be called again."""
        self._end(GRACE)

    def _settle(self) -> None:
        if not self._workers:
            raise HeadstartError("the worlds are closed")
        if self._waiting:
            self.step_wait()

    def _ask_all(self, orders: Sequence[tuple[Any, ...]]) -> list[Any]:
        self._send([_call(*order) for order in orders])
        return [_checked(answer, self) for answer in self._receive()]

    def _send(self, messages: Sequence[bytes]) -> None:
        # Whatever interrupts it, the pool cannot go on after half a message.
        try:
            deadline = time.monotonic() + self._timeout
            core = cores.here()
            # The one on this core comes last: it may take the core at once.
            orders = zip(self._workers, messages, strict=True)
            for worker, message in sorted(orders, key=lambda order: order[0].core == core):
                worker.send(message, deadline)
        except BaseException as error:
            self._fail(error)

    def _receive(self) -> list[Any]:
        """Return every worker's answer, None where it has nothing to report."""
        self._waiting = False
        try:
            deadline = time.monotonic() + self._timeout
            return [worker.receive(deadline) for worker in self._workers]
        except BaseException as error:
            self._fail(error)

    def _fail(self, error: BaseException) -> NoReturn:
        lost = isinstance(error, TimeoutError)
        self._end()
        if lost:
            waited = f"has not answered for {self._timeout:g} s"
            raise HeadstartError(f"{error} {waited}; all worlds are closed") from None
        raise error

    def _end(self, grace: float = 0.0) -> None:
        self._stop.detach()
        self.closed, self._shared, self._waiting = True, None, False
        _stop(self._workers, os.getpid(), grace)


class _Worker:
    """A worker process and the connection to it."""

    def __init__(self, number: int, worlds: range, file: int, patience: float) -> None:
        self.worlds = worlds
        self.core: int | None = None
        self._patience = cores.MEANWHILE if patience else 0.0
        self._socket, theirs = socket.socketpair()
        self._socket.settimeout(SLICE)
        self._name = f"worker {number} (worlds {worlds.start} to {worlds.stop - 1})"
        # It imports from the same folders as this process: a script's, a notebook's, a test's.
        code = (
            f"import sys; sys.path[:] = {[str(path) for path in sys.path]!r}; "
            f"from {__package__}.worker import serve_worlds; "
            f"serve_worlds({theirs.fileno()}, {file}, {os.getpid()}, {patience})"
        )
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-c", code],
                stdin=subprocess.PIPE,
                pass_fds=(theirs.fileno(), file),
                env={**cores.ONE_THREAD, **os.environ},
            )

    def send(self, message: bytes, deadline: float) -> None:
        """Send all of a message, or raise as `receive` does."""
        left = memoryview(message)
        while left:
            try:
                left = left[self._socket.send(left) :]
            except TimeoutError:
                self._check(deadline)
            except ConnectionError:
                raise self._gone() from None

    def receive(self, deadline: float) -> Any:
        """Return the answer, None where the worker has nothing to report.

        Raises:
            HeadstartError: the process has ended.
            TimeoutError: `deadline` (of `time.monotonic`) has passed; names the worker.
        """
        # A socket with a timeout does not block in the system call: Python waits for it.
        look = partial(os.read, self._socket.fileno(), 1)
        try:
            kind = cores.soon(look, self._patience)
        except ConnectionError:
            raise self._gone() from None
        if (kind or self._bytes(1, deadline)) != ANSWER:
            return None
        size = int.from_bytes(self._bytes(LENGTH_BYTES, deadline), "little")
        return cloudpickle.loads(self._bytes(size, deadline))

    def _bytes(self, size: int, deadline: float) -> bytes:
        data = b""
        while len(data) < size:
            try:
                piece = self._socket.recv(min(size - len(data), 1 << 20))
            except TimeoutError:
                self._check(deadline)
                continue
            except ConnectionError:
                piece = b""
            if not piece:
                raise self._gone()
            data = data + piece if data else piece
        return data

    def _check(self, deadline: float) -> None:
        if self.process.poll() is not None:
            raise self._gone()
        if time.monotonic() >= deadline:
            raise TimeoutError(self._name)

    def _gone(self) -> HeadstartError:
        try:
            code: int | None = self.process.wait(GRACE)
        except subprocess.TimeoutExpired:
            code = None
        if code is None:
            how = "closed its connection"
        elif code < 0:
            how = f"was killed by {signal.Signals(-code).name}"
        else:
            how = f"ended with exit status {code}"
        return HeadstartError(f"{self._name} {how}; all worlds are closed")

    def hang_up(self) -> None:
        """Close the connection: the process closes its worlds and ends."""
        self._socket.close()

    def end(self, deadline: float) -> None:
        """Wait for the process until `deadline` (of `time.monotonic`), then kill it."""
        try:
            self.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        assert self.process.stdin is not None
        self.process.stdin.close()


def _stop(workers: list[_Worker], owner: int, grace: float) -> None:
    """End all workers, unless this process was forked from the one that started them."""
    if os.getpid() != owner:
        return
    deadline = time.monotonic() + grace
    for worker in workers:
        worker.hang_up()
    for worker in workers:
        worker.end(deadline)
    workers.clear()


def _call(name: str, *arguments: Any) -> bytes:
    data: bytes = cloudpickle.dumps((name, arguments))
    return CALL + len(data).to_bytes(LENGTH_BYTES, "little") + data


def _specs(known: set[str]) -> list[bytes]:
    """Return the pickled specs registered with Gymnasium here and not in `known`.

    A script registers its worlds when it runs, and the workers do not run it.
    """
    specs = []
    for world_id, spec in gymnasium.registry.items():
        if world_id not in known:
            # What cannot be pickled may not be needed; if it is, making it reports it missing.
            with suppress(Exception):
                specs.append(cloudpickle.dumps(spec))
    return specs


def _checked(answer: Any, pool: WorkerPool) -> Any:
    """Return the answer unless it is a failure, which ends the pool."""
    if isinstance(answer, Failure):
        pool._end()
        raise _error(answer) from RemoteTraceback(answer.traceback)
    return answer


def _error(failure: Failure) -> HeadstartError:
    """Return a failure as a HeadstartError: the one that was raised, if it was one."""
    if failure.exception is not None:
        error = cloudpickle.loads(failure.exception)
        if isinstance(error, HeadstartError):
            return error
    who = "a worker" if failure.world is None else f"world {failure.world}"
    return HeadstartError(f"{who} raised {failure.summary}")


def _memory() -> Any:
    """Open a file without a name, in memory where the system supports it."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("headstart"), "r+b")
    return tempfile.TemporaryFile()
