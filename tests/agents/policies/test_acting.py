"""A policy remembers its worlds' episodes, each apart from the others, and forgets when told."""

import gymnasium as gym
import numpy as np
import pytest
from headstart.agents.bundles import bundle
from headstart.agents.evaluation import evaluate
from headstart.agents.policies.base import Memoryless, Policy, as_policy
from headstart.core.errors import HeadstartError

YES, NO = np.ones(1, bool), np.zeros(1, bool)


class Counter(gym.Env):
    """Episodes of `seed` steps that show nothing; the reward is the action."""

    observation_space = gym.spaces.Box(-1, 1, (1,), np.float32)
    action_space = gym.spaces.Box(0, 100, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        self.left = seed
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self.left -= 1
        return np.zeros(1, np.float32), float(action[0]), self.left == 0, False, {}


class Counts:
    """Acts with how many steps of its episode it has seen."""

    def __init__(self):
        self.seen = None

    def reset(self, mask):
        self.seen = np.where(mask, 0, 0 if self.seen is None else self.seen)

    def act(self, observations):
        self.seen = self.seen + 1
        return self.seen[:, None].astype(np.float32)


@pytest.mark.parametrize("worlds", [1, 2, 4])
def test_evaluation_tells_a_policy_where_episodes_begin(worlds):
    # An episode of n steps returns 1 + ... + n, whatever ran in the same world before.
    found = evaluate(Counts(), Counter, [3, 1, 4, 2], worlds)
    assert found.returns.tolist() == [6.0, 1.0, 10.0, 3.0]


def test_a_function_is_a_policy_without_memory():
    policy = as_policy(lambda observations: 2 * observations)
    assert isinstance(policy, Memoryless)
    assert isinstance(policy, Policy)
    assert as_policy(policy) is policy
    policy.reset(YES)
    assert policy.act(np.array([1.5])).tolist() == [3.0]


def test_a_recurrent_policy_remembers_and_forgets(learner, observations):
    one = learner("recurrent_ppo")
    policy = one.acting()
    first = [policy.act(observations[i : i + 1]) for i in range(4)]
    # The same observation again: another action, as more has been seen before it.
    again = [policy.act(observations[i : i + 1]) for i in range(4)]
    assert not np.allclose(first[0], again[0], atol=1e-6)
    policy.reset(NO)
    assert not np.allclose(policy.act(observations[:1]), first[0], atol=1e-6)
    policy.reset(YES)
    for i in range(4):
        np.testing.assert_array_equal(policy.act(observations[i : i + 1]), first[i])


def test_worlds_of_a_batch_are_remembered_apart(learner, observations):
    one = learner("recurrent_ppo")
    alone, both = one.acting(), one.acting()
    expected = [alone.act(observations[i : i + 1])[0] for i in range(4)]
    other = iter(observations[::-1])
    for step in range(4):
        batch = np.stack([observations[step], next(other)])
        both.reset(np.array([False, step == 2]))
        np.testing.assert_allclose(both.act(batch)[0], expected[step], atol=1e-6)


def test_a_policy_with_memory_is_not_asked_for_single_actions(learner, observations):
    with pytest.raises(HeadstartError, match=r"recurrent_ppo remembers .*: use acting\(\)"):
        learner("recurrent_ppo").act(observations)


def test_a_bundle_of_a_recurrent_policy_acts_as_it_did(learner, observations, tmp_path):
    one = learner("recurrent_ppo")
    bundle.save(one, tmp_path / "b", world_id="Pendulum-v1")
    policy, other = one.acting(), bundle.load(tmp_path / "b").policy().acting()
    for i in range(5):
        batch = observations[i : i + 3]
        np.testing.assert_array_equal(policy.act(batch), other.act(batch))
