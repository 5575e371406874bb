"""The Franka Emika Panda: seven velocity-controlled joints and a tool."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar
from xml.etree import ElementTree

from ..sensing import Command
from ..simulation import read_model
from .arm import ToolArm, joint_commands

JOINTS = ToolArm.joints
HAND = 8
CLEAR_LINKS = (-1, 0, 1, 2, 3)  # base, shoulder and upper arm
PANDA_FLANGE = 0.107  # m, from the last joint to the flange, along the hand's z axis
PANDA_HOME = (0.0, 0.0, 0.0, -1.9, 0.0, 1.9, 0.785)  # rad
PANDA_SPEEDS = (1.1,) * 4 + (1.3,) * 3  # rad/s, half the data sheet's limits: a cautious setting
PANDA_TORQUES = (87.0,) * 4 + (12.0,) * 3  # N m, the data sheet's limits
# The joints' Denavit-Hartenberg frames: m along x, m along z, quarter turns about x.
FRAMES = (
    (0.0, 0.333, 0),
    (0.0, 0.0, -1),
    (0.0, 0.316, 1),
    (0.0825, 0.0, 1),
    (-0.0825, 0.384, -1),
    (0.0, 0.0, 1),
    (0.088, 0.0, 1),
)


class Panda(ToolArm):
    """The arm, fixed at the origin; what carries the tool's tip is geometry, not mass.

    The tool takes the place of the hand's fingers.
    """

    commands: ClassVar[tuple[Command, ...]] = joint_commands(PANDA_SPEEDS)
    hand: ClassVar[int] = HAND
    clear: ClassVar[tuple[int, ...]] = CLEAR_LINKS
    torques: ClassVar[tuple[float, ...]] = PANDA_TORQUES
    home: ClassVar[tuple[float, ...]] = PANDA_HOME

    def load(self) -> int:
        """Load the arm, fixed at the origin, and return its body."""
        return self.simulation.load_model(fingerless(), fixed=True)

    def tip_position(self, joints: Sequence[float], tool: float) -> tuple[float, float, float]:
        """Return the tip's place (m) for a tool of `tool` m, given joint angles (rad)."""
        return panda_tip(joints, PANDA_FLANGE + tool)


def fingerless() -> ElementTree.Element:
    """Return the URDF without fingers, which would take a third of the time."""
    model = read_model("franka_panda/panda.urdf")
    for part in list(model):
        if "finger" in part.get("name", "") or "grasptarget" in part.get("name", ""):
            model.remove(part)
    return model


def panda_tip(joints: Sequence[float], reach: float) -> tuple[float, float, float]:
    """Return where a point on the hand's z axis is (m), given the joint angles (rad).

    `reach` is its distance (m) from the last joint's frame. Forward kinematics of the arm's
    Denavit-Hartenberg frames (Franka Control Interface documentation), from the tip backwards,
    so that only a point is transformed; the last joint turns about the tip's own axis.
    """
    _, q2, q3, q4, q5, q6, _ = joints
    x, y, z = 0.088, -reach, 0.0
    s, c = math.sin(q6), math.cos(q6)
    x, y, z = c * x - s * y, -z, s * x + c * y
    s, c = math.sin(q5), math.cos(q5)
    x, y, z = c * x - s * y - 0.0825, z + 0.384, -s * x - c * y
    s, c = math.sin(q4), math.cos(q4)
    x, y, z = c * x - s * y + 0.0825, -z, s * x + c * y
    s, c = math.sin(q3), math.cos(q3)
    x, y, z = c * x - s * y, -z - 0.316, s * x + c * y
    s, c = math.sin(q2), math.cos(q2)
    x, y, z = c * x - s * y, z, -s * x - c * y
    s, c = math.sin(joints[0]), math.cos(joints[0])
    return c * x - s * y, s * x + c * y, z + 0.333


def hand_jacobian(
    joints: Sequence[float], reach: float
) -> tuple[tuple[float, float, float], tuple[float, float, float], list[float]]:
    """Return a point on the hand's z axis (m), that axis, and their Jacobians.

    `reach` is the point's distance (m) from the last joint's frame. A joint moves the point along
    x, y and z (m/rad) and turns the hand about x and y: five numbers of each joint in turn, the
    Jacobian column by column.
    """
    xx, xy, xz, yx, yy, yz, zx, zy, zz = 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0
    px = py = pz = 0.0
    frames = []
    for angle, (along_x, along_z, turn) in zip(joints, FRAMES, strict=True):
        if turn:
            yx, yy, yz, zx, zy, zz = zx, zy, zz, -yx, -yy, -yz
            if turn < 0:
                yx, yy, yz, zx, zy, zz = -yx, -yy, -yz, -zx, -zy, -zz
        px, py = px + along_x * xx + along_z * zx, py + along_x * xy + along_z * zy
        pz += along_x * xz + along_z * zz
        s, c = math.sin(angle), math.cos(angle)
        xx, xy, xz, yx, yy, yz = (
            c * xx + s * yx, c * xy + s * yy, c * xz + s * yz,
            c * yx - s * xx, c * yy - s * xy, c * yz - s * xz,
        )  # fmt: skip
        frames.append((px, py, pz, zx, zy, zz))
    px, py, pz = px + reach * zx, py + reach * zy, pz + reach * zz
    effects: list[float] = []
    for x, y, z, a, b, c in frames:
        x, y, z = px - x, py - y, pz - z
        effects += b * z - c * y, c * x - a * z, a * y - b * x, a, b
    return (px, py, pz), (zx, zy, zz), effects
