"""Output in encodings that lack characters."""

from __future__ import annotations

import io
import sys

import pytest
from headstart.core.streams import Terminal, write_plainly
from rich.console import Group
from rich.table import Table
from rich.text import Text


@pytest.mark.parametrize(
    ("encoding", "written"),
    [("ascii", "a -> b - 3 <= 4 ?"), ("cp1252", "a -> b – 3 <= 4 ?"), ("utf-8", "a → b – 3 ≤ 4 ☃")],
)
def test_what_an_encoding_lacks_is_written_plainer(monkeypatch, encoding, written):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    write_plainly()
    stream.write("a → b – 3 ≤ 4 ☃")
    stream.flush()
    assert stream.buffer.getvalue().decode(encoding) == written


HOSTILE = "no\x1b[2J display \u202e \ud800 → ∞"


@pytest.mark.parametrize(
    ("encoding", "written"),
    [
        ("utf-8", r"no\x1b[2J display \u202e \ud800 → ∞"),
        ("cp1252", r"no\x1b[2J display \u202e \ud800 -> ?"),
        ("ascii", r"no\x1b[2J display \u202e \ud800 -> ?"),
    ],
)
def test_a_terminal_gets_text_that_it_can_show(encoding, written):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    terminal = Terminal(file=stream, width=80)
    terminal.print(HOSTILE, markup=False, highlight=False)
    table = Table("a", "b")
    table.add_row(HOSTILE, "[bold]b[/]")
    terminal.print(table)
    stream.flush()
    lines = stream.buffer.getvalue().decode(encoding).splitlines()
    assert lines[0] == written
    assert len({len(line) for line in lines[1:]}) == 1, "the table's edge is straight"
    assert any(written in line for line in lines[1:])


def test_a_table_has_the_room_for_what_stands_for_a_character():
    """A cell that is cut short would be another number."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    terminal = Terminal(file=stream, width=80, force_terminal=True, color_system="truecolor")
    table = Table(title=Text("→"), box=None, pad_edge=False)
    table.add_column(Text("from → to"))
    table.add_row(Text.assemble("→ ", ("-1,168", "bold")))
    terminal.print(Group(table))
    terminal.print(table)  # it is left as it was
    stream.flush()
    lines = stream.buffer.getvalue().decode().splitlines()
    assert lines[: len(lines) // 2] == lines[len(lines) // 2 :]
    assert any("from -> to" in line for line in lines)
    assert any("-> \x1b[1m-1,168\x1b[0m" in line for line in lines)


def test_halves_of_surrogates_are_written_out(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    monkeypatch.setattr(sys, "stdout", stream)
    write_plainly()
    print("a\ud800→")
    stream.flush()
    assert stream.buffer.getvalue().decode() == "a\\ud800→\n"
