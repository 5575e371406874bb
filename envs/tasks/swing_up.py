"""Swing up: bring a hanging pole upright and keep it there."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from ..robots.cartpole import RAIL, CartPole
from ..simulation import Simulation
from ..world import Camera, Judgement, Task

UPRIGHT = math.cos(math.radians(15.0))
UPRIGHT_STEPS = 25  # control steps: one second at 25 Hz


class SwingUp(Task):
    """Success: within 15 degrees of upright in the last second."""

    weights: ClassVar[Mapping[str, float]] = {
        "upright": 1.0,
        "off_centre": -0.05,
        "effort": -0.05,
        "off_rail": -5.0,
    }
    episode_steps: ClassVar[int] = 150
    camera = Camera((0.0, 0.0, 0.1), 4.2, 0.0, -10.0)

    def __init__(self, simulation: Simulation, robot: CartPole) -> None:
        super().__init__(simulation)
        self.robot = robot
        self._stayed = 0

    def reset(self, rng: np.random.Generator) -> None:
        """Forget how long the pole stood."""
        self._stayed = 0

    def judge(self) -> Judgement:
        """Reward the tip's height (1 upright, 0 hanging); place in m^2, force as a share."""
        x, height = self.robot.x, math.cos(self.robot.angle)
        self._stayed = self._stayed + 1 if height >= UPRIGHT else 0
        off_rail = abs(x) > RAIL
        terms = {
            "upright": 0.5 + 0.5 * height,
            "off_centre": x * x,
            "effort": self.robot.action[0] ** 2,
            "off_rail": float(off_rail),
        }
        success = self._stayed >= UPRIGHT_STEPS and not off_rail
        return Judgement(terms, terminated=off_rail, success=success)
