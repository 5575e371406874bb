"""Across targets: what a method is worth on all of them together, robustly.

Shapes: `scores` is `(seeds, targets)`, one score per trial. Point estimates are those of rliable.
Intervals are over seeds. What they cover in truth is in `experiments/results/coverage.md`; plain
percentiles of the bootstrap cover 84 % at 5 seeds.

Sources: Agarwal et al. 2021 (rliable), interquartile mean, optimality gap, performance profiles,
probability of improvement; Hesterberg, Am. Stat. 69 (2015) 371, the bootstrap for few samples;
Wilson, JASA 22 (1927) 209, and Korn & Graubard, Surv. Methodol. 24 (1998) 193, shares of clustered
trials.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from .entries import Entry, SourceSeeds, interval_entry
from .statistics import CONFIDENCE, Interval, expanded_tail

Floats = NDArray[np.float64]
Statistic = Callable[..., Floats]

RESAMPLES = 2_000
CUT = 0.25
"""The share of trials that the interquartile mean leaves out at either end."""
LEVELS = np.round(np.arange(-0.5, 1.501, 0.025), 3)
"""The scores at which a performance profile is given."""
FEWEST_TARGETS = 2
PRIOR = 8
"""How many more seeds would say as much of how a seed's trials go together as is believed of it."""
_NONE: Entry = {"end": {"per_seed": {}}}


