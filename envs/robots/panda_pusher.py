"""The Panda with a ball-ended peg in place of fingers, moving over a table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from operator import truediv
from typing import ClassVar
from xml.etree import ElementTree

import numpy as np
from scipy.linalg.lapack import dposv

from ..bullet import bullet
from ..parameters import Parameter, applies
from ..sensing import Channel, Command
from ..simulation import Simulation
from . import panda
from .arm import Arm

PEG = 0.18  # m, from the hand's frame to the ball's centre
PEG_MASS = 0.2  # kg
BALL = 9
REACH = panda.PANDA_FLANGE + PEG  # m, from the last joint's frame to the ball's centre
HEIGHT = 0.025  # m, at which the ball is kept
SPEED = 0.35  # m/s, either way
PUSHER_HOME = (0.0, -0.0272, 0.0, -2.8517, 0.0, 2.8245, 0.785)  # rad: the ball at (0.36, 0, HEIGHT)
HOME_SWING = 0.2  # rad, either way from home that the first joint starts
FENCE = (0.28, 0.78), (-0.4, 0.4)  # m, in x and y: the controller leads the ball no further
LIFT_RATE = 4.0  # 1/s, how fast errors of height and uprightness are put right
DAMPED = 0.03**2 * np.eye(5)  # the least squares' damping, in m^2 and rad^2


class PandaPusher(Arm):
    """An arm that keeps its ball at one height; a camera over the table sees a puck.

    A damped least-squares inverse of the Jacobian, taken at the joint angles as reported in each
    control step, turns the commanded velocity of the ball into joint velocities, which also undo
    errors of height and uprightness. `puck` is the body that the camera sees, which the task sets;
    `puck_at` and `ball_at` (m) are where it and the ball's centre truly are.
    """

    channels: ClassVar[tuple[Channel, ...]] = (
        *Arm.channels,
        Channel(
            "puck",
            2,
            "m",
            -2.0,
            2.0,
            "the puck's place on the table as the camera reports it",
            noise=Parameter("puck_noise", "m", 0.0, 0.0, 0.05, "noise of the puck's place (std)"),
            bias=Parameter(
                "camera_offset", "m", 0.0, -0.1, 0.1, "offset of the puck's place, in x and in y"
            ),
            delay=Parameter("puck_delay", "s", 0.0, 0.0, 0.4, "age of what the camera reports"),
            dropout=Parameter(
                "puck_dropout",
                "1",
                0.0,
                0.0,
                0.95,
                "chance per coordinate and step that it is not seen and what was seen last stays",
            ),
            dropped=None,
        ),
    )
    commands: ClassVar[tuple[Command, ...]] = tuple(
        Command(f"velocity_{axis}", "m/s", -SPEED, SPEED, f"velocity of the ball along {axis}")
        for axis in "xy"
    )
    morphology: ClassVar[tuple[Parameter, ...]] = (
        Parameter("ball_radius", "m", 0.02, 0.01, 0.024, "radius of the ball that pushes"),
        Parameter(
            "peg_offset", "m", 0.0, -0.1, 0.1, "peg mounted sideways on the hand (to its right)"
        ),
    )
    hand: ClassVar[int] = panda.HAND
    clear: ClassVar[tuple[int, ...]] = tuple(range(-1, panda.HAND + 1))
    torques: ClassVar[tuple[float, ...]] = panda.PANDA_TORQUES

    def __init__(
        self, simulation: Simulation, ball_radius: float = 0.02, peg_offset: float = 0.0
    ) -> None:
        self.ball_radius, self._peg_offset = ball_radius, peg_offset
        super().__init__(simulation)
        self.puck: int | None = None
        self.puck_at = self.ball_at = (0.0, 0.0, 0.0)
        self._camera_turn = 0.0
        self._believed = (0.0, 0.0, 0.0)
        self._righting = (0.0, 0.0, 0.0)
        self._effects, self._gram = np.zeros((7, 5)), DAMPED
        self._command: list[float] = []
        self._joint_command = [0.0] * 7

    def load(self) -> int:
        """Load the arm with the peg, fixed at the origin, and return its body."""
        model = panda.fingerless()
        model.extend(_peg(self.ball_radius, self._peg_offset))
        return self.simulation.load_model(model, fixed=True)

    @applies(
        Parameter(
            "camera_turn", "rad", 0.0, -0.5, 0.5, "how far the camera's axes are turned, base fixed"
        )
    )
    def set_camera(self, camera_turn: float) -> None:
        """Set the error of the camera's calibration."""
        self._camera_turn = camera_turn

    def start(self, rng: np.random.Generator) -> list[float]:
        """Return the home pose, swung to the left or right."""
        return [PUSHER_HOME[0] + float(rng.uniform(-HOME_SWING, HOME_SWING)), *PUSHER_HOME[1:]]

    def reset(self, rng: np.random.Generator) -> None:
        """Stand over the table, at rest, motors holding."""
        super().reset(rng)
        self._command = []

    def believe(self, joints: Sequence[float]) -> tuple[float, float, float]:
        """Take the joint angles as reported (rad); return where the ball would be (m)."""
        self._believed, (ax, ay, _), effects = panda.hand_jacobian(joints, REACH)
        self._righting = LIFT_RATE * (HEIGHT - self._believed[2]), -LIFT_RATE * ay, LIFT_RATE * ax
        self._effects = np.array(effects).reshape(7, 5)
        self._gram = self._effects.T @ self._effects + DAMPED
        self._command = []
        return self._believed

    def advance(self, command: list[float], steps: int) -> None:
        """Drive the ball with the commanded velocity (m/s), but not out of the fence."""
        if command != self._command:
            self._command = command
            targets = [
                0.0 if (at < low and v < 0.0) or (at > high and v > 0.0) else v
                for v, at, (low, high) in zip(command, self._believed, FENCE, strict=False)
            ]
            targets += self._righting
            # LAPACK's Cholesky solver, called directly: numpy's wrapper takes longer than it.
            joints = (self._effects @ dposv(self._gram, targets)[1]).tolist()
            excess = max(map(truediv, map(abs, joints), panda.PANDA_SPEEDS))
            self._joint_command = [v / excess for v in joints] if excess > 1.0 else joints
        super().advance(self._joint_command, steps)

    def sense(self, raw: Mapping[str, np.ndarray]) -> None:
        """Read the joints, know where the ball truly is, and look at the puck."""
        super().sense(raw)
        self.ball_at = bullet.getLinkState(self.body, BALL, physicsClientId=self.simulation.client)[
            0
        ]
        if self.puck is not None:
            self.puck_at, _ = bullet.getBasePositionAndOrientation(
                self.puck, physicsClientId=self.simulation.client
            )
            x, y, _ = self.puck_at
            s, c = math.sin(self._camera_turn), math.cos(self._camera_turn)
            raw["puck"][:] = c * x - s * y, s * x + c * y


