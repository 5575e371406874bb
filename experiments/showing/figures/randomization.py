"""Figures of a source's randomization: its ranges over training, and where it succeeded."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from ...measuring.draws import TrainingDraws
from .style import WIDTH, look, new_figure

COLUMNS = 2
STRETCHES = 25
CELLS = 8


def draw_ranges(found: Sequence[TrainingDraws], facts: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Draw a ribbon per parameter, of each seed, and success and entropy below.

    Args:
        found: the draws of each source.
        facts: what is known of each parameter, its `unit` and `nominal`.
    """
    names = list(found[0].ends)
    extra = [p for p in ("success", "entropy") if _has(found, p)]
    used = len(names) + len(extra)
    rows = math.ceil(used / COLUMNS)
    figure, axes = new_figure(2.0 * rows + 0.5, COLUMNS, rows, sharey=False)
    for axis, name in zip(axes, names, strict=False):
        _ribbon(axis, found, name, facts)
    for axis, what in zip(axes[len(names) : used], extra, strict=True):
        (_success if what == "success" else _entropy)(axis, found)
    if len(found) > 1:
        axes[used - 1].legend()
    for axis in axes[used:]:
        axis.set_axis_off()
    for axis in axes[max(0, used - COLUMNS) : used]:
        axis.set_xlabel("environment steps in the source")
        axis.tick_params(labelbottom=True)
    axes[0].xaxis.set_major_locator(MaxNLocator(3))
    axes[0].xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes[0].set_xlim(0, max(one.steps[-1] for one in found))
    return figure


def draw_success_map(
    found: Sequence[TrainingDraws], pair: Sequence[str], facts: Mapping[str, Mapping[str, Any]]
) -> Figure:
    """Draw the success rate over two parameters, of the episodes of the second half of training.

    Args:
        found: the draws of each source.
        pair: the names of the two parameters.
        facts: what is known of each parameter, its `unit`.
    """
    late = [one.at > one.at.max() / 2 for one in found]
    x, y = (
        np.concatenate([one.values[n][part] for one, part in zip(found, late, strict=True)])
        for n in pair
    )
    judged = [o.successes[p] for o, p in zip(found, late, strict=True) if o.successes is not None]
    success = np.concatenate(judged)
    edges = [np.linspace(v.min(), v.max(), CELLS + 1) for v in (x, y)]
    counts, _, _ = np.histogram2d(x, y, edges)
    sums, _, _ = np.histogram2d(x, y, edges, weights=success)
    with np.errstate(invalid="ignore"):
        rates = np.where(counts > 0, sums / counts, np.nan)
    figure, axes = new_figure(0.62 * WIDTH)
    axis = axes[0]
    axis.set_facecolor("#dddddd")
    axis.grid(visible=False)
    mesh = axis.pcolormesh(*edges, rates.T, vmin=0.0, vmax=1.0, cmap="viridis")
    for (i, j), count in np.ndenumerate(counts):
        if count:
            middle = [(e[k] + e[k + 1]) / 2 for e, k in zip(edges, (i, j), strict=True)]
            dark = rates[i, j] < 0.6
            axis.text(
                middle[0],
                middle[1],
                f"{int(count)}",
                ha="center",
                va="center",
                fontsize=6.5,
                color="white" if dark else "black",
            )
    figure.colorbar(mesh, ax=axis, label="success rate")
    axis.set_xlabel(_titled(pair[0], facts))
    axis.set_ylabel(_titled(pair[1], facts))
    axis.set_title("success in the second half of training; numbers are episodes")
    return figure


def _titled(name: str, facts: Mapping[str, Mapping[str, Any]]) -> str:
    """Return a parameter's name with its unit."""
    unit = facts.get(name, {}).get("unit", "1")
    return name if unit == "1" else f"{name} ({unit})"


def _ribbon(
    axis: Axes, found: Sequence[TrainingDraws], name: str, facts: Mapping[str, Mapping[str, Any]]
) -> None:
    # However many lie on each other, what lies behind them can be seen.
    alpha = 0.3 / len(found)
    for number, one in enumerate(found):
        colour, line, _ = look(number + 1)
        low, high = one.ends[name].T
        axis.fill_between(one.steps, low, high, color=colour, alpha=alpha, linewidth=0, step="post")
        for end, label in ((low, f"seed {one.seed}"), (high, None)):
            axis.step(
                one.steps,
                end,
                color=colour,
                linestyle=line,
                linewidth=1.2,
                where="post",
                label=label,
            )
    nominal = facts.get(name, {}).get("nominal")
    if nominal is not None:
        axis.axhline(nominal, color="#888888", linewidth=1.0, linestyle=(0, (1, 2)))
    axis.set_title(_titled(name, facts))


def _success(axis: Axes, found: Sequence[TrainingDraws]) -> None:
    for number, one in enumerate(found):
        colour, line, _ = look(number + 1)
        axis.plot(
            *one.success_rate(STRETCHES),
            color=colour,
            linestyle=line,
            linewidth=1.4,
            label=f"seed {one.seed}",
        )
    axis.set_ylim(-0.03, 1.03)
    axis.set_title("success rate of training episodes")


def _entropy(axis: Axes, found: Sequence[TrainingDraws]) -> None:
    for number, one in enumerate(found):
        colour, line, _ = look(number + 1)
        axis.step(
            one.steps,
            one.entropy,
            color=colour,
            linestyle=line,
            linewidth=1.4,
            where="post",
            label=f"seed {one.seed}",
        )
    axis.set_title("entropy (nats; 0: all of the ranges)")


def _has(found: Sequence[TrainingDraws], what: str) -> bool:
    if what == "success":
        return all(one.successes is not None for one in found)
    return all(np.isfinite(one.entropy).all() for one in found)
