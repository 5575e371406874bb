"""Estimates with their intervals, as text."""

from __future__ import annotations

import math
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


def decimals(found: Bounded, most: int = 2) -> int:
    """Return how many decimals of an estimate its interval or range supports.

    As many as show two digits of half its width, at most `most`; `most` where there is none.

    >>> from headstart.experiments.measuring import Interval
    >>> decimals(Interval(0.45, 0.3, 0.6, 5, "t")), decimals(Interval(4.5, -9, 18, 5, "t"))
    (2, 0)
    """
    if found.low is None or found.high is None or not found.high > found.low:
        return most
    half = (found.high - found.low) / 2
    return min(most, max(0, 1 - math.floor(math.log10(half))))


def robot_time(steps: float, period: float | None) -> str:
    """Return what steps are on a robot, in parentheses; nothing where `period` (s) is not known.

    >>> robot_time(4_000, 0.05), robot_time(400, 0.05), robot_time(400_000, 0.05)
    (' (3.3 min of robot time)', ' (20 s of robot time)', ' (5.6 h of robot time)')
    """
    return "" if period is None else f" ({span(steps * period)} of robot time)"


def span(seconds: float) -> str:
    """Return seconds as minutes, where they are many as hours, and where few as seconds.

    >>> span(20), span(200), span(2_000), span(20_000)
    ('20 s', '3.3 min', '33 min', '5.6 h')
    """
    if seconds < 60:
        return f"{seconds:.0f} s"
    value, unit = (seconds / 60, "min") if seconds < 5_940 else (seconds / 3_600, "h")
    return f"{value:.1f} {unit}" if value < 9.95 else f"{value:,.0f} {unit}"


def signed_text(found: Bounded) -> str:
    """Return a difference with its interval, in the digits that the interval supports.

    >>> from headstart.experiments.measuring import Interval
    >>> signed_text(Interval(0.45, 0.3, 0.6, 5, "paired t"))
    '+0.45 [+0.30, +0.60]'
    """
    write = f"+.{decimals(found)}f"
    bounds = interval_text(found, write)
    return f"{found.estimate:{write}} {bounds if bounds[0] in '[(' else f'[{bounds}]'}"
