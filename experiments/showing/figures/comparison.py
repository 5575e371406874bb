"""Figures of several experiments: their learning curves on a target that they share."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ...measuring.comparison import Member, targets_of, unit_on
from ...measuring.gains import method_curves
from ...measuring.summary import score_curves
from .curves import draw_curve
from .style import STYLE, encoded, fit, new_figure, steps_axis

COLUMNS = 3
PREFIX = "compared-"
"""What the names of these figures begin with."""


def draw_comparison(members: Sequence[Member]) -> dict[str, bytes]:
    """Return `compared-T` of each shared target by file name, as PNG and as SVG."""
    drawn: dict[str, bytes] = {}
    with mpl.rc_context(STYLE):
        for name, there in targets_of(members).items():
            if len(there) > 1:
                drawn |= encoded(f"{PREFIX}{name}", overlaid(members, name))
    return drawn


def overlaid(members: Sequence[Member], target: str) -> Figure:
    """Draw the curves of a target: a panel a method, a line style and colour an experiment."""
    there = [member for member in members if member.target(target)]
    scored = unit_on(there, target) == "score"
    methods = list(dict.fromkeys(name for member in there for name in member.run.methods))
    columns = min(COLUMNS, len(methods))
    rows = -(-len(methods) // columns)
    figure, axes = new_figure(1.5 + 2.1 * rows, columns, rows)
    for axis, method in zip(axes, methods, strict=False):
        for number, member in enumerate(members):
            curves = method_curves(member.run, target, method)
            if curves is None:
                continue
            if scored:
                curves = score_curves(curves, member.summary.targets[target].anchors)
            draw_curve(axis, curves, number, member.label)
        axis.set_title(method)
    fit(*axes)
    steps_axis(axes[0], max(member.summary.targets[target].steps or 0 for member in there))
    for number, axis in enumerate(axes):
        lowest = number < len(methods) <= number + columns
        axis.set_visible(number < len(methods))
        axis.tick_params(axis="x", labelbottom=lowest)
        axis.set_xlabel("steps in the target" if lowest else "")
        axis.xaxis.set_major_locator(MaxNLocator(3))
    figure.suptitle(f"{target}: each method in each experiment", x=0.01, ha="left", fontsize=10.5)
    figure.supylabel(
        "score (0: random policy, 1: reference)" if scored else "return of one evaluation",
        fontsize=9.5,
    )
    lines = {
        label: line
        for axis in axes
        for line, label in zip(*axis.get_legend_handles_labels(), strict=True)
    }
    figure.legend(lines.values(), lines.keys(), loc="outside lower center", ncols=2, fontsize=9)
    return figure
