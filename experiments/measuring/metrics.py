"""Metrics of transfer: pure functions of learning curves, one value per seed.

Shapes: `steps` is `(evaluations,)`, strictly increasing target environment steps that begin at 0;
`scores` is `(seeds, evaluations)`. The budget T is the last step. The unit is the seed, never the
episode: intervals over the per-seed values are in `statistics`.

Sources: Taylor & Stone, JMLR 10 (2009) 1633, jump-start, asymptotic performance, total reward,
transfer ratio, time to threshold; Wolczyk et al., Continual World, arXiv 2105.10919, forward
transfer; Kaplan & Meier, JASA 53 (1958) 457, for times that are censored at the budget.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .statistics import Interval, ratio_interval

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

EARLY = 0.05
"""The share of the budget over which `early` averages."""
DIP = 0.2
"""The share of the budget in which a dip is looked for."""
SMALLEST_WINDOW = 3
"""The fewest evaluations that the asymptotic window holds, where a third of the curve has them."""
HOLD = 3
"""Evaluations in a row that a threshold must be held for to count as reached."""
HIGHEST_BASELINE_AREA = 0.95
"""Above this baseline area forward transfer divides by next to nothing and is not given."""


def normalize(returns: ArrayLike, *, random: float, reference: float) -> Floats:
    """Return the unclipped score `(J - J_random) / (J_reference - J_random)` of any shape.

    Args:
        returns: mean returns J of evaluations, in the unit of the reward.
        random: J_random, the return of a random policy, of which the score is 0.
        reference: J_reference, of which the score is 1.

    Returns:
        The scores, without a unit, in the shape of `returns`.

    Raises:
        ValueError: the reference is not above the random policy, so there is no scale.

    >>> normalize([-100.0, -40.0, 20.0], random=-100.0, reference=20.0).tolist()
    [0.0, 0.5, 1.0]
    """
    if not reference > random:
        raise ValueError(
            f"the reference return ({reference:g}) must be above the random policy's ({random:g})"
        )
    return (np.asarray(returns, dtype=np.float64) - random) / (reference - random)


def start(scores: ArrayLike) -> Floats:
    """Return s(0) per seed, `(seeds,)`; jump-start is this minus the same of scratch.

    Args:
        scores: `(seeds, evaluations)`.

    Raises:
        ValueError: another shape, or a value that is not finite.

    >>> start([[0.2, 0.9], [0.4, 0.8]]).tolist()
    [0.2, 0.4]
    """
    return _curves(scores)[:, 0]


def early(steps: ArrayLike, scores: ArrayLike, share: float = EARLY) -> Floats:
    """Return the mean over the first `share` of the budget per seed, `(seeds,)`.

    Where the evaluations are so far apart that only step 0 falls in, this is s(0).

    Args:
        steps: `(evaluations,)`, target steps.
        scores: `(seeds, evaluations)`.
        share: of the budget, the last of `steps`.

    Raises:
        ValueError: steps and scores that do not go together; see `area`.

    >>> early([0, 5, 50, 100], [[0.1, 0.3, 0.8, 0.9]]).tolist()
    [0.2]
    """
    at, curves = _aligned(steps, scores)
    return np.asarray(curves[:, at <= share * at[-1]].mean(axis=1))


def window(evaluations: int) -> int:
    """Return how many evaluations the asymptotic window holds: `max(1, min(max(3, N/10), N/3))`.

    A tenth of them (rounded up), at least 3, but never more than a third (rounded down) and never
    the one at step 0: what stands for the end must not hold the rise before it.

    Args:
        evaluations: N, the number of evaluations after step 0.

    Returns:
        The size of the window, at least 1.

    Raises:
        ValueError: there is no evaluation after step 0.

    >>> [window(evaluations) for evaluations in (1, 4, 9, 40)]
    [1, 1, 3, 4]
    """
    if evaluations < 1:
        raise ValueError("a curve without an evaluation after step 0 has no end")
    tenth = -(-evaluations // 10)
    return max(1, min(max(SMALLEST_WINDOW, tenth), evaluations // 3))


def asymptote(scores: ArrayLike) -> Floats:
    """Return the mean over the asymptotic window per seed, `(seeds,)`.

    Args:
        scores: `(seeds, evaluations)`, the first of each at step 0.

    Raises:
        ValueError: another shape, a value that is not finite, or step 0 alone.

    >>> asymptote([[-948.0, -240.0, -189.0, -191.0, -193.0]]).tolist()
    [-193.0]
    """
    curves = _curves(scores)
    return np.asarray(curves[:, -window(curves.shape[1] - 1) :].mean(axis=1))


def last_third(evaluations: int) -> int:
    """Return how many of N evaluations after step 0 are the last third, at least 2.

    Rounded up, and as many as a line takes: with N = 1 there are not so many.

    >>> [last_third(evaluations) for evaluations in (2, 6, 7, 30)]
    [2, 2, 3, 10]
    """
    return max(2, -(-evaluations // 3))


def drift(steps: ArrayLike, scores: ArrayLike) -> Floats:
    """Return what a least-squares line gains over the last third of the curve, `(seeds,)`.

    In score over the length of that third. A method has not converged where the interval of this
    over seeds excludes 0.

    Args:
        steps: `(evaluations,)`, target steps.
        scores: `(seeds, evaluations)`.

    Raises:
        ValueError: fewer than 2 evaluations after step 0, through which no line can be laid.

    >>> drift([0, 10, 20, 30], [[0.0, 0.5, 0.5, 1.0]]).tolist()
    [0.5]
    """
    at, curves = _aligned(steps, scores)
    size = last_third(at.size - 1)
    if size > at.size - 1:
        raise ValueError("a slope takes 2 evaluations after step 0")
    at, curves = at[-size:], curves[:, -size:]
    centred = at - at.mean()
    # From the first value on: exactly 0 for a constant curve, which rounding would else make +-eps.
    slopes = (curves - curves[:, :1]) @ centred / (centred @ centred)
    return np.asarray(slopes * (at[-1] - at[0]))


def dip(steps: ArrayLike, scores: ArrayLike, share: float = DIP) -> tuple[Floats, Floats]:
    """Return depth and step of recovery of the dip after the start, each `(seeds,)`.

    The depth is `s(0) - min s(t)` over the first `share` of the budget (0: no dip). Recovered is
    the first evaluation after that minimum that is at least s(0): step 0 where there is no dip, NaN
    where the curve never comes back.

    Args:
        steps: `(evaluations,)`, target steps.
        scores: `(seeds, evaluations)`.
        share: of the budget, in which the minimum is looked for.

    Raises:
        ValueError: steps and scores that do not go together; see `area`.

    >>> depth, recovery = dip([0, 10, 20, 100], [[0.5, 0.25, 0.75, 1.0]])
    >>> depth.tolist(), recovery.tolist()
    ([0.25], [20.0])
    """
    at, curves = _aligned(steps, scores)
    begin = curves[:, :1]
    lowest = curves[:, at <= share * at[-1]].argmin(axis=1)
    depth = (begin - np.take_along_axis(curves, lowest[:, None], axis=1))[:, 0]
    back = (curves >= begin) & (np.arange(at.size) >= lowest[:, None])
    recovery = np.where(back.any(axis=1), at[back.argmax(axis=1)], np.nan)
    return depth, recovery


def area(steps: ArrayLike, scores: ArrayLike) -> Floats:
    """Return the area under the curve `1/T * integral of s dt` by trapezoids, `(seeds,)`.

    Args:
        steps: `(evaluations,)`, target steps; T is the last.
        scores: `(seeds, evaluations)`.

    Raises:
        ValueError: steps that do not begin at 0 and increase, or are not as many as the scores.

    >>> area([0, 20, 100], [[0.0, 1.0, 0.5]]).tolist()
    [0.7]
    """
    at, curves = _aligned(steps, scores)
    widths = np.diff(at)
    return np.asarray((curves[:, 1:] + curves[:, :-1]) @ widths / (2 * at[-1]))


def forward_transfer(transfer: ArrayLike, scratch: ArrayLike) -> Interval | None:
    """Return `(AUC_T - AUC_S) / (1 - AUC_S)` of paired areas, `(seeds,)`, with its interval.

    A ratio of means. None where the mean AUC_S is above 0.95: nothing is left to gain there.
    Source: Wolczyk et al., arXiv 2105.10919.

    Args:
        transfer: AUC_T by seed, `(seeds,)`.
        scratch: AUC_S of the same seeds, `(seeds,)`.

    >>> found = forward_transfer([0.75, 0.75], [0.5, 0.5])
    >>> found.estimate, found.kind
    (0.5, 'constant')
    """
    a, b = np.asarray(transfer, dtype=np.float64), np.asarray(scratch, dtype=np.float64)
    if not b.size or b.mean() > HIGHEST_BASELINE_AREA:
        return None
    return ratio_interval(a - b, 1.0 - b)


def transfer_ratio(transfer: ArrayLike, scratch: ArrayLike) -> Interval | None:
    """Return `AUC_T / AUC_S` of paired areas, `(seeds,)`, with its interval.

    A ratio of means. None where the mean AUC_S is not above 0. Source: Taylor & Stone 2009.

    Args:
        transfer: AUC_T by seed, `(seeds,)`.
        scratch: AUC_S of the same seeds, `(seeds,)`.

    >>> transfer_ratio([0.75, 0.75], [0.5, 0.5]).estimate
    1.5
    """
    b = np.asarray(scratch, dtype=np.float64)
    return ratio_interval(transfer, b) if b.size and b.mean() > 0 else None


def time_to_threshold(
    steps: ArrayLike, scores: ArrayLike, threshold: float, hold: int = HOLD
) -> tuple[Floats, Flags]:
    """Return the time to threshold and whether it was reached, each `(seeds,)`.

    The time is the step of the first evaluation at or above `threshold` that begins `hold` such
    evaluations in a row. A seed that never holds it is censored: its time is the budget and its
    flag is false; it is never left out. The resolution is the spacing of the evaluations.

    Args:
        steps: `(evaluations,)`, target steps.
        scores: `(seeds, evaluations)`.
        threshold: the score to be held.
        hold: for how many evaluations in a row.

    Raises:
        ValueError: steps and scores that do not go together; see `area`.

    >>> times, reached = time_to_threshold([0, 10, 20, 30], [[0.1, 0.9, 0.8, 0.9]], 0.8)
    >>> times.tolist(), reached.tolist()
    ([10.0], [True])
    """
    at, curves = _aligned(steps, scores)
    if at.size < hold:
        return np.full(len(curves), at[-1]), np.zeros(len(curves), dtype=np.bool_)
    windows = np.lib.stride_tricks.sliding_window_view(curves >= threshold, hold, axis=1)
    held: Flags = np.asarray(windows.all(axis=2))
    reached: Flags = np.asarray(held.any(axis=1))
    return np.where(reached, at[held.argmax(axis=1)], at[-1]), reached


def median_time(times: ArrayLike, reached: ArrayLike) -> float:
    """Return the Kaplan-Meier median: the first time by which half of the seeds have reached it.

    NaN where the survival curve stays above one half.

    Args:
        times: `(seeds,)`, steps at which the threshold was reached, or watching ended.
        reached: `(seeds,)`, whether it was reached.

    >>> median_time([10, 20, 90], [True, True, False])
    20.0
    """
    at, left = _survival(times, reached)
    # The products of the estimator round: 3/4 * 2/3 must count as one half.
    half = left <= 0.5 + 1e-12
    return float(at[half.argmax()]) if half.any() else float("nan")


def survival(times: ArrayLike, reached: ArrayLike, horizon: float) -> tuple[Floats, Floats]:
    """Return the Kaplan-Meier share of seeds not there yet, as a step function: each `(k,)`.

    From the i-th step on the share is the i-th one; the first step is 0, where all are still on
    their way, the last is `horizon`.

    Args:
        times: `(seeds,)`, steps at which the threshold was reached, or watching ended.
        reached: `(seeds,)`, whether it was reached.
        horizon: the step up to which the curve goes.

    >>> steps, share = survival([10, 90], [True, False], 90)
    >>> steps.tolist(), share.tolist()
    ([0.0, 10.0, 90.0], [1.0, 0.5, 0.5])
    """
    at, left = _survival(times, reached)
    before = at[at < horizon]
    share = np.concatenate(([1.0], left[at <= horizon]))
    steps = np.concatenate(([0.0], before, [horizon]))
    return steps, np.concatenate((share[: before.size + 1], share[-1:]))


def total_time(times: ArrayLike, source_steps: float, targets: int = 1) -> Floats:
    """Return times with the source's steps added, shared out over `targets` targets.

    Args:
        times: steps in the target, `(seeds,)`.
        source_steps: steps that the source policy took.
        targets: over how many targets these are shared out; 1 counts them in full.

    >>> total_time([4_000], 100_000, targets=4).tolist()
    [29000.0]
    """
    return np.asarray(times, dtype=np.float64) + source_steps / targets


def break_even(source_steps: float, scratch_time: float, transfer_time: float) -> float:
    """Return K* = C_source / (TTT_scratch - TTT_transfer), the targets that pay for the source.

    NaN where transfer saves no steps, so that no number of targets pays.

    Args:
        source_steps: C_source.
        scratch_time: time to threshold of scratch, in target steps.
        transfer_time: that of the method.

    >>> break_even(100_000, 30_000, 5_000)
    4.0
    """
    saved = scratch_time - transfer_time
    return source_steps / saved if saved > 0 else float("nan")


def retention(before: ArrayLike, after: ArrayLike) -> Floats:
    """Return the source score after transfer minus before, `(seeds,)`: below 0 is forgetting.

    Args:
        before: scores of the source policies in the source, `(seeds,)`.
        after: scores there of what they became in the target, `(seeds,)`.

    >>> retention([0.75], [0.25]).tolist()
    [-0.5]
    """
    return np.asarray(after, dtype=np.float64) - np.asarray(before, dtype=np.float64)


def zero_shot_gap(in_source: ArrayLike, in_target: ArrayLike) -> Floats:
    """Return the source policy's score in the source minus that in the target, `(seeds,)`.

    Args:
        in_source: scores in the source, each on the source's anchors, `(seeds,)`.
        in_target: scores of the same policies in the target, on its anchors, `(seeds,)`.

    >>> zero_shot_gap([0.75], [0.5]).tolist()
    [0.25]
    """
    return np.asarray(in_source, dtype=np.float64) - np.asarray(in_target, dtype=np.float64)


def failure_rate(success: ArrayLike) -> Floats:
    """Return the share of episodes that did not succeed, in the shape of `success`.

    Args:
        success: shares of episodes that succeeded, of any shape.

    >>> failure_rate([1.0, 0.75]).tolist()
    [0.0, 0.25]
    """
    return 1.0 - np.asarray(success, dtype=np.float64)


def _survival(times: ArrayLike, reached: ArrayLike) -> tuple[Floats, Floats]:
    """Return times `(k,)` and the Kaplan-Meier share of seeds not there yet after each, `(k,)`."""
    at, events = np.asarray(times, dtype=np.float64), np.asarray(reached, dtype=np.bool_)
    steps, where, counts = np.unique(at, return_inverse=True, return_counts=True)
    arrived = np.bincount(where, weights=events, minlength=steps.size)
    waiting = at.size - np.cumsum(counts) + counts
    return steps, np.asarray(np.cumprod((waiting - arrived) / waiting), dtype=np.float64)


def _curves(scores: ArrayLike) -> Floats:
    curves = np.asarray(scores, dtype=np.float64)
    if curves.ndim != 2 or not curves.size:
        raise ValueError(f"scores must be (seeds, evaluations), got shape {curves.shape}")
    if not np.isfinite(curves).all():
        raise ValueError("scores must be finite; a trial with NaN has failed and has no metrics")
    return curves


def _aligned(steps: ArrayLike, scores: ArrayLike) -> tuple[Floats, Floats]:
    at, curves = np.asarray(steps, dtype=np.float64), _curves(scores)
    if at.shape != curves.shape[1:]:
        raise ValueError(f"{at.size} steps for scores of shape {curves.shape}")
    if at.size < 2 or at[0] != 0 or (np.diff(at) <= 0).any():
        raise ValueError("steps must begin at 0 and increase, with at least 2 evaluations")
    return at, curves
