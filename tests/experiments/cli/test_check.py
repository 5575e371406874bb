"""`headstart check`: what is printed and the exit status; what is checked is tested with envs."""

import re
import sys

import gymnasium
import pytest
from headstart.envs.contract.examine import PROPERTIES
from headstart.experiments.cli import app
from headstart.experiments.cli import check as command

WORLDS = """
import gymnasium
from gymnasium.envs.classic_control import PendulumEnv


class Leaning(PendulumEnv):
    def step(self, action):
        *most, info = super().step(action)
        if abs(self.state[1]) > 7.0:
            self.state[0] = float("nan")
        return *most, info


class Unmade(PendulumEnv):
    def __init__(self):
        raise OSError("no display")


gymnasium.register("Leaning-v0", entry_point=Leaning, max_episode_steps=200)
gymnasium.register("Unmade-v0", entry_point=Unmade)
"""


@pytest.fixture
def check(piped, tmp_path, capsys, monkeypatch):
    """Run `headstart check` where a module leaning.py lies; returns exit status and outputs."""
    (tmp_path / "leaning.py").write_text(WORLDS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])

    def run(*words):
        with pytest.raises(SystemExit) as ended:
            app.main(["check", *words])
        printed = capsys.readouterr()
        return ended.value.code, printed.out, printed.err

    yield run
    sys.modules.pop("leaning", None)
    for name in ("Leaning-v0", "Unmade-v0"):
        gymnasium.registry.pop(name, None)


def rows(out):
    """Return the verdicts in the table, by the first line of what was asked."""
    verdicts = "holds|does not hold|to note|not applicable"
    return {text: verdict for verdict, text in re.findall(rf"^ ({verdicts})  +(.*?) *$", out, re.M)}


def test_a_sound_environment(check):
    status, out, err = check("Pendulum-v1", "--quick")
    assert (status, err) == (0, "")
    found = rows(out)
    assert len(found) == len(PROPERTIES)
    assert found["Episodes end"] == "holds"
    assert found["Every parameter has an effect"] == "holds"
    assert 'fix    Put "success": True or False into info' in out
    counts = re.findall(r"(\d+) (?:holds|to note|not applicable)", out.split("properties:")[1])
    assert sum(map(int, counts)) == len(PROPERTIES)


def test_a_broken_one_is_told_what_was_seen_and_how_to_mend_it(check):
    status, out, err = check("leaning:Leaning-v0", "--quick")
    assert (status, err) == (1, "")
    assert "does not hold" in rows(out).values()
    advice = out.split("does not hold: Observations and rewards are finite")[1].split("\n\n")[0]
    assert "observation[0] is nan" in " ".join(advice.split())
    assert "fix    Clip actions in step" in advice


def test_what_cannot_be_made_is_a_failure_and_what_is_not_there_a_mistake(check):
    status, out, err = check("leaning:Unmade-v0")
    assert (status, err) == (1, "")
    assert "OSError: no display (leaning.py:16)" in out
    assert "properties: 1 does not hold, 24 not applicable" in out
    status, out, err = check("leaning:Leanin-v0")
    assert (status, out) == (2, "")
    assert "unknown world 'leaning:Leanin-v0'; did you mean 'Leaning-v0'?" in err


def test_arguments_and_wrappers_are_checked_with_the_world(check, monkeypatch):
    asked = [p for p in command.PROPERTIES if p.name in ("starts", "same_seed")]
    whole = command.examine
    monkeypatch.setattr(command, "PROPERTIES", asked)
    monkeypatch.setattr(command, "examine", lambda subject: whole(subject, asked))
    wrapper = "gymnasium.wrappers:NormalizeReward"
    words = ("Pendulum-v1", "--quick", "--kwarg", "g=14.0", "--wrapper", wrapper)
    status, out, _ = check(*words)
    assert status == 1
    assert rows(out)["The same seed gives the same trajectory, to the bit"] == "does not hold"
    status, _, err = check("Pendulum-v1", "--kwarg", "g")
    assert (status, err) == (2, "headstart: --kwarg g: expected name=value\n")
