"""The commands `headstart bench ...`: what headstart says of itself, measured anew."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .console import console
from .options import world_ids

app = typer.Typer()


@app.callback()
def _bench() -> None:
    """Measure anew: speed, shifts, pretrained policies, intervals."""


@app.command()
def worlds(
    world: Annotated[
        list[str] | None,
        typer.Argument(help="Worlds to measure.", show_default="all", autocompletion=world_ids),
    ] = None,
    steps: Annotated[int, typer.Option(min=10, help="Steps per world.")] = 300,
    repetitions: Annotated[
        int, typer.Option(min=1, help="How often; the fastest of each step counts.")
    ] = 20,
) -> None:
    """Microseconds per step of worlds: physics, ranging, PyBullet's other calls, our own code."""
    from ..bench.worlds import worlds_table

    console.print(worlds_table(world, steps, repetitions))


@app.command()
def shifts(
    world: Annotated[
        list[str] | None,
        typer.Argument(help="Worlds to measure.", show_default="all", autocompletion=world_ids),
    ] = None,
    policy: Annotated[
        list[Path] | None,
        typer.Option(
            help="A bundle trained in the nominal world; may be repeated.",
            show_default="the shipped one",
        ),
    ] = None,
    episodes: Annotated[int, typer.Option(min=2, help="Episodes per policy and shift.")] = 100,
    out: Annotated[Path | None, typer.Option(help="JSON file to write as well.")] = None,
    family: Annotated[
        list[str] | None,
        typer.Option(
            help="Measure this family only, the others stay as they are; may be repeated.",
            show_default="all",
        ),
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Measure the levels that there are; find none.")
    ] = False,
) -> None:
    """Calibrate the named shifts: find and measure their levels for nominal policies."""
    from ..bench.shifts import calibrate_all

    only = family or []
    for table in calibrate_all(world, policy or [], episodes, out, console, only, keep):
        console.print(table)


@app.command()
def timing(
    world: Annotated[
        list[str] | None,
        typer.Argument(help="Worlds to study.", show_default="all", autocompletion=world_ids),
    ] = None,
    episodes: Annotated[int, typer.Option(min=2, help="Episodes per choice.")] = 20,
    out: Annotated[Path | None, typer.Option(help="JSON file to write as well.")] = None,
) -> None:
    """Error, contact depth and cost of physics steps and solver iterations, per world."""
    from ..bench.timing import study_all

    for table in study_all(world, episodes, out, console):
        console.print(table)


@app.command()
def peers(
    steps: Annotated[int, typer.Option(min=10, help="Steps of a repetition.")] = 2_000,
    repetitions: Annotated[int, typer.Option(min=1, help="Repetitions; the median counts.")] = 5,
) -> None:
    """Steps per second beside panda-gym and pybullet_envs_gymnasium: same robot, same timing."""
    from ..bench.peers import peers_table

    console.print(peers_table(steps, repetitions))


@app.command()
def training(
    world: Annotated[
        list[str] | None,
        typer.Argument(
            help="Worlds to learn.", show_default="all published", autocompletion=world_ids
        ),
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="Environment steps of a training.")] = 400_000,
    seeds: Annotated[int, typer.Option(min=2, help="Trainings per world and setting.")] = 5,
    factor: Annotated[
        float, typer.Option(min=1, help="How many times our time RL Zoo's settings may take.")
    ] = 2.5,
    out: Annotated[
        Path | None, typer.Option(help="JSON file of all trainings; goes on from it.")
    ] = None,
) -> None:
    """Core seconds to a fixed return: our presets beside RL Zoo's published settings."""
    from ..bench.training import compare_all

    for table in compare_all(world, range(seeds), steps, factor, out, console):
        console.print(table)


