"""Figures of a target's gains over scratch and of its reward terms: a row each, a mark a method."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ...measuring.catalog import JUDGED
from ...measuring.results import Gain, TargetSummary
from .style import look, name_rows, new_figure, spread


def draw_gains(target: str, entry: TargetSummary) -> Figure:
    """Draw jump-start, asymptotic gain and area gain as bars with intervals and a dot a seed."""
    methods = entry.methods
    shown = [name for name, method in methods.items() if method.gains]
    figure, axes = new_figure(1.8 + 0.48 * len(shown), columns=len(JUDGED))
    for axis, metric in zip(axes, JUDGED, strict=True):
        for row, name in enumerate(shown):
            _bar(axis, row, metric.of(methods[name]), list(methods).index(name))
        axis.axvline(0, color="#222222", linewidth=1.0)
        axis.set_title(metric.title)
        axis.xaxis.set_major_locator(MaxNLocator(4))
        axis.grid(visible=False, axis="y")
    name_rows(axes[0], shown)
    figure.suptitle(f"{target}: gains over scratch", x=0.01, ha="left", fontsize=10.5)
    figure.supxlabel(
        "score above scratch (bar: mean, line: 95 % interval, dots: seeds)", fontsize=9.5
    )
    return figure


def draw_terms(target: str, entry: TargetSummary) -> Figure:
    """Draw the reward terms of the last evaluation: a row a term, a mark a method."""
    methods = entry.methods
    shown = {name: method.terms.parts for name, method in methods.items() if method.terms}
    rows = list(dict.fromkeys(term for parts in shown.values() for term in parts))
    figure, (axis,) = new_figure(1.5 + (0.16 + 0.1 * len(shown)) * len(rows))
    for place, (name, parts) in zip(spread(len(shown)), shown.items(), strict=True):
        colour, _, marker = look(list(methods).index(name))
        for row, term in enumerate(rows):
            if term not in parts:
                continue
            at, seeds = row + 1.4 * place, parts[term].per_seed.values()
            axis.plot([min(seeds), max(seeds)], [at, at], color=colour, linewidth=1.6)
            axis.plot(
                parts[term].estimate,
                at,
                color=colour,
                marker=marker,
                markersize=5.5,
                linestyle="",
                label=name if term == next(iter(parts)) else None,
            )
    axis.axvline(0, color="#222222", linewidth=1.0, zorder=1)
    for row in range(1, len(rows)):
        axis.axhline(row - 0.5, color="#e6e6e6", linewidth=0.7)
    name_rows(axis, rows)
    axis.grid(visible=False, axis="y")
    axis.set_title(f"{target}: reward terms of the last evaluation")
    axis.set_xlabel("sum over an episode (mark: mean of the seeds, line: lowest to highest)")
    figure.legend(loc="outside lower center", ncols=4, fontsize=9)
    return figure


def _bar(axis: Axes, row: int, found: Gain, number: int) -> None:
    colour, _, marker = look(number)
    axis.barh(row, found.estimate, height=0.62, color=colour, alpha=0.28, linewidth=0)
    if found.low is not None and found.high is not None:
        axis.plot([found.low, found.high], [row, row], color=colour, linewidth=2.4)
    axis.plot(found.estimate, row, marker="|", markersize=12, markeredgewidth=2.4, color=colour)
    seeds = list(found.per_seed.values())
    axis.plot(
        seeds,
        row + 0.24 + 0 * np.array(seeds),
        linestyle="",
        marker=marker,
        markersize=4,
        color=colour,
        markerfacecolor="white",
        markeredgewidth=0.9,
    )
