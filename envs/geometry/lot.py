"""A walled parking lot in the plane: a row of parked cars with one free bay.

The row stands along the wall at y = 0, noses or tails to it; the lane in front of it is open.
Nothing here knows PyBullet; lengths are metres, angles radians, left is positive.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from .rays import Surroundings

HALF_LENGTH = 0.228  # m, of a parked car's outline, the racecar's own
HALF_WIDTH = 0.145  # m
CENTRE = 0.178  # m, from the middle of a car's rear axle forward to the middle of its outline
ROW = 0.4  # m, from the wall to the middle of every bay
PITCH = 0.55  # m, from a parked car to the next, further from the bay
SIDE = 2.6  # m, from the lot's middle to its walls on the left and the right
PLACES = 3  # of parked cars, on either side of the bay


class Pose(NamedTuple):
    """A place x, y (m) and a heading (rad)."""

    x: float
    y: float
    yaw: float

    def seen_from(self, x: float, y: float, yaw: float) -> tuple[float, float, float]:
        """Return this pose in the frame of another: forward, left (m) and angle (rad)."""
        c, s = math.cos(yaw), math.sin(yaw)
        dx, dy = self.x - x, self.y - y
        turn = (self.yaw - yaw + math.pi) % (2.0 * math.pi) - math.pi
        return c * dx + s * dy, c * dy - s * dx, turn


class Lot(Surroundings):
    """A walled lot with parked cars; `cars` are the poses of their centres.

    `goal` is where the middle of the rear axle belongs once the car is parked.
    """

    def __init__(self, depth: float, cars: list[Pose], goal: Pose) -> None:
        self.depth, self.cars, self.goal = depth, cars, goal
        room = ((-SIDE, 0.0), (-SIDE, depth), (SIDE, depth), (SIDE, 0.0))
        super().__init__(list(np.array([room, *(_outline(car) for car in cars)])))


def _outline(car: Pose) -> tuple[tuple[float, float], ...]:
    """Return the corners of a parked car, counter-clockwise."""
    x, y, yaw = car
    c, s = math.cos(yaw), math.sin(yaw)
    ahead, up = HALF_LENGTH * c, HALF_LENGTH * s
    aside, left = HALF_WIDTH * -s, HALF_WIDTH * c
    return (
        (x + (-ahead - aside), y + (-up - left)),
        (x + (ahead - aside), y + (up - left)),
        (x + (ahead + aside), y + (up + left)),
        (x + (aside - ahead), y + (left - up)),
    )


def generate_lot(rng: np.random.Generator, bay_width: float, lane_width: float) -> Lot:
    """Draw a lot: the place of the bay, the direction to park in, and the parked cars.

    `bay_width` is between the two parked cars next to the bay, `lane_width` from the row to the
    wall across (both m); what is drawn does not depend on them.
    """
    middle = rng.uniform(-0.8, 0.8)
    heading = -0.5 * math.pi if rng.random() < 0.5 else 0.5 * math.pi
    cars = []
    for side in (-1.0, 1.0):
        for place in range(PLACES):
            u, v, w = rng.random(3).tolist()
            aside, ahead, askew = 0.1 * u, 0.1 * v - 0.05, 0.12 * w - 0.06
            taken = place == 0 or rng.random() < 0.6
            x = middle + side * (0.5 * bay_width + HALF_WIDTH + PITCH * place + aside * place)
            if taken and abs(x) + HALF_LENGTH < SIDE:
                cars.append(Pose(x, ROW + ahead, 0.5 * math.pi + (askew if place else 0.0)))
    goal = Pose(middle, ROW - math.copysign(CENTRE, heading), heading)
    return Lot(ROW + HALF_LENGTH + lane_width, cars, goal)
