"""How finely each world divides time: error against a fine reference, contacts, and cost.

Every choice of physics steps per control step and of solver iterations plays the same episodes with
the same actions as a reference that is eight times as fine. The measured table is checked in as
`envs/timing.json`; `headstart bench timing` makes it anew.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pybullet as bullet
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from ..envs.catalog import WORLDS, find
from ..envs.world import Timing, World
from .running.facts import versions
from .running.store import read_json, write_json

FINER, ITERATIONS = 8, 300
HORIZON = 10
"""Control steps that are compared: beyond, contacts make all small differences large."""
HELD = 5
"""Control steps for which a random action is held, so that things move."""
REPETITIONS = 5


def choices(timing: Timing) -> list[Timing]:
    """Return half, once and twice the physics steps, and some numbers of iterations."""
    period = timing.period
    steps = sorted({max(1, timing.substeps // 2), timing.substeps, 2 * timing.substeps})
    iterations = sorted({5, 10, 30, 50, 100, timing.solver_iterations})
    pairs = [(count, timing.solver_iterations) for count in steps]
    pairs += [(timing.substeps, number) for number in iterations]
    return [Timing(period / c, c, n) for c, n in dict.fromkeys(pairs)]


def play(world_id: str, timing: Timing, episodes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Play the first `HORIZON` control steps of some episodes with random actions.

    What happens follows from the timing alone. Returns observations `(episodes, HORIZON, size)`,
    how deep bodies sink into each other at most (m) and the seconds of each control step, both
    `(episodes, HORIZON)`; all NaN after an early end.
    """
    entry = WORLDS[world_id]
    world = World(*entry.parts(), timing)
    size, joints = sum(channel.size for channel in world.channels), len(world.robot.commands)
    seen = np.full((episodes, HORIZON, size), np.nan)
    depths, seconds = np.full((2, episodes, HORIZON), np.nan)
    for seed in range(episodes):
        rng = np.random.default_rng(seed)
        world.reset(seed=seed)
        action = np.zeros(joints, np.float32)
        for step in range(HORIZON):
            if step % HELD == 0:
                action = rng.uniform(-1, 1, joints).astype(np.float32)
            begun = time.perf_counter()
            observation, _, terminated, _, _ = world.step(action)
            seconds[seed, step] = time.perf_counter() - begun
            contacts = bullet.getContactPoints(physicsClientId=world.simulation.client)
            depths[seed, step] = max((-contact[8] for contact in contacts), default=0.0)
            seen[seed, step] = observation
            if terminated:
                break
    world.close()
    return seen, np.maximum(depths, 0.0), seconds


def study(world_id: str, episodes: int, progress: Progress) -> dict[str, Any]:
    """Return a world's entry of `envs/timing.json`.

    `error` is the root mean square, over steps (to the first end) and observation elements, of the
    difference from the reference, each in units of its standard deviation over the reference; the
    median over the episodes. Every choice is played `REPETITIONS` times, in turn, and of every
    step the fastest counts: whatever else a machine does only adds to what is always the same.
    """
    timing = WORLDS[world_id].timing
    fine = Timing(timing.timestep / FINER, FINER * timing.substeps, ITERATIONS)
    options = choices(timing)
    bar = progress.add_task(world_id, total=REPETITIONS * len(options) + 1)
    reference, _, _ = play(world_id, fine, episodes)
    progress.advance(bar)
    scale = np.nanstd(reference, axis=(0, 1))
    scale[scale == 0.0] = np.inf
    fastest = dict.fromkeys(options, np.inf * np.ones((episodes, HORIZON)))
    played = {}
    for _ in range(REPETITIONS):
        for option in options:
            seen, depths, seconds = play(world_id, option, episodes)
            played[option] = seen, depths
            fastest[option] = np.minimum(fastest[option], seconds)
            progress.advance(bar)
    rows = []
    for option, (seen, depths) in played.items():
        errors = np.sqrt(np.nanmean(((seen - reference) / scale) ** 2, axis=(1, 2)))
        rows.append(
            {
                "substeps": option.substeps,
                "solver_iterations": option.solver_iterations,
                "error": float(np.nanmedian(errors)),
                "penetration": float(np.nanmean(depths)),
                "microseconds": 1e6 * float(np.nanmean(fastest[option])),
                "chosen": (option.substeps, option.solver_iterations)
                == (timing.substeps, timing.solver_iterations),
            }
        )
    return {"episodes": episodes, "horizon": HORIZON, "versions": versions(), "rows": rows}


def timing_table(world_id: str, measured: Mapping[str, Any]) -> Table:
    """Return the table of one world's study."""
    title = f"{world_id}: {measured['episodes']} episodes, {measured['horizon']} control steps"
    columns = ("physics steps", "iterations", "error", "sinks in (mm)", "us a control step", "")
    table = Table(*columns, title=title)
    for row in measured["rows"]:
        table.add_row(
            str(row["substeps"]),
            str(row["solver_iterations"]),
            f"{row['error']:.3f}",
            f"{1e3 * row['penetration']:.2f}",
            f"{row['microseconds']:.0f}",
            "chosen" if row["chosen"] else "",
        )
    return table


def study_all(
    world_ids: Sequence[str] | None, episodes: int, out: Path | None, console: Console
) -> Iterator[Table]:
    """Study several worlds (all by default), yielding a table each; merge them into `out`.

    Raises:
        HeadstartError: an unknown world.
    """
    for world_id in world_ids or WORLDS:
        find(world_id)
        with Progress(console=console, transient=True) as progress:
            measured = study(world_id, episodes, progress)
        if out is not None:
            write_json(out, {**(read_json(out) or {}), world_id: measured})
        yield timing_table(world_id, measured)