def _peg(radius: float, offset: float) -> list[ElementTree.Element]:
    """Return the link and joint of a peg fixed to the hand, framed at the ball's centre."""
    inertia = 0.4 * PEG_MASS * radius**2
    rod = PEG - 0.06
    return list(
        ElementTree.fromstring(f"""
        <robot name="peg">
          <link name="peg">
            <inertial>
              <mass value="{PEG_MASS}"/>
              <inertia ixx="{inertia}" iyy="{inertia}" izz="{inertia}" ixy="0" ixz="0" iyz="0"/>
            </inertial>
            <visual>
              <origin xyz="0 0 {-rod / 2}"/>
              <geometry><cylinder radius="0.008" length="{rod}"/></geometry>
              <material name="steel"><color rgba="0.3 0.3 0.35 1"/></material>
            </visual>
            <visual>
              <geometry><sphere radius="{radius}"/></geometry>
              <material name="rubber"><color rgba="0.84 0.37 0 1"/></material>
            </visual>
            <collision><geometry><sphere radius="{radius}"/></geometry></collision>
          </link>
          <joint name="peg_joint" type="fixed">
            <parent link="panda_hand"/>
            <child link="peg"/>
            <origin xyz="0 {offset} {PEG}"/>
          </joint>
        </robot>""")
    )
