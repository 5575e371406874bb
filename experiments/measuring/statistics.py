"""Intervals and tests over seeds: pure functions, the seed as the unit.

Which interval is used of gains: Student's t over the paired differences where seeds are shared,
Welch's where they are not, from 2 seeds on; the bias-corrected and accelerated bootstrap (BCa)
beside it from 30 seeds on, unless they are skewed: with 5 it covers 82 % of a nominal 95 %, with 10
seeds of which some fail 79 %. Of levels (scores, returns, times) it is Student's t from 10 seeds
on, and with fewer the range of the seeds: of 5 seeds of which 30 % fail t holds the mean 82 % of
the time. A plain percentile bootstrap is not used: it covers 79 % at 3 seeds. What the intervals
used cover is in `experiments/results/coverage.md`.

Sources: Welch, Biometrika 34 (1947) 28; Efron, JASA 82 (1987) 171, BCa; Hesterberg, Am. Stat. 69
(2015) 371, bootstraps expanded for few samples; Fieller, J. R. Stat. Soc. B 16 (1954) 175, ratios
of means; Holm, Scand. J. Stat. 6 (1979) 65; Agarwal et al. 2021 (rliable), probability of
improvement; Patterson et al., JMLR 25 (2024), on what few seeds can say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray
from scipy import special

CONFIDENCE = 0.95
FEWEST_SEEDS = 5
"""With fewer seeds numbers and intervals are shown but nothing is claimed."""
SURE_SEEDS = 10
"""With fewer a level has no interval, as none holds its mean often enough where some seeds fail."""
BCA_SEEDS = 30
"""With fewer seeds BCa covers too little to be shown."""
MOST_SKEWED = 1.5
"""With values more skewed than this BCa covers too little: a few of 30 seeds make all its width."""
RESAMPLES = 9_999


@dataclass(frozen=True)
class Interval:
    """A mean (or a ratio of means) over `n` seeds with its 95 % interval.

    Attributes:
        estimate: the mean over seeds, or the ratio.
        low: lower end, or the lowest seed of a `range`; None where there is no interval.
        high: upper end, or the highest seed of a `range`; None where there is no interval.
        n: number of seeds behind it.
            Where seeds share source policies, of those (see `by_source`).
        kind: `paired t`, `t`, `welch`, `bca`, `fieller`, `bootstrap`, `wilson`; `range` where
            the ends are those of the seeds, not of an interval; `constant` where all seeds are
            equal, so that the width of 0 says nothing about other seeds; `one seed` where there is
            no interval; `unbounded` where a ratio's denominator may be 0.
    """

    estimate: float
    low: float | None
    high: float | None
    n: int
    kind: str

    @property
    def side(self) -> str:
        """Where the interval lies: `above` 0, `below` 0, or `unclear`."""
        if self.low is not None and self.low > 0:
            return "above"
        return "below" if self.high is not None and self.high < 0 else "unclear"


@dataclass(frozen=True)
class Comparison:
    """A method against scratch in one metric.

    Attributes:
        difference: method minus scratch.
        bca: the BCa interval of the same paired differences; None where `bca_interval` has none.
        p: two-sided p value of no difference; None where there is no interval.
        probability: P(T > S), the chance that a seed of the method beats one of scratch.
        per_seed: paired difference by seed; empty where no seeds are shared.
    """

    difference: Interval
    bca: Interval | None
    p: float | None
    probability: float
    per_seed: dict[int, float]


def by_source(
    per_seed: Mapping[int, float], source_seeds: Mapping[int, int] | None
) -> dict[int, float]:
    """Return values by seed as means by source policy; as they are where each seed has its own.

    Trials that begin from one source policy are not independent, but their means by policy are:
    with clusters of equal size this is the exact analysis, and it keeps its coverage with few of
    them, as a bootstrap of clusters does not (Cameron & Miller, J. Human Resources 50 (2015) 317).

    Args:
        per_seed: value by seed.
        source_seeds: the seed of the source policy by that of the trial; None where each has its
            own.

    >>> by_source({0: 1.0, 1: 3.0, 2: 5.0}, {0: 0, 1: 0, 2: 2})
    {0: 2.0, 2: 5.0}
    """
    if source_seeds is None:
        return dict(per_seed)
    shared: dict[int, list[float]] = {}
    for seed, value in per_seed.items():
        shared.setdefault(source_seeds[seed], []).append(value)
    return {source: float(np.mean(values)) for source, values in shared.items()}


def mean_interval(values: ArrayLike, *, kind: str = "t") -> Interval | None:
    """Return the mean of `values`, `(seeds,)`, with Student's t interval; None without values.

    Args:
        values: one finite value for each seed.
        kind: what the interval is called; "paired t" for paired differences, whose interval it is.

    Raises:
        ValueError: values that are not one finite number for each seed.

    >>> found = mean_interval([0.0, 1.0])
    >>> found.estimate, round(found.high, 2)  # 0.5 + 12.706 * 0.7071 / sqrt(2)
    (0.5, 6.85)
    """
    sample = _sample(values)
    if not sample.size:
        return None
    mean, n = float(sample.mean()), sample.size
    if n == 1:
        return Interval(mean, None, None, 1, "one seed")
    if _constant(sample):
        return Interval(mean, mean, mean, n, "constant")
    half = float(half_widths(sample))
    return Interval(mean, mean - half, mean + half, n, kind)


def level_interval(values: ArrayLike) -> Interval | None:
    """Return the mean of a level, `(seeds,)`, with its t interval, or the range of few seeds.

    A level is what one method gets (a score, a return, a time), not how much more than another. Of
    5 seeds of which 30 % fail none does in 17 % of experiments, and no interval made from those can
    know that some do. None without values.

    Args:
        values: one finite value for each seed.

    >>> found = level_interval([0.0, 0.5, 1.0])
    >>> found.kind, found.low, found.high
    ('range', 0.0, 1.0)
    """
    found = mean_interval(values)
    if found is None or found.kind != "t" or found.n >= SURE_SEEDS:
        return found
    sample = _sample(values)
    low, high = float(sample.min()), float(sample.max())
    return replace(found, low=low, high=high, kind="range")


def half_widths(samples: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return half the widths of Student's t intervals of means: `(..., seeds)` to `(...)`.

    Args:
        samples: at least two seeds along the last axis.

    >>> round(float(half_widths(np.array([0.0, 1.0]))), 2)
    6.35
    """
    n = samples.shape[-1]
    return np.asarray(_t(n - 1) * samples.std(axis=-1, ddof=1) / n**0.5)