@app.command()
def updates(
    world: Annotated[
        list[str] | None,
        typer.Argument(
            help="Worlds to learn in.", show_default="light to heavy", autocompletion=world_ids
        ),
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="Updates of SAC a repetition.")] = 50,
    rollouts: Annotated[int, typer.Option(min=1, help="Rollouts of PPO a repetition.")] = 2,
    repetitions: Annotated[int, typer.Option(min=1, help="Repetitions; the median counts.")] = 5,
) -> None:
    """What learning costs beside Stable-Baselines3's: PPO's time around a step, SAC's updates.

    Example:

        headstart bench updates headstart/PandaReach-v0
    """
    from ..bench.updates import overhead_table, updates_table

    console.print(overhead_table(world, rollouts, repetitions))
    console.print(updates_table(world, count, repetitions))


@app.command()
def vector(
    world: Annotated[
        list[str] | None,
        typer.Option(
            help="A world to measure; may be repeated.",
            show_default="light to heavy",
            autocompletion=world_ids,
        ),
    ] = None,
    worlds: Annotated[int, typer.Option(min=1, help="Worlds side by side.")] = 16,
    workers: Annotated[int, typer.Option(min=1, help="Worker processes of ours.")] = 2,
    steps: Annotated[int, typer.Option(min=10, help="Steps of all worlds a repetition.")] = 200,
    repetitions: Annotated[int, typer.Option(min=1, help="Repetitions; the median counts.")] = 5,
) -> None:
    """Steps per second of our vector environment beside SB3's two."""
    from ..bench.vector import vector_table

    console.print(vector_table(world, worlds, workers, steps, repetitions))


@app.command()
def pretrained(
    world: Annotated[
        list[str] | None,
        typer.Option(
            help="A world; may be repeated.", show_default="all", autocompletion=world_ids
        ),
    ] = None,
    kind: Annotated[
        list[str] | None,
        typer.Option(help="nominal or randomized; may be repeated.", show_default="both"),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Where the bundles go, or are.",
            show_default="runs/pretrained; with the flags below, those of headstart",
        ),
    ] = None,
    cards_only: Annotated[
        bool, typer.Option("--cards-only", help="Train nothing: measure bundles, write cards.")
    ] = False,
    evaluate: Annotated[
        bool, typer.Option("--evaluate", help="Train and write nothing: a table of the bundles.")
    ] = False,
    episodes: Annotated[int, typer.Option(min=2, help="Episodes per world and shift.")] = 20,
) -> None:
    """Train the pretrained policies anew, by the recipe they were made with, and measure them.

    Each bundle `<out>/<World>/<kind>` gets a `card.json`: how it was made and what it gets in its
    world, under the recommended randomization, and on each calibrated shift.

    Examples:

        headstart bench pretrained --evaluate
        headstart bench pretrained --world headstart/PandaReach-v0 --kind nominal
    """
    from ..bench.pretrained import make_cards, pretrained_table, train_bundles

    if evaluate:
        console.print(pretrained_table(world, kind, out, episodes, console))
        return
    if not cards_only:
        out = out or Path("runs/pretrained")
        train_bundles(world, kind, out, console)
    for path in make_cards(world, kind, out, episodes, console):
        console.print(f"card: {path}", highlight=False)


@app.command()
def coverage(
    repetitions: Annotated[int, typer.Option(min=10, help="Samples per cell.")] = 2_000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of everything random.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option(help="Where the table is written as Markdown.", show_default="nowhere"),
    ] = None,
) -> None:
    """Simulate what the nominal 95 % intervals of reports cover, for 3 to 30 seeds.

    Example:

        headstart bench coverage --out experiments/results/coverage.md
    """
    from rich.progress import Progress
    from rich.table import Table

    from ...core.files import write_text
    from ..bench.coverage import columns, coverage_study, page, rows
    from ..running.metadata import versions

    with Progress(console=console, transient=True) as progress:
        found = list(coverage_study(repetitions, seed, progress))
    table = Table(*columns())
    for row in rows(found):
        table.add_row(*row)
    console.print(table)
    if out:
        command = f"headstart bench coverage --repetitions {repetitions} --seed {seed}"
        write_text(out, page(found, command, versions()))
        console.print(f"table: {out}", highlight=False)
