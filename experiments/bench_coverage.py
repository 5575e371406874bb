"""The command `headstart bench coverage`: what the intervals of reports cover in truth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


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

    from . import cli
    from .coverage import columns, page, rows, study
    from .running.facts import versions
    from .running.store import write_text

    with Progress(console=cli.console, transient=True) as progress:
        found = list(study(repetitions, seed, progress))
    table = Table(*columns())
    for row in rows(found):
        table.add_row(*row)
    cli.console.print(table)
    if out:
        command = f"headstart bench coverage --repetitions {repetitions} --seed {seed}"
        write_text(out, page(found, command, versions()))
        cli.console.print(f"table: {out}", highlight=False)
