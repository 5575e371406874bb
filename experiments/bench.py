"""Benchmarks: where the time of a step goes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
from rich.table import Table

from ..envs.catalog import WORLDS
from ..envs.ranging import Surroundings
from ..envs.simulation import Simulation

WARM_UP = 200
RESETS = 200
# What counts as physics and as ranging: the calls whose time is not ours to save.
PHYSICS = (Simulation, "step")
RANGING = (Surroundings, "cast")


@dataclass(frozen=True)
class StepCost:
    """Microseconds per control step of a world: in all, in physics and in ranging.

    `reset` is with every parameter but lengths and shapes drawn anew, `reload` what building the
    world takes instead.
    """

    world: str
    total: float
    physics: float
    ranging: float
    reset: float
    reload: float

    @property
    def rest(self) -> float:
        """Microseconds of everything else."""
        return self.total - self.physics - self.ranging


def step_cost(world_id: str, steps: int = 3_000, seed: int = 0) -> StepCost:
    """Time `steps` steps of random actions, and apart from them resets and a reload.

    The clock's own cost (about 0.1 microseconds a call) falls on what is not timed.
    """
    rng = np.random.default_rng(seed)
    clock = time.perf_counter
    begun = clock()
    world: Any = gymnasium.make(world_id).unwrapped
    reload = clock() - begun
    actions = rng.uniform(-1, 1, (steps + WARM_UP, *world.action_space.shape)).astype(np.float32)
    total = 0.0
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
                world.reset()
                physics[0], ranging[0] = before
    fixed = {parameter.name for parameter in world.morphology}
    drawn = [p for p in world.parameters.values() if p.name not in fixed]
    resets = []
    for _ in range(RESETS):
        world.set_parameters({p.name: rng.uniform(p.low, p.high) for p in drawn})
        begun = clock()
        world.reset()
        resets.append(clock() - begun)
    world.close()
    micro = 1e6 / steps
    return StepCost(
        world_id,
        total * micro,
        physics[0] * micro,
        ranging[0] * micro,
        1e6 * statistics.median(resets),
        1e6 * reload,
    )


def worlds_table(steps: int = 3_000) -> Table:
    """Return the table of `headstart bench worlds`."""
    table = Table(title=f"Microseconds per step() (one core, {steps:,} random steps a world)")
    for column in (
        "world",
        "step",
        "physics",
        "ranging",
        "rest",
        "rest %",
        "reset",
        "reload/reset",
    ):
        table.add_column(column, justify="left" if column == "world" else "right")
    for world_id in WORLDS:
        cost = step_cost(world_id, steps)
        numbers = (cost.total, cost.physics, cost.ranging, cost.rest)
        table.add_row(
            world_id,
            *(f"{number:.0f}" for number in numbers),
            f"{100 * cost.rest / cost.total:.0f} %",
            f"{cost.reset:.0f}",
            f"{cost.reload / cost.reset:,.0f}",
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
