"""Load, then learn: what Stable-Baselines3 does today with a saved model in a new world."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ...agents.learner import Learner
from .base import Problem


@dataclass(frozen=True)
class Naive:
    """`PPO.load(zip, env).learn(steps)`, for comparison.

    Weights and optimizer state come from the source, and its settings. What the zip does not
    hold starts anew: `VecNormalize` statistics, the replay buffer, and, since `learn` resets
    them, the step counters (so SAC begins with `learning_starts` random actions).
    """

    name: ClassVar[str] = "naive"
    trains: ClassVar[bool] = True
    needs_source: ClassVar[bool] = True

    def start(self, problem: Problem) -> Learner:
        """Return a learner with the source's weights and optimizer state."""
        source = problem.source
        learner = problem.create(source.algorithm)
        try:
            source.restore_weights(learner)
            source.restore_optimizers(learner)
        except BaseException:
            learner.close()
            raise
        return learner
