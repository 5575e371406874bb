"""Changes of parameters: one notation for randomizations and for shifts.

A change is written `= v`, `* v` or `+ v`: it sets a parameter, scales its nominal, or adds to it;
`v` is a number or a distribution: `uniform(low, high)`, `loguniform(low, high)`,
`normal(mean, std)`, ..., all of which `distributions` has. A distribution may be followed by how
often it is drawn anew during an episode: `every step`, or `at 2/s`, twice a second on average.
A number may be followed by the time from which it holds in each episode: `after 1.5 s`.

Parameters that depend on each other stand in one key, with a distribution of `joint`:
`"mass, friction": "* multinormal(1, 1; 0.1, 0.2; -0.5)"`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np

from ..core.errors import nearest
from .distributions import (
    Beta,
    ChangeError,
    Choice,
    Distribution,
    LogNormal,
    LogUniform,
    Mixture,
    Normal,
    Triangular,
    TruncatedNormal,
    Uniform,
    text_of,
)
from .empirical import Empirical
from .joint import JointDistribution, JointEmpirical, MultivariateNormal
from .parameters import Parameter, ParameterSpace

__all__ = [
    "DISTRIBUTIONS",
    "Change",
    "ChangeError",
    "Choice",
    "Distribution",
    "LogUniform",
    "Normal",
    "TruncatedNormal",
    "Uniform",
    "parse",
    "read_changes",
    "shifted",
]

DISTRIBUTIONS: dict[str, type[Distribution]] = {
    d.word: d
    for d in (
        Uniform, LogUniform, Normal, TruncatedNormal, LogNormal, Beta, Triangular, Choice,
        Empirical, Mixture,
    )
}  # fmt: skip
JOINT_DISTRIBUTIONS = {d.word: d for d in (MultivariateNormal, JointEmpirical)}
EVERY_STEP = math.inf
"""The rate of a change that is drawn anew at every control step."""
MAX_REDRAWS = 10_000


@dataclass(frozen=True)
class Change:
    """One change of one parameter, or of several together.

    Args:
        operation: "=" sets the parameter, "*" scales its nominal, "+" adds to it.
        value: a number, or a distribution that it is drawn from.
        rate: how often it is drawn anew during an episode: 0 only at its start, `EVERY_STEP`, or
            times a second on average.
        after: the time of an episode from which it holds, in seconds; 0 from its start.

    Raises:
        ChangeError: another operation, a number that is not finite, a rate of a constant, or a
            time of what is drawn.

    >>> change = Change("*", Uniform(0.5, 1.5))
    >>> str(change), change.random
    ('* uniform(0.5, 1.5)', True)
    >>> payload = Parameter("payload_mass", "kg", 2.0, 0.0, 5.0, "a load at the tool")
    >>> change.range(payload), Change("+", 0.5).resolve(payload)
    ((1.0, 3.0), 2.5)
    """

    operation: str
    value: float | Distribution | JointDistribution
    rate: float = 0.0
    after: float = 0.0

    def __post_init__(self) -> None:
        if self.operation not in ("=", "*", "+"):
            raise ChangeError(f"a change starts with '=', '*' or '+', got {self.operation!r}")
        if isinstance(self.value, (int, float)) and not math.isfinite(self.value):
            raise ChangeError(f"a change needs a finite number, got {self.value}")
        if not self.rate >= 0:
            raise ChangeError(f"a change is drawn anew 0 times a second or more, got {self.rate}")
        if self.rate and not self.random:
            raise ChangeError(f"'{self}' draws nothing anew: a constant stays as it is")
        if not (self.after >= 0 and math.isfinite(self.after)):
            raise ChangeError(f"a change holds from 0 s of an episode or later, got {self.after}")
        if self.after and self.random:
            raise ChangeError(f"'{self}': only a constant may be set 'after' a time")

    @property
    def random(self) -> bool:
        """Whether the value is drawn from a distribution."""
        return isinstance(self.value, (Distribution, JointDistribution))

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
        if isinstance(self.value, (int, float)):
            return self.apply(parameter.nominal, self.value)
        if rng is not None and isinstance(self.value, Distribution):
            # Most draws are of one parameter and fit at once: no detour by tuples.
            value = self.apply(parameter.nominal, self.value.sample(rng))
            if parameter.low <= value <= parameter.high:
                return value
        return self.resolve_together((parameter,), rng)[0]

    def resolve_together(
        self, parameters: tuple[Parameter, ...], rng: np.random.Generator | None = None
    ) -> tuple[float, ...]:
        """Return the values that this change gives parameters that are drawn together.

        Raises:
            ChangeError: as `resolve`.
        """
        names = tuple(parameter.name for parameter in parameters)
        if isinstance(self.value, (int, float)):
            return tuple(self.apply(p.nominal, self.value) for p in parameters)
        if rng is None:
            raise ChangeError(
                f"'{self}' for '{', '.join(names)}' draws at random, and a shift is fixed: "
                "use a constant, or put it under randomization"
            )
        for _ in range(MAX_REDRAWS):
            if isinstance(self.value, JointDistribution):
                drawn = self.value.sample(names, rng)
            else:
                drawn = (self.value.sample(rng),)
            values = tuple(self.apply(p.nominal, d) for p, d in zip(parameters, drawn, strict=True))
            if all(p.low <= v <= p.high for p, v in zip(parameters, values, strict=True)):
                return values
        bounds = " and ".join(parameter.bounds for parameter in parameters)
        raise ChangeError(
            f"'{self}' for '{', '.join(names)}' hardly ever falls inside its bounds {bounds}"
        )

    def range(self, parameter: Parameter) -> tuple[float, float]:
        """Return the lowest and the highest value that this change can give a parameter."""
        assert not isinstance(self.value, JointDistribution)
        ends = self.value.support if isinstance(self.value, Distribution) else (self.value,) * 2
        low, high = sorted(self.apply(parameter.nominal, end) for end in ends)
        # What has no end is drawn again where it leaves the bounds.
        return (
            low if math.isfinite(low) else parameter.low,
            high if math.isfinite(high) else parameter.high,
        )

    def marginal(self, names: tuple[str, ...], place: int) -> Change:
        """Return the change of one of the parameters that this one draws together."""
        if not isinstance(self.value, JointDistribution):
            return self
        return Change(self.operation, self.value.marginal(names, place), self.rate)

    def __str__(self) -> str:
        value = (
            str(self.value) if isinstance(self.value, JointDistribution) else text_of(self.value)
        )
        often = ""
        if self.rate:
            every = self.rate == EVERY_STEP
            often = " every step" if every else f" at {text_of(self.rate)}/s"
        if self.after:
            often = f" after {text_of(self.after)} s"
        return f"{self.operation} {value}{often}"


_NUMBER = r"[-+]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_CHANGE = re.compile(
    rf"\s*([=*+])\s*(?:({_NUMBER})|([A-Za-z_]\w*)\s*\((.*)\))"
    rf"(?:\s+(?:every\s+(step)|at\s+({_NUMBER})\s*/\s*s|after\s+({_NUMBER})\s*s))?\s*"
)
_CALL = re.compile(r"([A-Za-z_]\w*)\s*\((.*)\)")


def names_of(key: str) -> tuple[str, ...]:
    """Return the parameters that a key of changes names, one or several parted by commas."""
    return tuple(name.strip() for name in key.split(","))


def parse(text: str, *, joint: bool = False) -> Change:
    """Read a change from its text form.

    Args:
        text: "=", "*" or "+", and a number or a distribution; behind it, how often it is drawn
            anew, or the time from which a number holds.
        joint: whether it is of several parameters that are drawn together.

    Returns:
        The change; `str` of it is a text that gives the same change.

    Raises:
        ChangeError: the text cannot be read; the message names what was expected.

    >>> parse("* loguniform(0.5, 1.5)")
    Change(operation='*', value=LogUniform(low=0.5, high=1.5), rate=0.0, after=0.0)
    >>> str(parse("=0.060")), str(parse("+ normal(0, 2) at 0.5/s")), str(parse("* 0.4 after 1.5 s"))
    ('= 0.06', '+ normal(0, 2) at 0.5/s', '* 0.4 after 1.5 s')
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
    operation, number, word, inside, step, often, after = match.groups()
    if number is not None:
        value: float | Distribution | JointDistribution = float(number)
    else:
        value = (_joint if joint else _distribution)(text, word, inside)
    rate = EVERY_STEP if step else float(often or 0)
    return Change(operation, value, rate, float(after or 0))


