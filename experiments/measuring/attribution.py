"""Which randomized parameter the score depended on, from the episodes of training alone.

Cheaper than leaving each one out: no training more. The scores are regressed on a square polynomial
of each parameter; a parameter's share is its Shapley value of the variance explained (the measure
of Lindeman, Merenda and Gold, 1980): what it adds to the others, averaged over all orders in which
they may be added. The trend of training is taken out first.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .draws import TrainingDraws

FEWEST = 40
"""Episodes, for each parameter, below which a regression says nothing."""
MOST = 10
"""Parameters of which all subsets are looked at; of more, those with the most correlation are."""


@dataclass(frozen=True)
class Attribution:
    """What one parameter explains of the scores of episodes.

    `share` is of their variance, `effect` by how much the score changes over the middle 80 % of
    what was drawn, negative where it falls; `share_ends` is the range over seeds, None for one.
    """

    name: str
    share: float
    effect: float
    share_ends: tuple[float, float] | None = None


def attribute_scores(found: Sequence[TrainingDraws]) -> list[Attribution]:
    """Return what each parameter explains, the most first; empty where there are too few episodes.

    Args:
        found: the draws of each source; shares are averaged over them.
    """
    each = [_attribute(one) for one in found]
    each = [one for one in each if one]
    if not each:
        return []
    joined = []
    for name in each[0]:
        shares = [one[name][0] for one in each if name in one]
        effects = [one[name][1] for one in each if name in one]
        ends = (min(shares), max(shares)) if len(shares) > 1 else None
        joined.append(Attribution(name, float(np.mean(shares)), float(np.mean(effects)), ends))
    return sorted(joined, key=lambda one: -one.share)


def shapley_shares(columns: Sequence[np.ndarray], target: np.ndarray) -> list[float]:
    """Return each group of columns' Shapley value of the variance of `target` explained.

    Args:
        columns: a design matrix `(n, k)` for each parameter.
        target: shape `(n,)`.

    Returns:
        A share for each; they sum to the coefficient of determination of all together.
    """
    count = len(columns)
    places = range(count)
    subsets = [s for size in range(count + 1) for s in itertools.combinations(places, size)]
    explained = {s: _explained([columns[i] for i in s], target) for s in subsets}
    shares = []
    for one in places:
        total = 0.0
        for subset in subsets:
            if one not in subset:
                orders = math.factorial(len(subset)) * math.factorial(count - len(subset) - 1)
                added = explained[tuple(sorted((*subset, one)))] - explained[subset]
                total += orders / math.factorial(count) * added
        shares.append(total)
    return shares


def _attribute(one: TrainingDraws) -> dict[str, tuple[float, float]]:
    """Return share and effect by parameter, of the second half of a training."""
    if one.scores is None:
        return {}
    late = one.at > one.at.max() / 2
    names = [name for name in one.varied if np.ptp(one.values[name][late]) > 0]
    if not names or late.sum() < FEWEST * len(names):
        return {}
    time = _square(one.at[late])
    scores = one.scores[late] - _fitted(time, one.scores[late])
    if not np.ptp(scores) > 1e-12:
        return {}
    values = {name: one.values[name][late] for name in names}
    names = sorted(names, key=lambda n: -abs(np.corrcoef(values[n], scores)[0, 1]))[:MOST]
    columns = [_square(values[name]) for name in names]
    shares = shapley_shares(columns, scores)
    slopes = np.linalg.lstsq(_with_one(np.hstack(columns)), scores, rcond=None)[0][1:]
    found = {}
    for place, (name, share) in enumerate(zip(names, shares, strict=True)):
        low, high = np.quantile(columns[place], (0.1, 0.9), axis=0)[:, 0]
        linear, square = slopes[2 * place : 2 * place + 2]
        found[name] = share, float(linear * (high - low) + square * (high**2 - low**2))
    return found


def _square(values: np.ndarray) -> np.ndarray:
    """Return values in standard units, and their squares, shape `(n, 2)`."""
    scaled = (values - values.mean()) / (values.std() or 1.0)
    return np.stack([scaled, scaled**2], axis=1)


def _with_one(matrix: np.ndarray) -> np.ndarray:
    return np.hstack([np.ones((len(matrix), 1)), matrix])


def _fitted(matrix: np.ndarray, target: np.ndarray) -> np.ndarray:
    design = _with_one(matrix)
    found: np.ndarray = design @ np.linalg.lstsq(design, target, rcond=None)[0]
    return found


def _explained(columns: Sequence[np.ndarray], target: np.ndarray) -> float:
    """Return the coefficient of determination of a regression on columns."""
    if not columns:
        return 0.0
    left = target - _fitted(np.hstack(list(columns)), target)
    return float(1 - left.var() / target.var())
