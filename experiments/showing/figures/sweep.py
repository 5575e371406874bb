"""Figures of a sweep: curves over a setting, heat maps of a grid, contributions of parameters."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, product
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ...measuring.catalog import AREA_GAIN, END_RETURN, END_SCORE
from ...measuring.results import Estimate, SweepSummary, SweptTarget
from ...measuring.sweep import RETURNS, on_axis
from ..formats import brief, extent
from .style import STYLE, encoded, look, name_rows, new_figure

DRAWN = {"scores": (END_SCORE, AREA_GAIN), "returns": RETURNS}
"""What is drawn over a setting: scores, or without them returns."""
LABELS = {"scores": "score (0: random policy, 1: reference)", "returns": "return"}


def draw_sweep(summary: SweepSummary) -> dict[str, bytes]:
    """Return the figures of a sweep by file name, each as PNG and as SVG.

    A target without scores at some point is drawn in returns; one on which nothing has finished has
    no figure.
    """
    drawn: dict[str, bytes] = {}
    with mpl.rc_context(STYLE):
        for target, entry in summary.targets.items():
            if not any(any(END_RETURN.along(m)) for m in entry.methods.values()):
                continue
            if summary.kind == "grid":
                drawn |= encoded(f"grid-{target}", draw_heat_maps(summary, target))
            elif summary.kind == "leave_one_out":
                drawn |= encoded(f"bought-{target}", draw_contributions(summary, target))
            else:
                drawn |= encoded(f"sweep-{target}", draw_lines(summary, target))
    return drawn


def draw_lines(summary: SweepSummary, target: str) -> Figure:
    """Draw each method's score and gain (or returns) over the swept values, with each seed."""
    methods, unit = summary.targets[target].methods, _unit(summary, target)
    at = summary.at
    places = np.asarray(at if at is not None else range(len(summary.points)), dtype=float)
    figure, axes = new_figure(4.0, columns=2, sharey=False)
    apart = 0.012 * float(np.ptp(places))
    for axis, metric in zip(axes, DRAWN[unit], strict=True):
        for number, (name, method) in enumerate(methods.items()):
            found = metric.along(method)
            if not any(found):
                continue
            colour, line, marker = look(number)
            aside = places + apart * (number - (len(methods) - 1) / 2)
            there = {float(x): one for x, one in zip(aside, found, strict=True) if one is not None}
            for x, one in there.items():
                seeds = list(one.per_seed.values())
                axis.plot([x] * len(seeds), seeds, ".", color=colour, alpha=0.35, ms=4)
                if one.low is not None and one.high is not None:
                    axis.plot([x] * 2, [one.low, one.high], color=colour, linewidth=1.6)
            axis.plot(
                list(there),
                [one.estimate for one in there.values()],
                color=colour,
                linestyle=line,
                marker=marker,
                markersize=5,
                label=name if axis is axes[0] else None,
            )
        axis.set_title(f"{metric.title} over scratch" if metric is AREA_GAIN else metric.title)
        axis.set_xlabel(summary.labels[summary.keys[0]], fontsize=9)
        if at is None:
            axis.set_xticks(places, [str(next(iter(p.values()))) for p in summary.points])
        else:
            axis.xaxis.set_major_locator(MaxNLocator(5))
    if unit == "scores":
        axes[1].axhline(0, color="#222222", linewidth=1.0)
    for number, method in enumerate(methods.values()):
        for turn in method.sign_changes.get("area") or ():
            marker = "v" if turn.negative else "^"
            axes[1].plot(turn.estimate, 0, marker=marker, color=look(number)[0], markersize=9)
    shown = extent(level_counts(summary.targets[target]))
    if unit == "scores" and shown != "95 % interval":
        shown += " (of gains the 95 % interval)"
    figure.suptitle(f"{target}: mean, each seed, {shown}", x=0.01, ha="left", fontsize=10.5)
    figure.legend(loc="outside lower center", ncols=4, fontsize=9)
    return figure


def level_counts(target: SweptTarget) -> list[int]:
    """Return over how many seeds, or source policies, each method's levels are at each point."""
    ends = chain.from_iterable(END_RETURN.along(method) for method in target.methods.values())
    return [entry.n for entry in ends if entry]


