"""What is written of runs: results.csv, summary.json, figures, tables, report and comparison."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...core.files import write_bytes, write_json, write_text
from ...core.plain import to_json
from ..measuring import comparison
from ..measuring.results import Summary
from ..measuring.runs import Run, RunError, load_run
from .figures.run import draw_run
from .html.comparison import ComparisonReport
from .html.report import build_report
from .tables import paper
from .tensorboard.events import write_events
from .video import clips
from .words.summary import summarize


def write_outputs(directory: str | Path) -> Summary:
    """Write results.csv, summary.json, figures, tables, report.html and what TensorBoard shows.

    Each file is replaced as a whole or not at all. Equal runs give equal files.

    Args:
        directory: a run directory; the files are written into it.

    Returns:
        The summary.

    Raises:
        RunError: it is no run directory, or its curves cannot be compared.
        StoreError: a file cannot be written; the files before it are whole, the old one stays.
    """
    return _write_run(load_run(directory))


def compare_runs(directories: Sequence[str | Path], out: str | Path) -> ComparisonReport:
    """Write the outputs of every run, and their comparison into another directory.

    Args:
        directories: two run directories or more.
        out: the directory that the comparison is written into.

    Returns:
        The comparison.

    Raises:
        RunError: fewer than two runs, one given twice, one that is none, or `out` is one.
        StoreError: a file cannot be written.
    """
    if len(directories) < 2:
        raise RunError("a comparison takes two run directories or more")
    runs, out = comparison.load_apart(directories), Path(out)
    if (out / "experiment.yaml").exists():
        raise RunError(f"'{out}' is a run directory; choose another one for the comparison")
    compared = ComparisonReport(comparison.members(runs, [_write_run(run) for run in runs]))
    compared.write(out)
    return compared


def _write_run(run: Run) -> Summary:
    """Write the outputs of a run that has been read, and return its summary."""
    summary = summarize(run)
    figures = draw_run(run, summary)
    videos = clips.videos(run.directory)
    # pandas writes floats by their shortest text that reads back exactly.
    write_text(run.directory / "results.csv", run.results.to_csv(index=False, lineterminator="\n"))
    write_json(run.directory / "summary.json", to_json(summary))
    for name, drawn in figures.items():
        write_bytes(run.directory / "figures" / name, drawn)
    for name, text in paper.texts(run, summary).items():
        write_text(run.directory / "tables" / name, text)
    write_text(run.directory / "report.html", build_report(run, summary, figures, videos))
    write_events(run, summary, figures, videos)
    return summary
