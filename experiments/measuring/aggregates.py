"""Across targets: what a method is worth on all of them together, robustly.

Shapes: `scores` is `(seeds, targets)`, one score per trial. Point estimates are those of rliable.
Intervals are over seeds. What they cover in truth is in `experiments/results/coverage.md`; plain
percentiles of the bootstrap cover 84 % at 5 seeds.

Sources: Agarwal et al. 2021 (rliable), interquartile mean, optimality gap, performance profiles,
probability of improvement; Hesterberg, Am. Stat. 69 (2015) 371, the bootstrap for few samples;
Wilson, JASA 22 (1927) 209, and Korn & Graubard, Surv. Methodol. 24 (1998) 193, shares of clustered
trials; Hoeffding, Ann. Math. Stat. 19 (1948) 293, U-statistics.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from .estimates import SourceSeeds
from .results import Across, AcrossMethod, Aggregates, MethodSummary, Profile, TargetSummary
from .statistics import CONFIDENCE, SURE_SEEDS, Interval, expanded_tail

Floats = NDArray[np.float64]
Statistic = Callable[..., Floats]

RESAMPLES = 2_000
CUT = 0.25
"""The share of trials that the interquartile mean leaves out at either end."""
LEVELS = np.round(np.arange(-0.5, 1.501, 0.025), 3)
"""The scores at which a performance profile is given."""
FEWEST_TARGETS = 2
PRIOR_OF_SHARE, PRIOR_OF_PROBABILITY = 1.7, 1.3
"""The weight, in seeds, of the belief that trials of a seed go together wholly: as much as keeps
the intervals of few seeds from covering too little."""


def interquartile_mean(scores: ArrayLike) -> Floats:
    """Return the mean of the middle half of all trials: `(..., seeds, targets)` to `(...)`."""
    trials = _trials(scores)
    cut = int(CUT * trials.shape[-1])
    return np.asarray(np.sort(trials, axis=-1)[..., cut : trials.shape[-1] - cut].mean(axis=-1))


def mean(scores: ArrayLike) -> Floats:
    """Return the mean over trials: `(..., seeds, targets)` to `(...)`."""
    return np.asarray(_trials(scores).mean(axis=-1))


def optimality_gap(scores: ArrayLike, best: float = 1.0) -> Floats:
    """Return by how much trials fall short of `best` on average, where they do: shape `(...)`."""
    return np.asarray(best - np.minimum(_trials(scores), best).mean(axis=-1))


def probability_of_improvement(transfer: ArrayLike, scratch: ArrayLike) -> Floats:
    """Return P(T > S), ties counted half, over targets: `(..., seeds, targets)` to `(...)`.

    On each target every trial of one method meets every trial of the other; targets weigh the same.
    """
    return np.asarray(_beats(transfer, scratch).mean(axis=(-3, -2, -1)))


def _beats(transfer: ArrayLike, scratch: ArrayLike) -> Floats:
    """Return who beats whom, a tie as a half: `(..., seeds, targets)` to `(..., T, S, targets)`."""
    a, b = (np.asarray(x, dtype=np.float64) for x in (transfer, scratch))
    return np.asarray(0.5 * (np.sign(a[..., :, None, :] - b[..., None, :, :]) + 1.0))


def performance_profile(scores: ArrayLike, levels: ArrayLike = LEVELS) -> Floats:
    """Return the share of trials above each level: `(..., seeds, targets)` to `(..., levels)`."""
    return np.asarray(
        (_trials(scores)[..., None, :] > np.asarray(levels)[..., :, None]).mean(axis=-1)
    )


def profile_interval(
    scores: ArrayLike,
    levels: ArrayLike = LEVELS,
    clusters: Sequence[Sequence[int]] | None = None,
) -> tuple[Floats, Floats, Floats]:
    """Return the performance profile of `(seeds, targets)` with its 95 % band, each `(levels,)`.

    Wilson's interval of a share (see `_share_interval`): trials of a seed go together, and count
    as the number of independent ones whose share would vary as much as the seeds' do. A bootstrap
    has no width where all are above: where 99 % are, it covers 16 % with 5 seeds. NaN from a single
    seed.

    `clusters` are the rows of seeds that share a source policy, which then count as the seeds do.
    """
    values, at = np.asarray(scores, dtype=np.float64), np.asarray(levels)
    share = performance_profile(values, at)
    rows = _by_cluster((values[..., None] > at).mean(axis=1), clusters)
    return share, *_share_interval(share, rows, values.size, PRIOR_OF_SHARE)


def probability_interval(
    transfer: ArrayLike, scratch: ArrayLike, clusters: Sequence[Sequence[int]] | None = None
) -> tuple[Floats, Floats, Floats]:
    """Return P(T > S) of two `(seeds, targets)` with the ends of its 95 % interval, each `()`.

    Wilson's interval of a share, as for profiles: what varies from seed to seed is how often it
    beats, and is beaten (Hoeffding 1948, the projection of a U-statistic). A bootstrap has hardly
    any width near 1: where P is 0.95 it covers 86 % with 5 seeds on 4 targets, where it is 0.99,
    39 %. NaN from a single seed.
    """
    above = _beats(transfer, scratch)
    rows = above.mean(axis=(1, 2)) + above.mean(axis=(0, 2))
    share = np.asarray(above.mean())
    rows = _by_cluster(rows, clusters)
    return share, *_share_interval(share, rows, above.size, PRIOR_OF_PROBABILITY)


def _share_interval(share: Floats, rows: Floats, most: int, prior: float) -> tuple[Floats, Floats]:
    """Return the ends of Wilson's interval of a share; `rows`, `(seeds, ...)`, vary as it does.

    It is that of as many independent trials as have a share of that variance, at most `most`; of
    as many as there are seeds where all or none are above. From few seeds that number is uncertain,
    and is drawn (geometrically, by `prior`) towards the number of seeds.
    """
    n = len(rows)
    if n == 1:
        return np.full_like(share, np.nan), np.full_like(share, np.nan)
    spread = rows.var(axis=0, ddof=1) / n
    inside = (share > 0) & (share < 1)
    alone = share * (1 - share)
    independent = np.where(inside, float(most), float(n))
    np.divide(alone, spread, out=independent, where=inside & (spread > 0))
    seen = (n - 1) / (n - 1 + prior)
    independent = np.minimum(independent, most) ** seen * n ** (1 - seen)
    z = special.ndtri((1 + CONFIDENCE) / 2)
    scale = 1 + z * z / independent
    middle = (share + z * z / (2 * independent)) / scale
    half = z / scale * np.sqrt(alone / independent + (z / (2 * independent)) ** 2)
    # Where all or none are above, rounding would leave the share itself outside.
    return np.minimum(middle - half, share), np.maximum(middle + half, share)


def _by_cluster(rows: Floats, clusters: Sequence[Sequence[int]] | None) -> Floats:
    if clusters is None:
        return rows
    return np.array([rows[list(some)].mean(axis=0) for some in clusters])


def seed_interval(
    statistic: Statistic,
    scores: ArrayLike,
    *,
    rng: np.random.Generator,
    clusters: Sequence[Sequence[int]] | None = None,
) -> tuple[Floats, Floats, Floats]:
    """Return the statistic of `(seeds, targets)` with the ends of its 95 % interval, each `()`.

    With fewer than 10 seeds the ends are the lowest and the highest that one seed has by itself,
    or all have together (see `statistics.level_interval`): where seeds fail on all targets at once
    an interval covers 87 % with 5.

    Of three intervals the outer ends are taken, as each alone is too narrow for some scores of
    which some seeds fail. Seeds are resampled, all targets of one together, since trials of a seed
    share its source policy: of these, the expanded percentiles, and Student's t times the standard
    deviation of the resampled statistic, times sqrt(n / (n - 1)) as resampling n seeds shrinks it
    so. And the expanded percentiles of seeds resampled on each target apart, as rliable does: what
    few seeds have by chance in common on all targets says little of others. NaN from a single seed.

    `clusters` are the rows of seeds that share a source policy: these are resampled then, as a
    whole, and n is their number.
    """
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 2 or not values.size:
        raise ValueError(f"expected (seeds, targets), got {values.shape}")
    found = statistic(values)
    n = len(values) if clusters is None else len(clusters)
    if n == 1:
        return found, np.full_like(found, np.nan), np.full_like(found, np.nan)
    rows = [[k] for k in range(n)] if clusters is None else clusters
    if n < SURE_SEEDS:
        each = [found, *(statistic(values[list(some)]) for some in rows)]
        return found, np.min(each, axis=0), np.max(each, axis=0)
    together = _together(statistic, values, rows, rng)
    apart = _apart(statistic, values, rows, rng)
    spread = together.std(axis=0, ddof=1) * np.sqrt(n / (n - 1))
    half = special.stdtrit(n - 1, (1 + CONFIDENCE) / 2) * spread
    tail = expanded_tail(n)
    ends = [np.quantile(draws, [tail, 1 - tail], axis=0) for draws in (together, apart)]
    low, high = np.array([(found - half, found + half), *ends]).T
    return found, low.min(axis=-1), high.max(axis=-1)


def _together(
    statistic: Statistic,
    scores: Floats,
    clusters: Sequence[Sequence[int]],
    rng: np.random.Generator,
) -> Floats:
    """Return the statistic of resampled clusters of seeds, `(resamples,)`.

    They may differ in size, where trials are lost: resamples do then too.
    """
    n = len(clusters)
    drawn = rng.integers(0, n, (RESAMPLES, n))
    if len({len(some) for some in clusters}) == 1:
        return statistic(scores[np.array(clusters)[drawn].reshape(RESAMPLES, -1)])
    rows = [np.asarray(some) for some in clusters]
    return np.array([statistic(scores[np.concatenate([rows[k] for k in one])]) for one in drawn])


def _apart(
    statistic: Statistic,
    scores: Floats,
    clusters: Sequence[Sequence[int]],
    rng: np.random.Generator,
) -> Floats:
    """Return the statistic of clusters of seeds resampled on each target apart, `(resamples,)`.

    Where they differ in size, what is drawn is cut, or started again, to as many trials on every
    target as there are: targets must not weigh differently.
    """
    n, (seeds, targets) = len(clusters), scores.shape
    drawn = rng.integers(0, n, (RESAMPLES, targets, n))
    if len({len(some) for some in clusters}) == 1:
        rows = np.array(clusters)[drawn].reshape(RESAMPLES, targets, seeds)
    else:
        each = [np.asarray(some) for some in clusters]
        rows = np.array(
            [
                [np.resize(np.concatenate([each[k] for k in column]), seeds) for column in one]
                for one in drawn
            ]
        )
    return statistic(scores[rows.swapaxes(1, 2), np.arange(targets)])


def summarize_across(
    targets: Mapping[str, TargetSummary],
    baseline: str,
    source_seeds: Mapping[str, SourceSeeds],
    every: Sequence[int],
) -> Across | None:
    """Return the aggregates of every method over the scored targets of a summary, or None.

    None with fewer than 2 such targets. A seed counts where it has a score on all of them; `lost`
    names the others of `every` seed. `source_seeds` says, by method, which seeds share source
    policies.
    """
    scored = {name: target.methods for name, target in targets.items() if target.scored}
    if len(scored) < FEWEST_TARGETS:
        return None
    names = list(next(iter(scored.values())))
    based = _seeds(scored, baseline) if baseline in names else []
    methods = {
        name: _method(name, scored, baseline, based, source_seeds.get(name), every)
        for name in names
    }
    return Across(list(scored), LEVELS.tolist(), methods)


def _method(
    name: str,
    scored: Mapping[str, Mapping[str, MethodSummary]],
    baseline: str,
    based: list[int],
    source_seeds: SourceSeeds,
    every: Sequence[int],
) -> AcrossMethod | None:
    """Return one method's aggregates; None where no seed has a score on every target."""
    seeds = _seeds(scored, name)
    if not seeds:
        return None
    shared = [seed for seed in based if seed in seeds] if name != baseline else []
    clusters = _clusters(seeds, source_seeds)

    def aggregates(metric: str) -> Aggregates:
        scores = _scores(scored, name, metric, seeds)
        rng = np.random.default_rng(list(f"across/{name}/{metric}".encode()))
        probability = None
        if shared:
            mine, theirs = (_scores(scored, one, metric, shared) for one in (name, baseline))
            of_shared = _clusters(shared, source_seeds)
            bounds = probability_interval(mine, theirs, of_shared)
            probability = _interval(bounds, len(of_shared or shared), "wilson")
        return _aggregates(scores, clusters, rng, probability)

    share, *ends = profile_interval(_scores(scored, name, "end", seeds), clusters=clusters)
    low, high = (None if np.isnan(end).all() else end.tolist() for end in ends)
    return AcrossMethod(
        seeds=seeds,
        paired=len(shared),
        start=aggregates("start"),
        end=aggregates("end"),
        profile=Profile(share.tolist(), low, high),
        area=aggregates("area"),
        lost=[seed for seed in every if seed not in seeds],
    )


