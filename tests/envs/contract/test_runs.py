"""How the contract is run: on any kind of environment, over crashes, in another process."""

import sys

import gymnasium
import numpy as np
import pytest
from headstart.envs.contract.examine import PROPERTIES, Subject, examine
from headstart.envs.spec import WorldSpec

ASKED = {asked.name: asked for asked in PROPERTIES}
ELSEWHERE = """
import os

import gymnasium
from gymnasium.envs.classic_control import PendulumEnv


class OfThisProcess(PendulumEnv):
    def step(self, action):
        observation, reward, *rest = super().step(action)
        return observation, reward + os.getpid(), *rest


gymnasium.register("Sound-v0", entry_point=PendulumEnv)
gymnasium.register("OfThisProcess-v0", entry_point=OfThisProcess)
"""


class Plain(gymnasium.Env):
    """No parameters, a dictionary to observe, a choice of three to do."""

    observation_space = gymnasium.spaces.Dict(
        {
            "place": gymnasium.spaces.Box(-200.0, 200.0, (1,), np.float32),
            "goal": gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float32),
        }
    )
    action_space = gymnasium.spaces.Discrete(3)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place, self.goal = self.np_random.uniform(-1.0, 1.0, 2).tolist()
        self.steps = 0
        return self.observe(), {}

    def step(self, action):
        if action not in (0, 1, 2):
            raise ValueError(f"bad action {action}")
        self.place += float(action) - 1.0
        self.steps += 1
        over = self.steps == 20
        info = {"is_success": abs(self.place - self.goal) < 1.0} if over else {}
        return self.observe(), -abs(self.place - self.goal), False, over, info

    def observe(self):
        return {key: np.full(1, getattr(self, key), np.float32) for key in ("place", "goal")}


def outcome(make, name):
    subject = Subject(make, foreign=False)
    (found,) = examine(subject, [ASKED[name]])
    subject.close()
    return found


@pytest.mark.parametrize("name", [name for name in ASKED if name != "across_processes"])
def test_dictionaries_choices_and_no_parameters(name):
    found = outcome(Plain, name)
    of_parameters = ASKED[name].check.__module__.endswith("contract.parameters")
    if of_parameters and name != "no_compounding":
        assert (found.verdict, found.seen) == ("not applicable", "it declares no parameters")
    else:
        assert (found.verdict, found.seen) == ("holds", "")


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A module that this process and others can import."""
    module = tmp_path / "elsewhere.py"
    module.write_text(ELSEWHERE)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    yield module
    sys.modules.pop("elsewhere", None)
    for name in ("Sound-v0", "OfThisProcess-v0"):
        gymnasium.registry.pop(name, None)


def test_another_process(elsewhere):
    assert outcome(WorldSpec("elsewhere:Sound-v0").make, "across_processes").verdict == "holds"
    found = outcome(WorldSpec("elsewhere:OfThisProcess-v0").make, "across_processes")
    assert found.verdict == "does not hold"
    assert "here and in another process: step 1: reward" in found.seen
    assert "seed from reset alone" in found.property.fix


def test_what_fails_or_cannot_be_sent_to_another_process(elsewhere):
    make = WorldSpec("elsewhere:Sound-v0").make
    make().close()
    elsewhere.write_text("raise SystemError('no licence')")
    found = outcome(make, "across_processes")
    assert found.verdict == "does not hold"
    assert found.seen.startswith("in another process it failed: ")
    assert "SystemError: no licence" in found.seen
    found = outcome(lambda: Plain(), "across_processes")
    assert found.verdict == "not applicable"
    assert "cannot be sent to another process" in found.seen


def test_a_check_that_crashes_has_failed_and_the_rest_go_on():
    class Falls(Plain):
        def step(self, action):
            if self.steps == 10:
                raise KeyError("joint_7")
            return super().step(action)

    asked = [ASKED[name] for name in ("starts", "finite", "close_twice")]
    first, second, third = examine(Subject(Falls), asked)
    assert first.verdict == third.verdict == "holds"
    assert second.verdict == "does not hold"
    assert second.seen.startswith("KeyError: 'joint_7' (test_runs.py:")


def test_nothing_more_is_asked_of_what_does_not_start():
    def unmade():
        raise RuntimeError("no licence")

    first, *rest = examine(Subject(unmade))
    assert first.verdict == "does not hold"
    assert len(rest) == len(PROPERTIES) - 1
    assert {(o.verdict, o.seen) for o in rest} == {("not applicable", "it does not start")}


def test_an_environment_of_gymnasium_passes():
    made = Subject(WorldSpec("Pendulum-v1").make)
    outcomes = {o.property.name: o for o in examine(made)}
    made.close()
    assert {o.verdict for o in outcomes.values()} == {"holds", "to note", "not applicable"}
    noted = {name for name, o in outcomes.items() if o.verdict == "to note"}
    assert noted == {"gymnasium_checker", "sb3_checker", "success_is_reported", "bad_actions"}
