"""Errors for users to fix: one line of what is wrong, where, and what is expected."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

LONGEST_LINE = 300
"""Characters that one line about a mistake may have."""

# Control characters, line separators, marks that turn the writing direction, lone surrogates.
_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)


class HeadstartError(Exception):
    """A mistake in a request or a file, in one line (exit status 2 on the command line).

    All errors that headstart raises for its users to fix are of this class.

    >>> import gymnasium, headstart
    >>> world = gymnasium.make("headstart/CartPoleSwingUp-v0").unwrapped
    >>> try:
    ...     world.set_parameters({"pole_mas": 1.0})
    ... except headstart.HeadstartError as error:
    ...     print(error)
    unknown parameter 'pole_mas'; did you mean 'pole_mass'?
    """


def one_line(error: BaseException) -> str:
    """Return any error in one line.

    >>> one_line(OSError("no display"))
    'OSError: no display'
    """
    return f"{type(error).__name__}: {single_line(str(error))}"


def single_line(text: str) -> str:
    r"""Return text from elsewhere in one printable line.

    >>> single_line("no\n  display\x1b[2J")
    'no display\\x1b[2J'
    """
    return printable(" ".join(text.split()))


def printable(text: str, keep: str = "") -> str:
    r"""Return text from elsewhere with what no terminal or file should be sent written out.

    These are control characters (with which a name could clear a terminal or rewrite its lines),
    marks that turn the writing direction, and lone surrogates, which no encoding can write.

    Args:
        text: an id, a name, an exception's text.
        keep: characters to leave as they are, such as the newlines of a traceback.

    >>> printable("Reach\x1b[31m")
    'Reach\\x1b[31m'
    """

    def escaped(found: re.Match[str]) -> str:
        character = found.group()
        if character in keep:
            return character
        return character.encode("unicode_escape", "backslashreplace").decode("ascii")

    return _UNPRINTABLE.sub(escaped, text)


def shown(value: object, limit: int = 60) -> str:
    r"""Return a value from a file as a short part of a message: printable, cut at `limit`.

    >>> shown("a" * 99, 8)
    'aaaaaaa…'
    """
    # A text of a million characters is cut before it is looked through.
    text = single_line(str(value)[: 4 * limit])
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


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
