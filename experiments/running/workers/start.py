"""Starting worker processes: forked by a server that has imported what they need, or anew."""

from __future__ import annotations

import array
import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO

from ....envs.vector.cores import ONE_THREAD

SERVER = "headstart.experiments.running.workers.fork_server"
_INTERPRETER = (sys.prefix, sys.base_prefix, sysconfig.get_path("stdlib"))
FORKS = sys.platform == "linux"
"""Elsewhere the system's libraries may not be used after a fork."""
PATIENCE = 15.0
"""Seconds that a worker has to end before it is killed: one may close a robot first."""


class WorkerProcess:
    """A process that takes lines and answers in lines."""

    def __init__(self, module: str, log: Path) -> None:
        """Start `module`, a process of one thread whose output goes to the file `log`.

        It finds modules where this process does: beside the script, and here.
        """
        server = _server() if FORKS else None
        reads, writes = os.pipe()
        hears, answers = os.pipe()
        self.stdin: IO[str] = os.fdopen(writes, "w")
        self.stdout: IO[str] = os.fdopen(hears)
        try:
            if server is None:
                self._process: _Forked | subprocess.Popen[bytes] = subprocess.Popen(
                    [sys.executable, "-m", module, str(log)],
                    stdin=reads,
                    stdout=answers,
                    env={**_environment(), "PYTHONPATH": python_path()},
                )
            else:
                self._process = _Forked(server, module, log, reads, answers)
        finally:
            os.close(reads)
            os.close(answers)

    def wait(self) -> int:
        """Wait for its end; returns the exit status, minus the signal that ended it."""
        return self._process.wait()

    def kill(self) -> None:
        """End it at once, and the processes that it has started."""
        self._process.kill()

    def stop(self, listener: threading.Thread) -> None:
        """End it, if it has not ended, and close what led to it and to its `listener`."""
        # It ends with its input as well, should it have outlived the server.
        with suppress(BrokenPipeError):
            self.stdin.close()
        self._process.terminate()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
            self.wait()
        listener.join()
        self.stdout.close()


class _Forked:
    """A worker that the server forked, which reports its process id and its exit status."""

    def __init__(self, server: _Server, module: str, log: Path, reads: int, answers: int) -> None:
        self._server = server
        report, told = os.pipe()
        self._report = os.fdopen(report)
        order = {
            "module": module,
            "argument": str(log),
            "directory": os.getcwd(),
            "environment": _environment(),
            "path": _path(),
        }
        try:
            server.ask(order, (reads, answers, told))
        finally:
            os.close(told)
        self._pid = self._report.readline().strip()
        self._lock = threading.Lock()
        self._code: int | None = None if self._pid else -signal.SIGKILL

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end, which a process of a world that exists once may take seconds for."""
        with self._lock:
            if self._code is None:
                if not select.select([self._report], [], [], timeout)[0]:
                    raise subprocess.TimeoutExpired("worker", timeout or 0.0)
                told = self._report.readline().strip()
                # A server that was killed takes its workers along, as their input ends with it.
                self._code = int(told) if told else -signal.SIGKILL
                self._report.close()
            return self._code

    def terminate(self) -> None:
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        if self._code is None:
            self._server.ask({"kill": int(self._pid), "signal": number})


class _Server:
    """The server that forks, as this process sees it."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket = ours
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-m", SERVER],
                stdin=theirs.fileno(),
                env={**_environment(), "PYTHONPATH": python_path()},
            )
        atexit.register(self.close)

    def ask(self, order: Mapping[str, object], pipes: tuple[int, ...] = ()) -> None:
        """Send an order, with the ends of pipes that are to be the worker's."""
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", pipes))
        # That the server is gone is noticed by who waits for the worker.
        with suppress(BrokenPipeError, ConnectionResetError):
            self._socket.sendmsg([json.dumps(order).encode()], [rights] if pipes else [])

    def close(self) -> None:
        """End it; it ends by itself when this process does."""
        self._socket.close()
        self.process.wait()


_running: list[_Server] = []
_starting = threading.Lock()


def _server() -> _Server:
    """Return the server of this process, started when it is first needed or was lost."""
    with _starting:
        if not _running or _running[0].process.poll() is not None:
            _running[:] = [_Server()]
        return _running[0]


def _environment() -> dict[str, str]:
    return {**os.environ, **ONE_THREAD}


def python_path() -> str:
    """Return `PYTHONPATH` for a process that is to find what this one can import."""
    return os.pathsep.join(_path())


def _path() -> list[str]:
    """Return where workers find what this process can import: here, and in `sys.path`.

    A notebook often puts folders there. What every interpreter has by itself is left out.
    """
    given = [os.path.abspath(place) for place in sys.path if place]
    own = [place for place in given if not place.startswith(_INTERPRETER)]
    environment = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return list(dict.fromkeys([os.getcwd(), *own, *filter(None, environment)]))
