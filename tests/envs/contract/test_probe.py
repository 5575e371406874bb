"""The short probe of a world before a run finds what makes numbers wrong without a word."""

import random

import gymnasium
import numpy as np
import pytest
from gymnasium.wrappers import NormalizeObservation, NormalizeReward, TimeLimit
from headstart.envs.contract import probe
from headstart.envs.contract.probe import probe_effect, probe_world

POSITIONS = []


class Line(gymnasium.Env):
    """A point on a line that is pushed; `limit` steps long."""

    def __init__(self, gain=0.2, limit=30, noise=0.0, shared=False):
        self.gain, self.limit, self.noise, self.shared = gain, limit, noise, shared
        self.observation_space = gymnasium.spaces.Box(-5, 5, (1,), np.float32)
        self.action_space = gymnasium.spaces.Box(-1, 1, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.x, self.t = float(self.np_random.uniform(-1, 1)), 0
        POSITIONS[:] = [self.x]
        return np.array([self.x], np.float32), {}

    def step(self, action):
        self.t += 1
        before = POSITIONS[0] if self.shared else self.x
        self.x = before + self.gain * float(action[0]) + random.gauss(0, self.noise)
        POSITIONS[0] = self.x
        done = self.limit is not None and self.t >= self.limit
        return np.array([self.x], np.float32), -abs(self.x), False, done, {}


class Leaky(gymnasium.ActionWrapper):
    """Acts with the last action, and forgets to clear it."""

    last = np.zeros(1, np.float32)

    def action(self, action):
        out, self.last = self.last, np.array(action)
        return out


@pytest.mark.parametrize(
    ("make", "kinds"),
    [
        (Line, []),
        (lambda: Line(noise=0.1), ["seed"]),
        (lambda: Line(shared=True), ["instances"]),
        (lambda: NormalizeObservation(Line()), ["state"]),
        (lambda: NormalizeReward(Line()), ["state"]),
        (lambda: Leaky(Line()), ["state"]),
    ],
)
def test_what_a_world_does_with_seeds_and_instances(make, kinds):
    found = probe_world(make)
    assert [finding.kind for finding in found] == kinds
    assert [finding.fatal for finding in found] == [kind == "instances" for kind in kinds]


def test_an_episode_that_does_not_end_is_found_in_seconds(monkeypatch):
    monkeypatch.setattr(probe, "HOPELESS_STEPS", 50)
    monkeypatch.setattr(probe, "EPISODE_STEPS", 60)
    [finding] = probe_world(lambda: Line(limit=None))
    assert finding.fatal
    assert "had not ended after 60 steps" in finding.text
    assert probe_world(lambda: TimeLimit(Line(limit=None), 20)) == []
    # What ends by itself, and what states its limit, needs none.
    monkeypatch.setattr(probe, "EPISODE_STEPS", 20)
    assert probe_world(lambda: Line(limit=15)) == []


def test_a_change_without_effect_is_found():
    changed = {"gain": lambda: Line(gain=0.1), "colour": Line}
    [finding] = probe_effect(Line, changed)
    assert finding.text == "colour changed no observation and no reward in 400 steps"
