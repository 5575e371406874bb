"""Arms of seven velocity-controlled joints: what all of them share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from ..parameters import Parameter, applies
from ..sensing import Channel, Command
from ..simulation import Simulation
from ..world import Robot

ARM_OBSERVATION_DELAY = Parameter(
    "observation_delay", "s", 0.0, 0.0, 0.2, "age of what the joint sensors report"
)
BEADS, BEAD = 16, 0.011  # how many show a tool, and the radius of each (m)


class Arm(Robot):
    """An arm fixed at the origin; a subclass loads the body and names what differs.

    `clear` are the links that cannot reach the ground: testing them costs a tenth.
    """

    channels: ClassVar[tuple[Channel, ...]] = (
        Channel(
            "joint_positions",
            7,
            "rad",
            -math.pi * 1.25,
            math.pi * 1.25,
            "joint angles as the encoders report them",
            noise=Parameter("position_noise", "rad", 0.0, 0.0, 0.2, "encoder noise (std)"),
            bias=Parameter("encoder_offset", "rad", 0.0, -0.2, 0.2, "offset of every encoder"),
            delay=ARM_OBSERVATION_DELAY,
        ),
        Channel(
            "joint_velocities",
            7,
            "rad/s",
            -50.0,
            50.0,
            "joint velocities",
            noise=Parameter("velocity_noise", "rad/s", 0.0, 0.0, 1.0, "tachometer noise (std)"),
            delay=ARM_OBSERVATION_DELAY,
        ),
    )
    action_delay: ClassVar[Parameter] = Parameter(
        "action_delay", "s", 0.0, 0.0, 0.2, "time from a command to the motors"
    )
    joints: ClassVar[tuple[int, ...]] = tuple(range(7))
    hand: ClassVar[int]
    """The last link with a mass; it carries the payload."""
    clear: ClassVar[tuple[int, ...]]
    torques: ClassVar[tuple[float, ...]]
    """Greatest torques, N m."""

    def __init__(self, simulation: Simulation) -> None:
        super().__init__(simulation)
        self.ground = simulation.load_ground()
        self.body = self.load()
        simulation.ignore_contact(self.body, self.clear, self.ground)
        self._links = [
            link for link in range(self.hand + 1) if simulation.nominal(self.body, link).mass > 0
        ]
        self._torques = list(self.torques)
        self._speed_gain = 1.0
        self._follow = 1.0
        self._velocity = [0.0] * 7
        self._settled: list[float] | None = None
        self.squared_speed = 0.0

    def load(self) -> int:
        """Load the arm, fixed at the origin, and return its body."""
        raise NotImplementedError

    def start(self, rng: np.random.Generator) -> list[float]:
        """Return the joint angles (rad) that an episode starts from."""
        raise NotImplementedError

    @applies(
        Parameter(
            "motor_strength", "1", 1.0, 0.05, 1.5, "factor on every joint's torque limit", live=True
        )
    )
    def set_strength(self, motor_strength: float) -> None:
        """Scale the greatest torques."""
        self._torques = [motor_strength * torque for torque in self.torques]

    @applies(
        Parameter("velocity_gain", "1", 1.0, 0.4, 1.5, "joint speed reached per speed commanded")
    )
    def set_gain(self, velocity_gain: float) -> None:
        """Scale the commanded velocities."""
        self._speed_gain = velocity_gain

    @applies(Parameter("motor_lag", "s", 0.0, 0.0, 0.8, "time constant of the first-order motors"))
    def set_lag(self, motor_lag: float) -> None:
        """Set how far the motors follow in one physics step (exact for a held command)."""
        lagging = motor_lag > 0
        self._follow = 1 - math.exp(-self.simulation.timestep / motor_lag) if lagging else 1.0

    @applies(
        Parameter(
            "joint_damping",
            "N m s/rad",
            1.0,
            0.0,
            3.0,
            "viscous friction of the strongest joints (others by their torque limits)",
        )
    )
    def set_damping(self, joint_damping: float) -> None:
        """Set the joints' damping, in proportion to their torque limits.

        PyBullet integrates damping explicitly: what the upper arm takes would shake the wrist,
        whose links weigh a tenth, to pieces.
        """
        for joint, torque in zip(self.joints, self.torques, strict=True):
            damping = joint_damping * torque / self.torques[0]
            self.simulation.set_joint_damping(self.body, joint, damping)

    @applies(
        Parameter(
            "link_mass_scale",
            "1",
            1.0,
            0.7,
            2.0,
            "factor on the mass and inertia of the arm's links",
        ),
        Parameter("payload_mass", "kg", 0.0, 0.0, 5.0, "mass carried at the hand", live=True),
    )
    def set_masses(self, link_mass_scale: float, payload_mass: float) -> None:
        """Set the links' masses; the payload adds to the hand's."""
        for link in self._links:
            extra = payload_mass if link == self.hand else 0.0
            mass = link_mass_scale * self.simulation.nominal(self.body, link).mass + extra
            self.simulation.set_mass(self.body, link, mass)

    def reset(self, rng: np.random.Generator) -> None:
        """Stand where an episode starts, at rest, motors holding."""
        self.simulation.place_joints(self.body, self.joints, self.start(rng))
        self.simulation.refresh_contacts()
        self._velocity = [0.0] * 7
        self._settled = None
        self._drive()

    def advance(self, command: list[float], steps: int) -> None:
        """Let the motors follow the commanded joint velocities (rad/s)."""
        while steps and command is not self._settled:
            self._follow_up(command)
            self.simulation.step()
            steps -= 1
        self.simulation.step(steps)

    def _follow_up(self, command: list[float]) -> None:
        """Bring the motors' speeds to where they are one physics step later."""
        gain, follow = self._speed_gain, self._follow
        if follow == 1.0:
            following, settled = [gain * c for c in command], True
        else:
            following = [
                v + follow * (gain * c - v) for v, c in zip(self._velocity, command, strict=True)
            ]
            settled = following == self._velocity
        if settled:
            self._settled = command
        if following != self._velocity:
            self._velocity = following
            self._drive()

    def _drive(self) -> None:
        self.simulation.drive_joints(self.body, self.joints, self._velocity, self._torques)

    def sense(self, raw: Mapping[str, np.ndarray]) -> None:
        """Read the joints."""
        positions, velocities = self.simulation.joint_states(self.body, self.joints)
        raw["joint_positions"][:] = positions
        raw["joint_velocities"][:] = velocities
        self.squared_speed = sum(v * v for v in velocities)


