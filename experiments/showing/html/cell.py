"""What a notebook shows of a run or a sweep in a cell: tables, sentences, pictures."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...measuring.results import Summary, SweepSummary
from ..formats import UNFINISHED
from ..tables.rows import short_caption, target_table
from .pages import fill_page
from .sweep import SWEPT, unfinished


def run_cell(summary: Summary, failed: Sequence[str], report: Path) -> str:
    """Return the tables and sentences of a run as a part of an HTML page; all is escaped."""
    return fill_page(
        "cell.html.j2",
        {},
        summary=summary,
        failed=failed,
        report=report,
        tables={name: target_table(summary, name) for name in summary.targets},
        short=lambda name: short_caption(summary, name),
    )


def sweep_cell(summary: SweepSummary, failed: Sequence[str], report: Path) -> str:
    """Return the tables of a sweep as a part of an HTML page; all is escaped."""
    return fill_page(
        "cell.html.j2",
        {},
        summary=summary,
        failed=failed,
        report=report,
        tables=None,
        columns=SWEPT,
        unconverged={
            name: UNFINISHED if unfinished(found) else None
            for name, found in summary.targets.items()
        },
    )


@dataclass(frozen=True)
class Pictures:
    """Figures that a notebook shows.

    Attributes:
        paths: their files, PNG.
    """

    paths: Sequence[Path]

    def _repr_html_(self) -> str:
        return "\n".join(map(_as_image, self.paths))


def _as_image(path: Path) -> str:
    data = base64.b64encode(path.read_bytes()).decode()
    name = html.escape(path.stem)
    return f'<img alt="{name}" style="max-width: 100%" src="data:image/png;base64,{data}">'
