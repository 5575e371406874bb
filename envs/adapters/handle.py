"""A handle on one number of an environment: its parameter, and how it is read and written."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..parameters import Parameter, ParameterError

GUESSED = "bounds guessed"


@dataclass(frozen=True)
class Handle:
    """A number that can be changed.

    `write` takes the value and is called before the environment's own reset; `read` returns what
    the environment has.
    """

    parameter: Parameter
    write: Callable[[float], None]
    read: Callable[[], float]


@dataclass(frozen=True)
class Declared:
    """What a YAML file, or a preset, says of a parameter; what is None is guessed.

    Args:
        path: where the number is.
        low: the lowest value at which the environment is valid.
        high: the highest such value.
        unit: its unit.
        about: what it is.
        derived: "package.module:function", called with the bare environment after a change.
        setter: a method of the environment that takes a mapping of `path` to the value.
        nominal: its nominal value, where it cannot be read.
        whole: whether it is rounded to a whole number; by default if the environment has one.
    """

    path: str
    low: float | None = None
    high: float | None = None
    unit: str | None = None
    about: str | None = None
    derived: str | None = None
    setter: str | None = None
    nominal: float | None = None
    whole: bool | None = None


def make_parameter(name: str, declared: Declared, nominal: float, unit: str = "1") -> Parameter:
    """Return the parameter of a number, its bounds guessed where they are not declared.

    Raises:
        ParameterError: the nominal lies outside the declared bounds.
    """
    low, high = guess_bounds(nominal)
    guessed = declared.low is None or declared.high is None
    about = declared.about or ("" if name == declared.path else declared.path)
    notes = [part for part in (about, GUESSED if guessed else "") if part]
    return Parameter(
        name,
        declared.unit or unit,
        nominal,
        low if declared.low is None else float(declared.low),
        high if declared.high is None else float(declared.high),
        "; ".join(notes),
    )


def guess_bounds(nominal: float) -> tuple[float, float]:
    """Return bounds for a number of which only the nominal is known: a factor of ten either way."""
    if nominal == 0:
        return -1.0, 1.0
    ends = sorted((nominal / 10, nominal * 10))
    return ends[0], ends[1]


def same_number(asked: float, found: float) -> bool:
    """Return whether a number that was read is the one that was written, in single precision."""
    return math.isclose(asked, found, rel_tol=1e-5, abs_tol=1e-7)


def number_of(value: Any, path: str) -> float:
    """Return a value as a float; raises ParameterError where it is no single number."""
    try:
        return float(value)
    except (TypeError, ValueError):
        kind = type(value).__name__
        raise ParameterError(f"'{path}' is no number but a {kind}") from None
