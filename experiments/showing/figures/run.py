"""All figures of a run, by file name."""

from __future__ import annotations

import matplotlib as mpl

from ...measuring.attribution import attribute_scores
from ...measuring.draws import read_draws
from ...measuring.results import Summary
from ...measuring.runs import Run
from .aggregates import draw_aggregates, draw_profiles
from .curves import curves_by_method, learning_curves
from .gains import draw_gains, draw_terms
from .kept import KeptFigures
from .randomization import draw_ranges, draw_success_map
from .style import STYLE
from .times import draw_survival, draw_times


def draw_run(run: Run, summary: Summary, kept: KeptFigures | None = None) -> dict[str, bytes]:
    """Return the figures of a run by file name, each as PNG and as SVG.

    Per target `curves-T`, `gains-T`, `times-T`, `survival-T` and `terms-T`; over all of them
    `across` and `profiles`. A target whose trials have not finished has no figures; one without a
    score has curves only, and terms where its world reports any. `randomization` and
    `success-map` are of what the sources drew in training. Those that are `kept` are not drawn.
    """
    kept, threshold = kept or KeptFigures(), summary.threshold
    drawn: dict[str, bytes] = {}
    with mpl.rc_context(STYLE):
        for target, entry in summary.targets.items():
            if not entry.evaluations:
                continue
            curves = curves_by_method(run, target)
            drawn |= kept.draw(
                f"curves-{target}", learning_curves, target, entry, threshold, curves
            )
            if any(method.gains for method in entry.methods.values()):
                drawn |= kept.draw(f"gains-{target}", draw_gains, target, entry)
            if entry.scored:
                drawn |= kept.draw(f"times-{target}", draw_times, target, entry, threshold)
                drawn |= kept.draw(f"survival-{target}", draw_survival, target, entry, threshold)
            if any(method.terms for method in entry.methods.values()):
                drawn |= kept.draw(f"terms-{target}", draw_terms, target, entry)
        drawn |= _randomization(run, kept)
        if summary.across:
            drawn |= kept.draw("across", draw_aggregates, summary.across)
            drawn |= kept.draw("profiles", draw_profiles, summary.across)
    return drawn


def _randomization(run: Run, kept: KeptFigures) -> dict[str, bytes]:
    """Return the figures of what the sources drew, where that was recorded."""
    found = [one for one in read_draws(run.directory) if one.ends]
    if not found:
        return {}
    facts = run.parameter_facts.get(str(run.source.world), {})
    drawn = kept.draw("randomization", draw_ranges, found, facts)
    most = [one.name for one in attribute_scores(found)]
    if len(most) > 1:
        drawn |= kept.draw("success-map", draw_success_map, found, most[:2], facts)
    return drawn
