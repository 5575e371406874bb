"""Output to terminals and files that cannot write every character: plainer, never an error.

Text from elsewhere (ids, exceptions) may hold what would move a terminal's cursor or clear it: it
is shown written out.
"""

from __future__ import annotations

import codecs
import sys
from collections.abc import Iterable
from io import TextIOWrapper
from typing import Any

from rich.console import Console, ConsoleOptions
from rich.segment import Segment
from rich.text import Text

from .errors import printable

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
    lacking = printable(error.object[error.start : error.end])
    return "".join(
        character if character.isascii() else PLAINER.get(character, "?") for character in lacking
    ), error.end


codecs.register_error(HANDLER, _plainer)


def write_plainly() -> None:
    """Have standard output and standard error write plainer characters where they lack some.

    No encoding has halves of surrogate pairs, which file names and JSON may hold.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors=HANDLER)


class Terminal(Console):
    r"""A console that shows control characters written out, and plainer what it cannot write.

    >>> Terminal().print("no\x1b[2J display", markup=False)
    no\x1b[2J display
    """

    def render(self, renderable: Any, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield the segments of what is printed, their text made fit to be written."""
        for segment in super().render(renderable, options):
            text = segment.text
            if segment.control or (text.isascii() and text.isprintable()):
                yield segment
                continue
            yield segment._replace(text=self._fit(text))

    def render_str(self, text: str, **options: Any) -> Text:
        """Return a text as it will be written, so that tables have the room for it."""
        return super().render_str(self._fit(text), **options)

    def _fit(self, text: str) -> str:
        text = printable(text, keep="\n\t")
        return text.encode(self.encoding, HANDLER).decode(self.encoding)