def interquartile_mean(scores: ArrayLike) -> Floats:
    """Return the mean of the middle half of all trials: `(..., seeds, targets)` to `(...)`."""
    trials = _trials(scores)
    return np.asarray(stats.trim_mean(trials, CUT, axis=-1))


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
    a, b = (np.asarray(x, dtype=np.float64) for x in (transfer, scratch))
    above = a[..., :, None, :] - b[..., None, :, :]
    return np.asarray((0.5 * (np.sign(above) + 1.0)).mean(axis=(-3, -2, -1)))


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

    Wilson's interval of a share. Trials of a seed go together: they count as the number of
    independent ones whose share would vary as much as the seeds' do, as the number of seeds where
    all or no trials are above the level. From few seeds that number is uncertain, and is drawn
    (geometrically, by `PRIOR`) towards the middle between the numbers of seeds and of trials. A
    bootstrap has no width where all are above: where 99 % are, it covers 16 % with 5 seeds. NaN
    from a single seed.

    `clusters` are the rows of seeds that share a source policy, which then count as the seeds do.
    """
    values, at = np.asarray(scores, dtype=np.float64), np.asarray(levels)
    share = performance_profile(values, at)
    rows = (values[..., None] > at).mean(axis=1)
    if clusters is not None:
        rows = np.array([rows[list(some)].mean(axis=0) for some in clusters])
    n = len(rows)
    if n == 1:
        return share, np.full_like(share, np.nan), np.full_like(share, np.nan)
    spread = rows.var(axis=0, ddof=1) / n
    independent = np.full_like(share, n)
    inside = (share > 0) & (share < 1)
    alone = share * (1 - share)
    np.divide(alone, spread, out=independent, where=inside & (spread > 0))
    independent[inside & (spread == 0)] = values.size
    independent = np.minimum(independent, values.size)
    seen, believed = (n - 1) / (n - 1 + PRIOR), np.sqrt(n * values.size)
    independent = independent**seen * believed ** (1 - seen)
    z = stats.norm.ppf((1 + CONFIDENCE) / 2)
    scale = 1 + z * z / independent
    middle = (share + z * z / (2 * independent)) / scale
    half = z / scale * np.sqrt(alone / independent + (z / (2 * independent)) ** 2)
    # Where all or none are above, rounding would leave the share itself outside.
    return share, np.minimum(middle - half, share), np.maximum(middle + half, share)


def seed_interval(
    statistic: Statistic,
    *scores: ArrayLike,
    rng: np.random.Generator,
    clusters: Sequence[Sequence[int]] | None = None,
) -> tuple[Floats, Floats, Floats]:
    """Return the statistic of `scores` with the ends of its 95 % interval, each of its shape.

    Of up to three intervals the outer ends are taken, as each alone is too narrow for some scores
    of which some seeds fail. Seeds are resampled, all targets of one together (and the same in all
    of `scores`, each `(seeds, targets)`), since trials of a seed share its source policy: of these,
    the expanded percentiles, and Student's t times the standard deviation of the resampled
    statistic, times sqrt(n / (n - 1)) as resampling n seeds shrinks it so. For a statistic of one
    method, expanded percentiles of seeds resampled on each target apart, as rliable does: what
    few seeds have by chance in common on all targets says little of others. NaN from a single seed.

    `clusters` are the rows of seeds that share a source policy: these are resampled then, as a
    whole, and n is their number.
    """
    samples = [np.asarray(one, dtype=np.float64) for one in scores]
    seeds, targets = samples[0].shape if samples[0].ndim == 2 else (0, 0)
    if any(one.shape != (seeds, targets) for one in samples) or not seeds:
        raise ValueError(f"expected (seeds, targets), got {[one.shape for one in samples]}")
    found = statistic(*samples)
    n = seeds if clusters is None else len(clusters)
    if n == 1:
        return found, np.full_like(found, np.nan), np.full_like(found, np.nan)
    together = _resampled(statistic, samples, rng.integers(0, n, (RESAMPLES, n, 1)), clusters)
    spread = together.std(axis=0, ddof=1) * np.sqrt(n / (n - 1))
    half = stats.t.ppf((1 + CONFIDENCE) / 2, n - 1) * spread
    low, high = found - half, found + half
    resampled = [together]
    if len(samples) == 1:
        drawn = rng.integers(0, n, (RESAMPLES, n, targets))
        resampled.append(_resampled(statistic, samples, drawn, clusters))
    tail = expanded_tail(n)
    for each in resampled:
        lower, upper = np.quantile(each, [tail, 1 - tail], axis=0)
        low, high = np.minimum(low, lower), np.maximum(high, upper)
    return found, low, high


def _resampled(
    statistic: Statistic,
    samples: Sequence[Floats],
    drawn: NDArray[np.int64],
    clusters: Sequence[Sequence[int]] | None,
) -> Floats:
    """Return the statistic of resamples, whose seeds `drawn` names: `(resamples, n, targets or 1)`.

    With `clusters`, of these. They may differ in size, where trials are lost: resamples do then
    too, and if drawn for each target apart they are given to the statistic as those of one target.
    """
    if clusters is None:
        column = np.arange(samples[0].shape[1])
        return statistic(*(one[drawn, column] for one in samples))
    rows = [np.asarray(some) for some in clusters]
    if drawn.shape[2] == 1:
        chosen = [np.concatenate([rows[k] for k in some]) for some in drawn[..., 0]]
        return np.array([statistic(*(one[some] for one in samples)) for some in chosen])
    (scores,) = samples
    parts = [[scores[some, k] for some in rows] for k in range(scores.shape[1])]
    mixed = [
        np.concatenate([parts[k][i] for k, column in enumerate(one.T) for i in column])
        for one in drawn
    ]
    return np.array([statistic(trials[:, None]) for trials in mixed])


def summarize_across(
    targets: Mapping[str, Mapping[str, Any]],
    baseline: str,
    source_seeds: Mapping[str, SourceSeeds],
) -> Entry | None:
    """Return the aggregates of every method over the scored targets of a summary, or None.

    None with fewer than 2 such targets. A seed counts where it has a score on all of them; `lost`
    names the others. `source_seeds` says, by method, which seeds share source policies.
    """
    scored = {name: target["methods"] for name, target in targets.items() if target["scored"]}
    if len(scored) < FEWEST_TARGETS:
        return None
    names = list(next(iter(scored.values())))
    based = _seeds(scored, baseline)[0] if baseline in names else []
    methods = {
        name: _method(name, scored, baseline, based, source_seeds.get(name)) for name in names
    }
    return {"targets": list(scored), "levels": LEVELS.tolist(), "methods": methods}


def _method(
    name: str,
    scored: Mapping[str, Mapping[str, Entry]],
    baseline: str,
    based: list[int],
    source_seeds: SourceSeeds,
) -> Entry | None:
    """Return one method's aggregates; None where no seed has a score on every target."""
    seeds, lost = _seeds(scored, name)
    if not seeds:
        return None
    found: Entry = {"seeds": seeds, "lost": lost}
    shared = [seed for seed in based if seed in seeds]
    of_all, of_shared = _clusters(seeds, source_seeds), _clusters(shared, source_seeds)
    for metric in ("start", "end", "area"):
        rng = np.random.default_rng(list(f"across/{name}/{metric}".encode()))
        scores = _scores(scored, name, metric, seeds)
        found[metric] = {
            "iqm": _entry(interquartile_mean, scores, rng=rng, clusters=of_all),
            "mean": _entry(mean, scores, rng=rng, clusters=of_all),
            "optimality_gap": _entry(optimality_gap, scores, rng=rng, clusters=of_all),
            "probability": None,
        }
        if name != baseline and shared:
            pair = (_scores(scored, one, metric, shared) for one in (name, baseline))
            found[metric]["probability"] = _entry(
                probability_of_improvement, *pair, rng=rng, clusters=of_shared
            )
        if metric == "end":
            share, *ends = profile_interval(scores, clusters=of_all)
            low, high = (None if np.isnan(end).all() else end.tolist() for end in ends)
            found["profile"] = {"share": share.tolist(), "low": low, "high": high}
    return found


