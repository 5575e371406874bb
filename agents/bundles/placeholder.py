"""A stand-in for a world that is not there, so that a bundle's policy can act without one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym

from .spaces import Space


class Placeholder(gym.Env[Any, Any]):
    """An environment with spaces and nothing else."""

    def __init__(self, observation_space: Space, action_space: Space) -> None:
        self.observation_space = observation_space
        self.action_space = action_space

    def reset(self, **_: Any) -> tuple[Any, dict[str, Any]]:
        """Refuse."""
        raise RuntimeError("this learner was loaded to act only; it has no world to train in")


def placeholder(observation_space: Space, action_space: Space) -> Callable[[], Placeholder]:
    """Return what makes a world of these spaces for `create`."""
    return lambda: Placeholder(observation_space, action_space)
