"""The MIT racecar: a 1:10 car with four driven wheels and a LiDAR."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

import numpy as np

from ..bullet import bullet
from ..geometry.rays import Rays, Surroundings
from ..parameters import Parameter, applies
from ..sensing import Channel, Command
from ..simulation import Simulation
from ..world import AIR_DRAG, Robot
from .racecar_plan import WHEELBASE, ChassisPlan, inspect, stretched

STEERING = 0.4189  # rad, F1TENTH's limit either way
TOP_SPEED = 8.0  # m/s, the fastest that can be commanded
FREE_SPEED = 12.0  # m/s, where the motors have no torque left to give
MOTOR_FORCE = 40.0  # N, that the motors put on the road at standstill, and when they brake
REACHED = 0.01  # m/s, how near a speed is taken for the one commanded
SERVO = 10.0  # N m, the URDF's limit
BEAMS = 24
LIDAR_FAN = math.radians(270.0)  # the Hokuyo's field of view
RANGE = 10.0  # m, the Hokuyo's greatest range

CAR_OBSERVATION_DELAY = Parameter(
    "observation_delay", "s", 0.0, 0.0, 0.3, "age of what all sensors report"
)


class Racecar(Robot):
    """The car; it sees and touches its `surroundings`, which the task sets.

    `x`, `y`, `yaw` are the pose of the middle of the rear axle; `touching` says whether a wall or
    a disc crosses the car's outline; `time` is in seconds since reset. The motors' torque falls
    linearly with speed (direct current motors), and each wheel turns as fast as it must in the
    curve steered (ideal differentials).
    """

    channels: ClassVar[tuple[Channel, ...]] = (
        Channel(
            "lidar",
            BEAMS,
            "m",
            0.0,
            RANGE,
            "distance to what is around, from 135 degrees right to 135 degrees left",
            noise=Parameter("lidar_noise", "m", 0.0, 0.0, 0.5, "noise of a beam (std)"),
            dropout=Parameter(
                "lidar_dropout", "1", 0.0, 0.0, 0.9, "chance that a beam sees nothing"
            ),
            dropped=RANGE,
            delay=CAR_OBSERVATION_DELAY,
        ),
        Channel("speed", 1, "m/s", -12.0, 12.0, "forward speed", delay=CAR_OBSERVATION_DELAY),
        Channel("yaw_rate", 1, "rad/s", -20.0, 20.0, "turning speed", delay=CAR_OBSERVATION_DELAY),
        Channel("last_action", 2, "1", -1.0, 1.0, "steering and speed as last commanded"),
    )
    commands: ClassVar[tuple[Command, ...]] = (
        Command("steering", "rad", -STEERING, STEERING, "angle of the front wheels, left positive"),
        Command(
            "speed",
            "m/s",
            0.0,
            TOP_SPEED,
            "speed of the wheels' rims",
            rest=0.0,
        ),
    )
    morphology: ClassVar[tuple[Parameter, ...]] = (
        Parameter("wheelbase", "m", WHEELBASE, 0.25, 0.75, "from the rear axle to the front"),
    )
    action_delay: ClassVar[Parameter] = Parameter(
        "action_delay", "s", 0.0, 0.0, 0.3, "time from a command to servo and motors"
    )

    def __init__(self, simulation: Simulation, wheelbase: float = WHEELBASE) -> None:
        super().__init__(simulation)
        ground = simulation.load_ground()
        self.body = simulation.load_model(
            stretched(wheelbase),
            flags=bullet.URDF_USE_INERTIA_FROM_FILE | bullet.URDF_USE_IMPLICIT_CYLINDER,
        )
        self._plan = inspect(self.body, simulation.client)
        wheels, links = self._plan.wheels, self._plan.links
        simulation.ignore_contact(self.body, [-1, *(set(links.values()) - set(wheels))], ground)
        self._rays = _rays(self._plan)
        self._edges = self._rays.reach[BEAMS:]
        # The outer front wheel turns 1.25 times as fast as the middle in the tightest curve, and
        # 2.5 times with the parameters' extremes: 20 m/s of its rim at 8 m/s.
        simulation.set_fastest(self.body, 2.0 * FREE_SPEED / self._plan.radius)
        masses = {link: simulation.nominal(self.body, link).mass for link in (-1, *links.values())}
        self._bare_mass = sum(masses.values()) - masses[links["chassis_inertia"]]
        self._mass = self._gravity = self._resistance = 0.0
        self._strength = self._gain = self._rate = 1.0
        self._offset = self._angle = self._target = 0.0
        self._command: list[float] = []
        self._renew = True
        self.surroundings: Surroundings | None = None
        self.time = self.x = self.y = self.yaw = self.speed = 0.0
        self.touching = False

    @applies(
        Parameter(
            "tyre_friction", "1", 0.8, 0.05, 2.0, "friction coefficient, tyre on road", live=True
        )
    )
    def set_friction(self, tyre_friction: float) -> None:
        """Set the tyres' friction; the road's is 1, so this is the effective coefficient."""
        for wheel in self._plan.wheels:
            self.simulation.set_friction(self.body, wheel, tyre_friction)

    @applies(
        Parameter("chassis_mass", "kg", 4.0, 1.0, 12.0, "chassis with its load, without wheels"),
        Parameter("load_offset", "m", 0.0, -0.1, 0.1, "chassis' centre of mass moved forward"),
    )
    def set_masses(self, chassis_mass: float, load_offset: float) -> None:
        """Set the chassis' mass and its centre, by a load at the nose or the tail.

        PyBullet cannot move a link's centre of mass. But the camera's mount and the rear axle are
        links of their own, rigidly joined: they take, as point masses, what the chassis gives up.
        The mount stands higher, so that forward it also rises (13 mm at 0.1 m and 8 kg).
        """
        plan = self._plan
        share = max(load_offset / plan.to_nose, load_offset / plan.to_tail)
        loads = {"zed_camera_link": 0.0, "chassis": 0.0}
        loads["zed_camera_link" if load_offset > 0 else "chassis"] = share * chassis_mass
        self.simulation.set_mass(
            self.body, plan.links["chassis_inertia"], (1 - share) * chassis_mass
        )
        for name, load in loads.items():
            nominal = self.simulation.nominal(self.body, plan.links[name])
            bullet.changeDynamics(
                self.body,
                plan.links[name],
                mass=nominal.mass + load,
                localInertiaDiagonal=nominal.inertia,
                physicsClientId=self.simulation.client,
            )
        self._mass = self._bare_mass + chassis_mass

    @applies(
        Parameter("motor_strength", "1", 1.0, 0.2, 2.0, "factor on the motors' torque"),
        Parameter("rolling_resistance", "1", 0.02, 0.0, 0.3, "resistance to rolling per weight"),
    )
    def set_motors(self, motor_strength: float, rolling_resistance: float) -> None:
        """Set the greatest torque, and what of it the tyres' rolling resistance takes."""
        self._strength, self._resistance = motor_strength, rolling_resistance

    @applies(
        Parameter("steering_gain", "1", 1.0, 0.3, 1.5, "angle steered per angle commanded"),
        Parameter("steering_offset", "rad", 0.0, -0.4, 0.4, "misalignment, left positive"),
        Parameter("steering_rate", "rad/s", 3.2, 0.1, 10.0, "how fast the servo turns"),
    )
    def set_steering(
        self, steering_gain: float, steering_offset: float, steering_rate: float
    ) -> None:
        """Set how the servo follows its command."""
        self._gain, self._offset, self._rate = steering_gain, steering_offset, steering_rate

    @applies(replace(AIR_DRAG, nominal=0.0))
    def set_drag(self, air_drag: float) -> None:
        """Set the drag: PyBullet's own would be 13 N at 4 m/s, where air is some 0.3 N."""
        super().set_drag(air_drag)

    def set_gravity(self, gravity: float) -> None:
        """Set gravity; rolling resistance grows with weight."""
        super().set_gravity(gravity)
        self._gravity = gravity

    def reset(self, rng: np.random.Generator) -> None:
        """Stand with the wheels straight; the task places the car.

        A restored snapshot keeps the contact points of the episode before; seeing the car high in
        the air makes PyBullet forget them, so that an episode follows from its seed alone.
        """
        self.simulation.place(self.body, (0.0, 0.0, 100.0))
        self.simulation.refresh_contacts()
        self._angle = self.speed = self.time = 0.0
        self._renew = True

    def place(self, x: float, y: float, yaw: float) -> None:
        """Put the middle of the rear axle at `(x, y)` (m), at rest, heading `yaw` (rad)."""
        turn = (0.0, 0.0, math.sin(0.5 * yaw), math.cos(0.5 * yaw))
        self.simulation.place(self.body, (x, y, 0.0), turn)

    def act(self, command: list[float]) -> None:
        """Let servo and motors follow the commanded angle (rad) and speed (m/s)."""
        if self._renew or command != self._command:
            target = self._gain * command[0] + self._offset
            self._drive(command[1])
            self._steer(target)
            self._command, self._target, self._renew = command, target, False
        way, most = self._target - self._angle, self._rate * self.simulation.timestep
        self._angle += most if way > most else -most if way < -most else way
        self.time += self.simulation.timestep

    def _drive(self, command: float) -> None:
        """Set the four wheel motors' speeds and greatest torques."""
        speed, force = self._pull(command, self.speed)
        torque = 0.25 * force * self._plan.radius
        spin = speed / self._plan.radius
        # The rear wheels' ways around the curve, then the front wheels', per way of the middle.
        slope = math.tan(self._angle)
        lean = slope * self._plan.half_track / self._plan.wheelbase
        left, right = 1.0 - lean, 1.0 + lean
        turns = [left, right, math.hypot(left, slope), math.hypot(right, slope)]
        self.simulation.drive_joints(
            self.body, self._plan.wheels, [spin * turn for turn in turns], [torque] * 4
        )

    def _pull(self, command: float, speed: float) -> tuple[float, float]:
        """Return the wheels' target speed (m/s) and their greatest force (N).

        Rolling resistance (a share of the weight) is taken from the force while driving and adds
        to it while braking, which is what the wheels feel of it, without a solver row. A speed that
        is commanded and reached, but that the motors cannot hold against it, is lost again.
        """
        brake = self._strength * MOTOR_FORCE
        resistance = self._resistance * self._mass * self._gravity
        force = brake * max(0.0, 1.0 - speed / FREE_SPEED) - resistance
        if command < speed and (force >= 0.0 or speed - command > REACHED):
            return command, brake + resistance
        return (command, force) if force >= 0.0 else (0.0, -force)

    def _steer(self, angle: float) -> None:
        """Send the front wheels to the Ackermann angles of a steering angle (rad)."""
        slope = math.tan(angle)
        lean = slope * self._plan.half_track / self._plan.wheelbase
        for hinge, part in zip(self._plan.hinges, (1.0 - lean, 1.0 + lean), strict=True):
            bullet.setJointMotorControl2(
                self.body,
                hinge,
                bullet.POSITION_CONTROL,
                targetPosition=math.atan2(slope, part),
                positionGain=0.5,
                force=SERVO,
                maxVelocity=self._rate,
                physicsClientId=self.simulation.client,
            )

    def sense(self, raw: Mapping[str, np.ndarray]) -> None:
        """Read pose and speeds, look around, and feel for what is there."""
        client = self.simulation.client
        (self.x, self.y, _), turn = bullet.getBasePositionAndOrientation(
            self.body, physicsClientId=client
        )
        (vx, vy, _), (_, _, yaw_rate) = bullet.getBaseVelocity(self.body, physicsClientId=client)
        qx, qy, qz, qw = turn
        self.yaw = math.atan2(2 * (qw * qz + qx * qy), 1 - 2 * (qy * qy + qz * qz))
        self.speed = vx * math.cos(self.yaw) + vy * math.sin(self.yaw)
        raw["speed"][0] = self.speed
        raw["yaw_rate"][0] = yaw_rate
        raw["last_action"][:] = self.action
        if self.surroundings is not None:
            self.surroundings.move(self.time)
            ranges = self.surroundings.cast(self._rays, self.x, self.y, self.yaw)
            raw["lidar"][:] = ranges[:BEAMS]
            self.touching = bool((ranges[BEAMS:] < self._edges).any())
        self._renew = True


def _rays(plan: ChassisPlan) -> Rays:
    """Return the LiDAR's beams, right to left, and the four edges of the outline."""
    tail, nose, right, left = plan.outline
    corners = [(tail, right), (nose, right), (nose, left), (tail, left)]
    edges = [nose - tail, left - right] * 2
    return Rays(
        np.array([plan.lidar] * BEAMS + corners),
        np.concatenate(
            (np.linspace(-LIDAR_FAN / 2, LIDAR_FAN / 2, BEAMS), np.arange(4) * (math.pi / 2))
        ),
        np.array([RANGE] * BEAMS + edges),
    )
