"""How much harm each named shift does: nominal policies evaluated, as they are, on every shift.

The measured table is checked in as `envs/shifts.json`; `headstart bench shifts` makes it anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import Progress, TaskID
from rich.table import Table

from ..agents.algorithms import resolve
from ..agents.evaluation import Act, evaluate
from ..agents.learner import Learner, create
from ..agents.training import train
from ..envs.errors import HeadstartError, nearest
from ..envs.making import WorldSpec
from ..envs.shifts import SHIFTS, zero_shot_score
from .measuring.statistics import mean_interval
from .running.facts import versions
from .running.store import read_json, write_json

FIRST_SEED = 1_000_000


def measure_shifts(
    world_id: str, *, steps: int, seeds: Sequence[int], episodes: int, progress: Progress
) -> dict[str, Any]:
    """Train one policy per seed in the nominal world and evaluate each on every shift.

    Returns what was done and, per shift (and for "nominal"), the return of random actions and each
    policy's return and success rate.
    """
    algorithm = resolve("ppo", world_id)
    nominal = WorldSpec(world_id)
    bar = progress.add_task(f"{world_id}: training", total=len(seeds) * steps)
    policies: list[Learner] = []
    for number, seed in enumerate(seeds):
        learner = create(algorithm, nominal.make, seed)
        train(
            learner,
            steps=steps,
            seed=seed,
            grid=[],
            evaluate=lambda learner: evaluate(learner.act, nominal.make, [FIRST_SEED]),
            on_evaluation=lambda step, evaluation: None,
            on_rollout=partial(_advance, progress, bar, number * steps),
        )
        learner.close()
        policies.append(learner)
    shifts: dict[str, Mapping[str, str]] = {"nominal": {}}
    shifts |= {name: shift.changes for name, shift in SHIFTS[world_id].items()}
    bar = progress.add_task(f"{world_id}: evaluating", total=len(shifts))
    rows = {}
    for name, changes in shifts.items():
        spec = WorldSpec(world_id, shift=changes)
        test = partial(
            evaluate,
            make_world=spec.make,
            seeds=range(FIRST_SEED, FIRST_SEED + episodes),
            worlds=4,
        )
        outcomes = [test(policy.act) for policy in policies]
        rows[name] = {
            "changes": dict(changes),
            "random": float(test(_random_actions(learner)).returns.mean()),
            "returns": [float(outcome.returns.mean()) for outcome in outcomes],
            "success": [
                None if outcome.successes is None else float(outcome.successes.mean())
                for outcome in outcomes
            ],
        }
        progress.advance(bar)
    return {
        "algorithm": {algorithm.name: dict(algorithm.settings)},
        "steps": steps,
        "seeds": list(seeds),
        "episodes": episodes,
        "versions": versions(),
        "shifts": rows,
    }


def _advance(progress: Progress, bar: TaskID, before: int, step: int) -> None:
    progress.update(bar, completed=before + step)


def _random_actions(learner: Learner) -> Act:
    """Return a policy of uniformly random actions, anew from the same seed."""
    rng = np.random.default_rng(FIRST_SEED)
    shape = learner.worlds.action_space.shape or ()
    return lambda observations: rng.uniform(-1, 1, (len(observations), *shape))


def measure_all(
    world_ids: Sequence[str] | None,
    steps: int,
    seeds: Sequence[int],
    episodes: int,
    out: Path | None,
    console: Console,
) -> Iterator[Table]:
    """Measure several worlds (all with shifts by default), yielding a table each.

    What is measured is merged into the JSON file `out`, if one is given.

    Raises:
        HeadstartError: an unknown world.
    """
    for world_id in world_ids or SHIFTS:
        if world_id not in SHIFTS:
            raise HeadstartError(f"no shifts of '{world_id}'{nearest(world_id, SHIFTS)}")
        with Progress(console=console, transient=True) as progress:
            measured = measure_shifts(
                world_id, steps=steps, seeds=seeds, episodes=episodes, progress=progress
            )
        if out is not None:
            write_json(out, {**(read_json(out) or {}), world_id: measured})
        yield shifts_table(world_id, measured)


def shifts_table(world_id: str, measured: Mapping[str, Any]) -> Table:
    """Return the table of a world's shifts: zero-shot returns of nominal policies.

    A score of 0 is random actions on that shift, 1 what the policies get in the nominal world.
    """
    rows = measured["shifts"]
    seeds, episodes = len(measured["seeds"]), measured["episodes"]
    title = f"{world_id}: nominal policies, zero-shot ({seeds} seeds, {episodes} episodes)"
    table = Table("shift", "changes", "return", "95 %", "score", "success", title=title)
    for name, row in rows.items():
        returns = np.array(row["returns"])
        interval = mean_interval(returns)
        successes = [value for value in row["success"] if value is not None]
        ends = (interval.low, interval.high) if interval else (None, None)
        bounds = "" if None in ends else f"[{ends[0]:.1f}, {ends[1]:.1f}]"
        table.add_row(
            name,
            ", ".join(f"{key} {change}" for key, change in row["changes"].items()),
            f"{returns.mean():.1f}",
            bounds,
            f"{zero_shot_score(measured, name):.2f}",
            f"{100 * float(np.mean(successes)):.0f} %" if successes else "",
        )
    return table
