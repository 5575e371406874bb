"""What docs/custom-environment.md shows of `headstart check` is what it prints."""

import re
import sys
from pathlib import Path

import gymnasium
import pytest
from headstart.experiments.cli import app

PAGE = (Path(__file__).parents[2] / "docs" / "custom-environment.md").read_text(encoding="utf-8")
(HOVER,) = re.findall(r"^```python\n(# hover\.py\n.*?)^```$", PAGE, re.M | re.S)
SOUND, SLIP = re.findall(r"^```shell-session\n(.*?)^```$", PAGE, re.M | re.S)


@pytest.fixture
def check(piped, tmp_path, monkeypatch, capsys):
    """Write hover.py and check it quickly; returns the exit status and what is printed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    gymnasium.registry.pop("Hover-v0", None)

    def run(text):
        (tmp_path / "hover.py").write_text(text)
        with pytest.raises(SystemExit) as ended:
            app.main(["check", "hover:Hover-v0", "--quick"])
        return ended.value.code, capsys.readouterr().out

    yield run
    sys.modules.pop("hover", None)


def words(text):
    """Return the text in one line; rules between rows and the width of the page do not matter."""
    return " ".join(text.replace("─", "").split())


def assert_shown(shown, out):
    """Assert that the parts between ellipses are all printed, in this order."""
    rest = words(out)
    for part in words(shown).split("…"):
        assert part.strip() in rest
        rest = rest.split(part.strip(), 1)[1]


def test_the_sound_one(check):
    status, out = check(HOVER)
    assert status == 0
    assert SOUND.startswith("$ headstart check hover:Hover-v0\n")
    assert_shown(SOUND.split("\n", 1)[1], out)


def test_the_slip(check):
    right = "self.values = {**self.parameters.nominal(), **self.parameters.validate(values)}"
    assert right in HOVER
    slip = right.replace("self.parameters.nominal()", "self.values")
    status, out = check(HOVER.replace(right, slip))
    assert status == 1
    assert_shown(SLIP, out)
