"""The report: one HTML file that needs neither network nor script, and prints well."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from ...measuring.attribution import attribute_scores
from ...measuring.catalog import JUDGED
from ...measuring.draws import read_draws
from ...measuring.results import Summary
from ...measuring.runs import Run
from ..shift_table import shift_table
from ..tables import paper
from ..tables.rows import across_table, short_caption, target_table
from .pages import fill_page


def build_report(
    run: Run,
    summary: Summary,
    figures: Mapping[str, bytes],
    videos: Mapping[str, tuple[bytes, Mapping[str, Any]]] | None = None,
) -> str:
    """Return the report as HTML.

    Everything that comes from the run is escaped.

    Args:
        run: the run.
        summary: its summary, in words.
        figures: images by file name, as `figures.run.draw_run` makes them.
        videos: mp4 by target with what they show, as `video.clips.videos` returns them.
    """
    return fill_page(
        "report.html.j2",
        figures,
        run=run,
        summary=summary,
        every=[m for target in summary.targets.values() for m in target.methods.values()],
        facts=run.facts,
        version=version("headstart"),
        videos={
            name: (base64.b64encode(mp4).decode(), about)
            for name, (mp4, about) in (videos or {}).items()
        },
        compared={target: shift_table(run, target) for target in summary.targets},
        paper=paper.texts(run, summary),
        attributions=attribute_scores(read_draws(run.directory)),
        judged=JUDGED,
        tables={name: target_table(summary, name) for name in summary.targets},
        short=lambda name: short_caption(summary, name),
        over_targets=across_table(summary) if summary.across else None,
        seconds=sum(trial.seconds or 0.0 for trial in (*run.sources, *run.trials)),
    )
