"""Benchmarks beside peers: the same robot at the same timestep and substeps, in one run."""

from __future__ import annotations

import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

import gymnasium
import numpy as np
from rich.progress import track
from rich.table import Table

from ...core.errors import HeadstartError
from ...envs.catalog import WORLDS
from ...envs.world import Timing, World

WARM_UP = 50


@dataclass(frozen=True)
class Peer:
    """A peer's environment beside our world; `timing` is theirs."""

    world: str
    module: str
    theirs: str
    timing: Timing

    def ours(self) -> World:
        """Build our world with the peer's timing."""
        entry = replace(WORLDS[self.world], timing=self.timing)
        return World(*entry.parts(), entry.timing)

    def peer(self) -> gymnasium.Env[Any, Any]:
        """Build the peer's environment.

        Raises:
            HeadstartError: the peer is not installed; says which extra has it.
        """
        try:
            import_module(self.module)
        except ModuleNotFoundError:
            raise HeadstartError(
                f"{self.theirs} needs {self.module}: pip install 'headstart[bench]'"
            ) from None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return gymnasium.make(self.theirs, disable_env_checker=True)


# Both packages' own settings: panda-gym 3 steps 20 x 2 ms with PyBullet's 50 iterations;
# pybullet_envs 4 x 4.125 ms with 5.
ARM = Timing(timestep=1 / 500, substeps=20, solver_iterations=50)
GYM = Timing(timestep=0.0165 / 4, substeps=4, solver_iterations=5)
PEERS = (
    Peer("headstart/PandaReach-v0", "panda_gym", "PandaReachJoints-v3", ARM),
    Peer("headstart/PandaPush-v0", "panda_gym", "PandaPush-v3", ARM),
    Peer("headstart/Hopper-v0", "pybullet_envs_gymnasium", "HopperBulletEnv-v0", GYM),
    Peer("headstart/HalfCheetah-v0", "pybullet_envs_gymnasium", "HalfCheetahBulletEnv-v0", GYM),
    Peer("headstart/Ant-v0", "pybullet_envs_gymnasium", "AntBulletEnv-v0", GYM),
)


def peers_table(steps: int, repetitions: int) -> Table:
    """Return the table of `headstart bench peers`: medians over alternating repetitions.

    A repetition is `steps` steps of random actions with the resets that they lead to.

    Raises:
        HeadstartError: a peer is not installed.
    """
    title = f"Steps per second, random actions (median of {repetitions} x {steps:,} steps)"
    table = Table("world", "ours", "peer", "theirs", "ratio", title=title)
    pairs = [(peer, peer.ours(), peer.peer()) for peer in PEERS if peer.world in WORLDS]
    for peer, ours, theirs in track(pairs, "measuring", transient=True):
        rates: tuple[list[float], list[float]] = ([], [])
        for repetition in range(repetitions):
            for env, found in zip((ours, theirs), rates, strict=True):
                found.append(_rate(env, steps, seed=repetition))
        mine, other = (statistics.median(found) for found in rates)
        ratios = [a / b for a, b in zip(*rates, strict=True)]
        table.add_row(
            peer.world,
            f"{mine:,.0f}",
            peer.theirs,
            f"{other:,.0f}",
            f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})",
        )
        ours.close()
        theirs.close()
    return table


def _rate(env: Any, steps: int, seed: int) -> float:
    """Return steps per second, resets included."""
    space = env.action_space
    actions = np.random.default_rng(seed).uniform(-1, 1, (steps + WARM_UP, *space.shape))
    actions = actions.astype(np.float32)
    env.reset(seed=seed)
    clock: Callable[[], float] = time.perf_counter
    begun = clock()
    for number, action in enumerate(actions):
        if number == WARM_UP:
            begun = clock()
        *_, terminated, truncated, _ = env.step(action)
        if terminated or truncated:
            env.reset()
    return steps / (clock() - begun)
