"""Softening a learner that has lost the source's skill in the target."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .deployment import SOURCE_EPISODES, BetterOf, mean_of
from .schedules import Schedule

LEAST_EFFECT = 2.5
"""By how many standard deviations of a softened one's returns those of the source must be better
for it to be gone on from."""


class SoftenIfLost(Schedule):
    """Softens the learner where its first episodes are little better than a softened one's.

    The learner begins as the source with a new policy's noise. A policy that still has most of
    its skill stands out from one that has next to none by many standard deviations, and further
    training is fastest from there. One that does not is mostly in the way: it holds on to actions
    that are wrong here, beyond what its noise explores. So at the first boundary between
    rollouts at which both have played `SOURCE_EPISODES`, the effect size is looked at once, and
    `soften` is called where it is below `LEAST_EFFECT`.
    """

    def __init__(self, choice: BetterOf, soften: Callable[[], None]) -> None:
        super().__init__(choice.learner)
        self.choice, self.soften = choice, soften
        self.decided = False
        self.returns: list[float] = []

    def state(self) -> dict[str, Any]:
        """Return whether it was decided, and the learner's returns until then."""
        return {"decided": self.decided, "returns": self.returns}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from that."""
        self.decided = bool(state["decided"])
        self.returns = [float(value) for value in state["returns"]]

    def _on_step(self) -> bool:
        for world, done in enumerate(() if self.decided else self.locals["dones"]):
            if done and self.choice.roles.now[world] == "learner":
                self.returns.append(float(self.locals["infos"][world]["episode"]["r"]))
        return True

    def _on_rollout_start(self) -> None:
        if self.decided:
            return
        own = mean_of(self.returns, SOURCE_EPISODES)
        softened = mean_of(self.choice.softened_returns, SOURCE_EPISODES)
        if own is None or softened is None:
            return
        self.decided = True
        effect = effect_size(self.returns, self.choice.softened_returns)
        lost = effect < LEAST_EFFECT
        if lost:
            self.soften()
            self.choice.forget_learner()
        self.choice.note(
            f"the learner is {'softened' if lost else 'gone on from'}: with noise the source's "
            f"policy returns {own:.4g} on average, a softened one {softened:.4g}, "
            f"{effect:.3g} standard deviations apart (softened below {LEAST_EFFECT})"
        )


def effect_size(values: Sequence[float], reference: Sequence[float]) -> float:
    """Return by how many standard deviations of a reference the mean of some values is above it.

    Glass's delta (Glass, Educational Researcher 5, 1976), with the reference's sample standard
    deviation. Infinite where the reference does not vary and the means differ.
    """
    difference = float(np.mean(values) - np.mean(reference))
    deviation = float(np.std(reference, ddof=1))
    if deviation == 0:
        return math.copysign(math.inf, difference) if difference else 0.0
    return difference / deviation
