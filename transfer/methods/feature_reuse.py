"""Layers learned in the source, copied into a new network and kept for a while or for good."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from ...agents.algorithms import Algorithm
from ...agents.learner import Learner
from ...agents.policies.layers import copy_layers, names_in
from ...core.errors import HeadstartError
from .base import Problem
from .parts.normalizer import Normalizer, carry
from .parts.schedules import Frozen, check_freezing

Layers = tuple[str, ...]


@dataclass(frozen=True)
class FeatureReuse:
    """Copied features under fresh heads.

    `copy`, `freeze`: layers by group (`features`, `policy_head`, `critic_head`) or by fnmatch
    pattern on parameter names. Frozen layers are in no optimizer and stay as they were copied,
    until the share `unfreeze_at` of the budget is spent (null: for good). The optimizer starts
    anew; the normalizer, without which the features mean nothing, comes with them.
    """

    name: ClassVar[str] = "feature_reuse"
    trains: ClassVar[bool] = True
    needs_source: ClassVar[bool] = True

    copy: Layers = ("features",)
    freeze: Layers = ("features",)
    unfreeze_at: Annotated[float, Field(ge=0, le=1)] | None = None
    normalizer: Normalizer = "carried"

    def check(self, algorithm: Algorithm) -> None:
        """Raise HeadstartError for an algorithm that frozen layers do not go with."""
        if self.freeze:
            check_freezing(self.name, algorithm)

    def fits(self, learner: Learner) -> None:
        """Raise HeadstartError for layers that a learner has not, or that leave none to train."""
        names_in(learner.model.policy, self.copy)
        self._frozen_names(learner)

    def search(self, _: Algorithm) -> dict[str, str]:
        """Return the settings worth searching; frozen until 0 of the budget is never frozen."""
        return {
            "copy": "= choice([features], [features, policy_head], [features, critic_head])",
            "unfreeze_at": "= choice(null, 0, 0.1, 0.2, 0.4)",
            "normalizer": "= choice(carried, frozen, capped)",
        }

    def start(self, problem: Problem) -> Learner:
        """Return a learner with the source's layers in place and its frozen layers frozen."""
        source = problem.source
        learner = problem.create(source.algorithm)
        try:
            policy = learner.model.policy
            copied = names_in(policy, self.copy) - source.left_out(learner)
            copy_layers(source.weights(), policy, copied)
            carry(source, learner, self.normalizer)
            until = None if self.unfreeze_at is None else self.unfreeze_at * problem.steps
            learner.callbacks.append(Frozen(learner, self._frozen_names(learner), until))
        except BaseException:
            learner.close()
            raise
        return learner

    def _frozen_names(self, learner: Learner) -> frozenset[str]:
        """Return the trained parameters among the layers to freeze; some must be left to train."""
        trained = learner.trained()
        # A target network follows its critic, frozen or not.
        frozen = names_in(learner.model.policy, self.freeze) & frozenset().union(*trained.values())
        for optimizer, names in trained.items():
            if names <= frozen:
                raise HeadstartError(
                    f"method feature_reuse: freeze = {list(self.freeze)} leaves {optimizer} "
                    "nothing to train"
                )
        return frozen
