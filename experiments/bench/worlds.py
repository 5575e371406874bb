"""Benchmarks: where the time of a step goes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
from rich.table import Table

from ...envs.bullet import bullet
from ...envs.catalog import WORLDS, find_world
from ...envs.geometry.rays import Surroundings
from ...envs.parameters import Parameter

RESETS = 50
RELOADS = 3
# What counts as physics and as ranging: the calls whose time is not ours to save.
PHYSICS = (bullet, "stepSimulation")
RANGING = (Surroundings, "cast")
# What else is asked of PyBullet while a world steps: joints and poses, motors and forces.
CALLS = ("get", "set", "apply", "reset")


@dataclass(frozen=True)
class StepCost:
    """Microseconds per control step of a world: in all, in physics and in ranging.

    `calls` are PyBullet's other functions, which read joints and set motors. `reset` is with every
    parameter but lengths and shapes drawn anew, `reshape` with other lengths and shapes (None
    where there are none), `reload` what building the world takes instead.
    """

    world: str
    total: float
    physics: float
    ranging: float
    calls: float
    reset: float
    reshape: float | None
    reload: float

    @property
    def own(self) -> float:
        """Microseconds of everything else: our own code, and gymnasium's."""
        return self.total - self.physics - self.ranging - self.calls

    @property
    def share(self) -> float:
        """The share of physics and ranging."""
        return (self.physics + self.ranging) / self.total


def step_cost(world_id: str, steps: int = 300, repetitions: int = 20, seed: int = 0) -> StepCost:
    """Time the same `steps` steps of random actions again and again, and resets and reloads.

    Of every step the fastest of the `repetitions` counts, and of every reset: whatever else a
    machine does only adds to the time of what is always the same. The clocks on physics, ranging
    and calls run in repetitions of their own, so that they cost the total nothing.
    """
    rng = np.random.default_rng(seed)
    reload, world = _fastest_reload(world_id)
    actions = rng.uniform(-1, 1, (steps, *world.action_space.shape)).astype(np.float32)
    calls = [(bullet, name) for name in vars(bullet) if name.startswith(CALLS)]
    owners: dict[str, list[tuple[Any, str]]] = {
        "total": [], "physics": [PHYSICS], "ranging": [RANGING], "calls": calls
    }  # fmt: skip
    others = [p for p in world.parameters.values() if p not in world.morphology]
    draws = [_drawn(others, rng) for _ in range(RESETS)]
    shapes = [_drawn(world.morphology, rng) for _ in range(RELOADS)]
    taken: dict[str, list[np.ndarray]] = {name: [] for name in owners}
    resets = []
    for _ in range(repetitions):
        resets.append(_resets(world, draws, seed))
        world.set_parameters({})
        for name, functions in owners.items():
            with _timed(functions) as seconds:
                whole, inside = _play(world, actions, seed, seconds)
            taken[name].append(inside if functions else whole)
    reshape = 1e6 * min(_resets(world, shapes, seed)) if world.morphology else None
    world.close()
    micro = {name: 1e6 * float(np.min(rows, axis=0).mean()) for name, rows in taken.items()}
    reset = 1e6 * float(np.min(resets, axis=0).mean())
    return StepCost(world_id, **micro, reset=reset, reshape=reshape, reload=1e6 * reload)


def _drawn(parameters: Iterable[Parameter], rng: np.random.Generator) -> dict[str, float]:
    """Return a value for each parameter, anywhere within its bounds."""
    return {p.name: rng.uniform(p.low, p.high) for p in parameters}


def _resets(world: Any, draws: Sequence[Mapping[str, float]], seed: int) -> list[float]:
    """Return how long resets with these parameters take (s), after one with the seed."""
    world.reset(seed=seed)
    taken = []
    for values in draws:
        world.set_parameters(values)
        taken.append(seconds_of(world.reset))
    return taken


def seconds_of(function: Callable[[], Any]) -> float:
    """Return how long a call takes (s)."""
    begun = time.perf_counter()
    function()
    return time.perf_counter() - begun


def _fastest_reload(world_id: str) -> tuple[float, Any]:
    """Return the seconds of the fastest of some makings of a world, and the last one made."""
    seconds, world = [], None
    for _ in range(RELOADS):
        if world is not None:
            world.close()
        begun = time.perf_counter()
        world = gymnasium.make(world_id).unwrapped
        seconds.append(time.perf_counter() - begun)
    return min(seconds), world


def _play(
    world: Any, actions: np.ndarray, seed: int, clock: list[float]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the seconds of each of these steps, and what `clock` counted of each.

    What happens follows from the actions and the seed alone.
    """
    whole, inside = np.zeros(len(actions)), np.zeros(len(actions))
    world.reset(seed=seed)
    for step, action in enumerate(actions):
        clock[0] = 0.0
        begun = time.perf_counter()
        *_, terminated, truncated, _ = world.step(action)
        whole[step], inside[step] = time.perf_counter() - begun, clock[0]
        if terminated or truncated:
            world.reset()
    return whole, inside


def worlds_table(world_ids: Sequence[str] | None, steps: int, repetitions: int) -> Table:
    """Return the table of `headstart bench worlds`; all worlds by default.

    Raises:
        HeadstartError: an unknown world.
    """
    for world_id in world_ids or ():
        find_world(world_id)
    table = Table(
        title=f"Microseconds per step() and reset(), one core: {steps:,} random steps and {RESETS} "
        f"resets, each the fastest of {repetitions} times"
    )
    table.caption = (
        "calls: PyBullet's others, which read joints and set motors; own: our own code; share: of "
        "physics and ranging; reset: with all parameters but lengths and shapes drawn anew; "
        "reshape: with other lengths and shapes; reload: of the whole world, in times a reset"
    )
    table.add_column("world", no_wrap=True)
    for column in (
        "step",
        "physics",
        "ranging",
        "calls",
        "own",
        "share",
        "reset",
        "reshape",
        "reload",
    ):
        table.add_column(column, justify="right")
    for world_id in world_ids or WORLDS:
        cost = step_cost(world_id, steps, repetitions)
        numbers = (cost.total, cost.physics, cost.ranging, cost.calls, cost.own)
        table.add_row(
            world_id,
            *(f"{number:.0f}" for number in numbers),
            f"{100 * cost.share:.0f} %",
            f"{cost.reset:.0f}",
            "" if cost.reshape is None else f"{cost.reshape:,.0f}",
            f"{cost.reload / cost.reset:,.0f} x",
        )
    return table


@contextmanager
def _timed(functions: Sequence[tuple[Any, str]]) -> Iterator[list[float]]:
    """Add up the seconds spent in some functions, each an owner and a name, in this context."""
    kept: list[tuple[Any, str, Callable[..., Any]]] = [
        (owner, name, getattr(owner, name)) for owner, name in functions
    ]
    seconds = [0.0]
    for owner, name, function in kept:
        setattr(owner, name, _clocked(function, seconds))
    try:
        yield seconds
    finally:
        for owner, name, function in kept:
            setattr(owner, name, function)


def _clocked(function: Callable[..., Any], seconds: list[float]) -> Callable[..., Any]:
    clock = time.perf_counter

    def clocked(*args: Any, **kwargs: Any) -> Any:
        begun = clock()
        try:
            return function(*args, **kwargs)
        finally:
            seconds[0] += clock() - begun

    return clocked
