"""Run: get ahead along x, as fast as possible, without falling."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

import numpy as np

from ..robots.legged import Runner
from ..simulation import Simulation
from ..world import Camera, Judgement, Task

FAST = 1.0  # m/s
RUN_PERIOD = 0.0165  # s, of a control step


class RunTask(Task):
    """Success: upright to the end, at 1 m/s or more on average.

    The reward is that of the PyBullet Gym locomotion worlds, so that returns compare: 1 a step
    for being upright (-1 for the step of a fall, which ends the episode), the forward speed in
    m/s, and costs of power, torque and joints at their limits.
    """

    weights: ClassVar[Mapping[str, float]] = {
        "upright": 1.0,
        "progress": 1.0,
        "power": -0.2,
        "torque": -0.1,
        "limits": -0.1,
    }
    episode_steps: ClassVar[int] = 1_000
    lowest: ClassVar[float] = -1.0
    """Height of the torso (m) below which it has fallen."""
    steepest: ClassVar[float] = 10.0
    """Pitch (rad) beyond which it has fallen."""

    def __init__(self, simulation: Simulation, robot: Runner) -> None:
        super().__init__(simulation)
        self.robot = robot
        self.camera = Camera((0.0, 0.0, 0.7), 4.0, 20.0, -12.0)
        self._from = self._last = 0.0
        self._steps = 0

    def reset(self, rng: np.random.Generator) -> None:
        """Start the clock."""
        self._steps = 0

    def complete(self, report: Mapping[str, np.ndarray]) -> None:
        """Remember where an episode began."""
        if self._steps == 0:
            self._from = self._last = self.robot.position[0]

    def judge(self) -> Judgement:
        """Reward speed; the terms are as in the class's text, power in rad/s."""
        robot = self.robot
        x, _, z = robot.position
        fallen = z < self.lowest or abs(robot.pitch) > self.steepest or robot.stumbled
        self._steps += 1
        terms = {
            "upright": -1.0 if fallen else 1.0,
            "progress": (x - self._last) / RUN_PERIOD,
            "power": robot.driven,
            "torque": robot.effort,
            "limits": float(robot.stops),
        }
        self._last = x
        far = self.covered >= FAST * RUN_PERIOD * self.episode_steps
        success = far and not fallen and self._steps >= self.episode_steps
        return Judgement(terms, terminated=fallen, success=success)

    @property
    def covered(self) -> float:
        """Metres along x so far."""
        return self.robot.position[0] - self._from

    def show(self) -> None:
        """Follow the robot."""
        x, y, _ = self.robot.position
        self.camera = replace(self.camera, target=(x, y, self.camera.target[2]))


class HopperRun(RunTask):
    """Run, on one leg: fallen below 0.8 m or pitched by more than 1 rad."""

    lowest: ClassVar[float] = 0.8
    steepest: ClassVar[float] = 1.0


class HalfCheetahRun(RunTask):
    """Run, on two feet: fallen when pitched by more than 1 rad or down on a knee."""

    steepest: ClassVar[float] = 1.0


class AntRun(RunTask):
    """Run, on four legs: fallen when the ball (radius 0.25 m) scrapes the ground."""

    lowest: ClassVar[float] = 0.26
