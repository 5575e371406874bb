"""The pages that are made from the code are up to date."""

import runpy
import sys
from pathlib import Path

import pytest
from headstart.transfer.methods import METHODS

DOCS = Path(__file__).parents[2] / "docs"


def generator():
    """Run docs/generate as a program is, and forget its modules, whose names are short."""
    before = set(sys.modules)
    made = runpy.run_path(str(DOCS / "generate"))
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(DOCS)):
            del sys.modules[name]
    return made


GENERATOR = generator()
PAGES = GENERATOR["PAGES"]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_the_code_says(name):
    assert (DOCS / name).read_text(encoding="utf-8") == PAGES[name](), (
        "out of date: run python docs/generate"
    )


def test_every_page_of_a_method_is_of_a_method_that_is_there():
    assert {path.stem for path in (DOCS / "methods").glob("*.md")} == set(METHODS)


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        (None, "write docs/methods/scratch.md"),
        ("# scratch\n\n## Idea\n", "'## Equation' is missing"),
        (
            "\n## Idea\n\n## Equation\n\n## Source\n\n## Settings\n\n## Results\n",
            "'<!-- Settings: made by docs/generate from the code. -->' and",
        ),
    ],
)
def test_what_a_page_of_a_method_lacks_is_named(text, missing, tmp_path, monkeypatch):
    make = GENERATOR["method"]
    monkeypatch.setitem(make.__globals__, "DOCS", tmp_path)
    if text is not None:
        (tmp_path / "methods").mkdir()
        (tmp_path / "methods" / "scratch.md").write_text(text)
    with pytest.raises(LookupError, match=missing):
        make("scratch")
