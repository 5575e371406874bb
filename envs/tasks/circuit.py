"""Closed, walled race tracks as plane geometry: a spline centre line and two walls.

Nothing here knows PyBullet; lengths are metres, angles radians, left is positive.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from scipy.interpolate import CubicSpline

from ..ranging import Surroundings

LAP = 22.0  # m, length of every generated centre line
WIDEST = 1.8  # m, the widest track that every centre line has room for
INSIDE = 0.2  # m, at that width: least radius of the inner wall, least gap between two stretches
KNOTS = 12  # control points of the centre line
PIECES = 120  # straight pieces that the centre line and each wall are made of
LOBES = np.array((2, 3, 4))  # waves around the lap that the control points' radii are mixed from
WILDNESS = np.linspace(1.0, 0.0, 12)  # tried in turn; the last is a circle, which always passes


class Circuit(Surroundings):
    """A closed track between two walls.

    `centre`, `left` and `right` are vertices in driving order, shape `(pieces, 2)` each: vertex k
    of the centre line lies midway between vertices k of the walls to its left and right.
    `length` is that of the centre line, in metres.
    """

    def __init__(self, centre: np.ndarray, normals: np.ndarray, width: float) -> None:
        """Lay walls `width` apart around `centre`; `normals` are unit vectors to the left."""
        self.centre = centre
        self.left = centre + 0.5 * width * normals
        self.right = centre - 0.5 * width * normals
        super().__init__((self.left, self.right[::-1]))
        steps = np.roll(centre, -1, axis=0) - centre
        lengths = np.hypot(steps[:, 0], steps[:, 1])
        self.length = float(lengths.sum())
        # Plain lists: the projection reads a few numbers at a time, where arrays are slow.
        self._points: list[list[float]] = centre.tolist()
        self._directions: list[list[float]] = (steps / lengths[:, None]).tolist()
        self._lengths: list[float] = lengths.tolist()
        self._starts: list[float] = (np.cumsum(lengths) - lengths).tolist()

    def pose(self, piece: int) -> tuple[float, float, float]:
        """Return x, y (m) and heading (rad) of the centre line where `piece` begins."""
        (x, y), (dx, dy) = self._points[piece], self._directions[piece]
        return x, y, math.atan2(dy, dx)

    def project(self, x: float, y: float, piece: int) -> tuple[int, float]:
        """Return the piece of the centre line nearest to a point, and the distance there (m).

        The search walks from `piece`, so a car is never taken to be on another stretch of the
        track that passes nearby.
        """
        last = len(self._points) - 1
        forwards = False
        while True:
            (px, py), (dx, dy) = self._points[piece], self._directions[piece]
            along = dx * (x - px) + dy * (y - py)
            if along > self._lengths[piece]:
                piece = piece + 1 if piece < last else 0
                forwards = True
            elif along < 0.0:
                behind = piece - 1 if piece else last
                if forwards or self._passed(behind, x, y):
                    along = 0.0  # outside a corner, whose vertex is nearest
                    break
                piece = behind
            else:
                break
        return piece, self._starts[piece] + along

    def _passed(self, piece: int, x: float, y: float) -> bool:
        """Say whether a point lies beyond the end of a piece of the centre line."""
        (px, py), (dx, dy) = self._points[piece], self._directions[piece]
        return dx * (x - px) + dy * (y - py) > self._lengths[piece]

    def advance(self, before: float, after: float) -> float:
        """Return the signed way (m) from one distance to another, the short way round."""
        half = 0.5 * self.length
        return (after - before + half) % self.length - half


def generate(rng: np.random.Generator, width: float) -> Circuit:
    """Draw a track of `width` metres (at most `WIDEST`), 22 m a lap, left- or right-handed.

    The centre line is a periodic cubic spline through control points around a circle, as far from
    the circle as leaves room for the widest track. It does not depend on `width`.
    """
    waves = rng.uniform(0.6, 2.0, len(LOBES)) / (LOBES**2 - 1)
    phases = rng.uniform(0.0, 2 * math.pi, len(LOBES))
    angles = np.arange(KNOTS) * (2 * math.pi / KNOTS)
    bulges = waves @ np.cos(LOBES[:, None] * angles + phases[:, None])
    circle = np.stack((np.cos(angles), np.sin(angles)), axis=1)
    # All degrees of wildness at once: one product gives points and derivatives of each.
    control = (1.0 + WILDNESS[:, None, None] * bulges[:, None]) * circle
    points, first, second = np.moveaxis(_spline() @ control[:, None], 1, 0)
    steps = np.roll(points, -1, axis=1) - points
    scales = LAP / np.hypot(steps[..., 0], steps[..., 1]).sum(axis=1)
    speeds = np.hypot(first[..., 0], first[..., 1])
    bends = np.abs(first[..., 0] * second[..., 1] - first[..., 1] * second[..., 0]) / speeds**3
    gentle = bends.max(axis=1) * (0.5 * WIDEST + INSIDE) <= scales
    k = next(k for k in np.flatnonzero(gentle) if _apart(scales[k] * points[k], WIDEST + INSIDE))
    centre = scales[k] * points[k]
    normals = np.stack((-first[k, :, 1], first[k, :, 0]), axis=1) / speeds[k, :, None]
    if rng.random() < 0.5:
        centre, normals = centre[::-1], -normals[::-1]
    return Circuit(centre, normals, width)


def _apart(points: np.ndarray, gap: float) -> bool:
    """Say whether stretches of a closed line that are far apart along it are `gap` apart.

    With its curvature bounded as well, this makes `gap / 2` a lower bound of the line's reach
    (Federer 1959), so that lines offset by less do not cross.
    """
    points = points[::2]
    x, y = points.T
    apart = np.square(x[:, None] - x) + np.square(y[:, None] - y)
    return bool((apart[_far(len(points), 0.5 * math.pi * gap)] >= gap * gap).all())


@cache
def _far(count: int, way: float) -> np.ndarray:
    """Return which pairs of `count` points on a lap lie more than `way` metres of track apart."""
    index = np.arange(count)
    between = np.abs(index[:, None] - index)
    far: np.ndarray = np.minimum(between, count - between) * (LAP / count) > way
    return far


@cache
def _spline() -> np.ndarray:
    """Return what turns control points into a periodic cubic spline, shape (3, PIECES, KNOTS).

    A spline is linear in its control points, so it is solved once, for unit points: points and
    first and second derivatives at even steps of the spline's own parameter.
    """
    unit = np.eye(KNOTS)[np.arange(KNOTS + 1) % KNOTS]
    spline = CubicSpline(np.arange(KNOTS + 1), unit, bc_type="periodic")
    return np.stack([spline(np.arange(PIECES) * (KNOTS / PIECES), order) for order in range(3)])
