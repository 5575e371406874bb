"""What stands between somebody else's environment and a learner: looks at what it gives.

Environments in the wild return rewards as arrays of one number, observations as lists or of another
shape than they declare, or have Gym's old interface. What has one meaning is taken as that; the
rest is an error of one line with world, method, expected and given. Our own worlds are not wrapped.
"""

from __future__ import annotations

import inspect
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from ...core.errors import HeadstartError, one_line, single_line
from ...core.heartbeat import Call

FROM_ZERO = "headstart.envs.adapters:FromZero"
OLD = "; that is Gym's old interface: "
RESET = "reset(*, seed=None, options=None) must return (observation, info)"
STEP = "step(action) must return (observation, reward, terminated, truncated, info)"
Result = tuple[Any, float, bool, bool, dict[str, Any]]


class InterfaceError(HeadstartError):
    """An environment that does not do what Gymnasium's interface says."""


class Checked(gymnasium.Wrapper[Any, Any, Any, Any]):
    """An environment whose rewards are numbers and whose observations are as it declares them.

    Args:
        env: the environment, with its wrappers.
        world: its id, for messages.

    Raises:
        HeadstartError: a space that no policy here can serve, or a `reset` without a seed.
    """

    def __init__(self, env: gymnasium.Env[Any, Any], world: str) -> None:
        super().__init__(env)
        self.world = world
        for what in ("observation", "action"):
            problem = unsupported(getattr(env, f"{what}_space", None), what)
            if problem:
                raise HeadstartError(f"world '{world}': {problem}")
        taken = inspect.signature(env.unwrapped.reset).parameters
        if "seed" not in taken and not any(p.kind is p.VAR_KEYWORD for p in taken.values()):
            raise InterfaceError(f"world '{world}': reset() takes no seed{OLD}{RESET}")
        self._space = env.observation_space
        self._reset, self._step = (Call(f"{what} of world '{world}'") for what in ("reset", "step"))

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        """Return the first observation and its info."""
        with self._reset:
            given = self.env.reset(seed=seed, options=options)
        if not (isinstance(given, tuple) and len(given) == 2 and isinstance(given[1], dict)):
            what = f"a {type(given).__name__}"
            raise InterfaceError(f"world '{self.world}': reset() returned {what}{OLD}{RESET}")
        return self._observation(given[0], "reset"), given[1]

    def step(self, action: Any) -> Result:
        """Return what the environment gives, its reward as a number."""
        with self._step:
            given = self.env.step(action)
        if not (isinstance(given, tuple) and len(given) == 5):
            count = len(given) if isinstance(given, tuple) else 1
            raise InterfaceError(f"world '{self.world}': step() returned {count} values{OLD}{STEP}")
        observation, reward, terminated, truncated, info = given
        return (
            self._observation(observation, "step"),
            self._reward(reward),
            bool(terminated),
            bool(truncated),
            info,
        )

    def _reward(self, reward: Any) -> float:
        try:
            return float(np.asarray(reward).reshape(()))
        except (TypeError, ValueError):
            shown = single_line(repr(reward))[:60]
            raise InterfaceError(
                f"world '{self.world}': step() returned the reward {shown}, expected a number"
            ) from None

    def _observation(self, given: Any, method: str) -> Any:
        if isinstance(self._space, spaces.Dict):
            if not isinstance(given, dict) or given.keys() != self._space.spaces.keys():
                named = sorted(given) if isinstance(given, dict) else type(given).__name__
                raise InterfaceError(
                    f"world '{self.world}': {method}() returned an observation of {named}, "
                    f"declared are {sorted(self._space.spaces)}"
                )
            return {
                key: self._part(given[key], part, method, f" '{key}'")
                for key, part in self._space.spaces.items()
            }
        return self._part(given, self._space, method, "")

    def _part(self, given: Any, space: spaces.Space[Any], method: str, name: str) -> Any:
        """Return an observation, or a part of one, if it has the shape of its space."""
        try:
            value = np.asarray(given)
        except (TypeError, ValueError):
            value = np.asarray(None)
        if value.dtype == object or value.shape != space.shape:
            shape = f"of shape {value.shape}" if value.dtype != object else "that is no array"
            raise InterfaceError(
                f"world '{self.world}': {method}() returned an observation{name} {shape}, "
                f"declared is {space.shape}"
            )
        return given if isinstance(given, np.ndarray | int | np.integer) else value


class FromZero(gymnasium.Wrapper[Any, Any, Any, Any]):
    """An environment whose discrete spaces begin at 0, as policies count; `wrappers:` takes it.

    >>> env = FromZero(gymnasium.make("CartPole-v1"))
    >>> env.action_space
    Discrete(2)
    """

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        super().__init__(env)
        self.action_space = _from_zero(env.action_space)
        self.observation_space = _from_zero(env.observation_space)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        """Return the first observation, counted from 0."""
        observation, info = self.env.reset(seed=seed, options=options)
        return _moved(observation, self.env.observation_space, -1), info

    def step(self, action: Any) -> Any:
        """Take an action counted from 0."""
        observation, *rest = self.env.step(_moved(action, self.env.action_space, 1))
        return (_moved(observation, self.env.observation_space, -1), *rest)


def _from_zero(space: spaces.Space[Any]) -> spaces.Space[Any]:
    if isinstance(space, spaces.Dict):
        return spaces.Dict({key: _from_zero(part) for key, part in space.items()})
    if isinstance(space, spaces.Discrete):
        return spaces.Discrete(int(space.n))
    if isinstance(space, spaces.MultiDiscrete):
        return spaces.MultiDiscrete(space.nvec)
    return space


def _moved(value: Any, space: spaces.Space[Any], sign: int) -> Any:
    if isinstance(space, spaces.Dict):
        return {key: _moved(value[key], part, sign) for key, part in space.items()}
    if isinstance(space, spaces.Discrete | spaces.MultiDiscrete):
        return value + sign * space.start
    return value


def unsupported(space: Any, what: str) -> str | None:
    """Return why no policy can serve a space (`what`: observation or action); None if one can."""
    if not isinstance(space, spaces.Space):
        return f"it declares no {what} space (found {type(space).__name__})"
    if isinstance(space, spaces.Dict) and what == "observation":
        for key, part in space.items():
            if isinstance(part, spaces.Dict | spaces.Tuple):
                kind = type(part).__name__
                return f"observation space: '{key}' is a {kind} inside a Dict; {_FLAT}"
            if problem := unsupported(part, f"observation ('{key}')"):
                return problem
        return None
    known = (spaces.Box, spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary)
    if not isinstance(space, known):
        taken = "Box, Discrete, MultiDiscrete, MultiBinary"
        dicts = ", or a Dict of these" if what == "observation" else ""
        return f"{what} space {type(space).__name__} is not supported: expected {taken}{dicts}"
    if np.any(getattr(space, "start", 0)):
        return (
            f"{what} space {space} does not begin at 0, as policies count; add '{FROM_ZERO}' to "
            "its wrappers"
        )
    return None


_FLAT = "flatten it, as with gymnasium.wrappers.FlattenObservation"


def try_once(env: gymnasium.Env[Any, Any]) -> None:
    """Reset an environment and take a step in it, so that what does not fit is said at once.

    Raises:
        HeadstartError: it raised an error, or gave something else than it declares.
    """
    if not isinstance(env, Checked):
        return
    try:
        env.reset(seed=0)
        env.action_space.seed(0)
        env.step(env.action_space.sample())
    except HeadstartError:
        raise
    except Exception as error:
        raise InterfaceError(
            f"world '{env.world}' does not run ({one_line(error)}); {RESET}, {STEP}"
        ) from error
