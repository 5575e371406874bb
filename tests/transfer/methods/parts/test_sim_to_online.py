"""Source replay, anchors to the source's actions, and an on-policy source continued off-policy."""

import math

import gymnasium as gym
import numpy as np
import pytest
import torch
from headstart.agents.algorithms import resolve_algorithm
from headstart.agents.bundles import bundle
from headstart.agents.learner import create
from headstart.agents.policies.layers import names_in
from headstart.core.errors import HeadstartError
from headstart.transfer.methods import (
    check_budget,
    check_method,
    check_networks,
    resolve_method,
)
from headstart.transfer.methods.parts.anchors import CLIPPED_AT, KLAnchor
from headstart.transfer.methods.parts.crossing import Distilled
from headstart.transfer.methods.parts.deployment import BetterOf
from headstart.transfer.methods.parts.source_replay import SourceReplay
from headstart.transfer.methods.parts.teacher import Teacher, renormalized, unsquashed

SEEN = torch.tensor([[0.5, -0.5, 1.0], [-1.0, 0.2, 0.0]])
SAC = {"sac": {"batch_size": 16, "buffer_size": 300, "train_freq": 4}}


def part_of(learner, cls):
    [found] = [part for part in learner.callbacks if isinstance(part, cls)]
    return found


def replaying(start, **settings):
    settings = {"preset": "sim_to_online", "source_replay": 80, **settings}
    learner = start({"fine_tune": settings}, "sac")
    replay = part_of(learner, SourceReplay)
    replay.fill()
    return learner, replay


# Replay of the source


def test_the_share_of_the_source_falls_to_none(start, run):
    learner, replay = replaying(start, replay_share=0.5, replay_until=0.5)
    shares = {}
    for steps in (0, 80, 160, 240, 320, 400):  # half of the budget of 640 is 320
        learner.model.num_timesteps = steps
        shares[steps] = replay.current_share()
    assert shares == {0: 0.5, 80: 0.375, 160: 0.25, 240: 0.125, 320: 0.0, 400: 0.0}


def test_a_minibatch_has_so_many_transitions_of_the_source(start, run):
    learner, replay = replaying(start)
    drawn = {"source": 0, "own": 0}
    own = learner.model.replay_buffer
    for name, buffer in (("source", replay.buffer), ("own", own)):
        sample = buffer.sample

        def counted(size, env=None, name=name, sample=sample):
            drawn[name] += size
            return sample(size, env=env)

        buffer.sample = counted
    replay.sample(16)
    assert drawn == {"source": 16, "own": 0}  # there is nothing else yet
    learner.model.num_timesteps, own.pos = 80, 50
    batch = replay.sample(16)
    # 0.375 * 16 = 6.
    assert drawn == {"source": 22, "own": 10}
    assert batch.observations.shape == (16, 3)
    assert batch.rewards.shape == batch.dones.shape == (16, 1)


def test_source_steps_are_the_source_policys_in_source_worlds(start, sources, problem):
    learner, replay = replaying(start)
    assert learner.source_steps == 80
    assert learner.steps == 0
    buffer = replay.buffer
    assert buffer.full
    # Episodes of 25 steps are cut at 25 of the 20 rows: the last row ends the trajectory instead.
    assert buffer.timeouts[-1].tolist() == [1.0] * 4
    assert not buffer.dones.any()
    # Row by row the next observation follows, and its gravity is the source's.
    assert np.array_equal(buffer.next_observations[:-1], buffer.observations[1:])
    _, sin, speed = buffer.observations[:, 0].T
    force = 2 * buffer.actions[:, 0, 0]
    expected = speed + (1.5 * 10.0 * sin + 3.0 * force) * 0.05
    assert np.allclose(buffer.next_observations[:, 0, 2], expected.clip(-8, 8), atol=1e-4)
    again = replaying(start)[1].buffer
    assert np.array_equal(again.actions, buffer.actions)


