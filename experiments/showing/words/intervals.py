"""Estimates with their intervals, as text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Bounded(Protocol):
    """Anything with an estimate and the ends of its interval."""

    @property
    def estimate(self) -> float: ...  # noqa: D102
    @property
    def low(self) -> float | None: ...  # noqa: D102
    @property
    def high(self) -> float | None: ...  # noqa: D102
    @property
    def kind(self) -> str: ...  # noqa: D102


def interval_text(found: Bounded, write: str | Callable[[float], str]) -> str:
    """Return the ends of an interval, of the range of seeds, or why there is neither.

    Args:
        found: the estimate.
        write: makes text of a number, or is the specification of its format.

    >>> from headstart.experiments.measuring import Interval
    >>> interval_text(Interval(0.45, 0.3, 0.6, 5, "t"), ".2f")
    '[0.30, 0.60]'
    >>> interval_text(Interval(0.45, 0.3, 0.6, 5, "range"), ".2f")
    '(0.30 to 0.60)'
    """
    if found.low is None or found.high is None:
        return "no interval"
    if found.low == found.high:
        return "all equal"
    ends = (found.low, found.high)
    low, high = (write(end) if callable(write) else format(end, write) for end in ends)
    return f"({low} to {high})" if found.kind == "range" else f"[{low}, {high}]"


def signed_text(found: Bounded) -> str:
    """Return a difference with its interval.

    >>> from headstart.experiments.measuring import Interval
    >>> signed_text(Interval(0.45, 0.3, 0.6, 5, "paired t"))
    '+0.45 [+0.30, +0.60]'
    """
    bounds = interval_text(found, "+.2f")
    return f"{found.estimate:+.2f} {bounds if bounds[0] in '[(' else f'[{bounds}]'}"
