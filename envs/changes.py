"""Changes of parameters: one notation for randomizations and for shifts.

A change is written `= v`, `* v` or `+ v`: it sets a parameter, scales its nominal, or adds to it;
`v` is a number or a distribution: `uniform(low, high)`, `loguniform(low, high)`,
`normal(mean, std)`, `truncnormal(mean, std, low, high)`, `choice(a, b, ...)`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np

from ..core.errors import HeadstartError, nearest
from .parameters import Parameter, ParameterSpace


class ChangeError(HeadstartError):
    """A change that cannot be read or cannot be applied to its parameter."""


@dataclass(frozen=True)
class Distribution:
    """The base class of the distributions.

    Raises:
        ChangeError: an argument is not a finite number, or the arguments contradict each other.
    """

    word: ClassVar[str]

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            values = value if isinstance(value, tuple) else (value,)
            for number in values:
                if isinstance(number, bool) or not isinstance(number, (int, float)):
                    raise ChangeError(f"{self.word}: {field.name} must be a number, got {number!r}")
                if not math.isfinite(number):
                    raise ChangeError(f"{self.word}: {field.name} must be finite")
        self._check()

    def _check(self) -> None:
        """Raise ChangeError if the arguments contradict each other."""

    @property
    def support(self) -> tuple[float, float]:
        """The lowest and the highest value that can be drawn."""
        raise NotImplementedError

    def sample(self, rng: np.random.Generator) -> float:
        """Draw one value."""
        raise NotImplementedError

    def __str__(self) -> str:
        return f"{self.word}({', '.join(_number(getattr(self, f.name)) for f in fields(self))})"


@dataclass(frozen=True)
class Uniform(Distribution):
    """Uniform on [low, high]."""

    low: float
    high: float
    word: ClassVar[str] = "uniform"

    def _check(self) -> None:
        _ordered(self.word, self.low, self.high)

    @property
    def support(self) -> tuple[float, float]:
        """The bounds."""
        return self.low, self.high

    def sample(self, rng: np.random.Generator) -> float:
        """Draw one value."""
        return float(rng.uniform(self.low, self.high))


@dataclass(frozen=True)
class LogUniform(Distribution):
    """Uniform in the logarithm on [low, high], 0 < low: for scale factors."""

    low: float
    high: float
    word: ClassVar[str] = "loguniform"

    def _check(self) -> None:
        _ordered(self.word, self.low, self.high)
        if self.low <= 0:
            raise ChangeError(f"loguniform: low must be above 0, got {self.low:g}")

    @property
    def support(self) -> tuple[float, float]:
        """The bounds."""
        return self.low, self.high

    def sample(self, rng: np.random.Generator) -> float:
        """Draw one value."""
        drawn = math.exp(rng.uniform(math.log(self.low), math.log(self.high)))
        # exp(log(x)) may overshoot x by one rounding step.
        return min(max(drawn, self.low), self.high)


@dataclass(frozen=True)
class Normal(Distribution):
    """Gaussian; a draw outside a parameter's hard bounds is drawn again."""

    mean: float
    std: float
    word: ClassVar[str] = "normal"

    def _check(self) -> None:
        if self.std <= 0:
            raise ChangeError(f"{self.word}: std must be above 0, got {self.std:g}")

    @property
    def support(self) -> tuple[float, float]:
        """The whole line."""
        return -math.inf, math.inf

    def sample(self, rng: np.random.Generator) -> float:
        """Draw one value."""
        return float(rng.normal(self.mean, self.std))


@dataclass(frozen=True)
class TruncatedNormal(Distribution):
    """Gaussian restricted to [low, high] by drawing again."""

    mean: float
    std: float
    low: float
    high: float
    word: ClassVar[str] = "truncnormal"

    def _check(self) -> None:
        if self.std <= 0:
            raise ChangeError(f"{self.word}: std must be above 0, got {self.std:g}")
        _ordered(self.word, self.low, self.high)
        if not self.low <= self.mean <= self.high:
            # Keeps the chance of a draw inside from vanishing, so drawing again ends soon.
            raise ChangeError(f"{self.word}: the mean must lie in [{self.low:g}, {self.high:g}]")

    @property
    def support(self) -> tuple[float, float]:
        """The bounds."""
        return self.low, self.high

    def sample(self, rng: np.random.Generator) -> float:
        """Draw one value."""
        while True:
            drawn = float(rng.normal(self.mean, self.std))
            if self.low <= drawn <= self.high:
                return drawn


