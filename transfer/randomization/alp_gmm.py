"""ALP-GMM: draws where the score changes most, by a mixture of Gaussians over past episodes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from .base import Adaptive, Count, Draw, EpisodeBudget, EpisodeOutcome, Share, Spread, too_short
from .gaussian_mixture import GaussianMixture, fit_best
from .ranges import Ranges

REDRAWS = 100
MOST_FITS = 40
"""The most fits of a training."""


@dataclass
class AlpGmm(Adaptive):
    """Draws where learning progresses: where scores differ most from earlier ones nearby.

    Absolute learning progress (ALP) of an episode is how far its score lies from the mean of its
    nearest earlier ones. Every `fit_every` episodes a mixture of Gaussians is fitted to the points
    and ALP of the latest, its number of components chosen by Akaike's criterion, and draws come
    from components in proportion to their mean ALP. Portelas et al., 1910.07224, who compare with
    one neighbour, which chases noise, and fit every 250 episodes.
    """

    name: ClassVar[str] = "alp_gmm"

    fit_every: Count = 100
    """Episodes from one fit to the next, or more, so that there are at most 40 fits; the first so
    many are drawn uniformly."""
    window: Count = 250
    """The latest episodes that a fit looks at."""
    components: Count = 4
    """The most components that are tried."""
    neighbours: Count = 5
    """Earlier episodes whose mean score an episode is compared with."""
    random: Share = 0.2
    """The share of draws that stays uniform."""

    def start(self, ranges: Ranges, budget: EpisodeBudget) -> None:
        """Begin uniformly; raises ChangeError where ranges span no unit cube."""
        super().start(ranges, budget)
        # Arrays: lists would be turned into some at every episode.
        self._units = np.empty((0, len(ranges.axes)))
        self._scores = np.empty(0)
        self._alps: list[float] = []
        self._fits = self._fitted = self._fitted_at = 0
        self._mixture: GaussianMixture | None = None

    def notes(self) -> list[str]:
        """Say how many episodes a fit takes; raises RandomizerError where it is out of reach."""
        return too_short(
            "alp_gmm: a first fit",
            2 * self.fit_every,
            self.budget,
            f"train longer or lower 'fit_every' ({self.fit_every})",
        )

    def sample(self, rng: np.random.Generator) -> Draw:
        """Draw uniformly, or from a component of the mixture, inside the ranges."""
        size = len(self.ranges.axes)
        if self._mixture is None or rng.random() < self.random:
            return self.draw_at(rng.uniform(size=size))
        # The last coordinate of a component's mean is its mean ALP.
        progress = np.maximum(self._mixture.means[:, -1], 0.0) + 1e-12
        place = int(np.searchsorted(np.cumsum(progress), rng.random() * progress.sum()))
        mean, covariance = self._mixture.means[place], self._mixture.covariances[place]
        factor = np.linalg.cholesky(covariance[:size, :size])
        for _ in range(REDRAWS):
            # Clipping would pile draws up on the borders.
            unit = mean[:size] + factor @ rng.standard_normal(size)
            if (unit >= 0).all() and (unit <= 1).all():
                return self.draw_at(unit)
        return self.draw_at(rng.uniform(size=size))

    def update(self, outcomes: Sequence[EpisodeOutcome], step: int) -> bool:
        """Add episodes with their learning progress, and fit when it is due."""
        for outcome in outcomes:
            score = min(max(outcome.score, 0.0), 1.0)
            self._alps.append(self._progress(outcome.draw.unit, score))
            self._units = np.vstack([self._units, outcome.draw.unit])
            self._scores = np.append(self._scores, score)
        fresh = len(self._units) - self._fitted
        # Early episodes are short: without the second bound fits would cost more than the learning.
        if fresh < self.fit_every or step - self._fitted_at < self.budget.steps / MOST_FITS:
            return False
        self._fits, self._fitted, self._fitted_at = self._fits + 1, len(self._units), step
        latest = slice(-self.window, None)
        points = np.column_stack([self._units[latest], self._alps[latest]])
        self._mixture = fit_best(points, self.components, np.random.default_rng(self._fits))
        return True

    def state_dict(self) -> dict[str, Any]:
        """Return all episodes and the mixture."""
        return {
            **self.sampler(),
            "fits": [self._fits, self._fitted, self._fitted_at],
            "units": self._units.tolist(),
            "scores": self._scores.tolist(),
            "alps": list(self._alps),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""
        self.load_sampler(state)
        self._fits, self._fitted, self._fitted_at = map(int, state["fits"])
        self._units = np.array(state["units"]).reshape(-1, len(self.ranges.axes))
        self._scores, self._alps = np.array(state["scores"]), list(state["alps"])

    def sampler(self) -> dict[str, Any]:
        """Return the mixture."""
        return {"mixture": None if self._mixture is None else self._mixture.to_json()}

    def load_sampler(self, state: Mapping[str, Any]) -> None:
        """Take over the mixture."""
        mixture = state["mixture"]
        self._mixture = None if mixture is None else GaussianMixture.from_json(mixture)

    def spread(self) -> Spread:
        """Return 5 % and 95 % quantiles of draws of now, and no entropy, which has no formula."""
        rng = np.random.default_rng(0)
        units = np.array([self.sample(rng).unit for _ in range(100)])
        low, high = np.quantile(units, (0.05, 0.95), axis=0)
        ends = zip(self.ranges.axes, low, high, strict=True)
        return Spread({x.name: (x.value(float(a)), x.value(float(b))) for x, a, b in ends})

    def _progress(self, unit: Sequence[float], score: float) -> float:
        if len(self._units) <= self.neighbours:
            return 0.0
        away = ((self._units - np.array(unit)) ** 2).sum(axis=1)
        nearest = np.argpartition(away, self.neighbours)[: self.neighbours]
        return math.fabs(score - float(self._scores[np.sort(nearest)].mean()))
