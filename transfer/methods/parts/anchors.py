"""Pulls on weights, and on what the policy does: to the source, a new network, or zero."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from ....agents.cores.hooks import Hooks
from ....agents.learner import Learner
from .teacher import Teacher
from .warm_start import NOISE


class Pull:
    """Moves weights towards an anchor after each step of their optimizer.

    w <- w - rate * strength * (w - anchor), as AdamW decays weights: apart from the gradient, so
    that Adam's scaling does not undo it (Loshchilov and Hutter, arXiv 1711.05101, algorithm 2).
    With the source's weights as the anchor it is L2-SP (Li et al., arXiv 1802.01483, eq. 3), with
    those of a new network L2-init (Kumar et al., arXiv 2308.11958, eq. 2), with none of them weight
    decay.

    Args:
        learner: Whose weights are pulled.
        strength: The pull per unit of learning rate.
        anchor: Tensors by parameter name; None for 0. A parameter without one is left alone,
            as are a policy's noise and SAC's temperature.
    """

    def __init__(
        self, learner: Learner, strength: float, anchor: Mapping[str, torch.Tensor] | None
    ) -> None:
        self.strength = strength
        named = learner.parameters()
        layers = {name: tensor for name, tensor in named.items() if tensor.ndim > 0}
        self._anchors: dict[int, torch.Tensor | float] = {}
        for name, tensor in layers.items():
            if name in NOISE:
                continue
            if anchor is None:
                self._anchors[id(tensor)] = 0.0
            elif name in anchor:
                self._anchors[id(tensor)] = anchor[name].detach().clone().to(tensor.device)
        self._optimizers = list(learner.optimizers().values())

    def attach(self) -> None:
        """Pull from now on, at every step of the learner's optimizers."""
        for optimizer in self._optimizers:
            optimizer.register_step_post_hook(self._pull)

    def _pull(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        with torch.no_grad():
            for group in optimizer.param_groups:
                share = group["lr"] * self.strength
                for tensor in group["params"]:
                    anchor = self._anchors.get(id(tensor))
                    if anchor is not None:
                        tensor.sub_(share * (tensor - anchor))


CLIPPED_AT = 5.0
"""The most that one observation's divergence counts: a single one must not decide an update."""


class KLAnchor:
    """Adds strength * KL(source || learner) / action size to the actor's loss.

    On the learner's own observations, as in kickstarting (Schmitt et al., arXiv 1803.03835, eq. 4);
    per action dimension, and bounded per observation, since that of narrow Gaussians is a hundred
    times that of choices. The strength halves every `half_life` target steps (None: it stays).

    Args:
        learner: Whose actor's loss it is added to.
        teacher: The source policy for the learner's observations.
        strength: Its weight in the loss at first.
        half_life: In target steps.
    """

    def __init__(
        self, learner: Learner, teacher: Teacher, strength: float, half_life: float | None
    ) -> None:
        self.learner, self.teacher = learner, teacher
        self.strength, self.half_life = strength, half_life
        hooks: Hooks = learner.model.hooks  # type: ignore[attr-defined]
        hooks.actor_terms.append(self)

    def current_strength(self) -> float:
        """Return the weight at the learner's step."""
        if self.half_life is None:
            return self.strength
        return self.strength * float(0.5 ** (self.learner.steps / self.half_life))

    def __call__(self, batch: Any) -> torch.Tensor:
        """Return the term for a minibatch, a scalar."""
        divergence = self.teacher.divergence(batch.observations).clamp(max=CLIPPED_AT)
        return self.current_strength() * divergence.mean()
