"""The latent of an adapted policy searched in the target by returns, without gradients.

Candidates are drawn from a Gaussian, each acts for whole training episodes, and the better half
moves the Gaussian: the cross-entropy method (de Boer et al., Annals of OR 134, 2005).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from ....agents.learner import Array, Learner
from .schedules import Schedule

CANDIDATES = 8
"""Candidates between two moves of the Gaussian."""
KEPT = 4
"""Candidates that it moves to: the better half."""
LEAST_SPREAD = 0.05
"""Below it a deviation does not fall: returns are noisy."""


class ExtrinsicsSearch(Schedule):
    """Tries candidates in turn, one between rollouts at a time, and deploys the best.

    The first candidate is None: the policy's own estimate. A candidate is over when each training
    world has ended an episode that began under it; its worth is the mean return of those.

    Nothing is learned meanwhile, and actions are drawn without noise, as they will be.

    Args:
        learner: A student whose `AdaptationView` can be told a latent.
        deployed: The same, that acts where the learner is evaluated or used.
        mean: The mean of the first candidates, shape (latent,).
        spread: Their standard deviation.
        seed: Decides the candidates.
    """

    def __init__(
        self, learner: Learner, deployed: Learner, mean: Array, spread: float, seed: int
    ) -> None:
        super().__init__(learner)
        self.seed, self.deployed = seed, deployed
        learner.deployed = deployed
        model: Any = learner.model
        model.train = lambda: None
        model.hooks.choose = lambda _, mode: mode()
        self.mean = np.asarray(mean, dtype=np.float64)
        self.deviation = np.full_like(self.mean, spread)
        self.number = 0
        self.tried: list[tuple[list[float], float]] = []
        self.own_return: float | None = None
        self.best: tuple[list[float], float] | None = None
        self._begin()

    def state(self) -> dict[str, Any]:
        """Return all that was found so far."""
        return {
            "mean": self.mean.tolist(),
            "deviation": self.deviation.tolist(),
            "number": self.number,
            "tried": [[list(latent), value] for latent, value in self.tried],
            "own": self.own_return,
            "best": None if self.best is None else [list(self.best[0]), self.best[1]],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from that: the candidate that was under way begins again."""
        self.mean, self.deviation = np.array(state["mean"]), np.array(state["deviation"])
        self.number, self.own_return = int(state["number"]), state["own"]
        self.tried = [(list(latent), float(value)) for latent, value in state["tried"]]
        best = state["best"]
        self.best = None if best is None else (list(best[0]), float(best[1]))
        self._begin()
        self._deploy()

    def worlds_reset(self) -> None:
        """Forget the episodes that were cut."""
        self._begin()

    def _candidate(self) -> Array | None:
        """Return the latent with the present number; None for the policy's own estimate."""
        if self.number == 0:
            return None
        drawn = np.random.default_rng([self.seed, self.number]).standard_normal(len(self.mean))
        found: Array = np.clip(self.mean + self.deviation * drawn, -1.0, 1.0)
        return found

    def _begin(self) -> None:
        self.candidate = self._candidate()
        worlds = self.learner.worlds.num_envs
        # An episode counts from its first step on: those under way are another candidate's.
        self._whole = np.zeros(worlds, dtype=bool)
        self._returns: list[list[float]] = [[] for _ in range(worlds)]
        fix(self.learner, self.candidate)

    def _on_step(self) -> bool:
        for world in np.flatnonzero(self.locals["dones"]):
            if self._whole[world]:
                value = self.locals["infos"][world]["episode"]["r"]
                self._returns[world].append(float(value))
            self._whole[world] = True
        return True

    def _on_rollout_start(self) -> None:
        if self.learner.steps and all(self._returns):
            self._judge(float(np.mean([np.mean(values) for values in self._returns])))

    def _on_training_end(self) -> None:
        self._on_rollout_start()

    def _judge(self, value: float) -> None:
        """Take note of a candidate's worth, and go on with the next."""
        if self.candidate is None:
            self.own_return = value
        else:
            latent = [float(part) for part in self.candidate]
            self.tried.append((latent, value))
            if self.best is None or value > self.best[1]:
                self.best = latent, value
        if len(self.tried) == CANDIDATES:
            kept = sorted(self.tried, key=lambda one: -one[1])[:KEPT]
            latents = np.array([latent for latent, _ in kept])
            self.mean = latents.mean(axis=0)
            self.deviation = np.maximum(latents.std(axis=0), LEAST_SPREAD)
            self.tried = []
        self.number += 1
        self._begin()
        self._deploy()

    def _deploy(self) -> None:
        """Deploy the best candidate where it is better than the policy's own estimate."""
        own = -np.inf if self.own_return is None else self.own_return
        better = self.best if self.best is not None and self.best[1] > own else None
        fix(self.deployed, None if better is None else np.array(better[0]))


def fix(learner: Learner, latent: Array | None) -> None:
    """Tell a student's policy the latent; None: it is to estimate it."""
    view: Any = learner.model.policy.features_extractor
    with torch.no_grad():
        view.is_fixed.fill_(float(latent is not None))
        if latent is not None:
            view.fixed.copy_(torch.as_tensor(latent, dtype=torch.float32))
