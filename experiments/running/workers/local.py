"""Workers that are processes of this machine."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from ....envs.vector.cores import ONE_THREAD
from ..plan import Unit


class LocalWorker:
    """A worker process and what it is doing."""

    def __init__(self, number: int, run: Path, answers: queue.SimpleQueue[Any]) -> None:
        self.run = run
        self.unit: Unit | None = None
        self._log = run / "logs" / f"worker-{number}.log"
        self._log.parent.mkdir(exist_ok=True)
        self._process = start("headstart.experiments.running.workers.process", self._log)
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
        stop(self._process, self._listener)


def start(module: str, log: Path) -> subprocess.Popen[str]:
    """Start a module as a process of one thread that takes and answers lines, its log beside."""
    return subprocess.Popen(
        [sys.executable, "-m", module, str(log)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **ONE_THREAD, "PYTHONPATH": python_path()},
    )


def stop(process: subprocess.Popen[str], listener: threading.Thread) -> None:
    """End a process, if it has not ended, and close what led to it and to its listener."""
    process.terminate()
    process.wait()
    listener.join()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(BrokenPipeError):
                pipe.close()


def python_path() -> str:
    """Return where workers find what this process can import: beside the script, and here."""
    places = [os.getcwd(), sys.path[0], os.environ.get("PYTHONPATH")]
    return os.pathsep.join(dict.fromkeys(place for place in places if place))
