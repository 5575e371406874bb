"""Curves as arrays, and metrics over seeds as entries of the summary."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from . import metrics
from .runs import Trial
from .statistics import Interval, by_source, level_interval

Entry = dict[str, Any]
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

        Where seeds share source policies, the means of the policies' means, as in every entry.
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
    success = [[line["success"] for line in trial.evaluations] for trial in trials]
    told = all(rate is not None for rates in success for rate in rates)
    return Curves(
        seeds=[trial.seed for trial in trials],
        steps=np.array(trials[0].steps, dtype=np.float64),
        returns=np.array([trial.returns for trial in trials], dtype=np.float64),
        success=np.array(success, dtype=np.float64) if told else None,
        source_seeds=source_seeds,
    )


def entry(
    seeds: Sequence[int],
    values: ArrayLike,
    source_seeds: SourceSeeds = None,
    made: Callable[[ArrayLike], Interval | None] = level_interval,
) -> Entry:
    """Return `{"per_seed", "estimate", "low", "high", "n", "kind"}` of values `(seeds,)`.

    `n` counts what the interval, `made` from them, is over: seeds, or source policies that they
    share.
    """
    per_seed = dict(zip(seeds, np.asarray(values, dtype=np.float64).tolist(), strict=True))
    interval = made(list(by_source(per_seed, source_seeds).values()))
    assert interval is not None  # there is no entry without a seed
    return {"per_seed": per_seed, **asdict(interval)}


def within(found: Entry, low: float, high: float = float("inf")) -> Entry:
    """Return an entry whose interval ends where its values do, which Student's t does not know."""
    if found["low"] is None:
        return found
    return found | {"low": max(found["low"], low), "high": min(found["high"], high)}


def ends(
    seeds: Sequence[int], values: metrics.Floats, source_seeds: SourceSeeds = None
) -> dict[str, Entry]:
    """Return the entries of curves `(seeds, evaluations)` at step 0 and at the asymptote."""
    return {
        "start": entry(seeds, metrics.start(values), source_seeds),
        "end": entry(seeds, metrics.asymptote(values), source_seeds),
    }


def last_terms(trials: Sequence[Trial], source_seeds: SourceSeeds = None) -> Entry | None:
    """Return the reward terms of the last evaluations: `{"parts": {name: entry}, "whole": bool}`.

    `trials` are finished ones of one method on one target, at least one. Parts are the terms that
    every seed has; they are the `whole` where they add up to the return on every seed. None where
    the world reports no terms.
    """
    told = [trial.evaluations[-1].get("reward_terms", {}) for trial in trials]
    names = [name for name in told[0] if all(name in terms for terms in told)]
    if not names:
        return None
    values = np.array([[terms[name] for name in names] for terms in told], dtype=np.float64)
    missing = values.sum(axis=1) - [trial.returns[-1] for trial in trials]
    seeds = [trial.seed for trial in trials]
    return {
        "parts": {
            name: entry(seeds, of, source_seeds) for name, of in zip(names, values.T, strict=True)
        },
        "whole": bool((np.abs(missing) <= 1e-6 * np.abs(values).sum(axis=1)).all()),
    }


def interval_entry(interval: Interval | None) -> Entry | None:
    """Return an interval as a plain mapping; None stays None."""
    return None if interval is None else asdict(interval)


def plain(value: Any) -> Any:
    """Return `value` as JSON can hold it: text keys, no numpy, None in place of NaN."""
    if isinstance(value, Mapping):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        return int(value) if value.is_integer() and abs(value) < 2**53 else value
    return value
