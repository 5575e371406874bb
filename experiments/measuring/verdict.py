"""Verdicts in words: what the numbers of one method on one target allow one to say.

A side (above, below) is where the 95 % interval of a gain lies. A claim needs more: at least 5
seeds, and a p value that stays at or below 0.05 after Holm's correction over all methods and all
three gains of the target, as any of them can make the word. Warnings need less: an interval wholly
below 0 is always said, in words and in red, and counts beside a claimed gain as `mixed`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .statistics import CONFIDENCE, FEWEST_SEEDS, Comparison, Interval

GAINS = {"jump_start": "jump-start", "asymptotic": "asymptotic gain", "area": "area gain"}
"""The gains that make the verdict, with their names in sentences."""
LEVEL = 1 - CONFIDENCE

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
        sentence: plain language; says of each gain whether it is above, below or unclear.
        negative: whether the interval of a gain lies wholly below 0.
        claim: whether there are seeds enough for the word to be a claim.
    """

    word: str
    sentence: str
    negative: bool = False
    claim: bool = False


def judge(gains: Mapping[str, Comparison], adjusted: Mapping[str, float | None]) -> Verdict:
    """Return the verdict on a method from its `GAINS` and their p values after Holm."""
    seeds = min(gain.difference.n for gain in gains.values())
    claim = seeds >= FEWEST_SEEDS
    sides = {name: gain.difference.side for name, gain in gains.items()}
    held = {name: (p := adjusted[name]) is not None and p <= LEVEL for name in gains}
    above = [name for name in gains if sides[name] == "above" and held[name]]
    below = [name for name in gains if sides[name] == "below"]
    sentence = _capital(
        ", ".join(
            f"{GAINS[name]} {signed(gain.difference)} {_side(sides[name], claim, held[name])}"
            for name, gain in gains.items()
        )
        + "."
    )
    if below:
        sentence = f"{_warning(gains, below, claim, held)} {sentence}"
    if seeds < 2:
        return Verdict("no claim (1 seed)", f"{sentence} One seed has no interval.", bool(below))
    if not claim:
        reason = f"No claim is made from {seeds} seeds; it takes {FEWEST_SEEDS}."
        return Verdict(f"no claim ({seeds} seeds)", f"{sentence} {reason}", bool(below))
    if above:
        word = MIXED if below else HEAD_START
    elif below:
        word = NEGATIVE if any(held[name] for name in below) else PERHAPS_NEGATIVE
    else:
        word = UNCLEAR
    return Verdict(word, sentence, bool(below), True)


def time_sentence(time: Mapping[str, Any], baseline: Mapping[str, Any] | None) -> str:
    """Return a sentence on the time to threshold, beside scratch's where that is given."""
    threshold, n = f"{time['threshold']:g}", time["n"]
    if not time["reached"]:
        said = f"Never holds {threshold} (0 of {n} seeds"
    else:
        said = f"Reaches {threshold} on {time['reached']} of {n} seeds (median {_steps(time)}"
    if baseline is not None:
        said += f"; scratch: {baseline['reached']} of {baseline['n']}, median {_steps(baseline)}"
    return said + ")."


def headline(target: str, methods: Mapping[str, Mapping[str, Any]], threshold: float) -> str:
    """Return what a reader in a hurry should know of one target, from its methods' summaries."""
    rivals = {name: method for name, method in methods.items() if method["gains"]}
    if not rivals:
        return f"On {target} nothing can be compared: see the notes."
    best = max(rivals, key=lambda name: float(rivals[name]["gains"]["area"]["estimate"]))
    gains, verdict = rivals[best]["gains"], rivals[best]["verdict"]
    jump, area = signed_entry(gains["jump_start"]), signed_entry(gains["area"])
    time = rivals[best]["time_to_threshold"]
    scratch = methods["scratch"]["time_to_threshold"]
    speed = (
        f"reaches {threshold:g} of the reference after {_steps(time)} steps (median) where scratch "
        f"{_needs(scratch)}"
        if time["median"] is not None
        else f"does not reach {threshold:g} of the reference on half of its seeds"
    )
    numbers = f"starts {jump} against scratch, has an area of {area} against it, and {speed}"
    if not verdict["claim"]:
        seeds = gains["area"]["n"]
        said = (
            f"On {target}, {best} {numbers}. That is the largest area gain here; with "
            f"{seeds} seed{'s' * (seeds != 1)} no claim is made."
        )
    elif verdict["word"] in (HEAD_START, MIXED):
        said = f"On {target}, {best} gives a head start: it {numbers}."
    else:
        said = f"On {target} no method is clearly better than scratch; the closest, {best}, {numbers}."
    harmed = [name for name, method in rivals.items() if method["verdict"]["negative"]]
    if harmed:
        said += f" Below scratch in at least one gain: {', '.join(harmed)}."
    return said


def signed(interval: Interval) -> str:
    """Return `+0.45 [+0.30, +0.60]`."""
    return signed_entry({"estimate": interval.estimate, "low": interval.low, "high": interval.high})


def signed_entry(entry: Mapping[str, Any]) -> str:
    """Return `+0.45 [+0.30, +0.60]` of a summary's entry."""
    if entry["low"] is None or entry["high"] is None:
        return f"{entry['estimate']:+.2f} [no interval]"
    return f"{entry['estimate']:+.2f} [{entry['low']:+.2f}, {entry['high']:+.2f}]"


def _side(side: str, claim: bool, held: bool) -> str:
    if side == "unclear" or not claim or held:
        return side
    return f"{side}, but not after Holm's correction"


def _warning(
    gains: Mapping[str, Comparison], below: Sequence[str], claim: bool, held: Mapping[str, bool]
) -> str:
    where = " and ".join(f"{GAINS[n]}, P(T > S) = {gains[n].probability:.2f}" for n in below)
    wholly = "its interval lies" if len(below) == 1 else "their intervals lie"
    if claim and any(held[name] for name in below):
        return f"Negative transfer: {where}; {wholly} wholly below 0."
    return f"A sign of negative transfer: {where}; {wholly} wholly below 0."


def _needs(time: Mapping[str, Any]) -> str:
    if time["median"] is None:
        return f"reaches it on {time['reached']} of {time['n']} seeds"
    return f"needs {_steps(time)}"


def _steps(time: Mapping[str, Any]) -> str:
    return "none" if time["median"] is None else f"{time['median']:,.0f}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
