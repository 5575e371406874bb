"""An environment of another package with named parameters, as a wrapper around it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import gymnasium
import numpy as np

from ...core.errors import HeadstartError, nearest, one_line
from ..parameters import Parameter, ParameterError, ParameterSpace, find_parameterized
from .attributes import attribute_handle, setter_handle, suggested_attributes
from .bullet_client import BulletClient, bullet_client
from .handle import Declared, Handle, make_parameter, same_number
from .mujoco_model import MujocoModel, mujoco_model
from .presets import BULLET, MUJOCO, PRESETS
from .signals import Signals

KWARG = "kwargs."
STREAM = 0x0ADA
DEFAULT_PERIOD = 0.05


class OpenSpace(ParameterSpace):
    """Parameters by name, and others by their path in the environment, found when asked for."""

    def __init__(self, parameters: list[Parameter], find: Callable[[str], Parameter]) -> None:
        super().__init__(parameters)
        self._find = find

    def __getitem__(self, name: str) -> Parameter:
        if name not in self._parameters:
            self._parameters[name] = self._find(name)
        return self._parameters[name]


class Adapted(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Gives an environment parameters: of its model, its attributes, its arguments, its signals.

    Values are written before the environment's own reset and read back after it. An info of a reset
    and of an episode's end has the `parameters` in force.

    >>> env = Adapted(gymnasium.make("CartPole-v1"))
    >>> env.parameters["masspole"].bounds
    '[0.01, 2] kg'
    >>> env.set_parameters({"masspole": 0.3})
    >>> env.reset(seed=0)[1]["parameters"]["masspole"], round(env.unwrapped.total_mass, 3)
    (0.3, 1.3)
    """

    def __init__(
        self, env: gymnasium.Env[Any, Any], declared: Mapping[str, Any] | None = None
    ) -> None:
        """Wrap an environment.

        Args:
            env: any Gymnasium environment.
            declared: a path, or a mapping with the fields of `Declared`, by parameter name.

        Raises:
            ParameterError: a path that names nothing in the environment, or what is declared of a
                parameter is not to be understood.
        """
        super().__init__(env)
        presets = self._presets()
        self._named = presets | {
            name: _with_preset(_read_declared(name, one), presets)
            for name, one in (declared or {}).items()
        }
        self._handles: dict[str, Handle] = {}
        self._kwargs: dict[str, Any] = {}
        self._made: dict[tuple[Any, ...], gymnasium.Env[Any, Any]] = {(): env}
        self._bind()
        self.signals = Signals(env.observation_space, env.action_space, self.period)
        own = self.signals.parameters()
        self._signal_names = {p.name for p in own} - self._named.keys()
        named = [self._find(name) for name in self._named]
        signals = [p for p in own if p.name in self._signal_names]
        self.parameters = OpenSpace([*named, *signals], self._find)
        self._values: dict[str, float] = {}
        self._rng = np.random.default_rng()
        self._in_force: dict[str, float] = {}
        self.observation_space = self.signals.space(env.observation_space)

    @property
    def known(self) -> bool:
        """Whether there are presets for the environment."""
        return bool(self._named)

    @property
    def period(self) -> float:
        """The control step in seconds: the environment's `dt`, or from its rate of pictures."""
        step = getattr(self.env.unwrapped, "dt", None) or getattr(self.env.unwrapped, "tau", None)
        if isinstance(step, (int, float)) and step > 0:
            return float(step)
        rate = self.env.metadata.get("render_fps")
        return 1.0 / rate if rate else DEFAULT_PERIOD

    def set_parameters(self, values: Mapping[str, float]) -> None:
        """Apply `values` from the next reset on, and all other parameters' nominals.

        Raises:
            ParameterError: an unknown name or a value out of bounds; then nothing changes.
        """
        self._values = self.parameters.validate(values)

    def adjust_parameters(self, values: Mapping[str, float]) -> None:
        """Apply values of `live` parameters at once, until the next reset.

        Raises:
            ParameterError: a value out of bounds, or a parameter that is fixed in an episode.
        """
        values = self.parameters.validate(values)
        if fixed := [name for name in values if not self.parameters[name].live]:
            raise ParameterError(f"parameter '{fixed[0]}' is fixed during an episode")
        self.signals.adjust(values)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Write the parameters, reset the environment and read them back.

        Raises:
            ParameterError: the environment's reset undoes what was written.
        """
        if seed is not None:
            self._rng = np.random.default_rng([STREAM, seed])
        if self._rebuild() and seed is None:
            # Another environment is to go on with the stream of this one.
            seed = int(self._rng.integers(2**31))
        wanted = {name: self._values.get(name, p.nominal) for name, p in self.parameters.items()}
        for name, handle in self._handles.items():
            if not same_number(wanted[name], handle.read()):
                handle.write(wanted[name])
        observation, info = self.env.reset(seed=seed, options=options)
        read = {n: h.read() for n, h in self._handles.items() if n in self._values}
        self._in_force = {**wanted, **read}
        for name, found in read.items():
            # What counts things is a whole number.
            if not (same_number(wanted[name], found) or found == round(wanted[name])):
                raise ParameterError(
                    f"parameter '{name}' was set to {wanted[name]:g}, and the environment's reset "
                    f"puts it to {found:g}: it cannot be changed this way"
                )
        self.signals.configure({n: self._in_force[n] for n in self._signal_names})
        observation = self.signals.reset(observation, self._rng)
        return observation, {**info, "parameters": dict(self._in_force)}

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Send the action through the signals, step, and report what is seen."""
        action = self.signals.send(action, self._rng)
        observation, reward, terminated, truncated, info = self.env.step(action)
        observation = self.signals.report(observation, self._rng)
        if terminated or truncated:
            info = {**info, "parameters": dict(self._in_force)}
        return observation, reward, terminated, truncated, info

    def suggestions(self) -> Iterator[str]:
        """Yield paths of numbers in the environment that have no name yet."""
        named = {one.path for one in self._named.values()}
        for source in (self._mujoco, self._bullet):
            if source is not None:
                yield from (path for path in source.suggestions() if path not in named)
        if self._mujoco is None and self._bullet is None:
            yield from (p for p in suggested_attributes(self.env.unwrapped) if p not in named)

    def close(self) -> None:
        """Close the environment, and those that were made with other arguments."""
        for env in self._made.values():
            env.close()

    def _bind(self) -> None:
        """Look at the environment of now."""
        inner = self.env.unwrapped
        self._mujoco = MujocoModel(inner) if mujoco_model(inner) is not None else None
        self._bullet = BulletClient(inner) if bullet_client(inner) is not None else None
        for name in self._handles:
            self._handles[name] = self._handle(name, self._named.get(name) or Declared(name))

    def _presets(self) -> dict[str, Declared]:
        """Return the presets of an environment that it has the numbers for."""
        inner = self.env.unwrapped
        base = (self.env.spec.id if self.env.spec else "").rpartition("/")[2].rpartition("-v")[0]
        found = dict(PRESETS.get(base, {}))
        if mujoco_model(inner) is not None:
            found |= MUJOCO
        elif bullet_client(inner) is not None:
            bodies = BulletClient(inner)
            for name, one in BULLET.items():
                try:
                    bodies.handle(name, one)
                except ParameterError:
                    continue
                found[name] = one
        return found

    def _find(self, name: str) -> Parameter:
        """Return the parameter of a name or path, and keep its handle."""
        declared = self._named.get(name) or Declared(name)
        if declared.path.startswith(KWARG):
            return self._argument(name, declared)
        try:
            self._handles[name] = self._handle(name, declared)
        except ParameterError as error:
            close = nearest(name, list(self._named))
            hint = close if "did you mean" in close else ""
            raise ParameterError(f"unknown parameter '{name}'{hint}; {error}") from None
        return self._handles[name].parameter

    def _handle(self, name: str, declared: Declared) -> Handle:
        inner = self.env.unwrapped
        if declared.setter is not None:
            return setter_handle(inner, name, declared)
        if self._bullet is not None and declared.path.startswith("bullet."):
            return self._bullet.handle(name, declared)
        if self._mujoco is not None and not hasattr(inner, declared.path.partition(".")[0]):
            return self._mujoco.handle(name, declared)
        return attribute_handle(inner, name, declared)

    def _argument(self, name: str, declared: Declared) -> Parameter:
        """Return the parameter of an argument of `gymnasium.make`."""
        argument = declared.path.removeprefix(KWARG)
        given = dict(self.env.spec.kwargs) if self.env.spec else {}
        nominal = declared.nominal if declared.nominal is not None else given.get(argument)
        if nominal is None:
            raise ParameterError(
                f"'{name}': say its 'nominal' or give '{argument}' among the kwargs, since the "
                "default of an argument cannot be read"
            )
        self._kwargs[name] = argument
        return make_parameter(name, declared, float(nominal))

    def _rebuild(self) -> bool:
        """Take the environment with the arguments of now; return whether it is another."""
        if not self._kwargs:
            return False
        values = {
            argument: self._values.get(name, self.parameters[name].nominal)
            for name, argument in self._kwargs.items()
        }
        changed = any(self._values.get(n) is not None for n in self._kwargs)
        key = tuple(values.items()) if changed else ()
        if self._made.get(key) is self.env:
            return False
        if key not in self._made:
            for old in [one for one in self._made if one][:-2]:
                # A few are kept; ranges of real numbers never repeat.
                self._made.pop(old).close()
            self._made[key] = self._make(values)
        self.env = self._made[key]
        self._bind()
        return True

    def _make(self, values: Mapping[str, float]) -> gymnasium.Env[Any, Any]:
        spec = self.env.spec
        if spec is None:
            raise ParameterError("an environment without a spec cannot be made with new arguments")
        try:
            return gymnasium.make(dataclasses.replace(spec, kwargs={**spec.kwargs, **values}))
        except Exception as error:
            raise HeadstartError(
                f"cannot make '{spec.id}' with {dict(values)}: {one_line(error)}"
            ) from None


