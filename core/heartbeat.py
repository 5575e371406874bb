"""Which call of foreign code a process is in, and since when, where another process can see it.

A simulator may never come back from a step, and may keep Python's lock while it is there: nothing
in its own process can notice that. So a process that steps worlds writes down, in a file that it
shares, when it enters a call and when it is back; whoever started it looks there.
"""

from __future__ import annotations

import mmap
import os
import struct
import tempfile
import time
from contextlib import suppress
from pathlib import Path

STEP_TIMEOUT = 60.0
"""Seconds that a world may take for a reset or a step, unless an experiment says otherwise."""
_SIZE = 512
_STARTED = struct.Struct("d")
_beat: mmap.mmap | None = None
_limit = STEP_TIMEOUT
_place = b""


class Call:
    """A kind of call of foreign code: a context for each time that it is made.

    Costs some tenths of a microsecond where nobody looks, and about one where somebody does.

    Args:
        what: what is called, as in messages: `step of world 'Hopper-v5'`.
    """

    _last: Call | None = None

    def __init__(self, what: str) -> None:
        self._text = what.encode("utf-8", "backslashreplace")

    def __enter__(self) -> None:
        if _beat is not None:
            if Call._last is not self:
                Call._last = self
                text = (_place + b"\n" + self._text)[: _SIZE - _STARTED.size - 1]
                _beat[_STARTED.size :] = text.ljust(_SIZE - _STARTED.size, b"\0")
            _STARTED.pack_into(_beat, 0, time.monotonic())

    def __exit__(self, *error: object) -> None:
        if _beat is not None:
            _STARTED.pack_into(_beat, 0, 0.0)


class Heartbeat:
    """The file that another process writes its calls to; a context that deletes it."""

    def __init__(self) -> None:
        handle, name = tempfile.mkstemp(prefix="headstart-", suffix=".beat")
        os.write(handle, bytes(_SIZE))
        os.close(handle)
        self.path = Path(name)

    def __enter__(self) -> Heartbeat:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Delete the file."""
        self.path.unlink(missing_ok=True)

    def overdue(self, seconds: float) -> tuple[str, str] | None:
        """Return the call that has not come back for so long, and the place it is in, or None."""
        with suppress(OSError):
            content = self.path.read_bytes()
            started = _STARTED.unpack_from(content)[0]
            if started and time.monotonic() - started > seconds:
                place, _, what = content[_STARTED.size :].rstrip(b"\0").partition(b"\n")
                return what.decode("utf-8", "replace"), place.decode("utf-8", "replace")
        return None


def write_calls_to(path: str | Path) -> None:
    """Have this process write its calls to the file of a `Heartbeat`."""
    global _beat
    with open(path, "r+b") as file:
        _beat = mmap.mmap(file.fileno(), _SIZE)
    Call._last = None


def set_limit(seconds: float) -> None:
    """Say how long a call may take in this process, for who looks from inside of it."""
    global _limit
    _limit = seconds


def limit() -> float:
    """Return how long a call may take, in seconds."""
    return _limit


def set_place(place: str) -> None:
    """Say where the calls that follow are made, for whoever looks."""
    global _place
    _place = place.encode()
    Call._last = None


def describe_hang(what: str, seconds: float) -> str:
    """Return in words that a call has not come back.

    >>> describe_hang("step of world 'Hopper-v5'", 60.0)
    "step of world 'Hopper-v5' did not return within 60 s (step_timeout)"
    """
    return f"{what} did not return within {seconds:g} s (step_timeout)"
