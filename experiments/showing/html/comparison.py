"""Several runs beside each other: one HTML page, the same in Markdown, and all rows as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from ....core.files import write_bytes, write_text
from ....core.plain import to_json
from ...measuring import comparison
from ...measuring.catalog import AREA_GAIN, JUDGED
from ...measuring.comparison import Member, Row, ScaledGain
from ...measuring.results import Levels, TimeToThreshold
from ...measuring.verdict import HEAD_START
from .. import formats
from ..figures.comparison import PREFIX, draw_comparison
from ..tables.paper import WORDS, pipes
from ..tables.rows import EMPTY, Cell
from ..words.comparison import unfair_comparison
from ..words.intervals import interval_text
from .pages import fill_page

FAIR = (
    "Nothing was found in the records that makes comparing these experiments unfair; what is less "
    "than fair within one of them, its own report says."
)

_PLAIN = (
    "target", "world", "method", "steps", "seeds", "lost", "paired", "converged", "unit",
)  # fmt: skip
"""The columns of comparison.csv that a row has as they are."""


class ComparisonReport:
    """What is to be said of several experiments.

    Attributes:
        members: the experiments.
        targets: the rows of each target by its name, see `measuring.comparison.Row`.
        settings: the settings that differ, see `measuring.comparison.Difference`.
        warnings: why comparing is not fair, a sentence each.
    """

    def __init__(self, members: Sequence[Member]) -> None:
        self.members = members
        self.targets: dict[str, list[Row]] = {}
        for row in comparison.comparison_rows(members):
            self.targets.setdefault(row.target, []).append(row)
        self.settings = comparison.differing_settings(members)
        self.warnings = unfair_comparison(members)

    @property
    def title(self) -> str:
        """The experiments' names in one line."""
        return f"{', '.join(member.label for member in self.members)}: a comparison"

    def write(self, out: Path) -> None:
        """Write comparison.html, comparison.md, comparison.csv and the figures into `out`.

        Figures of an earlier comparison there that this one does not have are removed.

        Raises:
            StoreError: a file cannot be written.
        """
        figures = draw_comparison(self.members)
        for name, drawn in figures.items():
            write_bytes(out / "figures" / name, drawn)
        for path in (out / "figures").glob(f"{PREFIX}*"):
            if path.name not in figures:
                path.unlink()
        write_text(out / "comparison.csv", self.csv())
        write_text(out / "comparison.md", self.markdown())
        write_text(out / "comparison.html", self.html(figures))

    def html(self, figures: Mapping[str, bytes]) -> str:
        """Return the page; everything that comes from the runs is escaped."""
        tables = {
            name: (
                header(rows[0]),
                [cells(row) for row in rows],
                note(rows),
                formats.extent(formats.counts(rows)),
            )
            for name, rows in self.targets.items()
        }
        return fill_page(
            "comparison.html.j2",
            figures,
            compared=self,
            tables=tables,
            words=WORDS,
            fair=FAIR,
            zip=zip,
        )

    def markdown(self) -> str:
        """Return the page without its figures."""
        parts = [f"# {self.title}", "## Where comparing is not fair"]
        parts.append("\n".join(f"- {text}" for text in self.warnings) or FAIR)
        for target, rows in self.targets.items():
            table = pipes(header(rows[0]), [cells(row) for row in rows])
            parts += [f"## Target {target}", table, note(rows)]
        names = [member.label for member in self.members]
        differing = [[Cell(text) for text in (s.setting, *s.values)] for s in self.settings]
        parts += [
            "## Settings that differ",
            pipes(["setting", *names], differing, ["setting", *names]),
        ]
        return "\n\n".join(part.rstrip() for part in parts) + "\n"

    def csv(self) -> str:
        """Return all rows; `unit` says what start, end and gains of a row are in."""
        flat = [_flat(row) for rows in self.targets.values() for row in rows]
        file = io.StringIO()
        writer = csv.DictWriter(file, list(flat[0]) if flat else [], lineterminator="\n")
        writer.writeheader()
        writer.writerows(flat)
        return file.getvalue()

    def table(self) -> Group:
        """Return the rows in short, and the warnings, for a console."""
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for name in ("target", "experiment", "method"):
            table.add_column(name)
        for name in ("end", "area gain [95 %]", "reached"):
            table.add_column(name, justify="right")
        table.add_column("verdict")
        for target, rows in self.targets.items():
            for row in rows:
                end = _levels(row.levels, row.unit, formats.star(row)).below.removeprefix("→ ")
                gain = _gain(row.gains[str(AREA_GAIN.name)], row)
                short = (end or formats.NONE, f"{gain.top} {gain.below}", _time(row.time).top)
                texts = (target, row.experiment, row.method, *short, row.verdict.word)
                table.add_row(*map(Text, texts))
            table.add_section()
        return Group(table, *(Text(text, style="yellow") for text in self.warnings))


