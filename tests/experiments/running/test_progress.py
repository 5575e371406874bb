"""Bars in a terminal and in a cell of a notebook."""

import io
import sys
import types

import pytest
from headstart.experiments.running import progress
from headstart.experiments.running.plan import Unit
from headstart.experiments.running.progress import CellProgress, Display, progress_bars
from rich.console import Console
from rich.progress import BarColumn, TextColumn


@pytest.fixture
def cell(monkeypatch):
    """Return what a cell shows, in time, where IPython is."""
    shown = []
    module = types.ModuleType("IPython.display")
    module.HTML = str
    handle = types.SimpleNamespace(update=shown.append)
    module.display = lambda html, display_id: handle
    monkeypatch.setitem(sys.modules, "IPython", types.ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    monkeypatch.setattr(progress, "REDRAWN", 0.0)
    return shown


def bars(console):
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[note]}"))
    return progress_bars(*columns, console=console)


def test_a_cell_has_one_output_that_vanishes(cell):
    console = Console(file=io.StringIO(), width=80)
    console.is_jupyter = True
    unit = Unit("trials/a/scratch/seed-0", 100)
    with bars(console) as shown:
        assert isinstance(shown, CellProgress)
        display = Display(shown, 2)
        display.begin(unit)
        display.advance(unit, {"step": 50, "value": 3.25})
        assert "trials/a/scratch/seed-0" in cell[-1]
        assert "return 3.25" in cell[-1]
        assert cell[-1].startswith("<pre")
        display.end(unit, "done", None)
        assert "seed-0" not in cell[-1]
    assert cell[-1] == ""
    assert console.file.getvalue() == ""


def test_a_terminal_has_a_line_for_each_unit():
    console = Console(file=io.StringIO(), width=80)
    unit = Unit("trials/a/scratch/seed-0", 100)
    with bars(console) as shown:
        display = Display(shown, 1)
        display.begin(unit)
        display.end(unit, "done", None)
    assert "done    trials/a/scratch/seed-0" in console.file.getvalue()
