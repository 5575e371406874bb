"""Verdicts: what the numbers of one method on one target allow one to say, in a word.

A side (above, below) is where the 95 % interval of a gain lies. A claim needs more: at least 5
seeds, and a p value that stays at or below 0.05 after Holm's correction over all methods and all
three gains of the target, as any of them can make the word. Warnings need less: an interval wholly
below 0 always counts, and beside a claimed gain makes `mixed`. `showing.words.verdicts` says it in
sentences.
"""

from __future__ import annotations

from collections.abc import Mapping

from .catalog import END_GAIN, Metric, judged
from .results import Gain, Gains, MethodSummary, Verdict
from .statistics import CONFIDENCE, FEWEST_SEEDS

LEVEL = 1 - CONFIDENCE

HEAD_START = "head start"
MIXED = "mixed"
NEGATIVE = "negative transfer"
PERHAPS_NEGATIVE = "possibly negative"
UNCLEAR = "no clear difference"


def holds_corrected(gain: Gain) -> bool:
    """Return whether a gain is significant after Holm's correction."""
    return gain.p_holm is not None and gain.p_holm <= LEVEL


def holds_above(gain: Gain) -> bool:
    """Return whether a gain lies above 0, also after Holm's correction."""
    return gain.side == "above" and holds_corrected(gain)


def is_claim(gain: Gain) -> bool:
    """Return whether a gain above 0 may be claimed: corrected, and from seeds enough."""
    return holds_above(gain) and gain.n >= FEWEST_SEEDS


def judge(gains: Gains, unit: str = "seed") -> Verdict:
    """Return the verdict on a method from its gains.

    Args:
        gains: with p values after Holm's correction.
        unit: what intervals are over: "seed", or "source policy" where seeds share them.
    """
    found = judged(gains)
    seeds = min(gain.n for gain in found.values())
    basis = counted(seeds, unit)
    if seeds < FEWEST_SEEDS:
        return Verdict(f"no claim ({basis})", basis=basis)
    return Verdict(_word(found), claim=True, basis=basis)


def _word(gains: Mapping[Metric, Gain]) -> str:
    above = [gain for gain in gains.values() if holds_above(gain)]
    below = [gain for gain in gains.values() if gain.side == "below"]
    if above:
        return MIXED if below else HEAD_START
    if below:
        return NEGATIVE if any(map(holds_corrected, below)) else PERHAPS_NEGATIVE
    return UNCLEAR


def is_claimed(verdict: Verdict) -> bool:
    """Return whether a verdict is a head start, and nothing less."""
    return verdict.claim and verdict.word == HEAD_START


def furthest_ahead(methods: Mapping[str, MethodSummary]) -> str | None:
    """Return the method to name first: a claimed head start, then the largest area gain.

    None where no method has gains.
    """
    areas = {name: method.gains.area for name, method in methods.items() if method.gains}

    def rank(name: str) -> tuple[bool, float]:
        return is_claimed(methods[name].verdict), float(areas[name].estimate)

    return max(areas, key=rank) if areas else None


def rests_on_the_end(gains: Gains) -> bool:
    """Return whether the gain at the end, and no other, holds above 0: a claim rests on it then."""
    held = [metric for metric, gain in judged(gains).items() if holds_above(gain)]
    return held == [END_GAIN]


def counted(count: int, unit: str) -> str:
    """Return a number with its unit.

    >>> counted(1, "seed"), counted(3, "source policy")
    ('1 seed', '3 source policies')
    """
    plural = f"{unit[:-1]}ies" if unit.endswith("y") else f"{unit}s"
    return f"{count} {unit if count == 1 else plural}"