def _distribution(text: str, word: str, inside: str) -> Distribution:
    """Return the distribution `word(inside)`, which stands in the change `text`."""
    if word not in DISTRIBUTIONS:
        hint = nearest(word, DISTRIBUTIONS)
        if word in JOINT_DISTRIBUTIONS:
            hint = '; it needs several parameters in one key, as in "mass, friction"'
        raise ChangeError(f"unknown distribution '{word}'{hint}")
    kind = DISTRIBUTIONS[word]
    if kind is Mixture:
        return _mixture(text, inside)
    if kind is Empirical:
        return Empirical(*_split(inside, ","))
    groups = [_numbers(text, word, part) for part in _split(inside, ";")] or [()]
    if kind is Choice:
        if len(groups) > 2:
            raise ChangeError(f"'{text}': choice takes (a, b, ...; weights)")
        return Choice(*groups)
    names = [field.name for field in fields(kind)]
    if len(groups) != 1 or len(groups[0]) != len(names):
        raise ChangeError(f"'{text}': {word} takes ({', '.join(names)})")
    distribution: Distribution = kind(*groups[0])
    return distribution


def _mixture(text: str, inside: str) -> Mixture:
    parts, weights = [], []
    for part in _split(inside, ","):
        weight, times, rest = part.partition("*")
        call = _CALL.fullmatch(rest.strip())
        if not times or call is None or not re.fullmatch(_NUMBER, weight.strip()):
            raise ChangeError(
                f"'{text}': mixture takes (0.2 * uniform(0, 1), 0.8 * ...), got '{part}'"
            )
        parts.append(_distribution(text, *call.groups()))
        weights.append(float(weight))
    return Mixture(tuple(parts), tuple(weights))


