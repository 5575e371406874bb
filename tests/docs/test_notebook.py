"""The notebook of docs/: its cells run, small, and as a whole in a kernel."""

import functools
import json
import os
import sys
import types
from pathlib import Path

import gymnasium
import pytest
from headstart.experiments import api
from headstart.experiments.running import probing

from ..conftest import HereWorker

NOTEBOOK = Path(__file__).parents[2] / "docs" / "notebook.ipynb"
SIZE = "STEPS, SEEDS = 8_192, [0, 1, 2]"
SMALL = "STEPS, SEEDS = 1_024, [0]"


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    gymnasium.registry.pop("NotebookCart-v0", None)


def cells():
    read = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in read if cell["cell_type"] == "code"]


def probed(order, *_):
    """Answer as the probe does, which is a process of its own."""
    registered = [""] * len(json.loads(order)["worlds"])
    return {"files": {}, "versions": {}, "registered": registered, "findings": {}}, []


def test_its_cells_run(here, monkeypatch):
    """In this process; in workers they run in the test of the kernel."""
    module = types.ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", module)
    monkeypatch.setattr(probing, "_ask", probed)
    monkeypatch.setattr(api, "run_units", functools.partial(api.run_units, start=HereWorker))
    assert sum(SIZE in cell for cell in cells()) == 1
    for cell in cells():
        exec(compile(cell.replace(SIZE, SMALL), "<cell>", "exec"), vars(module))
    result = module.result
    assert not result.failed
    assert "fine_tune" in result._repr_html_()
    assert set(module.frame["method"]) == {"scratch", "zero_shot", "fine_tune"}
    logs = (here / "runs/notebook/trials/real/scratch/seed-0").glob("events*")
    assert any(b"cart/push" in log.read_bytes() for log in logs)


@pytest.mark.slow
def test_it_runs_in_a_kernel(here, monkeypatch):
    nbformat = pytest.importorskip("nbformat", reason="needs nbclient")
    nbclient = pytest.importorskip("nbclient")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    read = nbformat.read(NOTEBOOK, as_version=4)
    for cell in read.cells:
        cell.source = cell.source.replace(SIZE, SMALL)
    nbclient.NotebookClient(
        read, timeout=240, resources={"metadata": {"path": str(here)}}
    ).execute()
    shown = json.dumps(read)
    assert "curves-real" in shown
    assert "data:image/png;base64" in shown
    # The bars have gone, and no unit has a line.
    assert "all units" not in shown
    assert "trials/real" not in shown
