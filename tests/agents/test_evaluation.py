import gymnasium as gym
import numpy as np
import pytest
from headstart.agents.evaluation import EvaluationError, Evaluator, evaluate


class Counting(gym.Env):
    """An episode of 2 + seed % 3 steps; the reward is the action times the step's number."""

    observation_space = gym.spaces.Box(-100, 100, (2,), np.float32)
    action_space = gym.spaces.Box(-1, 1, (1,), np.float32)

    def __init__(self, bad=None):
        self.bad = bad

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.seed_given, self.steps = seed, 0
        return np.array([seed, 0], np.float32), {}

    def step(self, action):
        self.steps += 1
        over = self.steps == 2 + self.seed_given % 3
        observation = np.array([self.seed_given, self.steps], np.float32)
        reward = float(action[0]) * self.steps
        if self.bad == "observation" and self.seed_given == 4 and not over:
            observation[0] = np.nan
        if self.bad == "reward" and self.seed_given == 4:
            reward = float("inf")
        info = {"success": self.seed_given % 2 == 0} if over and self.bad != "silent" else {}
        return observation, reward, over, False, info


def half(observations):
    """Act with half, whatever is seen; a full batch is always given."""
    return np.full((len(observations), 1), 0.5, np.float32)


def test_returns_lengths_and_successes_by_hand():
    # Lengths 2 + seed % 3; return 0.5 * (1 + ... + length).
    evaluation = evaluate(half, Counting, [3, 4, 5, 6], worlds=3)
    assert evaluation.lengths.tolist() == [2, 3, 4, 2]
    assert evaluation.returns.tolist() == [1.5, 3.0, 5.0, 1.5]
    assert evaluation.successes.tolist() == [0.0, 1.0, 0.0, 1.0]
    assert evaluation.record(7) == {
        "step": 7,
        "return": 2.75,
        "returns": [1.5, 3.0, 5.0, 1.5],
        "success": 0.5,
        "length": 2.75,
        "episodes": 4,
    }


class Told(Counting):
    """Tells of its reward in parts: all episodes of `odd`, only those of even seeds of `even`."""

    def step(self, action):
        observation, reward, over, truncated, info = super().step(action)
        if over and self.bad != "silent":
            info["reward_terms"] = {"odd": 0.5 * self.seed_given}
            if self.seed_given % 2 == 0:
                info["reward_terms"]["even"] = np.nan if self.bad == "term" else 1.0
        return observation, reward, over, truncated, info


def test_reward_terms_are_means_over_episodes_where_all_tell_of_them():
    evaluation = evaluate(half, Told, [3, 4, 5, 6], worlds=3)
    assert {name: sums.tolist() for name, sums in evaluation.terms.items()} == {
        "odd": [1.5, 2.0, 2.5, 3.0]
    }
    assert evaluation.record(7)["reward_terms"] == {"odd": 2.25}
    assert evaluate(half, Told, [4, 6]).record(0)["reward_terms"] == {"odd": 2.5, "even": 1.0}
    assert "reward_terms" not in evaluate(half, lambda: Told("silent"), [3, 4]).record(0)


def test_a_reward_term_that_is_not_finite_is_an_error():
    with pytest.raises(EvaluationError, match=r"reward term 'even' is not finite .* of seed 4"):
        evaluate(half, lambda: Told("term"), [3, 4, 5])


@pytest.mark.parametrize("worlds", [1, 2, 4, 9])
def test_the_number_of_worlds_does_not_matter(worlds):
    evaluation = evaluate(half, Counting, [3, 4, 5, 6], worlds=worlds)
    assert evaluation.returns.tolist() == [1.5, 3.0, 5.0, 1.5]


def test_the_batch_is_always_full():
    sizes = set()

    def act(observations):
        sizes.add(len(observations))
        return half(observations)

    evaluate(act, Counting, [3, 4, 5, 6], worlds=3)
    assert sizes == {3}


def test_success_is_unknown_where_the_world_does_not_say():
    evaluation = evaluate(half, lambda: Counting("silent"), [1, 2])
    assert evaluation.successes is None
    assert evaluation.record(0)["success"] is None


@pytest.mark.parametrize("bad", ["observation", "reward"])
def test_numbers_that_are_not_finite_are_errors(bad):
    with pytest.raises(EvaluationError, match=f"{bad} is not finite .* at step 1 .* of seed 4"):
        evaluate(half, lambda: Counting(bad), [3, 4, 5])


@pytest.mark.parametrize("worlds", [1, 2, 3])
def test_the_last_observation_counts_too_however_many_worlds_there_are(worlds):
    class Ending(Counting):
        def step(self, action):
            observation, *told = super().step(action)
            return np.full_like(observation, np.nan) if any(told[1:3]) else observation, *told

    with pytest.raises(EvaluationError, match=r"observation is not finite .* of seed 5"):
        evaluate(half, Ending, [5], worlds=worlds)


def test_an_episode_without_end_is_an_error(monkeypatch):
    monkeypatch.setattr("headstart.agents.evaluation.STEP_LIMIT", 3)
    with pytest.raises(EvaluationError, match="seed 5 did not end in 3 steps"):
        evaluate(half, Counting, [5])


def test_evaluating_again_gives_the_same(learner, evaluator, evaluate):
    one = learner("ppo")
    first, second = evaluate(one), evaluate(one)
    assert first.returns.tolist() == second.returns.tolist()
    assert len(set(first.returns)) == 4


def test_no_seeds_is_an_error():
    with pytest.raises(ValueError, match="seed"):
        Evaluator(Counting, [])


def test_dict_observations(pendulum, small):
    from headstart.agents.learner import create

    class Parts(gym.ObservationWrapper):
        def __init__(self, env):
            super().__init__(env)
            box = env.observation_space
            self.observation_space = gym.spaces.Dict({"all": box, "mode": gym.spaces.Discrete(2)})

        def observation(self, observation):
            return {"all": observation, "mode": 1}

    one = create(small("ppo"), lambda: Parts(pendulum()), 0)
    evaluation = evaluate(one.act, lambda: Parts(pendulum()), [1, 2, 3], worlds=2)
    assert np.isfinite(evaluation.returns).all()
    assert list(one.normalizer.obs_rms) == ["all"]
    one.close()


class OnlyIfTrue(Counting):
    """Tells of success where there was one, of an odd seed, and has terms of another form."""

    def step(self, action):
        observation, reward, over, truncated, _ = super().step(action)
        given = {"is_success": np.array([True])} if self.seed_given % 2 else {}
        return (
            observation,
            reward,
            over,
            truncated,
            given | {"reward_terms": [1, 2]} if over else {},
        )


def test_an_episode_without_the_key_of_success_is_a_failure_where_others_have_it():
    evaluation = evaluate(half, OnlyIfTrue, [3, 4, 5, 6], worlds=3)
    assert evaluation.successes.tolist() == [1.0, 0.0, 1.0, 0.0]
    assert evaluation.record(0)["success_unreported"] == 2
    assert evaluation.terms == {}
    # Where none has it nothing is known.
    assert evaluate(half, OnlyIfTrue, [4, 6]).successes is None