@dataclass(frozen=True)
class Choice(Distribution):
    """One of the given values, each as likely."""

    values: tuple[float, ...]
    word: ClassVar[str] = "choice"

    def _check(self) -> None:
        if not self.values:
            raise ChangeError("choice: needs at least one value")

    @property
    def support(self) -> tuple[float, float]:
        """The smallest and the largest value."""
        return min(self.values), max(self.values)

    def sample(self, rng: np.random.Generator) -> float:
        """Draw one value."""
        return float(self.values[int(rng.integers(len(self.values)))])


DISTRIBUTIONS = {d.word: d for d in (Uniform, LogUniform, Normal, TruncatedNormal, Choice)}
MAX_REDRAWS = 10_000


@dataclass(frozen=True)
class Change:
    """One change of one parameter.

    Args:
        operation: "=" sets the parameter, "*" scales its nominal, "+" adds to it.
        value: a number, or a distribution that it is drawn from.

    Raises:
        ChangeError: another operation, or a number that is not finite.

    >>> change = Change("*", Uniform(0.5, 1.5))
    >>> str(change), change.random
    ('* uniform(0.5, 1.5)', True)
    >>> payload = Parameter("payload_mass", "kg", 2.0, 0.0, 5.0, "a load at the tool")
    >>> change.range(payload), Change("+", 0.5).resolve(payload)
    ((1.0, 3.0), 2.5)
    """

    operation: str
    value: float | Distribution

    def __post_init__(self) -> None:
        if self.operation not in ("=", "*", "+"):
            raise ChangeError(f"a change starts with '=', '*' or '+', got {self.operation!r}")
        if isinstance(self.value, (int, float)) and not math.isfinite(self.value):
            raise ChangeError(f"a change needs a finite number, got {self.value}")

    @property
    def random(self) -> bool:
        """Whether the value is drawn from a distribution."""
        return isinstance(self.value, Distribution)

    def apply(self, nominal: float, value: float) -> float:
        """Return a parameter's new value, given its nominal and the number of this change."""
        if self.operation == "=":
            return float(value)
        return nominal * value if self.operation == "*" else nominal + value

    def resolve(self, parameter: Parameter, rng: np.random.Generator | None = None) -> float:
        """Return the value that this change gives a parameter.

        Args:
            parameter: what is changed.
            rng: the generator that random changes draw from.

        Raises:
            ChangeError: the change is random and there is no `rng`, or draws hardly ever fall
                inside the parameter's bounds.
        """
        if not isinstance(self.value, Distribution):
            return self.apply(parameter.nominal, self.value)
        if rng is None:
            raise ChangeError(
                f"'{self}' for '{parameter.name}' draws at random, and a shift is fixed: "
                "use a constant, or put it under randomization"
            )
        for _ in range(MAX_REDRAWS):
            value = self.apply(parameter.nominal, self.value.sample(rng))
            if parameter.low <= value <= parameter.high:
                return value
        raise ChangeError(
            f"'{self}' for '{parameter.name}' hardly ever falls inside its bounds "
            f"{parameter.bounds}"
        )

    def range(self, parameter: Parameter) -> tuple[float, float]:
        """Return the lowest and the highest value that this change can give a parameter."""
        ends = self.value.support if isinstance(self.value, Distribution) else (self.value,) * 2
        low, high = sorted(self.apply(parameter.nominal, end) for end in ends)
        if isinstance(self.value, Normal):
            return max(low, parameter.low), min(high, parameter.high)
        return low, high

    def __str__(self) -> str:
        return f"{self.operation} {_number(self.value)}"


_NUMBER = r"[-+]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_CHANGE = re.compile(rf"\s*([=*+])\s*(?:({_NUMBER})|([A-Za-z_]\w*)\s*\(([^()]*)\))\s*")


