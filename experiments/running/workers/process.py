"""A worker process: takes units of a run from its standard input, one a line, and runs them.

Started by the runner, so that scripts need no `if __name__ == "__main__"`. It answers with JSON
lines on what was its standard output; whatever libraries print goes to a log file. It ends when its
input ends, so it cannot outlive the runner; a world that exists once is closed before.
"""

from __future__ import annotations

import base64
import json
import queue
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from ....core.files import read_json
from ....core.heartbeat import write_calls_to
from ....envs.main_module import take_main
from ..claims import CLAIMED, claim, holder
from ..one_instance import Instances, end_soon, instance_claim
from ..unit import run_unit
from .answering import begin_answering


def main() -> None:
    """Serve until the input ends."""
    answer = begin_answering()
    units: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    torch.set_num_threads(1)
    instances = Instances()

    def listen() -> None:
        """Read orders; when the runner is gone, end the process, whatever it is doing."""
        for line in sys.stdin:
            units.put(json.loads(line))
        end_soon(instances)

    threading.Thread(target=listen, daemon=True).start()
    with instances:
        while True:
            order = units.get()
            if "main" in order:
                take_main(base64.b64decode(order["main"]))
            else:
                _serve(order, answer, instances)


def _serve(order: Mapping[str, Any], answer: Callable[..., None], instances: Instances) -> None:
    """Run the unit of an order, and answer how it went."""
    run, unit, target = Path(order["run"]), order["unit"], order["instance"]

    def progress(step: int, steps: int, value: float | None) -> None:
        answer(unit=unit, step=step, steps=steps, value=value)

    write_calls_to(order["beat"])
    instances.moved = False
    with claim(run, unit) as mine:
        if mine is None:
            state, error = CLAIMED, holder(run, unit)
        elif (read_json(run / unit / "status.json") or {}).get("state") == "done":
            state, error = "done", None
        elif target is not None and not instances.reserve(run, target):
            state, error = CLAIMED, holder(run, instance_claim(target))
        else:
            state, error = run_unit(run, unit, progress, mine.check, order["cores"], instances)
    if state == "failed" and target is not None:
        instances.close()
    answer(unit=unit, state=state, error=error, moved=instances.moved)


if __name__ == "__main__":
    main()
