"""What a run, and a sweep of runs, came to: frozen records from one estimate to the whole summary.

`core.plain.to_json` makes `summary.json` of a `Summary` and `from_json` reads it back. The fields
that are sentences (`headline`, `notes`, `Verdict.sentence`, ...) are empty until
`showing.words` has written them: measuring gives numbers and flags.

`source_seeds` is everywhere the seed of the source policy by that of the trial, where trials share
source policies; None where each has its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...core.plain import alias, rest, unwritten
from .statistics import Interval


@dataclass(frozen=True)
class Estimate:
    """A metric over seeds: its value on each, and their mean with its interval.

    `n` counts what the interval is over (seeds, or the source policies that they share), `kind`
    names how it was made (see `statistics.Interval`).
    """

    per_seed: dict[int, float]
    estimate: float
    low: float | None
    high: float | None
    n: int
    kind: str


@dataclass(frozen=True)
class Dip(Estimate):
    """How far the score falls after the start, and by which step it has recovered (None: never)."""

    recovery: dict[int, float | None]


@dataclass(frozen=True)
class Gain:
    """A difference over scratch on the seeds that both have; `side` is where its interval lies."""

    per_seed: dict[int, float]
    estimate: float
    low: float | None
    high: float | None
    n: int
    kind: str
    side: str
    bca: Interval | None
    p: float | None
    p_holm: float | None
    probability: float


@dataclass(frozen=True)
class EndGain(Gain):
    """The gain at the end; `converged` says whether both curves are flat there (None: unknown)."""

    converged: bool | None


@dataclass(frozen=True)
class Gains:
    """All gains of a method over scratch."""

    jump_start: Gain
    early: Gain
    asymptotic: EndGain
    area: Gain


@dataclass(frozen=True)
class Levels:
    """A quantity at step 0 and at the end."""

    start: Estimate
    end: Estimate


@dataclass(frozen=True)
class Scores(Levels):
    """Scores at step 0 and at the end, early, and the area under their curve."""

    early: Estimate
    area: Estimate


@dataclass(frozen=True)
class InBoth:
    """One quantity as a difference of returns and, where there is a scale, of scores."""

    returns: Estimate
    scores: Estimate | None


@dataclass(frozen=True)
class Survival:
    """The share of seeds that have not reached the threshold (Kaplan-Meier), from each step on."""

    steps: list[float]
    share: list[float]


@dataclass(frozen=True)
class TimeToThreshold:
    """When a score is reached and held; a seed that never does has None and counts as censored.

    `horizon` is the step at which watching ended, `resolution` the widest distance between
    evaluations, in target steps as `median` (None where fewer than half of the seeds arrive).
    """

    threshold: float
    per_seed: dict[int, float | None]
    reached: int
    n: int
    median: float | None
    restricted_mean: Estimate
    survival: Survival
    horizon: float
    resolution: float


@dataclass(frozen=True)
class Times:
    """A time to threshold with the source's steps added, in steps."""

    median: float | None
    restricted_mean: float


@dataclass(frozen=True)
class BreakEven:
    """For how many targets a source policy pays; `at_most` where scratch's own time is censored."""

    targets: float
    at_most: bool


@dataclass(frozen=True)
class TotalTime:
    """Times to threshold with the source's steps in full and shared out over the targets."""

    source_steps: float
    targets: int
    in_full: Times
    amortised: Times
    break_even: BreakEven | None


@dataclass(frozen=True)
class Terms:
    """The reward terms of the last evaluation; `whole` where they add up to the return."""

    parts: dict[str, Estimate]
    whole: bool


@dataclass(frozen=True)
class FailedSeed:
    """A seed without a usable curve, and why."""

    seed: int
    state: str
    error: str | None


@dataclass(frozen=True)
class Verdict:
    """What the numbers of a method on a target allow one to say.

    Attributes:
        word: for a table cell.
        sentence: the gains above scratch and those that are unclear, the time to threshold, and
            what limits the numbers.
        warning: the gains whose interval lies wholly below 0; empty where there are none.
        claim: whether there are seeds enough for the word to be a claim.
        basis: what the numbers rest on, as `5 seeds`; empty where there are none.
    """

    word: str
    sentence: str = ""
    warning: str = ""
    claim: bool = False
    basis: str = ""


@dataclass(frozen=True)
class Decision:
    """What a method decided by itself in training, and at which step."""

    step: int
    decision: str


@dataclass(frozen=True)
class MethodSummary:
    """One method on one target; None stands for what was not, or cannot be, measured.

    `decisions` are what it decided by itself, by seed.
    """

    seeds: list[int]
    source_seeds: Mapping[int, int] | None
    failed: list[FailedSeed]
    seconds: dict[int, float | None]
    returns: Levels | None = None
    success: Levels | None = None
    failure: Levels | None = None
    retention: InBoth | None = None
    scores: Scores | None = None
    learns: bool | None = None
    converged: bool | None = None
    drift: Estimate | None = None
    dip: Dip | None = None
    time_to_threshold: TimeToThreshold | None = None
    total_time: TotalTime | None = None
    gains: Gains | None = None
    paired: int | None = None
    forward_transfer: Interval | None = None
    transfer_ratio: Interval | None = None
    terms: Terms | None = None
    verdict: Verdict = Verdict("")
    decisions: dict[int, list[Decision]] = field(default_factory=dict)


@dataclass(frozen=True)
class Anchor:
    """A return that fixes the scale of scores, and where it comes from.

    `error` is its standard error, known where the run found it itself.
    """

    value: float = alias("return")
    origin: str = ""
    more: Mapping[str, Any] = rest()

    @property
    def error(self) -> float | None:
        """Its standard error; None where it is not known."""
        found: float | None = self.more.get("error")
        return found


