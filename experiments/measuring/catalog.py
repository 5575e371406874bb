"""The metrics: what each is called, where it stands in a summary, and how it is read.

One table that measuring, tables, figures, TensorBoard and sweeps take their metrics from. A new
metric is a field of a record (see `results`) and a line here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .results import AcrossMethod, EqualTotal, Estimate, Gain, Gains, MethodSummary, SweptMethod
from .statistics import Interval


@dataclass(frozen=True)
class Metric:
    """A metric of one method on one target, a value for each seed.

    Attributes:
        key: its name among all metrics.
        section: the part of `MethodSummary` that holds it.
        name: its name in there; None where the part is the metric.
        title: what it is called, in tables and figures.
        unit: `score`, `return` or `steps`.
        better: whether `higher` or `lower` values are better.
        aggregate: what is made of its seeds: a `mean`, or the `median` of Kaplan and Meier.
        difference_of: the score that it is a gain in, for a gain.
        judged: whether it makes the verdict.
        swept: whether a sweep's table has it.
    """

    key: str
    section: str
    name: str | None
    title: str
    unit: str = "score"
    better: str = "higher"
    aggregate: str = "mean"
    difference_of: str | None = None
    judged: bool = False
    swept: bool = False

    def of(self, method: MethodSummary | EqualTotal | None) -> Any:
        """Return the metric of a method: an `Estimate`, a `Gain`, ...; None where it has none."""
        part = getattr(method, self.section, None)
        return part if self.name is None else getattr(part, self.name, None)

    def along(self, method: SweptMethod) -> Sequence[Estimate | Gain | None]:
        """Return the metric of a method at each point of a sweep."""
        found: Sequence[Estimate | Gain | None] = getattr(method, self.section)[self.name]
        return found

    @property
    def label(self) -> str:
        """Its name in sweep.csv: the section and its name there."""
        return f"{self.section.removesuffix('s')} {self.name}"


END_RETURN = Metric("end_return", "returns", "end", "return at the end", "return", swept=True)
END_SCORE = Metric("end_score", "scores", "end", "score at the end", swept=True)
JUMP_START = Metric(
    "jump_start",
    "gains",
    "jump_start",
    "jump-start",
    difference_of="start",
    judged=True,
    swept=True,
)
EARLY_GAIN = Metric("early_gain", "gains", "early", "early gain", difference_of="early")
END_GAIN = Metric(
    "asymptotic_gain", "gains", "asymptotic", "asymptotic gain", difference_of="end", judged=True
)
AREA_GAIN = Metric(
    "area_gain", "gains", "area", "area gain", difference_of="area", judged=True, swept=True
)
METRICS = (
    Metric("start_return", "returns", "start", "return at step 0", "return", swept=True),
    END_RETURN,
    Metric("start_score", "scores", "start", "score at step 0", swept=True),
    Metric("early_score", "scores", "early", "early score"),
    END_SCORE,
    Metric("area", "scores", "area", "area"),
    Metric(
        "time_to_threshold", "time_to_threshold", None, "time to threshold", "steps", "lower",
        "median",
    ),
    JUMP_START,
    EARLY_GAIN,
    END_GAIN,
    AREA_GAIN,
)  # fmt: skip
"""All metrics, in the order in which they are shown."""
GAINS = tuple(metric for metric in METRICS if metric.section == "gains")
JUDGED = tuple(metric for metric in GAINS if metric.judged)
"""The gains that make the verdict."""


@dataclass(frozen=True)
class Aggregate:
    """A statistic over all targets of a run; see `aggregates` for what each is.

    Attributes:
        score: which score it is over: `start`, `end` or `area`.
        statistic: its name in `results.Aggregates`.
        title: what it is called.
        better: whether `higher` or `lower` values are better.
        drawn: whether the figure over all targets has it.
    """

    score: str
    statistic: str
    title: str
    better: str = "higher"
    drawn: bool = False

    def of(self, method: AcrossMethod) -> Interval | None:
        """Return the aggregate of a method."""
        found: Interval | None = getattr(getattr(method, self.score), self.statistic)
        return found


AGGREGATES = (
    Aggregate("start", "iqm", "IQM, step 0", drawn=True),
    Aggregate("end", "iqm", "IQM, end", drawn=True),
    Aggregate("area", "iqm", "IQM, area"),
    Aggregate("end", "mean", "mean, end"),
    Aggregate("end", "optimality_gap", "optimality gap, end", "lower", drawn=True),
    Aggregate("start", "probability", "P(T > S), step 0"),
    Aggregate("end", "probability", "P(T > S), end"),
    Aggregate("area", "probability", "P(T > S), area", drawn=True),
)
"""The aggregates over targets, in the order in which they are shown."""


def judged(gains: Gains) -> dict[Metric, Gain]:
    """Return the gains that make a verdict, by metric."""
    return {metric: getattr(gains, str(metric.name)) for metric in JUDGED}
