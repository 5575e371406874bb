"""The KUKA LBR iiwa 14 R820: seven velocity-controlled joints and a tool."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

from ..bullet import bullet
from ..sensing import Command
from .arm import ToolArm, joint_commands

KUKA_FLANGE = 0.045  # m, from the last joint's frame to the media flange, along its z axis
KUKA_HOME = (0.0, 0.29, 0.0, -1.76, 0.0, 1.1, 0.0)  # rad
KUKA_SPEEDS = (
    1.1,
    1.1,
    1.3,
    1.0,
    1.7,
    1.75,
    1.75,
)  # rad/s, three quarters of the data sheet's limits
KUKA_TORQUES = (320.0, 320.0, 176.0, 176.0, 110.0, 40.0, 40.0)  # N m, the data sheet's


class Kuka(ToolArm):
    """The arm, fixed at the origin; what carries the tool's tip is geometry, not mass."""

    commands: ClassVar[tuple[Command, ...]] = joint_commands(KUKA_SPEEDS)
    hand: ClassVar[int] = 6
    clear: ClassVar[tuple[int, ...]] = (-1, 0, 1, 2)
    torques: ClassVar[tuple[float, ...]] = KUKA_TORQUES
    home: ClassVar[tuple[float, ...]] = KUKA_HOME

    def load(self) -> int:
        """Load the arm, fixed at the origin, and return its body."""
        return self.simulation.load(
            "kuka_iiwa/model.urdf", fixed=True, flags=bullet.URDF_USE_INERTIA_FROM_FILE
        )

    def tip_position(self, joints: Sequence[float], tool: float) -> tuple[float, float, float]:
        """Return the tip's place (m) for a tool of `tool` m, given joint angles (rad)."""
        return kuka_tip(joints, KUKA_FLANGE + tool)


def kuka_tip(joints: Sequence[float], reach: float) -> tuple[float, float, float]:
    """Return the place (m) of a point on the last joint's axis, given joint angles.

    `reach` is its distance (m) from the last joint's frame. Forward kinematics of the URDF's
    frames, from the tip backwards, so that only a point is transformed; the last joint turns about
    the tip's own axis.
    """
    q1, q2, q3, q4, q5, q6, _ = joints
    wrist = reach + 0.081
    x, y, z = -math.sin(q6) * wrist, 0.0, math.cos(q6) * wrist + 0.2155
    s, c = math.sin(q5), math.cos(q5)
    x, y, z = s * y - c * x, z + 0.1845, s * x + c * y
    s, c = math.sin(q4), math.cos(q4)
    x, y, z = c * x - s * y, -z, s * x + c * y + 0.2155
    s, c = math.sin(q3), math.cos(q3)
    x, y, z = s * y - c * x, z + 0.2045, s * x + c * y
    s, c = math.sin(q2), math.cos(q2)
    x, y, z = s * y - c * x, z, s * x + c * y + 0.2025
    s, c = math.sin(q1), math.cos(q1)
    return c * x - s * y, s * x + c * y, z + 0.1575
