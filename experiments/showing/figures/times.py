"""Figures of the time to threshold: each seed's, and the share of seeds that have reached it."""

from __future__ import annotations

from matplotlib.figure import Figure

from ...measuring.results import TargetSummary, TimeToThreshold
from .style import look, name_rows, new_figure, spread, steps_axis

APART = 0.014
"""By how much of the axis each line is drawn above the one before: they may lie on each other."""


def draw_times(target: str, entry: TargetSummary, threshold: float) -> Figure:
    """Draw the time to threshold of each seed, with seeds that never got there at the budget."""
    times = {name: method.time_to_threshold for name, method in entry.methods.items()}
    shown = {name: time for name, time in times.items() if time is not None}
    figure, (axis,) = new_figure(1.35 + 0.42 * len(shown))
    for row, (name, time) in enumerate(shown.items()):
        colour, _, marker = look(list(entry.methods).index(name))
        seeds = list(time.per_seed.values())
        for place, value in zip(spread(len(seeds)), seeds, strict=True):
            there = value is not None
            axis.plot(
                time.horizon if value is None else value,
                row + place,
                marker=marker if there else ">",
                markersize=6,
                color=colour,
                markerfacecolor=colour if there else "white",
                clip_on=False,
            )
        if time.median is not None:
            axis.plot([time.median] * 2, [row - 0.36, row + 0.36], color=colour, linewidth=2.2)
    name_rows(axis, [f"{name} ({_reached(time)})" for name, time in shown.items()])
    steps_axis(axis, entry.steps or 0, entry.period)
    axis.grid(visible=False, axis="y")
    axis.set_title(f"{target}: steps until a score of {threshold:g} is held")
    axis.set_xlabel(
        "environment steps in the target (bar: Kaplan-Meier median; open: not reached)",
        fontsize=9.5,
    )
    return figure


def draw_survival(target: str, entry: TargetSummary, threshold: float) -> Figure:
    """Draw which share of the seeds has reached the threshold by each step: 1 - Kaplan-Meier."""
    times = {name: method.time_to_threshold for name, method in entry.methods.items()}
    shown = {name: time for name, time in times.items() if time}
    figure, (axis,) = new_figure(3.6)
    axis.axhline(0.5, color="#888888", linewidth=1.0, linestyle=(0, (1, 2)))
    for place, (name, time) in enumerate(shown.items()):
        colour, line, marker = look(list(times).index(name))
        aside = APART * (place - (len(shown) - 1) / 2)
        there = [1 - waiting + aside for waiting in time.survival.share]
        axis.plot(
            time.survival.steps,
            there,
            drawstyle="steps-post",
            color=colour,
            linestyle=line,
            linewidth=1.8,
            marker=marker,
            markersize=5,
            markevery=slice(1, -1),  # where seeds arrive
            label=f"{name} ({_reached(time)})",
            clip_on=False,
        )
        if time.reached < time.n:
            axis.plot(
                time.horizon,
                there[-1],
                color=colour,
                marker=marker,
                markersize=5,
                markerfacecolor="white",
                clip_on=False,
            )
    steps_axis(axis, entry.steps or 0)
    axis.set_ylim(-0.07, 1.07)
    axis.set_ylabel("share of seeds")
    axis.set_title(f"{target}: seeds that have reached a score of {threshold:g}")
    figure.legend(loc="outside lower center", ncols=3, fontsize=9)
    return figure


def _reached(time: TimeToThreshold) -> str:
    return f"{time.reached}/{time.n}"
