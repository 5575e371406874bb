"""Curves as arrays, and metrics over seeds as estimates with their intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike

from . import metrics
from .results import Estimate, Levels, Terms
from .runs import Trial
from .statistics import Interval, by_source, level_interval

AnEstimate = TypeVar("AnEstimate", bound=Estimate)
SourceSeeds = Mapping[int, int] | None
"""The seed of the source policy by seed where seeds share them; None where each has its own."""


@dataclass(frozen=True)
class Curves:
    """The finished trials of one method on one target.

    Attributes:
        seeds: their seeds, in order.
        steps: `(evaluations,)`.
        returns: `(seeds, evaluations)`.
        success: `(seeds, evaluations)` success rates; None where the world has no success.
        scores: `(seeds, evaluations)`; None where there is no scale to score on.
        source_seeds: the seed of the source policy by seed; None where each has its own.
    """

    seeds: list[int]
    steps: metrics.Floats
    returns: metrics.Floats
    success: metrics.Floats | None = None
    scores: metrics.Floats | None = None
    source_seeds: SourceSeeds = None

    def mean(self, values: metrics.Floats) -> metrics.Floats:
        """Return the means `(evaluations,)` of `values`, `(seeds, evaluations)`, over seeds.

        Where seeds share source policies, the means of the policies' means, as in every estimate.
        """
        return np.array([np.mean(column) for column in self._columns(values)])

    def band(self, values: metrics.Floats) -> tuple[metrics.Floats, metrics.Floats] | None:
        """Return both ends, each `(evaluations,)`, of the means' intervals (see `level_interval`).

        `values` are `(seeds, evaluations)`. None with one seed, or source policy.
        """
        columns = self._columns(values)
        if len(columns[0]) < 2:
            return None
        intervals = [level_interval(column) for column in columns]
        ends = [(found.low, found.high) for found in intervals if found is not None]
        low, high = np.array(ends, dtype=np.float64).T
        return low, high

    def _columns(self, values: metrics.Floats) -> list[list[float]]:
        """Return what means and intervals are over, a list for each evaluation."""
        return [
            list(by_source(dict(zip(self.seeds, column, strict=True)), self.source_seeds).values())
            for column in values.T
        ]


def curves_of(trials: Sequence[Trial], source_seeds: SourceSeeds = None) -> Curves | None:
    """Return the curves of finished trials of one method on one target; None without any."""
    if not trials:
        return None
    success = [trial.success for trial in trials]
    complete = all(rate is not None for rates in success for rate in rates)
    return Curves(
        seeds=[trial.seed for trial in trials],
        steps=np.array(trials[0].steps, dtype=np.float64),
        returns=np.array([trial.returns for trial in trials], dtype=np.float64),
        success=np.array(success, dtype=np.float64) if complete else None,
        source_seeds=source_seeds,
    )


def estimate(
    seeds: Sequence[int],
    values: ArrayLike,
    source_seeds: SourceSeeds = None,
    make_interval: Callable[[ArrayLike], Interval | None] = level_interval,
) -> Estimate:
    """Return the estimate over seeds of one value for each of them, `(seeds,)`.

    Args:
        seeds: at least one.
        values: one for each seed.
        source_seeds: which seeds share source policies; the interval is over these then.
        make_interval: makes the interval from the values.
    """
    per_seed = dict(zip(seeds, np.asarray(values, dtype=np.float64).tolist(), strict=True))
    interval = make_interval(list(by_source(per_seed, source_seeds).values()))
    assert interval is not None  # there is a seed
    return Estimate(per_seed, **vars(interval))


def within(found: AnEstimate, low: float, high: float = float("inf")) -> AnEstimate:
    """Return an estimate whose interval ends where its values do, which Student's t cannot know."""
    if found.low is None or found.high is None:
        return found
    return replace(found, low=max(found.low, low), high=min(found.high, high))


def levels(
    seeds: Sequence[int], values: metrics.Floats, source_seeds: SourceSeeds = None
) -> Levels:
    """Return the estimates of curves `(seeds, evaluations)` at step 0 and at the end."""
    return Levels(
        start=estimate(seeds, metrics.start(values), source_seeds),
        end=estimate(seeds, metrics.asymptote(values), source_seeds),
    )


def last_terms(trials: Sequence[Trial], source_seeds: SourceSeeds = None) -> Terms | None:
    """Return the reward terms of the last evaluations; None where the world reports none.

    `trials` are finished ones of one method on one target, at least one. Parts are the terms that
    every seed has; they are the whole where they add up to the return on every seed.
    """
    reported = [trial.evaluations[-1].get("reward_terms", {}) for trial in trials]
    names = [name for name in reported[0] if all(name in terms for terms in reported)]
    if not names:
        return None
    values = np.array([[terms[name] for name in names] for terms in reported], dtype=np.float64)
    missing = values.sum(axis=1) - [trial.returns[-1] for trial in trials]
    # A sum of many terms is rounded: what is left over is compared with their size.
    rounding = 1e-6 * np.abs(values).sum(axis=1)
    seeds = [trial.seed for trial in trials]
    parts = {
        name: estimate(seeds, column, source_seeds)
        for name, column in zip(names, values.T, strict=True)
    }
    return Terms(parts, whole=bool((np.abs(missing) <= rounding).all()))