def welch_interval(transfer: ArrayLike, scratch: ArrayLike) -> Interval:
    """Return the difference of two independent means, `(n,)` and `(m,)`, with Welch's t interval.

    `n` is the smaller number of seeds.

    Args:
        transfer: values of the method, `(n,)`.
        scratch: values of scratch, `(m,)`.

    Raises:
        ValueError: a side without a value.

    >>> found = welch_interval([1.0, 2.0], [0.0, 1.0])
    >>> found.estimate, round(found.high, 2)  # 4.303 * sqrt(0.25 + 0.25)
    (1.0, 4.04)
    """
    a, b = _sample(transfer), _sample(scratch)
    if not a.size or not b.size:
        raise ValueError("a difference needs at least one seed on either side")
    n, difference = min(a.size, b.size), float(a.mean() - b.mean())
    if n < 2:
        return Interval(difference, None, None, n, "one seed")
    if _constant(a) and _constant(b):
        return Interval(difference, difference, difference, n, "constant")
    error, freedom = _welch(a, b)
    half = _t(freedom) * error
    return Interval(difference, difference - half, difference + half, n, "welch")


def bca_interval(values: ArrayLike, rng: np.random.Generator) -> Interval | None:
    """Return the mean of `values`, `(seeds,)`, with its BCa bootstrap interval, drawn from `rng`.

    None with fewer than 30 seeds, where all values are equal (the bootstrap then has nothing to
    resample and BCa is not defined), and where their skewness is above `MOST_SKEWED`.
    """
    sample = _sample(values)
    if (
        sample.size < BCA_SEEDS
        or _constant(sample)
        or abs(float(scipy.stats.skew(sample))) > MOST_SKEWED
    ):
        return None
    found = scipy.stats.bootstrap(
        (sample,),
        np.mean,
        n_resamples=RESAMPLES,
        confidence_level=1 - 2 * expanded_tail(sample.size),
        method="BCa",
        rng=rng,
    ).confidence_interval
    low, high = float(found.low), float(found.high)
    if not (np.isfinite(low) and np.isfinite(high)):
        return None
    return Interval(float(sample.mean()), low, high, sample.size, "bca")


