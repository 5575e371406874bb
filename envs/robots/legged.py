"""What the running robots share: torque motors, IMU, joint and foot sensing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar
from xml.etree import ElementTree

import numpy as np

from ..bullet import bullet
from ..parameters import Parameter, applies
from ..sensing import Channel, Command
from ..simulation import Simulation, read_model
from ..world import Robot

STIFFNESS = 0.9  # share of a contact's penetration undone per step, as in the PyBullet Gym worlds
PUSH_EVERY = 120  # control steps, about 2 s
PUSH_STEPS = 12  # control steps, about 0.2 s

LEGGED_OBSERVATION_DELAY = Parameter(
    "observation_delay", "s", 0.0, 0.0, 0.1, "age of what all sensors report"
)


def joint_channels(joints: int, feet: int) -> tuple[Channel, ...]:
    """Return the channels of `joints` encoders and tachometers and of `feet` switches."""
    return (
        Channel(
            "joint_positions",
            joints,
            "rad",
            -math.pi,
            math.pi,
            "joint angles as the encoders report them",
            noise=Parameter("position_noise", "rad", 0.0, 0.0, 0.2, "encoder noise (std)"),
            bias=Parameter("encoder_offset", "rad", 0.0, -0.5, 0.5, "offset of every encoder"),
            delay=LEGGED_OBSERVATION_DELAY,
        ),
        Channel(
            "joint_velocities",
            joints,
            "rad/s",
            -100.0,
            100.0,
            "joint velocities",
            noise=Parameter("velocity_noise", "rad/s", 0.0, 0.0, 5.0, "tachometer noise (std)"),
            delay=LEGGED_OBSERVATION_DELAY,
        ),
        Channel(
            "contacts",
            feet,
            "1",
            0.0,
            1.0,
            "whether each foot touches the ground",
            delay=LEGGED_OBSERVATION_DELAY,
        ),
    )


ATTITUDE_NOISE = Parameter("attitude_noise", "rad", 0.0, 0.0, 0.3, "noise of the attitude (std)")
TILT = Parameter("imu_tilt", "rad", 0.0, -0.5, 0.5, "how askew the attitude sensor is mounted")
SPEED_NOISE = Parameter("speed_noise", "m/s", 0.0, 0.0, 2.0, "noise of the velocity (std)")


class Runner(Robot):
    """A robot of torque-controlled joints that runs along x.

    `torso` is the link that carries the rest, `position` (m) its centre of mass, `pitch` and
    `roll` (rad) its attitude; `driven` is the mean over the joints of |share of torque x speed|
    (rad/s), `effort` the mean square share of torque, `stops` how many joints are at a limit, and
    `stumbled` says whether a link that must not touch the ground does.
    """

    model: ClassVar[str]
    joints: ClassVar[Mapping[str, float]]
    """Joints by name with their greatest torques (N m)."""
    feet: ClassVar[tuple[str, ...]]
    knees: ClassVar[tuple[str, ...]] = ()
    """Links on which the robot must not walk."""
    friction: ClassVar[float]

    def __init__(self, simulation: Simulation, **morphology: float) -> None:
        super().__init__(simulation)
        client = simulation.client
        bullet.setPhysicsEngineParameter(contactERP=STIFFNESS, physicsClientId=client)
        self.ground = simulation.load_ground()
        model = read_model(self.model)
        self.shape(model, **morphology)
        flags = (
            bullet.URDF_USE_SELF_COLLISION
            | bullet.URDF_USE_SELF_COLLISION_EXCLUDE_ALL_PARENTS
            | bullet.MJCF_COLORS_FROM_FILE
        )
        self.body = simulation.load_model(model, flags=flags)
        infos = [
            bullet.getJointInfo(self.body, joint, physicsClientId=client)
            for joint in range(bullet.getNumJoints(self.body, physicsClientId=client))
        ]
        named = {info[1].decode(): info[0] for info in infos}
        self.links = {info[12].decode(): info[0] for info in infos}
        self._driven = [named[name] for name in self.joints]
        self._moving = [info[0] for info in infos if info[2] != bullet.JOINT_FIXED]
        self._massive = [
            link for link in range(-1, len(infos)) if simulation.nominal(self.body, link).mass > 0
        ]
        self.torso: int = self.links.get("torso", -1)
        self._feet = {self.links[name]: foot for foot, name in enumerate(self.feet)}
        self._knees = {self.links[name] for name in self.knees}
        # One side of the nominal range, as PyBullet has it; a joint within 1/200 of it is at rest.
        limits = [infos[joint][8:10] for joint in self._driven]
        self._middle = [(low + high) / 2 for low, high in limits]
        self._reach = [0.99 * (high - low) / 2 for low, high in limits]
        self._strength = 1.0
        self._damped = False
        self._command: list[float] | None = None
        self._forces: list[float] = []
        self._push = self._wind = 0.0
        self._pushes: list[tuple[int, float, float]] = []
        self._clock = 0
        self.position = (0.0, 0.0, 0.0)
        self.roll = self.pitch = 0.0
        self.driven = self.effort = 0.0
        self.stops = 0
        self.stumbled = False

    def shape(self, model: ElementTree.Element, **morphology: float) -> None:
        """Change the MJCF so that the robot has these lengths and shapes."""
        raise NotImplementedError

    @applies(
        Parameter("slope", "rad", 0.0, -0.3, 0.3, "of the ground, uphill positive", live=True),
        Parameter("gravity", "m/s^2", 9.81, 5.0, 15.0, "acceleration of free fall", live=True),
    )
    def set_gravity(self, gravity: float, slope: float = 0.0) -> None:
        """Set gravity; on a slope it pulls backwards, seen from the ground."""
        bullet.setGravity(
            -gravity * math.sin(slope),
            0.0,
            -gravity * math.cos(slope),
            physicsClientId=self.simulation.client,
        )

    @applies(
        Parameter("mass_scale", "1", 1.0, 0.5, 2.0, "factor on every link's mass and inertia"),
        Parameter(
            "payload", "1", 0.0, 0.0, 1.5, "load on the torso, per mass of the torso", live=True
        ),
    )
    def set_masses(self, mass_scale: float, payload: float) -> None:
        """Set the links' masses, inertias in proportion."""
        for link in self._massive:
            factor = mass_scale * (1 + payload) if link == self.torso else mass_scale
            mass = self.simulation.nominal(self.body, link).mass
            self.simulation.set_mass(self.body, link, factor * mass)

    @applies(
        Parameter(
            "motor_strength", "1", 1.0, 0.2, 1.5, "factor on every motor's torque", live=True
        ),
    )
    def set_strength(self, motor_strength: float) -> None:
        """Scale the torques."""
        self._strength = motor_strength

    @applies(
        Parameter("joint_damping", "N m s/rad", 0.0, 0.0, 3.0, "viscous friction of the joints"),
        Parameter("joint_friction", "N m", 0.0, 0.0, 15.0, "dry friction of the joints"),
    )
    def set_joints(self, joint_damping: float, joint_friction: float) -> None:
        """Set the joints' friction; the dry one is a motor that brakes."""
        zeros = [0.0] * len(self._moving)
        brakes = [joint_friction if joint in self._driven else 0.0 for joint in self._moving]
        self.simulation.drive_joints(self.body, self._moving, zeros, brakes)
        for joint in self._driven:
            self.simulation.set_joint_damping(self.body, joint, joint_damping)
        self._damped = joint_damping > 0

    @applies(
        Parameter(
            "push_force", "N", 0.0, 0.0, 500.0, "of a push of 0.2 s about every 2 s", live=True
        ),
        Parameter(
            "head_wind", "N", 0.0, -100.0, 100.0, "force on the torso against running", live=True
        ),
    )
    def set_disturbance(self, push_force: float, head_wind: float) -> None:
        """Set the strength of what disturbs the robot from outside."""
        self._push, self._wind = push_force, head_wind

    def apply_friction(self, ground_friction: float) -> None:
        """Set every link's friction; as the ground's is 1, it is the effective one."""
        for link in self._massive:
            self.simulation.set_friction(self.body, link, ground_friction)

    def reset(self, rng: np.random.Generator) -> None:
        """Stand as the model file says, at rest, each joint off by up to 0.1 rad."""
        self.simulation.refresh_contacts()
        offsets = rng.uniform(-0.1, 0.1, len(self._driven)).tolist()
        self.simulation.place_joints(self.body, self._driven, offsets)
        # Drawn whether or not anything pushes, so that episodes do not depend on parameters.
        begins = rng.integers(PUSH_EVERY - PUSH_STEPS, size=16).tolist()
        angles = rng.uniform(-math.pi, math.pi, 16).tolist()
        self._pushes = [
            (begin, math.cos(angle), math.sin(angle))
            for begin, angle in zip(begins, angles, strict=True)
        ]
        self._clock = -1
        self._command = None
        # A force is put where the torso is, and damping follows speeds: both move with every step.
        self.steady = not (self._push or self._wind or self._damped)

    def act(self, command: list[float]) -> None:
        """Put the commanded torques (N m) on the joints, and the disturbance on the torso."""
        client = self.simulation.client
        if command is not self._command:
            strength = self._strength
            self._command = command
            self._forces = [strength * torque for torque in command]
        bullet.setJointMotorControlArray(
            self.body,
            self._driven,
            bullet.TORQUE_CONTROL,
            forces=self._forces,
            physicsClientId=client,
        )
        if self._push or self._wind:
            along, across = self._disturbance()
            bullet.applyExternalForce(
                self.body,
                self.torso,
                (along, across, 0.0),
                self.position,
                bullet.WORLD_FRAME,
                physicsClientId=client,
            )

    def _disturbance(self) -> tuple[float, float]:
        """Return the force (N) that acts now, along and across the way."""
        number, since = divmod(self._clock + 1, PUSH_EVERY)
        begin, along, across = self._pushes[number % len(self._pushes)]
        push = self._push if begin <= since < begin + PUSH_STEPS else 0.0
        return push * along - self._wind, push * across

    def sense_joints(
        self, raw: Mapping[str, np.ndarray], positions: Sequence[float], speeds: Sequence[float]
    ) -> None:
        """Write joints and contacts, given joint angles (rad) and speeds (rad/s)."""
        raw["joint_positions"][:] = positions
        raw["joint_velocities"][:] = speeds
        driven = effort = 0.0
        stops = 0
        for share, speed, angle, middle, reach in zip(
            self.action, speeds, positions, self._middle, self._reach, strict=True
        ):
            driven += abs(share * speed)
            effort += share * share
            stops += abs(angle - middle) > reach
        count = len(speeds)
        self.driven, self.effort, self.stops = driven / count, effort / count, stops
        contacts = [0.0] * len(self._feet)
        self.stumbled = False
        for contact in bullet.getContactPoints(
            self.body, self.ground, physicsClientId=self.simulation.client
        ):
            link = contact[3]
            if link in self._feet:
                contacts[self._feet[link]] = 1.0
            elif link in self._knees:
                self.stumbled = True
        raw["contacts"][:] = contacts
        self._clock += 1


