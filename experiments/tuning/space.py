"""What is searched of a method: a range for each setting, and settings drawn from the ranges.

A range is written as a change (`envs.changes`) of the setting's default: `= uniform(0, 1)`,
`* loguniform(0.2, 5)`, `= choice(kept, reset)`, whose words are YAML.
"""

from __future__ import annotations

import copy
import dataclasses
import json
import math
import re
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import Trial
from pydantic import TypeAdapter, ValidationError

from ...agents.algorithms import Algorithm, setting_types
from ...core.errors import HeadstartError, nearest
from ...envs.changes import Choice, Distribution, LogUniform, Uniform
from ...envs.changes import parse as parse_change
from ...transfer.methods import (
    Method,
    check_method,
    resolve_method,
    settings_in_force,
    tunable,
)
from ...transfer.methods import search as declared_by
from ..config.yaml_text import YAMLError, loads
from ..showing.tables.registries import in_yaml

ALGORITHM = "algorithm"
"""The setting that holds changes of the algorithm's settings."""
DIGITS = 4
"""Numbers are tried as they are written down: with this many significant digits."""

_CHOICE = re.compile(r"\s*=\s*choice\s*\((.*)\)\s*", re.DOTALL)
_RANGE = re.compile(r"\s*([\w.]+)\s*([=*+].*)", re.DOTALL)


@dataclass(frozen=True)
class Range:
    """One setting: a number from `low` to `high` (an integer where `whole`), or a choice.

    `text` is how it was written, `default` what the method has without tuning.
    """

    name: str
    text: str
    default: Any
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    whole: bool = False
    choices: tuple[Any, ...] = ()

    def distribution(self) -> BaseDistribution:
        """Return it for Optuna, where a choice is known by its text."""
        if self.choices:
            return CategoricalDistribution([in_yaml(choice) for choice in self.choices])
        if self.whole:
            return IntDistribution(int(self.low), int(self.high), log=self.log)
        return FloatDistribution(self.low, self.high, log=self.log)

    def suggest(self, trial: Trial) -> Any:
        """Return the value that a trial is to try."""
        if self.choices:
            texts = [in_yaml(choice) for choice in self.choices]
            return self.choices[texts.index(trial.suggest_categorical(self.name, texts))]
        if self.whole:
            return trial.suggest_int(self.name, int(self.low), int(self.high), log=self.log)
        drawn = trial.suggest_float(self.name, self.low, self.high, log=self.log)
        return min(max(float(f"{drawn:.{DIGITS}g}"), self.low), self.high)

    def parameter(self) -> Any:
        """Return the default as Optuna knows it, or None where it lies outside the range."""
        if self.choices:
            return in_yaml(self.default) if self.default in self.choices else None
        number = isinstance(self.default, (int, float)) and not isinstance(self.default, bool)
        return self.default if number and self.low <= self.default <= self.high else None

    def ends(self) -> tuple[Any, ...]:
        """Return the values between which, or among which, all others lie."""
        if self.choices:
            return self.choices
        return (int(self.low), int(self.high)) if self.whole else (self.low, self.high)