def _aggregates(
    scores: Floats,
    clusters: list[list[int]] | None,
    rng: np.random.Generator,
    probability: Interval | None,
) -> Aggregates:
    """Return the aggregates of `(seeds, targets)`; one stream, drawn from in this order."""
    n = len(clusters or scores)
    kind = "bootstrap" if n >= SURE_SEEDS else "range"
    iqm, average, gap = (
        _interval(seed_interval(statistic, scores, rng=rng, clusters=clusters), n, kind)
        for statistic in (interquartile_mean, mean, optimality_gap)
    )
    return Aggregates(probability, iqm, average, gap)


def _seeds(scored: Mapping[str, Mapping[str, MethodSummary]], name: str) -> list[int]:
    """Return the seeds with a score on every target."""
    found = [methods[name].scores for methods in scored.values()]
    each = [set(scores.end.per_seed) if scores else set() for scores in found]
    return sorted(set.intersection(*each))


def _scores(
    scored: Mapping[str, Mapping[str, MethodSummary]], name: str, metric: str, seeds: list[int]
) -> Floats:
    columns = [getattr(methods[name].scores, metric).per_seed for methods in scored.values()]
    return np.array([[column[seed] for column in columns] for seed in seeds])


def _clusters(seeds: list[int], source_seeds: SourceSeeds) -> list[list[int]] | None:
    """Return the places in `seeds` of those that share a source policy; None where none do."""
    if source_seeds is None:
        return None
    found: dict[int, list[int]] = {}
    for place, seed in enumerate(seeds):
        found.setdefault(source_seeds[seed], []).append(place)
    return list(found.values())


def _interval(bounds: tuple[Floats, Floats, Floats], n: int, kind: str) -> Interval:
    found, low, high = (float(x) for x in bounds)
    if n == 1:
        return Interval(found, None, None, n, "one seed")
    return Interval(found, low, high, n, "constant" if low == high else kind)


def _trials(scores: ArrayLike) -> Floats:
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim < 2 or not values.size or not np.isfinite(values).all():
        raise ValueError(f"expected finite scores (..., seeds, targets), got {values.shape}")
    return values.reshape(*values.shape[:-2], -1)
