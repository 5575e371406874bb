"""Workers that are processes of this machine."""

from __future__ import annotations

import base64
import json
import queue
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from ....core.heartbeat import Heartbeat, describe_hang
from ..plan import Unit
from .start import WorkerProcess


class LocalWorker:
    """A worker process and what it is doing; `main` is what it is sent of this `__main__`."""

    def __init__(
        self,
        number: int,
        run: Path,
        answers: queue.SimpleQueue[Any],
        main: bytes | None = None,
    ) -> None:
        self.run = run
        self.unit: Unit | None = None
        self._beat = Heartbeat()
        self._log = run / "logs" / f"worker-{number}.log"
        self._log.parent.mkdir(parents=True, exist_ok=True)
        self._process = WorkerProcess("headstart.experiments.running.workers.process", self._log)
        self._listener = threading.Thread(target=self._listen, args=(answers,), daemon=True)
        self._listener.start()
        if main is not None:
            self._order(main=base64.b64encode(main).decode())

    def give(self, unit: Unit, cores: int) -> None:
        """Send a unit to run."""
        self.unit = unit
        place = str(self.run.resolve())
        about = {"unit": unit.path, "instance": unit.instance}
        self._order(run=place, **about, cores=cores, beat=str(self._beat.path))

    def _order(self, **order: Any) -> None:
        # That a process is gone is noticed, and reported, by _listen.
        with suppress(BrokenPipeError):
            print(json.dumps(order), file=self._process.stdin, flush=True)

    def _listen(self, answers: queue.SimpleQueue[Any]) -> None:
        for line in self._process.stdout:
            answers.put((self, json.loads(line)))
        answers.put((self, None))

    def ending(self) -> str:
        """Say how the process ended."""
        code = self._process.wait()
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit status {code}"
        return f"the worker process {how} (its output: {self._log})"

    def hung(self, seconds: float) -> str | None:
        """Say which call of its world has not come back for so long, if one has."""
        overdue = self._beat.overdue(seconds)
        if overdue is None:
            return None
        return f"{describe_hang(overdue[0], seconds)}; its worker was ended"

    def kill(self) -> None:
        """End the process at once, whatever holds it."""
        self._process.kill()
        self.stop()

    def stop(self) -> None:
        """End the process, if it has not ended, and close what led to it."""
        self._process.stop(self._listener)
        self._beat.close()
