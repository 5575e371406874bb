"""How every figure looks, and the parts that figures share: new axes, rows, encoding.

Figures are made to be read at column width and in grey: colour is never alone. Colours are those of
Okabe & Ito (2008), which colour-blind readers can distinguish; every method has a line style and a
marker besides. Figures are drawn without pyplot, so no global state is left.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

COLOURS = ("#000000", "#56B4E9", "#E69F00", "#0072B2", "#009E73", "#D55E00", "#CC79A7")
LINES = ("-", "--", "-.", "-", ":", (0, (5, 1)), (0, (3, 1, 1, 1)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
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
    # Laid out once for both, as that takes longer than to draw.
    if (engine := figure.get_layout_engine()) is not None:
        engine.execute(figure)
    figure.set_layout_engine(None)
    figure.savefig(png, format="png", dpi=DPI)
    figure.savefig(svg, format="svg", metadata={"Date": None})
    return {f"{stem}.png": png.getvalue(), f"{stem}.svg": svg.getvalue()}


def look(i: int) -> tuple[str, Any, str]:
    """Return colour, line style and marker of the i-th method."""
    # Lengths without a common divisor for markers: methods beyond the seventh still differ.
    return COLOURS[i % len(COLOURS)], LINES[i % len(LINES)], MARKERS[i % len(MARKERS)]


def steps_axis(axis: Axes, budget: float, period: float | None = None) -> None:
    """Make the horizontal axis one of target steps, from 0 to the budget.

    At the top it has minutes of robot time, where the `period` of a step (s) is known.
    """
    axis.set_xlabel("environment steps in the target")
    axis.set_xlim(0, budget)
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    if period and budget:

        def to_minutes(steps: Any) -> Any:
            return steps * (period / 60)

        def to_steps(minutes: Any) -> Any:
            return minutes * (60 / period)

        top = axis.secondary_xaxis("top", functions=(to_minutes, to_steps))
        top.set_xlabel("minutes of robot time", fontsize=9)
        top.tick_params(labelsize=9)
        top.spines["top"].set_visible(True)


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
