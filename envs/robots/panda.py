"""The Franka Emika Panda of `pybullet_data`: seven velocity-controlled joints and a tool."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from ..parameters import Parameter, applies
from ..sensing import Channel, Command
from ..simulation import Simulation
from ..world import Robot

JOINTS = tuple(range(7))
FINGERS = (9, 10)
HAND = 8
FLANGE = 0.107  # m, from the last joint to the flange, along the hand's z axis
HOME = (0.0, 0.0, 0.0, -1.9, 0.0, 1.9, 0.785)  # rad
SPEEDS = (1.1,) * 4 + (1.3,) * 3  # rad/s, half the data sheet's limits: a cautious setting
TORQUES = (87.0,) * 4 + (12.0,) * 3  # N m, likewise

OBSERVATION_DELAY = Parameter(
    "observation_delay", "s", 0.0, 0.0, 0.2, "age of what the joint sensors report"
)


class Panda(Robot):
    """The arm, fixed at the origin; what carries the tool's tip is geometry, not mass."""

    channels: ClassVar[tuple[Channel, ...]] = (
        Channel(
            "joint_positions",
            7,
            "rad",
            -math.pi * 1.25,
            math.pi * 1.25,
            "joint angles as the encoders report them",
            noise=Parameter("position_noise", "rad", 0.0, 0.0, 0.1, "encoder noise (std)"),
            bias=Parameter("encoder_offset", "rad", 0.0, -0.2, 0.2, "offset of every encoder"),
            delay=OBSERVATION_DELAY,
        ),
        Channel(
            "joint_velocities",
            7,
            "rad/s",
            -10.0,
            10.0,
            "joint velocities",
            noise=Parameter("velocity_noise", "rad/s", 0.0, 0.0, 0.5, "tachometer noise (std)"),
            delay=OBSERVATION_DELAY,
        ),
    )
    commands: ClassVar[tuple[Command, ...]] = tuple(
        Command(f"joint_{i + 1}", "rad/s", -speed, speed, f"velocity of joint {i + 1}")
        for i, speed in enumerate(SPEEDS)
    )
    action_delay: ClassVar[Parameter] = Parameter(
        "action_delay", "s", 0.0, 0.0, 0.2, "time from a command to the motors"
    )

    def __init__(self, simulation: Simulation) -> None:
        super().__init__(simulation)
        ground = simulation.load_ground()
        self.body = simulation.load("franka_panda/panda.urdf", fixed=True)
        # Base, shoulder and upper arm cannot reach the ground; testing them costs a tenth.
        simulation.ignore_contact(self.body, (-1, 0, 1, 2, 3), ground)
        self._links = [
            link for link in range(HAND + 1) if simulation.nominal(self.body, link).mass > 0
        ]
        self._torques = list(TORQUES)
        self._speed_gain = 1.0
        self._follow = 1.0
        self._velocity = [0.0] * 7
        self._tool_length = 0.0
        self.tip = (0.0, 0.0, 0.0)
        self.squared_speed = 0.0

    @applies(
        Parameter("motor_strength", "1", 1.0, 0.2, 1.5, "factor on every joint's torque limit")
    )
    def set_strength(self, motor_strength: float) -> None:
        """Scale the greatest torques."""
        self._torques = [motor_strength * torque for torque in TORQUES]

    @applies(
        Parameter("velocity_gain", "1", 1.0, 0.4, 1.5, "joint speed reached per speed commanded")
    )
    def set_gain(self, velocity_gain: float) -> None:
        """Scale the commanded velocities."""
        self._speed_gain = velocity_gain

    @applies(Parameter("motor_lag", "s", 0.0, 0.0, 0.3, "time constant of the first-order motors"))
    def set_lag(self, motor_lag: float) -> None:
        """Set how far the motors follow within one physics step (exact for a held command)."""
        lagging = motor_lag > 0
        self._follow = 1 - math.exp(-self.simulation.timestep / motor_lag) if lagging else 1.0

    @applies(
        Parameter(
            "joint_damping",
            "N m s/rad",
            1.0,
            0.0,
            5.0,
            "viscous friction of joints 1-4 (wrist: 1/7)",
        )
    )
    def set_damping(self, joint_damping: float) -> None:
        """Set the joints' damping, in proportion to their torque limits.

        PyBullet integrates damping explicitly: what the upper arm takes would shake the wrist,
        whose links weigh a tenth, to pieces.
        """
        for joint, torque in enumerate(TORQUES):
            damping = joint_damping * torque / TORQUES[0]
            self.simulation.set_joint_damping(self.body, joint, damping)

    @applies(
        Parameter("link_mass_scale", "1", 1.0, 0.5, 2.0, "factor on every link's mass and inertia"),
        Parameter("payload_mass", "kg", 0.0, 0.0, 5.0, "mass carried at the hand"),
    )
    def set_masses(self, link_mass_scale: float, payload_mass: float) -> None:
        """Set the links' masses; the payload adds to the hand's."""
        for link in self._links:
            extra = payload_mass if link == HAND else 0.0
            mass = link_mass_scale * self.simulation.nominal(self.body, link).mass + extra
            self.simulation.set_mass(self.body, link, mass)

    @applies(Parameter("tool_length", "m", 0.105, 0.0, 0.35, "from the flange to the tool's tip"))
    def set_tool(self, tool_length: float) -> None:
        """Set where the tip is (kinematic: the controller is not told)."""
        self._tool_length = tool_length

    def reset(self, rng: np.random.Generator) -> None:
        """Stand near the home pose, at rest, motors holding."""
        start = [
            home + offset for home, offset in zip(HOME, rng.uniform(-0.1, 0.1, 7), strict=True)
        ]
        self.simulation.place_joints(self.body, JOINTS, start)
        self.simulation.refresh_contacts()
        self.simulation.drive_joints(self.body, FINGERS, [0.0, 0.0], [20.0, 20.0])
        self._velocity = [0.0] * 7
        self._drive()

    def act(self, command: list[float]) -> None:
        """Let the motors follow the commanded joint velocities (rad/s)."""
        gain, follow = self._speed_gain, self._follow
        following = [
            v + follow * (gain * c - v) for v, c in zip(self._velocity, command, strict=True)
        ]
        if following != self._velocity:
            self._velocity = following
            self._drive()

    def _drive(self) -> None:
        self.simulation.drive_joints(self.body, JOINTS, self._velocity, self._torques)

    def sense(self, raw: Mapping[str, np.ndarray]) -> None:
        """Read the joints, and know where the tip truly is."""
        positions, velocities = self.simulation.joint_states(self.body, JOINTS)
        raw["joint_positions"][:] = positions
        raw["joint_velocities"][:] = velocities
        self.squared_speed = sum(v * v for v in velocities)
        self.tip = tip_position(positions, FLANGE + self._tool_length)


def tip_position(joints: Sequence[float], reach: float) -> tuple[float, float, float]:
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
