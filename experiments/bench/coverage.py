"""What the intervals over seeds cover in truth: a simulation.

The kinds of interval that a report shows are made from simulated trials, by the report's own
functions, and counted where they hold the true value. Scores are normal, or bimodal: seeds that
learn, around 0.9, and seeds that fail, around 0.2, with a chance of 0.3, on each target more or
less for itself or (shared) nearly always on all at once. The measured table is
checked in as `experiments/results/coverage.md`; `headstart bench coverage` makes it anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress
from scipy import stats

from ..measuring import aggregates, metrics
from ..measuring.statistics import (
    FEWEST_SEEDS,
    MOST_SKEWED,
    SURE_SEEDS,
    Interval,
    bca_interval,
    level_interval,
    mean_interval,
    welch_interval,
)
from ..measuring.sweep import sign_changes

Floats = NDArray[np.float64]
SEEDS = (3, 5, 10, 20, 30)
TARGETS = 4
SHARED = {"normal": 0.5, "bimodal": 0.5, "bimodal, shared": 0.9}
"""The shapes of scores, each with the correlation of what lies behind a seed's trials on different
targets, and a method's and scratch's."""
FAILS = 0.3
LARGE = 200_000
SLOPE, TURN = 0.2, 1.4
"""How a simulated sweep's gain falls from point to point, and where it turns negative."""
STEADY = 0.8
"""What a scratch that never fails scores, on average."""
GOOD = (0.93, 0.98)


def sample(shape: str, seeds: int, rng: np.random.Generator, common: Floats) -> Floats:
    """Return scores `(seeds, targets)`; `common`, `(seeds, 1)`, is what a seed's trials share."""
    own = rng.standard_normal((seeds, TARGETS))
    rank = np.sqrt(SHARED[shape]) * common + np.sqrt(1 - SHARED[shape]) * own
    level = np.linspace(-0.1, 0.1, TARGETS)
    if shape == "normal":
        return np.asarray(0.7 + level + 0.15 * rank)
    fails = stats.norm.cdf(rank) < FAILS
    spread = 0.05 * rng.standard_normal((seeds, TARGETS))
    return np.asarray(np.where(fails, 0.2, 0.9) + level + spread)


