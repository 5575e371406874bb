"""What a sweep shows, in sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from ...config.sweep import zero_budgets
from ...measuring.catalog import AREA_GAIN
from ...measuring.results import (
    Contribution,
    Gain,
    SignChange,
    Summary,
    SweepSummary,
    SweptMethod,
    SweptTarget,
)
from ...measuring.statistics import FEWEST_SEEDS
from ...measuring.sweep import Points
from ...measuring.verdict import LEVEL
from .intervals import signed_text
from .verdicts import few_seeds

ELSEWHERE = ("complete", "source_steps")
"""Facts of fairness that are no note of a sweep: one has its own, the other holds everywhere."""


def describe_sweep(
    summary: SweepSummary, points: Points, missing: Sequence[str] = ()
) -> SweepSummary:
    """Return a sweep's summary with its sentences and notes.

    Args:
        summary: without words.
        points: the points that were run, with their summaries in words.
        missing: in words, those that have not been run.
    """
    targets = {
        name: replace(
            target,
            sentences=list(_target_sentences(name, summary, target, points, whole=not missing)),
        )
        for name, target in summary.targets.items()
    }
    unrun = f"{len(missing)} of {len(points) + len(missing)} points have not been run: "
    notes = [f"{unrun}{'; '.join(missing)}."] if missing else []
    return replace(
        summary,
        targets=targets,
        notes=notes + _notes(summary, points),
        caution=next((point.caution for _, point in points if point.caution), ""),
        headlines=[line for target in targets.values() for line in target.sentences],
    )


def _target_sentences(
    target: str, summary: SweepSummary, found: SweptTarget, points: Points, *, whole: bool
) -> Iterator[str]:
    for name, method in found.methods.items():
        if summary.at is not None and any(AREA_GAIN.along(method)):
            unit = _unit(target, name, points)
            yield _sign_sentence(target, name, summary.at, method, unit, whole=whole)
        if method.contributions is not None and whole:
            yield from _contribution_sentence(target, name, method.contributions)


def _unit(target: str, method: str, points: Points) -> str:
    """Return what the intervals of a method are over."""
    found = (summary.targets[target].methods.get(method) for _, summary in points)
    first = next(summary for summary in found if summary is not None)
    return "seed" if first.source_seeds is None else "source policy"


def _sign_sentence(
    target: str, name: str, at: Sequence[float], method: SweptMethod, unit: str, *, whole: bool
) -> str:
    """Say where the area gain of a method is negative, and where it is not.

    Unless the sweep is `whole`, nothing is said of all points.
    """
    lead = f"On {target}, the area gain of {name}"
    changes = method.sign_changes["area"]
    if changes:
        return f"{lead} {_changes_text(changes)}{few_seeds(changes[0].n, unit)}."
    gains = method.gains["area"]
    known = [gain for gain in gains if gain is not None]
    each = ", ".join(
        f"{'not known' if gain is None else signed_text(gain)} at {place_text(x)}"
        for x, gain in zip(at, gains, strict=True)
    ) + few_seeds(min(gain.n for gain in known), unit)
    if not whole or len(known) < len(at):
        # Points without it: nothing can be said of what lies between them.
        return f"{lead} is {each}."
    return f"{lead} {_at_every_point(known, each)}."


def _at_every_point(gains: Sequence[Gain], each: str) -> str:
    """Return what holds of a gain at all points; `each` lists it."""
    sure = sum(gain.side != "unclear" for gain in gains)
    estimates = [gain.estimate for gain in gains]
    if not sure:
        return f"is nowhere surely above or below 0: {each}"
    count = "" if sure == len(gains) else f", surely at {sure} of {len(gains)}"
    if min(estimates) > 0:
        return f"is positive at every point{count}: {each}"
    if max(estimates) < 0:
        return f"is negative at every point{count}: {each}"
    # Seeds differ between points, so that nothing lies between them.
    return f"is {each}"


def _changes_text(changes: Sequence[SignChange]) -> str:
    """Return where a gain changes its sign, from the first place to the last."""
    first, *rest = changes
    text = f"{'turns negative at' if first.negative else 'is negative up to'} {_interval(first)}"
    for change in rest:
        sign = "negative" if change.negative else "positive"
        text += f", then turns {sign} at {_interval(change)}"
    if not (first.negative or rest):
        text += " and positive from there on"
    return text


def _interval(change: SignChange) -> str:
    """Return `0.41 [0.36, 0.44]`; an end that the points do not show is open."""
    low, high = ("open" if end is None else place_text(end) for end in (change.low, change.high))
    return f"{place_text(change.estimate)} [{low}, {high}]"


def place_text(value: float) -> str:
    """Return a swept number to 3 digits, from 1,000 on without decimals."""
    return f"{value:,.0f}" if abs(value) >= 999.5 else f"{value:.3g}"


def _contribution_sentence(
    target: str, name: str, contributions: Mapping[str, Mapping[str, Contribution]]
) -> list[str]:
    """Say which parameter's randomization contributed the most return at the end."""
    ends = {parameter: found["end"] for parameter, found in contributions.items() if "end" in found}
    if not ends or all(found.estimate == 0 for found in ends.values()):
        return []
    best = max(ends, key=lambda parameter: ends[parameter].estimate)
    found = ends[best]
    if found.estimate <= 0:
        none = all(one.high is not None and one.high <= 0 for one in ends.values())
        sure = none and min(one.n for one in ends.values()) >= FEWEST_SEEDS
        return [
            f"On {target}, no parameter's randomization{'' if sure else ' surely'} raised the "
            f"return of {name} at the end."
        ]
    certain = found.p_holm is not None and found.p_holm <= LEVEL and found.n >= FEWEST_SEEDS
    interval = "no interval"
    if found.low is not None and found.high is not None:
        interval = f"{place_text(found.low)}, {place_text(found.high)}"
    return [
        f"On {target}, {name} owes most to randomizing {best}: without it its return at the end is "
        f"{place_text(found.estimate)} lower [{interval}]"
        f"{'' if certain else ', which is not certain'}."
    ]


