"""The examples in docstrings: each module's are run as they stand, in an empty folder."""

import doctest
import importlib
import inspect
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = ("core", "envs", "agents", "transfer", "experiments")
FILES = [ROOT / "__init__.py", *(path for layer in LAYERS for path in (ROOT / layer).rglob("*.py"))]
# Packages of which every public class and function has an example.
SHOWN = (
    "headstart.envs",
    "headstart.envs.vector",
    "headstart.envs.contract.examine",
    "headstart.transfer.randomization",
)


def module_of(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(["headstart", *(part for part in parts if part != "__init__")])


# Modules without examples are not imported: that alone would take seconds.
WITH_EXAMPLES = [module_of(path) for path in FILES if ">>> " in path.read_text(encoding="utf-8")]


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples_give_what_they_show(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert done.attempted
    assert not done.failed, "see the captured output"


@pytest.mark.parametrize("package", SHOWN)
def test_what_is_public_has_an_example(package):
    module = importlib.import_module(package)
    public = {name: getattr(module, name) for name in module.__all__}
    without = [
        name
        for name, thing in public.items()
        if (inspect.isclass(thing) or inspect.isfunction(thing))
        and not (isinstance(thing, type) and issubclass(thing, Exception))
        and ">>> " not in (inspect.getdoc(thing) or "")
    ]
    assert not without
