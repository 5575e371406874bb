"""Verdicts in sentences: what the numbers of a method on a target allow one to say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ...measuring.catalog import Metric, judged
from ...measuring.gains import BASELINE
from ...measuring.results import (
    EndGain,
    Gain,
    Gains,
    MethodSummary,
    TargetSummary,
    TimeToThreshold,
    Verdict,
)
from ...measuring.statistics import FEWEST_SEEDS, SURE_SEEDS
from ...measuring.verdict import (
    counted,
    furthest_ahead,
    holds_corrected,
    is_claimed,
    rests_on_the_end,
)
from .intervals import robot_time, signed_text, span

OFTEN = 0.3
"""A share of seeds that fail of which a claim from few seeds reminds."""
SAME = 0.05
"""Differences of scores below this are no difference to a reader of one sentence."""


def describe_method(method: MethodSummary, base: MethodSummary | None) -> MethodSummary:
    """Return a method's summary with its verdict in sentences.

    Args:
        method: the method.
        base: scratch on the same target; None where it is not among the methods.
    """
    verdict = method.verdict
    if method.gains is not None:
        assert base is not None
        return replace(method, verdict=_describe_gains(method, base))
    if verdict.word == "baseline":
        assert method.time_to_threshold is not None
        sentence = f"The baseline. {time_sentence(method.time_to_threshold)}{_lost(method)}"
    elif verdict.word == "no baseline":
        sentence = f"There is no finished trial of '{BASELINE}' to compare with."
    elif verdict.word == "not scored":
        sentence = "The target has no scale to score on; raw returns are shown."
    else:
        errors = sorted({str(failed.error) for failed in method.failed})
        sentence = f"No seed has a usable curve ({'; '.join(errors)})."
    return replace(method, verdict=replace(verdict, sentence=sentence))


def _describe_gains(method: MethodSummary, base: MethodSummary) -> Verdict:
    assert method.gains is not None
    assert method.time_to_threshold is not None
    verdict, gains = method.verdict, judged(method.gains)
    below, above, unclear = _sides(gains, claim=verdict.claim)
    parts = [f"Above scratch: {above}." if above else ""]
    parts += [f"Unclear: {unclear}." if unclear else ""]
    parts += [time_sentence(method.time_to_threshold)]
    parts += ["" if method.learns else "It does not learn in the target."]
    limits = f"{_lost(method)}{_unpaired(method, base)}"
    sentence = " ".join(part for part in parts if part) + limits
    return replace(verdict, sentence=sentence, warning=_warning(gains, below, verdict))


def _warning(gains: Mapping[Metric, Gain], below: str, verdict: Verdict) -> str:
    """Return the gains wholly below 0 as a warning; a sign where they are not sure."""
    if not below:
        return ""
    sure = verdict.claim and any(
        gain.side == "below" and holds_corrected(gain) for gain in gains.values()
    )
    lead = "Negative transfer" if sure else "A sign of negative transfer"
    return f"{lead}, wholly below scratch: {below}."


def _sides(gains: Mapping[Metric, Gain], *, claim: bool) -> tuple[str, str, str]:
    """Return the gains above, below and on neither side of 0, each side as an enumeration."""
    sides: dict[str, list[str]] = {"below": [], "above": [], "unclear": []}
    for metric, gain in gains.items():
        text = f"{metric.title} {signed_text(gain)}"
        if gain.side == "below":
            text += f" with P(T > S) = {gain.probability:.2f}"
        if gain.side != "unclear" and claim and not holds_corrected(gain):
            text += " (not after Holm's correction)"
        sides[gain.side].append(text)
    below, above, unclear = (", ".join(texts) for texts in sides.values())
    return below, above, unclear


def time_sentence(time: TimeToThreshold) -> str:
    """Return a sentence on the time to threshold."""
    median = f", median {_steps(time)}" if time.reached else ""
    return f"Reaches {time.threshold:g} on {time.reached} of {time.n} seeds{median}."


def _steps(time: TimeToThreshold) -> str:
    return "not reached" if time.median is None else f"{time.median:,.0f} steps"


def _lost(method: MethodSummary) -> str:
    """Return a sentence on seeds without a usable curve, which could hide the worst ones."""
    lost = len(method.failed)
    if not lost:
        return ""
    every = lost + len(method.seeds)
    return f" Without a usable curve, and so in none of these numbers: {lost} of {every} seeds."


def _unpaired(method: MethodSummary, base: MethodSummary) -> str:
    """Return a sentence on seeds of a method that its gains leave out, as scratch lost them."""
    paired, mine, theirs = method.paired, len(method.seeds), len(base.seeds)
    assert paired is not None
    if paired == mine:
        return ""
    if paired < 2 <= min(mine, theirs) or not paired:
        return f" Gains are not paired, as {BASELINE} has a usable curve on {paired} of its seeds."
    return (
        f" Gains are over {paired} of its {mine} seeds, as {BASELINE} has no usable curve on the "
        "others."
    )


def headline(target: str, found: TargetSummary) -> str:
    """Return who is ahead on a target and by how much, for a reader who knows no statistics."""
    if not found.scored:
        return _unscored(target, found)
    methods = found.methods
    best = furthest_ahead(methods)
    if best is None:
        return f"On {target} nothing can be compared with learning from scratch."
    lead = _lead(target, best, found)
    return f"{lead}{_limits(methods[best])}{_harmed(methods)}"


def _lead(target: str, best: str, found: TargetSummary) -> str:
    """Return who is ahead on a target, and by how much."""
    method = found.methods[best]
    gains = method.gains
    assert gains is not None
    numbers = _numbers(method, gains, found)
    few = not method.verdict.claim
    if is_claimed(method.verdict) or (few and gains.area.estimate > 0):
        verb = "looks" if few else "is"
        return f"On {target}, {best} {verb} ahead of learning from scratch: {numbers}."
    if len(found.methods) == 2:
        return f"On {target}, {best} is not clearly ahead of learning from scratch: {numbers}."
    return (
        f"On {target}, no method is clearly ahead of learning from scratch; {best} comes closest: "
        f"{numbers}."
    )


def _numbers(method: MethodSummary, gains: Gains, found: TargetSummary) -> str:
    """Return the start, the time to the threshold and, where that says little, the end."""
    parts = [f"it starts {_further(gains.jump_start)}"]
    mine, theirs = method.time_to_threshold, found.methods[BASELINE].time_to_threshold
    assert mine is not None
    assert theirs is not None
    parts += [_race(mine, theirs, found.period)]
    by_end = rests_on_the_end(gains) or (mine.median is None and theirs.median is None)
    if by_end:
        parts += [f"ends {_further(gains.asymptotic)}{_unfinished(gains.asymptotic)}"]
    parts = [part for part in parts if part]
    return f"{', '.join(parts[:-1])} and {parts[-1]}" if len(parts) > 1 else parts[0]


def _further(gain: Gain) -> str:
    """Return a gain as a share of what can be reached."""
    if abs(gain.estimate) < SAME:
        return "where scratch does"
    side = "higher" if gain.estimate > 0 else "lower"
    return f"{abs(gain.estimate):.2f} of the reachable score {side}"


def _race(mine: TimeToThreshold, theirs: TimeToThreshold, period: float | None) -> str:
    """Return when a method holds the threshold and when scratch does, by their medians."""
    if mine.median is None and theirs.median is None:
        return ""
    goal = f"{mine.threshold:g}"
    if mine.median is None:
        there = _after(theirs.median, period)
        return f"does not hold {goal} on half of its seeds, where scratch does {there} (median)"
    held = f"holds {goal} {_after(mine.median, period)}"
    if theirs.median is None:
        return f"{held}, which scratch does not on half of its seeds (median)"
    if theirs.median == mine.median:
        return f"{held}, as scratch does (medians)"
    if not theirs.median:
        return f"{held}, where scratch does from the start (medians)"
    robot = "" if period is None else f"{span(theirs.median * period)}; "
    return f"{held}, where scratch takes {theirs.median:,.0f} ({robot}medians)"


def _after(steps: float | None, period: float | None) -> str:
    if not steps:
        return "from the start"
    return f"after {steps:,.0f} steps{robot_time(steps, period)}"


def _unfinished(gain: EndGain) -> str:
    return " (not converged)" if gain.converged is False else ""


def _limits(best: MethodSummary) -> str:
    """Return what limits the headline on a method."""
    assert best.gains is not None
    verdict, n = best.verdict, best.gains.area.n
    if not verdict.claim:
        return f" With {verdict.basis} this is no claim yet."
    if is_claimed(verdict) and n < SURE_SEEDS:
        return (
            f" If it failed on {OFTEN:.0%} of seeds, {verdict.basis} would show none of that in "
            f"{(1 - OFTEN) ** n:.0%} of experiments."
        )
    return ""


def _harmed(methods: Mapping[str, MethodSummary]) -> str:
    """Return a sentence on the methods with gains wholly below 0."""
    harmed = []
    for name, method in methods.items():
        if method.gains is None or not method.verdict.warning:
            continue
        below = [metric.title for metric, of in judged(method.gains).items() if of.side == "below"]
        harmed.append(f"{name} ({', '.join(below)})")
    return f" Wholly below scratch: {', '.join(harmed)}." if harmed else ""


def _unscored(target: str, found: TargetSummary) -> str:
    """Return why a target has no scores."""
    random, reference = found.anchors.random, found.anchors.reference
    if not (found.evaluations or found.equal_total):
        return f"On {target} no trial has finished."
    if random is None or reference is None:
        return f"{target} has no scores: no return of the random policy is recorded."
    above = "is not above"
    if reference.value > random.value:
        above = "lies by less than the noise of one evaluation"
        above += (
            f" ({found.noise:.3g}, the standard error of its mean) above" if found.noise else ""
        )
    return (
        f"{target} has no scores: the reference return {reference.value:.4g} ({reference.origin}) "
        f"{above} the random policy's {random.value:.4g}, so there is no scale; raw returns "
        "are shown."
    )


def few_seeds(n: int, unit: str) -> str:
    """Return the end of a sentence that makes no claim, from too few seeds or source policies."""
    return "" if n >= FEWEST_SEEDS else f"; from {counted(n, unit)} no claim is made"
