"""What methods add to updates, with numbers worked out by hand."""

import math

import numpy as np
import pytest
import torch
from headstart.agents.cores.closed_form import ClosedForm, Coefficients
from headstart.agents.cores.critics import StackedCritic
from headstart.agents.cores.hooks import FusedAdam, fuse
from headstart.agents.cores.masking import mask_steps
from headstart.agents.policies.layers import names_in
from stable_baselines3.common.type_aliases import RolloutBufferSamples
from torch.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)


@pytest.mark.parametrize("clip_range_vf", [None, 0.1])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_the_closed_form_is_the_gradient(learner, clip_range_vf, activation):
    net = {"net_arch": [16, 8], "activation_fn": activation}
    model = learner("ppo", policy_kwargs=net, ent_coef=0.01).model
    generator = torch.Generator().manual_seed(0)

    def draw(*shape):
        return torch.randn(*shape, generator=generator)

    batch = RolloutBufferSamples(draw(50, 3), draw(50, 1), draw(50), draw(50), draw(50), draw(50))
    weights = Coefficients(0.2, clip_range_vf, 0.01, 0.5, normalize_advantage=True)
    closed = ClosedForm.of(model.policy)
    closed.begin()
    with torch.no_grad():
        parts = closed.gradient(batch, weights)
    found = {n: p.grad.clone() for n, p in model.policy.named_parameters()}
    model.policy.optimizer.zero_grad()
    expected = model._losses(batch, weights)
    expected.loss.backward()
    for name, parameter in model.policy.named_parameters():
        assert torch.allclose(found[name], parameter.grad, rtol=1e-4, atol=1e-6), name
    for part in ("loss", "policy", "value", "entropy", "clipped", "divergence"):
        assert torch.allclose(getattr(parts, part), getattr(expected, part), atol=1e-5), part


def test_the_loss_by_hand(learner):
    """One weightless policy: means 0, deviation 1, value 0."""
    model = learner("ppo").model
    with torch.no_grad():
        for parameter in model.policy.parameters():
            parameter.zero_()
    half = 0.5 * math.log(2 * math.pi)
    batch = RolloutBufferSamples(
        torch.zeros(2, 3),
        torch.tensor([[0.0], [1.0]]),
        torch.zeros(2),
        # Log densities of 0 and 1 are -half and -half - 0.5: ratios 1 and exp(0.5) = 1.65.
        torch.tensor([-half, -half - 1.0]),
        torch.tensor([2.0, 3.0]),
        torch.tensor([1.0, -2.0]),
    )
    weights = Coefficients(0.2, None, 0.0, 0.5, normalize_advantage=False)
    closed = ClosedForm.of(model.policy)
    closed.begin()
    with torch.no_grad():
        parts = closed.gradient(batch, weights)
    # Clipped: -(2 * 1 + 3 * 1.2) / 2 = -2.8; value (1 + 4) / 2 = 2.5; together -2.8 + 1.25.
    assert parts.policy.item() == pytest.approx(-2.8)
    assert parts.value.item() == pytest.approx(2.5)
    assert parts.loss.item() == pytest.approx(-1.55)
    assert parts.clipped.item() == 0.5
    # The first step alone has a slope, of -1; its action is the mean: log_std's is -1 * (0 - 1).
    assert model.policy.log_std.grad.item() == pytest.approx(1.0)
    # The critic's bias: 0.5 * 2 * mean(0 - 1, 0 + 2) = 0.5.
    assert model.policy.value_net.bias.grad.item() == pytest.approx(0.5)


def test_masked_steps_are_in_no_minibatch(learner):
    model = learner("ppo").model
    buffer = mask_steps(model, lambda: [True, False, True, False])
    buffer.reset()
    worlds = np.arange(4, dtype=np.float32)
    for _ in range(buffer.buffer_size):
        buffer.add(np.zeros((4, 3)), np.zeros((4, 1)), worlds, worlds, worlds_tensor(worlds),
                   worlds_tensor(worlds))  # fmt: skip
    batches = list(buffer.get(20))
    assert [len(batch.old_values) for batch in batches] == [20, 20, 20, 4]
    seen = torch.cat([batch.old_values for batch in batches])
    assert sorted(seen.tolist()) == [0.0] * 32 + [2.0] * 32


def worlds_tensor(worlds):
    return torch.as_tensor(worlds).clone()


def count_steps(model):
    counts = {"actor": 0, "critic": 0}
    for name in counts:
        optimizer = getattr(model, name).optimizer

        def count(*_, name=name):
            counts[name] += 1

        optimizer.register_step_post_hook(count)
    return counts


@pytest.mark.parametrize(
    ("algorithm", "ratio", "actor"),
    # 40 critic updates; TD3's actor waits for every second as it is.
    [("sac", 1, 40), ("sac", 4, 10), ("sac", 20, 2), ("sac", 0, 0),
     ("sb3_contrib:TQC", 4, 10), ("stable_baselines3:TD3", 4, 5)],
)  # fmt: skip
def test_the_actor_learns_once_in_so_many_critic_updates(
    learner, run_some, algorithm, ratio, actor
):
    model = run_some(learner(algorithm), 60).model
    counts = count_steps(model)
    model._n_updates = 0
    model.hooks.ratio = ratio
    model.train(40, 8)
    assert counts == {"actor": actor, "critic": 40}