class ToolArm(Arm):
    """An arm that holds a tool by its flange; the tool's tip is geometry, not mass.

    The policy commands the joints' velocities.
    """

    home: ClassVar[tuple[float, ...]]
    """Joint angles (rad) about which episodes start."""

    def __init__(self, simulation: Simulation) -> None:
        super().__init__(simulation)
        self._tool_length = 0.0
        self.tip = (0.0, 0.0, 0.0)
        self._beads: list[int] = []
        if simulation.visual:
            grey = (0.3, 0.3, 0.35, 1.0)
            self._beads = [simulation.marker(grey, radius=BEAD) for _ in range(BEADS)]

    def tip_position(self, joints: Sequence[float], tool: float) -> tuple[float, float, float]:
        """Return the tip's place (m) for a tool of `tool` m, given joint angles (rad)."""
        raise NotImplementedError

    @applies(Parameter("tool_length", "m", 0.105, 0.0, 0.35, "from the flange to the tool's tip"))
    def set_tool(self, tool_length: float) -> None:
        """Set the tool's length, of which the controller does not know."""
        self._tool_length = tool_length

    def start(self, rng: np.random.Generator) -> list[float]:
        """Return joint angles near home, each within 0.1 rad."""
        return [
            home + offset for home, offset in zip(self.home, rng.uniform(-0.1, 0.1, 7), strict=True)
        ]

    def sense(self, raw: Mapping[str, np.ndarray]) -> None:
        """Read the joints, and know where the tip truly is."""
        super().sense(raw)
        self.tip = self.tip_position(raw["joint_positions"].tolist(), self._tool_length)

    def show(self) -> None:
        """Show the tool, as beads from the flange to its tip."""
        joints, _ = self.simulation.joint_states(self.body, self.joints)
        for number, bead in enumerate(self._beads):
            share = number / len(self._beads)
            self.simulation.place(bead, self.tip_position(joints, share * self._tool_length))


def joint_commands(speeds: Sequence[float]) -> tuple[Command, ...]:
    """Return the commands of joints that reach these speeds (rad/s) either way."""
    return tuple(
        Command(f"joint_{i + 1}", "rad/s", -speed, speed, f"velocity of joint {i + 1}")
        for i, speed in enumerate(speeds)
    )
