"""Errors that are the user's to mend: one line that says what, where and what was expected."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class HeadstartError(Exception):
    """A mistake in what was asked for (exit status 2 on the command line)."""


def one_line(error: BaseException) -> str:
    """Return an error of any kind in one line: `OSError: no display`."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def nearest(name: str, names: Iterable[str]) -> str:
    """Return the end of an error message: the valid name closest to `name`, or all of them."""
    known = sorted(names)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if close:
        return f"; did you mean '{close[0]}'?"
    return f"; known: {', '.join(known)}" if known else "; there are none"
