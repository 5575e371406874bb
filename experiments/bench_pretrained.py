"""The command `headstart bench pretrained`: the ready-made policies, trained anew or measured."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def pretrained(
    world: Annotated[
        list[str] | None, typer.Option(help="A world; may be repeated.", show_default="all")
    ] = None,
    kind: Annotated[
        list[str] | None,
        typer.Option(help="nominal or randomized; may be repeated.", show_default="both"),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Where the bundles go, or are.",
            show_default="runs/pretrained; with the flags below, those that come along",
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
    """Train the ready-made policies anew, by the recipe they were made with, and measure them.

    Each bundle `<out>/<World>/<kind>` gets a `card.json`: how it was made and what it gets in its
    world, under the recommended randomization, and on each calibrated shift.

    Examples:

        headstart bench pretrained --evaluate
        headstart bench pretrained --world headstart/PandaReach-v0 --kind nominal
    """
    from . import cli
    from .cards import evaluation_table, make_cards, train_bundles

    if evaluate:
        cli.console.print(evaluation_table(world, kind, out, episodes, cli.console))
        return
    if not cards_only:
        out = out or Path("runs/pretrained")
        train_bundles(world, kind, out, cli.console)
    for path in make_cards(world, kind, out, episodes, cli.console):
        cli.console.print(f"card: {path}", highlight=False)
