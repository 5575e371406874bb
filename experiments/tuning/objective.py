"""What tuning maximizes: the area under the curves of a trial, on a scale that the study fixes.

Shapes: a curve is `(steps, returns)`, each `(evaluations,)`; its steps begin at 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from ..measuring import metrics

Curve = tuple[Sequence[float], Sequence[float]]
Scale = tuple[float, float]
"""The returns that count as 0 and as 1 on a target."""


def scale(random: float, reference: float | None, returns: ArrayLike) -> Scale:
    """Return a target's scale: its anchors, or what stands in for a reference that is not given.

    That is as far above `random` as any of `returns`, those of the method before tuning, lies from
    it. It orders one target's trials as their returns do, and weighs several targets alike. If they
    all equal `random`, returns are taken as they are.
    """
    if reference is not None:
        return random, reference
    farthest = float(np.abs(np.asarray(returns, dtype=np.float64) - random).max())
    return random, random + (farthest or 1.0)


def value(curves: Sequence[Curve], scales: Sequence[Scale], budgets: Sequence[float]) -> float:
    """Return the mean score over what has been trained so far, each budget weighing the same.

    `curves` are those of a trial's target and seed pairs, one after the other; the last may have
    only started. `scales` and `budgets` (steps) belong to them. With all of them whole, this is the
    mean of their areas `1/T * integral of s dt`.

    Raises:
        ValueError: nothing has been trained yet.
    """
    areas, weights = [], []
    for (steps, returns), (low, high), budget in zip(curves, scales, budgets, strict=True):
        at = np.asarray(steps, dtype=np.float64)
        if at.size > 1:
            scores = metrics.normalize(returns, random=low, reference=high)
            areas.append(float(metrics.area(at, scores[None])[0]))
            weights.append(at[-1] / budget)
    if not areas:
        raise ValueError("no curve has an evaluation after step 0")
    return float(np.average(areas, weights=weights))


def reports(
    curves: Sequence[Curve], scales: Sequence[Scale], budgets: Sequence[float], after: int = 0
) -> dict[int, float]:
    """Return the value after each evaluation, by its number; only those beyond `after`.

    Evaluations at step 0 are not counted: nothing has been trained for them.
    """
    found: dict[int, float] = {}
    count = 0
    for number, (steps, returns) in enumerate(curves, 1):
        for size in range(2, len(steps) + 1):
            count += 1
            if count > after:
                so_far = [*curves[: number - 1], (steps[:size], returns[:size])]
                found[count] = value(so_far, scales[:number], budgets[:number])
    return found
