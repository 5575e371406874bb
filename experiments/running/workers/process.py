"""A worker process: takes units of a run from its standard input, one a line, and runs them.

Started by the runner, so that scripts need no `if __name__ == "__main__"`. It answers with JSON
lines on what was its standard output; whatever libraries print goes to a log file. It ends when its
input ends, so it cannot outlive the runner.
"""

from __future__ import annotations

import base64
import json
import os
import queue
import sys
import threading
from pathlib import Path
from typing import Any

from .answering import begin_answering


def main() -> None:
    """Serve until the input ends."""
    answer = begin_answering()
    units: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(units,), daemon=True).start()

    import torch

    from ....core.files import read_json
    from ....core.heartbeat import write_calls_to
    from ....envs.main_module import take_main
    from ..claims import CLAIMED, claim, holder
    from ..unit import run_unit

    torch.set_num_threads(1)

    while True:
        order = units.get()
        if "main" in order:
            take_main(base64.b64decode(order["main"]))
            continue

        def progress(step: int, steps: int, value: float | None, unit: str = order["unit"]) -> None:
            answer(unit=unit, step=step, steps=steps, value=value)

        run, unit = Path(order["run"]), order["unit"]
        write_calls_to(order["beat"])
        with claim(run, unit) as mine:
            if mine is None:
                state, error = CLAIMED, holder(run, unit)
            elif (read_json(run / unit / "status.json") or {}).get("state") == "done":
                state, error = "done", None
            else:
                state, error = run_unit(run, unit, progress, mine.check, order["cores"])
        answer(unit=unit, state=state, error=error)


def _listen(units: queue.SimpleQueue[dict[str, Any]]) -> None:
    """Read orders; when the runner is gone, end the process at once, whatever it is doing."""
    for line in sys.stdin:
        units.put(json.loads(line))
    os._exit(0)


if __name__ == "__main__":
    main()
