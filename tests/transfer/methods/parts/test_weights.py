"""What is kept of the source's weights, and what they are pulled towards; numbers by hand."""

import pytest
import torch
from headstart.agents.algorithms import resolve_algorithm
from headstart.agents.policies.layers import names_in
from headstart.core.errors import HeadstartError
from headstart.transfer.methods import check_method, resolve_method
from headstart.transfer.methods.parts.anchors import Pull


def weights(learner):
    return {name: tensor.clone() for name, tensor in learner.tensors().items()}


@pytest.mark.parametrize("algorithm", ["ppo", "sac"])
def test_a_share_of_the_policy_head_is_kept_under_a_new_one(start, sources, algorithm):
    settings = {"preset": "careful", "policy_head": 0.25, "optimizer": "kept"}
    learner, scratch = start({"fine_tune": settings}, algorithm), start("scratch", algorithm)
    source, new = sources[algorithm].weights(), scratch.tensors()
    head = {n for n in names_in(learner.model.policy, ["policy_head"]) if n != "log_std"}
    assert head
    for name, tensor in weights(learner).items():
        expected = 0.25 * source[name] + new[name] if name in head else source[name]
        assert torch.allclose(tensor, expected), name


def test_restart_has_nothing_of_the_policy_head(start):
    learner, scratch = (
        start({"fine_tune": {"preset": "restart"}}, "ppo"),
        start("scratch", "ppo"),
    )
    for name in ("action_net.weight", "action_net.bias", "value_net.weight"):
        assert torch.equal(learner.tensors()[name], scratch.tensors()[name])


def test_shrink_and_perturb(start, sources):
    settings = {"preset": "bold", "shrink_and_perturb": [0.5, 0.1]}
    learner, scratch = start({"fine_tune": settings}, "ppo"), start("scratch", "ppo")
    source, new = sources["ppo"].weights(), scratch.tensors()
    for name, tensor in weights(learner).items():
        expected = source[name] if name == "log_std" else 0.5 * source[name] + 0.1 * new[name]
        assert torch.allclose(tensor, expected), name


def test_sac_targets_begin_as_what_they_follow(start):
    learner = start({"fine_tune": {"preset": "restart", "shrink_and_perturb": [0.5, 0.1]}}, "sac")
    found = weights(learner)
    for name in found:
        if name.startswith("critic_target."):
            assert torch.equal(found[name], found[name.replace("critic_target", "critic")])


def test_weights_are_pulled_by_hand_worked_shares(start):
    learner = start({"fine_tune": {"preset": "bold"}}, "ppo")
    name = "value_net.bias"
    parameter = learner.parameters()[name]
    others = {n: torch.zeros_like(t) for n, t in learner.parameters().items() if n != name}
    Pull(learner, 0.5, {name: torch.tensor([3.0])}).attach()
    optimizer = learner.model.policy.optimizer
    with torch.no_grad():
        parameter.fill_(1.0)
    for group in optimizer.param_groups:
        group["lr"] = 0.1
    before = weights(learner)
    optimizer.step()  # no gradients, so that only the pull is left
    # 1 - 0.1 * 0.5 * (1 - 3) = 1.1; twice: 1.1 + 0.05 * 1.9 = 1.195.
    assert parameter.item() == pytest.approx(1.1)
    optimizer.step()
    assert parameter.item() == pytest.approx(1.195)
    assert all(torch.equal(before[n], learner.tensors()[n]) for n in others)


@pytest.mark.parametrize(
    ("setting", "far"),
    [("l2_sp", "l2_init"), ("l2_init", "l2_sp"), ("weight_decay", None)],
)
def test_each_anchor_pulls_to_its_own_place(start, run, sources, setting, far):
    loose = start({"fine_tune": {"preset": "bold"}}, "ppo")
    held = start({"fine_tune": {"preset": "bold", setting: 300.0}}, "ppo")
    anchors = {
        "l2_sp": sources["ppo"].weights(),
        "l2_init": start("scratch", "ppo").tensors(),
        "weight_decay": {n: torch.zeros_like(t) for n, t in loose.tensors().items()},
    }
    for learner in (loose, held):
        run(learner, 384)

    def distance(learner):
        kept = {n: t.detach() for n, t in learner.parameters().items() if n != "log_std"}
        return sum(float((t - anchors[setting][n]).abs().sum()) for n, t in kept.items())

    assert distance(held) < 0.5 * distance(loose)


def test_adam_betas(start, run):
    learner = start({"fine_tune": {"adam_betas": [0.99, 0.99]}}, "sac")
    run(learner, 100)
    assert {
        group["betas"] for one in learner.optimizers().values() for group in one.param_groups
    } == {(0.99, 0.99)}


@pytest.mark.parametrize(
    ("algorithm", "settings", "message"),
    [
        ("ppo", {"preset": "bold", "l2_sp": 1.0, "l2_init": 1.0}, "contradict each other"),
        ("ppo", {"preset": "bold", "l2_sp": 1.0, "weight_decay": 1.0}, "contradict each other"),
        ("ppo", {"l2_sp": 1.0}, "'policy_head' \\(the preset's\\) moves away"),
        (
            "ppo",
            {"preset": "careful", "l2_sp": 1.0, "shrink_and_perturb": [0.5, 0.1]},
            "'shrink_and_perturb' \\(given\\) moves away",
        ),
        ("ppo", {"preset": "careful", "fill_steps": 10}, "'fill_steps' does not apply to ppo"),
        ("sac", {"noise": "reset"}, "'noise' does not apply to sac"),
        ("sac", {"when_lost": "soften"}, "'when_lost' does not apply to sac"),
        (
            "ppo",
            {"preset": "careful", "when_lost": "soften"},
            "needs 'deploy: better'",
        ),
    ],
)
def test_settings_that_do_not_go_together_are_one_clear_line(algorithm, settings, message):
    method = resolve_method({"fine_tune": settings})
    with pytest.raises(HeadstartError, match=message) as caught:
        check_method(method, resolve_algorithm(algorithm, "Pendulum-v1"))
    assert "\n" not in str(caught.value)
