"""Errors for users to fix: one line of what is wrong, where, and what is expected."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class HeadstartError(Exception):
    """A mistake in a request or a file (exit status 2 on the command line)."""


def one_line(error: BaseException) -> str:
    """Return any error in one line.

    >>> one_line(OSError("no display"))
    'OSError: no display'
    """
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def nearest(name: str, names: Iterable[str]) -> str:
    """Return the end of a message: the valid name closest to `name`, or all of them.

    >>> nearest("slipery", ["slippery", "headwind"])
    "; did you mean 'slippery'?"
    >>> nearest("x", ["slippery", "headwind"])
    '; known: headwind, slippery'
    """
    known = sorted(names)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if close:
        return f"; did you mean '{close[0]}'?"
    return f"; known: {', '.join(known)}" if known else "; there are none"