def test_source_worlds_take_random_actions_in_rising_shares(start):
    """The first the policy's alone, the last random ones alone, those between a third and two."""
    plain, mixed = (replaying(start, source_replay=4000, replay_random=r)[1] for r in (0.0, 1.0))
    rows = [buffer.buffer.actions[:, :, 0] for buffer in (plain, mixed)]
    assert rows[0].shape == rows[1].shape == (1000, 4)
    assert np.array_equal(rows[0][:, 0], rows[1][:, 0])
    assert not any(np.array_equal(rows[0][:, world], rows[1][:, world]) for world in (1, 2, 3))
    assert mixed.random.tolist() == pytest.approx([0, 1 / 3, 2 / 3, 1])
    uniform = rows[1][:, 3]
    assert abs(uniform.mean()) < 0.06
    assert uniform.var() == pytest.approx(1 / 3, abs=0.03)
    assert plain.random.tolist() == [0, 0, 0, 0]


def test_replay_goes_on_from_a_checkpoint_without_source_worlds(start):
    _, replay = replaying(start)
    kept = {name: array.copy() for name, array in replay.arrays().items()}
    assert {"observations", "actions", "rewards", "dones", "timeouts"} <= kept.keys()
    learner = start({"fine_tune": {"preset": "sim_to_online", "source_replay": 80}}, "sac")
    other = part_of(learner, SourceReplay)
    other.restore_arrays(kept)
    other.make_source = None
    other.model = learner.model
    other._on_rollout_start()
    assert learner.source_steps == 80
    assert np.array_equal(other.buffer.rewards, kept["rewards"])


# Anchors to the source's actions


def test_kl_of_gaussians_by_hand(start):
    learner = start({"fine_tune": {"preset": "careful", "kl_anchor": 2.0}}, "ppo")
    [anchor] = learner.model.hooks.actor_terms
    assert isinstance(anchor, KLAnchor)
    batch = type("Batch", (), {"observations": SEEN})
    source = anchor.teacher.source.model.policy
    for policy, mean, deviation in ((source, 1.0, 0.5), (learner.model.policy, 0.0, 2.0)):
        with torch.no_grad():
            policy.action_net.weight.zero_()
            policy.action_net.bias.fill_(mean)
            policy.log_std.fill_(math.log(deviation))
    # log(2 / 0.5) + (0.25 + 1) / (2 * 4) - 0.5 = 1.3863 + 0.15625 - 0.5 = 1.04254; times 2.
    assert anchor(batch).item() == pytest.approx(2 * 1.04254, abs=1e-4)
    with torch.no_grad():
        learner.model.policy.action_net.bias.fill_(100.0)
    assert anchor(batch).item() == pytest.approx(2 * CLIPPED_AT)


def test_the_anchor_is_per_action_dimension_and_halves(start):
    settings = {"preset": "careful", "kl_anchor": 0.8, "kl_half_life": 100}
    learner = start({"fine_tune": settings}, "sac")
    [anchor] = learner.model.hooks.actor_terms
    strengths = []
    for steps in (0, 100, 200, 50):
        learner.model.num_timesteps = steps
        strengths.append(anchor.current_strength())
    assert strengths == pytest.approx([0.8, 0.4, 0.2, 0.8 / math.sqrt(2)])
    # The learner begins as the source, and both see the same.
    assert anchor.teacher.divergence(SEEN).abs().max().item() < 1e-6


def test_teacher_and_learner_see_the_same_world(start, sources):
    learner = start({"fine_tune": {"preset": "careful"}}, "ppo")
    teacher = Teacher(sources["ppo"].policy(), learner)
    raw = np.array([[0.3, -0.2, 2.0]], np.float32)
    expected = teacher.source.act(raw)
    statistics = learner.normalizer.obs_rms
    statistics.mean, statistics.var = statistics.mean + 3.0, statistics.var * 7.0
    seen = torch.as_tensor(learner.normalizer.normalize_obs(raw))
    assert np.allclose(teacher.distribution(seen).mean.detach(), expected, atol=1e-4)
    back = renormalized(seen, learner.normalizer, None)
    assert np.allclose(back, raw, atol=1e-5)


def test_a_gaussian_is_unsquashed_by_hand(start):
    learner = start("scratch", "sac")  # torques of -2 to 2
    found = unsquashed(torch.tensor([[1.0], [7.0]]), torch.tensor([[0.3], [0.3]]), learner)
    # 1 is 0.5 of 2: atanh(0.5) = 0.5493, and tanh is 0.75 as steep there: 0.15 / 0.75 = 0.2.
    assert found.mean[0].item() == pytest.approx(0.5493, abs=1e-4)
    assert found.stddev[0].item() == pytest.approx(0.2)
    assert found.mean[1].item() == pytest.approx(math.atanh(0.98), abs=1e-4)


# Layers


