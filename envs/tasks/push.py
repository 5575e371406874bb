"""Push: bring a puck within 5 cm of a random goal on the table and leave it there."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from ..bullet import bullet
from ..parameters import Parameter, applies
from ..robots.panda_pusher import BALL, PandaPusher
from ..sensing import Channel
from ..simulation import Simulation
from ..world import Camera, Judgement, Task
from .puck import RADIUS, Puck

PUSHED_WITHIN = 0.05  # m
PUSHED_STEPS = 12  # control steps: half a second at 25 Hz
LOW, HIGH = (0.45, -0.1), (0.53, 0.1)  # m, where the puck starts
NEAREST, FARTHEST = 0.1, 0.22  # m, from there to the goal
GOAL_FAN = math.radians(70.0)  # either way from straight ahead, where the goal lies
KNOCKS = 3  # in an episode


class Push(Task):
    """Success: the puck stays within 5 cm of the goal in the last half second.

    The vectors that the policy sees are computed from what the encoders and the camera report;
    reward and success go by where things truly are.
    """

    channels: ClassVar[tuple[Channel, ...]] = (
        Channel(
            "puck_minus_ball",
            2,
            "m",
            -10.0,
            10.0,
            "puck minus ball, by the camera and the encoders",
        ),
        Channel(
            "goal",
            2,
            "m",
            (LOW[0], LOW[1] - FARTHEST),
            (HIGH[0] + FARTHEST, HIGH[1] + FARTHEST),
            "where the puck should be",
            goal=True,
        ),
        Channel("goal_minus_puck", 2, "m", -10.0, 10.0, "goal minus puck, by the camera"),
    )
    weights: ClassVar[Mapping[str, float]] = {
        "approach": -1.0,
        "aim": -0.3,
        "distance": -4.0,
        "reached": 1.0,
        "effort": -0.001,
    }
    episode_steps: ClassVar[int] = 100
    camera = Camera((0.42, 0.0, 0.22), 1.25, 60.0, -28.0)

    def __init__(self, simulation: Simulation, robot: PandaPusher) -> None:
        super().__init__(simulation)
        self.robot = robot
        self.goal = (0.0, 0.0)
        self._stayed = self._clock = 0
        self._knock = 0.0
        self._knocks: dict[int, tuple[float, float]] = {}
        self.puck = Puck(simulation)
        robot.puck = self.puck.body
        simulation.ignore_contact(robot.body, range(-1, BALL), self.puck.body)
        self._marker: int | None = None
        if simulation.visual:
            self._marker = simulation.marker(
                (0.0, 0.62, 0.45, 0.7), half=(PUSHED_WITHIN, PUSHED_WITHIN, 0.001)
            )

    @applies(
        Parameter("puck_mass", "kg", 0.5, 0.3, 3.0, "mass of the puck"),
        Parameter(
            "puck_offset", "m", 0.0, 0.0, 0.02, "its centre of mass off the middle (to the left)"
        ),
    )
    def set_puck(self, puck_mass: float, puck_offset: float) -> None:
        """Set the puck's mass and where its centre is."""
        self.puck.set_mass(puck_mass, puck_offset)

    @applies(
        Parameter("puck_friction", "1", 0.4, 0.05, 1.0, "friction coefficient, puck on table"),
        Parameter("ball_friction", "1", 0.3, 0.0, 1.0, "friction coefficient, ball on puck"),
        Parameter("bounce", "1", 0.0, 0.0, 0.9, "coefficient of restitution, ball on puck"),
    )
    def set_contact(self, puck_friction: float, ball_friction: float, bounce: float) -> None:
        """Set the contacts; a pair's coefficients multiply, and the table's is 1."""
        self.simulation.set_friction(self.puck.body, -1, puck_friction)
        self.simulation.set_friction(self.robot.body, BALL, ball_friction / puck_friction)
        for body, link, restitution in ((self.puck.body, -1, bounce), (self.robot.body, BALL, 1.0)):
            bullet.changeDynamics(
                body, link, restitution=restitution, physicsClientId=self.simulation.client
            )

    @applies(Parameter("knock", "N s", 0.0, 0.0, 0.2, "momentum that knocks give the puck"))
    def set_knock(self, knock: float) -> None:
        """Set how hard the puck is knocked, at most three times in an episode."""
        self._knock = knock

    def reset(self, rng: np.random.Generator) -> None:
        """Draw the puck's start and goal, and the times and directions of knocks."""
        x, y = rng.uniform(LOW, HIGH).tolist()
        way, angle = rng.uniform((NEAREST, -GOAL_FAN), (FARTHEST, GOAL_FAN)).tolist()
        times = rng.integers(10, self.episode_steps - 20, KNOCKS).tolist()
        angles = rng.uniform(-math.pi, math.pi, KNOCKS).tolist()
        self.goal = (x + way * math.cos(angle), y + way * math.sin(angle))
        self._knocks = {
            time: (math.cos(a), math.sin(a)) for time, a in zip(times, angles, strict=True)
        }
        self.puck.place(x, y)
        self._stayed = self._clock = 0

    def complete(self, report: Mapping[str, np.ndarray]) -> None:
        """Write what the controller believes, of which it also steers the arm."""
        ball = self.robot.believe(report["joint_positions"].tolist())
        (x, y), (to_x, to_y) = report["puck"].tolist(), self.goal
        report["puck_minus_ball"][:] = x - ball[0], y - ball[1]
        report["goal"][:] = self.goal
        report["goal_minus_puck"][:] = to_x - x, to_y - y

    def judge(self) -> Judgement:
        """Reward a puck near the goal, and a ball near the puck's far side.

        The terms are metres (ball to puck between the surfaces), one minus the cosine of the angle
        between ball-to-puck and puck-to-goal (0 at the goal), metres, 0 or 1, and (rad/s)^2 summed
        over the joints. Without aim, pushing stops for good where a push went astray.
        """
        (x, y, _), (ball_x, ball_y, _), (to_x, to_y) = (
            self.robot.puck_at, self.robot.ball_at, self.goal,
        )  # fmt: skip
        gap, distance = math.hypot(x - ball_x, y - ball_y), math.hypot(to_x - x, to_y - y)
        along = (x - ball_x) * (to_x - x) + (y - ball_y) * (to_y - y)
        reached = distance <= PUSHED_WITHIN
        self._stayed = self._stayed + 1 if reached else 0
        self._clock += 1
        if self._knock > 0 and self._clock in self._knocks:
            cosine, sine = self._knocks[self._clock]
            self.puck.knock(self._knock * cosine, self._knock * sine)
        terms = {
            "approach": max(0.0, gap - RADIUS - self.robot.ball_radius),
            "aim": 0.0 if reached else 1.0 - along / (gap * distance),
            "distance": distance,
            "reached": float(reached),
            "effort": self.robot.squared_speed,
        }
        return Judgement(terms, terminated=False, success=self._stayed >= PUSHED_STEPS)

    def show(self) -> None:
        """Show the goal."""
        if self._marker is not None:
            self.simulation.place(self._marker, (*self.goal, 0.001))
