"""Going on from the source itself where learning anew is too slow for the budget."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .deployment import SOURCE_EPISODES, BetterOf, mean_of
from .schedules import Schedule

TRIAL_SHARE = 0.15
"""The share of the budget after which learning anew is judged."""

LEAST_EPISODES = 16
"""Training episodes that it is judged by, at least."""


class IfSlow(Schedule):
    """Takes up the source's weights where what was begun will not reach them in time.

    At the first boundary at or after `TRIAL_SHARE` of the budget, a straight line through the
    learner's returns so far, noise included, is drawn on to the end of the budget. Where it ends
    below what the source gets with the same noise, and the learner is not deployed, `take_up`
    gives the learner the source's weights. That is decided once.
    """

    def __init__(self, choice: BetterOf, steps: int, take_up: Callable[[], None]) -> None:
        super().__init__(choice.learner)
        self.choice, self.steps, self.take_up = choice, steps, take_up
        self.decided = False
        self.curve: list[tuple[int, float]] = []

    def state(self) -> dict[str, Any]:
        """Return whether it was decided, and the learner's returns until then."""
        return {"decided": self.decided, "curve": self.curve}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from that."""
        self.decided = bool(state["decided"])
        self.curve = [(int(step), float(value)) for step, value in state["curve"]]

    def _on_step(self) -> bool:
        for world, done in enumerate(() if self.decided else self.locals["dones"]):
            if done and self.choice.roles.now[world] == "learner":
                value = float(self.locals["infos"][world]["episode"]["r"])
                self.curve.append((self.learner.steps, value))
        return True

    def _on_rollout_start(self) -> None:
        step = self.learner.steps
        if self.decided or step < TRIAL_SHARE * self.steps:
            return
        source = mean_of(self.choice.noisy_source_returns, SOURCE_EPISODES)
        if source is None or len(self.curve) < LEAST_EPISODES:
            return
        self.decided = True
        expected = line_at(self.curve, self.steps)
        slow = expected < source and self.learner.deployed is not None
        if slow:
            self.take_up()
            self.choice.forget_learner()
        how = "taken up, since" if slow else "not taken up:"
        self.choice.note(
            f"the source's weights are {how} learning anew is on its way to a return of "
            f"{expected:.4g} by the end, and the source with as much noise gets {source:.4g}"
        )


def line_at(points: list[tuple[int, float]], where: float) -> float:
    """Return the value at `where` of the least-squares line through points (x, y).

    The mean of y where all x are the same.
    """
    x, y = np.array(points, dtype=np.float64).T
    spread = float(((x - x.mean()) ** 2).sum())
    slope = 0.0 if spread == 0 else float(((x - x.mean()) * (y - y.mean())).sum()) / spread
    return float(y.mean() + slope * (where - x.mean()))