def pair(shape: str, seeds: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return scores of a method and of scratch, 0.1 lower, paired by what their seeds share."""
    common = rng.standard_normal((seeds, 1))
    return sample(shape, seeds, rng, common), sample(shape, seeds, rng, common) - 0.1


@dataclass(frozen=True)
class Estimator:
    """An interval that reports show: how it is made, and what it is an interval of."""

    name: str
    make: Callable[[Floats, Floats, np.random.Generator], Interval | None]
    true: Callable[[Floats, Floats], float]
    shared: bool = True
    """Whether the method's seeds are scratch's too."""


def _bootstrapped(statistic: aggregates.Statistic) -> Estimator:
    def make(a: Floats, b: Floats, rng: np.random.Generator) -> Interval | None:
        if len(a) < SURE_SEEDS:
            return None
        found, low, high = (float(x) for x in aggregates.seed_interval(statistic, a, rng=rng))
        return Interval(found, low, high, len(a), "bootstrap")

    name = f"{statistic.__name__.replace('_', ' ')}, {TARGETS} targets"
    return Estimator(name, make, lambda a, b: float(statistic(a)))


def _improvement(gain: float) -> Estimator:
    """Return the interval of P(T > S) where scratch is `gain` lower than it is else."""

    def make(a: Floats, b: Floats, rng: np.random.Generator) -> Interval:
        found, low, high = (float(x) for x in aggregates.probability_interval(a, b - gain))
        return Interval(found, low, high, len(a), "wilson")

    def true(a: Floats, b: Floats) -> float:
        # All pairs of so many trials are too many; ranks among the sorted others are as good.
        others = np.sort(b - gain, axis=0)
        ranks = [np.searchsorted(others[:, k], a[:, k]).mean() for k in range(a.shape[1])]
        return float(np.mean(ranks) / len(b))

    name = f"P(T > S), {TARGETS} targets"
    return Estimator(f"{name}, {gain:g} further apart" if gain else name, make, true)


def _profile(level: float) -> Estimator:
    def make(a: Floats, b: Floats, rng: np.random.Generator) -> Interval:
        found, low, high = (float(x[0]) for x in aggregates.profile_interval(a, [level]))
        return Interval(found, low, high, len(a), "wilson")

    return Estimator(
        f"share above {level:g}, {TARGETS} targets", make, lambda a, b: float((a > level).mean())
    )


def _turning() -> Estimator:
    """Return the interval of where a gain turns negative; one that is open goes on for ever."""

    def make(a: Floats, b: Floats, rng: np.random.Generator) -> Interval | None:
        gains = (a - b).T - 0.1 + SLOPE * (TURN - np.arange(TARGETS))[:, None]
        found = next(
            (one.place for one in sign_changes(np.arange(TARGETS), gains) if one.negative), None
        )
        if found is None:
            return None
        low = -np.inf if found.low is None else found.low
        return replace(found, low=low, high=np.inf if found.high is None else found.high)

    return Estimator(f"where a gain turns negative, {TARGETS} points", make, lambda a, b: TURN)


def _steady(seeds: int, rng: np.random.Generator) -> Floats:
    """Return the scores `(seeds,)` of a scratch that never fails, whatever the method's do."""
    return np.asarray(STEADY + 0.05 * rng.standard_normal(seeds))


def _single(name: str, of_score: Callable[[Floats], Floats]) -> Estimator:
    """Return Student's t interval of what is worked out from the scores on one target."""
    return Estimator(
        f"{name}, t",
        lambda a, b, _: level_interval(of_score(a[:, 0])),
        lambda a, b: float(of_score(a[:, 0]).mean()),
    )


ESTIMATORS = (
    _single("score", lambda score: score),
    # What learns better gets there sooner; what learns badly not before the budget, 1, ends.
    _single("time to threshold, restricted mean", lambda score: np.clip(1.3 - score, 0.0, 1.0)),
    _single("dip", lambda score: np.maximum(0.75 - score, 0.0)),
    Estimator(
        "gain, paired t",
        lambda a, b, _: mean_interval(a[:, 0] - b[:, 0], kind="paired t"),
        lambda a, b: float((a - b)[:, 0].mean()),
    ),
    Estimator(
        "gain over a scratch that never fails, paired t",
        lambda a, b, rng: mean_interval(a[:, 0] - _steady(len(a), rng), kind="paired t"),
        lambda a, b: float(a[:, 0].mean() - STEADY),
    ),
    Estimator(
        "gain, BCa",
        lambda a, b, rng: bca_interval(a[:, 0] - b[:, 0], rng),
        lambda a, b: float((a - b)[:, 0].mean()),
    ),
    Estimator(
        "gain, Welch (seeds not shared)",
        lambda a, b, _: welch_interval(a[:, 0], b[:, 0]),
        lambda a, b: float((a - b)[:, 0].mean()),
        shared=False,
    ),
    Estimator(
        "forward transfer, Fieller",
        lambda a, b, _: metrics.forward_transfer(a[:, 0], b[:, 0]),
        lambda a, b: float((a - b)[:, 0].mean() / (1 - b[:, 0]).mean()),
    ),
    _bootstrapped(aggregates.interquartile_mean),
    _bootstrapped(aggregates.mean),
    _bootstrapped(aggregates.optimality_gap),
    _improvement(0.0),
    _improvement(0.3),
    _profile(0.4),
    _profile(0.6),
    _profile(0.85),
    _turning(),
)


@dataclass(frozen=True)
class Coverage:
    """How often an interval held the truth, of `drawn` samples; `given` had an interval at all."""

    estimator: str
    shape: str
    seeds: int
    held: int
    given: int
    drawn: int

    @property
    def share(self) -> float:
        """The share of the intervals given that held the truth."""
        return self.held / self.given


def coverage_study(repetitions: int, seed: int, progress: Progress) -> Iterator[Coverage]:
    """Yield the coverage of every interval, for every shape and number of seeds."""
    bar = progress.add_task("coverage", total=len(ESTIMATORS) * len(SHARED) * len(SEEDS))
    for shape in SHARED:
        population = pair(shape, LARGE, np.random.default_rng([seed, 0]))
        for estimator in ESTIMATORS:
            true = estimator.true(*population)
            for seeds in SEEDS:
                found = _coverage(estimator, shape, seeds, true, repetitions, seed)
                progress.advance(bar)
                if found.given:
                    yield found


def _coverage(
    estimator: Estimator, shape: str, seeds: int, true: float, repetitions: int, seed: int
) -> Coverage:
    # The same samples for every estimator.
    rng = np.random.default_rng([seed, 1, list(SHARED).index(shape), seeds])
    held = given = 0
    for _ in range(repetitions):
        a, b = pair(shape, seeds, rng)
        if not estimator.shared:
            b = pair(shape, seeds, rng)[1]
        found = estimator.make(a, b, np.random.default_rng(rng.integers(2**32)))
        if found is None or found.low is None or found.high is None:
            continue
        if found.kind in ("constant", "range"):
            continue
        given += 1
        held += found.low <= true <= found.high
    return Coverage(estimator.name, shape, seeds, held, given, repetitions)


def rows(found: list[Coverage]) -> list[tuple[str, ...]]:
    """Return the rows of the table: interval, shape of the scores, a cell per number of seeds."""
    return [row for shape in SHARED for row in _rows(found, shape)]


def columns() -> tuple[str, ...]:
    """Return the table's header."""
    return ("interval", "scores", *(f"{seeds} seeds" for seeds in SEEDS))


def _rows(found: list[Coverage], shape: str) -> Iterator[tuple[str, ...]]:
    cells = {(c.estimator, c.seeds): c for c in found if c.shape == shape}
    for estimator in ESTIMATORS:
        texts = []
        for seeds in SEEDS:
            cell = cells.get((estimator.name, seeds))
            if cell is None:
                texts.append("not given")
                continue
            mark = "" if GOOD[0] <= cell.share <= GOOD[1] or seeds < FEWEST_SEEDS else " *"
            lack = "" if cell.given == cell.drawn else f" ({cell.given / cell.drawn:.0%} given)"
            texts.append(f"{100 * cell.share:.1f} %{mark}{lack}")
        yield (estimator.name, shape, *texts)


def page(found: list[Coverage], command: str, used: Mapping[str, str]) -> str:
    """Return the table as a page in Markdown."""
    head, n = columns(), max(cell.drawn for cell in found)
    table = (head, ("---",) * len(head), *rows(found))
    lines = ["| " + " | ".join(row) + " |" for row in table]
    error = 100 * (0.95 * 0.05 / n) ** 0.5
    made = ", ".join(f"{name} {version}" for name, version in used.items())
    return "\n".join(
        [
            "# What the intervals cover",
            "",
            f"Share of {n:,} simulated experiments whose nominal 95 % interval holds the true "
            f"value; its own standard error is {error:.1f} percentage points where that is 95 %, "
            f"more below and where fewer are given. `*`: from {FEWEST_SEEDS} seeds on, outside "
            f"{GOOD[0]:.0%} to {GOOD[1]:.0%}. Scores are normal, or bimodal as of seeds that fail "
            "(a chance of 30 %, 0.7 lower). Trials of a seed on different targets, and with and "
            "without transfer, go together: what lies behind them has a correlation of 0.5, or "
            "(shared) 0.9. `given`: the rest has no interval, or one that is told to say nothing, "
            "as all seeds are equal.",
            "",
            "Of 5 such seeds on one target none fails in 17 % of experiments, and no interval made "
            f"from those can know that some do. So below {SURE_SEEDS} seeds levels (scores, times, "
            "dips, and their means over targets) have no interval, but the range of seeds: with 5, "
            "Student's t would hold the mean on one target 82 % of the time, a bootstrap over "
            "targets on which seeds fail all at once 87 %. It is the same with gains over a "
            "scratch that never fails; reports of so few seeds say so. BCa is not given where "
            f"gains have a skewness above {MOST_SKEWED}: a few of 30 seeds then make "
            "all its width. Gains over a scratch that fails too are all or nothing, and shares "
            "come in steps: their intervals are a little too careful.",
            "",
            *lines,
            "",
            f"Made by `{command}` with {made}.",
            "",
        ]
    )
