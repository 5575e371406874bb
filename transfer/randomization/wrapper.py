"""The wrapper that draws a world's parameters, for every episode and during it."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np

from ...envs.changes import EVERY_STEP
from ...envs.parameters import adjustable, parameterized
from .base import Randomizer

# Keeps the randomizer's stream apart from the world's when both are seeded with the same number.
STREAM = 0x0D0A
DURING = 0x0D0B
DRAWN = "randomization"
"""The key under which an episode's last info has its `Draw`."""


class Randomization(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Draws the parameters of a `Parameterized` world at every reset, by a randomizer.

    What is drawn depends on the seed of the last seeded reset, on how many episodes there were
    since, and on what the randomizer has learned; it comes from a separate random stream, so it
    changes nothing else that is random in the world. The last info of an episode has its draw.

    >>> import headstart
    >>> from headstart.transfer.randomization import EpisodeBudget, Ranges, resolve_randomizer
    >>> env = gymnasium.make("headstart/CartPoleSwingUp-v0")
    >>> randomizer = resolve_randomizer("uniform")
    >>> ranges = Ranges({"pole_mass": "* uniform(0.5, 2)"}, env.unwrapped.parameters)
    >>> randomizer.start(ranges, EpisodeBudget(1_000))
    >>> world = Randomization(env, randomizer)
    >>> _, info = world.reset(seed=0)
    >>> 0.5 <= info["parameters"]["pole_mass"] / ranges.space["pole_mass"].nominal <= 2
    True
    >>> world.close()
    """

    def __init__(self, env: gymnasium.Env[Any, Any], randomizer: Randomizer) -> None:
        """Wrap an environment.

        Args:
            env: a `Parameterized` environment.
            randomizer: what draws, started; a copy of it is used.

        Raises:
            ParameterError: the world has no parameters, or cannot change them during an episode
                where that is demanded.
        """
        super().__init__(env)
        self._world = parameterized(env, "a randomization")
        self.randomizer = copy.deepcopy(randomizer)
        self._live = randomizer.ranges.live
        if self._live:
            self._adjusted = adjustable(env, "a randomization")
        # Unseeded until a first reset says otherwise.
        self._seed = int(np.random.SeedSequence().generate_state(1)[0])
        self._episode = -1
        self._drawn: Any = None
        self._during = np.random.default_rng(0)

    def follow_randomizer(self, state: Mapping[str, Any]) -> None:
        """Take over what the randomizer beside the learner has learned."""
        self.randomizer.load_sampler(state)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Draw parameters, apply them and start an episode."""
        if seed is not None:
            self._seed, self._episode = seed, -1
        self._episode += 1
        self._drawn = self.randomizer.sample(self._generator(seed))
        if self._live:
            self._during = np.random.default_rng([DURING, self._seed, self._episode])
        self._world.set_parameters(self._drawn.values)
        return super().reset(seed=seed, options=options)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Draw anew what changes during the episode, and step."""
        if self._live:
            self._redraw()
        observation, reward, terminated, truncated, info = super().step(action)
        if terminated or truncated:
            info[DRAWN] = self._drawn
        return observation, reward, terminated, truncated, info

    def _generator(self, seed: int | None) -> np.random.Generator:
        """Return the generator of the present episode; `seed` is that of its reset."""
        return np.random.default_rng([STREAM, self._seed, self._episode])

    def _redraw(self) -> None:
        values: dict[str, float] = {}
        for names, change in self._live:
            chance = -math.expm1(-change.rate * self._adjusted.period)
            if change.rate == EVERY_STEP or self._during.random() < chance:
                values.update(self.randomizer.ranges.redraw(names, self._during))
        if values:
            self._adjusted.adjust_parameters(values)
