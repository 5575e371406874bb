"""Figures over all targets of a run: aggregates with their intervals, and performance profiles."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ...measuring.catalog import AGGREGATES
from ...measuring.results import Across
from ..formats import extent
from .style import look, name_rows, new_figure

DRAWN = [aggregate for aggregate in AGGREGATES if aggregate.drawn]


def draw_aggregates(across: Across) -> Figure:
    """Draw each method's aggregates over targets as a mark with its interval or range."""
    methods = {n: m for n, m in across.methods.items() if m}
    figure, axes = new_figure(1.7 + 0.34 * len(methods), columns=len(DRAWN), sharex=False)
    for axis, aggregate in zip(axes, DRAWN, strict=True):
        for row, (name, method) in enumerate(methods.items()):
            found = aggregate.of(method)
            if found is None:
                continue
            colour, _, marker = look(list(across.methods).index(name))
            if found.low is not None and found.high is not None:
                axis.plot([found.low, found.high], [row, row], color=colour, linewidth=2.4)
            axis.plot(found.estimate, row, marker=marker, markersize=6.5, color=colour)
        if aggregate.statistic == "probability":
            axis.axvline(0.5, color="#222222", linewidth=1.0)
        axis.set_title(aggregate.title, fontsize=9.5)
        axis.xaxis.set_major_locator(MaxNLocator(3))
        axis.grid(visible=False, axis="y")
    name_rows(axes[0], list(methods))
    targets = across.targets
    figure.suptitle(f"Over {len(targets)} targets", x=0.01, ha="left", fontsize=10.5)
    shown = extent(method.end.iqm.n for method in methods.values())
    figure.supxlabel(
        f"score (mark: estimate, line: {shown}), or probability (line: 95 % interval)", fontsize=9.5
    )
    return figure


def draw_profiles(across: Across) -> Figure:
    """Draw, for every score, the share of trials that end above it, with 95 % bands."""
    levels = across.levels
    figure, (axis,) = new_figure(3.9)
    for number, (name, method) in enumerate(across.methods.items()):
        if method is None:
            continue
        colour, line, _ = look(number)
        found = method.profile
        if found.low is not None and found.high is not None:
            axis.fill_between(levels, found.low, found.high, color=colour, alpha=0.12, linewidth=0)
        seeds = len(method.seeds)
        label = f"{name} ({seeds} seed{'s' * (seeds != 1)})"
        axis.plot(levels, found.share, color=colour, linestyle=line, linewidth=1.9, label=label)
    axis.set_xlim(levels[0], levels[-1])
    axis.set_ylim(-0.02, 1.02)
    axis.set_xlabel("score at the end (0: random policy, 1: reference)")
    axis.set_ylabel("share of trials above it")
    targets = across.targets
    axis.set_title(f"Performance profiles over {len(targets)} targets, 95 % intervals")
    figure.legend(loc="outside lower center", ncols=3, fontsize=9)
    return figure
