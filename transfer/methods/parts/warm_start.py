"""What of the source's networks is kept, made weaker or started anew at the start."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import torch

from ....agents.bundles.bundle import Bundle
from ....agents.learner import Learner

TEMPERATURE = "log_ent_coef"
"""The name of SAC's learned temperature, as a logarithm."""
NOISE = ("log_std", TEMPERATURE)
"""Parameters that are no layers: how much a policy explores."""


class WarmStart:
    """Remembers what a new learner was made with, before the source's weights come in.

    `fresh` holds that, by parameter name; another learner's where it is given.
    """

    def __init__(self, learner: Learner, fresh: Mapping[str, torch.Tensor] | None = None) -> None:
        self.learner = learner
        self._changed: set[str] = set()
        own = learner.parameters() if fresh is None else fresh
        self.fresh = {name: tensor.detach().clone() for name, tensor in own.items()}

    def reset(self, names: Collection[str]) -> None:
        """Begin parameters anew, their optimizers' moments too."""
        self._set(names, kept=0.0, added=1.0)

    def mix(self, names: Collection[str], share: float) -> None:
        """Keep a share of some layers, and add new ones where it is less than 1.

        w <- share * w + w_new: shrink and perturb (Ash and Adams, arXiv 1910.08475, section 4) of
        these layers alone. A new policy head is a hundredth of what a layer is otherwise, so that
        what is left of the source's decides the direction. Noise parameters are not layers.
        """
        if share < 1:
            layers = [name for name in names if not name.endswith("log_std")]
            self._set(layers, kept=share, added=1.0)

    def shrink_and_perturb(self, shrink: float, perturb: float) -> None:
        """Scale all layers and add a share of new ones: w <- shrink * w + perturb * w_new.

        After Ash and Adams (arXiv 1910.08475, section 4).
        """
        self._set([name for name in self.fresh if name not in NOISE], shrink, perturb)

    def soften(
        self, source: Bundle, reset: Collection[str], head: Collection[str], share: float
    ) -> None:
        """Go on from the source's weights with some parameters new and its head weaker."""
        source.restore_weights(self.learner)
        for optimizer in self.learner.optimizers().values():
            optimizer.state.clear()
        self.reset(reset)
        self.mix(head, share)

    def settle_targets(self) -> None:
        """Let target networks whose layers were changed begin as what they follow."""
        policy: Any = self.learner.model.policy
        for followed, target in (("critic", "critic_target"), ("actor", "actor_target")):
            if any(name.startswith(f"{target}.") for name in self._changed):
                getattr(policy, target).load_state_dict(getattr(policy, followed).state_dict())

    def _set(self, names: Collection[str], kept: float, added: float) -> None:
        parameters = self.learner.parameters()
        self._changed |= set(names)
        with torch.no_grad():
            for name in names:
                parameters[name].mul_(kept).add_(added * self.fresh[name])
                for optimizer in self.learner.optimizers().values():
                    optimizer.state.pop(parameters[name], None)


def set_learning_rate(learner: Learner, rate: float) -> None:
    """Give actor and temperature their own learning rate.

    SB3 sets one rate on all optimizers before each update, so it is set again at each step.
    """

    def set_rate(optimizer: torch.optim.Optimizer, *_: Any) -> None:
        for group in optimizer.param_groups:
            group["lr"] = rate

    for name, optimizer in learner.optimizers().items():
        if name != "critic.optimizer":
            optimizer.register_step_pre_hook(set_rate)


def set_adam_betas(learner: Learner, betas: tuple[float, float]) -> None:
    """Set how long Adam remembers gradients and their squares.

    Equal ones, as (0.99, 0.99), keep steps small after a change of the target (Dohare et al.,
    Nature 632, 2024).
    """
    for optimizer in learner.optimizers().values():
        for group in optimizer.param_groups:
            group["betas"] = tuple(betas)
