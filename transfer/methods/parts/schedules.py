"""Parts of a method's training schedule, each a function of the number of steps only."""

from __future__ import annotations

from collections.abc import Collection

import torch
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm

from ....agents.algorithms import Algorithm
from ....agents.learner import Learner
from ....core.errors import HeadstartError

_NO_FREEZING = {
    "TRPO": "it differentiates by all of the actor's weights at once",
    "CrossQ": "its batch statistics move on while weights stand still",
}


def check_freezing(method: str, algorithm: Algorithm) -> None:
    """Raise HeadstartError for an algorithm of which no part can be frozen."""
    for base in algorithm.cls.__mro__:
        if base.__name__ in _NO_FREEZING:
            raise HeadstartError(
                f"method {method} freezes layers, which {algorithm.name} does not bear: "
                f"{_NO_FREEZING[base.__name__]}"
            )


class Schedule(BaseCallback):
    """Something that is put right between any two rollouts."""

    def __init__(self, learner: Learner) -> None:
        super().__init__()
        self.learner = learner

    def _on_step(self) -> bool:
        return True


class Frozen(Schedule):
    """Keeps parameters frozen until a step (None: for good)."""

    def __init__(self, learner: Learner, names: Collection[str], until: float | None) -> None:
        super().__init__(learner)
        self.names, self.until = frozenset(names), until

    def now(self) -> frozenset[str]:
        """Return the names that are frozen at the learner's step."""
        over = self.until is not None and self.learner.steps >= self.until
        return frozenset() if over else self.names

    def _on_rollout_start(self) -> None:
        # All that freeze something decide together.
        others = [part.now() for part in self.learner.callbacks if isinstance(part, Frozen)]
        self.learner.freeze(self.now().union(*others))


class NoUpdates(Schedule):
    """Lets an off-policy learner only collect until a step."""

    def __init__(self, learner: Learner, until: int) -> None:
        super().__init__(learner)
        assert isinstance(learner.model, OffPolicyAlgorithm)
        self.off_policy, self.until = learner.model, until
        self.gradient_steps = learner.model.gradient_steps

    def _on_rollout_start(self) -> None:
        waiting = self.learner.steps < self.until
        self.off_policy.gradient_steps = 0 if waiting else self.gradient_steps


class LogStdFloor(Schedule):
    """Keeps a Gaussian policy's log standard deviation from falling below a floor."""

    def __init__(self, learner: Learner, floor: float) -> None:
        super().__init__(learner)
        self.floor = floor

    def _on_rollout_start(self) -> None:
        log_std = self.learner.parameters().get("log_std")
        if log_std is not None:
            with torch.no_grad():
                log_std.clamp_(min=self.floor)
