"""What a script or notebook defines itself: run by its workers, told apart, or refused."""

import io
import sys
import types

import gymnasium
import pytest
from headstart.experiments.api import run
from headstart.experiments.config.schema import ConfigError, build
from headstart.experiments.running import cache
from headstart.experiments.running.checks import check_plan
from headstart.experiments.running.code_hash import run_code
from headstart.experiments.running.plan import make_plan
from headstart.experiments.running.probing import changed_code
from rich.console import Console

CODE = """
import gymnasium, numpy as np
STEP = 0.2
HELD = None
class Mine(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-5, 5, (1,), np.float32)
    action_space = gymnasium.spaces.Box(-1, 1, (1,), np.float32)
    def __init__(self, gain=1.0):
        self.gain, self.held = gain, HELD
    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.x = self.np_random.uniform(-1, 1)
        return np.array([self.x], np.float32), {}
    def step(self, a):
        self.x = float(np.clip(self.x + STEP * self.gain * float(a[0]), -5, 5))
        return np.array([self.x], np.float32), -abs(self.x), False, False, {}
class Half(gymnasium.RewardWrapper):
    def reward(self, reward):
        return 0.5 * reward
class Fresh:
    name, trains, needs_source = "Fresh", True, False
    def start(self, problem):
        return problem.create(problem.algorithm)
gymnasium.register("InMain-v0", entry_point=Mine, max_episode_steps=16)
"""
PPO = {"ppo": {"worlds": 2, "n_steps": 32, "batch_size": 32, "n_epochs": 1}}
EXPERIMENT = {
    "name": "in-main",
    "source": {"world": "InMain-v0", "algorithm": PPO, "steps": 64},
    "targets": {
        "weak": {"kwargs": {"gain": 0.5}, "wrappers": ["__main__:Half"], "steps": 64},
    },
    "methods": ["zero_shot", "__main__:Fresh"],
    "seeds": [0],
    "evaluation": {"every": 64, "episodes": 2},
}


@pytest.fixture
def main(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    module = types.ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", module)

    def execute(code):
        gymnasium.registry.pop("InMain-v0", None)
        exec(compile(code, "<cell>", "exec"), vars(module))

    yield execute
    gymnasium.registry.pop("InMain-v0", None)


@pytest.mark.slow
def test_worlds_wrappers_and_methods_run_in_workers(main):
    main(CODE)
    assert not run(EXPERIMENT, jobs=2, console=Console(file=io.StringIO())).failed
    main(CODE.replace("0.2", "0.3"))
    with pytest.raises(ConfigError, match=r"changed since: __main__:Mine\.step; --fresh"):
        run(EXPERIMENT, jobs=2, console=Console(file=io.StringIO()))


def test_an_edited_cell_is_told_from_the_same_one(main):
    main(CODE)
    before = run_code(make_plan(build(EXPERIMENT))).as_json()
    main(CODE)
    assert changed_code(before, run_code(make_plan(build(EXPERIMENT)))) == []
    main(CODE.replace("0.2", "0.3"))
    edited = changed_code(before, run_code(make_plan(build(EXPERIMENT))))
    assert set(edited) == {"__main__:Mine.step"}


def test_what_cannot_be_told_or_sent_is_named(main, monkeypatch, tmp_path):
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "cache"))
    main(CODE.replace("HELD = None", "import threading; HELD = threading.Lock()"))
    plan = make_plan(build(EXPERIMENT))
    assert cache.why_off(plan) == (
        "in this script or notebook: it holds a _thread.lock, whose content cannot be compared"
    )
    with pytest.raises(ConfigError, match="world 'InMain-v0' of this script or notebook cannot be"):
        check_plan(build(EXPERIMENT))


def test_a_cluster_is_refused_before_anything_runs(main, tmp_path):
    main(CODE)
    with pytest.raises(ConfigError, match=r"--cluster: world 'InMain-v0' is defined by this scri"):
        run(EXPERIMENT, cluster="local")
    assert not list(tmp_path.iterdir())


def test_a_function_among_the_arguments_is_told_where_it_goes(main):
    source = {**EXPERIMENT["source"], "kwargs": {"reward": abs}}
    with pytest.raises(ConfigError, match=r"go into gymnasium\.register\(\.\.\., kwargs="):
        build({**EXPERIMENT, "source": source})


def test_what_another_script_defines_is_said_to_be_there(main):
    main("import gymnasium")
    other = {**EXPERIMENT, "source": {**EXPERIMENT["source"], "world": "Pendulum-v1"}}
    with pytest.raises(ConfigError, match=r"has no 'Fresh': run it from the script or notebook"):
        make_plan(build(other))
