"""Walls and discs in the plane, and exact rays that meet them.

Nothing here knows PyBullet; lengths are metres, angles radians, left is positive.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np


class Rays:
    """Rays fixed to a car: its range finder's beams, or the edges of its footprint."""

    def __init__(self, origins: np.ndarray, angles: np.ndarray, reach: np.ndarray) -> None:
        """Set origins `(rays, 2)` (m), angles (rad) and reach (m) in the car's frame."""
        c, s = np.cos(angles), np.sin(angles)
        x, y = np.asarray(origins, dtype=float).T
        self.reach = np.asarray(reach, dtype=float)
        # Rows that take a point (x, y, 1) to its place left of, and along, each ray.
        self.frame = np.concatenate(
            (np.stack((-s, c, s * x - c * y), axis=1), np.stack((c, s, -c * x - s * y), axis=1))
        )


class Surroundings:
    """Walls that stand, and discs that may move, around a car.

    Each wall is a closed line with the free ground on its right: clockwise around a room,
    counter-clockwise around a block.
    """

    def __init__(self, walls: Sequence[np.ndarray]) -> None:
        """Build `walls`, the vertices of each in order, shape `(vertices, 2)` (m)."""
        # All vertices as columns (x, y, 1), the first of each wall again after its last.
        self._vertices = np.ones((3, sum(len(wall) + 1 for wall in walls)))
        seams = []
        start = 0
        for wall in walls:
            end = start + len(wall)
            self._vertices[:2, start:end] = wall.T
            self._vertices[:2, end] = wall[0]
            seams.append(end)
            start = end + 1
        self._seams = np.array(seams[:-1], dtype=np.intp)
        self._centres = np.ones((3, 0))
        self._squares = np.ones(0)

    def put_discs(self, places: Sequence[Sequence[float]], radius: float) -> None:
        """Put discs of one radius (m) with their centres at `places`, each x, y (m)."""
        self._centres = np.ones((3, len(places)))
        self._centres[:2] = np.reshape(places, (-1, 2)).T
        self._squares = np.full(len(places), radius * radius)

    def move_disc(self, number: int, x: float, y: float) -> None:
        """Move one of the discs that were put; its centre is now at `(x, y)` (m)."""
        self._centres[0, number], self._centres[1, number] = x, y

    def move(self, time: float) -> None:
        """Put what moves where it is `time` s after the start; nothing does here."""

    def cast(self, rays: Rays, x: float, y: float, yaw: float) -> np.ndarray:
        """Return how far each ray of a car at `(x, y, yaw)` gets (m), shape `(rays,)`.

        A ray ends at the first wall it meets coming from free ground, at the first disc (at once,
        if it starts inside), or at its reach.
        """
        c, s = math.cos(yaw), math.sin(yaw)
        to_car = np.array(((c, s, -c * x - s * y), (-s, c, s * x - c * y), (0.0, 0.0, 1.0)))
        frame = rays.frame @ to_car
        ranges = rays.reach.copy()
        self._meet_walls(frame, ranges)
        if len(self._squares):
            self._meet_discs(frame, ranges)
        return ranges

    def _meet_walls(self, frame: np.ndarray, ranges: np.ndarray) -> None:
        """Shorten `ranges` to the walls, in the frames of the rays."""
        places = frame @ self._vertices
        count, columns = len(ranges), places.shape[1]
        left = places[:count] >= 0.0
        # Seen from free ground, a piece of wall runs from left to right.
        crossed = left[:, :-1] > left[:, 1:]
        crossed[:, self._seams] = False  # from one wall's end to the next one's start
        hits = np.flatnonzero(crossed)
        ray = hits // (columns - 1)
        start = hits + ray
        flat = places.ravel()
        aside, along = flat[start], flat[start + count * columns]
        start += 1
        along += (flat[start + count * columns] - along) * (aside / (aside - flat[start]))
        along[along < 0.0] = math.inf  # behind
        np.minimum.at(ranges, ray, along)

    def _meet_discs(self, frame: np.ndarray, ranges: np.ndarray) -> None:
        """Shorten `ranges` to the discs: a ray enters one half a chord before its middle."""
        places = frame @ self._centres
        aside, along = places[: len(ranges)], places[len(ranges) :]
        half = np.sqrt(np.maximum(self._squares - aside * aside, 0.0))
        enters = np.maximum(along - half, 0.0)
        enters[(half == 0.0) | (along + half < 0.0)] = math.inf  # beside or behind
        np.minimum(ranges, enters.min(axis=1), out=ranges)
