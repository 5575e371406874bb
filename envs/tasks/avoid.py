"""Avoid: drive down a road between obstacles that stand and obstacles that move."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from typing import ClassVar

import numpy as np

from ..geometry.road import OBSTACLES, PIECE, ROAD_LENGTH, Road, generate_road, scatter
from ..parameters import Parameter, applies
from ..robots.racecar import Racecar
from ..simulation import Simulation
from ..world import Camera, Judgement, Task

START_ALONG = 1.0  # m along the road
FINISH = 28.0  # m along the road
STAVES = 10  # boxes that show an obstacle, as a barrel


class Avoid(Task):
    """Success: the road's end is reached; touching anything ends the episode.

    From the start to the finish are 27 m on every road, so the return, in metres driven along it,
    means the same on each: 12 s at an average of 2.3 m/s are enough.
    """

    weights: ClassVar[Mapping[str, float]] = {"progress": 1.0, "crash": -20.0}
    episode_steps: ClassVar[int] = 240

    def __init__(self, simulation: Simulation, robot: Racecar) -> None:
        super().__init__(simulation)
        self.robot = robot
        self.camera = Camera((0.0, 0.0, 0.0), 6.0, -90.0, -55.0)
        self.road: Road | None = None
        self._width = self._radius = self._speed = self._moving = 0.0
        self._along = self._begun = 0.0
        self._walls: list[int] = []
        self._barrels: list[int] = []
        if simulation.visual:
            colors = ((0.84, 0.37, 0.0, 1.0), (0.2, 0.2, 0.25, 1.0))
            half, stave = (0.5 * PIECE, 0.05, 0.1), (0.09, 0.02, 0.2)
            pieces = round(ROAD_LENGTH / PIECE)
            self._walls = [
                simulation.marker(color, half=half) for color in colors for _ in range(pieces)
            ]
            self._barrels = [
                simulation.marker((0.0, 0.45, 0.7, 1.0), half=stave)
                for _ in range(OBSTACLES * STAVES)
            ]

    @applies(Parameter("road_width", "m", 3.0, 1.6, 3.6, "from wall to wall"))
    def set_width(self, road_width: float) -> None:
        """Set how wide the next road is; its centre line does not depend on it."""
        self._width = road_width

    @applies(
        Parameter("obstacle_radius", "m", 0.2, 0.15, 0.4, "of every obstacle"),
        Parameter("obstacle_speed", "m/s", 0.3, 0.0, 3.0, "of the fastest obstacle"),
        Parameter("moving_share", "1", 0.5, 0.0, 1.0, "share of the obstacles that move"),
    )
    def set_obstacles(
        self, obstacle_radius: float, obstacle_speed: float, moving_share: float
    ) -> None:
        """Set the next road's obstacles; their places do not depend on it."""
        self._radius, self._speed, self._moving = obstacle_radius, obstacle_speed, moving_share

    def reset(self, rng: np.random.Generator) -> None:
        """Draw a road and its obstacles; put the car at its start, about in line."""
        road = generate_road(rng, self._width)
        road.populate(scatter(rng, self._speed, self._moving), self._radius)
        aside, askew = rng.uniform(-0.3, 0.3, 2).tolist()
        self.start(road, START_ALONG, aside, askew)

    def start(self, road: Road, along: float, aside: float, askew: float) -> None:
        """Put the car on a road: metres along and left of its middle, and an angle (rad)."""
        self.robot.surroundings = self.road = road
        x, y = road.point(along, aside)
        self.robot.place(x, y, road.heading(along) + askew)
        self._along = self._begun = along

    def judge(self) -> Judgement:
        """Reward metres along the road (backwards counts against), and punish a touch."""
        robot, road = self.robot, self.road
        assert road is not None
        along = road.project(robot.x, robot.y, self._along)
        progress, self._along = along - self._along, along
        arrived = along >= FINISH and not robot.touching
        terms = {"progress": progress, "crash": float(robot.touching)}
        return Judgement(terms, terminated=robot.touching or arrived, success=arrived)

    @property
    def covered(self) -> float:
        """Metres along the road so far."""
        return self._along - self._begun

    def show(self) -> None:
        """Show walls and obstacles, and look from behind the car."""
        if self.road is None:
            return
        robot, road = self.robot, self.road
        kerbs = iter(self._walls)
        for wall in (road.left.tolist(), road.right.tolist()):
            for (x, y), (x2, y2) in pairwise(wall):
                heading = math.atan2(y2 - y, x2 - x)
                self._put(next(kerbs), 0.5 * (x + x2), 0.5 * (y + y2), heading, 0.1)
        staves = iter(self._barrels)
        for x, y in road.places(robot.time):
            for number in range(STAVES):
                angle = 2 * math.pi * number / STAVES
                sx, sy = x + self._radius * math.cos(angle), y + self._radius * math.sin(angle)
                self._put(next(staves), sx, sy, angle + 0.5 * math.pi, 0.2)
        x, y = road.point(min(self._along + 2.0, ROAD_LENGTH), 0.0)
        self.camera = replace(self.camera, target=(x, y, 0.0))

    def _put(self, body: int, x: float, y: float, yaw: float, height: float) -> None:
        turn = (0.0, 0.0, math.sin(0.5 * yaw), math.cos(0.5 * yaw))
        self.simulation.place(body, (x, y, height), turn)
