"""How fast many worlds are stepped: our vector environment beside those of SB3, in one run."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median
from typing import Any

import gymnasium
import numpy as np
from rich.table import Table
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecEnv

from ...envs.catalog import WORLDS
from ...envs.spec import WorldSpec
from ...envs.vector.vec_env import ParallelVecEnv
from .worlds import seconds_of

WARM_UP = 20
# From heavy to light; only those that there are.
DEFAULT = (
    "headstart/A1Walk-v0",
    "headstart/RacecarTrack-v0",
    "headstart/CartPoleSwingUp-v0",
    "headstart/Hopper-v0",
)
OURS, DUMMY, SUBPROC = "ParallelVecEnv", "DummyVecEnv", "SubprocVecEnv"


@dataclass(frozen=True)
class Speed:
    """The seconds that each vector environment took in `world`, in every repetition.

    Each repetition takes `steps` steps, counted over all worlds. `machine` is how many times as
    fast as one worker the machine lets all of them be when they step their worlds without waiting
    for each other: what is to be had at most. On cores of their own it is their number.
    """

    world: str
    steps: int
    seconds: Mapping[str, Sequence[float]]
    machine: float

    def per_second(self, name: str) -> float:
        """Return the median of the steps per second."""
        return median(self.steps / taken for taken in self.seconds[name])

    def ratio(self, other: str) -> float:
        """How many times as fast as `other` ours is: the median of the repetitions' ratios.

        A machine that is slow for a while is slow for all that take turns.
        """
        pairs = zip(self.seconds[other], self.seconds[OURS], strict=True)
        return median(theirs / ours for theirs, ours in pairs)


def vector_speed(
    world_id: str, worlds: int = 16, workers: int = 2, steps: int = 200, repetitions: int = 5
) -> Speed:
    """Time `steps` steps of all worlds with random actions, resets included.

    The three take turns in every repetition, all with the same actions, so that whatever else the
    machine does meanwhile falls on all of them.
    """

    def make() -> gymnasium.Env[Any, Any]:
        return Monitor(gymnasium.make(world_id))

    makes = [make] * worlds
    kinds: dict[str, Callable[[], VecEnv]] = {
        OURS: lambda: ParallelVecEnv(makes, workers),
        DUMMY: lambda: DummyVecEnv(makes),
        SUBPROC: lambda: SubprocVecEnv(makes),
    }
    # SB3's processes then do not each import all of this; they step no faster or slower for it.
    multiprocessing.set_forkserver_preload([__name__])
    with ExitStack() as stack:
        vectors = {}
        for name, kind in kinds.items():
            vectors[name] = kind()
            stack.callback(vectors[name].close)
        space = vectors[OURS].action_space
        space.seed(0)
        actions = [np.array([space.sample() for _ in range(worlds)]) for _ in range(steps)]
        for vector in vectors.values():
            vector.seed(0)
            vector.reset()
            _seconds(vector, actions[:WARM_UP])
        free = ParallelVecEnv([lambda: _Advancing(make())] * worlds, workers)
        stack.callback(free.close)
        free.seed(0)
        free.reset()
        first = range(worlds // workers)
        alike = [action[0] for action in actions]
        seconds: dict[str, list[float]] = {name: [] for name in vectors}
        gains = []
        for _ in range(repetitions):
            for name, vector in vectors.items():
                seconds[name].append(_seconds(vector, actions))
            one = seconds_of(lambda: free.env_method("advance", alike, indices=first))
            gains.append(workers * one / seconds_of(lambda: free.env_method("advance", alike)))
    return Speed(world_id, worlds * steps, seconds, median(gains))


def vector_table(
    world_ids: Sequence[str] | None = None,
    worlds: int = 16,
    workers: int = 2,
    steps: int = 200,
    repetitions: int = 5,
) -> Table:
    """Return the table of `headstart bench vector`."""
    title = f"Steps per second, {worlds} worlds, {workers} workers (medians of {repetitions})"
    table = Table(title=title)
    table.add_column("world", no_wrap=True)
    for name in (OURS, DUMMY, SUBPROC, f"to {DUMMY}", f"to {SUBPROC}", "machine"):
        table.add_column(name, justify="right")
    table.caption = (
        f"machine: how many times one worker's speed {workers} workers have on this machine that "
        "do not wait for each other"
    )
    for world_id in world_ids or [name for name in DEFAULT if name in WORLDS]:
        WorldSpec(world_id).make().close()  # or one line that names the nearest world
        speed = vector_speed(world_id, worlds, workers, steps, repetitions)
        table.add_row(
            world_id,
            *(f"{speed.per_second(name):,.0f}" for name in (OURS, DUMMY, SUBPROC)),
            *(f"{speed.ratio(other):.2f} x" for other in (DUMMY, SUBPROC)),
            f"{speed.machine:.2f} x",
        )
    return table


class _Advancing(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Takes many steps at one call, and waits for nobody in between."""

    def advance(self, actions: Sequence[np.ndarray[Any, Any]]) -> None:
        """Step, and reset where an episode ends."""
        for action in actions:
            *_, terminated, truncated, _ = self.step(action)
            if terminated or truncated:
                self.reset()


def _seconds(vector: VecEnv, actions: Sequence[np.ndarray[Any, Any]]) -> float:
    return seconds_of(lambda: [vector.step(action) for action in actions])
