import pytest
import torch
from headstart.agents.policies.layers import actor_names, copy_layers, names_in
from headstart.core.errors import HeadstartError

PPO_GROUPS = {
    "features": {f"mlp_extractor.{n}_net.{i}" for n in ("policy", "value") for i in (0, 2)},
    "policy_head": {"action_net", "log_std"},
    "critic_head": {"value_net"},
}
SAC_GROUPS = {
    "features": {"actor.latent_pi.0", "actor.latent_pi.2"}
    | {f"{c}.qf{q}.{i}" for c in ("critic", "critic_target") for q in (0, 1) for i in (0, 2)},
    "policy_head": {"actor.mu", "actor.log_std"},
    "critic_head": {f"{c}.qf{q}.4" for c in ("critic", "critic_target") for q in (0, 1)},
}
TD3_HEADS = {"policy_head": {"actor.mu.4", "actor_target.mu.4"}}


def layers(names):
    return {name.removesuffix(".weight").removesuffix(".bias") for name in names}


@pytest.mark.parametrize(
    ("algorithm", "groups"),
    [("ppo", PPO_GROUPS), ("sac", SAC_GROUPS), ("stable_baselines3:TD3", TD3_HEADS)],
)
def test_groups(learner, algorithm, groups):
    policy = learner(algorithm).model.policy
    for group, expected in groups.items():
        assert layers(names_in(policy, [group])) == expected


@pytest.mark.parametrize("algorithm", ["ppo", "sac", "sb3_contrib:TQC"])
def test_groups_part_all_parameters(learner, algorithm):
    policy = learner(algorithm).model.policy
    parts = [names_in(policy, [group]) for group in ("features", "policy_head", "critic_head")]
    assert sum(map(len, parts)) == len(dict(policy.named_parameters()))
    assert frozenset().union(*parts) == dict(policy.named_parameters()).keys()


def test_patterns_and_mistakes(learner):
    policy = learner("ppo").model.policy
    assert names_in(policy, ["mlp_extractor.policy_net.0.*"]) == {
        "mlp_extractor.policy_net.0.weight",
        "mlp_extractor.policy_net.0.bias",
    }
    with pytest.raises(HeadstartError, match=r"'feature'.*did you mean 'features'"):
        names_in(policy, ["feature"])


def test_actor_is_what_actions_depend_on(learner):
    assert layers(actor_names(learner("ppo").model.policy)) == {
        "mlp_extractor.policy_net.0",
        "mlp_extractor.policy_net.2",
        "action_net",
        "log_std",
    }
    assert all(name.startswith("actor.") for name in actor_names(learner("sac").model.policy))


def test_copy_layers_copies_those_only(learner):
    source, target = learner("ppo", seed=0), learner("ppo", seed=1)
    names = names_in(target.model.policy, ["features"])
    before = {name: tensor.clone() for name, tensor in target.tensors().items()}
    copy_layers(source.tensors(), target.model.policy, names)
    for name, tensor in target.tensors().items():
        assert torch.equal(tensor, source.tensors()[name] if name in names else before[name])


def test_copy_layers_of_other_shapes_is_refused(learner):
    source, target = learner("ppo"), learner("ppo", policy_kwargs={"net_arch": [8]})
    with pytest.raises(HeadstartError, match=r"source has \(16, 3\), the learner \(8, 3\)"):
        copy_layers(source.tensors(), target.model.policy, ["mlp_extractor.policy_net.0.weight"])


def optimized(learner):
    return {
        id(tensor)
        for optimizer in learner.optimizers().values()
        for group in optimizer.param_groups
        for tensor in group["params"]
    }


@pytest.mark.parametrize("algorithm", ["ppo", "sac"])
def test_freeze_takes_out_of_the_optimizers_and_back(learner, algorithm):
    one = learner(algorithm)
    parameters, everything = one.parameters(), optimized(one)
    names = names_in(one.model.policy, ["policy_head"])
    one.freeze(names)
    assert optimized(one) == everything - {id(parameters[name]) for name in names}
    assert not any(parameters[name].requires_grad for name in names)
    one.freeze(())
    assert optimized(one) == everything
    assert all(parameters[name].requires_grad for name in names)
    with pytest.raises(HeadstartError, match="unknown"):
        one.freeze(["no.such"])
