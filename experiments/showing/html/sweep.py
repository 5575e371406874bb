"""A sweep for the eye: its table, its figures and a report that leads to the points' own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ....core.files import write_bytes, write_json, write_text
from ....core.plain import to_json
from ...measuring.catalog import END_RETURN, JUDGED, METRICS
from ...measuring.results import Estimate, Gain, SweepSummary, SweptTarget
from ...measuring.runs import Run
from ...measuring.sweep import RETURNS, SCORES, at_the_start, on_axis, summarize_sweep
from ..figures.sweep import draw_sweep, level_counts
from ..formats import UNFINISHED, brackets, brief, extent, star
from ..tables.rows import gain_cell, plain_cell
from ..tables.terminal import STYLES
from ..words.summary import summarize
from ..words.sweep import describe_sweep
from .pages import fill_page

SWEPT = tuple(metric for metric in METRICS if metric.swept)
"""The columns of a sweep's table."""
ENTRY = ("estimate", "low", "high", "n", "kind", "converged")
"""What sweep.csv has of each entry; `kind` tells a range of seeds from an interval."""


def _as_json(value: Any) -> Any:
    """Return a swept value as JSON can hold it: with text for infinity and dates."""
    if isinstance(value, Mapping):
        return {str(key): _as_json(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_as_json(inner) for inner in value]
    return None if value is None else on_axis(value)


def write_sweep(
    name: str,
    ran: Sequence[tuple[Mapping[str, Any], Run]],
    directory: Path,
    missing: Sequence[str] = (),
) -> SweepSummary:
    """Write sweep.csv, summary.json, figures and report.html of a sweep; return its summary.

    `ran` are the swept values of every point that has been run and the run that shows it, under
    `directory`; `missing` in words the points that have not.
    """
    runs = {run.directory: run for _, run in ran}
    summaries = {place: summarize(run) for place, run in runs.items()}
    points = [(values, at_the_start(values, summaries[run.directory])) for values, run in ran]
    summary = describe_sweep(summarize_sweep(name, points, missing), points, missing)
    places = {
        str(dict(values)): run.directory.relative_to(directory).as_posix() for values, run in ran
    }
    folders = [places[str(values)] for values in summary.points]
    figures = draw_sweep(summary)
    table = pd.DataFrame(list(sweep_rows(summary)))
    write_text(directory / "sweep.csv", table.to_csv(index=False, lineterminator="\n"))
    plain = [{key: _as_json(value) for key, value in point.items()} for point in summary.points]
    write_json(directory / "summary.json", to_json(replace(summary, points=plain)))
    for file, drawn in figures.items():
        write_bytes(directory / "figures" / file, drawn)
    counts = {target: level_counts(found) for target, found in summary.targets.items()}
    made = fill_page(
        "sweep.html.j2",
        figures,
        summary=summary,
        folders=folders,
        facts=ran[0][1].facts,
        columns=SWEPT,
        extents={name: extent(over) for name, over in counts.items()},
        unconverged={name: unfinished(found) for name, found in summary.targets.items()},
        brackets=brackets(summary.shared, chain.from_iterable(counts.values())),
    )
    write_text(directory / "report.html", made)
    return summary


def sweep_rows(summary: SweepSummary) -> Iterator[dict[str, Any]]:
    """Yield the sweep as tidy rows: swept values, target, method, metric, interval or range."""
    for target, entry in summary.targets.items():
        for method, found in entry.methods.items():
            for metric in (*SCORES, *JUDGED, *RETURNS):
                for values, part in zip(summary.points, metric.along(found), strict=True):
                    if part is not None:
                        yield {
                            **values,
                            "target": target,
                            "method": method,
                            "metric": metric.label,
                            **to_json({key: getattr(part, key, None) for key in ENTRY}),
                        }


def render_sweep(summary: SweepSummary) -> Group:
    """Return the sweep for a rich console: a table per target, and what it says in words."""
    parts: list[RenderableType] = []
    for target, entry in summary.targets.items():
        table = Table(title=Text(target, style="bold"), title_justify="left", box=box.SIMPLE_HEAD)
        shown = extent(level_counts(entry))
        under = f"Under scores: {shown}. Under gains: 95 % interval."
        table.caption = Text(f"{under} {UNFINISHED}" if unfinished(entry) else under, style="dim")
        for key in summary.keys:
            # What tells points apart is never cut.
            table.add_column(key.replace(".", ".\n"), overflow="fold")
        table.add_column("method", no_wrap=True)
        measured = [metric for metric in SWEPT if metric.unit != "return"]
        for head in ("return,\nend", *(metric.title for metric in measured)):
            table.add_column(head.replace(" at ", "\nat "), justify="right", no_wrap=True)
        for number, values in enumerate(summary.points):
            for method, found in entry.methods.items():
                cells = [_cell(m.along(found)[number]) for m in measured]
                start, end = (metric.along(found)[number] for metric in RETURNS)
                returns = _returns(start, end)
                table.add_row(*map(str, values.values()), method, returns, *cells)
            table.add_section()
        parts += [table, *(Text(line) for line in entry.sentences), Text()]
    parts += [Text(note, style="yellow") for note in summary.notes]
    return Group(*parts)


def _returns(start: Estimate | Gain | None, end: Estimate | Gain | None) -> Text:
    if start is None or end is None:
        return Text("–", style="dim")
    return Text(f"{brief(start.estimate)}\n→ {brief(end.estimate)}{star(end)}")


def unfinished(target: SweptTarget) -> bool:
    """Return whether any method's end on a target is one that has not converged."""
    return any(
        getattr(part, "converged", None) is False
        for found in target.methods.values()
        for part in END_RETURN.along(found)
    )


def _cell(part: Gain | Estimate | None) -> Text:
    if part is None:
        return Text("–", style="dim")
    cell = gain_cell(part) if isinstance(part, Gain) else plain_cell(part)
    text = Text(cell.top, style=STYLES[cell.tone])
    if part.low is not None and part.high is not None:
        text.append(f"\n{cell.below.strip('()')}", style=STYLES[cell.tone])
    return text
