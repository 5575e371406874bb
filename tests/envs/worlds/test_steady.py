"""Physics steps that are taken together are the same, bit for bit, as taken one by one."""

import gymnasium
import numpy as np
import pybullet as bullet
import pytest
from headstart.envs import WORLDS

# Those whose motors need nothing between two commands; they have four physics steps a command.
STEADY = {"Hopper", "HalfCheetah", "Ant"}
# Brakes, lags, delays and pushes; what a robot does not have is left out.
CASES = {
    "nominal": {},
    "delayed": {"action_delay": 0.013},
    "braked": {"joint_friction": 0.5, "rail_friction": 1.0, "motor_strength": 0.6},
    "damped": {"joint_damping": 2.0, "rail_damping": 5.0},
    "lagging": {"motor_lag": 0.05},
    "pushed": {"push_force": 50.0, "head_wind": 5.0},
}


@pytest.fixture(scope="module", params=WORLDS)
def env(request):
    """One instance for all cases: a reset applies all parameters, whatever was run before."""
    env = gymnasium.make(request.param)
    yield env.unwrapped
    env.close()


def rollout(env, values, monkeypatch):
    """Observations over two episodes of random actions, and how often PyBullet was stepped."""
    calls = 0
    take = bullet.stepSimulation

    def step(physicsClientId):
        nonlocal calls
        calls += 1
        take(physicsClientId=physicsClientId)

    monkeypatch.setattr(bullet, "stepSimulation", step)
    own = {name: v for name, v in values.items() if name in env.parameters}
    env.set_parameters({name: min(v, env.parameters[name].high) for name, v in own.items()})
    rng = np.random.default_rng(0)
    seen = []
    for seed in range(2):
        seen.append(env.reset(seed=seed)[0])
        for _ in range(40):
            action = rng.uniform(-1, 1, env.action_space.shape).astype(np.float32)
            seen.append(env.step(action)[0])
    monkeypatch.undo()
    return np.array(seen), calls


@pytest.mark.parametrize("case", CASES)
def test_steps_taken_together_are_those_taken_one_by_one(env, case, monkeypatch):
    together, calls = rollout(env, CASES[case], monkeypatch)
    never = property(lambda robot: False, lambda robot, value: None)
    monkeypatch.setattr(type(env.robot), "steady", never)
    alone, most = rollout(env, CASES[case], monkeypatch)
    assert np.array_equal(together, alone)
    if case == "nominal":
        assert most == calls * (4 if type(env).__name__ in STEADY else 1)