def header(row: Row) -> list[str]:
    """Return the heads of the columns of a target's table, one of whose rows is `row`."""
    levels = ["return", "score"] if row.unit == "score" else ["return"]
    return [
        "experiment",
        "method",
        "seeds",
        *levels,
        *(metric.title for metric in JUDGED),
        "reached",
        "verdict",
    ]


def cells(row: Row) -> list[Cell]:
    """Return the cells of a row."""
    lost = [f"of {row.seeds + row.lost}"] if row.lost else []
    if row.paired is not None:
        lost.append(f"{row.paired} paired")
    mark = formats.star(row)
    head_start = row.verdict.word == HEAD_START
    levels = [_levels(row.returns, "return", mark)]
    levels += [_levels(row.levels, "score", mark)] if row.unit == "score" else []
    return [
        Cell(row.experiment),
        Cell(row.method),
        Cell(str(row.seeds), ", ".join(lost)),
        *levels,
        *(_gain(row.gains[str(metric.name)], row) for metric in JUDGED),
        _time(row.time),
        Cell(row.verdict.word, tone="bad" if row.verdict.warning else "good" if head_start else ""),
    ]


def note(rows: Sequence[Row]) -> str:
    """Return what a reader of a target's table must know."""
    if rows[0].unit == "score":
        low, high = (formats.number(anchor) for anchor in rows[0].anchors)
        what = f"in scores, where 0 is a return of {low} and 1 one of {high}"
    else:
        what = "in returns, as the experiments have no scale in common"
    cautions = (row.member.summary.caution for row in rows)
    caution = next((text for text in cautions if text), "")
    return (
        f"Gains are over each experiment's own scratch, {what}; brackets are "
        f"{formats.brackets(formats.share_sources(rows))}. Returns and scores are at step 0 → at "
        "the end. Reached: seeds that hold the threshold of their experiment, and the Kaplan-Meier "
        "median of when they do."
        + f" {formats.UNFINISHED}" * any(row.converged is False for row in rows)
        + f" {formats.PAIRED}" * any(row.paired is not None for row in rows)
        + f" {caution}" * bool(caution)
    )


def _levels(found: Levels | None, unit: str, star: str) -> Cell:
    if found is None:
        return EMPTY
    start, end = (_value(level.estimate, unit) for level in (found.start, found.end))
    return Cell(start, f"→ {end}{star}")


def _gain(found: ScaledGain | None, row: Row) -> Cell:
    """Return a gain over its interval; green where it is part of a claimed head start."""
    if found is None:
        return EMPTY
    estimate = _value(found.estimate, row.unit, "+") + formats.star(found)
    claimed = found.side == "above" and row.verdict.word == HEAD_START
    return Cell(
        estimate,
        interval_text(found, lambda end: _value(end, row.unit, "+")),
        tone="bad" if found.side == "below" else "good" if claimed else "",
    )


def _time(time: TimeToThreshold | None) -> Cell:
    if time is None:
        return EMPTY
    median = "" if time.median is None else f"after {formats.steps(time.median)} steps"
    return Cell(f"{time.reached}/{time.n}", median)


def _value(value: float, unit: str, sign: str = "") -> str:
    return f"{value:{sign}.2f}" if unit == "score" else formats.brief(value, sign)


def _flat(row: Row) -> dict[str, Any]:
    """Return a row as columns of plain values; None is an empty field."""
    flat: dict[str, Any] = {
        "experiment": row.experiment,
        "directory": str(row.member.run.directory),
    }
    flat |= {key: getattr(row, key) for key in _PLAIN}
    measured: dict[str, Any] = {
        "start": row.levels.start if row.levels else None,
        "end": row.levels.end if row.levels else None,
        **row.gains,
    }
    for name, found in measured.items():
        flat[name] = getattr(found, "estimate", None)
        flat |= {f"{name}_{part}": getattr(found, part, None) for part in ("low", "high", "kind")}
    # Whole numbers without a point, as in summary.json.
    plain: dict[str, Any] = to_json(flat)
    return plain | {
        "threshold": row.threshold,
        "reached": row.time.reached if row.time else None,
        "median_time": to_json(row.time.median) if row.time else None,
        "verdict": row.verdict.word,
    }
