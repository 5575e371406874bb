"""Output to terminals and files that cannot write every character: plainer, never an error."""

from __future__ import annotations

import codecs
import sys
from io import TextIOWrapper

PLAINER = {
    "→": "->", "–": "-", "—": "-", "−": "-", "·": "-", "─": "-", "━": "-", "│": "|", "…": "...",
    "≤": "<=", "≥": ">=", "×": "x", "°": " deg", "µ": "u", "²": "^2", "✓": "+", "’": "'", "‘": "'",
    "“": '"', "”": '"',
}  # fmt: skip
"""What stands for a character that an encoding does not have; a question mark for any other."""
HANDLER = "headstart.plainer"


def _plainer(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(PLAINER.get(character, "?") for character in lacking), error.end


codecs.register_error(HANDLER, _plainer)


def write_plainly() -> None:
    """Have standard output and standard error write plainer characters where they lack some.

    Only streams whose encoding is not one of Unicode are changed.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper) and not stream.encoding.lower().startswith("utf"):
            stream.reconfigure(errors=HANDLER)
