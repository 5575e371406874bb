"""The source policy as a distribution over the learner's own actions, for anchors to it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from torch.distributions import Categorical, Normal, kl_divergence

from ....agents.learner import Learner
from ....core.errors import HeadstartError

Tensor = torch.Tensor

WIDEST = 0.98
"""Means of a source whose actions are clipped are taken to be at most so far from 0, scaled to
[-1, 1], where the learner's are squashed: the squashed ones reach the bounds only at infinity."""


class Teacher:
    """Gives the source policy's distribution for observations as the learner sees them.

    They are brought back to raw ones by the learner's statistics, and normalized by the source's
    own, which stay as they are: the two see the same world (kickstarting, arXiv 1803.03835).

    Args:
        source: The source policy; never trained here.
        learner: The learner, whose minibatches are looked at.
    """

    def __init__(self, source: Learner, learner: Learner) -> None:
        self.source, self.learner = source, learner
        source.model.policy.set_training_mode(False)
        for learned in (learner, source):
            gaussian_or_classes(learned, learned is learner)

    def distribution(self, observations: Any) -> Any:
        """Return torch's distribution, of one action each, of the learner's kind."""
        seen = renormalized(observations, self.learner.normalizer, self.source.normalizer)
        with torch.no_grad():
            found = policy_distribution(self.source, seen)
            if _squashes(self.learner) and not _squashes(self.source):
                found = unsquashed(found.mean, found.stddev, self.learner)
        return found

    def divergence(self, observations: Any) -> Tensor:
        """Return KL(source || learner) per observation and action dimension, shape (n,)."""
        own = policy_distribution(self.learner, observations)
        divergence = kl_divergence(self.distribution(observations), own)
        return divergence if divergence.ndim == 1 else divergence.mean(dim=1)


def gaussian_or_classes(learner: Learner, is_learner: bool) -> None:
    """Raise HeadstartError for a policy that has no distribution to be compared."""
    policy: Any = learner.model.policy
    actor = getattr(policy, "actor", None)
    known = hasattr(policy, "get_distribution") or hasattr(actor, "get_action_dist_params")
    if not known or learner.algorithm.recurrent:
        raise HeadstartError(
            f"method fine_tune: 'kl_anchor' does not apply: {learner.algorithm.name}"
            f"{'' if is_learner else ' (the source)'} has no distribution over actions that can "
            "be compared"
        )


def policy_distribution(learner: Learner, observations: Any) -> Any:
    """Return the distribution of normalized observations; of squashed policies before tanh."""
    model: Any = learner.model
    if isinstance(model, OnPolicyAlgorithm):
        found = model.policy.get_distribution(observations).distribution
        if not isinstance(found, (Normal, Categorical)):
            raise HeadstartError("method fine_tune: 'kl_anchor' is for Gaussians or one choice")
        return found
    mean, log_std, extra = model.actor.get_action_dist_params(observations)
    if extra:
        return model.actor.action_dist.proba_distribution(mean, log_std, **extra).distribution
    return Normal(mean, log_std.exp(), validate_args=False)


def unsquashed(mean: Tensor, deviation: Tensor, learner: Learner) -> Normal:
    """Return the Gaussian that after tanh is nearly one over actions in the world's units.

    Its mean is the inverse tanh of the mean, scaled to [-1, 1] and bounded by `WIDEST`; its
    deviation is divided by the slope of tanh there.
    """
    space: Any = learner.model.action_space
    low, high = (torch.as_tensor(bound, device=mean.device) for bound in (space.low, space.high))
    half = (high - low) / 2
    scaled = ((mean - low) / half - 1).clamp(-WIDEST, WIDEST)
    return Normal(torch.atanh(scaled), deviation / half / (1 - scaled**2), validate_args=False)


def renormalized(observations: Any, ours: Any, theirs: Any) -> Any:
    """Return observations normalized by `ours` as `theirs` would normalize them (None: not)."""
    if isinstance(observations, dict):
        return {
            key: _renormalized(value, _of_key(ours, key), _of_key(theirs, key))
            for key, value in observations.items()
        }
    return _renormalized(observations, _of_key(ours, None), _of_key(theirs, None))


def _of_key(normalizer: Any, key: str | None) -> tuple[Any, Any, float] | None:
    """Return mean, deviation and clipping of an observation's part, None where it is raw."""
    if normalizer is None or not normalizer.norm_obs:
        return None
    statistics = normalizer.obs_rms
    if isinstance(statistics, dict):
        if key not in statistics:
            return None
        statistics = statistics[key]
    deviation = np.sqrt(statistics.var + normalizer.epsilon)
    return statistics.mean, deviation, normalizer.clip_obs


def _renormalized(value: Tensor, ours: Any, theirs: Any) -> Tensor:
    if ours is not None:
        mean, deviation, _ = (_tensor(part, value) for part in ours)
        value = value * deviation + mean
    if theirs is not None:
        mean, deviation, limit = (_tensor(part, value) for part in theirs)
        value = ((value - mean) / deviation).clamp(-limit, limit)
    return value


def _tensor(part: Any, like: Tensor) -> Tensor:
    return torch.as_tensor(part, dtype=torch.float32, device=like.device)


def _squashes(learner: Learner) -> bool:
    return not isinstance(learner.model, OnPolicyAlgorithm)