def _notes(sweep: SweepSummary, points: Points) -> list[str]:
    """Return what a reader of a sweep's numbers must know besides them."""
    notes = _averaged(list(sweep.targets), points)
    scored = [target for target, found in sweep.targets.items() if found.scored]
    unscored = [target for target in sweep.targets if target not in scored]
    if unscored:
        notes.append(
            f"Not every point has scores on {', '.join(unscored)}: returns are what is shown, and "
            "each point's report says why."
        )
    notes += _own_scales(sweep, scored, points)
    if any(_all_sign_changes(sweep)):
        notes.append(
            "Where a gain changes sign is read from straight lines between points: its interval "
            "(open: the points show no end) holds the variation of seeds, not how the gain may "
            "bend there, which only closer points show."
        )
    failures = sum(len(summary.failures) for _, summary in points)
    if failures:
        notes.append(
            f"{failures} sources and trials have no usable curve; see the points' reports."
        )
    return notes + _unfair([summary for _, summary in points if _compares(summary)])


def _own_scales(sweep: SweepSummary, scored: Sequence[str], points: Points) -> list[str]:
    """Say where a score of 1 is what was reached at a point itself."""
    references = [
        summary.targets[target].anchors.reference for _, summary in points for target in scored
    ]
    own = [anchor is not None and anchor.origin.startswith("best asympt") for anchor in references]
    if not any(own) or sweep.kind == "leave_one_out":
        return []
    where = "at each point" if all(own) else "at points without anchors of their own"
    if any(zero_budgets(values) for values, _ in points):
        where += " (at a budget of 0, of the run whose start it shows)"
    return [
        f"A score of 1 is, {where}, the best that any method reached there: scores say "
        "who is ahead at a point, not that one point is as hard as another."
    ]


def _all_sign_changes(sweep: SweepSummary) -> Iterator[SignChange]:
    """Yield the places where a gain of any method changes its sign."""
    for target in sweep.targets.values():
        for method in target.methods.values():
            for changes in method.sign_changes.values():
                yield from changes or []


def _compares(summary: Summary) -> bool:
    """Return whether something was compared at a point, so that it may have been unfair there.

    What is reported of the run whose start a budget of 0 shows is reported where that run is.
    """
    finished = any(target.averaged for target in summary.targets.values())
    return finished and bool(summary.fairness)


def _unfair(summaries: Sequence[Summary]) -> list[str]:
    """Return what was not fair in comparing methods, and in how many points' runs."""
    counts = Counter(
        fact.text
        for summary in summaries
        for fact in summary.fairness
        if not fact.holds and fact.what not in ELSEWHERE
    )
    every = len(summaries)
    return [
        text if count == every else f"At {count} of {every} points that were run: {text}"
        for text, count in counts.items()
    ]


def _averaged(targets: Sequence[str], points: Points) -> list[str]:
    """Say which evaluations the end averages; where that differs, at how many points on what."""
    where: dict[str, Counter[str]] = {}
    for _, summary in points:
        for target in targets:
            if text := summary.targets[target].averaged:
                where.setdefault(text, Counter())[target] += 1
    if len(where) < 2:
        return [f"The end is a mean over {text}." for text in where]
    each = []
    for text, counts in where.items():
        at = ", ".join(f"{target}: {n} of {len(points)} points" for target, n in counts.items())
        each.append(f"{text} ({at})")
    return [f"The end is a mean over {'; over '.join(each)}."]
