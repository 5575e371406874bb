"""A process that has imported what workers need, and forks one for each that is asked for.

Importing PyTorch, Stable-Baselines3 and the package takes some six seconds of processor time, which
every worker would spend anew: a search, a sweep or a worker that is replaced would wait for it. One
server, started with the first worker, imports them once; a fork of it is ready at once. It holds
nothing of the user's: worlds and methods are imported by each worker, as they are by then.

The server is asked over a Unix socket, a message for each worker, with the ends of three pipes:
the worker's input, its output, and one on which the server reports the process id and, at the end,
the exit status. It ends when the socket does.
"""

from __future__ import annotations

import array
import importlib
import json
import os
import random
import select
import signal
import socket
import sys
import traceback
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy

PRELOADED = ("headstart.experiments.running.unit",)
"""Modules that no user changes."""
LARGEST = 1 << 20
"""Bytes that an order, most of which is the environment, has at most."""


def main() -> None:
    """Serve until the socket that is standard input is closed."""
    asked = socket.socket(fileno=os.dup(0))
    given = {os.getcwd(), *os.environ.get("PYTHONPATH", "").split(os.pathsep)}
    for module in PRELOADED:
        importlib.import_module(module)
    # Each worker finds modules where its owner does then, not where the server's owner did.
    sys.path[:] = [place for place in sys.path if place not in given]
    ended, told = socket.socketpair()
    for one in (ended, told):
        one.setblocking(False)
    signal.set_wakeup_fd(told.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    reports: dict[int, int] = {}
    while True:
        ready, _, _ = select.select([asked, ended], [], [])
        if ended in ready:
            with suppress(BlockingIOError):
                while ended.recv(4096):
                    pass
            _reap(reports)
        if asked in ready:
            order, pipes = _receive(asked)
            if not order:
                os._exit(0)
            _obey(order, pipes, reports, (asked, ended, told))


def _receive(asked: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """Return an order and the pipes that came with it; nothing once the other end is closed."""
    room = socket.CMSG_SPACE(3 * array.array("i").itemsize)
    data, extra, _, _ = asked.recvmsg(LARGEST, room)
    pipes = array.array("i")
    for level, kind, content in extra:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            pipes.frombytes(content[: len(content) - len(content) % pipes.itemsize])
    return (json.loads(data) if data else {}), list(pipes)


def _obey(
    order: Mapping[str, Any],
    pipes: list[int],
    reports: dict[int, int],
    sockets: tuple[socket.socket, ...],
) -> None:
    """Fork a worker, or end one that was forked and has not ended."""
    if "kill" in order:
        if order["kill"] in reports:
            os.kill(order["kill"], order["signal"])
        return
    reads, answers, report = pipes
    pid = os.fork()
    if pid == 0:
        for one in sockets:
            one.close()
        for kept in reports.values():
            os.close(kept)
        os.close(report)
        _work(order, reads, answers)
    os.close(reads)
    os.close(answers)
    reports[pid] = report
    _tell(report, pid)


def _reap(reports: dict[int, int]) -> None:
    """Report the exit status of every worker that has ended."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        report = reports.pop(pid)
        # Processes of its own, as those that step worlds, may hang where it did.
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        _tell(report, os.waitstatus_to_exitcode(status))
        os.close(report)


def _tell(report: int, number: int) -> None:
    with suppress(BrokenPipeError):
        os.write(report, f"{number}\n".encode())


def _work(order: Mapping[str, Any], reads: int, answers: int) -> None:
    """Become the worker: a process as if started by `python -m module argument`."""
    code = 1
    try:
        os.setpgid(0, 0)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        os.dup2(reads, 0)
        os.dup2(answers, 1)
        os.close(reads)
        os.close(answers)
        sys.stdin, sys.stdout = os.fdopen(0), os.fdopen(1, "w")
        os.chdir(order["directory"])
        os.environ.clear()
        os.environ.update(order["environment"])
        sys.path[:] = dict.fromkeys([*order["path"], *sys.path])
        sys.argv = [order["module"], order["argument"]]
        # Forks of one process would share its global streams: a world that draws from them would
        # look as if it were seeded, and its trials would not be independent.
        random.seed()
        numpy.random.set_state(dict(numpy.random.MT19937().state))  # noqa: NPY002
        importlib.import_module(order["module"]).main()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(Exception):
            sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
