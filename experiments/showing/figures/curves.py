"""Figures of learning curves: score or return against steps in the target."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...measuring.estimates import Curves
from ...measuring.gains import method_curves
from ...measuring.results import Anchors, TargetSummary
from ...measuring.runs import Run
from ...measuring.summary import score_curves
from ..formats import counts, extent
from .style import fit, look, new_figure, steps_axis


def curves_by_method(run: Run, target: str) -> dict[str, Curves | None]:
    """Return the finished trials of each of a run's methods on a target; None without any."""
    return {method: method_curves(run, target, method) for method in run.methods}


def learning_curves(
    target: str, entry: TargetSummary, threshold: float, found: Mapping[str, Curves | None]
) -> Figure:
    """Draw score (or return) against target steps: mean, its interval or range, each seed."""
    figure, axes = new_figure(4.3)
    axis = axes[0]
    for i, (method, curves) in enumerate(found.items()):
        if curves is None:
            continue
        if entry.scored:
            curves = score_curves(curves, entry.anchors)
        n = len(curves.seeds)
        draw_curve(axis, curves, i, f"{method} ({n} seed{'s' * (n != 1)})")
    fit(axis)
    steps_axis(axis, entry.steps or 0, entry.period)
    axis.set_title(f"{target}: mean, each seed, {extent(counts(entry.methods.values()))}")
    if entry.scored:
        _score_axis(axis, entry.anchors, threshold)
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


def _score_axis(axis: Axes, anchors: Anchors, threshold: float) -> None:
    """Label the score axis, draw the threshold and put the raw return on the right."""
    low, high = anchors.scale
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

    def to_return(score: Any) -> Any:
        return low + score * (high - low)

    def to_score(value: Any) -> Any:
        return (value - low) / (high - low)

    right = axis.secondary_yaxis("right", functions=(to_return, to_score))
    right.set_ylabel("return of one evaluation")
    right.spines["right"].set_visible(True)