def _joint(text: str, word: str, inside: str) -> JointDistribution:
    """Return the distribution of several parameters `word(inside)`."""
    if word not in JOINT_DISTRIBUTIONS:
        known = "a distribution of several parameters: multinormal or empirical"
        raise ChangeError(f"'{text}': expected {known}, got '{word}'")
    if word == JointEmpirical.word:
        return JointEmpirical(inside.strip())
    groups = [_numbers(text, word, part) for part in _split(inside, ";")]
    if not 2 <= len(groups) <= 3:
        raise ChangeError(f"'{text}': {word} takes (means; stds; correlations)")
    return MultivariateNormal(*groups)


def _split(inside: str, separator: str) -> list[str]:
    """Return the parts of a text that a separator outside all brackets parts."""
    parts, depth = [""], 0
    for letter in inside:
        depth += (letter == "(") - (letter == ")")
        if letter == separator and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts] if inside.strip() else []


def _numbers(text: str, word: str, inside: str) -> tuple[float, ...]:
    arguments = _split(inside, ",")
    for argument in arguments:
        if not re.fullmatch(_NUMBER, argument):
            raise ChangeError(f"'{text}': {word} takes numbers, got '{argument}'")
    return tuple(float(argument) for argument in arguments)


def read_changes(
    changes: Mapping[str, str | Change], space: ParameterSpace, *, random: bool
) -> dict[str, Change]:
    """Read changes and check them against the parameters that they act on.

    Args:
        changes: a change, as text or object, by the name of a parameter, or by the names of
            several that are drawn together, parted by commas.
        space: the world's parameters.
        random: whether distributions are allowed.

    Returns:
        The changes by the same keys.

    Raises:
        ParameterError: an unknown parameter.
        ChangeError: a text that cannot be read, a value or draw that can leave the hard bounds, a
            distribution where `random` is false, a time where it is true, a factor on a nominal of
            0, or a change during the episode of a parameter that is fixed in it.
    """
    read: dict[str, Change] = {}
    named: dict[str, str] = {}
    for key, text in changes.items():
        names = names_of(key)
        parameters = tuple(space[name] for name in names)
        for name in names:
            if name in named:
                raise ChangeError(f"{key}: '{name}' is changed already, by '{named[name]}'")
            named[name] = key
        try:
            change = text if isinstance(text, Change) else parse(text, joint=len(names) > 1)
            if isinstance(change.value, JointDistribution):
                change.value.check(names)
        except ChangeError as error:
            raise ChangeError(f"{key}: {error}") from None
        if change.random and not random:
            change.resolve_together(parameters)
        if change.after and random:
            raise ChangeError(
                f"{key}: '{change}' is for shifts; what is randomized changes during an episode by "
                "'every step' or 'at 2/s'"
            )
        for place, parameter in enumerate(parameters):
            _check_change(change.marginal(names, place), parameter, space)
        read[key] = change
    return read


