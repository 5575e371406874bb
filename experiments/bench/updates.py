"""Benchmark of learning itself, apart from the worlds: our training cores beside SB3's algorithms.

Time is that of one core (`time.process_time`), ours and SB3's take turns, and ratios are medians of
those of each turn, so that whatever else the machine does falls on both.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import gymnasium
import numpy as np
import stable_baselines3
import torch
from rich.table import Table
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from ...agents.algorithms import Algorithm, resolve_algorithm
from ...agents.learner import create
from ...envs.spec import WorldSpec

OVERHEAD_WORLDS = (
    "headstart/PandaReach-v0",
    "headstart/RacecarTrack-v0",
    "headstart/A1Walk-v0",
    "headstart/Hopper-v0",
)
UPDATE_WORLDS = ("headstart/PandaReach-v0", "headstart/Hopper-v0")
FILLED = 2_000
ORIGINALS: dict[str, type[BaseAlgorithm]] = {
    "ppo": stable_baselines3.PPO,
    "sac": stable_baselines3.SAC,
}


class SteppingClock(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Adds up the core seconds that worlds take for their own steps and resets."""

    seconds = 0.0

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Step the world."""
        begun = time.process_time()
        found = self.env.step(action)
        SteppingClock.seconds += time.process_time() - begun
        return found

    def reset(self, **named: Any) -> tuple[Any, dict[str, Any]]:
        """Begin an episode."""
        begun = time.process_time()
        found = self.env.reset(**named)
        SteppingClock.seconds += time.process_time() - begun
        return found


@dataclass(frozen=True)
class Costs:
    """What ours and SB3's took in each turn, in the same unit, and the world's own step."""

    world: str
    ours: Sequence[float]
    theirs: Sequence[float]
    stepping: float = 0.0

    @property
    def ratio(self) -> float:
        """Ours per SB3's: the median of the turns' ratios."""
        return median(ours / theirs for ours, theirs in zip(self.ours, self.theirs, strict=True))


def both_models(world_id: str, name: str) -> tuple[BaseAlgorithm, BaseAlgorithm]:
    """Return our core and SB3's algorithm in the same worlds, with the world's presets."""
    spec = WorldSpec(world_id)
    algorithm = resolve_algorithm(name, world_id)

    def make() -> gymnasium.Env[Any, Any]:
        return SteppingClock(spec.make())

    return create(algorithm, make, 0).model, original(algorithm, make)


def original(algorithm: Algorithm, make: Callable[[], Any]) -> BaseAlgorithm:
    """Return SB3's algorithm, in its own vector of worlds, with our settings."""
    settings = algorithm.settings
    worlds = VecNormalize(
        DummyVecEnv([lambda: Monitor(make())] * algorithm.worlds),
        norm_obs=settings["normalize"],
        norm_reward=settings["normalize_reward"],
        gamma=settings.get("gamma", 0.99),
    )
    cls: Any = ORIGINALS[algorithm.name]
    model: BaseAlgorithm = cls(env=worlds, seed=0, device="cpu", **algorithm.arguments())
    model.set_logger(Logger(None, []))
    return model


def overhead(world_id: str, rollouts: int, repetitions: int) -> Costs:
    """Return the microseconds that PPO's training adds to a world's step, updates included."""
    models = both_models(world_id, "ppo")
    taken: list[list[float]] = [[], []]
    stepping = []
    for turn in range(repetitions + 1):
        for model, times in zip(models, taken, strict=True):
            steps = rollouts * model.n_steps * model.n_envs  # type: ignore[attr-defined]
            SteppingClock.seconds, begun = 0.0, time.process_time()
            model.learn(steps, reset_num_timesteps=False)
            total = time.process_time() - begun
            if turn:  # the first one warms up
                times.append(1e6 * (total - SteppingClock.seconds) / steps)
                stepping.append(1e6 * SteppingClock.seconds / steps)
    for model in models:
        model.env.close()  # type: ignore[union-attr]
    return Costs(world_id, taken[0], taken[1], median(stepping))


def update_cost(world_id: str, updates: int, repetitions: int) -> Costs:
    """Return the milliseconds of one update of SAC, ours and SB3's, on the same transitions."""
    models = both_models(world_id, "sac")
    taken: list[list[float]] = [[], []]
    for model in models:
        assert isinstance(model, OffPolicyAlgorithm)
        model.learning_starts = FILLED
        model.learn(FILLED)
    for turn in range(repetitions + 1):
        for model, times in zip(models, taken, strict=True):
            assert isinstance(model, OffPolicyAlgorithm)
            begun = time.process_time()
            model.train(updates, model.batch_size)
            if turn:
                times.append(1e3 * (time.process_time() - begun) / updates)
    for model in models:
        model.env.close()  # type: ignore[union-attr]
    return Costs(world_id, taken[0], taken[1])


def overhead_table(world_ids: Sequence[str] | None, rollouts: int, repetitions: int) -> Table:
    """Return the table of what PPO's training adds to a step."""
    torch.set_num_threads(1)
    table = Table(title="PPO: microseconds that learning adds to a world's step (one core)")
    for name in ("world", "its step", "headstart", "SB3", "ratio"):
        table.add_column(name, justify="left" if name == "world" else "right")
    for world_id in world_ids or OVERHEAD_WORLDS:
        costs = overhead(world_id, rollouts, repetitions)
        row = (costs.stepping, median(costs.ours), median(costs.theirs))
        table.add_row(world_id, *(f"{value:,.0f}" for value in row), f"{costs.ratio:.2f}")
    return table


def updates_table(world_ids: Sequence[str] | None, updates: int, repetitions: int) -> Table:
    """Return the table of SAC's updates."""
    torch.set_num_threads(1)
    table = Table(title="SAC: updates per second, the same networks and minibatches (one core)")
    for name in ("world", "headstart", "SB3", "times as many"):
        table.add_column(name, justify="left" if name == "world" else "right")
    for world_id in world_ids or UPDATE_WORLDS:
        costs = update_cost(world_id, updates, repetitions)
        rates = (np.median(1e3 / np.array(times)) for times in (costs.ours, costs.theirs))
        table.add_row(world_id, *(f"{rate:,.0f}" for rate in rates), f"{1 / costs.ratio:.2f}")
    return table
