"""The Unitree A1: a 12 kg quadruped with twelve position-controlled joints."""

from __future__ import annotations

import math
from collections.abc import Mapping
from operator import mul
from typing import ClassVar

import numpy as np

from ..bullet import bullet
from ..parameters import Parameter, applies
from ..sensing import Channel, Command
from ..simulation import Simulation
from ..world import Robot
from .a1_model import LEGS, SEGMENT, model
from .a1_senses import CHANNELS, COMMANDS, STANCE, attitude

TORQUE = 33.5  # N m, of every joint (Unitree's data sheet)
FOOT = 0.02  # m, the radius of the feet
START_DROP = 0.04  # m, from the feet to the ground when an episode starts: out of reach of contacts
HIP_DISTANCE = 0.183  # m, from the trunk's middle to the hips, forwards and backwards
PUSH_EVERY, PUSH_STEPS = 400, 16  # physics steps: a push of 0.1 s in each 2.5 s
PUSHES = 8
STIFF = 0.76  # of a calf's swing, at most, that its motor may undo within a step


class A1(Robot):
    """The robot, let fall onto its feet at the origin; it looks along x.

    Each motor turns a position target into a torque, `kp (target - q) - kd dq/dt`, every physics
    step: PyBullet's own position control solves for a velocity, so that its gains have no units
    and the joints no compliance. `forward`, `sideways` are speeds in the world's x and y (m/s),
    `yaw` is measured from x, `up` is the vertical part of the trunk's z axis, `power` is what the
    joints exert or absorb (W). Of each foot there are its `lifts` (m above ground), its horizontal
    speed `slides` (m/s), and whether it is in `touch` with the ground. Where gains are high for
    legs so light, a physics step is divided (`_parts_of_a_step`); in the nominal world it is not.
    """

    morphology: ClassVar[tuple[Parameter, ...]] = (
        Parameter("leg_length", "1", 1.0, 0.8, 1.2, "factor on the length of thighs and calves"),
    )
    channels: ClassVar[tuple[Channel, ...]] = CHANNELS
    commands: ClassVar[tuple[Command, ...]] = COMMANDS
    action_delay: ClassVar[Parameter] = Parameter(
        "action_delay", "s", 0.0, 0.0, 0.12, "time from a command to the motors"
    )

    def __init__(self, simulation: Simulation, leg_length: float = 1.0) -> None:
        super().__init__(simulation)
        self._ground = simulation.load_ground()
        height = 2 * SEGMENT * leg_length * math.cos(STANCE[1]) + FOOT + START_DROP
        self.body = simulation.load_model(
            model(leg_length), (0.0, 0.0, height), flags=bullet.URDF_USE_INERTIA_FROM_FILE
        )
        client = simulation.client
        bullet.changeDynamics(self._ground, -1, restitution=1.0, physicsClientId=client)
        links = {
            bullet.getJointInfo(self.body, link, physicsClientId=client)[12].decode(): link
            for link in range(bullet.getNumJoints(self.body, physicsClientId=client))
        }
        self.joints = [links[f"{leg}_{part}"] for leg in LEGS for part in ("hip", "upper", "lower")]
        self.feet = [links[f"{leg}_toe"] for leg in LEGS]
        # An episode ends before anything but feet and calves can reach the ground.
        shanks = self.joints[2::3]
        self._felt = {*shanks, *self.feet}
        simulation.ignore_contact(
            self.body,
            [link for link in (-1, *links.values()) if link not in self._felt],
            self._ground,
        )
        self._jointed = set(self.joints)
        self._links = (-1, *links.values())
        for link in self._links:
            simulation.nominal(self.body, link)
        self._own, self._carried = self._calf(leg_length)
        # PyBullet speaks of the trunk's principal axes, of which this is the turn.
        self._axes = bullet.getDynamicsInfo(self.body, -1, physicsClientId=client)[4]
        self._strength = 1.0
        self._kp = self._kd = self._offset = self._force = 0.0
        self._damping, self._inertia = 0.0, 1.0
        self._parts = 1
        self._states: tuple[tuple[float, float, tuple[float, ...], float], ...] | None = None
        self._clock = 0
        self._pushes: list[tuple[int, float, float]] = []
        self.height = self.forward = self.sideways = self.climb = 0.0
        self.yaw = self.up = self.power = 0.0
        self.torques = [0.0] * 12
        self.place = (0.0, 0.0)
        self.rates = (0.0, 0.0, 0.0)
        self.lifts, self.slides, self.touch = [0.0] * 4, [0.0] * 4, [False] * 4

    @applies(
        Parameter(
            "payload_mass",
            "kg",
            0.0,
            0.0,
            10.0,
            "load on the trunk, at its centre of mass",
            live=True,
        ),
        Parameter("load_offset", "m", 0.0, -0.06, 0.06, "trunk's centre of mass moved forward"),
        Parameter("inertia_scale", "1", 1.0, 0.8, 2.0, "factor on every link's own inertia"),
        Parameter("joint_damping", "N m s/rad", 0.0, 0.0, 0.15, "viscous friction of every joint"),
        Parameter(
            "ground_friction",
            "1",
            0.8,
            0.05,
            2.0,
            "friction coefficient, foot on ground",
            live=True,
        ),
        Parameter("restitution", "1", 0.0, 0.0, 0.9, "speed kept by a foot that bounces"),
    )
    def set_links(
        self,
        payload_mass: float,
        load_offset: float,
        inertia_scale: float,
        joint_damping: float,
        ground_friction: float,
        restitution: float,
    ) -> None:
        """Set masses, inertias, joints' damping and the contacts of feet and calves.

        All at once, as PyBullet takes its time for every link that is changed. The ground's
        coefficients are 1.

        PyBullet cannot move a link's centre of mass. But the hips, pivoting about axes through
        their own centres, are as good as parts of the trunk: what moves its centre is carried by
        the front ones instead of the rear ones.
        """
        trunk, client = self.simulation.nominal(self.body, -1).mass, self.simulation.client
        shift = trunk * load_offset / (4 * HIP_DISTANCE)
        loads = dict(zip(self.joints[::3], (shift, shift, -shift, -shift), strict=True))
        loads[-1] = payload_mass
        self._damping, self._inertia = joint_damping, inertia_scale
        damping = {"jointDamping": joint_damping}
        contacts = {"lateralFriction": ground_friction, "restitution": restitution}
        for link in self._links:
            nominal = self.simulation.nominal(self.body, link)
            damped = damping if link in self._jointed else {}
            felt = contacts if link in self._felt else {}
            bullet.changeDynamics(
                self.body,
                link,
                mass=nominal.mass + loads.get(link, 0.0),
                localInertiaDiagonal=[inertia_scale * part for part in nominal.inertia],
                **damped,
                **felt,
                physicsClientId=client,
            )

    @applies(
        Parameter("motor_strength", "1", 1.0, 0.2, 1.2, "torque given per torque asked"),
        Parameter("kp", "N m/rad", 55.0, 15.0, 90.0, "proportional gain of every joint"),
        Parameter("kd", "N m s/rad", 0.6, 0.2, 0.75, "derivative gain of every joint"),
        Parameter("joint_offset", "rad", 0.0, -0.2, 0.2, "offset of every joint's encoder"),
    )
    def set_motors(self, motor_strength: float, kp: float, kd: float, joint_offset: float) -> None:
        """Set the motors' strength (it scales the limit too) and what closes their loop."""
        self._strength, self._kp, self._kd = motor_strength, kp, kd
        self._offset = joint_offset

    @applies(
        Parameter("joint_friction", "N m", 0.0, 0.0, 2.0, "dry (Coulomb) friction of every joint")
    )
    def set_joint_friction(self, joint_friction: float) -> None:
        """Set dry friction: a motor that holds still with little torque."""
        self.simulation.drive_joints(self.body, self.joints, [0.0] * 12, [joint_friction] * 12)

    @applies(
        Parameter("push_force", "N", 0.0, 0.0, 300.0, "sideways or lengthwise push, 0.1 s in 2.5 s")
    )
    def set_pushes(self, push_force: float) -> None:
        """Set how hard the trunk is pushed; when and whereto is drawn at reset."""
        self._force = push_force

    def reset(self, rng: np.random.Generator) -> None:
        """Start above the ground, about in the stance; draw when and whereto pushes come."""
        start = [
            angle + offset
            for angle, offset in zip(STANCE, rng.uniform(-0.1, 0.1, 12).tolist(), strict=True)
        ]
        whens = rng.integers(0, PUSH_EVERY - PUSH_STEPS, PUSHES).tolist()
        angles = rng.uniform(-math.pi, math.pi, PUSHES).tolist()
        self._pushes = [
            (when, math.cos(angle), math.sin(angle))
            for when, angle in zip(whens, angles, strict=True)
        ]
        self._clock = 0
        self._parts = self._parts_of_a_step()
        self.simulation.divide(self._parts)
        self.torques = [0.0] * 12
        self.simulation.place_joints(self.body, self.joints, start)
        self.simulation.refresh_contacts()

    def _calf(self, leg_length: float) -> tuple[float, float]:
        """Return the inertia of a calf and foot about the knee (kg m^2)."""
        calf, toe = self.joints[2], self.feet[0]
        centre = bullet.getDynamicsInfo(self.body, calf, physicsClientId=self.simulation.client)[3]
        own, foot = (
            self.simulation.nominal(self.body, calf),
            self.simulation.nominal(self.body, toe),
        )
        carried = own.mass * centre[2] ** 2 + foot.mass * (SEGMENT * leg_length) ** 2
        return own.inertia[0], carried

    def _parts_of_a_step(self) -> int:
        """Return into how many parts a physics step is to be divided, motors' law and all.

        The law acts on what was a step before, so that gains which undo most of a calf's swing
        within a step shake it: legs that hang in the air where (kd + kp h / 2) h / I is 1, those
        that walk from 0.8 on.
        """
        inertia = self._inertia * self._own + self._carried
        step, parts = self.simulation.timestep, 1
        while (
            self._strength * (self._kd + self._kp * step / 2) + self._damping
        ) * step > STIFF * inertia:
            parts += 1
            step = self.simulation.timestep / parts
        return parts

    def advance(self, command: list[float], steps: int) -> None:
        """Turn joint targets (rad) into torques before every step, and push at times."""
        client, body, joints = self.simulation.client, self.body, self.joints
        kp, kd, strength, limit = self._kp, self._kd, self._strength, TORQUE
        least, mode, pushed = -limit, bullet.TORQUE_CONTROL, self._force > 0
        read, drive, step = (
            bullet.getJointStates, bullet.setJointMotorControlArray, bullet.stepSimulation,
        )  # fmt: skip
        aims = [target - self._offset for target in command] if self._offset else command
        # Nothing has moved since `sense` read the joints.
        states, self._states = self._states, None
        for _ in range(steps * self._parts):
            if states is None:
                states = read(body, joints, physicsClientId=client)
            torques = [
                limit if (torque := kp * (aim - q) - kd * speed) > limit
                else least if torque < least
                else torque
                for aim, (q, speed, _, _) in zip(aims, states, strict=True)
            ]  # fmt: skip
            states = None
            if strength != 1.0:
                torques = [strength * torque for torque in torques]
            drive(body, joints, mode, forces=torques, physicsClientId=client)
            if pushed:
                self._push()
            step(physicsClientId=client)
        self.torques = torques

    def _push(self) -> None:
        number, phase = divmod(self._clock // self._parts, PUSH_EVERY)
        self._clock += 1
        when, x, y = self._pushes[number % PUSHES]
        if when <= phase < when + PUSH_STEPS:
            client = self.simulation.client
            where, _ = bullet.getBasePositionAndOrientation(self.body, physicsClientId=client)
            force = (self._force * x, self._force * y, 0.0)
            bullet.applyExternalForce(
                self.body, -1, force, where, bullet.WORLD_FRAME, physicsClientId=client
            )

    def sense(self, raw: Mapping[str, np.ndarray]) -> None:
        """Read the trunk, the joints and the feet."""
        client, body = self.simulation.client, self.body
        place, turn = bullet.getBasePositionAndOrientation(body, physicsClientId=client)
        velocity, spin = bullet.getBaseVelocity(body, physicsClientId=client)
        self.place, self.height = place[:2], place[2]
        self.forward, self.sideways, self.climb = velocity
        roll, pitch, self.yaw, self.up, self.rates = attitude(turn, self._axes, spin)
        self._states = states = bullet.getJointStates(body, self.joints, physicsClientId=client)
        angles, speeds, _, _ = zip(*states, strict=True)
        self.power = sum(map(abs, map(mul, self.torques, speeds)))
        feet = bullet.getLinkStates(body, self.feet, computeLinkVelocity=1, physicsClientId=client)
        points = bullet.getContactPoints(body, self._ground, physicsClientId=client)
        loaded = {point[3] for point in points if point[9] > 0.0}
        self.lifts, self.slides, self.touch = lifts, slides, touch = [], [], []
        for foot, (where, _, _, _, _, _, (vx, vy, _), _) in zip(self.feet, feet, strict=True):
            lifts.append(where[2] - FOOT)
            slides.append(math.hypot(vx, vy))
            touch.append(foot in loaded)
        offset = self._offset
        raw["attitude"][:] = roll, pitch, self.yaw
        raw["turn_rates"][:] = self.rates
        raw["joint_positions"][:] = [angle + offset for angle in angles] if offset else angles
        raw["joint_velocities"][:] = speeds
        raw["contacts"][:] = self.touch
        raw["last_action"][:] = self.action
