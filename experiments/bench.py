"""Benchmarks: where the time of a step goes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
from rich.table import Table

from ..envs.catalog import WORLDS
from ..envs.simulation import Simulation
from ..envs.tasks.circuit import Circuit

WARM_UP = 200
# What counts as physics and as ranging: the calls whose time is not ours to save.
PHYSICS = (Simulation, "step")
RANGING = (Circuit, "cast")


@dataclass(frozen=True)
class StepCost:
    """Microseconds per control step of a world: in all, in physics and in ranging."""

    world: str
    total: float
    physics: float
    ranging: float
    reset: float

    @property
    def rest(self) -> float:
        """Microseconds of everything else."""
        return self.total - self.physics - self.ranging


def step_cost(world_id: str, steps: int = 3_000, seed: int = 0) -> StepCost:
    """Time `steps` steps of random actions, resets apart.

    The clock's own cost (about 0.1 microseconds a call) falls on what is not timed.
    """
    rng = np.random.default_rng(seed)
    world: Any = gymnasium.make(world_id).unwrapped
    actions = rng.uniform(-1, 1, (steps + WARM_UP, *world.action_space.shape)).astype(np.float32)
    clock = time.perf_counter
    total = reset = 0.0
    resets = 1
    world.reset(seed=seed)
    with _timed(*PHYSICS) as physics, _timed(*RANGING) as ranging:
        for number, action in enumerate(actions):
            if number == WARM_UP:
                total, physics[0], ranging[0] = 0.0, 0.0, 0.0
            begun = clock()
            *_, terminated, truncated, _ = world.step(action)
            total += clock() - begun
            if terminated or truncated:
                before = physics[0], ranging[0]
                begun = clock()
                world.reset()
                reset += clock() - begun
                resets += 1
                physics[0], ranging[0] = before
    world.close()
    micro = 1e6 / steps
    return StepCost(
        world_id,
        total * micro,
        physics[0] * micro,
        ranging[0] * micro,
        1e6 * reset / max(1, resets - 1),
    )


def worlds_table(steps: int = 3_000) -> Table:
    """Return the table of `headstart bench worlds`."""
    table = Table(title=f"Microseconds per step() (one core, {steps:,} random steps a world)")
    for column in ("world", "step", "physics", "ranging", "rest", "rest %", "reset"):
        table.add_column(column, justify="left" if column == "world" else "right")
    for world_id in WORLDS:
        cost = step_cost(world_id, steps)
        numbers = (cost.total, cost.physics, cost.ranging, cost.rest)
        table.add_row(
            world_id,
            *(f"{number:.0f}" for number in numbers),
            f"{100 * cost.rest / cost.total:.0f} %",
            f"{cost.reset:.0f}",
        )
    return table


@contextmanager
def _timed(owner: type[Any], name: str) -> Iterator[list[float]]:
    """Add up the seconds spent in a method while the context lasts."""
    method: Callable[..., Any] = getattr(owner, name)
    seconds = [0.0]
    clock = time.perf_counter

    def timed(*args: Any, **kwargs: Any) -> Any:
        begun = clock()
        try:
            return method(*args, **kwargs)
        finally:
            seconds[0] += clock() - begun

    setattr(owner, name, timed)
    try:
        yield seconds
    finally:
        setattr(owner, name, method)
