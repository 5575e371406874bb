"""A figure of what an adapted policy estimates of the parameters over an episode."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ....agents.learner import Array
from ...running.estimates import Estimates
from .style import STYLE, encoded, new_figure

THIN: dict[str, Any] = {"color": "#bbbbbb", "linewidth": 0.6}
MEAN: dict[str, Any] = {"color": "#000000", "linewidth": 1.4, "linestyle": (0, (4, 2))}
TRUE: dict[str, Any] = {"color": "#000000", "linewidth": 2.2, "drawstyle": "steps-post"}
CHANGE: dict[str, Any] = {"color": "#555555", "linewidth": 1.0, "linestyle": ":"}


def estimate_pictures(found: Estimates, stem: str) -> dict[str, bytes]:
    """Return the figure as PNG and SVG, by file name."""
    with mpl.rc_context(STYLE):
        return encoded(stem, draw_estimates(found))


def draw_estimates(found: Estimates) -> Figure:
    """Draw a panel for each parameter: what it is, and what is estimated in each episode."""
    count = len(found.parameters)
    figure, axes = new_figure(1.9 * count + 0.6, rows=count, sharey=False)
    period = found.period or 1.0
    for number, (axis, parameter) in enumerate(zip(axes, found.parameters, strict=True)):
        _panel(axis, found, number, period)
        axis.set_title(f"{parameter.name}   (R² in the source: {found.explained[number]:.2f})")
        axis.set_ylabel("factor" if parameter.unit == "1" else parameter.unit)
    axes[-1].set_xlabel("steps" if found.period is None else "time in the episode (s)")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4)
    return figure


def _panel(axis: Axes, found: Estimates, number: int, period: float) -> None:
    for place, episode in enumerate(found.episodes):
        times = period * np.arange(len(episode.rewards))
        label = "estimate, each episode" if place == 0 else None
        axis.plot(times, episode.estimated[:, number], label=label, **THIN)
    longest = max(found.episodes, key=lambda one: len(one.rewards))
    times = period * np.arange(len(longest.rewards))
    mean = _mean([one.estimated[:, number] for one in found.episodes])
    axis.plot(times, mean, label="estimate, mean", **MEAN)
    axis.plot(times, longest.true[:, number], label="true", **TRUE)
    for place, step in enumerate(found.changes):
        axis.axvline(step * period, label="change" if place == 0 else None, **CHANGE)


def _mean(curves: list[Array]) -> Array:
    """Return the mean of curves of different lengths, at each step of those that go so far."""
    padded = np.full((len(curves), max(map(len, curves))), np.nan)
    for row, curve in zip(padded, curves, strict=True):
        row[: len(curve)] = curve
    mean: Array = np.nanmean(padded, axis=0)
    return mean
