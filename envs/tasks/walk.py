"""Walk: go straight ahead at a commanded speed without falling."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from operator import eq
from typing import ClassVar

import numpy as np

from ..robots.a1 import A1
from ..robots.a1_senses import STANCE
from ..sensing import Channel
from ..simulation import Simulation
from ..world import Camera, Judgement, Task

SLOWEST, FASTEST = 0.3, 1.0  # m/s, of the commands
BAND = 0.2  # the share of the command by which the mean speed may miss it
LOWEST, STEEPEST = 0.15, 0.7  # m and cosine: below either the robot has fallen
FOOT_LIFT = 0.06  # m, how high a swinging foot should be
WALK_PERIOD = 0.03125  # s, the control step
STRIDE = 16  # control steps, half a second: of a trot whose diagonals take turns
HIP_ANGLES = STANCE[::3]  # rad: of the hips where nothing is commanded
# Which feet should be on the ground in each half of a stride: right front, left rear, and others.
BEATS = (True, False, False, True), (False, True, True, False)


class Walk(Task):
    """Success: no fall, and a mean speed along x within a fifth of the command.

    The command is drawn once per episode, from 0.3 to 1 m/s. A policy that is rewarded for speed
    alone shuffles. So a clock beats a trot of two strides a second (its phase is drawn as well),
    half of each the right front and left rear foot's in the air, half the others', and what a foot
    does in the air and on the ground is weighed.
    """

    channels: ClassVar[tuple[Channel, ...]] = (
        Channel("clock", 2, "1", -1.0, 1.0, "sine and cosine of the gait's phase"),
        Channel(
            "command",
            1,
            "m/s",
            SLOWEST,
            FASTEST,
            "commanded speed along the starting heading",
            goal=True,
        ),
    )
    weights: ClassVar[Mapping[str, float]] = {
        "tracking": 1.0,
        "rhythm": 1.0,
        "drag": -10.0,
        "slip": -0.05,
        "sideways": -0.4,
        "yaw": -0.4,
        "bounce": -0.5,
        "turning": -0.02,
        "power": -0.0005,
        "change": -0.02,
        "splay": -0.3,
        "fall": -5.0,
    }
    episode_steps: ClassVar[int] = 400

    def __init__(self, simulation: Simulation, robot: A1) -> None:
        super().__init__(simulation)
        self.robot = robot
        self.camera = Camera((0.0, 0.0, 0.2), 1.5, 40.0, -20.0)
        self.command = SLOWEST
        self._steps = self._phase = 0
        self._last: list[float] = []

    def reset(self, rng: np.random.Generator) -> None:
        """Draw the commanded speed, and the phase at which the gait starts."""
        self.command = float(rng.uniform(SLOWEST, FASTEST))
        self._phase = int(rng.integers(STRIDE))
        self._steps = 0
        self._last = list(self.robot.sent)

    def complete(self, report: Mapping[str, np.ndarray]) -> None:
        """Write the commanded speed and the clock of the gait."""
        angle = 2 * math.pi * (self._phase + self._steps) / STRIDE
        report["clock"][:] = math.sin(angle), math.cos(angle)
        report["command"][0] = self.command

    def judge(self) -> Judgement:
        """Judge speed, steadiness, effort and what the feet do.

        `tracking` is 1 at the commanded speed, 0 at rest and at twice of it; `rhythm` is 1 if all
        feet follow the clock, -1 if none does; `drag` sums, over feet in the air, (m below
        `FOOT_LIFT`)^2 times speed.
        """
        robot, now = self.robot, self._phase + self._steps
        self._steps += 1
        fallen = robot.height < LOWEST or robot.up < STEEPEST
        grounded = BEATS[now % STRIDE < STRIDE // 2]
        drag = slip = 0.0
        for touching, lift, slide in zip(robot.touch, robot.lifts, robot.slides, strict=True):
            if touching:
                slip += slide
            elif lift < FOOT_LIFT:
                drag += (FOOT_LIFT - lift) ** 2 * slide
        sent = robot.sent
        terms = {
            "tracking": max(-1.0, 1.0 - abs(robot.forward / self.command - 1.0)),
            "sideways": abs(robot.sideways),
            "yaw": abs(robot.yaw),
            "bounce": robot.climb * robot.climb,
            "turning": math.hypot(*robot.rates) ** 2,
            "power": robot.power,
            "change": math.dist(sent, self._last) ** 2,
            "rhythm": 0.5 * sum(map(eq, robot.touch, grounded)) - 1.0,
            "drag": drag,
            "slip": slip,
            "splay": math.dist(sent[::3], HIP_ANGLES) ** 2,
            "fall": float(fallen),
        }
        self._last = sent
        success = not fallen and self._steps >= self.episode_steps and self._kept_pace()
        return Judgement(terms, fallen, success)

    def _kept_pace(self) -> bool:
        mean = self.covered / (self._steps * WALK_PERIOD)
        return abs(mean / self.command - 1.0) <= BAND

    @property
    def covered(self) -> float:
        """Metres along the starting heading so far."""
        return self.robot.place[0]

    def show(self) -> None:
        """Let the camera follow the robot."""
        x, y = self.robot.place
        self.camera = replace(self.camera, target=(x, y, 0.2))
