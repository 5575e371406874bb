"""Uniform domain randomization: episodes are drawn from fixed distributions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np

from ...envs.changes import Change
from ...envs.parameters import parameterized
from .base import EpisodeBudget
from .fixed import AsStated
from .ranges import Ranges
from .wrapper import STREAM, Randomization


class UniformRandomization(Randomization):
    """Draws the parameters of any `Parameterized` world at every reset.

    The draws come from a separate random stream, so they change nothing else that is random in
    the world. Parameters that are not named stay at their nominals.

    >>> import headstart
    >>> env = gymnasium.make("headstart/Ant-v0")
    >>> env = UniformRandomization(env, {"ground_friction": "* uniform(0.5, 1)"})
    >>> _, info = env.reset(seed=0)
    >>> 0.4 <= info["parameters"]["ground_friction"] <= 0.8
    True
    >>> env.close()
    """

    def __init__(self, env: gymnasium.Env[Any, Any], changes: Mapping[str, str | Change]) -> None:
        """Wrap an environment.

        Args:
            env: a `Parameterized` environment.
            changes: a change, as text or object, by parameter name.

        Raises:
            ParameterError: the world has no parameters, or none of this name.
            ChangeError: a change cannot be read or can leave the parameter's bounds.
        """
        ranges = Ranges(changes, parameterized(env, "a randomization").parameters)
        self.changes = ranges.changes
        randomizer = AsStated()
        randomizer.start(ranges, EpisodeBudget(1))
        super().__init__(env, randomizer)
        self._rng = np.random.default_rng()

    def _generator(self, seed: int | None) -> np.random.Generator:
        """Return one generator for all episodes since the last seed.

        Nothing is learned here, so that a draw depends on the seed and on the episode as well.
        """
        if seed is not None:
            self._rng = np.random.default_rng([STREAM, seed])
        return self._rng


def randomized(
    env: gymnasium.Env[Any, Any], changes: Mapping[str, str | Change]
) -> gymnasium.Env[Any, Any]:
    """Return an environment under uniform randomization.

    Args:
        env: a `Parameterized` environment, or any other where `changes` is empty.
        changes: a change, as text or object, by parameter name.

    Returns:
        `env` in a `UniformRandomization`; `env` itself where there are no changes.

    Raises:
        HeadstartError: as `UniformRandomization`.

    >>> import headstart
    >>> env = gymnasium.make("headstart/Ant-v0")
    >>> randomized(env, {}) is env
    True
    >>> env.close()
    """
    return UniformRandomization(env, changes) if changes else env
