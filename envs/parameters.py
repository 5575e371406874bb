"""Named physical parameters: units, bounds, and the methods that apply them."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

from ..core.errors import HeadstartError, nearest

Apply = TypeVar("Apply", bound=Callable[..., None])


class ParameterError(HeadstartError):
    """An unknown parameter or a value it cannot take."""


@dataclass(frozen=True)
class Parameter:
    """One physical quantity of a world.

    Args:
        name: how changes and reports name it.
        unit: its SI unit; "1" for a plain factor.
        nominal: its value where nothing is changed, in `unit`.
        low: the lowest value at which the physics stays valid, in `unit`.
        high: the highest such value.
        about: what it is, in a few words.
        live: whether it may also change during an episode (see `Adjustable`).

    Raises:
        ParameterError: the nominal lies outside the bounds.

    >>> payload = Parameter("payload_mass", "kg", 0.0, 0.0, 5.0, "a load at the tool")
    >>> payload.bounds
    '[0, 5] kg'
    """

    name: str
    unit: str
    nominal: float
    low: float
    high: float
    about: str
    live: bool = False

    def __post_init__(self) -> None:
        if not self.low <= self.nominal <= self.high:
            raise ParameterError(
                f"parameter '{self.name}': nominal {self.nominal:g} is outside its bounds "
                f"[{self.low:g}, {self.high:g}]"
            )

    @property
    def bounds(self) -> str:
        """The hard bounds with their unit, as messages show them."""
        return f"[{self.low:g}, {self.high:g}]{self.measure}"

    @property
    def measure(self) -> str:
        """The text after a value: a blank and the unit, or nothing for a factor."""
        return "" if self.unit == "1" else f" {self.unit}"


class ParameterSpace(Mapping[str, Parameter]):
    """The parameters of a world by name, in declared order.

    Args:
        parameters: what the world declares.

    Raises:
        ParameterError: a name is declared twice; or, from `[name]`, an unknown name.

    >>> space = ParameterSpace([Parameter("mass", "kg", 1.0, 0.5, 2.0, "of the cart")])
    >>> space.nominal()
    {'mass': 1.0}
    >>> space.validate({"mass": 3})
    Traceback (most recent call last):
    headstart.envs.parameters.ParameterError: parameter 'mass': 3 is outside its bounds [0.5, 2] kg
    """

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
        """Check values and return them as floats.

        Args:
            values: a number by parameter name; names may be left out.

        Raises:
            ParameterError: not a mapping, an unknown name, a value that is not a finite number or
                lies outside the parameter's hard bounds.
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
    """A Gymnasium environment with named parameters: members of `env.unwrapped`, or of a wrapper.

    Any environment with these two members, or in a wrapper that has them, can be randomized and
    shifted.

    >>> import gymnasium, headstart
    >>> env = gymnasium.make("headstart/CartPoleSwingUp-v0")
    >>> isinstance(env.unwrapped, Parameterized)
    True
    >>> isinstance(gymnasium.make("Pendulum-v1").unwrapped, Parameterized)
    False
    """

    @property
    def parameters(self) -> ParameterSpace:
        """The parameters, with units, nominals and hard bounds."""

    def set_parameters(self, values: Mapping[str, float]) -> None:
        """Apply `values`, and all other nominals, no later than at the next reset."""


@runtime_checkable
class Adjustable(Protocol):
    """A `Parameterized` environment of which `live` parameters may change during an episode."""

    @property
    def period(self) -> float:
        """The control step in seconds."""

    def adjust_parameters(self, values: Mapping[str, float]) -> None:
        """Apply values of `live` parameters at once, until the next reset."""


def parameterized(env: Any, why: str) -> Parameterized:
    """Return what has the parameters of an environment: it, a wrapper around it, or both.

    Args:
        env: a Gymnasium environment.
        why: what needs the parameters, for the message.

    Raises:
        ParameterError: nothing of it has any.
    """
    found = find_parameterized(env)
    if found is None:
        world = env.unwrapped
        name = env.spec.id if getattr(env, "spec", None) else type(world).__name__
        custom = getattr(world, "parameters", None)
        what = "" if custom is None else f" (its `parameters` are a {type(custom).__name__})"
        raise ParameterError(
            f"'{name}' has no parameters{what}, so {why} cannot act on it; use kwargs or wrappers, "
            "or give it `parameters` and `set_parameters` (headstart.envs.Parameterized)"
        )
    return found