@dataclass(frozen=True)
class Space:
    """The ranges of a method's settings; `base` holds those that are stated and stay."""

    base: Mapping[str, Any]
    ranges: tuple[Range, ...]

    @property
    def texts(self) -> dict[str, str]:
        """The ranges as written."""
        return {found.name: found.text for found in self.ranges}

    def suggest(self, trial: Trial) -> dict[str, Any]:
        """Return what a trial is to try, by setting."""
        return {found.name: found.suggest(trial) for found in self.ranges}

    def defaults(self) -> dict[str, Any]:
        """Return what the method has without tuning, by setting."""
        return {found.name: found.default for found in self.ranges}

    def settings(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the method's settings with these values among them."""
        settings = copy.deepcopy(dict(self.base))
        for name, value in values.items():
            *folders, last = name.split(".")
            here = settings
            for folder in folders:
                here = here.setdefault(folder, {})
            here[last] = value
        return settings


def short(name: str) -> str:
    """Return a setting's name as it is shown, where one knows whose it is."""
    return name.removeprefix(f"{ALGORITHM}.")


def read(texts: Sequence[str]) -> dict[str, str]:
    """Read `setting = distribution` texts.

    Raises:
        HeadstartError: a text that is none, or a setting that stands twice.
    """
    found: dict[str, str] = {}
    for text in texts:
        match = _RANGE.fullmatch(text)
        if match is None:
            raise HeadstartError(
                f"--search '{text}': expected a setting and its range, as in "
                "'learning_rate_factor = loguniform(0.05, 1)' or 'critic = choice(kept, reset)'"
            )
        name, change = match.groups()
        if name in found:
            raise HeadstartError(f"--search '{text}': '{name}' stands twice")
        found[name] = change
    return found


def space(
    name: str, base: Mapping[str, Any], algorithm: Algorithm, own: Mapping[str, str]
) -> Space:
    """Return what is searched of the method `name` with the settings `base`.

    That is what the method declares, but for what `base` states; `own` ranges go before both.

    Raises:
        HeadstartError: an unknown method or setting, a range that cannot be read or that leads out
            of what the setting may be, or nothing to search.
    """
    method = resolve_method({name: base})
    check_method(method, algorithm)
    declared = declared_by(method, algorithm)
    stated = Space(base, ())
    texts = {key: text for key, text in declared.items() if not _holds(base, key)} | dict(own)
    if not texts:
        if declared:
            raise HeadstartError(
                f"method {name}: all that is searched of it is stated in the experiment; name a "
                "setting with --search"
            )
        raise HeadstartError(f"method {name} has nothing to search{_how(method)}")
    ranges = []
    for key, text in texts.items():
        try:
            found = _range(method, key, text, algorithm)
            for value in found.ends():
                check_method(resolve_method({name: stated.settings({key: value})}), algorithm)
        except HeadstartError as error:
            raise HeadstartError(f"--search '{key} {text}': {error}") from None
        ranges.append(found)
    return Space(base, tuple(ranges))


def _how(method: Method) -> str:
    """Say what could be done about a method that declares nothing to search."""
    if dataclasses.is_dataclass(method) and not tunable(method):
        return ": it has no settings that are numbers or choices"
    return "; name its settings, as --search 'setting = uniform(0, 1)'"


def _holds(settings: Mapping[str, Any], key: str) -> bool:
    """Whether a setting, by its path, is stated."""
    first, _, rest = key.partition(".")
    if first not in settings:
        return False
    inner = settings[first]
    return not rest or (isinstance(inner, Mapping) and _holds(inner, rest))


def _range(method: Method, name: str, text: str, algorithm: Algorithm) -> Range:
    hint, default = _setting(method, name, algorithm)
    match = _CHOICE.fullmatch(text)
    if match is not None:
        return Range(name, text, default, choices=_choices(match.group(1)))
    change = parse_change(text)
    drawn = change.value
    if isinstance(drawn, Choice):
        raise HeadstartError("a choice states the values themselves: '= choice(...)'")
    if not isinstance(drawn, (Uniform, LogUniform)):
        what = f"'{drawn.word}'" if isinstance(drawn, Distribution) else "a fixed value"
        raise HeadstartError(
            f"a range is uniform(low, high), loguniform(low, high) or choice(a, b), not {what}; "
            "what is to stay fixed is stated in the experiment's 'methods'"
        )
    log = isinstance(drawn, LogUniform)
    if change.operation != "=":
        if isinstance(default, bool) or not isinstance(default, (int, float)):
            raise HeadstartError(f"its default is {in_yaml(default)}, no number to change; use '='")
        if change.operation == "*" and default == 0:
            raise HeadstartError("its default is 0, which nothing scales; use '='")
        if change.operation == "+" and log:
            raise HeadstartError("loguniform goes with '=' or '*'")
    nominal = 0.0 if change.operation == "=" else float(default)
    low, high = sorted(change.apply(nominal, end) for end in drawn.support)
    whole = not _accepts(hint, low + 0.381966 * (high - low))
    if whole:
        low, high = math.ceil(low), math.floor(high)
    if not low < high:
        raise HeadstartError("there is nothing between its ends")
    if log and (low < 1 if whole else low <= 0):
        raise HeadstartError("the lower end of a loguniform must be above 0")
    return Range(name, text, default, low, high, log, whole)


def _choices(text: str) -> tuple[Any, ...]:
    try:
        values = loads(f"[{text}]")
    except (YAMLError, ValueError):
        raise HeadstartError("cannot read the choices: expected YAML, as in choice(a, 1)") from None
    if not values:
        raise HeadstartError("choice needs at least one value")
    if len({in_yaml(value) for value in values}) < len(values):
        raise HeadstartError("a choice stands twice")
    return tuple(values)


def _setting(method: Method, name: str, algorithm: Algorithm) -> tuple[Any, Any]:
    """Return the type of a setting, by its path, and its default as plain data."""
    first, *rest = name.split(".")
    hint: Any = Any
    if dataclasses.is_dataclass(method):
        known = [field.name for field in dataclasses.fields(method)]
        if first not in known:
            close = nearest(first, known)
            raise HeadstartError(f"unknown setting '{first}' of method {method.name}{close}")
        hints = typing.get_type_hints(type(method), include_extras=True)
        hint = Any if rest else hints[first]
    value = settings_in_force(method, algorithm).get(first, getattr(method, first, None))
    if first == ALGORITHM and rest:
        kinds = setting_types(algorithm.cls)
        if rest[0] not in kinds:
            close = nearest(rest[0], kinds)
            raise HeadstartError(f"unknown setting '{rest[0]}' of {algorithm.name}{close}")
        hint = kinds[rest[0]] if len(rest) == 1 else Any
        value = {rest[0]: algorithm.replace(**(value or {})).value(rest[0])}
    for part in rest:
        value = value.get(part) if isinstance(value, Mapping) else None
    return hint, json.loads(json.dumps(value))


def _accepts(hint: Any, value: Any) -> bool:
    try:
        TypeAdapter(hint).validate_python(value)
    except ValidationError:
        return False
    return True