def test_layer_rates_scale_what_a_step_moves(start):
    def moved(**settings):
        learner = start({"fine_tune": {"preset": "bold", **settings}}, "ppo")
        before = {name: t.clone() for name, t in learner.tensors().items()}
        for parameter in learner.model.policy.parameters():
            parameter.grad = torch.ones_like(parameter)
        learner.model.policy.optimizer.step()
        return {name: t - before[name] for name, t in learner.tensors().items()}, learner

    plain, learner = moved()
    scaled, _ = moved(layer_rates={"features": 0.25, "critic_head": 0.0})
    policy = learner.model.policy
    factors = dict.fromkeys(names_in(policy, ["features"]), 0.25)
    factors |= dict.fromkeys(names_in(policy, ["critic_head"]), 0.0)
    for name, change in plain.items():
        assert torch.allclose(scaled[name], factors.get(name, 1.0) * change, atol=1e-7), name


def test_layers_are_unfrozen_one_after_another(start, run):
    order = ["policy_head", "critic_head", "features"]
    settings = {"preset": "bold", "critic_steps": 0, "unfreeze": order, "unfreeze_until": 0.6}
    learner = start({"fine_tune": settings}, "ppo")  # of 640 steps: at 192 and 384
    policy = learner.model.policy
    found = {}
    run(learner, 640, watch=lambda step: found.setdefault(step, learner.frozen))
    heads, features = names_in(policy, ["critic_head"]), names_in(policy, ["features"])
    # At the boundaries between rollouts of 128 steps.
    assert found[0] == found[128] == heads | features
    assert found[256] == features
    assert found[384] == found[512] == frozenset()


@pytest.mark.parametrize("algorithm", ["ppo", "sac"])
def test_dropout_acts_on_the_critic_in_updates_only(start, algorithm):
    learner = start({"fine_tune": {"preset": "careful", "dropout": 0.5}}, algorithm)
    policy = learner.model.policy

    def value():
        if algorithm == "ppo":
            return policy.predict_values(SEEN)
        return policy.critic(SEEN, torch.zeros(2, 1))[0]

    policy.set_training_mode(False)
    assert torch.equal(value(), value())
    policy.set_training_mode(True)
    assert not torch.equal(value(), value())


# From on-policy to off-policy


def test_an_on_policy_source_goes_on_off_policy(start, run, sources, monkeypatch):
    monkeypatch.setattr("headstart.transfer.methods.parts.crossing.DISTILLING_UPDATES", 300)
    settings = {"algorithm": SAC, "source_replay": 200, "critic_pretrain": 20}
    learner = start({"fine_tune": settings}, "ppo")
    assert learner.algorithm.name == "sac"
    teacher = part_of(learner, Distilled).teacher
    before = teacher.divergence(SEEN).mean().item()
    critic = {n: t.clone() for n, t in learner.tensors().items() if n.startswith("critic.")}
    curve = run(learner, 128, every=128)
    assert list(curve) == [0, 128]
    assert learner.source_steps == 200
    assert teacher.divergence(SEEN).mean().item() < 0.1 * before
    assert all(not torch.equal(t, learner.tensors()[n]) for n, t in critic.items())
    assert learner.algorithm.settings["ent_coef"] == "auto_0.1"


def test_the_on_policy_source_is_deployed_and_kept_until_it_is_surpassed(
    start, run, sources, tmp_path, monkeypatch
):
    monkeypatch.setattr("headstart.transfer.methods.parts.crossing.DISTILLING_UPDATES", 2)
    settings = {"algorithm": SAC, "source_replay": 80, "critic_pretrain": 2}
    learner = start({"fine_tune": settings}, "ppo")
    seen = SEEN.numpy()
    expected = sources["ppo"].policy().act(seen)
    assert np.array_equal(learner.act(seen), expected)
    run(learner, 128)
    learner.deployed = part_of(learner, BetterOf).source
    bundle.save(learner.settle(), tmp_path / "kept", world_id="Pendulum-v1")
    kept = bundle.load(tmp_path / "kept")
    assert (kept.algorithm, kept.steps) == (sources["ppo"].algorithm, 128)
    assert np.array_equal(kept.policy().act(seen), expected)


# What is refused


