"""The cores that worker processes run on, and how processes wait for each other.

Two processes that exchange small pieces of work lose most time in the kernel: one that sleeps is
woken late, and one that wakes another on the same core is suspended for it before it has woken the
rest.
"""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
"""The environment of a process that computes on one core: small networks and worlds are slower on
several, threads take cores from other workers, and results depend on how many there are."""

# How long polling pays before a process sleeps, in seconds: for a worker between two steps, and for
# its owner while worlds step. In a longer wait the delay of being woken matters little.
BETWEEN = 0.002
MEANWHILE = 0.02


def available_cores() -> list[int]:
    """Return the cores that this process may run on; empty where they are not known."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def pin_to_cores(processes: Sequence[int]) -> list[int | None]:
    """Pin each process to one core, if there are as many processes as cores.

    All are woken at once, while this process still has a core, and the kernel then lets two of them
    wait for one core rather than move one. With a spare core this does not happen.

    Args:
        processes: the process ids.

    Returns:
        The core of each process, or None for each where they are not pinned.
    """
    there = available_cores()
    if not len(there) == len(processes) > 1:
        return [None] * len(processes)
    for core, process in zip(there, processes, strict=True):
        # It may have ended already; the first message to it fails then.
        with suppress(ProcessLookupError):
            os.sched_setaffinity(process, {core})
    return list(there)


def here() -> int | None:
    """Return the core that this process runs on now, None where it is not known."""
    return _here() if _here is not None else None


_here = getattr(ctypes.CDLL(None), "sched_getcpu", None)


def soon(look: Callable[[], bytes], seconds: float) -> bytes:
    """Poll `look` for up to `seconds`; return what it finds, or nothing.

    `look` raises BlockingIOError where there is nothing yet. Other processes get the core in
    between.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            return look()
        except BlockingIOError:
            os.sched_yield()
    return b""
