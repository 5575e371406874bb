"""Reach: bring the tool's tip within 5 cm of a random goal and keep it there."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from ..robots.arm import ToolArm
from ..sensing import Channel
from ..simulation import Simulation
from ..world import Camera, Judgement, Task

TOOL = 0.105  # m, the tool that the controller believes in
REACHED_WITHIN = 0.05  # m
REACHED_STEPS = 12  # control steps: half a second at 25 Hz
LOW, HIGH = (0.3, -0.35, 0.1), (0.65, 0.35, 0.6)  # m, the box of goals


class Reach(Task):
    """Success: within 5 cm during the last half second of the episode.

    The distance the policy sees is computed from the reported joint angles and the nominal tool,
    as a controller would; reward and success go by where the tip truly is.
    """

    channels: ClassVar[tuple[Channel, ...]] = (
        Channel("goal", 3, "m", LOW, HIGH, "where the tip should be", goal=True),
        Channel(
            "goal_minus_tip",
            3,
            "m",
            -2.0,
            2.0,
            "goal minus tip, by the reported joint angles and the nominal tool",
        ),
    )
    weights: ClassVar[Mapping[str, float]] = {"distance": -1.0, "reached": 1.0, "effort": -0.001}
    episode_steps: ClassVar[int] = 50
    camera = Camera((0.3, 0.0, 0.35), 1.6, 50.0, -25.0)

    def __init__(self, simulation: Simulation, robot: ToolArm) -> None:
        super().__init__(simulation)
        self.robot = robot
        self.goal = (0.0, 0.0, 0.0)
        self._stayed = 0
        self._markers: tuple[int, int] | None = None
        if simulation.visual:
            self._markers = (
                simulation.marker((0.0, 0.62, 0.45, 0.7), radius=REACHED_WITHIN),
                simulation.marker((0.84, 0.37, 0.0, 1.0), radius=0.015),
            )

    def reset(self, rng: np.random.Generator) -> None:
        """Draw a goal."""
        x, y, z = rng.uniform(LOW, HIGH).tolist()
        self.goal = (x, y, z)
        self._stayed = 0

    def complete(self, report: Mapping[str, np.ndarray]) -> None:
        """Write the goal, and the way to it from where the controller believes the tip is."""
        believed = self.robot.tip_position(report["joint_positions"].tolist(), TOOL)
        report["goal"][:] = self.goal
        report["goal_minus_tip"][:] = [g - b for g, b in zip(self.goal, believed, strict=True)]

    def judge(self) -> Judgement:
        """Reward nearness; terms are in m, 0 or 1, and in (rad/s)^2 over all joints."""
        distance = math.dist(self.goal, self.robot.tip)
        self._stayed = self._stayed + 1 if distance <= REACHED_WITHIN else 0
        terms = {
            "distance": distance,
            "reached": float(distance <= REACHED_WITHIN),
            "effort": self.robot.squared_speed,
        }
        return Judgement(terms, terminated=False, success=self._stayed >= REACHED_STEPS)

    def show(self) -> None:
        """Show the goal and the tip."""
        if self._markers is not None:
            self.simulation.place(self._markers[0], self.goal)
            self.simulation.place(self._markers[1], self.robot.tip)
