"""Park: stand in the free bay of a row of parked cars, nose first or tail first."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from ..geometry.lot import CENTRE, HALF_LENGTH, HALF_WIDTH, PLACES, SIDE, Lot, Pose, generate_lot
from ..parameters import Parameter, applies
from ..robots.parking_car import ParkingCar
from ..sensing import Channel
from ..simulation import Simulation
from ..world import Camera, Judgement, Task

PARKED_WITHIN = 0.15  # m, from the rear axle to where it belongs
IN_LINE = math.radians(10.0)
AT_REST = 0.15  # m/s
PARKED_STEPS = 10  # control steps: half a second at 20 Hz
LONG = 1.6  # m, half extent of the boxes that show the walls at the sides
ASIDE = 2.0  # what a metre aside of the bay counts for in the way to go: a car cannot step aside
HEADING_LEVER = 0.5  # m/rad, what a heading error counts for in the way to go
# Where a car starts, seen from its goal: away from it and aside (m), and askew (rad).
NEAREST, FARTHEST = (1.4, -0.3, -0.3), (2.0, 0.3, 0.3)


class Park(Task):
    """Success: parked during the last half second of the episode; a touch ends it.

    Parked is: the rear axle within 15 cm of where it belongs, within 10 degrees of the bay's
    direction, and slower than 0.15 m/s. Which way to stand in the bay is drawn; the car starts in
    front of it, facing it (to drive in) or turned away (to reverse in). The goal the policy sees is
    computed from the reported pose; reward and success go by where the car truly is.
    """

    channels: ClassVar[tuple[Channel, ...]] = (
        Channel(
            "goal_place", 2, "m", -40.0, 40.0, "goal ahead and to the left, by the reported pose"
        ),
        Channel(
            "goal_turn", 2, "1", -1.0, 1.0, "cosine and sine of the turn left to the goal's heading"
        ),
    )
    weights: ClassVar[Mapping[str, float]] = {
        "approach": 2.0, "nearness": 0.2, "stillness": 0.3, "crash": -3.0
    }  # fmt: skip
    episode_steps: ClassVar[int] = 200

    def __init__(self, simulation: Simulation, robot: ParkingCar) -> None:
        super().__init__(simulation)
        self.robot = robot
        self.camera = Camera((0.0, 1.5, 0.0), 5.0, 0.0, -75.0)
        self.lot: Lot | None = None
        self._bay = self._lane = 0.0
        self._left = 0.0
        self._stayed = 0
        self._cars: list[int] = []
        self._walls: list[int] = []
        self._goal: list[int] = []
        if simulation.visual:
            grey, orange = (0.3, 0.35, 0.45, 1.0), (0.84, 0.37, 0.0, 1.0)
            car = (HALF_LENGTH, HALF_WIDTH, 0.07)
            self._cars = [simulation.marker(grey, half=car) for _ in range(2 * PLACES)]
            self._walls = [
                simulation.marker(orange, half=(half, 0.03, 0.06))
                for half in (SIDE, SIDE, LONG, LONG)
            ]
            self._goal = [
                simulation.marker((0.0, 0.62, 0.45, 1.0), half=(HALF_LENGTH, HALF_WIDTH, 0.002)),
                simulation.marker((0.95, 0.9, 0.25, 1.0), half=(0.03, HALF_WIDTH, 0.004)),
            ]

    @applies(
        Parameter("bay_width", "m", 0.75, 0.5, 1.1, "between the cars on either side of the bay"),
        Parameter("lane_width", "m", 2.6, 2.2, 3.5, "from the row of cars to the wall across"),
    )
    def set_lot(self, bay_width: float, lane_width: float) -> None:
        """Set the sizes of the next lot; what is drawn does not depend on them."""
        self._bay, self._lane = bay_width, lane_width

    def reset(self, rng: np.random.Generator) -> None:
        """Draw a lot, and put the car in front of the free bay."""
        lot = generate_lot(rng, self._bay, self._lane)
        away, aside, askew = rng.uniform(NEAREST, FARTHEST).tolist()
        goal = lot.goal
        self.start(lot, Pose(goal.x + aside, goal.y + away, goal.yaw + askew))

    def start(self, lot: Lot, pose: Pose) -> None:
        """Put the car on a lot, the middle of its rear axle at a pose."""
        self.robot.surroundings = self.lot = lot
        self.robot.place(*pose)
        self._left = way(*pose.seen_from(*lot.goal))
        self._stayed = 0

    def complete(self, report: Mapping[str, np.ndarray]) -> None:
        """Write the way to the goal from where the car believes it is."""
        assert self.lot is not None
        (x, y), (yaw,) = report["position"].tolist(), report["heading"].tolist()
        ahead, left, turn = self.lot.goal.seen_from(x, y, yaw)
        report["goal_place"][:] = ahead, left
        report["goal_turn"][:] = math.cos(turn), math.sin(turn)

    def judge(self) -> Judgement:
        """Reward metres towards the goal (a radian counts for half of one), and rest there.

        Stillness, 1 at rest, counts only in place; its slope tells how to brake, and so success is
        not left to be found by chance.
        """
        robot, lot = self.robot, self.lot
        assert lot is not None
        pose = Pose(robot.x, robot.y, robot.yaw).seen_from(*lot.goal)
        before, self._left = self._left, way(*pose)
        near = math.hypot(*pose[:2]) <= PARKED_WITHIN and abs(pose[2]) <= IN_LINE
        parked = near and abs(robot.speed) <= AT_REST and not robot.touching
        self._stayed = self._stayed + 1 if parked else 0
        terms = {
            "approach": before - self._left,
            "nearness": math.exp(-3.0 * self._left),
            "stillness": near * math.exp(-abs(robot.speed) / AT_REST),
            "crash": float(robot.touching),
        }
        return Judgement(terms, terminated=robot.touching, success=self._stayed >= PARKED_STEPS)

    def show(self) -> None:
        """Show walls, parked cars, and the goal with a bar where the nose belongs."""
        if self.lot is None:
            return
        lot, goal = self.lot, self.lot.goal
        for number, body in enumerate(self._cars):
            hidden = Pose(0.0, -50.0, 0.0)
            self._put(body, lot.cars[number] if number < len(lot.cars) else hidden, 0.07)
        across = 0.5 * math.pi
        ends = [Pose(0.0, y, 0.0) for y in (0.0, lot.depth)]
        sides = [Pose(x, lot.depth - LONG, across) for x in (-SIDE, SIDE)]
        for body, wall in zip(self._walls, ends + sides, strict=True):
            self._put(body, wall, 0.06)
        c, s = math.cos(goal.yaw), math.sin(goal.yaw)
        for body, ahead in zip(self._goal, (CENTRE, CENTRE + HALF_LENGTH), strict=True):
            self._put(body, Pose(goal.x + ahead * c, goal.y + ahead * s, goal.yaw), 0.004)

    def _put(self, body: int, pose: Pose, height: float) -> None:
        turn = (0.0, 0.0, math.sin(0.5 * pose.yaw), math.cos(0.5 * pose.yaw))
        self.simulation.place(body, (pose.x, pose.y, height), turn)


def way(along: float, aside: float, turn: float) -> float:
    """Return the weighed distance (m) to the goal, of a pose in the goal's frame."""
    return math.hypot(along, ASIDE * aside) + HEADING_LEVER * abs(turn)
