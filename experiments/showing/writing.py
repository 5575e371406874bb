"""Writing all that is shown of a run: results, summary, figures, tables, report, events."""

from __future__ import annotations

from pathlib import Path

from ...core.files import write_bytes, write_json, write_text
from ...core.plain import to_json
from ..measuring.results import Summary
from ..measuring.runs import Run
from .figures.kept import KeptFigures
from .figures.run import draw_run
from .html.report import build_report
from .tables import paper
from .tensorboard.events import write_events
from .video import clips
from .words.summary import summarize


def write_run(run: Run, kept: KeptFigures) -> tuple[Summary, list[Path]]:
    """Write the outputs of a run that has been read; figures that are `kept` are not drawn anew.

    Returns:
        Its summary, and the files that were written.
    """
    summary = summarize(run)
    figures = draw_run(run, summary, kept)
    videos = clips.videos(run.directory)
    root = run.directory
    # pandas writes floats by their shortest text that reads back exactly.
    texts = {
        root / "results.csv": run.results.to_csv(index=False, lineterminator="\n"),
        **{root / "tables" / name: text for name, text in paper.texts(run, summary).items()},
        root / "report.html": build_report(run, summary, figures, videos),
    }
    write_json(root / "summary.json", to_json(summary))
    for path, text in texts.items():
        write_text(path, text)
    drawn = {root / "figures" / name: image for name, image in figures.items()}
    for path, image in drawn.items():
        write_bytes(path, image)
    events = write_events(run, summary, figures, videos)
    return summary, [root / "summary.json", *texts, *drawn, *events]