def parse(text: str) -> Change:
    """Read a change from its text form.

    Args:
        text: "=", "*" or "+", and a number or a distribution.

    Returns:
        The change; `str` of it is a text that gives the same change.

    Raises:
        ChangeError: the text cannot be read; the message names what was expected.

    >>> parse("* loguniform(0.5, 1.5)")
    Change(operation='*', value=LogUniform(low=0.5, high=1.5))
    >>> str(parse("=0.060"))
    '= 0.06'
    """
    if not isinstance(text, str):
        raise ChangeError(
            f"expected a change such as '= {text}', '* {text}' or '+ {text}', got {text!r}"
        )
    match = _CHANGE.fullmatch(text)
    if match is None:
        raise ChangeError(
            f"cannot read '{text}': expected '=', '*' or '+' and a number or a distribution, "
            "as in '* 0.4' or '= uniform(0, 0.08)'"
        )
    operation, number, word, inside = match.groups()
    if number is not None:
        return Change(operation, float(number))
    return Change(operation, _distribution(text, word, inside))


def _distribution(text: str, word: str, inside: str) -> Distribution:
    """Return the distribution `word(inside)`, which stands in the change `text`."""
    if word not in DISTRIBUTIONS:
        raise ChangeError(f"unknown distribution '{word}'{nearest(word, DISTRIBUTIONS)}")
    arguments = [part.strip() for part in inside.split(",")] if inside.strip() else []
    for argument in arguments:
        if not re.fullmatch(_NUMBER, argument):
            raise ChangeError(f"'{text}': {word} takes numbers, got '{argument}'")
    numbers = tuple(float(argument) for argument in arguments)
    kind: type[Any] = DISTRIBUTIONS[word]
    if kind is Choice:
        return Choice(numbers)
    names = [field.name for field in fields(kind)]
    if len(numbers) != len(names):
        raise ChangeError(f"'{text}': {word} takes ({', '.join(names)})")
    distribution: Distribution = kind(*numbers)
    return distribution


def read_changes(
    changes: Mapping[str, str | Change], space: ParameterSpace, *, random: bool
) -> dict[str, Change]:
    """Read changes and check them against the parameters that they act on.

    Args:
        changes: a change, as text or object, by parameter name.
        space: the world's parameters.
        random: whether distributions are allowed.

    Returns:
        The changes by parameter name.

    Raises:
        ParameterError: an unknown parameter.
        ChangeError: a text that cannot be read, a value or draw that can leave the hard bounds, a
            distribution where `random` is false, or a factor on a nominal of 0.
    """
    read: dict[str, Change] = {}
    for name, text in changes.items():
        parameter = space[name]
        try:
            change = text if isinstance(text, Change) else parse(text)
        except ChangeError as error:
            raise ChangeError(f"{name}: {error}") from None
        if change.random and not random:
            change.resolve(parameter)
        if change.operation == "*" and parameter.nominal == 0:
            raise ChangeError(
                f"{name}: '{change}' scales a nominal of 0 and so does nothing; use '=' or '+'"
            )
        low, high = change.range(parameter)
        if low < parameter.low or high > parameter.high:
            given = f"{low:g} to {high:g}" if change.random else f"{low:g}"
            raise ChangeError(
                f"{name}: '{change}' gives {given}{parameter.measure}, outside the "
                f"bounds [{parameter.low:g}, {parameter.high:g}] (nominal {parameter.nominal:g})"
            )
        read[name] = change
    return read


def shifted(changes: Mapping[str, str | Change], space: ParameterSpace) -> dict[str, float]:
    """Return the values that a shift gives the parameters that it names.

    Raises:
        HeadstartError: as `read_changes`; a shift has no distributions.
    """
    return {
        name: change.resolve(space[name])
        for name, change in read_changes(changes, space, random=False).items()
    }


def _number(value: Any) -> str:
    """Return a number, several, or a distribution as text that reads back exactly."""
    if isinstance(value, Distribution):
        return str(value)
    if isinstance(value, tuple):
        return ", ".join(_number(part) for part in value)
    return repr(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(value)


def _ordered(word: str, low: float, high: float) -> None:
    if low > high:
        raise ChangeError(f"{word}: low {low:g} is above high {high:g}")
