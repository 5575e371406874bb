"""Named physical parameters: what they are, which values they take, and who applies them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

from ..core.errors import HeadstartError, nearest

Apply = TypeVar("Apply", bound=Callable[..., None])


class ParameterError(HeadstartError):
    """An unknown parameter or a value it cannot take."""


@dataclass(frozen=True)
class Parameter:
    """One physical quantity of a world.

    `nominal`, `low` and `high` are in `unit` (SI; "1" for a plain factor); `low` and `high` are
    hard bounds, both allowed, inside which the physics stays valid.
    """

    name: str
    unit: str
    nominal: float
    low: float
    high: float
    about: str

    def __post_init__(self) -> None:
        if not self.low <= self.nominal <= self.high:
            raise ParameterError(
                f"parameter '{self.name}': nominal {self.nominal:g} is outside its bounds "
                f"[{self.low:g}, {self.high:g}]"
            )

    @property
    def bounds(self) -> str:
        """The hard bounds with their unit, as messages say them."""
        return f"[{self.low:g}, {self.high:g}]{self.measure}"

    @property
    def measure(self) -> str:
        """What follows a value in a message: a blank and the unit, or nothing for a factor."""
        return "" if self.unit == "1" else f" {self.unit}"


class ParameterSpace(Mapping[str, Parameter]):
    """The parameters of a world by name, in declared order."""

    def __init__(self, parameters: Iterable[Parameter]) -> None:
        self._parameters: dict[str, Parameter] = {}
        for parameter in parameters:
            if parameter.name in self._parameters:
                raise ParameterError(f"parameter '{parameter.name}' is declared twice")
            self._parameters[parameter.name] = parameter

    def __getitem__(self, name: str) -> Parameter:
        try:
            return self._parameters[name]
        except KeyError:
            raise ParameterError(
                f"unknown parameter '{name}'{nearest(name, self._parameters)}"
            ) from None

    def __contains__(self, name: object) -> bool:
        return name in self._parameters

    def __iter__(self) -> Iterator[str]:
        return iter(self._parameters)

    def __len__(self) -> int:
        return len(self._parameters)

    def nominal(self) -> dict[str, float]:
        """Return every parameter's nominal value."""
        return {name: parameter.nominal for name, parameter in self._parameters.items()}

    def validate(self, values: Mapping[str, float]) -> dict[str, float]:
        """Return `values` as floats.

        Raises:
            ParameterError: for no mapping, an unknown name, something that is no finite number, or
                a value outside the parameter's hard bounds.
        """
        if not isinstance(values, Mapping):
            raise ParameterError(f"expected values by parameter, as {{name: 1.0}}, got {values!r}")
        checked = {}
        for name, value in values.items():
            parameter = self[name]
            try:
                number = float(value)
            except (TypeError, ValueError):
                raise ParameterError(
                    f"parameter '{name}': expected a number in {parameter.bounds}, got {value!r}"
                ) from None
            if not (math.isfinite(number) and parameter.low <= number <= parameter.high):
                raise ParameterError(
                    f"parameter '{name}': {number:g} is outside its bounds {parameter.bounds}"
                )
            checked[name] = number
        return checked


@runtime_checkable
class Parameterized(Protocol):
    """A Gymnasium environment with named parameters (`env.unwrapped` carries these)."""

    @property
    def parameters(self) -> ParameterSpace:
        """The parameters, with units, nominals and hard bounds."""

    def set_parameters(self, values: Mapping[str, float]) -> None:
        """Put `values` in force, every other parameter at its nominal, by the next reset."""


def parameterized(env: Any, why: str) -> Parameterized:
    """Return `env.unwrapped` if it has parameters.

    Raises:
        ParameterError: it has none; `why` says what they were wanted for.
    """
    world = env.unwrapped
    if not isinstance(world, Parameterized):
        name = env.spec.id if getattr(env, "spec", None) else type(world).__name__
        raise ParameterError(
            f"'{name}' has no parameters, so {why} cannot act on it; use kwargs or wrappers, or "
            "give it `parameters` and `set_parameters` (headstart.envs.Parameterized)"
        )
    return world


def applies(*parameters: Parameter) -> Callable[[Apply], Apply]:
    """Declare parameters beside the method that puts them in force.

    The method is called with one keyword argument per parameter, at every reset.
    """

    def declare(method: Apply) -> Apply:
        method.parameters = parameters  # type: ignore[attr-defined]
        return method

    return declare


def appliers(part: object) -> list[tuple[Callable[..., None], tuple[Parameter, ...]]]:
    """Return the methods of `part` that were declared with `applies`, in order of declaration."""
    found: dict[str, tuple[Parameter, ...]] = {}
    for base in reversed(type(part).__mro__):
        for name, member in vars(base).items():
            if hasattr(member, "parameters") and callable(member):
                found[name] = member.parameters
    return [(getattr(part, name), parameters) for name, parameters in found.items()]
