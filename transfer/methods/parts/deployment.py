"""The source acts until the learner's training episodes say that the learner is better."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ....agents.learner import Learner
from .roles import Role, Roles
from .schedules import Schedule

SOURCE_EPISODES = 8
"""Training episodes that the source plays without noise at first, and a softened one with noise."""

MORE_OF_SOURCE = 24
"""Episodes that the source has played in the end, if it is deployed for long: the first few may
have been lucky, and a learner that is better would then be kept back for as long."""

SOURCE_EVERY = 8
"""One in so many training episodes is then played by the source."""

NOISE_FREE_EVERY = {"source": 4, "learner": 8}
"""One in so many training episodes is played by the learner without noise, by who is deployed."""

RECENT = 8
"""Noise-free episodes that the learner is judged by: the latest, at least half as many."""

RECENT_NOISY = 32
"""Episodes with noise that it is judged by as well: noise seldom makes a return better."""


class BetterOf(Schedule):
    """Deploys the better of source and learner by what their training episodes say so far.

    Every second of the first episodes is not the learner's, until a softened source, where
    there is one, has played `SOURCE_EPISODES` with noise, and the source as many without. Of the
    others one in `NOISE_FREE_EVERY` is played by the learner without noise, as it would be
    deployed, as long as its episodes with noise are not better than the source's without, and one
    in `SOURCE_EVERY` by the source while it is deployed, up to `MORE_OF_SOURCE` in all. All are
    steps in the target and count as such; those that the learner did not draw itself are
    not learned from on-policy (see `Roles`).

    At each boundary between rollouts the learner is deployed where its mean return is above
    the source's: that of its latest noise-free episodes or that of its latest noisy ones,
    whichever is higher. From then on the source is only where the learner's mean is lower by more
    than the standard error of the difference: of a few episodes each, one mean is soon below the
    other by chance, and the learner goes on learning.

    Args:
        learner: What is trained.
        source: The source policy; deployed at first.
        softened: What the learner would be if it were softened, to be sampled from; None where
            what it gets does not matter.
    """

    def __init__(self, learner: Learner, source: Learner, softened: Learner | None = None) -> None:
        super().__init__(learner)
        self.source = source
        self.with_softened = softened is not None
        self.source_returns: list[float] = []
        self.softened_returns: list[float] = []
        self.noise_free: deque[float] = deque(maxlen=RECENT)
        self.noisy: deque[float] = deque(maxlen=RECENT_NOISY)
        self.begun = 0
        self.roles = Roles(learner, source, softened or source, self._role)
        learner.deployed = source

    def forget_learner(self) -> None:
        """Forget the learner's episodes: it is another one from now on."""
        self.noise_free.clear()
        self.noisy.clear()

    def worlds_reset(self) -> None:
        """Forget the episodes that were cut."""
        self.begun = 0
        self.roles.end_all()

    def state(self) -> dict[str, Any]:
        """Return the returns so far and what was decided."""
        return {
            "source": self.source_returns,
            "softened": self.softened_returns,
            "noise_free": list(self.noise_free),
            "noisy": list(self.noisy),
            "deployed": self.deployed(),
            "decisions": self.learner.decisions,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from the returns so far."""
        self.source_returns = list(state["source"])
        self.softened_returns = list(state["softened"])
        self.noise_free = deque(state["noise_free"], maxlen=RECENT)
        self.noisy = deque(state["noisy"], maxlen=RECENT_NOISY)
        self.learner.deployed = None if state["deployed"] == "learner" else self.source
        self.learner.decisions[:] = [dict(decision) for decision in state["decisions"]]

    def deployed(self) -> str:
        """Return who is deployed: `learner` or `source`."""
        return "learner" if self.learner.deployed is None else "source"

    def _on_step(self) -> bool:
        for world, done in enumerate(self.locals["dones"]):
            if done:
                self._count(self.roles.now[world], self.locals["infos"][world]["episode"]["r"])
                self.roles.end(world)
        return True

    def _count(self, role: Role, value: float) -> None:
        """Add the return of an episode that ended to those of its role."""
        returns: dict[Role, Any] = {
            "source": self.source_returns,
            "softened": self.softened_returns,
            "noise_free": self.noise_free,
            "learner": self.noisy,
        }
        returns[role].append(float(value))

    def _role(self) -> Role:
        """Return who plays the episode that begins."""
        self.begun += 1
        guides: list[tuple[Role, list[float]]] = [("source", self.source_returns)]
        if self.with_softened:
            # First, since what the learner is to be is decided by it.
            guides.insert(0, ("softened", self.softened_returns))
        for role, played in guides if self.begun % 2 else ():
            playing = self.roles.under_way.count(role)
            if len(played) + playing < SOURCE_EPISODES:
                return role
        if len(self.source_returns) < SOURCE_EPISODES or self._better_with_noise():
            return "learner"
        if self.begun % NOISE_FREE_EVERY[self.deployed()] == 0:
            return "noise_free"
        more = self.deployed() == "source" and len(self.source_returns) < MORE_OF_SOURCE
        return "source" if more and self.begun % SOURCE_EVERY == 1 else "learner"

    def _better_with_noise(self) -> bool:
        noisy = mean_of(self.noisy, RECENT_NOISY // 2)
        return noisy is not None and noisy > float(np.mean(self.source_returns))

    def _on_rollout_start(self) -> None:
        self._decide()

    def _on_training_end(self) -> None:
        self._decide()

    def _decide(self) -> None:
        """Deploy the better one, and write down where that changes."""
        source = mean_of(self.source_returns, SOURCE_EPISODES)
        noise_free = mean_of(self.noise_free, RECENT // 2)
        noisy = mean_of(self.noisy, RECENT_NOISY // 2)
        for name, value in (
            ("source_return", source),
            ("learner_return", noise_free),
            ("learner_return_with_noise", noisy),
        ):
            if value is not None:
                self.logger.record(f"transfer/{name}", value)
        judged = [(noise_free, self.noise_free), (noisy, self.noisy)]
        known = [(mean, returns) for mean, returns in judged if mean is not None]
        learned, returns = max(known, key=lambda one: one[0], default=(None, deque[float]()))
        better = source is not None and learned is not None and learned > source
        if source is not None and learned is not None and self.deployed() == "learner":
            error = math.hypot(standard_error(self.source_returns), standard_error(returns))
            better = learned >= source - error
        self.logger.record("transfer/learner_deployed", float(better))
        if better == (self.learner.deployed is None):
            return
        self.learner.deployed = None if better else self.source
        who, other = ("learner", "source") if better else ("source", "learner")
        means = [f"{value:.4g}" if value is not None else "none" for value in (learned, source)]
        own, others = means if better else means[::-1]
        self.note(f"the {who} is deployed: mean training return {own}, of the {other} {others}")

    def note(self, text: str) -> None:
        """Write a decision down, with its step."""
        self.learner.decisions.append({"step": self.learner.steps, "decision": text})
        self.logger.record("transfer/decision", text, exclude=("stdout", "csv"))


def mean_of(returns: Sequence[float] | deque[float], least: int) -> float | None:
    """Return the mean of some returns; None of fewer than `least`."""
    return float(np.mean(returns)) if len(returns) >= least else None


def standard_error(returns: Sequence[float] | deque[float]) -> float:
    """Return the standard error of the mean of two or more returns."""
    return float(np.std(returns, ddof=1)) / math.sqrt(len(returns))
