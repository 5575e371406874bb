"""Uniform domain randomization: episodes are drawn from fixed distributions.

Tobin et al., "Domain randomization for transferring deep neural networks from simulation to the
real world", IROS 2017; Peng et al., "Sim-to-real transfer of robotic control with dynamics
randomization", ICRA 2018.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np

from ...envs.changes import Change, read_changes
from ...envs.parameters import parameterized

# Keeps the randomizer's stream apart from the world's when both are seeded with the same number.
STREAM = 0x0D0A


class UniformRandomization(gymnasium.Wrapper[Any, Any, Any, Any]):
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
        super().__init__(env)
        self._world = parameterized(env, "a randomization")
        self.changes = read_changes(changes, self._world.parameters, random=True)
        self._rng = np.random.default_rng()

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Draw parameters, apply them and start an episode."""
        if seed is not None:
            self._rng = np.random.default_rng([STREAM, seed])
        space = self._world.parameters
        self._world.set_parameters(
            {name: change.resolve(space[name], self._rng) for name, change in self.changes.items()}
        )
        return super().reset(seed=seed, options=options)


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
