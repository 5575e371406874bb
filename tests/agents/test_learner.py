import gymnasium as gym
import numpy as np
import pytest
import torch
from headstart.agents.algorithms import resolve_algorithm
from headstart.agents.bundles import bundle
from headstart.agents.learner import create
from headstart.agents.training import train
from headstart.core.errors import HeadstartError


def test_acting_moves_no_statistics_and_draws_nothing(learner, observations):
    one = learner("sac")
    before = one.normalizer.obs_rms.copy()
    stream, numpy_stream = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    first = one.act(observations)
    assert np.array_equal(first, one.act(observations))
    assert np.array_equal(before.mean, one.normalizer.obs_rms.mean)
    assert before.count == one.normalizer.obs_rms.count
    assert torch.equal(stream, torch.get_rng_state())
    assert np.array_equal(numpy_stream, np.random.get_state()[1])  # noqa: NPY002


def test_the_seed_decides_the_weights(learner):
    same, again, other = learner("ppo", seed=3), learner("ppo", seed=3), learner("ppo", seed=4)
    name = "mlp_extractor.policy_net.0.weight"
    assert torch.equal(same.tensors()[name], again.tensors()[name])
    assert not torch.equal(same.tensors()[name], other.tensors()[name])


def test_normalization_is_as_the_settings_say(learner, small):
    plain = learner("ppo", normalize=False, normalize_reward=False)
    assert plain.normalizer is None
    rewards = learner("ppo", normalize=False, normalize_reward=True, gamma=0.9)
    assert (rewards.normalizer.norm_obs, rewards.normalizer.norm_reward) == (False, True)
    assert rewards.normalizer.gamma == 0.9


def test_observations_that_are_no_vectors_are_left_as_they_are(small):
    one = create(
        small("ppo", normalize_reward=False),
        lambda: gym.make("FrozenLake-v1", disable_env_checker=True),
        0,
    )
    assert one.normalizer is None
    assert one.act(np.array([0, 5])).shape == (2,)
    one.close()


class Seen(gym.Env):
    """A pole that turns, given in parts, and a picture of it."""

    observation_space = gym.spaces.Dict(
        velocity=gym.spaces.Box(-9, 9, (1,), np.float32),
        picture=gym.spaces.Box(0, 255, (40, 40, 3), np.uint8),
        angle=gym.spaces.Box(-4, 4, (2,), np.float32),
    )
    action_space = gym.spaces.Box(-1, 1, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.left = 10
        return self.seen(), {}

    def seen(self):
        return {key: space.sample() for key, space in self.observation_space.items()}

    def step(self, action):
        self.left -= 1
        return self.seen(), float(action[0]), False, self.left == 0, {}


@pytest.mark.parametrize("algorithm", ["ppo", "sac"])
def test_a_bundle_of_parts_and_a_picture_acts_as_what_was_trained(small, tmp_path, algorithm):
    one = create(small(algorithm, worlds=2, learning_starts=8, buffer_size=20)
                 if algorithm == "sac" else small(algorithm), Seen, 0)  # fmt: skip
    train(one, steps=20, seed=0, grid=[], evaluate=print, on_evaluation=print)
    assert list(one.normalizer.obs_rms) == ["velocity", "angle"]
    world = Seen()
    seen = [world.seen() for _ in range(3)]
    batch = {key: np.stack([part[key] for part in seen]) for key in seen[0]}
    bundle.save(one, tmp_path / "b", world_id="Seen-v0")
    assert np.array_equal(bundle.load(tmp_path / "b").policy().act(batch), one.act(batch))
    one.close()


def test_the_end_of_an_episode_at_a_checkpoint_stays_what_it_was(learner):
    """A time limit is no terminal state, whether or not the worlds are reset just then."""
    one = learner("sac")
    train(
        one,
        steps=100,
        seed=0,
        grid=[],
        evaluate=print,
        on_evaluation=print,
        checkpoint_every=50,
        save_checkpoint=lambda _: None,
    )
    buffer = one.model.replay_buffer
    # Episodes of 25 steps, all cut by their time limit.
    assert np.flatnonzero(buffer.dones).tolist() == [24, 49, 74, 99]
    assert np.flatnonzero(buffer.timeouts).tolist() == [24, 49, 74, 99]


def test_worlds_are_as_many_as_set(learner):
    assert learner("ppo").worlds.num_envs == 4
    assert learner("sac").worlds.num_envs == 1


@pytest.mark.parametrize("device", ["gpu", "cuda:99x"])
def test_an_unknown_device_is_refused(small, pendulum, device):
    with pytest.raises(HeadstartError, match=f"unknown device '{device}'"):
        create(small("ppo"), pendulum, 0, device)


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_a_device_that_is_not_there_is_refused(small, pendulum):
    with pytest.raises(HeadstartError, match="device 'cuda': PyTorch finds no GPU here"):
        create(small("ppo"), pendulum, 0, "cuda")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.filterwarnings("ignore:You are trying to run PPO on the GPU:UserWarning")
@pytest.mark.parametrize("algorithm", ["ppo", "sac"])
def test_a_gpu_trains_and_its_bundle_goes_on(small, pendulum, evaluate, tmp_path, algorithm):
    one = create(small(algorithm), pendulum, 0, "cuda")
    train(one, steps=150, seed=0, grid=[150], evaluate=evaluate, on_evaluation=lambda *_: None)
    bundle.save(one, tmp_path / "b", world_id="Pendulum-v1", replay_buffer=True)
    other = bundle.load(tmp_path / "b").learner(pendulum, 0, "cuda")
    for name, tensor in one.tensors().items():
        assert torch.equal(other.tensors()[name], tensor)
    train(other, steps=300, seed=0, grid=[], evaluate=evaluate, on_evaluation=lambda *_: None)
    one.close()
    other.close()


def test_a_closed_learner_still_acts(learner, observations):
    one = learner("ppo")
    before = one.act(observations)
    one.close()
    assert np.array_equal(one.act(observations), before)


class Pictures(gym.Env):
    """A world of small pictures, none of whose steps matters."""

    def __init__(self, size=40):
        self.observation_space = gym.spaces.Box(0, 255, (size, size, 3), np.uint8)
        self.action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.observation_space.sample(), {}


@pytest.mark.parametrize(("size", "policy"), [(40, "CnnPolicy"), (20, "MlpPolicy")])
def test_pictures_are_seen_by_convolutions_and_not_normalized(tmp_path, size, policy):
    algorithm = resolve_algorithm({"ppo": {"worlds": 1, "n_steps": 4, "batch_size": 4}}, "x")
    one = create(algorithm, lambda: Pictures(size), 0)
    assert one.algorithm.settings["policy"] == policy
    assert not one.normalizer.norm_obs
    bundle.save(one, tmp_path / "b", world_id="x")
    loaded = bundle.load(tmp_path / "b").policy()
    seen = np.stack([one.observation_space.sample() for _ in range(3)])
    assert np.array_equal(loaded.act(seen), one.act(seen))
