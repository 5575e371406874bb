"""All figures of a run, by file name."""

from __future__ import annotations

import matplotlib as mpl

from ...measuring.results import Summary
from ...measuring.runs import Run
from .aggregates import draw_aggregates, draw_profiles
from .curves import learning_curves
from .gains import draw_gains, draw_terms
from .style import STYLE, encoded
from .times import draw_survival, draw_times


def draw_run(run: Run, summary: Summary) -> dict[str, bytes]:
    """Return the figures of a run by file name, each as PNG and as SVG.

    Per target `curves-T`, `gains-T`, `times-T`, `survival-T` and `terms-T`; over all of them
    `across` and `profiles`. A target whose trials have not finished has no figures; one without a
    score has curves only, and terms where its world reports any.
    """
    drawn: dict[str, bytes] = {}
    with mpl.rc_context(STYLE):
        for target, entry in summary.targets.items():
            if not entry.evaluations:
                continue
            drawn |= encoded(f"curves-{target}", learning_curves(run, summary, target))
            if any(method.gains for method in entry.methods.values()):
                drawn |= encoded(f"gains-{target}", draw_gains(summary, target))
            if entry.scored:
                drawn |= encoded(f"times-{target}", draw_times(summary, target))
                drawn |= encoded(f"survival-{target}", draw_survival(summary, target))
            if any(method.terms for method in entry.methods.values()):
                drawn |= encoded(f"terms-{target}", draw_terms(summary, target))
        if summary.across:
            drawn |= encoded("across", draw_aggregates(summary.across))
            drawn |= encoded("profiles", draw_profiles(summary.across))
    return drawn
