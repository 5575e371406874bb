"""Verdicts in words: what the numbers of one method on one target allow one to say.

A side (above, below) is where the 95 % interval of a gain lies. A claim needs more: at least 5
seeds, and a p value that stays at or below 0.05 after Holm's correction over all methods and all
three gains of the target, as any of them can make the word. Warnings need less: an interval wholly
below 0 is always said, in words and in red, and counts beside a claimed gain as `mixed`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from typing import Any

from .statistics import CONFIDENCE, FEWEST_SEEDS, SURE_SEEDS, Comparison, Interval

GAINS = {"jump_start": "jump-start", "asymptotic": "asymptotic gain", "area": "area gain"}
"""The gains that make the verdict, with their names in sentences."""
LEVEL = 1 - CONFIDENCE
OFTEN = 0.3
"""A share of seeds that fail of which a claim from few seeds reminds."""

HEAD_START = "head start"
MIXED = "mixed"
NEGATIVE = "negative transfer"
PERHAPS_NEGATIVE = "possibly negative"
UNCLEAR = "no clear difference"


@dataclass(frozen=True)
class Verdict:
    """A short word, a sentence, and what they rest on.

    Attributes:
        word: for a table cell.
        sentence: plain language on the gains above scratch and those that are unclear, the time
            to threshold, and what limits the numbers.
        warning: plain language on the gains whose interval lies wholly below 0, with P(T > S);
            empty where there is none. To be read before the sentence, in red.
        claim: whether there are seeds enough for the word to be a claim.
        basis: what the numbers rest on, as `5 seeds`; empty where there are none.
    """

    word: str
    sentence: str
    warning: str = ""
    claim: bool = False
    basis: str = ""


def judge(
    gains: Mapping[str, Comparison], adjusted: Mapping[str, float | None], unit: str = "seed"
) -> Verdict:
    """Return the verdict on a method from its `GAINS` and their p values after Holm.

    `unit` is what intervals are over: "seed", or "source policy" where seeds share them.
    """
    seeds = min(gain.difference.n for gain in gains.values())
    claim = seeds >= FEWEST_SEEDS
    held = {name: (p := adjusted[name]) is not None and p <= LEVEL for name in gains}
    above = [n for n, gain in gains.items() if gain.difference.side == "above" and held[n]]
    below = [n for n, gain in gains.items() if gain.difference.side == "below"]
    sure = claim and any(held[name] for name in below)
    said = _sides(gains, [name for name in gains if claim and not held[name]])
    warning = f"Negative transfer, wholly below scratch: {said['below']}." if below else ""
    if below and not sure:
        warning = f"A sign of n{warning[1:]}"
    leads = {"above": "Above scratch", "unclear": "Unclear"}
    sentence = " ".join(f"{lead}: {said[side]}." for side, lead in leads.items() if said[side])
    basis = counted(seeds, unit)
    if not claim:
        why = f"From {basis} no claim is made; it takes {FEWEST_SEEDS}."
        said_of = f"{sentence} {why}".strip()
        return Verdict(f"no claim ({basis})", said_of, warning, basis=basis)
    if above:
        word = MIXED if below else HEAD_START
    elif below:
        word = NEGATIVE if sure else PERHAPS_NEGATIVE
    else:
        word = UNCLEAR
    return Verdict(word, sentence, warning, claim=True, basis=basis)


def time_sentence(time: Mapping[str, Any]) -> str:
    """Return a sentence on the time to threshold from its entry in a method's summary."""
    median = f", median {_steps(time)}" if time["reached"] else ""
    return f"Reaches {time['threshold']:g} on {time['reached']} of {time['n']} seeds{median}."


def headline(target: str, methods: Mapping[str, Mapping[str, Any]]) -> str:
    """Return what a reader in a hurry should know of one target, from its methods' summaries."""
    rivals = {name: method for name, method in methods.items() if method["gains"]}
    if not rivals:
        return f"On {target} nothing can be compared with scratch."
    best = max(rivals, key=lambda name: _rank(rivals[name]))
    gains, verdict = rivals[best]["gains"], rivals[best]["verdict"]
    time, scratch = rivals[best]["time_to_threshold"], methods["scratch"]["time_to_threshold"]
    last = f" and by {signed_entry(gains['asymptotic'])} at the end" if _by_the_end(gains) else ""
    if last and gains["asymptotic"]["converged"] is False:
        last += " (not converged)"
    numbers = (
        f"its score differs from scratch's by {signed_entry(gains['jump_start'])} at step 0"
        f"{',' if last else ' and'} by {signed_entry(gains['area'])} over the whole budget{last}; "
        f"it reaches {time['threshold']:g} {_speed(time)}, scratch {_speed(scratch)}."
    )
    if _claimed(verdict):
        said = f"On {target}, {best} gives a head start: {numbers}"
    elif gains["area"]["estimate"] > 0:
        said = f"On {target}, {best} is the furthest ahead: {numbers}"
    else:
        said = (
            f"On {target} no method is ahead of scratch over the whole budget; {best} comes "
            f"closest: {numbers}"
        )
    if not verdict["claim"]:
        said += f" From {verdict['basis']} no claim is made."
    elif not _claimed(verdict):
        said += f" The verdict: {verdict['word']}."
    elif (n := gains["area"]["n"]) < SURE_SEEDS:
        said += (
            f" If it failed on {OFTEN:.0%} of seeds, {verdict['basis']} would show none of that in "
            f"{(1 - OFTEN) ** n:.0%} of experiments."
        )
    harmed = [
        f"{name} ({', '.join(GAINS[g] for g in GAINS if method['gains'][g]['side'] == 'below')})"
        for name, method in rivals.items()
        if method["verdict"]["warning"]
    ]
    if harmed:
        said += f" Wholly below scratch: {', '.join(harmed)}."
    return said


