"""The result as a table for the terminal, per target, with a plain sentence on every method."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ...measuring.results import Summary, TargetSummary
from ..words.intervals import span
from .rows import Cell, ResultTable, short_caption, target_table

QUIET, BELOW = "dim", "bold red"
INTERVAL = len("[+0.00, +0.00]")
STYLES = {"": "", "good": "green", "bad": BELOW}


def render_summary(summary: Summary) -> Group:
    """Return a summary for a rich console: who is ahead, the tables, then what limits them."""
    parts: list[RenderableType] = [Text(line, style="bold") for line in summary.headlines]
    for name, target in summary.targets.items():
        parts += [Text(), render_table(target_table(summary, name), summary, name)]
        parts += [sentences(target)]
    if summary.failures:
        parts += [Text(), failures(summary)]
    parts += [Text(note, style="yellow") for note in summary.notes]
    return Group(*parts)


def render_table(table: ResultTable, summary: Summary, name: str) -> Table:
    """Return the table of one target: a row per method, estimates over intervals."""
    target = summary.targets[name]
    budget = f" · {target.steps:,} steps" if target.steps else ""
    if target.steps and target.period:
        budget += f" ({span(target.steps * target.period)} of robot time)"
    made = Table(
        title=Text(f"{name} · {target.world}{budget}", style="bold"),
        caption=Text(short_caption(summary, name), style=QUIET),
        title_justify="left",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1),
        pad_edge=False,
        show_lines=False,
        leading=0,
    )
    columns, rows = table.folded()
    for column in columns:
        head = f"{_short(column.title)}\n{_short(column.detail)}".rstrip()
        made.add_column(
            head,
            justify="left" if column.words else "right",
            no_wrap=column.title != "verdict",
            min_width=10 if column.title == "verdict" else None,
        )
    for row in rows:
        made.add_row(*map(_cell, row))
    return made


def _short(head: str) -> str:
    """Return a line of a head, at most as wide as what stands below it."""
    if head.startswith("start → "):
        return head.removeprefix("start → ").partition(" of")[0]
    return head.removesuffix(" gain") if len(head) > INTERVAL else head


def _cell(cells: Sequence[Cell]) -> Text:
    """Return the cells that stand in one place, one below the other."""
    first, *others = cells
    text = Text(first.top, style=STYLES[first.tone])
    if first.below:
        text.append(f"\n{first.below}")
    for cell in others:
        text.append(f"\n{cell.folded or cell.top}", style=STYLES[cell.tone] or QUIET)
    return text


def sentences(target: TargetSummary) -> Group:
    """Return one paragraph a method in plain language, negative transfer in red."""
    lines = []
    for method, entry in target.methods.items():
        verdict = entry.verdict
        warning = f"{verdict.warning} " if verdict.warning else ""
        said = (warning, "red"), verdict.sentence
        lines.append(Text.assemble((f"{method}: ", "bold"), *said))
    for name, longer in target.equal_total.items():
        told = " ".join(longer.sentences) or f"{longer.steps:,} steps in the target."
        lines.append(Text.assemble((f"{name}: ", "bold"), told))
    return Group(*lines, *(Text(note, style=QUIET) for note in target.notes))


def failures(summary: Summary) -> Group:
    """Return the sources and trials without a usable curve, each with its reason."""
    lines = [Text(f"Without a usable curve ({len(summary.failures)}):", style=BELOW)]
    for failure in summary.failures:
        where = (f"  {failure.unit}", "bold")
        lines.append(Text.assemble(where, f" {failure.state}: {failure.error}"))
    return Group(*lines)
