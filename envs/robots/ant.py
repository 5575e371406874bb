"""The four-legged ant of `pybullet_data`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar
from xml.etree import ElementTree

import numpy as np

from ..bullet import bullet
from ..parameters import Parameter, applies
from ..sensing import Channel, Command
from .legged import (
    ATTITUDE_NOISE,
    LEGGED_OBSERVATION_DELAY,
    SPEED_NOISE,
    TILT,
    Runner,
    joint_channels,
    torques,
)

ANT_TORQUES = {f"{joint}_{leg}": 250.0 for leg in range(1, 5) for joint in ("hip", "ankle")}  # N m
FEET = ("front_left_foot", "front_right_foot", "left_back_foot", "right_back_foot")


class Ant(Runner):
    """A ball on four legs of two joints each; free in space, heading along x."""

    model: ClassVar[str] = "mjcf/ant.xml"
    joints: ClassVar[Mapping[str, float]] = ANT_TORQUES
    feet: ClassVar[tuple[str, ...]] = FEET
    morphology: ClassVar[tuple[Parameter, ...]] = (
        Parameter("shin_scale", "1", 1.0, 0.4, 1.4, "factor on the length of the lower legs"),
    )
    channels: ClassVar[tuple[Channel, ...]] = (
        Channel(
            "height",
            1,
            "m",
            -1.0,
            5.0,
            "of the torso's centre above the ground",
            delay=LEGGED_OBSERVATION_DELAY,
            measured=False,
        ),
        Channel(
            "attitude",
            2,
            "rad",
            -math.pi,
            math.pi,
            "roll and pitch of the torso",
            noise=ATTITUDE_NOISE,
            bias=TILT,
            delay=LEGGED_OBSERVATION_DELAY,
            angle=True,
        ),
        Channel(
            "heading",
            2,
            "1",
            -1.0,
            1.0,
            "sine and cosine of the yaw angle",
            delay=LEGGED_OBSERVATION_DELAY,
        ),
        Channel(
            "velocity",
            3,
            "m/s",
            -20.0,
            20.0,
            "of the torso: forwards, to the left (as it heads) and upwards",
            noise=SPEED_NOISE,
            delay=LEGGED_OBSERVATION_DELAY,
            measured=False,
        ),
        Channel(
            "angular_velocity",
            3,
            "rad/s",
            -50.0,
            50.0,
            "of the torso about the world's axes",
            delay=LEGGED_OBSERVATION_DELAY,
        ),
        *joint_channels(8, 4),
    )
    commands: ClassVar[tuple[Command, ...]] = torques(ANT_TORQUES)
    action_delay: ClassVar[Parameter] = Parameter(
        "action_delay", "s", 0.0, 0.0, 0.1, "time from a command to the motors"
    )

    def shape(self, model: ElementTree.Element, *, shin_scale: float) -> None:  # type: ignore[override]
        """Scale the lower legs."""
        for body in model.iter("body"):
            if shin_scale != 1.0 and body.get("name") in FEET:
                for geom in body.findall("geom"):
                    ends = [shin_scale * float(n) for n in geom.attrib["fromto"].split()]
                    geom.set("fromto", " ".join(map(repr, ends)))

    @applies(
        Parameter(
            "ground_friction", "1", 1.2, 0.1, 2.5, "friction coefficient, foot on ground", live=True
        )
    )
    def set_friction(self, ground_friction: float) -> None:
        """Set the friction between robot and ground."""
        self.apply_friction(ground_friction)

    def sense(self, raw: Mapping[str, np.ndarray]) -> None:
        """Read torso and joints."""
        client = self.simulation.client
        self.position, turn = bullet.getBasePositionAndOrientation(
            self.body, physicsClientId=client
        )
        (vx, vy, vz), spin = bullet.getBaseVelocity(self.body, physicsClientId=client)
        self.roll, self.pitch, yaw = bullet.getEulerFromQuaternion(turn)
        c, s = math.cos(yaw), math.sin(yaw)
        raw["height"][0] = self.position[2]
        raw["attitude"][:] = self.roll, self.pitch
        raw["heading"][:] = s, c
        raw["velocity"][:] = c * vx + s * vy, c * vy - s * vx, vz
        raw["angular_velocity"][:] = spin
        positions, speeds = self.simulation.joint_states(self.body, self._driven)
        self.sense_joints(raw, positions, speeds)
