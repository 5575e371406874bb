"""The side of a worker process: answers in lines of JSON, and all else that is printed in a log."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any


def begin_answering() -> Callable[..., None]:
    """Make this process a worker and return what it answers with, a line for each call.

    Lines go to what was its standard output; whatever libraries print goes to the file that is
    the process's first argument. Interrupts are for who started it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "w")
    os.makedirs(os.path.dirname(sys.argv[1]), exist_ok=True)
    log = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)

    def answer(**message: Any) -> None:
        answers.write(json.dumps(message) + "\n")
        answers.flush()

    return answer
