"""Uniform domain randomization: every source episode is drawn anew from fixed distributions.

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

    The draws come from a stream of the wrapper's own, so they change nothing else that is random
    in the world; parameters that are not named stay at their nominals.
    """

    def __init__(self, env: gymnasium.Env[Any, Any], changes: Mapping[str, str | Change]) -> None:
        """Wrap `env`; `changes` maps parameter names to changes (text or objects).

        Raises:
            ParameterError: the world has no parameters, or not one of this name.
            ChangeError: a change that cannot be read or can leave the parameter's bounds.
        """
        super().__init__(env)
        self._world = parameterized(env, "a randomization")
        self.changes = read_changes(changes, self._world.parameters, random=True)
        self._rng = np.random.default_rng()

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Draw parameters, put them in force and start an episode."""
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
    """Return `env` under uniform randomization, or as it is where there is nothing to randomize."""
    return UniformRandomization(env, changes) if changes else env
