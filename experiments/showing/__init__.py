"""Showing: from a run directory to results.csv, summary.json, figures and the report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..measuring.loading import load
from ..measuring.summary import summarize
from ..running.store import write_bytes, write_json, write_text
from . import board, filming, report
from .figures import draw

__all__ = ["write"]


def write(directory: str | Path) -> dict[str, Any]:
    """Write results.csv, summary.json, figures (PNG, SVG), report.html and what TensorBoard shows.

    Returns the summary.

    Each file is replaced as a whole or not at all. Equal runs give equal files.

    Raises:
        RunError: it is no run directory, or its curves cannot be compared.
        StoreError: a file cannot be written; the files before it are whole, the old one stays.
    """
    run = load(directory)
    summary = summarize(run)
    figures = draw(run, summary)
    videos = filming.videos(run.directory)
    # pandas writes floats by their shortest text that reads back exactly.
    write_text(run.directory / "results.csv", run.results.to_csv(index=False, lineterminator="\n"))
    write_json(run.directory / "summary.json", summary)
    for name, drawn in figures.items():
        write_bytes(run.directory / "figures" / name, drawn)
    write_text(run.directory / "report.html", report.build(run, summary, figures, videos))
    board.write(run, summary, figures, videos)
    return summary
