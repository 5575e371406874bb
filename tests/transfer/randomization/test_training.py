"""Randomizers in training: the same draws with any number of workers, and after a stop."""

import json

import gymnasium as gym
import pytest
from headstart.agents.bundles import bundle
from headstart.agents.learner import create
from headstart.agents.training import train
from headstart.transfer.randomization import RandomizerError
from headstart.transfer.randomization.prepared import prepare_randomization

WORLD = "headstart/CartPoleSwingUp-v0"
CHANGES = {"pole_mass": "* loguniform(0.5, 4)", "action_delay": "= uniform(0, 0.06)"}
EAGER = {
    # Returns of at least -1,000 are a success: all are.
    "adr": {"queue": 2, "returns": [-2000, -1000]},
    "hard": {"table": 5, "returns": [0, 5]},
}
STEPS = 768


def swing_up() -> gym.Env:
    return gym.make(WORLD, max_episode_steps=8)


def ready(name, steps=STEPS):
    env = swing_up()
    found = prepare_randomization(CHANGES, {name: EAGER[name]}, env, world_id=WORLD, steps=steps)
    env.close()
    return found


def learner_of(small, randomization, record, algorithm="ppo", workers=0):
    def make():
        # Nothing of this module, which workers would have to import.
        return randomization.wrap(gym.make(WORLD, max_episode_steps=8))

    learner = create(small(algorithm, worlds=4), make, 0, workers=workers)
    learner.callbacks.append(randomization.callback(record))
    return learner


def trained(learner, **options):
    unasked = {"evaluate": lambda _: None, "on_evaluation": lambda *_: None}
    train(learner, steps=STEPS, seed=5, grid=[], checkpoint_every=256, **unasked, **options)


@pytest.mark.parametrize("name", EAGER)
def test_workers_and_stops_change_no_draw(small, tmp_path, name):
    records = []
    for workers in (0, 3) if name == "adr" else (0, 1):
        path = tmp_path / f"{workers}.jsonl"
        learner = learner_of(small, ready(name), path, workers=workers)
        trained(learner)
        learner.close()
        records.append(path.read_text())
    saved, path = tmp_path / "stopped", tmp_path / "stopped.jsonl"

    def save(step):
        if step == 512:
            # Lines after the checkpoint of before, as a kill may leave them.
            raise KeyboardInterrupt
        bundle.save(stopped, saved, world_id=WORLD, replay_buffer=True)

    stopped = learner_of(small, ready(name), path)
    with pytest.raises(KeyboardInterrupt):
        trained(stopped, save_checkpoint=save)
    stopped.callbacks[0].state()
    stopped.close()
    resumed = learner_of(small, ready(name), path)
    bundle.load(saved).restore(resumed)
    trained(resumed)
    resumed.close()
    assert {*records, path.read_text()} == {records[0]}
    rows = [json.loads(line) for line in records[0].splitlines()]
    assert sum(len(row["draws"]) for row in rows) == STEPS // 8
    assert rows[0]["ends"] != rows[-1]["ends"]


def test_off_policy_learners_adapt_between_steps(small, tmp_path):
    learner = learner_of(small, ready("adr"), tmp_path / "sac.jsonl", "sac")
    trained(learner)
    learner.close()
    rows = [json.loads(line) for line in (tmp_path / "sac.jsonl").read_text().splitlines()]
    assert rows[-1]["ends"]["pole_mass"][1] > rows[0]["ends"]["pole_mass"][1]
    assert all(row["successes"] == [True] * len(row["draws"]) for row in rows)


def test_stored_returns_make_the_score():
    env = swing_up()
    found = prepare_randomization(CHANGES, "adr", env, world_id=WORLD, steps=1_000_000)
    zero, one = found.signal.returns
    assert found.signal.judge(zero, {}) == (0.0, False)
    assert found.signal.judge(one, {}) == (1.0, True)
    assert found.signal.judge(zero + 0.79 * (one - zero), {})[1] is False
    assert found.notes == ()
    env.close()


def test_without_a_signal_an_adaptive_randomizer_is_refused():
    env = gym.make(WORLD)
    changed = prepare_randomization(
        CHANGES, "adr", env, world_id=WORLD, steps=1_000_000, changed=True
    )
    assert str(changed.signal) == "the world's own success"
    assert changed.signal.judge(0.0, {"success": True}) == (1.0, True)

    class Silent(gym.Wrapper):
        def step(self, action):
            *outcome, _ = super().step(action)
            return *outcome, {}

    said = r"needs to know which episodes succeed.*\{adr: \{returns: \[20, 500\]\}\}"
    with pytest.raises(RandomizerError, match=said):
        prepare_randomization(
            CHANGES, "adr", Silent(env), world_id=WORLD, steps=1_000_000, changed=True
        )
    env.close()


def test_parameters_change_during_the_episode():
    env = gym.make(WORLD)
    found = prepare_randomization(
        {"gravity": "= uniform(8, 11) every step", "motor_strength": "* uniform(0.5, 1) at 5/s"},
        "uniform",
        env,
        world_id=WORLD,
        steps=1_000,
    )
    world = found.wrap(env)
    seen = []
    adjust = env.unwrapped.adjust_parameters
    env.unwrapped.adjust_parameters = lambda values: (seen.append(values), adjust(values))
    for _ in range(2):
        world.reset(seed=3)
        for _ in range(200):
            world.step(world.action_space.sample())
    first, second = seen[:200], seen[200:]
    assert first == second
    assert len({values["gravity"] for values in first}) == 200
    # 5 times a second on average, in 200 steps of the control period: 4 standard deviations.
    expected = 5 * 200 * env.unwrapped.period
    drawn = sum("motor_strength" in values for values in first)
    assert abs(drawn - expected) < 4 * expected**0.5
    world.close()
