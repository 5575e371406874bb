"""The benchmark of learning apart from the worlds, small."""

import pytest
from headstart.experiments.bench.updates import Costs, overhead, update_cost


def test_the_ratio_is_the_median_of_the_turns():
    assert Costs("some-world", [1.0, 3.0, 8.0], [2.0, 4.0, 10.0]).ratio == 0.75


@pytest.fixture
def small(monkeypatch):
    from headstart.agents import presets

    for name in ("ppo", "sac"):
        own = {"worlds": 2, "n_steps": 16} if name == "ppo" else {}
        changed = {**presets.PRESETS[name, None], **own, "batch_size": 16}
        changed["policy_kwargs"] = {"net_arch": [8]}
        monkeypatch.setitem(presets.PRESETS, (name, None), changed)
    monkeypatch.setattr("headstart.experiments.bench.updates.FILLED", 40)


def test_both_are_measured(small):
    world = "headstart/CartPoleSwingUp-v0"
    around = overhead(world, rollouts=1, repetitions=2)
    assert len(around.ours) == len(around.theirs) == 2
    assert around.stepping > 0
    assert min(*around.ours, *around.theirs) > 0
    updates = update_cost(world, updates=2, repetitions=1)
    assert updates.ratio > 0
