"""PPO's gradient worked out by hand for Gaussian policies of plain networks.

Autograd spends most of its time on bookkeeping where layers are as small as those of control
policies. Here a minibatch takes some sixty operations in place of some three hundred.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from gymnasium import spaces
from stable_baselines3.common.distributions import DiagGaussianDistribution
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.preprocessing import is_image_space
from stable_baselines3.common.torch_layers import FlattenExtractor
from torch import nn

from ..policies.history_features import HistoryFeatures

Tensor = torch.Tensor
MANY = 8_192


def fast_tanh_(values: Tensor) -> Tensor:
    """Replace values by their tanh, within 2e-7 and many of them in half of torch's time."""
    if values.numel() < MANY:
        return values.tanh_()
    return values.mul_(2).sigmoid_().mul_(2).sub_(1)


# The operation in place, by activation.
_FORWARD: dict[type[nn.Module], Any] = {nn.Tanh: fast_tanh_, nn.ReLU: torch.relu_}
_LOG_ROOT_TAU = 0.5 * math.log(2 * math.pi)


@dataclass(frozen=True)
class Coefficients:
    """Weights of PPO's loss, and where it is clipped."""

    clip_range: float
    clip_range_vf: float | None
    ent_coef: float
    vf_coef: float
    normalize_advantage: bool


@dataclass(frozen=True)
class Parts:
    """The parts of a minibatch's loss, each a scalar tensor: what SB3 logs."""

    loss: Tensor
    policy: Tensor
    value: Tensor
    entropy: Tensor
    clipped: Tensor
    divergence: Tensor


class _Network:
    """A chain of linear layers, each but the last with an activation behind it."""

    def __init__(self, layers: list[tuple[nn.Linear, type[nn.Module] | None]]) -> None:
        self.layers = layers

    def forward(self, inputs: Tensor) -> list[Tensor]:
        """Return the inputs and the output of each layer, shapes (batch, layer width)."""
        values = [inputs]
        for linear, activation in self.layers:
            output = nn.functional.linear(values[-1], linear.weight, linear.bias)
            values.append(output if activation is None else _FORWARD[activation](output))
        return values

    def backward(self, values: list[Tensor], gradient: Tensor) -> None:
        """Write the gradients of all layers' parameters, given that of the output."""
        for number in reversed(range(len(self.layers))):
            linear, activation = self.layers[number]
            if activation is nn.Tanh:
                gradient = torch.ops.aten.tanh_backward(gradient, values[number + 1])
            elif activation is nn.ReLU:
                gradient = torch.ops.aten.threshold_backward(gradient, values[number + 1], 0)
            if linear.weight.grad is not None:
                torch.mm(gradient.t(), values[number], out=linear.weight.grad)
            if linear.bias.grad is not None:
                torch.sum(gradient, 0, out=linear.bias.grad)
            if number:
                gradient = gradient.mm(linear.weight)


