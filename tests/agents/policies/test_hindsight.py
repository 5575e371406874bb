"""Goals in hindsight: what is replayed, what a checkpoint holds, and what is refused."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from headstart import load_policy
from headstart.agents.algorithms import resolve_algorithm
from headstart.agents.bundles import bundle
from headstart.agents.bundles.sb3_export import export_sb3
from headstart.agents.bundles.sb3_zip import import_sb3_zip
from headstart.agents.learner import create, reset_worlds
from headstart.agents.policies.hindsight import HindsightBuffer
from headstart.agents.training import train
from headstart.core.errors import HeadstartError
from headstart.transfer.methods import Problem, resolve_method
from stable_baselines3 import HerReplayBuffer

LENGTH = 10


class Line(gym.Env):
    """A point on a line is to reach a goal: reward 0 within 0.1 of it, -1 elsewhere."""

    def __init__(self):
        self.action_space = spaces.Box(-1, 1, (1,))
        part = spaces.Box(-5, 5, (1,))
        parts = dict.fromkeys(("observation", "achieved_goal", "desired_goal"), part)
        self.observation_space = spaces.Dict(parts)

    def _seen(self):
        place = np.array([self.place], dtype=np.float32)
        return {"observation": place, "achieved_goal": place.copy(), "desired_goal": self.goal}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place = 0.0
        self.goal = self.np_random.uniform(-2, 2, 1).astype(np.float32)
        return self._seen(), {}

    def step(self, action):
        self.place = float(np.clip(self.place + 0.5 * action[0], -5, 5))
        seen = self._seen()
        reward = self.compute_reward(seen["achieved_goal"], seen["desired_goal"], {})
        return seen, float(reward), False, False, {"is_success": bool(reward == 0)}

    def compute_reward(self, achieved, desired, info):
        return -(np.abs(achieved - desired)[..., 0] > 0.1).astype(np.float32)


def line():
    world = gym.wrappers.TimeLimit(Line(), LENGTH)
    world.unwrapped.spec = gym.envs.registration.EnvSpec("Line-v0", max_episode_steps=LENGTH)
    return world


def goals(**settings):
    small = {"buffer_size": 200, "learning_starts": 40, "batch_size": 16, "train_freq": 4}
    given = {"replay_buffer_class": "her", "policy_kwargs": {"net_arch": [8]}, "worlds": 2}
    return resolve_algorithm({"sac": {**small, **given, **settings}}, "Line-v0")


def learned(algorithm, steps, checkpoint=None, start=None):
    """Train from a checkpoint or anew, all worlds starting anew at step 60; return the learner."""
    learner = create(algorithm, line, 0)
    if start is not None:
        bundle.load(start).restore(learner)

    def save(step):
        if step >= 60 and not (checkpoint / "manifest.json").exists():
            bundle.save(learner, checkpoint, world_id="Line-v0", replay_buffer=True)

    train(
        learner,
        steps=steps,
        seed=1,
        grid=[],
        evaluate=lambda _: None,
        on_evaluation=print,
        checkpoint_every=60,
        save_checkpoint=save if checkpoint else None,
    )
    return learner


def test_a_checkpoint_goes_on_exactly(tmp_path):
    whole = learned(goals(), 120, tmp_path / "checkpoint")
    rest = learned(goals(), 120, tmp_path / "again", tmp_path / "checkpoint")
    assert isinstance(whole.model.replay_buffer, HindsightBuffer)
    assert (whole.steps, whole.model._n_updates) == (rest.steps, rest.model._n_updates)
    for name, tensor in whole.tensors().items():
        assert torch.equal(tensor, rest.tensors()[name]), name
    buffers = whole.model.replay_buffer, rest.model.replay_buffer
    for name in ("ep_start", "ep_length", "rewards"):
        assert np.array_equal(getattr(buffers[0], name), getattr(buffers[1], name)), name


def test_episodes_that_a_reset_cuts_are_whole_and_others_begin():
    learner = create(goals(), line, 0)
    buffer = learner.model.replay_buffer
    learner.model.learn(32)  # 16 steps in each of two worlds: an episode of 10, and 6 of the next
    assert buffer.ep_length[:16, 0].tolist() == [10] * 10 + [0] * 6
    reset_worlds(learner, 0)
    assert buffer.ep_length[:16, 0].tolist() == [10] * 10 + [6] * 6
    assert buffer._current_ep_start.tolist() == [16, 16]
    assert buffer.timeouts[15].tolist() == [1, 1]
    learner.close()


def test_before_an_episode_has_ended_those_that_go_on_are_learned_from():
    learner = create(goals(learning_starts=0), line, 0)
    buffer = learner.model.replay_buffer
    learner.model.learn(8)  # 4 steps in each of two worlds, of episodes of 10
    assert learner.model._n_updates > 0
    assert not buffer.ep_length.any()
    drawn = buffer.sample(100).observations["observation"].numpy()
    assert set(drawn.ravel()) == set(buffer.observations["observation"][:4].ravel())
    learner.model.learn(12, reset_num_timesteps=False)
    assert buffer.ep_length[:10, 0].tolist() == [10] * 10
    learner.close()


@pytest.mark.parametrize("method", ["naive", "fine_tune"])
def test_a_source_of_goals_in_hindsight_is_carried_over(tmp_path, method):
    source = learned(goals(), 60)
    bundle.save(source, tmp_path / "b", world_id="Line-v0")
    problem = Problem(
        bundle=bundle.load(tmp_path / "b"),
        algorithm=goals(),
        make_world=line,
        seed=0,
        steps=80,
        device="cpu",
    )
    learner = resolve_method(method).start(problem)
    before = {name: tensor.clone() for name, tensor in learner.tensors().items()}
    train(learner, steps=80, seed=1, grid=[], evaluate=print, on_evaluation=print)
    assert any(not torch.equal(tensor, before[name]) for name, tensor in learner.tensors().items())
    learner.close()
    source.close()


def test_goals_in_hindsight_are_rewarded_as_the_world_says():
    learner = create(goals(normalize=False), line, 0)
    learner.model.learn(100)
    drawn = learner.model.replay_buffer.sample(200)
    seen = {key: part.numpy() for key, part in drawn.next_observations.items()}
    reached = np.abs(seen["achieved_goal"] - seen["desired_goal"]) <= 0.1
    assert np.array_equal(drawn.rewards.numpy() == 0, reached)
    assert reached.mean() > 0.15
    learner.close()


def test_it_is_a_policy_like_any_other(tmp_path):
    one = learned(goals(), 60)
    bundle.save(one, tmp_path / "b", world_id="Line-v0")
    loaded = bundle.load(tmp_path / "b")
    seen = one.observation_space.sample()
    action, _ = load_policy(tmp_path / "b").predict(seen, deterministic=True)
    out = export_sb3(loaded, tmp_path / "m.zip")
    back = import_sb3_zip(
        out.archive, tmp_path / "c", world_id="Line-v0", trust=True, normalizer=out.normalizer
    )
    ours, theirs = loaded.algorithm, back.bundle.algorithm
    assert theirs.name == ours.name == "sac"
    for key in ("replay_buffer_class", "buffer_size", "worlds", "normalize", "gamma"):
        assert theirs.settings[key] == ours.settings[key], key
    assert theirs.arguments()["replay_buffer_kwargs"] == ours.arguments()["replay_buffer_kwargs"]
    assert b"headstart" not in out.archive.read_bytes()
    assert np.array_equal(load_policy(tmp_path / "c").predict(seen, deterministic=True)[0], action)
    again = out.cls.load(out.archive, env=line())
    assert type(again.replay_buffer) is HerReplayBuffer
    one.close()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"replay_buffer_class": "him"}, "replay_buffer_class = 'him': expected 'her'"),
        ({"replay_buffer_kwargs": {"n_goals": 3}}, "unknown 'n_goals'"),
        ({"replay_buffer_kwargs": {"n_sampled_goal": 0}}, "n_sampled_goal = 0: expected 1 to"),
        (
            {"replay_buffer_kwargs": {"goal_selection_strategy": "futur"}},
            "goal_selection_strategy = 'futur'; did you mean 'future'?",
        ),
        ({"replay_buffer_class": None, "replay_buffer_kwargs": {"a": 1}}, "are those of"),
    ],
)
def test_what_is_no_buffer_is_named(settings, said):
    with pytest.raises(HeadstartError, match=said):
        goals(**settings)


def test_what_has_no_goals_is_refused(pendulum):
    with pytest.raises(HeadstartError, match="her needs a goal environment"):
        create(goals(), pendulum, 0)
    with pytest.raises(HeadstartError, match="unknown setting 'replay_buffer_class' of ppo"):
        resolve_algorithm({"ppo": {"replay_buffer_class": "her"}}, "Line-v0")
