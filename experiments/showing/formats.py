"""Numbers as a reader reads them, in reports and tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

import numpy as np

from ..measuring.metrics import window
from ..measuring.results import Dip, Levels, MethodSummary
from ..measuring.statistics import SURE_SEEDS
from .words.intervals import Bounded, decimals, interval_text

NONE = "–"
UNFINISHED = (
    "* not converged: the method (for a gain, it or scratch) still rises or falls over the last "
    "third of the curve."
)
"""What a star says, in every caption under which there is one."""
ONE_POLICY = "All seeds start from one pretrained source policy: the numbers are of it alone."
PAIRED = "Paired: the seeds that scratch has too; from 2 on, gains are over these alone."


class Counted(Protocol):
    """A method's results: its levels, and which seeds share source policies."""

    @property
    def returns(self) -> Levels | None: ...  # noqa: D102
    @property
    def source_seeds(self) -> Mapping[int, int] | None: ...  # noqa: D102


def star(found: object) -> str:
    """Return the star of a record that says it has not converged; nothing of any other."""
    return "*" * (getattr(found, "converged", None) is False)


def end_title(evaluations: int) -> str:
    """Return what values at the end are of, for the head of a column: `last 3 of 12`.

    Args:
        evaluations: the number of evaluations, with the one at step 0.

    >>> end_title(13), end_title(5)
    ('last 3 of 12', 'last of 4')
    """
    every = evaluations - 1
    if every < 1:
        return "end"
    size = window(every)
    return f"last of {every}" if size == 1 else f"last {size} of {every}"


def number(value: float | None) -> str:
    """Return a number to 4 significant digits."""
    if value is None:
        return NONE
    return f"{value:,.0f}" if abs(value) >= 9_999.5 else f"{value:.4g}"


def brief(value: float, sign: str = "") -> str:
    """Return a number to 3 significant digits, from 1,000 on without decimals."""
    return f"{value:{sign},.0f}" if abs(value) >= 999.5 else f"{value:{sign}.3g}"


def measured(found: Bounded) -> str:
    """Return a return, to 4 digits or to the fewer that its interval or range supports.

    >>> from headstart.experiments.measuring import Interval
    >>> measured(Interval(-182.31, -230.2, -150.4, 5, "range"))
    '-182'
    """
    value, places = found.estimate, decimals(found, 3)
    if found.low is None or found.low == found.high or abs(value) >= 999.5:
        return brief(value)
    whole = len(f"{abs(value):.0f}")
    return f"{value:.{min(places, max(0, 4 - whole))}f}"


def steps(value: float | None) -> str:
    """Return a count of steps."""
    return NONE if value is None else f"{value:,.0f}"


def recovered(dip: Dip | None) -> str:
    """Return how many of the seeds that dip come back, and at which step (median): `2/3, 4,000`."""
    if dip is None:
        return NONE
    found = [dip.recovery[seed] for seed, depth in dip.per_seed.items() if depth > 0]
    back = [step for step in found if step is not None]
    if not found:
        return NONE
    return f"{len(back)}/{len(found)}" + (f", {steps(float(np.median(back)))}" if back else "")


def interval(entry: Bounded | None) -> str:
    """Return `0.45 [0.30, 0.60]` of an estimate, without a sign."""
    if entry is None:
        return NONE
    if entry.low is None or entry.high is None:
        return f"{brief(entry.estimate)} [{entry.kind}]"
    return f"{brief(entry.estimate)} {interval_text(entry, brief)}"


def p_value(p: float | None) -> str:
    """Return a p value to 2 significant digits, tiny ones as a bound."""
    if p is None:
        return NONE
    return f"{p:.2g}" if p >= 1e-4 else "< 0.0001"


def duration(seconds: float | None) -> str:
    """Return seconds as a reader says them."""
    if seconds is None:
        return NONE
    if seconds < 100:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def counts(methods: Iterable[Counted]) -> list[int]:
    """Return over how many seeds, or source policies, the levels of each method are."""
    return [method.returns.end.n for method in methods if method.returns]


def extent(over: Iterable[int]) -> str:
    """Return what is shown about the means of levels, of so many seeds or source policies each."""
    counted = list(over)
    if not any(1 < n < SURE_SEEDS for n in counted):
        return "95 % interval"
    return "95 % interval, or range of few" if max(counted) >= SURE_SEEDS else "range"


def over(shared: bool) -> str:
    """Say what intervals and ranges are over; `shared` is whether seeds share source policies."""
    return f"over seeds{' (over source policies, where seeds share them)' * shared}"


def brackets(shared: bool, levels: Iterable[int] = ()) -> str:
    """Return what brackets say, and parentheses where there are levels, of so many seeds each.

    `shared` is whether seeds share source policies.
    """
    said = f"95 % intervals {over(shared)}"
    if extent(levels) == "95 % interval":
        return said
    return f"{said}; parentheses hold the lowest and the highest of fewer than {SURE_SEEDS}"


def share_sources(methods: Iterable[Counted]) -> bool:
    """Whether seeds share source policies in any of the methods of a summary."""
    return any(method.source_seeds for method in methods)


def unpaired(method: MethodSummary) -> bool:
    """Whether gains of a method leave out seeds of it, which must be said beside their number."""
    return method.paired not in (None, len(method.seeds))
