"""The description of a world: id, kwargs, wrappers and shift."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import gymnasium

from ..core.classes import load_class
from ..core.errors import HeadstartError, nearest, one_line
from ..core.named import NamedEntry, split_named
from .adapters import Adapted, Checked
from .changes import shifted, shifted_later
from .later import LaterChanges
from .parameters import find_parameterized, parameterized
from .shifts import shift_changes
from .world import World


class UnmadeError(HeadstartError):
    """A known world whose constructor raised an error: this error's cause."""


@dataclass(frozen=True)
class WorldSpec:
    """A world as an experiment describes it.

    Args:
        world: a Gymnasium id; "my_package.envs:MyEnv-v0" imports the module first.
        kwargs: arguments of `gymnasium.make`.
        wrappers: each "package.module:Class", or that with its kwargs; applied in order.
        shift: constant changes by parameter, some perhaps `after` a time of each episode, or the
            name of one of the world's shifts.
        parameters: what is to have a name in an environment without parameters of its own: a path,
            or a mapping, by name (see `adapters`); empty for those that are known, None where
            nothing but a shift needs any.

    >>> spec = WorldSpec("headstart/Ant-v0", shift="slippery/0.5")
    >>> env = spec.make()
    >>> observation, info = env.reset(seed=0)
    >>> round(info["parameters"]["ground_friction"], 3)
    0.379
    >>> env.close()
    """

    world: str
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    wrappers: Sequence[NamedEntry] = ()
    shift: str | Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, Any] | None = None

    def make(self, **extra: Any) -> gymnasium.Env[Any, Any]:
        """Make the environment.

        Args:
            extra: more arguments of `gymnasium.make`, such as `render_mode`.

        Raises:
            HeadstartError: an unknown id, module, wrapper, shift or parameter, or arguments that
                the environment does not take; names it and the nearest valid one.
        """
        env = _make(self.world, {**self.kwargs, **extra})
        try:
            env = self._wrapped(env)
            if not isinstance(env.unwrapped, World):
                env = Checked(env, self.world)
            if self.shift:
                world = parameterized(env, "a shift")
                changes = shift_changes(self.world, self.shift)
                world.set_parameters(shifted(changes, world.parameters))
                later = shifted_later(changes, world.parameters)
                env = LaterChanges(env, later) if later else env
        except BaseException:
            env.close()
            raise
        return env

    def _wrapped(self, env: gymnasium.Env[Any, Any]) -> gymnasium.Env[Any, Any]:
        """Put on the wrappers, around an adapter where parameters are needed and there are none."""
        inner = Adapted(env, self.parameters) if self.parameters else env
        outer = inner
        for wrapper in self.wrappers:
            outer = _wrap(outer, wrapper)
        needed = self.parameters is not None or bool(self.shift)
        if not needed or find_parameterized(outer) is not None:
            return outer
        # Parameters of the user's own, in a wrapper, would have come first.
        outer = Adapted(env)
        for wrapper in self.wrappers:
            outer = _wrap(outer, wrapper)
        return outer


def _make(world: str, kwargs: Mapping[str, Any]) -> gymnasium.Env[Any, Any]:
    """Make a registered environment; its id is taken literally, with its version."""
    module, _, name = world.rpartition(":")
    try:
        if module:
            import_module(module)
    except Exception as error:
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        why = "" if missing else f" ({one_line(error)})"
        raise HeadstartError(
            f"cannot import '{missing or module}', needed by world '{world}'{why}"
        ) from error
    if name not in gymnasium.registry:
        known = nearest(name, gymnasium.registry)
        hint = known if "did you mean" in known else "; 'headstart envs' lists ours"
        raise HeadstartError(f"unknown world '{world}'{hint}")
    try:
        return gymnasium.make(name, **kwargs)
    except HeadstartError:
        raise
    except Exception as error:
        if isinstance(error, TypeError) and kwargs:
            raise HeadstartError(f"world '{world}' does not take these kwargs: {error}") from error
        raise UnmadeError(f"cannot make world '{world}': {one_line(error)}") from error


def _wrap(env: gymnasium.Env[Any, Any], wrapper: NamedEntry) -> gymnasium.Env[Any, Any]:
    path, kwargs = split_named(wrapper, "wrapper", "'package.module:Class' or that with its kwargs")
    kind: Any = load_class(path, gymnasium.Wrapper, "wrapper")
    try:
        wrapped: gymnasium.Env[Any, Any] = kind(env, **kwargs)
    except HeadstartError:
        raise
    except Exception as error:
        raise HeadstartError(f"wrapper '{path}': {one_line(error)}") from error
    return wrapped
