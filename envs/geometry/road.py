"""A walled road in the plane, gently curved, with standing and moving obstacles.

Nothing here knows PyBullet; lengths are metres, angles radians, left is positive.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .rays import Surroundings

ROAD_LENGTH = 30.0  # m, of every centre line
PIECE = 0.5  # m, of every straight piece that it is made of
WAVES = ((1.25, 0.4), (2.5, 0.25))  # per road: how many, and the greatest swing of heading (rad)
OBSTACLES = 6
FIRST, SPACING = 5.5, 3.75  # m along the road: the first obstacle, and from each to the next
STRAY = 0.6  # m, how far along the road an obstacle may be from its place in the row
PACE_LENGTH = 1.2  # m, how far an obstacle that moves along the road goes either way
WALL_GAP = 0.05  # m, that obstacles keep from the walls


@dataclass(frozen=True)
class Obstacle:
    """A disc that stands, or that moves at constant speed, to and fro.

    `along` is its place on the centre line (m), `aside` how far it is from there to the walls
    (-1 right, 1 left); `speed` is in m/s, forwards or to the left where positive. One that moves
    `across` turns at the walls, another after `PACE_LENGTH`.
    """

    along: float
    aside: float
    speed: float
    across: bool

    def place(self, time: float, reach: float) -> tuple[float, float]:
        """Return metres along and left of the centre line; obstacles turn at `reach`."""
        if self.across:
            return self.along, swing(self.aside * reach + self.speed * time, reach)
        return self.along + swing(self.speed * time, PACE_LENGTH), self.aside * reach


def swing(way: float, reach: float) -> float:
    """Return the place after `way` from 0, when turning back at `reach` and `-reach`."""
    round_trip = (way + reach) % (4.0 * reach)
    return (round_trip if round_trip < 2.0 * reach else 4.0 * reach - round_trip) - reach


class Road(Surroundings):
    """A road from wall to wall, and what is on it.

    Its pieces are quadrilaterals between the vertices' normals, so that every place on it has one
    distance along the centre line, without a jump. `left` and `right` are its walls' vertices,
    shape `(pieces + 1, 2)`.
    """

    def __init__(self, headings: np.ndarray, width: float) -> None:
        """Build a road from (0, 0); `headings` are those of its pieces, shape `(pieces,)`."""
        steps = PIECE * np.stack((np.cos(headings), np.sin(headings)), axis=1)
        centre = np.concatenate((np.zeros((1, 2)), np.cumsum(steps, axis=0)))
        bends = np.concatenate((headings[:1], 0.5 * (headings[1:] + headings[:-1]), headings[-1:]))
        aside = 0.5 * width * np.stack((-np.sin(bends), np.cos(bends)), axis=1)
        self.left, self.right = centre + aside, centre - aside
        super().__init__([np.concatenate((self.left, self.right[::-1]))])
        self.length = PIECE * len(headings)
        # Plain lists: a few numbers are read at a time, where arrays are slow.
        self._points: list[list[float]] = centre.tolist()
        self._bends: list[float] = bends.tolist()
        self._forwards = [(math.cos(bend), math.sin(bend)) for bend in self._bends]
        self._obstacles: list[Obstacle] = []
        self._movers: list[int] = []
        self._reach = 0.0

    def populate(self, obstacles: list[Obstacle], radius: float) -> None:
        """Put obstacles of one radius (m) on the road, where they are at first."""
        self._obstacles = obstacles
        self._movers = [i for i, obstacle in enumerate(obstacles) if obstacle.speed]
        width = math.dist(self.left[0], self.right[0])
        self._reach = 0.5 * width - radius - WALL_GAP
        self.put_discs(self.places(0.0), radius)

    def move(self, time: float) -> None:
        """Put the obstacles where they are `time` s after the start."""
        for number in self._movers:
            place = self._obstacles[number].place(time, self._reach)
            self.move_disc(number, *self.point(*place))

    def places(self, time: float) -> list[tuple[float, float]]:
        """Return where the obstacles' centres are at a time (s): x, y (m) of each."""
        return [self.point(*obstacle.place(time, self._reach)) for obstacle in self._obstacles]

    def point(self, along: float, aside: float) -> tuple[float, float]:
        """Return x, y (m) of a place: metres along the road and left of its middle."""
        piece = min(max(int(along / PIECE), 0), len(self._points) - 2)
        share = along / PIECE - piece
        (x, y), (fx, fy) = self._points[piece], self._forwards[piece]
        (x2, y2), (fx2, fy2) = self._points[piece + 1], self._forwards[piece + 1]
        rest = 1.0 - share
        return (
            rest * (x - aside * fy) + share * (x2 - aside * fy2),
            rest * (y + aside * fx) + share * (y2 + aside * fx2),
        )

    def heading(self, along: float) -> float:
        """Return where the road heads (rad) at a distance along it (m)."""
        return self._bends[round(along / PIECE)]

    def project(self, x: float, y: float, along: float) -> float:
        """Return how far along the road (m) a point lies, looking from near `along`."""
        last = len(self._points) - 2
        piece = min(max(int(along / PIECE), 0), last)
        while piece < last and self._beyond(piece + 1, x, y) > 0.0:
            piece += 1
        while piece > 0 and self._beyond(piece, x, y) < 0.0:
            piece -= 1
        done, left = self._beyond(piece, x, y), -self._beyond(piece + 1, x, y)
        return PIECE * (piece + done / (done + left))

    def _beyond(self, vertex: int, x: float, y: float) -> float:
        """Return how far a point lies beyond the normal through a vertex (m)."""
        (px, py), (fx, fy) = self._points[vertex], self._forwards[vertex]
        return fx * (x - px) + fy * (y - py)


def generate_road(rng: np.random.Generator, width: float) -> Road:
    """Draw a road of `width` metres; its centre line does not depend on it."""
    middles = (np.arange(round(ROAD_LENGTH / PIECE)) + 0.5) * (PIECE / ROAD_LENGTH)
    headings = np.zeros(len(middles))
    for count, swing_most in WAVES:
        size, phase = rng.uniform(0.0, swing_most), rng.uniform(0.0, 2 * math.pi)
        headings += size * np.sin(2 * math.pi * count * middles + phase)
    return Road(headings - headings[0], width)


def scatter(rng: np.random.Generator, speed: float, moving: float) -> list[Obstacle]:
    """Draw a road's obstacles: a share `moving` of them moves, at up to `speed` m/s.

    What is drawn does not depend on either; half of those that move do so across the road.
    """
    drawn = rng.random((OBSTACLES, 6)).tolist()
    return [
        Obstacle(
            FIRST + SPACING * number + (2.0 * STRAY * stray - STRAY),
            2.0 * aside - 1.0,
            (0.5 + 0.5 * pace) * (speed if forwards < 0.5 else -speed) if moves < moving else 0.0,
            across < 0.5,
        )
        for number, (stray, aside, pace, moves, across, forwards) in enumerate(drawn)
    ]