def _by_the_end(gains: Mapping[str, Mapping[str, Any]]) -> bool:
    """Return whether the gain at the end, and no other, holds above 0: a claim rests on it then."""
    made = [
        name
        for name in GAINS
        if gains[name]["side"] == "above"
        and (p := gains[name]["p_holm"]) is not None
        and p <= LEVEL
    ]
    return made == ["asymptotic"]


def _rank(method: Mapping[str, Any]) -> tuple[bool, float]:
    """Return what the method of a headline is chosen by: a claimed head start, then the area."""
    return _claimed(method["verdict"]), float(method["gains"]["area"]["estimate"])


def _claimed(verdict: Mapping[str, Any]) -> bool:
    """Say whether a method's verdict is a head start, and nothing less."""
    return bool(verdict["claim"]) and verdict["word"] == HEAD_START


def signed(interval: Interval) -> str:
    """Return `+0.45 [+0.30, +0.60]`."""
    return signed_entry({"estimate": interval.estimate, "low": interval.low, "high": interval.high})


def signed_entry(entry: Mapping[str, Any]) -> str:
    """Return `+0.45 [+0.30, +0.60]` of a summary's entry."""
    said = ends(entry, "+.2f")
    return f"{entry['estimate']:+.2f} {said if said[0] in '[(' else f'[{said}]'}"


def ends(entry: Mapping[str, Any], write: str | Callable[[float], str]) -> str:
    """Return `[0.30, 0.60]`, of the range of seeds `(0.30 to 0.60)`, or why there is neither.

    `write` makes text of a number, or is the specification of its format.
    """
    low, high = entry["low"], entry["high"]
    if low is None or high is None:
        return "no interval"
    if low == high:
        return "all equal"
    low, high = (write(end) if callable(write) else format(end, write) for end in (low, high))
    return f"({low} to {high})" if entry.get("kind") == "range" else f"[{low}, {high}]"


def _sides(gains: Mapping[str, Comparison], unsure: Container[str]) -> dict[str, str]:
    """Return the gains above, below and on neither side of 0, each side as an enumeration."""
    said: dict[str, list[str]] = {"below": [], "above": [], "unclear": []}
    for name, gain in gains.items():
        side = gain.difference.side
        text = f"{GAINS[name]} {signed(gain.difference)}"
        if side == "below":
            text += f" with P(T > S) = {gain.probability:.2f}"
        if side != "unclear" and name in unsure:
            text += " (not after Holm's correction)"
        said[side].append(text)
    return {side: ", ".join(texts) for side, texts in said.items()}


def few_seeds(n: int, unit: str) -> str:
    """Return the end of a sentence that makes no claim, from too few seeds or source policies."""
    return "" if n >= FEWEST_SEEDS else f"; from {counted(n, unit)} no claim is made"


def counted(count: int, unit: str) -> str:
    """Return a number with its unit, `1 seed`, `3 source policies`."""
    plural = f"{unit[:-1]}ies" if unit.endswith("y") else f"{unit}s"
    return f"{count} {unit if count == 1 else plural}"


def _speed(time: Mapping[str, Any]) -> str:
    """Return on how many seeds the threshold is reached and, if half of them do, when."""
    said = f"on {time['reached']} of {time['n']} seeds"
    return said if _never(time) else f"{said} (median {time['median']:,.0f} target steps)"


def _steps(time: Mapping[str, Any]) -> str:
    return "not reached" if _never(time) else f"{time['median']:,.0f} steps"


def _never(time: Mapping[str, Any]) -> bool:
    """Return whether fewer than half of the seeds reach the threshold, so that no median does."""
    return time["median"] is None or math.isnan(time["median"])
