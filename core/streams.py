"""Output to terminals and files that cannot write every character: plainer, never an error.

Text from elsewhere (ids, exceptions) may hold what would move a terminal's cursor or clear it: it
is shown written out.
"""

from __future__ import annotations

import codecs
import copy
import sys
from collections.abc import Iterable
from io import TextIOWrapper
from itertools import accumulate
from typing import Any

from rich.console import Console, ConsoleOptions, Group
from rich.segment import Segment
from rich.table import Table
from rich.text import Span, Text

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

    def print(self, *objects: Any, **options: Any) -> None:
        """Print, after tables and texts were given the room for what will be written."""
        super().print(*(self._fit_whole(one) for one in objects), **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Return a text as it will be written, so that tables have the room for it."""
        return super().render_str(self._fit(text), **options)

    def _fit_whole(self, what: Any) -> Any:
        """Return texts, also those of tables and groups, as they will be written."""
        if isinstance(what, Text):
            return self._fit_styled(what)
        if isinstance(what, Group):
            return Group(*map(self._fit_whole, what.renderables), fit=what.fit)
        if not isinstance(what, Table):
            return what
        table = copy.copy(what)
        table.title, table.caption = self._fit_whole(what.title), self._fit_whole(what.caption)
        table.columns = []
        for column in what.columns:
            fitted = copy.copy(column)
            fitted.header = self._fit_whole(column.header)
            fitted.footer = self._fit_whole(column.footer)
            fitted._cells = [self._fit_whole(cell) for cell in column.cells]
            table.columns.append(fitted)
        return table

    def _fit_styled(self, text: Text) -> Text:
        """Return a text as it will be written, each style on what stands for its characters."""
        parts = [self._fit(character) for character in text.plain]
        if all(len(part) == 1 for part in parts):
            return text
        at = [0, *accumulate(map(len, parts))]
        fitted = text.blank_copy("".join(parts))
        fitted.spans = [
            Span(at[min(span.start, len(parts))], at[min(span.end, len(parts))], span.style)
            for span in text.spans
        ]
        return fitted

    def _fit(self, text: str) -> str:
        text = printable(text, keep="\n\t")
        return text.encode(self.encoding, HANDLER).decode(self.encoding)
