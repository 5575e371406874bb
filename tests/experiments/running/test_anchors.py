"""Returns of random actions are measured until they are narrow, and once for all experiments."""

import io
import sys
from pathlib import Path

import pytest
from headstart.core.files import read_json, write_json
from headstart.experiments.config.schema import build
from headstart.experiments.running import anchors
from headstart.experiments.running.anchors import (
    anchor_key,
    is_anchor,
    keep_anchors,
    looks,
    measure_random,
    take_anchors,
)
from headstart.experiments.running.plan import make_plan
from headstart.experiments.running.probing import Code
from rich.console import Console

WORLD = """
import gymnasium, numpy as np
class Spread(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-5, 5, (1,), np.float32)
    action_space = gymnasium.spaces.Box(-1, 1, (1,), np.float32)
    def __init__(self, spread=0.0, mean=-10.0):
        self.spread, self.mean = spread, mean
    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(1, np.float32), {}
    def step(self, action):
        drawn = self.mean + self.spread * self.np_random.uniform(-1, 1)
        return np.zeros(1, np.float32), float(drawn), True, False, {}
gymnasium.registry.pop("Spread-v0", None)
gymnasium.register("Spread-v0", entry_point=Spread)
"""


@pytest.fixture
def plan(tmp_path, monkeypatch):
    (tmp_path / "spreading.py").write_text(WORLD)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "spreading", raising=False)
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / ".kept"))

    def make(episodes=100, seed=1_000_000, **targets):
        return make_plan(
            build(
                {
                    "name": "spread",
                    "source": {"world": "spreading:Spread-v0", "steps": 512},
                    "targets": {n: {"kwargs": k, "steps": 512} for n, k in targets.items()},
                    "methods": ["scratch"],
                    "seeds": [0],
                    "evaluation": {"every": 512, "anchor_episodes": episodes, "seed": seed},
                }
            )
        )

    return make


@pytest.fixture
def known_code(monkeypatch):
    """Take the worlds' code as known, which is another process's work."""
    monkeypatch.setattr(anchors, "world_code", lambda plan, name: Code("").as_json())


def test_episodes_are_looked_at_after_twenty_and_every_ten():
    assert [len(part) for part in looks(range(100))] == [20, *[10] * 8]
    assert [len(part) for part in looks(range(29))] == [29]
    assert [len(part) for part in looks(range(35))] == [20, 15]
    assert [len(part) for part in looks(range(3))] == [3]
    assert [seed for part in looks(range(5, 47)) for seed in part] == list(range(5, 47))


def test_an_anchor_is_measured_until_its_interval_is_narrow(plan):
    its = plan(still={}, narrow={"spread": 0.8}, wide={"spread": 5.0}, zero={"mean": 0.0})
    found = {name: measure_random(its, name, 4) for name in its.experiment.targets}
    assert found["still"] == {
        "return": -10.0,
        "returns": [-10.0] * 20,
        "episodes": 20,
        "half_width": 0.0,
    }
    # Uniform within 0.8 of the mean: the standard deviation is 0.46, the half width after 20
    # episodes 2.09 * 0.46 / sqrt(20) = 0.216, after 40 0.148; 2 % of the mean are 0.2.
    assert found["narrow"]["episodes"] in (20, 30, 40)
    assert found["narrow"]["half_width"] <= 0.02 * abs(found["narrow"]["return"])
    assert found["wide"]["episodes"] == 100
    assert found["zero"]["episodes"] == 20  # an interval of no width is narrow
    assert measure_random(its, "narrow", 4) == found["narrow"]
    assert measure_random(plan(episodes=7, wide={"spread": 5.0}), "wide", 4)["episodes"] == 7


def test_a_second_run_takes_what_the_first_has_measured_and_says_so(plan, known_code, tmp_path):
    its = plan(there={"spread": 5.0})
    units = [unit for unit in its.units if is_anchor(unit)]
    assert not take_anchors(its, tmp_path / "one", units, Console(file=io.StringIO()))
    for unit in units:
        folder = tmp_path / "one" / unit.path
        write_json(folder / "random.json", {"return": 1.5, "returns": [1.5], "episodes": 1})
        write_json(folder / "status.json", {"state": "done", "computed_on": [anchors._here()[1]]})
    keep_anchors(its, tmp_path / "one", units)

    told = Console(file=io.StringIO())
    taken = take_anchors(its, tmp_path / "two", units, told)
    assert taken == {"anchors/source", "anchors/there"}
    assert told.file.getvalue() == "anchors from the cache, not measured again: source, there\n"
    there = tmp_path / "two/anchors/there"
    record = {"return": 1.5, "returns": [1.5], "episodes": 1, "kept": True}
    assert read_json(there / "random.json") == record
    assert read_json(there / "status.json")["state"] == "done"

    for path in Path(tmp_path, ".kept").rglob("*.json"):
        path.write_text("{")
    assert not take_anchors(its, tmp_path / "three", units, told)


def test_an_anchor_measured_elsewhere_or_half_is_not_kept(plan, known_code, tmp_path):
    its = plan(there={})
    units = [unit for unit in its.units if is_anchor(unit)]
    for unit, status in zip(
        units, ({"computed_on": ["cpu: other"]}, {"state": "failed"}), strict=True
    ):
        write_json(tmp_path / unit.path / "random.json", {"return": 1.5, "episodes": 1})
        write_json(tmp_path / unit.path / "status.json", {"state": "done", **status})
    keep_anchors(its, tmp_path, units)
    assert not list(tmp_path.glob(".kept/**/*.json"))


def test_what_an_anchor_is_kept_under_is_all_that_it_depends_on(plan, known_code, monkeypatch):
    its = plan(there={"spread": 1.0}, twin={"spread": 1.0}, other={"spread": 2.0})
    key = anchor_key(its, "there")
    assert key == anchor_key(its, "twin") == anchor_key(plan(alone={"spread": 1.0}), "alone")
    assert key != anchor_key(its, "other")
    assert key != anchor_key(plan(episodes=50, there={"spread": 1.0}), "there")
    assert key != anchor_key(plan(seed=7, there={"spread": 1.0}), "there")
    monkeypatch.setattr(anchors, "world_code", lambda plan, name: Code("edited").as_json())
    assert key != anchor_key(its, "there")


def test_the_code_behind_an_anchor_is_that_of_its_world(plan):
    its = plan(there={"spread": 1.0}, other={"spread": 2.0})
    key = anchor_key(its, "there")
    assert key == anchor_key(its, "there")
    Path("spreading.py").write_text(WORLD.replace("-1, 1)", "-1, 2)"))
    assert key != anchor_key(its, "there")
