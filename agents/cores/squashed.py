"""Draws of SAC's squashed Gaussian policy in few operations."""

from __future__ import annotations

import math
from typing import Any

import torch
from stable_baselines3.common.distributions import SquashedDiagGaussianDistribution

_LOG_ROOT_TAU = math.log(math.sqrt(2 * math.pi))


def draw(actor: Any, observations: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw actions with their log probabilities, differentiable by the actor's parameters.

    As SB3's `actor.action_log_prob`, the same numbers from the same random stream, without
    torch's checks of distributions (Haarnoja et al., arXiv 1801.01290, appendix C).

    Args:
        actor: SAC's or TQC's actor.
        observations: A batch of n normalized observations.

    Returns:
        Actions in [-1, 1], shape (n, size), and their log probabilities (n, 1).
    """
    distribution = getattr(actor, "action_dist", None)
    if type(distribution) is not SquashedDiagGaussianDistribution:
        actions, log_prob = actor.action_log_prob(observations)
        return actions, log_prob.reshape(-1, 1)
    mean, log_std, _ = actor.get_action_dist_params(observations)
    deviation = log_std.exp()
    gaussian = mean + torch.randn_like(mean) * deviation
    actions = torch.tanh(gaussian)
    density = -((gaussian - mean) ** 2) / (2 * deviation**2) - deviation.log() - _LOG_ROOT_TAU
    squashed = torch.log(1 - actions**2 + distribution.epsilon)
    return actions, (density.sum(dim=1) - torch.sum(squashed, dim=1)).unsqueeze(1)
