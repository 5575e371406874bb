"""`headstart check`: an environment against the contract, as a table and advice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import gymnasium
from rich import box
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Table
from rich.text import Text

from ...envs.adapters import adapt_known
from ...envs.catalog import WORLDS
from ...envs.contract.examine import PROPERTIES, QUICK, THOROUGH, PropertyOutcome, Subject, examine
from ...envs.spec import UnmadeError, WorldSpec

STYLES = {
    "holds": "green",
    "does not hold": "bold red",
    "to note": "yellow",
    "not applicable": "dim",
}
ASKS_FOR_ADVICE = ("does not hold", "to note")


def _make_known(spec: WorldSpec, **extra: Any) -> gymnasium.Env[Any, Any]:
    """Make a world, with the parameters that headstart knows for it."""
    return adapt_known(spec.make(**extra))


def check_world(spec: WorldSpec, *, quick: bool, console: Console) -> list[PropertyOutcome]:
    """Check every property of a world, with a bar while it lasts.

    Raises:
        HeadstartError: an unknown id or module.
    """

    # Gymnasium's own wrapper would report some of it, once, as warnings.
    make = partial(_make_known, spec, disable_env_checker=True)
    size = QUICK if quick else THOROUGH
    foreign = bool(spec.wrappers) or spec.world not in WORLDS
    subject = Subject(make, foreign=foreign, size=size)
    try:
        _ = subject.env
    except UnmadeError:
        # It exists but cannot be made: the first property says so, and why.
        subject.close()
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
    )
    outcomes: list[PropertyOutcome] = []
    try:
        shown = console.is_terminal
        with Progress(*columns, console=console, transient=True, disable=not shown) as progress:
            bar = progress.add_task(PROPERTIES[0].statement, total=len(PROPERTIES))
            for outcome in examine(subject):
                outcomes.append(outcome)
                following = PROPERTIES[len(outcomes) : len(outcomes) + 1]
                said = following[0].statement if following else ""
                progress.update(bar, advance=1, description=said)
    finally:
        subject.close()
    return outcomes


def findings(outcomes: Sequence[PropertyOutcome]) -> Iterator[RenderableType]:
    """Yield the table of all properties, advice where one is needed, and the count."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("verdict", no_wrap=True)
    table.add_column("property", overflow="fold")
    for outcome in outcomes:
        verdict = Text(outcome.verdict, STYLES[outcome.verdict])
        said = outcome.property.statement
        if outcome.verdict == "not applicable":
            said = f"{said} ({outcome.seen})"
        table.add_row(verdict, Text(said))
    yield table
    for asking in ASKS_FOR_ADVICE:
        yield from (_advice(outcome) for outcome in outcomes if outcome.verdict == asking)
    counts = {name: sum(o.verdict == name for o in outcomes) for name in STYLES}
    yield f"properties: {', '.join(f'{n} {name}' for name, n in counts.items() if n)}"


def _advice(outcome: PropertyOutcome) -> RenderableType:
    asked = outcome.property
    rows = Table(box=None, show_header=False, pad_edge=False)
    rows.add_column(style="dim", no_wrap=True)
    rows.add_column(overflow="fold")
    title = Text.assemble((outcome.verdict, STYLES[outcome.verdict]), ": ", asked.statement)
    for name, text in (("seen", outcome.seen), ("means", asked.means), ("fix", asked.fix)):
        rows.add_row(name, Text(text))
    whole = Table.grid()
    whole.add_row(title)
    whole.add_row(Padding(rows, (0, 0, 1, 2)))
    return whole