class ClosedForm:
    """Acts and learns with a policy's networks without autograd; made by `of`."""

    def __init__(self, policy: ActorCriticPolicy, actor: _Network, critic: _Network) -> None:
        self.policy = policy
        self._actor, self._critic = actor, critic
        self._flat = torch.empty(0)

    @classmethod
    def of(cls, policy: Any) -> ClosedForm | None:
        """Return the closed form of a policy; None where it has none.

        It has one where its class is SB3's `ActorCriticPolicy`, its observations are vectors, its
        actions Gaussian, its activations tanh or ReLU, and nothing hooks into its layers.
        """
        space = policy.observation_space
        is_vector = isinstance(space, spaces.Box) and not is_image_space(space)
        if type(policy) is not ActorCriticPolicy or not is_vector:
            return None
        if type(policy.action_dist) is not DiagGaussianDistribution:
            return None
        for extractor in (policy.pi_features_extractor, policy.vf_features_extractor):
            if type(extractor) not in (FlattenExtractor, HistoryFeatures):
                return None
        if any(module._forward_hooks for module in policy.modules()):
            return None
        if any(parameter.dtype != torch.float32 for parameter in policy.parameters()):
            return None
        body = policy.mlp_extractor
        actor = _network(body.policy_net, policy.action_net)
        critic = _network(body.value_net, policy.value_net)
        return None if actor is None or critic is None else cls(policy, actor, critic)

    def act(self, observations: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return drawn actions (n, size), values (n, 1), log probabilities (n,) and means."""
        inputs = self._inputs(observations)
        mean = self._actor.forward(inputs)[-1]
        values = self._critic.forward(inputs)[-1]
        log_std = self.policy.log_std
        noise = torch.randn_like(mean)
        actions = mean + noise * log_std.exp()
        # What is not finite would pass through all that follows; torch's distributions refuse it.
        if not torch.isfinite(actions).all():
            raise ValueError(f"actions are not finite: {actions}")
        return actions, values, _log_probability(noise, log_std), mean

    def values(self, observations: Tensor) -> Tensor:
        """Return the critic's values, shape (n, 1)."""
        return self._critic.forward(self._inputs(observations))[-1]

    def _inputs(self, observations: Tensor) -> Tensor:
        """Return what the networks are given, which nothing learned is in, shape (n, size)."""
        features: Tensor = self.policy.pi_features_extractor(observations.float())
        return features

    def begin(self) -> None:
        """Give all parameters that are trained a place in one flat vector of gradients."""
        trained = [one for one in self.policy.parameters() if one.requires_grad]
        sizes = [one.numel() for one in trained]
        if self._flat.numel() != sum(sizes):
            self._flat = torch.zeros(sum(sizes), device=self.policy.device)
        for one, part in zip(trained, torch.split(self._flat, sizes), strict=True):
            one.grad = part.view_as(one)

    def clip(self, limit: float) -> None:
        """Scale all gradients so that their norm is at most `limit`."""
        factor = limit / (torch.linalg.vector_norm(self._flat) + 1e-6)
        self._flat.mul_(factor.clamp_(max=1.0))

    def gradient(self, batch: Any, weights: Coefficients) -> Parts:
        """Write the gradient of PPO's loss of a minibatch (Schulman et al., arXiv 1707.06347, 9).

        Args:
            batch: SB3's `RolloutBufferSamples`, observations of shape (n, *shape).
            weights: The loss's coefficients.
        """
        count = len(batch.advantages)
        inputs = self._inputs(batch.observations)
        actor, critic = self._actor.forward(inputs), self._critic.forward(inputs)
        mean, values = actor[-1], critic[-1].flatten()
        log_std = self.policy.log_std
        deviation = log_std.exp()
        scaled = (batch.actions.reshape(mean.shape) - mean) / deviation
        log_ratio = _log_probability(scaled, log_std) - batch.old_log_prob
        ratio = log_ratio.exp()
        advantages = batch.advantages
        if weights.normalize_advantage and count > 1:
            spread, average = torch.std_mean(advantages)
            advantages = (advantages - average) / (spread + 1e-8)
        clip = weights.clip_range
        free = advantages * ratio
        bound = advantages * ratio.clamp(1 - clip, 1 + clip)
        policy_loss = -torch.min(free, bound).mean()
        # The gradient is that of `free` wherever it is the smaller one or both are the same.
        slope = torch.where(free <= bound, free, 0.0) * (-1.0 / count)
        to_mean = scaled * slope.unsqueeze(1)
        if log_std.grad is not None:
            torch.sum(to_mean * scaled, 0, out=log_std.grad)
            log_std.grad.sub_(slope.sum() + weights.ent_coef)
        self._actor.backward(actor, to_mean.div_(deviation))
        error = values - batch.returns
        inside: Tensor | float = 1.0
        if weights.clip_range_vf is not None:
            moved = values - batch.old_values
            limit = weights.clip_range_vf
            error = batch.old_values + moved.clamp(-limit, limit) - batch.returns
            inside = (moved.abs() <= limit).float()
        value_loss = error.square().mean()
        to_value = error * inside * (2.0 * weights.vf_coef / count)
        self._critic.backward(critic, to_value.unsqueeze(1))
        entropy_loss = -(log_std.sum() + log_std.numel() * (0.5 + _LOG_ROOT_TAU))
        loss = policy_loss + weights.ent_coef * entropy_loss + weights.vf_coef * value_loss
        return Parts(
            loss,
            policy_loss,
            value_loss,
            entropy_loss,
            ((ratio - 1).abs() > clip).float().mean(),
            (ratio - 1 - log_ratio).mean(),
        )


def _log_probability(scaled: Tensor, log_std: Tensor) -> Tensor:
    """Return log densities (n,) of Gaussian draws, scaled to mean 0 and deviation 1 (n, size)."""
    constant = log_std.sum() + log_std.numel() * _LOG_ROOT_TAU
    return scaled.square().sum(1).mul_(-0.5).sub_(constant)


def _network(body: nn.Sequential, head: Any) -> _Network | None:
    """Return the chain of a network and its head; None where it holds anything else."""
    layers: list[tuple[nn.Linear, type[nn.Module] | None]] = []
    for module in body:
        if type(module) is nn.Linear:
            layers.append((module, None))
        elif type(module) in _FORWARD and layers and layers[-1][1] is None:
            layers[-1] = (layers[-1][0], type(module))
        else:
            return None
    return _Network([*layers, (head, None)])
