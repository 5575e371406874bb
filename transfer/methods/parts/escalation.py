"""Softening a learner that has lost the source's skill in the target, or that gets nowhere."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .deployment import SOURCE_EPISODES, BetterOf, mean_of, standard_error
from .schedules import Schedule

LEAST_EFFECT = 2.5
"""By how many standard deviations of a softened one's returns those of the source must be better
for it to be gone on from."""

LOOKS = (0.25, 0.5)
"""Shares of the budget at which a learner that was gone on from has to have become better."""

LEAST_ROLLOUTS = 5
"""Rollouts since the last look in which it could have: a first few say nothing."""


class SoftenIfLost(Schedule):
    """Softens the learner where its first episodes are little better than a softened one's.

    The learner begins as the source with a new policy's noise. A policy that still has most of
    its skill stands out from one that has next to none by many standard deviations, and further
    training is fastest from there. One that does not is mostly in the way: it holds on to actions
    that are wrong here, beyond what its noise explores. So at the first boundary between
    rollouts at which both have played `SOURCE_EPISODES`, the effect size is looked at once, and
    `soften` is called where it is below `LEAST_EFFECT`.

    One that was gone on from may still be stuck where the source's habits have led it. So it is
    looked at again after the shares `LOOKS` of the budget, and softened unless it is deployed or
    the later half of its episodes since the last look returned more than the earlier half, by
    more than the standard error of the difference.

    Args:
        choice: What the learner's episodes are compared with, and who is deployed.
        soften: Makes the softened learner of it.
        steps: The budget of target steps.
    """

    def __init__(self, choice: BetterOf, soften: Callable[[], None], steps: int) -> None:
        super().__init__(choice.learner)
        self.choice, self.soften = choice, soften
        self.looks = [steps * share for share in LOOKS]
        self.decided = False
        self.returns: list[float] = []
        self.rollouts = 0

    def state(self) -> dict[str, Any]:
        """Return what is decided, what is still to come, and what there was since the last look."""
        return {
            "decided": self.decided,
            "looks": self.looks,
            "returns": self.returns,
            "rollouts": self.rollouts,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from that."""
        self.decided = bool(state["decided"])
        self.looks = [float(step) for step in state["looks"]]
        self.returns = [float(value) for value in state["returns"]]
        self.rollouts = int(state["rollouts"])

    def _on_step(self) -> bool:
        for world, done in enumerate(self.locals["dones"] if self.looks else ()):
            if done and self.choice.roles.now[world] == "learner":
                self.returns.append(float(self.locals["infos"][world]["episode"]["r"]))
        return True

    def _on_rollout_start(self) -> None:
        if not self.decided:
            self._compare_with_softened()
            return
        self.rollouts += 1
        enough = self.rollouts >= LEAST_ROLLOUTS
        if self.looks and enough and self.learner.steps >= self.looks[0]:
            self._look_again()

    def _compare_with_softened(self) -> None:
        """Decide once, as soon as there are episodes enough, what the learner is to be."""
        own = mean_of(self.returns, SOURCE_EPISODES)
        softened = mean_of(self.choice.softened_returns, SOURCE_EPISODES)
        if own is None or softened is None:
            return
        self.decided = True
        effect = effect_size(self.returns, self.choice.softened_returns)
        lost = effect < LEAST_EFFECT
        self.returns.clear()
        if lost:
            self._soften()
        self.choice.note(
            f"the learner is {'softened' if lost else 'gone on from'}: with noise the source's "
            f"policy returns {own:.4g} on average, a softened one {softened:.4g}, "
            f"{effect:.3g} standard deviations apart (softened below {LEAST_EFFECT})"
        )

    def _look_again(self) -> None:
        """Soften the learner where it is not deployed and does not become better."""
        half = len(self.returns) // 2
        if self.choice.deployed() == "learner":
            del self.looks[0]
        elif half >= SOURCE_EPISODES:
            del self.looks[0]
            earlier, later = self.returns[:half], self.returns[half:]
            before, now = float(np.mean(earlier)), float(np.mean(later))
            if now <= before + math.hypot(standard_error(earlier), standard_error(later)):
                self._soften()
                self.choice.note(
                    "the learner is softened: with noise it returned "
                    f"{before:.4g} on average and then {now:.4g}, and the source is still deployed"
                )
        else:
            return
        self.returns.clear()
        self.rollouts = 0

    def _soften(self) -> None:
        self.soften()
        self.choice.forget_learner()
        self.looks.clear()


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