def torques(joints: Mapping[str, float]) -> tuple[Command, ...]:
    """Return one torque command per joint, given their greatest torques (N m)."""
    return tuple(
        Command(name, "N m", -most, most, f"torque of joint {name}")
        for name, most in joints.items()
    )


class PlanarRunner(Runner):
    """A runner held in the x-z plane by its model."""

    def __init__(self, simulation: Simulation, **morphology: float) -> None:
        super().__init__(simulation, **morphology)
        client = simulation.client
        # The model's first three joints are the plane: along, up and pitch.
        self._read = [*self._moving[:3], *self._driven]
        state = bullet.getLinkState(self.body, self.torso, physicsClientId=client)
        self._origin = state[4][2]
        self._centre = state[0][0] - state[4][0], state[0][2] - state[4][2]

    def sense(self, raw: Mapping[str, np.ndarray]) -> None:
        """Read the joints, of which the first three are the torso's place in the plane."""
        positions, speeds = self.simulation.joint_states(self.body, self._read)
        along, up, pitch = positions[:3]
        c, s = math.cos(pitch), math.sin(pitch)
        dx, dz = self._centre
        ahead, above = c * dx + s * dz, c * dz - s * dx
        self.position = (along + ahead, 0.0, self._origin + up + above)
        self.pitch = pitch
        raw["height"][0] = self.position[2]
        raw["pitch"][0] = pitch
        raw["pitch_rate"][0] = speeds[2]
        raw["velocity"][:] = speeds[0] + above * speeds[2], speeds[1] - ahead * speeds[2]
        self.sense_joints(raw, positions[3:], speeds[3:])


def planar_channels(joints: int, feet: int) -> tuple[Channel, ...]:
    """Return the channels of a planar runner."""
    delay = LEGGED_OBSERVATION_DELAY
    return (
        Channel(
            "height",
            1,
            "m",
            -1.0,
            5.0,
            "of the torso's centre above the ground",
            delay=delay,
            measured=False,
        ),
        Channel(
            "pitch",
            1,
            "rad",
            -math.pi,
            math.pi,
            "of the torso, forwards positive",
            noise=ATTITUDE_NOISE,
            bias=TILT,
            delay=delay,
            angle=True,
        ),
        Channel("pitch_rate", 1, "rad/s", -200.0, 200.0, "of the torso", delay=delay),
        Channel(
            "velocity",
            2,
            "m/s",
            -20.0,
            20.0,
            "of the torso, forwards and upwards",
            noise=SPEED_NOISE,
            delay=delay,
            measured=False,
        ),
        *joint_channels(joints, feet),
    )