@pytest.mark.parametrize("algorithm", ["sac", "sb3_contrib:TQC", "stable_baselines3:TD3"])
def test_terms_and_batches_are_those_of_the_hooks(learner, run_some, algorithm):
    model = run_some(learner(algorithm), 60).model
    sizes, seen = [], []
    own = model.replay_buffer

    def batch(size):
        sizes.append(size)
        return own.sample(size, env=model.get_vec_normalize_env())

    def far(batch):
        seen.append(len(batch.observations))
        return 1e3 * (model.actor(batch.observations) - 0.9).square().mean()

    model.hooks.batch = batch
    model.hooks.actor_terms.append(far)
    # TD3's actor draws nothing, so that what it does can be compared.
    mean = lambda: model.actor(torch.zeros(1, 3), deterministic=True).item()  # noqa: E731
    if algorithm.endswith("TD3"):
        mean = lambda: model.actor(torch.zeros(1, 3)).item()  # noqa: E731
    before = mean()
    model.train(100, 8)
    assert sizes == [8] * 100
    assert set(seen) == {8}
    assert mean() > before


def test_a_term_of_the_critic_is_learned_from(learner, run_some):
    model = run_some(learner("sac"), 60).model

    # Up, where the rewards, which are all negative, would have them fall.
    def high(batch):
        return -sum(value.mean() for value in model.critic(batch.observations, batch.actions)) * 1e3

    def values():
        return torch.cat(model.critic(torch.zeros(1, 3), torch.zeros(1, 1))).detach()

    before = values()
    model.hooks.critic_terms.append(high)
    model.train(150, 8)
    assert (values() > before + 0.05).all()


@pytest.mark.parametrize("layer_norm", [False, True])
def test_stacked_critics_are_the_single_ones(learner, layer_norm):
    net = {"net_arch": [16, 16], "n_critics": 3, "critic_layer_norm": layer_norm}
    apart = learner("sac", policy_kwargs=net).model.critic
    stacked = learner("sac", policy_kwargs={**net, "stacked_critics": True}).model.critic
    assert isinstance(stacked, StackedCritic)
    layers = [part for part in stacked.qf0 if list(part.parameters())]
    with torch.no_grad():
        for number in range(3):
            own = [part for part in getattr(apart, f"qf{number}") if list(part.parameters())]
            for ours, theirs in zip(own, layers, strict=True):
                weight = theirs.weight[number]
                ours.weight.copy_(weight.T if weight.shape[0] > 1 else weight[0])
                ours.bias.copy_(theirs.bias[number, 0])
    seen, done = torch.randn(7, 3), torch.randn(7, 1)
    for one, other in zip(apart(seen, done), stacked(seen, done), strict=True):
        assert torch.allclose(one, other, atol=1e-5)


def test_the_head_of_stacked_critics_is_their_last_layer(learner):
    policy = learner("sac", policy_kwargs={"net_arch": [8], "stacked_critics": True}).model.policy
    assert names_in(policy, ["critic_head"]) == {
        f"critic{target}.qf0.2.{part}" for target in ("", "_target") for part in ("weight", "bias")
    }


@pytest.fixture
def run_some():
    from headstart.agents.training import train

    def run(one, steps):
        train(one, steps=steps, seed=0, grid=[], evaluate=print, on_evaluation=print)
        return one

    return run


def test_a_policy_with_no_closed_form(learner):
    assert ClosedForm.of(learner("ppo").model.policy) is not None
    assert ClosedForm.of(learner("ppo", use_sde=True).model.policy) is None
    elu = {"net_arch": [8], "activation_fn": "elu"}
    assert ClosedForm.of(learner("ppo", policy_kwargs=elu).model.policy) is None


def test_the_first_steps_are_those_of_a_fused_adam():
    ours, torchs = (torch.nn.Parameter(torch.linspace(-1, 1, 7)) for _ in range(2))
    fused, plain = torch.optim.Adam([ours]), torch.optim.Adam([torchs], fused=True)
    fuse(fused)
    for _ in range(3):
        for one, optimizer in ((ours, fused), (torchs, plain)):
            one.grad = one.detach() ** 2
            optimizer.step()
    assert torch.equal(ours, torchs)
    for key, value in plain.state[torchs].items():
        assert torch.equal(fused.state[ours][key], value)


@pytest.mark.parametrize("own", [True, False])
def test_hooks_of_a_step_run_once_in_it(own):
    parameter = torch.nn.Parameter(torch.ones(3))
    optimizer = torch.optim.Adam([parameter])
    fuse(optimizer)
    assert isinstance(optimizer, FusedAdam)
    parameter.grad = torch.ones(3)
    optimizer.step()
    # torch wraps the step of an optimizer's class when a state is loaded or copied.
    optimizer.load_state_dict(optimizer.state_dict())
    calls = []

    def before(*_):
        calls.append("pre")

    def after(*_):
        calls.append("post")

    if own:
        handles = [
            optimizer.register_step_pre_hook(before),
            optimizer.register_step_post_hook(after),
        ]
    else:
        handles = [
            register_optimizer_step_pre_hook(before),
            register_optimizer_step_post_hook(after),
        ]
    try:
        optimizer.step()
    finally:
        for handle in handles:
            handle.remove()
    optimizer.step()
    assert calls == ["pre", "post"]
    assert optimizer.state[parameter]["step"].item() == 3
