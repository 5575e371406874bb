"""Where the workers of a vector environment run, and how they and their owner wait for each other.

Two processes that hand work to and fro lose more to the kernel than to anything else: one that
sleeps is woken late, and one that wakes another on its own core stands aside for it before it has
woken the rest.
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

# How long it pays to look again and again before falling asleep, in seconds: for a worker between
# two steps, and for its owner while worlds step. Who waits longer has lost little by being woken.
BETWEEN = 0.002
MEANWHILE = 0.02


def available_cores() -> list[int]:
    """Return the cores that this process may run on; empty where the system does not say."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def pin_to_cores(processes: Sequence[int]) -> list[int | None]:
    """Give each process a core of its own where there are as many as cores; return whose is which.

    All are woken at once, while this process still has a core, and the kernel then lets two of them
    wait for one core rather than move one. With a core to spare it does not come to that.
    """
    there = available_cores()
    if not len(there) == len(processes) > 1:
        return [None] * len(processes)
    for core, process in zip(there, processes, strict=True):
        # It may have ended already; that is noticed when it is first spoken to.
        with suppress(ProcessLookupError):
            os.sched_setaffinity(process, {core})
    return list(there)


def here() -> int | None:
    """Return the core that this process runs on just now, None where the system does not say."""
    return _here() if _here is not None else None


_here = getattr(ctypes.CDLL(None), "sched_getcpu", None)


def soon(look: Callable[[], bytes], seconds: float) -> bytes:
    """Return what `look` finds within `seconds`, looking again and again; nothing if it does not.

    It raises BlockingIOError where there is nothing yet. Others have the core in between.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            return look()
        except BlockingIOError:
            os.sched_yield()
    return b""