def expanded_tail(n: int) -> float:
    """Return what share of resamples of `n` seeds a 95 % interval leaves out at either end.

    The mean of resamples varies less than that of samples, by sqrt((n - 1) / n), and normally where
    Student's t would be right; the share is chosen so that for normal values the percentile
    interval is Student's (Hesterberg 2015).

    Args:
        n: the number of seeds, at least 2.

    >>> round(expanded_tail(1_000), 3)
    0.025
    """
    return float(special.ndtr(-_t(n - 1) * (n / (n - 1)) ** 0.5))


def ratio_interval(numerator: ArrayLike, denominator: ArrayLike) -> Interval:
    """Return the ratio of two paired means, each `(seeds,)`, with Fieller's interval.

    Chosen over a bootstrap of the ratio because it keeps its coverage for few seeds and says when
    it cannot be had: where the denominator's own interval holds 0, the ratio's is unbounded.

    Raises:
        ValueError: no seeds, unequal numbers of them, or a denominator whose mean is 0.
    """
    a, b = _sample(numerator), _sample(denominator)
    if a.size != b.size or not a.size:
        raise ValueError(f"a ratio needs paired seeds, got {a.size} and {b.size}")
    top, bottom, n = float(a.mean()), float(b.mean()), a.size
    if bottom == 0:
        raise ValueError("the denominator's mean is 0")
    ratio = top / bottom
    if n == 1:
        return Interval(ratio, None, None, 1, "one seed")
    if _constant(a) and _constant(b):
        return Interval(ratio, ratio, ratio, n, "constant")
    # The ratios r for which the mean of a - r b is not told from 0: a quadratic in r.
    (of_a, of_ab), (_, of_b) = np.cov(a, b, ddof=1) * (_t(n - 1) ** 2 / n)
    square, middle, constant = bottom**2 - of_b, top * bottom - of_ab, top**2 - of_a
    if square <= 0:
        return Interval(ratio, None, None, n, "unbounded")
    root = float(np.sqrt(max(middle**2 - square * constant, 0.0)))
    return Interval(
        ratio, float(middle - root) / square, float(middle + root) / square, n, "fieller"
    )


