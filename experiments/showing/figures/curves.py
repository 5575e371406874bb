"""Figures of a run, made to be read at column width and in grey: colour is never alone.

Colours are those of Okabe & Ito (2008), told apart by colour-blind readers; every method has a line
style and a marker of its own besides. Figures are drawn without pyplot, so no global state is left.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from ...measuring.estimates import Curves
from ...measuring.gains import method_curves
from ...measuring.runs import Run
from ...measuring.summary import score_curves
from ..formats import counts, extent

COLOURS = ("#000000", "#56B4E9", "#E69F00", "#0072B2", "#009E73", "#D55E00", "#CC79A7")
LINES = ("-", "--", "-.", "-", ":", (0, (5, 1)), (0, (3, 1, 1, 1)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
Floats = NDArray[np.float64]
DPI = 200
WIDTH = 7.0
STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#666666",
    "axes.linewidth": 0.8,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.7,
    "xtick.color": "#444444",
    "ytick.color": "#444444",
    "legend.frameon": False,
    # Names of an SVG's parts are random otherwise.
    "svg.hashsalt": "headstart",
}


def draw(run: Run, summary: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the figures of a run by file name, each as PNG and as SVG.

    Per target `curves-T`, `gains-T`, `times-T`, `survival-T` and `terms-T`; over all of them
    `across` and `profiles`. A target whose trials have not finished has no figures; one without a
    score has curves only, and terms where its world reports any.
    """
    from . import aggregates, times

    drawn: dict[str, bytes] = {}
    with mpl.rc_context(STYLE):
        for target, entry in summary["targets"].items():
            if not entry["evaluations"]:
                continue
            drawn |= encoded(f"curves-{target}", learning_curves(run, summary, target))
            if any(method["gains"] for method in entry["methods"].values()):
                drawn |= encoded(f"gains-{target}", gains(summary, target))
            if entry["scored"]:
                drawn |= encoded(f"times-{target}", times.times(summary, target))
                drawn |= encoded(f"survival-{target}", times.survival(summary, target))
            if any(method["terms"] for method in entry["methods"].values()):
                drawn |= encoded(f"terms-{target}", terms(summary, target))
        if summary["across"]:
            drawn |= encoded("across", aggregates.aggregates(summary))
            drawn |= encoded("profiles", aggregates.profiles(summary))
    return drawn


def learning_curves(run: Run, summary: Mapping[str, Any], target: str) -> Figure:
    """Draw score (or return) against target steps: mean, its interval or range, each seed."""
    entry = summary["targets"][target]
    figure, axes = new_figure(4.3)
    axis = axes[0]
    for i, method in enumerate(run.methods):
        curves = method_curves(run, target, method)
        if curves is None:
            continue
        if entry["scored"]:
            curves = score_curves(curves, entry["anchors"])
        n = len(curves.seeds)
        draw_curve(axis, curves, i, f"{method} ({n} seed{'s' * (n != 1)})")
    fit(axis)
    steps_axis(axis, entry["steps"])
    axis.set_title(f"{target}: mean, each seed, {extent(counts(entry['methods'].values()))}")
    if entry["scored"]:
        _score_axis(axis, entry["anchors"], summary["threshold"])
    else:
        axis.set_ylabel("return of one evaluation")
    figure.legend(loc="outside lower center", ncols=3, fontsize=9)
    return figure