def _seeds(scored: Mapping[str, Mapping[str, Entry]], name: str) -> tuple[list[int], list[int]]:
    """Return the seeds with a score on every target, and those with one on some only."""
    each = [
        set((methods[name]["scores"] or _NONE)["end"]["per_seed"]) for methods in scored.values()
    ]
    whole = set.intersection(*each)
    return sorted(whole), sorted(set.union(*each) - whole)


def _scores(
    scored: Mapping[str, Mapping[str, Entry]], name: str, metric: str, seeds: list[int]
) -> Floats:
    columns = [methods[name]["scores"][metric]["per_seed"] for methods in scored.values()]
    return np.array([[column[seed] for column in columns] for seed in seeds])


def _clusters(seeds: list[int], source_seeds: SourceSeeds) -> list[list[int]] | None:
    """Return the places in `seeds` of those that share a source policy; None where none do."""
    if source_seeds is None:
        return None
    found: dict[int, list[int]] = {}
    for place, seed in enumerate(seeds):
        found.setdefault(source_seeds[seed], []).append(place)
    return list(found.values())


def _entry(
    statistic: Statistic,
    *scores: Floats,
    rng: np.random.Generator,
    clusters: Sequence[Sequence[int]] | None,
) -> Entry | None:
    bounds = seed_interval(statistic, *scores, rng=rng, clusters=clusters)
    found, low, high = (float(x) for x in bounds)
    n = len(scores[0]) if clusters is None else len(clusters)
    if statistic is probability_of_improvement:
        low, high = max(low, 0.0), min(high, 1.0)
    if n == 1:
        return interval_entry(Interval(found, None, None, n, "one seed"))
    kind = "constant" if low == high else "bootstrap"
    return interval_entry(Interval(found, low, high, n, kind))


def _trials(scores: ArrayLike) -> Floats:
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim < 2 or not values.size or not np.isfinite(values).all():
        raise ValueError(f"expected finite scores (..., seeds, targets), got {values.shape}")
    return values.reshape(*values.shape[:-2], -1)