def probability_of_improvement(transfer: ArrayLike, scratch: ArrayLike) -> float:
    """Return P(T > S) over all pairs of seeds, ties counted half: the Mann-Whitney U / (n m).

    Args:
        transfer: values of the method, `(n,)`.
        scratch: values of scratch, `(m,)`.

    Raises:
        ValueError: a side without a value.

    >>> probability_of_improvement([3.0, 0.0], [1.0, 3.0])
    0.375
    """
    a, b = _sample(transfer), _sample(scratch)
    if not a.size or not b.size:
        raise ValueError("P(T > S) needs at least one seed on either side")
    return float(((a[:, None] > b).mean() + (a[:, None] >= b).mean()) / 2)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Return Holm's step-down adjusted p values in the given order; None (no test) stays None.

    Args:
        p_values: those of one family of tests.

    >>> holm([0.01, None, 0.04])
    [0.02, None, 0.04]
    """
    order = sorted((p, i) for i, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (p, i) in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - rank) * p))
        adjusted[i] = highest
    return adjusted


def compare(
    transfer: Mapping[int, float],
    scratch: Mapping[int, float],
    rng: np.random.Generator,
    source_seeds: Mapping[int, int] | None = None,
) -> Comparison | None:
    """Compare a method with scratch, each as value by seed; None where a side has no seed.

    Seeds that both have are paired, and what only one of them has then does not enter the
    difference. With fewer than 2 shared seeds, and 2 on either side, Welch's interval is taken.

    Args:
        transfer: value by seed of the method.
        scratch: value by seed of scratch.
        rng: for the bootstrap.
        source_seeds: where the method's seeds share source policies, which; the differences are
            averaged by policy first.

    >>> found = compare({0: 1.0, 1: 2.0}, {0: 0.5, 1: 1.0}, np.random.default_rng(0))
    >>> found.difference.estimate, found.difference.kind, found.per_seed
    (0.75, 'paired t', {0: 0.5, 1: 1.0})
    """
    if not transfer or not scratch:
        return None
    shared = sorted(transfer.keys() & scratch.keys())
    paired = {seed: transfer[seed] - scratch[seed] for seed in shared}
    a, b = list(transfer.values()), list(scratch.values())
    probability = probability_of_improvement(a, b)
    differences = list(by_source(paired, source_seeds).values())
    difference = mean_interval(differences, kind="paired t")
    if difference is None or (len(shared) < 2 <= min(len(a), len(b))):
        a = list(by_source(transfer, source_seeds).values())
        difference = welch_interval(a, b)
        return Comparison(difference, None, _p_independent(a, b), probability, paired)
    bca = bca_interval(differences, rng)
    return Comparison(difference, bca, _p_paired(differences), probability, paired)


def _p_paired(differences: Sequence[float]) -> float | None:
    """Two-sided p of the paired t test; of the sign test where all differences are equal."""
    sample = _sample(differences)
    if sample.size < 2:
        return None
    if _constant(sample):
        # Without spread t is infinite; what equal signs alone can say is (1/2)^(n-1).
        return 1.0 if sample[0] == 0 else float(0.5 ** (sample.size - 1))
    return _two_sided(sample.mean() * sample.size**0.5 / sample.std(ddof=1), sample.size - 1)


def _p_independent(transfer: Sequence[float], scratch: Sequence[float]) -> float | None:
    """Two-sided p of Welch's test; of the exact Mann-Whitney test where both are constant."""
    a, b = _sample(transfer), _sample(scratch)
    if min(a.size, b.size) < 2:
        return None
    if _constant(a) and _constant(b):
        return 1.0 if a[0] == b[0] else float(scipy.stats.mannwhitneyu(a, b, method="exact").pvalue)
    error, freedom = _welch(a, b)
    return _two_sided((a.mean() - b.mean()) / error, freedom)


def _t(freedom: float) -> float:
    """Return a quantile of Student's t: half the width of a 95 % interval, in standard errors."""
    # `scipy.stats` takes a second to be imported, so what every report needs is done without it.
    return float(special.stdtrit(freedom, (1 + CONFIDENCE) / 2))


def _two_sided(t: float, freedom: float) -> float:
    """Return the two-sided p of a value of Student's t."""
    return float(2 * special.stdtr(freedom, -abs(t)))


def _welch(a: NDArray[np.float64], b: NDArray[np.float64]) -> tuple[float, float]:
    """Return the standard error of a difference of means, and Welch-Satterthwaite's freedom."""
    of_a, of_b = a.var(ddof=1) / a.size, b.var(ddof=1) / b.size
    freedom = (of_a + of_b) ** 2 / (of_a**2 / (a.size - 1) + of_b**2 / (b.size - 1))
    return float(np.sqrt(of_a + of_b)), float(freedom)


def _sample(values: ArrayLike) -> NDArray[np.float64]:
    sample = np.asarray(values, dtype=np.float64)
    if sample.ndim != 1 or not np.isfinite(sample).all():
        raise ValueError("expected one finite value per seed")
    return sample


def _constant(sample: NDArray[np.float64]) -> bool:
    # Equal but for rounding: a spread of a few ulp would give an interval of no width.
    return bool(np.ptp(sample) <= 1e-12 * max(1.0, float(np.abs(sample).max())))