def adjustable(env: Any, why: str) -> Adjustable:
    """Return what has the parameters of an environment, which may change during an episode.

    Args:
        env: a Gymnasium environment.
        why: what changes the parameters, for the message.

    Raises:
        ParameterError: nothing of it has any, or they cannot change in an episode; where a wrapper
            has them, it is named.
    """
    found = parameterized(env, why)
    if isinstance(found, Adjustable):
        return found
    layers: Sequence[Any] = found.layers if isinstance(found, _Layers) else [found]
    layer = next(layer for layer in layers if not isinstance(layer, Adjustable))
    raise ParameterError(
        f"{_called(layer)} cannot change parameters during an episode: it has no "
        "'adjust_parameters' and 'period' (headstart.envs.Adjustable)"
    )


def find_parameterized(env: Any) -> Parameterized | None:
    """Return what has the parameters of an environment; None where nothing does.

    Args:
        env: a Gymnasium environment. Members that are called `parameters` and mean something else
            are left alone.

    Raises:
        ParameterError: the environment and a wrapper, or two wrappers, declare the same name.
    """
    layers = []
    while True:
        # Looked up without __getattr__, by which some wrappers hand on what is inside them.
        declared = inspect.getattr_static(env, "parameters", None) is not None
        if declared and isinstance(env.parameters, ParameterSpace):
            layers.append(env)
        inner = getattr(env, "env", None) if env is not env.unwrapped else None
        if inner is None:
            break
        env = inner
    if len(layers) < 2:
        return layers[0] if layers else None
    every = all(isinstance(layer, Adjustable) for layer in layers)
    return _AdjustableLayers(layers) if every else _Layers(layers)


def _called(layer: Any) -> str:
    """Return what messages call a layer of an environment."""
    kind = type(layer)
    is_world = layer is layer.unwrapped
    return "the world" if is_world else f"wrapper '{kind.__module__}:{kind.__qualname__}'"


class _Layers:
    """Several layers of one environment that have parameters, the outermost first, as one."""

    def __init__(self, layers: Sequence[Any]) -> None:
        self.layers = layers
        declared: dict[str, Any] = {}
        for layer in reversed(layers):
            for name in layer.parameters:
                if name in declared:
                    whose = f"{_called(declared[name])} and by {_called(layer)}"
                    raise ParameterError(f"parameter '{name}' is declared twice: by {whose}")
                declared[name] = layer
        self.parameters = ParameterSpace(
            parameter for layer in reversed(layers) for parameter in layer.parameters.values()
        )

    def set_parameters(self, values: Mapping[str, float]) -> None:
        """Give each layer the values of its parameters."""
        for layer, its in self._shares(values):
            layer.set_parameters(its)

    def _shares(self, values: Mapping[str, float]) -> list[tuple[Any, dict[str, float]]]:
        self.parameters.validate(values)
        return [
            (layer, {name: value for name, value in values.items() if name in layer.parameters})
            for layer in self.layers
        ]


class _AdjustableLayers(_Layers):
    """Several layers that are all `Adjustable`."""

    @property
    def period(self) -> float:
        """The control step in seconds."""
        period: float = self.layers[-1].period
        return period

    def adjust_parameters(self, values: Mapping[str, float]) -> None:
        """Give each layer those of its parameters that change."""
        for layer, its in self._shares(values):
            if its:
                layer.adjust_parameters(its)


def applies(*parameters: Parameter) -> Callable[[Apply], Apply]:
    """Declare parameters on the method that applies them.

    The method is called with one keyword argument per parameter, at every reset.

    >>> class Cart:
    ...     @applies(Parameter("mass", "kg", 1.0, 0.5, 2.0, "of the cart"))
    ...     def set_mass(self, mass: float) -> None: ...
    >>> [parameter.name for _, parameters in appliers(Cart()) for parameter in parameters]
    ['mass']
    """

    def declare(method: Apply) -> Apply:
        method.parameters = parameters  # type: ignore[attr-defined]
        return method

    return declare


def appliers(part: object) -> list[tuple[Callable[..., None], tuple[Parameter, ...]]]:
    """Return the methods of `part` declared with `applies`, and their parameters."""
    found: dict[str, tuple[Parameter, ...]] = {}
    for base in reversed(type(part).__mro__):
        for name, member in vars(base).items():
            if hasattr(member, "parameters") and callable(member):
                found[name] = member.parameters
    return [(getattr(part, name), parameters) for name, parameters in found.items()]
