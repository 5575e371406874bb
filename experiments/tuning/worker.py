"""A process of a search: runs trials of a study until as many as are wanted have been tried.

Started by `search` as a worker process (running/workers/start.py), so that scripts need no
`if __name__ == "__main__"`. It reads its order as one line of JSON, answers with lines of JSON on
what was its standard output, and ends when its input does; what libraries print goes to the log.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import threading
from pathlib import Path

from ..running.workers.answering import begin_answering


def main() -> None:
    """Serve one order."""
    tell = begin_answering()
    order = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_input, daemon=True).start()

    import torch

    from ...core.errors import HeadstartError, single_line
    from ...envs.main_module import take_main
    from .study import TuningTask, open_study
    from .trials import Work

    torch.set_num_threads(1)

    try:
        if "main" in order:
            take_main(base64.b64decode(order["main"]))
        study = open_study(order["storage"], name=order["study"])
        out, goal = Path(order["out"]), int(order["goal"])
        ending = Work(study, TuningTask.of(study), out, goal, bool(order["alone"]), tell).run()
    except HeadstartError as error:
        ending = single_line(str(error))
    tell(ending=ending)


def _end_with_input() -> None:
    """When who started this is gone, end at once, whatever is being done."""
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
