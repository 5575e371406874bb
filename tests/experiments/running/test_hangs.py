"""A world that never comes back costs its own units, and nothing else."""

import io
import json
import sys

import pytest
from headstart.experiments.api import run
from headstart.experiments.config.schema import ConfigError, build
from headstart.experiments.running import code_hash, probing
from headstart.experiments.running.checks import check_plan
from headstart.experiments.running.code_changes import examine_worlds
from headstart.experiments.running.plan import make_plan
from headstart.experiments.running.probing import CodeError, HungError
from rich.console import Console

pytestmark = pytest.mark.usefixtures("undrawn")

WORLD = """
import re, gymnasium, numpy as np
class Hangs(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-5, 5, (1,), np.float32)
    action_space = gymnasium.spaces.Box(-1, 1, (1,), np.float32)
    def __init__(self, where="", after=0):
        self.where, self.after, self.t, self.resets = where, after, 0, 0
    def hang(self, where, count):
        if where == self.where and count > self.after:
            re.match(r"(a+)+$", "a" * 60 + "b")  # keeps Python's lock
    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t, self.resets = 0, self.resets + 1
        self.hang("reset", self.resets)
        return np.zeros(1, np.float32), {}
    def step(self, action):
        self.t += 1
        self.hang("step", self.t)
        return np.zeros(1, np.float32), float(action[0]), False, self.t >= 500, {}
gymnasium.registry.pop("Hangs-v0", None)
gymnasium.register("Hangs-v0", entry_point=Hangs, max_episode_steps=600)
"""


@pytest.fixture
def experiment(tmp_path, monkeypatch):
    (tmp_path / "hanging.py").write_text(WORLD)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "hanging", raising=False)

    def make(timeout, **targets):
        return build(
            {
                "name": "hangs",
                "source": {
                    "world": "hanging:Hangs-v0",
                    "algorithm": {"ppo": {"worlds": 1, "n_steps": 32, "batch_size": 32}},
                    "steps": 32,
                },
                "targets": {name: {"kwargs": k, "steps": 32} for name, k in targets.items()},
                "methods": ["scratch"],
                "seeds": [0],
                "evaluation": {"every": 32, "episodes": 1, "anchor_episodes": 1},
                "step_timeout": timeout,
            }
        )

    return make


def quiet():
    return Console(file=io.StringIO(), width=200)


@pytest.mark.slow
def test_a_world_that_hangs_fails_alone_and_the_others_go_on(experiment, tmp_path):
    told = quiet()
    result = run(
        experiment(2.0, stuck={"where": "step", "after": 450}, well={}), jobs=1, console=told
    )
    assert sorted(result.failed) == ["anchors/stuck", "trials/stuck/scratch/seed-0"]
    status = json.loads((result.directory / "trials/stuck/scratch/seed-0/status.json").read_text())
    said = "step of world 'hanging:Hangs-v0' did not return within 2 s (step_timeout)"
    assert status["state"] == "failed"
    assert status["error"] == f"{said}; its worker was ended"
    assert "again" not in told.file.getvalue()
    for unit in ("trials/well/scratch/seed-0", "anchors/well", "anchors/source"):
        assert json.loads((result.directory / unit / "status.json").read_text())["state"] == "done"


@pytest.mark.parametrize("where", ["step", "reset"])
def test_a_world_that_hangs_at_once_is_named_before_anything_runs(experiment, where):
    with pytest.raises(ConfigError) as raised:
        check_plan(experiment(0.5, well={}, stuck={"where": where}), "file.yaml")
    assert str(raised.value) == (
        f"file.yaml: targets.stuck: {where} of world 'hanging:Hangs-v0' did not return within "
        "0.5 s (step_timeout)"
    )


@pytest.mark.parametrize("error", [CodeError("killed by signal 9"), HungError("it hung", "stuck")])
def test_a_probe_that_dies_is_said_and_recorded(experiment, tmp_path, monkeypatch, error):
    def die(plan):
        raise error

    monkeypatch.setattr("headstart.experiments.running.code_changes.probe_findings", die)
    told = quiet()
    examine_worlds(make_plan(experiment(60.0, stuck={}, well={"after": 1})), tmp_path, told, "f")
    said = f"the probe before the run ended without an answer, so its findings are missing: {error}"
    assert f"targets.stuck: {said}\n" in told.file.getvalue()
    assert ("targets.well" in told.file.getvalue()) == (type(error) is CodeError)
    assert json.loads((tmp_path / "facts.json").read_text())["findings"]["stuck"] == [said]


def test_a_probe_that_is_killed_says_by_what(experiment, monkeypatch):
    monkeypatch.setattr(probing, "PROBE", "no.such.module")
    with pytest.raises(CodeError, match=r"failed: .*No module named 'no'"):
        code_hash.run_code(make_plan(experiment(61.0, well={})))
