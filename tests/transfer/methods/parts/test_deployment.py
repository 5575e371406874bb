"""Who acts in training, what of it is learned from, and which policy is deployed."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from headstart.agents.algorithms import resolve_algorithm
from headstart.agents.learner import create
from headstart.transfer.methods.parts.deployment import MORE_OF_SOURCE, BetterOf, mean_of
from headstart.transfer.methods.parts.escalation import SoftenIfLost, effect_size

WORLDS, STEPS = 4, 32


@pytest.fixture
def choice(start):
    """The choice of a learner of four worlds; nothing was played yet."""
    learner = start("fine_tune", "ppo")
    [found] = [part for part in learner.callbacks if isinstance(part, BetterOf)]
    found.model = learner.model
    return found


def decide(choice):
    choice._decide()
    return choice.learner.deployed


def test_the_better_of_the_means_is_deployed(choice):
    assert decide(choice) is choice.source
    choice.source_returns = [10.0, 20.0] * 4  # 15 on average
    choice.noise_free.extend([30.0, 30.0, 30.0])
    assert decide(choice) is choice.source  # three are too few
    choice.noise_free.append(-25.0)  # 65 / 4 = 16.25
    assert decide(choice) is None
    # By hand: the source's standard error is (200 / 7) ** 0.5 / 8 ** 0.5 = 1.890.
    choice.noise_free.extend([13.2] * 8)
    assert decide(choice) is None
    choice.noise_free.extend([13.0] * 8)
    assert decide(choice) is choice.source
    choice.noisy.extend([15.5] * 15)
    assert decide(choice) is choice.source  # fifteen with noise are too few
    choice.noisy.append(15.5)
    assert decide(choice) is None
    # Its own error counts as well: (32 / 7) ** 0.5 / 8 ** 0.5 = 0.756.
    choice.noisy.clear()
    choice.noise_free.extend([11.0, 15.0] * 4)  # 13, and 13 >= 15 - (1.890^2 + 0.756^2) ** 0.5
    assert decide(choice) is None
    steps = [decision["decision"].split(":")[0] for decision in choice.learner.decisions]
    assert steps == [f"the {who} is deployed" for who in ("learner", "source", "learner")]
    assert choice.learner.decisions[0]["decision"].endswith("return 16.25, of the source 15")


def test_only_the_latest_episodes_count(choice):
    choice.source_returns = [1.0] * 8
    choice.noise_free.extend([100.0] * 8 + [0.0] * 8)
    assert decide(choice) is choice.source
    assert mean_of([1.0, 2.0], 3) is None
    assert mean_of([1.0, 2.0], 2) == 1.5


def test_the_source_plays_every_second_of_the_first_episodes(choice):
    played = []
    for _ in range(40):
        role = choice._role()
        played.append(role)
        if role != "learner":
            choice._count(role, 1.0)
    first = played[:32]
    assert first[1:15:2] == ["learner"] * 7
    assert set(first[15::2]) == {"learner", "noise_free"}
    assert first[0::2] == ["softened"] * 8 + ["source"] * 8
    # The 33rd to 40th: without noise every fourth, the source's again one in eight.
    later = ["source", *["learner"] * 2, "noise_free", *["learner"] * 3, "noise_free"]
    assert played[32:] == later
    # A source that has played enough, or is no longer deployed, plays no more.
    choice.source_returns = [1.0] * MORE_OF_SOURCE
    assert "source" not in {choice._role() for _ in range(16)}
    choice.source_returns, choice.learner.deployed = [1.0] * 8, None
    assert "source" not in {choice._role() for _ in range(16)}


def test_no_episode_is_without_noise_once_those_with_noise_are_better(choice):
    choice.source_returns = choice.softened_returns = [1.0] * 8
    choice.noisy.extend([2.0] * 16)
    assert {choice._role() for _ in range(16)} == {"learner"}


def test_roles_act_as_they_should_and_only_the_learner_is_learned_from(start, run, monkeypatch):
    learner = start("fine_tune", "ppo")
    [choice] = [part for part in learner.callbacks if isinstance(part, BetterOf)]
    roles, buffer = choice.roles, learner.model.rollout_buffer
    seen = {"source": 0, "noise_free": 0, "softened": 0, "learner": 0}
    batches = []
    choose, samples = learner.model.hooks.choose, buffer._get_samples

    def watched(actions, mode):
        actions = choose(actions, mode)
        raw = learner.normalizer.get_original_obs()
        for world, role in enumerate(roles.now):
            seen[role] += 1
            if role == "source":
                expected = choice.source.act(raw)[world]
                assert np.allclose(actions[world].numpy(), expected)
            assert torch.equal(actions[world], mode()[world]) == (role == "noise_free")
            last = learner.model.rollout_buffer
            assert last.pos < last.buffer_size
        return actions

    def sampled(indices, *rest):
        batches.append(indices)
        return samples(indices, *rest)

    learner.model.hooks.choose = watched
    monkeypatch.setattr(buffer, "_get_samples", sampled)
    run(learner, 1280)
    assert all(seen.values())
    assert sum(seen.values()) == learner.steps == 1280
    # The last update's: every step of the learner once a pass, and no other.
    learned = np.flatnonzero(buffer.learned.T.reshape(-1))
    assert 0 < len(learned) < WORLDS * STEPS
    passes = [indices for indices in batches if len(indices) > 1][-learner.model.n_epochs :]
    assert all(sorted(one) == learned.tolist() for one in passes)


def test_sac_learns_from_what_others_did(start, run):
    learner = start("fine_tune", "sac", steps=3000)
    [choice] = [part for part in learner.callbacks if isinstance(part, BetterOf)]
    run(learner, 300)
    assert len(choice.source_returns) > 3
    buffer = learner.model.replay_buffer
    raw = buffer.observations[:25, 0]
    normalized = learner.model.policy.scale_action(choice.source.act(raw))
    played = [np.allclose(buffer.actions[i, 0], normalized[i], atol=1e-5) for i in range(25)]
    assert all(played)  # the first episode was the source's


def test_the_effect_size():
    # By hand: means 10 and 2, deviations -1, 0 and 1 about 2.
    assert effect_size([9.0, 11.0], [1.0, 2.0, 3.0]) == pytest.approx(8.0)
    assert effect_size([1.0, 1.0], [2.0, 2.0]) == -np.inf
    assert effect_size([2.0, 2.0], [2.0, 2.0]) == 0


@pytest.mark.parametrize(("own", "softened"), [(5.9, True), (6.1, False)])
def test_the_learner_is_softened_where_the_source_has_lost_its_skill(choice, own, softened):
    calls = []
    judge = SoftenIfLost(choice, lambda: calls.append(1), 1_000)
    judge.model = choice.model
    choice.noise_free.append(3.0)
    # A mean of 1 and a standard deviation of 2: the limit is at 1 + 2.5 * 2.
    choice.softened_returns = [1 - 3.5**0.5, 1 + 3.5**0.5] * 4
    assert np.std(choice.softened_returns, ddof=1) == pytest.approx(2.0)
    judge.returns = [own] * 7
    judge._on_rollout_start()
    assert not judge.decided
    judge.returns.append(own)
    judge._on_rollout_start()
    judge._on_rollout_start()
    assert judge.decided
    assert len(calls) == softened
    assert len(choice.noise_free) == 1 - softened
    [decision] = choice.learner.decisions
    assert ("is softened" in decision["decision"]) == softened


@pytest.mark.parametrize(
    ("later", "deployed", "softened"),
    [
        # Means 2 and 3 + x, standard deviations 2: the standard error is 2 * (1/8 + 1/8)^0.5 = 1.
        (2.9, "source", True),
        (3.1, "source", False),
        (2.0, "learner", False),
    ],
)
def test_a_learner_that_gets_nowhere_is_softened(choice, later, deployed, softened, monkeypatch):
    calls = []
    judge = SoftenIfLost(choice, lambda: calls.append(1), 1_000)
    monkeypatch.setattr(choice, "deployed", lambda: deployed)
    monkeypatch.setattr(type(choice.learner), "steps", 249)
    judge.model, judge.decided = choice.model, True
    spread = 3.5**0.5
    judge.returns = [2 - spread, 2 + spread] * 4 + [later - spread, later + spread] * 4
    for _ in range(5):
        judge._on_rollout_start()
    assert judge.looks == [250, 500]
    monkeypatch.setattr(type(choice.learner), "steps", 250)
    judge.rollouts = 3
    judge._on_rollout_start()
    assert judge.looks == [250, 500]
    judge._on_rollout_start()
    assert len(calls) == softened
    assert judge.looks == ([] if softened else [500])
    assert judge.returns == []


def test_a_softened_learner_has_a_weak_head_new_noise_and_a_new_critic_head(start, sources):
    learner, scratch = start("fine_tune", "ppo"), start("scratch", "ppo")
    source, new = sources["ppo"].weights(), scratch.tensors()
    for name, tensor in learner.tensors().items():
        assert torch.equal(tensor, new[name] if name == "log_std" else source[name])
    [judge] = [part for part in learner.callbacks if isinstance(part, SoftenIfLost)]
    guide = judge.choice.roles._softened._learner
    judge.soften()
    for one in (learner, guide):
        for name, tensor in one.tensors().items():
            if name.startswith("action_net"):
                assert torch.allclose(tensor, 0.03 * source[name] + new[name])
            elif name.startswith("value_net") or name == "log_std":
                assert torch.equal(tensor, new[name])
            else:
                assert torch.equal(tensor, source[name])
    assert not [state for one in learner.optimizers().values() for state in one.state.values()]


def test_what_is_deployed_at_the_end_is_what_is_kept(start, run, sources):
    learner = start("fine_tune", "ppo")
    run(learner, 256)
    learner.deployed = source = sources["ppo"].policy()
    seen = np.array([[1, 0, 0], [0, 1, 3], [-1, 0, -5]], np.float32)
    expected = source.act(seen)
    assert np.array_equal(learner.act(seen), expected)
    learner.settle()
    assert learner.deployed is None
    assert np.array_equal(learner.act(seen), expected)
    for name, tensor in sources["ppo"].weights().items():
        assert torch.equal(learner.tensors()[name], tensor)


@pytest.mark.parametrize("whether", [True, False])
def test_a_deployed_policy_s_statistics_are_kept_where_there_are_any(whether):
    """Without normalized observations there are statistics of returns alone."""
    small = {"worlds": 1, "n_steps": 32, "batch_size": 32, "normalize": whether}
    algorithm = resolve_algorithm({"ppo": small}, "Pendulum-v1")
    learner, other = (create(algorithm, lambda: gym.make("Pendulum-v1"), 0) for _ in range(2))
    other.model.learn(32)
    learner.deployed = other
    learner.settle()
    assert learner.normalizer.ret_rms.count == other.normalizer.ret_rms.count > 1
    assert hasattr(learner.normalizer, "obs_rms") == whether
    learner.close()
    other.close()
