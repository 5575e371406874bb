"""The wrapper that changes a world's parameters at given times of each episode."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import gymnasium

from .changes import ChangeError
from .parameters import adjustable
from .world import World

PARAMETERS = "parameters"
"""The key of an info under which the values in force are, by parameter."""
_ROUNDING = 1e-9


class LaterChanges(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Changes parameters during each episode, always at the same times.

    A change holds from the first control step that begins at its time or later; the info of that
    step has all `parameters` that are then in force, as that of a reset does. Nothing is random.

    >>> import headstart
    >>> env = gymnasium.make("headstart/CartPoleSwingUp-v0")
    >>> world = LaterChanges(env, {0.08: {"motor_strength": 0.5}})
    >>> _, info = world.reset(seed=0)
    >>> found = [info] + [world.step(world.action_space.sample())[-1] for _ in range(3)]
    >>> [info["parameters"]["motor_strength"] if info else None for info in found]
    [1.0, None, None, 0.5]
    >>> world.close()
    """

    def __init__(
        self, env: gymnasium.Env[Any, Any], changes: Mapping[float, Mapping[str, float]]
    ) -> None:
        """Wrap an environment.

        Args:
            env: a `Parameterized` environment that is `Adjustable` as well.
            changes: values by parameter, by time in seconds.

        Raises:
            ParameterError: the world has no parameters, or cannot change them during an episode.
            ChangeError: a time that no episode reaches.
        """
        super().__init__(env)
        self._world = world = adjustable(env, "a shift")
        limit = _episode_steps(env)
        self._due: dict[int, dict[str, float]] = {}
        for seconds, values in sorted(changes.items()):
            step = math.ceil(seconds / world.period - _ROUNDING)
            if limit is not None and step >= limit:
                raise ChangeError(
                    f"{next(iter(values))}: 'after {seconds:g} s' never comes: an episode ends "
                    f"after {limit * world.period:g} s"
                )
            self._due[step] = {**self._due.get(step, {}), **values}
        self._step = 0
        self._values: dict[str, float] = {}

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Start an episode, in which nothing has changed yet."""
        observation, info = self.env.reset(seed=seed, options=options)
        self._step, self._values = 0, dict(info.get(PARAMETERS) or {})
        return observation, info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Change what is due, and step."""
        due = self._due.get(self._step)
        if due is not None:
            self._world.adjust_parameters(due)
            self._values.update(due)
        self._step += 1
        observation, reward, terminated, truncated, info = self.env.step(action)
        if due is not None or PARAMETERS in info:
            info = {**info, PARAMETERS: dict(self._values)}
        return observation, reward, terminated, truncated, info


def change_times(env: gymnasium.Env[Any, Any]) -> list[int]:
    """Return the control steps, from 0, with which parameters of a world change in each episode."""
    while True:
        if isinstance(env, LaterChanges):
            return sorted(env._due)
        if not isinstance(env, gymnasium.Wrapper):
            return []
        env = env.env


def _episode_steps(env: gymnasium.Env[Any, Any]) -> int | None:
    """Return how many control steps an episode has at most; None where that is not declared."""
    world = env.unwrapped
    if isinstance(world, World):
        return world.task.episode_steps
    return None if env.spec is None else env.spec.max_episode_steps
