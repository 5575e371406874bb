"""How finely each world divides time: error against a fine reference, contacts, and cost.

Every choice of physics steps per control step and of solver iterations plays the same episodes with
the same actions as a reference that is eight times as fine. The measured table is checked in as
`envs/timing.json`; `headstart bench timing` makes it anew.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from ...core.files import read_json, write_json
from ...envs.bullet import bullet
from ...envs.catalog import WORLDS, find_world
from ...envs.world import Timing, World
from ..running.metadata import versions

FINER, ITERATIONS = 8, 300
PLAYED = 50
"""Control steps of an episode: long enough for what starts in the air to land."""
HORIZON = 10
"""Control steps that are compared, from the first touch on where things touch at all: beyond,
contacts make all small differences large."""
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


class Played(NamedTuple):
    """The first `PLAYED` control steps of some episodes, NaN after an early end.

    `seen` are the observations `(episodes, PLAYED, size)`; `depths` how deep bodies sink into each
    other at most (m) and `seconds` what each control step took, `(episodes, PLAYED)`; `touching`
    says whether anything touched, likewise.
    """

    seen: np.ndarray
    depths: np.ndarray
    seconds: np.ndarray
    touching: np.ndarray

    def compared(self) -> np.ndarray:
        """Return which steps are compared, bool `(episodes, PLAYED)`: `HORIZON` from a touch on."""
        first = np.argmax(self.touching, axis=1)[:, None]  # 0 where nothing touches
        steps = np.arange(self.touching.shape[1])
        chosen: np.ndarray = (steps >= first) & (steps < first + HORIZON)
        return chosen


def play(world_id: str, timing: Timing, episodes: int) -> Played:
    """Play some episodes with random actions; what happens follows from the timing alone."""
    entry = WORLDS[world_id]
    world = World(*entry.parts(), timing)
    size, joints = sum(channel.size for channel in world.channels), len(world.robot.commands)
    seen = np.full((episodes, PLAYED, size), np.nan)
    depths, seconds = np.full((2, episodes, PLAYED), np.nan)
    touching = np.zeros((episodes, PLAYED), bool)
    for seed in range(episodes):
        rng = np.random.default_rng(seed)
        world.reset(seed=seed)
        action = np.zeros(joints, np.float32)
        for step in range(PLAYED):
            if step % HELD == 0:
                action = rng.uniform(-1, 1, joints).astype(np.float32)
            begun = time.perf_counter()
            observation, _, terminated, _, _ = world.step(action)
            seconds[seed, step] = time.perf_counter() - begun
            contacts = bullet.getContactPoints(physicsClientId=world.simulation.client)
            depths[seed, step] = max((-contact[8] for contact in contacts), default=0.0)
            touching[seed, step] = bool(contacts)
            seen[seed, step] = observation
            if terminated:
                break
    world.close()
    return Played(seen, np.maximum(depths, 0.0), seconds, touching)


def timing_study(world_id: str, episodes: int, progress: Progress) -> dict[str, Any]:
    """Return a world's entry of `envs/timing.json`.

    `error` is the root mean square, over the steps compared and observation elements, of the
    difference from the reference, each in units of its standard deviation over the reference; the
    median over the episodes that get so far. `penetration` is over all steps. Every choice is
    played `REPETITIONS` times, in turn, and of every step the fastest counts: whatever else a
    machine does only adds to what is always the same.
    """
    timing = WORLDS[world_id].timing
    fine = Timing(timing.timestep / FINER, FINER * timing.substeps, ITERATIONS)
    options = choices(timing)
    bar = progress.add_task(world_id, total=REPETITIONS * len(options) + 1)
    reference = play(world_id, fine, episodes)
    progress.advance(bar)
    scale = np.nanstd(reference.seen, axis=(0, 1))
    scale[scale == 0.0] = np.inf
    elsewhere = ~reference.compared()[..., None]
    fastest = dict.fromkeys(options, np.inf * np.ones((episodes, PLAYED)))
    played = {}
    for _ in range(REPETITIONS):
        for option in options:
            played[option] = play(world_id, option, episodes)
            fastest[option] = np.minimum(fastest[option], played[option].seconds)
            progress.advance(bar)
    rows = []
    for option, (seen, depths, _, _) in played.items():
        off = np.where(elsewhere, np.nan, (seen - reference.seen) / scale)
        counted = np.isfinite(off).sum(axis=(1, 2))
        errors = np.sqrt(np.nansum(off**2, axis=(1, 2))[counted > 0] / counted[counted > 0])
        rows.append(
            {
                "substeps": option.substeps,
                "solver_iterations": option.solver_iterations,
                "error": float(np.median(errors)),
                "penetration": float(np.nanmean(depths)),
                "microseconds": 1e6 * float(np.nanmean(fastest[option])),
                "chosen": (option.substeps, option.solver_iterations)
                == (timing.substeps, timing.solver_iterations),
            }
        )
    return {
        "episodes": episodes,
        "played": PLAYED,
        "horizon": HORIZON,
        "versions": versions(),
        "rows": rows,
    }


def timing_table(world_id: str, measured: Mapping[str, Any]) -> Table:
    """Return the table of one world's study."""
    title = f"{world_id}: {measured['episodes']} episodes of {measured['played']} control steps"
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
        find_world(world_id)
        with Progress(console=console, transient=True) as progress:
            measured = timing_study(world_id, episodes, progress)
        if out is not None:
            write_json(out, {**(read_json(out) or {}), world_id: measured})
        yield timing_table(world_id, measured)