def _check_change(change: Change, parameter: Parameter, space: ParameterSpace) -> None:
    """Raise ChangeError where a change does not go with its parameter."""
    name = parameter.name
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
    if (change.rate or change.after) and not parameter.live:
        able = ", ".join(p.name for p in space.values() if p.live)
        raise ChangeError(
            f"{name}: '{change}' would change it during the episode, for which it is fixed; "
            f"those that may change then: {able or 'none in this world'}"
        )


def separate(changes: Mapping[str, str | Change]) -> dict[str, Change]:
    """Return one change for each parameter, those drawn together as what each is alone.

    Raises:
        ChangeError: a text that cannot be read.

    >>> str(separate({"a, b": "= multinormal(1, 2; 0.1, 0.2; 0.5)"})["b"])
    '= normal(2, 0.2)'
    """
    found = {}
    for key, text in changes.items():
        names = names_of(key)
        change = text if isinstance(text, Change) else parse(text, joint=len(names) > 1)
        found.update({name: change.marginal(names, i) for i, name in enumerate(names)})
    return found


def files_of(changes: Mapping[str, str | Change]) -> list[str]:
    """Return the files that changes draw from, each once, in order."""
    waiting = [change.value for change in separate(changes).values()]
    found: dict[str, None] = {}
    while waiting:
        value = waiting.pop(0)
        if isinstance(value, Mixture):
            waiting += value.parts
        elif isinstance(value, Empirical):
            found[value.file] = None
    return list(found)


def shifted(changes: Mapping[str, str | Change], space: ParameterSpace) -> dict[str, float]:
    """Return the values that a shift gives the parameters that it names, from the episode's start.

    Raises:
        HeadstartError: as `read_changes`; a shift has no distributions.
    """
    return {
        name: change.resolve(space[name])
        for name, change in read_changes(changes, space, random=False).items()
        if not change.after
    }


def shifted_later(
    changes: Mapping[str, str | Change], space: ParameterSpace
) -> dict[float, dict[str, float]]:
    """Return the values that a shift gives parameters during an episode, by time in seconds.

    Raises:
        HeadstartError: as `shifted`.
    """
    found: dict[float, dict[str, float]] = {}
    for name, change in read_changes(changes, space, random=False).items():
        if change.after:
            found.setdefault(change.after, {})[name] = change.resolve(space[name])
    return dict(sorted(found.items()))