def draw_curve(axis: Axes, curves: Curves, number: int, label: str) -> None:
    """Draw scores, or returns without them, in the look of `number`: mean, seeds, interval."""
    colour, line, marker = look(number)
    steps, values = curves.steps, curves.returns if curves.scores is None else curves.scores
    axis.plot(steps, values.T, color=colour, alpha=0.22, linewidth=0.7)
    if ends := curves.band(values):
        axis.fill_between(steps, *ends, color=colour, alpha=0.12, linewidth=0)
    every = max(1, steps.size // 8)
    axis.plot(
        steps,
        curves.mean(values),
        color=colour,
        linestyle=line,
        marker=marker,
        markersize=4.5,
        markevery=(number % every, every),
        linewidth=1.9,
        label=label,
    )


def gains(summary: Mapping[str, Any], target: str) -> Figure:
    """Draw jump-start, asymptotic gain and area gain as bars with intervals and a dot a seed."""
    methods = summary["targets"][target]["methods"]
    shown = [name for name, method in methods.items() if method["gains"]]
    titles = {"jump_start": "jump-start", "asymptotic": "asymptotic gain", "area": "area gain"}
    figure, axes = new_figure(1.8 + 0.48 * len(shown), columns=3)
    for axis, (gain, title) in zip(axes, titles.items(), strict=True):
        for row, name in enumerate(shown):
            found = methods[name]["gains"][gain]
            _bar(axis, row, found, list(methods).index(name))
        axis.axvline(0, color="#222222", linewidth=1.0)
        axis.set_title(title)
        axis.xaxis.set_major_locator(MaxNLocator(4))
        axis.grid(visible=False, axis="y")
    name_rows(axes[0], shown)
    figure.suptitle(f"{target}: gains over scratch", x=0.01, ha="left", fontsize=10.5)
    figure.supxlabel(
        "score above scratch (bar: mean, line: 95 % interval, dots: seeds)", fontsize=9.5
    )
    return figure


def terms(summary: Mapping[str, Any], target: str) -> Figure:
    """Draw the reward terms of the last evaluation: a row a term, a mark a method."""
    methods = summary["targets"][target]["methods"]
    shown = {name: method["terms"]["parts"] for name, method in methods.items() if method["terms"]}
    rows = list(dict.fromkeys(term for parts in shown.values() for term in parts))
    figure, (axis,) = new_figure(1.5 + (0.16 + 0.1 * len(shown)) * len(rows))
    for place, (name, parts) in zip(spread(len(shown)), shown.items(), strict=True):
        colour, _, marker = look(list(methods).index(name))
        for row, term in enumerate(rows):
            if term not in parts:
                continue
            at, seeds = row + 1.4 * place, parts[term]["per_seed"].values()
            axis.plot([min(seeds), max(seeds)], [at, at], color=colour, linewidth=1.6)
            axis.plot(
                parts[term]["estimate"],
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


def new_figure(
    height: float, columns: int = 1, rows: int = 1, *, sharex: bool = True, sharey: bool = True
) -> tuple[Figure, Sequence[Axes]]:
    """Return a figure as wide as a page, `height` inches high, and its axes as one reads."""
    figure = Figure(figsize=(WIDTH, height), dpi=DPI, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, sharex=sharex, sharey=sharey, squeeze=False)
    return figure, list(axes.flat)


def encoded(stem: str, figure: Figure) -> dict[str, bytes]:
    """Return a figure as PNG and SVG by file name; equal figures give equal bytes."""
    png, svg = io.BytesIO(), io.BytesIO()
    figure.savefig(png, format="png", dpi=DPI)
    figure.savefig(svg, format="svg", metadata={"Date": None})
    return {f"{stem}.png": png.getvalue(), f"{stem}.svg": svg.getvalue()}


def look(i: int) -> tuple[str, Any, str]:
    """Return colour, line style and marker of the i-th method."""
    # Lengths without a common divisor for markers: methods beyond the seventh still differ.
    return COLOURS[i % len(COLOURS)], LINES[i % len(LINES)], MARKERS[i % len(MARKERS)]


def _bar(axis: Axes, row: int, found: Mapping[str, Any], number: int) -> None:
    colour, _, marker = look(number)
    axis.barh(row, found["estimate"], height=0.62, color=colour, alpha=0.28, linewidth=0)
    if found["low"] is not None:
        axis.plot([found["low"], found["high"]], [row, row], color=colour, linewidth=2.4)
    axis.plot(found["estimate"], row, marker="|", markersize=12, markeredgewidth=2.4, color=colour)
    seeds = list(found["per_seed"].values())
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


def _score_axis(axis: Axes, anchors: Mapping[str, Any], threshold: float) -> None:
    """Label the score axis, draw the threshold and put the raw return on the right."""
    low, high = anchors["random"]["return"], anchors["reference"]["return"]
    axis.set_ylabel("score (0: random policy, 1: reference)")
    axis.axhline(threshold, color="#888888", linewidth=1.0, linestyle=(0, (1, 2)))
    axis.annotate(
        f"threshold {threshold:g}",
        (1, threshold),
        xycoords=("axes fraction", "data"),
        xytext=(-3, -3),
        textcoords="offset points",
        ha="right",
        va="top",
        fontsize=8.5,
        color="#666666",
        # A threshold far from all curves would otherwise take up the whole figure.
        annotation_clip=True,
    )
    right = axis.secondary_yaxis(
        "right", functions=(lambda s: low + s * (high - low), lambda j: (j - low) / (high - low))
    )
    right.set_ylabel("return of one evaluation")
    right.spines["right"].set_visible(True)


def steps_axis(axis: Axes, budget: float) -> None:
    """Make the horizontal axis one of target steps, from 0 to the budget."""
    axis.set_xlabel("environment steps in the target")
    axis.set_xlim(0, budget)
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))


def fit(*axes: Axes) -> None:
    """Fit axes of one height to their curves: an interval may reach far beyond."""
    lines = [line for axis in axes for line in axis.lines]
    values = np.concatenate([np.asarray(line.get_ydata(), float) for line in lines])
    low, high = float(values.min()), float(values.max())
    margin = 0.12 * (high - low) or 1.0
    axes[0].set_ylim(low - margin, high + margin)


def name_rows(axis: Axes, names: Sequence[str]) -> None:
    """Name the rows of a figure of bars, the first at the top."""
    axis.set_yticks(range(len(names)), names)
    axis.set_ylim(len(names) - 0.45, -0.55)
    axis.tick_params(axis="y", length=0)


def spread(count: int) -> list[float]:
    """Return small vertical offsets, so that marks of one row stay apart."""
    return [0.0] if count == 1 else [float(x) for x in np.linspace(-0.24, 0.24, count)]