def adapt_env(
    env: gymnasium.Env[Any, Any], declared: Mapping[str, Any] | None = None
) -> gymnasium.Env[Any, Any]:
    """Return an environment with named parameters.

    Args:
        env: any Gymnasium environment.
        declared: a path, or a mapping with the fields of `Declared`, by parameter name.

    Returns:
        `env` in an `Adapted`; `env` itself where it has parameters of its own and none is declared.

    Raises:
        ParameterError: as `Adapted`.

    >>> env = adapt_env(gymnasium.make("Pendulum-v1"), {"torque": "max_torque"})
    >>> env.parameters["torque"].nominal
    2.0
    """
    if not declared and find_parameterized(env) is not None:
        return env
    return Adapted(env, declared)


def adapt_known(env: gymnasium.Env[Any, Any]) -> gymnasium.Env[Any, Any]:
    """Return an environment in an `Adapted` where there are presets for it; else itself."""
    if find_parameterized(env) is not None:
        return env
    adapted = Adapted(env)
    return adapted if adapted.known else env


def find_adapted(env: gymnasium.Env[Any, Any]) -> Adapted | None:
    """Return the adapter among the wrappers of an environment; None where there is none."""
    while isinstance(env, gymnasium.Wrapper):
        if isinstance(env, Adapted):
            return env
        env = env.env
    return None


def _with_preset(declared: Declared, presets: Mapping[str, Declared]) -> Declared:
    """Return what is declared of a number, and what a preset of the same one says besides."""
    for preset in presets.values():
        if preset.path == declared.path:
            given = {k: v for k, v in vars(declared).items() if v is not None}
            return dataclasses.replace(preset, **given)
    return declared


def _read_declared(name: str, given: Any) -> Declared:
    if isinstance(given, str):
        return Declared(given)
    known = [field.name for field in dataclasses.fields(Declared)]
    if not isinstance(given, Mapping):
        raise ParameterError(f"parameter '{name}': expected a path or a mapping, got {given!r}")
    for key in given:
        if key not in known:
            raise ParameterError(f"parameter '{name}': unknown key '{key}'{nearest(key, known)}")
    if "path" not in given:
        raise ParameterError(f"parameter '{name}': its 'path' is missing")
    return Declared(**given)