@dataclass(frozen=True)
class Anchors:
    """The returns at which the score of a target is 0 (`random`) and 1 (`reference`)."""

    random: Anchor | None
    reference: Anchor | None

    @property
    def scale(self) -> tuple[float, float]:
        """The returns at scores 0 and 1, of a target that has both."""
        assert self.random is not None
        assert self.reference is not None
        return float(self.random.value), float(self.reference.value)


@dataclass(frozen=True)
class EqualTotal:
    """Scratch given the source's steps as well, and what the others end above it."""

    as_many: str
    seeds: list[int]
    lost: int
    steps: int
    returns: Levels
    scores: Levels | None
    against: dict[str, Gain]
    sentences: list[str]


@dataclass(frozen=True)
class TargetSummary:
    """One target with all its methods; steps are target steps.

    `noise` is the standard error of the mean return of one evaluation (None: a single episode),
    `period` what a step takes on a robot, in seconds (None: not known).
    """

    world: str | None
    steps: int | None
    evaluations: int
    averaged: str | None
    spacing: int | None
    anchors: Anchors
    scored: bool
    headline: str
    notes: list[str]
    zero_shot_gap: InBoth | None
    methods: dict[str, MethodSummary]
    equal_total: dict[str, EqualTotal]
    noise: float | None = None
    period: float | None = None


@dataclass(frozen=True)
class Aggregates:
    """A score over all targets; `probability` is that of improvement over scratch."""

    probability: Interval | None
    iqm: Interval
    mean: Interval
    optimality_gap: Interval


@dataclass(frozen=True)
class Profile:
    """The share of trials above each level, with its band."""

    share: list[float]
    low: list[float] | None
    high: list[float] | None


@dataclass(frozen=True)
class AcrossMethod:
    """A method over all targets, from the seeds that have a score on each."""

    seeds: list[int]
    paired: int
    start: Aggregates
    end: Aggregates
    profile: Profile
    area: Aggregates
    lost: list[int]


@dataclass(frozen=True)
class Across:
    """All methods over all scored targets; `levels` are those of the profiles."""

    targets: list[str]
    levels: list[float]
    methods: dict[str, AcrossMethod | None]


@dataclass(frozen=True)
class Fact:
    """Something that makes a comparison fair, and whether it holds; `values` is what it rests on.

    JSON has its sentence in place of the values.
    """

    what: str
    holds: bool
    text: str = ""
    values: Mapping[str, Any] = unwritten()


@dataclass(frozen=True)
class SourceAnchors:
    """The scale of scores in the source world."""

    random: float
    reference: float
    origin: str


@dataclass(frozen=True)
class SourceSummary:
    """What the experiment's source is."""

    world: str | None
    steps: int
    bundle: str | None
    anchors: SourceAnchors | None


@dataclass(frozen=True)
class SourcePolicy:
    """One source policy: its returns before and after training, and what that took."""

    source: str
    seed: int
    state: str
    start_return: float | None
    end_return: float | None
    seconds: float | None
    reused: bool


@dataclass(frozen=True)
class FailedUnit:
    """A source or trial without a usable curve."""

    unit: str
    target: str
    method: str
    seed: int
    state: str
    error: str | None
    traceback: str | None


@dataclass(frozen=True)
class Summary:
    """Every metric of a run with its interval: what `summary.json` holds."""

    name: str
    baseline: str | None
    methods: list[str]
    seeds: list[int]
    threshold: float
    headlines: list[str]
    notes: list[str]
    caution: str
    fairness: list[Fact]
    source: SourceSummary
    sources: list[SourcePolicy]
    targets: dict[str, TargetSummary]
    across: Across | None
    failures: list[FailedUnit]


@dataclass(frozen=True)
class SignChange:
    """A place along a sweep where a gain changes its sign, with its interval."""

    estimate: float
    low: float | None
    high: float | None
    n: int
    kind: str
    negative: bool


@dataclass(frozen=True)
class Contribution:
    """The return with all parameters randomized minus that without one of them."""

    estimate: float
    low: float | None
    high: float | None
    n: int
    kind: str
    per_seed: dict[int, float]
    side: str
    p_holm: float | None


@dataclass(frozen=True)
class SweptEnd(Estimate):
    """A value at the end at one point of a sweep, and whether its curve is flat there."""

    converged: bool | None


@dataclass(frozen=True)
class SweptMethod:
    """A method along a sweep: a list by point for each metric; None where it was not measured."""

    scores: dict[str, list[SweptEnd | Estimate | None]]
    gains: dict[str, list[EndGain | Gain | None]]
    returns: dict[str, list[SweptEnd | Estimate | None]]
    sign_changes: dict[str, list[SignChange] | None] = alias("turns")  # noqa: RUF009
    contributions: dict[str, dict[str, Contribution]] | None = alias("bought")  # noqa: RUF009


@dataclass(frozen=True)
class SweptTarget:
    """A target along a sweep; `scored` where every point has scores."""

    scored: bool
    methods: dict[str, SweptMethod]
    sentences: list[str]


@dataclass(frozen=True)
class SweepSummary:
    """What a sweep shows: `summary.json` of a sweep.

    `at` are the points as increasing numbers, where they are numbers; `kind` is `line`, `grid` or
    `leave_one_out`.
    """

    name: str
    keys: list[str]
    axes: dict[str, list[Any]]
    labels: dict[str, str]
    at: list[float] | None
    kind: str
    points: list[dict[str, Any]]
    baseline: str | None
    targets: dict[str, SweptTarget]
    notes: list[str]
    shared: bool
    caution: str
    headlines: list[str]