@pytest.mark.parametrize(
    ("algorithm", "settings", "message"),
    [
        ("ppo", {"preset": "sim_to_online"}, "preset 'sim_to_online' is for off-policy .*sac"),
        ("ppo", {"critic_to_actor": 4}, "'critic_to_actor' does not apply to ppo"),
        ("sac", {"preset": "careful", "replay_share": 0.3}, "'replay_share' needs 'source_replay'"),
        ("sac", {"algorithm": "sac"}, "sac is off-policy; leave it out"),
        ("ppo", {"algorithm": "ppo"}, "expected sac or sb3_contrib:TQC, not ppo"),
        ("ppo", {"algorithm": "sack"}, "unknown algorithm 'sack'"),
        ("ppo", {"algorithm": "sac", "source_replay": 0}, "'algorithm' needs 'source_replay'"),
        ("ppo", {"algorithm": "sac", "l2_sp": 1.0}, r"'l2_sp' \(given\) is for the source's"),
        ("ppo", {"algorithm": {"sac": {"train_freq": 3}}}, "a rollout of 3 steps"),
        ("ppo", {"preset": "careful", "kl_anchor": 1.0, "l2_init": 1.0}, "contradict each other"),
        ("ppo", {"kl_anchor": 1.0}, r"'policy_head' \(the preset's\) moves away"),
        ("ppo", {"preset": "careful", "kl_half_life": 9}, "'kl_half_life' needs 'kl_anchor'"),
        ("ppo", {"preset": "careful", "unfreeze": ["features"]}, "two groups of layers"),
        ("stable_baselines3:A2C", {"preset": "careful", "kl_anchor": 1.0}, "not apply to .*A2C"),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_one_clear_line(algorithm, settings, message):
    with pytest.raises(HeadstartError, match=message) as caught:
        check_method(
            resolve_method({"fine_tune": settings}), resolve_algorithm(algorithm, "Pendulum-v1")
        )
    assert "\n" not in str(caught.value)


def test_more_source_replay_than_there_was_source_is_refused():
    method = resolve_method({"fine_tune": {"preset": "sim_to_online", "source_replay": 50_000}})
    algorithm = resolve_algorithm("sac", "Pendulum-v1")
    check_budget(method, algorithm, 50_000)
    with pytest.raises(HeadstartError, match=r"50,000: expected 20,000 at most \(the source's own"):
        check_budget(method, algorithm, 20_000)
    with pytest.raises(HeadstartError, match=r"expected 10,000 at most \(buffer_size\)"):
        check_budget(method, algorithm.replace(buffer_size=10_000), 60_000)


def test_sac_needs_continuous_actions():
    method = resolve_method({"fine_tune": {"algorithm": "sac"}})
    algorithm = resolve_algorithm("ppo", "CartPole-v1")
    learner = create(algorithm, lambda: gym.make("CartPole-v1", disable_env_checker=True), 0)
    with pytest.raises(HeadstartError, match="sac needs continuous actions, and they are Discrete"):
        check_networks(method, learner)
    learner.close()


def test_single_observations_are_not_all_that_a_policy_with_a_history_sees():
    method = resolve_method({"fine_tune": {"preset": "sim_to_online", "source_replay": 80}})
    algorithm = resolve_algorithm({"sac": {"history": 3}}, "Pendulum-v1")
    with pytest.raises(HeadstartError, match="'source_replay' looks at single observations"):
        check_method(method, algorithm)


def test_what_is_searched_goes_with_the_rest():
    replaying = {"critic_to_actor", "replay_share", "replay_until"}
    sac, ppo = (resolve_algorithm(name, "Pendulum-v1") for name in ("sac", "ppo"))
    assert not replaying & resolve_method("fine_tune").search(sac).keys()
    settings = {"preset": "sim_to_online", "source_replay": 80}
    own = resolve_method({"fine_tune": settings}).search(sac)
    assert own.keys() >= replaying | {"policy_head"}
    without = resolve_method({"fine_tune": {"preset": "sim_to_online"}}).search(sac)
    assert without.keys() == own.keys() - {"replay_share", "replay_until"}
    crossing = resolve_method({"fine_tune": {"algorithm": "sac"}}).search(ppo)
    assert crossing.keys() == own.keys() - {"policy_head"}


def test_source_replay_needs_source_worlds(start):
    settings = {"preset": "sim_to_online", "source_replay": 80}
    with pytest.raises(HeadstartError, match="needs source worlds, and there are none"):
        start({"fine_tune": settings}, "sac", make_source=None)
