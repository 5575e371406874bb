"""Closed, walled race tracks in the plane: a spline centre line and two walls.

Nothing here knows PyBullet; lengths are metres, angles radians, left is positive.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from scipy.interpolate import CubicSpline

from .rays import Surroundings

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
        steps = _steps(centre.T).T
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
        """Return the nearest piece of the centre line to a point, and the distance (m).

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
        """Return whether a point lies beyond the end of a piece of the centre line."""
        (px, py), (dx, dy) = self._points[piece], self._directions[piece]
        return dx * (x - px) + dy * (y - py) > self._lengths[piece]

    def advance(self, before: float, after: float) -> float:
        """Return the signed way (m) from one distance to another, the short way round."""
        half = 0.5 * self.length
        return (after - before + half) % self.length - half


def generate_circuit(rng: np.random.Generator, width: float) -> Circuit:
    """Draw a track of `width` metres (at most `WIDEST`) and 22 m a lap.

    The centre line is a periodic cubic spline through control points around a circle, as far from
    the circle as leaves room for the widest track. It does not depend on `width`.
    """
    waves = rng.uniform(0.6, 2.0, len(LOBES)) / (LOBES**2 - 1)
    phases = rng.uniform(0.0, 2 * math.pi, len(LOBES))
    spline, angles, circle, around = _spline()
    bulges = waves @ np.cos(LOBES[:, None] * angles + phases[:, None])
    # Points, first and second derivatives (3, PIECES) along x and along y, of all degrees of
    # wildness at once: linear in the control points, they are the circle's and a share of these.
    wild = np.reshape((spline @ (bulges[:, None] * circle)).T, (2, 3, PIECES))
    x, y = around[:, None] + WILDNESS[:, None, None] * wild[:, None]
    scales = LAP / _lengths(x[:, 0], y[:, 0]).sum(axis=1)
    squares = x[:, 1] * x[:, 1] + y[:, 1] * y[:, 1]
    bends = np.abs(x[:, 1] * y[:, 2] - y[:, 1] * x[:, 2]) / (squares * np.sqrt(squares))
    gentle = bends.max(axis=1) * (0.5 * WIDEST + INSIDE) <= scales
    k = next(
        k
        for k in np.flatnonzero(gentle)
        if _apart(scales[k] * x[k, 0], scales[k] * y[k, 0], WIDEST + INSIDE)
    )
    centre = scales[k] * np.array((x[k, 0], y[k, 0])).T
    normals = np.array((-y[k, 1], x[k, 1])).T / np.sqrt(squares[k, :, None])
    if rng.random() < 0.5:
        centre, normals = centre[::-1], -normals[::-1]
    return Circuit(centre, normals, width)


def _lengths(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the lengths of a closed line's pieces, given its points on the last axis."""
    across, up = _steps(x), _steps(y)
    lengths: np.ndarray = np.sqrt(across * across + up * up)
    return lengths


def _steps(line: np.ndarray) -> np.ndarray:
    """Return from each point of closed lines to the next, along the last axis."""
    steps = np.empty_like(line)
    np.subtract(line[..., 1:], line[..., :-1], out=steps[..., :-1])
    np.subtract(line[..., 0], line[..., -1], out=steps[..., -1])
    return steps


def _apart(x: np.ndarray, y: np.ndarray, gap: float) -> bool:
    """Return whether parts of a closed line that are far apart along it are `gap` apart.

    With its curvature bounded as well, this makes `gap / 2` a lower bound of the line's reach
    (Federer 1959), so that lines offset by less do not cross.
    """
    one, other = _far(len(x), 0.5 * math.pi * gap)
    across, up = x.take(one) - x.take(other), y.take(one) - y.take(other)
    return bool((across * across + up * up).min() >= gap * gap)


@cache
def _far(count: int, way: float) -> tuple[np.ndarray, np.ndarray]:
    """Return which pairs of every other of `count` points are over `way` m apart."""
    one, other = np.triu_indices(count // 2, 1)
    between = np.minimum(other - one, count // 2 - (other - one)) * (2 * LAP / count)
    return 2 * one[between > way], 2 * other[between > way]


@cache
def _spline() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the matrix from control points to a periodic spline, and a circle.

    A spline is linear in its control points, so it is solved once, for unit points: a matrix
    `(3 * PIECES, KNOTS)` to points and first and second derivatives at even steps of the spline's
    own parameter. Then come the control points' angles `(KNOTS,)` and places `(KNOTS, 2)` on the
    unit circle, and the circle's spline `(2, 3, PIECES)`.
    """
    unit = np.eye(KNOTS)[np.arange(KNOTS + 1) % KNOTS]
    spline = CubicSpline(np.arange(KNOTS + 1), unit, bc_type="periodic")
    at = np.arange(PIECES) * (KNOTS / PIECES)
    matrix = np.concatenate([spline(at, order) for order in range(3)])
    angles = np.arange(KNOTS) * (2 * math.pi / KNOTS)
    circle = np.stack((np.cos(angles), np.sin(angles)), axis=1)
    return matrix, angles, circle, np.reshape((matrix @ circle).T, (2, 3, PIECES))
