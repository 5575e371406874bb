"""Learning in the target from nothing: what every transfer is measured against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from ...agents.algorithms import Algorithm
from ...agents.learner import Learner
from ...core.errors import HeadstartError
from .base import Problem

_SEARCH_ON_POLICY = {
    "learning_rate": "* loguniform(0.2, 5)",
    "n_epochs": "= uniform(3, 20)",
    "gae_lambda": "= uniform(0.9, 0.99)",
    "ent_coef": "= uniform(0, 0.01)",
    "clip_range": "= uniform(0.1, 0.4)",
}
_SEARCH_OFF_POLICY = {
    "learning_rate": "* loguniform(0.2, 5)",
    "gamma": "= uniform(0.9, 0.999)",
    "tau": "= loguniform(0.001, 0.05)",
    "batch_size": "= choice(64, 128, 256, 512)",
}


@dataclass(frozen=True)
class Scratch:
    """Fresh weights, fresh statistics, the experiment's algorithm and settings.

    `algorithm`: settings of the algorithm that are others here than in the source, as
    `{learning_rate: 1e-3}`. So the baseline can be tuned as the methods are. Rollouts of another
    length (`worlds` times `n_steps`, or `train_freq`) are refused: all methods are evaluated at
    the same steps.
    """

    name: ClassVar[str] = "scratch"
    trains: ClassVar[bool] = True
    needs_source: ClassVar[bool] = False

    algorithm: Mapping[str, Any] = field(default_factory=dict)

    def check(self, algorithm: Algorithm) -> None:
        """Raise HeadstartError for settings that the algorithm has not, or other rollouts."""
        self._changed(algorithm)

    def search(self, algorithm: Algorithm) -> dict[str, str]:
        """Return the settings worth searching, with their ranges, of those the algorithm has."""
        ranges = _SEARCH_ON_POLICY if algorithm.on_policy else _SEARCH_OFF_POLICY
        return {f"algorithm.{key}": text for key, text in ranges.items() if algorithm.accepts(key)}

    def start(self, problem: Problem) -> Learner:
        """Return an untrained learner."""
        return problem.create(self._changed(problem.algorithm))

    def _changed(self, algorithm: Algorithm) -> Algorithm:
        try:
            changed = algorithm.replace(**self.algorithm)
        except HeadstartError as error:
            raise HeadstartError(f"method scratch: algorithm: {error}") from None
        if changed.rollout != algorithm.rollout:
            raise HeadstartError(
                f"method scratch: algorithm: a rollout of {changed.rollout:,} steps in place of "
                f"{algorithm.rollout:,}, so that it would not be evaluated at the same steps as "
                "the other methods; leave worlds, n_steps and train_freq as they are"
            )
        return changed
