"""What is randomized: changes with their distributions, and the unit cube that they span."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...envs.changes import Change, names_of, read_changes
from ...envs.distributions import ChangeError, Distribution, LogUniform
from ...envs.parameters import ParameterSpace


@dataclass(frozen=True)
class Axis:
    """One randomized parameter, scaled so that its range is [0, 1].

    `low` and `high` are in the parameter's unit; `log` says that the scale is logarithmic;
    `nominal` is where the nominal lies on it, the nearer end where it lies outside.
    """

    name: str
    low: float
    high: float
    log: bool
    nominal: float

    def value(self, unit: float) -> float:
        """Return the parameter's value at a place in [0, 1]."""
        if self.log:
            value = math.exp(math.log(self.low) + unit * math.log(self.high / self.low))
        else:
            value = self.low + unit * (self.high - self.low)
        return min(max(value, self.low), self.high)

    def unit(self, value: float) -> float:
        """Return the place in [0, 1] of a parameter's value; the nearer end for one outside."""
        value = min(max(value, self.low), self.high)
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)


class Ranges:
    """The randomized parameters of a world.

    Args:
        changes: a change, as text or object, by the names of parameters.
        space: the world's parameters.

    Raises:
        ParameterError: an unknown parameter.
        ChangeError: as `read_changes`.

    >>> from headstart.envs import Parameter
    >>> space = ParameterSpace([Parameter("mass", "kg", 2.0, 0.1, 9.0, "of the cart")])
    >>> ranges = Ranges({"mass": "* uniform(0.5, 2)"}, space)
    >>> ranges.axes[0].value(0.5), round(ranges.axes[0].nominal, 3)
    (2.5, 0.333)
    """

    def __init__(self, changes: Mapping[str, str | Change], space: ParameterSpace) -> None:
        self.space = space
        self.changes = read_changes(changes, space, random=True)
        self._parts = [
            (names, tuple(space[name] for name in names), change)
            for names, change in ((names_of(k), c) for k, c in self.changes.items())
        ]

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters that are drawn at random."""
        return tuple(name for names, _, change in self._parts if change.random for name in names)

    @property
    def live(self) -> list[tuple[tuple[str, ...], Change]]:
        """The changes that are drawn anew during an episode, with their parameters' names."""
        return [(names, change) for names, _, change in self._parts if change.rate]

    def draw(self, rng: np.random.Generator) -> dict[str, float]:
        """Draw every parameter from its own distribution."""
        drawn: dict[str, float] = {}
        for names, parameters, change in self._parts:
            if len(names) == 1:
                drawn[names[0]] = change.resolve(parameters[0], rng)
            else:
                drawn.update(zip(names, change.resolve_together(parameters, rng), strict=True))
        return drawn

    def redraw(self, names: tuple[str, ...], rng: np.random.Generator) -> dict[str, float]:
        """Draw the parameters of one change."""
        for own, parameters, change in self._parts:
            if own == names:
                return dict(zip(own, change.resolve_together(parameters, rng), strict=True))
        raise KeyError(names)

    @cached_property
    def axes(self) -> tuple[Axis, ...]:
        """The randomized parameters as axes of the unit cube.

        Raises:
            ChangeError: a distribution without two ends, of single values, of several parameters
                together, or that is drawn anew during the episode.
        """
        return tuple(
            _axis(change, names, self.space) for names, _, change in self._parts if change.random
        )

    @cached_property
    def constants(self) -> dict[str, float]:
        """The values of the parameters that are set to a constant."""
        return {
            name: change.resolve(self.space[name])
            for names, _, change in self._parts
            if not change.random
            for name in names
        }

    def values(self, unit: Sequence[float]) -> dict[str, float]:
        """Return the parameters' values at a point of the unit cube, constants among them."""
        drawn = {axis.name: axis.value(u) for axis, u in zip(self.axes, unit, strict=True)}
        return {**self.constants, **drawn}

    def unit(self, values: Mapping[str, float]) -> tuple[float, ...]:
        """Return the point of the unit cube of some values."""
        return tuple(axis.unit(values[axis.name]) for axis in self.axes)


def _axis(change: Change, names: tuple[str, ...], space: ParameterSpace) -> Axis:
    name = ", ".join(names)
    if not isinstance(change.value, Distribution):
        raise ChangeError(f"{name}: '{change}' draws several parameters together")
    if change.rate:
        raise ChangeError(f"{name}: '{change}' is drawn anew during the episode")
    if change.value.discrete:
        raise ChangeError(f"{name}: '{change}' draws single values, and a range is needed")
    if not all(map(math.isfinite, change.value.support)):
        raise ChangeError(
            f"{name}: '{change}' has no ends, and a range is needed; write truncnormal or uniform"
        )
    parameter = space[name]
    low, high = change.range(parameter)
    if low == high:
        raise ChangeError(f"{name}: '{change}' is a single value, and a range is needed")
    log = isinstance(change.value, LogUniform) and change.operation != "+" and low > 0
    axis = Axis(name, low, high, log, 0.0)
    return Axis(name, low, high, log, axis.unit(parameter.nominal))
