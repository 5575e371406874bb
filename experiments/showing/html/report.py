"""The report: one HTML file that needs neither network nor script, and prints well."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from ...measuring.runs import Run
from ...measuring.verdict import GAINS
from ..shift_table import contrast
from ..tables import paper
from .pages import page


def build(
    run: Run,
    summary: Mapping[str, Any],
    figures: Mapping[str, bytes],
    videos: Mapping[str, tuple[bytes, Mapping[str, Any]]] | None = None,
) -> str:
    """Return the report as HTML.

    `figures` are images by file name, as `figures.draw` makes them; `videos` are mp4 by target with
    what they show, as `filming.videos` returns them. Everything that comes from the run is escaped.
    """
    return page(
        "report.html.j2",
        figures,
        run=run,
        summary=summary,
        every=[m for target in summary["targets"].values() for m in target["methods"].values()],
        facts=run.facts,
        version=version("headstart"),
        videos={
            name: (base64.b64encode(mp4).decode(), about)
            for name, (mp4, about) in (videos or {}).items()
        },
        compared={target: contrast(run, target) for target in summary["targets"]},
        paper=paper.texts(run, summary),
        gain_names=GAINS,
        seconds=sum(trial.seconds or 0.0 for trial in (*run.sources, *run.trials)),
    )
