"""Showing: from run directories to results.csv, summary.json, figures, report and comparison."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...core.files import write_bytes, write_json, write_text
from ..measuring import comparison
from ..measuring.runs import Run, RunError, load
from ..measuring.summary import summarize
from .figures.curves import draw
from .html import report
from .html.comparison import Comparison
from .tables import paper
from .tensorboard import events
from .video import clips

__all__ = ["compare", "write"]


def write(directory: str | Path) -> dict[str, Any]:
    """Write results.csv, summary.json, figures, tables, report.html and what TensorBoard shows.

    Returns the summary.

    Each file is replaced as a whole or not at all. Equal runs give equal files.

    Raises:
        RunError: it is no run directory, or its curves cannot be compared.
        StoreError: a file cannot be written; the files before it are whole, the old one stays.
    """
    return _write(load(directory))


def compare(directories: Sequence[str | Path], out: str | Path) -> Comparison:
    """Write every run as `write` does, and their comparison into `out`; return the comparison.

    Raises:
        RunError: fewer than two runs, one given twice, one that is none, or `out` is one.
        StoreError: a file cannot be written.
    """
    if len(directories) < 2:
        raise RunError("a comparison takes two run directories or more")
    runs, out = comparison.load_apart(directories), Path(out)
    if (out / "experiment.yaml").exists():
        raise RunError(f"'{out}' is a run directory; choose another one for the comparison")
    compared = Comparison(comparison.members(runs, [_write(run) for run in runs]))
    compared.write(out)
    return compared


def _write(run: Run) -> dict[str, Any]:
    summary = summarize(run)
    figures = draw(run, summary)
    videos = clips.videos(run.directory)
    # pandas writes floats by their shortest text that reads back exactly.
    write_text(run.directory / "results.csv", run.results.to_csv(index=False, lineterminator="\n"))
    write_json(run.directory / "summary.json", summary)
    for name, drawn in figures.items():
        write_bytes(run.directory / "figures" / name, drawn)
    for name, text in paper.texts(run, summary).items():
        write_text(run.directory / "tables" / name, text)
    write_text(run.directory / "report.html", report.build(run, summary, figures, videos))
    events.write(run, summary, figures, videos)
    return summary