def draw_heat_maps(summary: SweepSummary, target: str) -> Figure:
    """Draw each method's score (or return) over two swept settings, at step 0 and at the end."""
    methods, unit = summary.targets[target].methods, _unit(summary, target)
    grids = (("start", f"{unit[:-1]} at step 0"), ("end", f"{unit[:-1]} at the end"))
    down, across = (summary.axes[key] for key in summary.keys)
    tables = {
        (name, metric): _grid(summary, getattr(method, unit)[metric])
        for name, method in methods.items()
        for metric, _ in grids
    }
    values = np.concatenate([table.ravel() for table in tables.values()])
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    height = (0.5 + 0.32 * len(down)) * len(methods) + 1.2
    figure, axes = new_figure(height, columns=2, rows=len(methods))
    for axis, (name, (metric, title)) in zip(axes, product(methods, grids), strict=True):
        table = tables[name, metric]
        image = axis.imshow(table, cmap="cividis", vmin=low, vmax=high, aspect="auto")
        for (i, j), value in np.ndenumerate(table):
            dark = value < (low + high) / 2
            said = "–" if np.isnan(value) else f"{value:.2f}" if unit == "scores" else brief(value)
            ink = "white" if dark else "black"
            axis.text(j, i, said, ha="center", va="center", color=ink, fontsize=8)
        axis.grid(visible=False)
        axis.set_title(f"{name}: {title}", fontsize=9.5)
        axis.set_xticks(range(len(across)), [str(value) for value in across], fontsize=8)
        axis.set_yticks(range(len(down)), [str(value) for value in down], fontsize=8)
    below, beside = (summary.labels[key] for key in reversed(summary.keys))
    figure.supxlabel(below, fontsize=9.5)
    figure.supylabel(beside, fontsize=9.5)
    figure.colorbar(image, ax=axes, label=LABELS[unit], shrink=0.8)
    return figure


def draw_contributions(summary: SweepSummary, target: str) -> Figure:
    """Draw, for each method, the return that randomizing each parameter contributes."""
    methods = {
        name: method.contributions
        for name, method in summary.targets[target].methods.items()
        if method.contributions
        and any(found["end"].estimate for found in method.contributions.values())
    }
    parameters = list(dict.fromkeys(chain.from_iterable(methods.values())))
    figure, axes = new_figure(1.7 + 0.4 * len(parameters), columns=max(1, len(methods)))
    for axis, (name, found) in zip(axes, methods.items(), strict=False):
        number = list(summary.targets[target].methods).index(name)
        colour, _, marker = look(number)
        for row, parameter in enumerate(parameters):
            if parameter not in found:
                continue
            entry = found[parameter]["end"]
            axis.barh(row, entry.estimate, height=0.6, color=colour, alpha=0.28, linewidth=0)
            if entry.low is not None and entry.high is not None:
                axis.plot([entry.low, entry.high], [row, row], color=colour, linewidth=2.2)
            seeds = list(entry.per_seed.values())
            axis.plot(
                seeds, [row + 0.24] * len(seeds), marker, color=colour, ms=4, mfc="white", ls=""
            )
        axis.axvline(0, color="#222222", linewidth=1.0)
        axis.set_title(name, fontsize=9.5)
        axis.xaxis.set_major_locator(MaxNLocator(4))
        axis.grid(visible=False, axis="y")
    name_rows(axes[0], parameters)
    figure.suptitle(
        f"{target}: return at the end with all randomized, minus without this one",
        x=0.01,
        ha="left",
        fontsize=10.5,
    )
    figure.supxlabel("return (bar: mean, line: 95 % interval, marks: seeds)", fontsize=9.5)
    return figure


def _unit(summary: SweepSummary, target: str) -> str:
    return "scores" if summary.targets[target].scored else "returns"


def _grid(summary: SweepSummary, entries: Sequence[Estimate | None]) -> np.ndarray[Any, Any]:
    down, across = (summary.axes[key] for key in summary.keys)
    table = np.full((len(down), len(across)), np.nan)
    first, second = summary.keys
    for values, entry in zip(summary.points, entries, strict=True):
        if entry is not None:
            row, column = on_axis(values[first]), on_axis(values[second])
            table[down.index(row), across.index(column)] = entry.estimate
    return table
