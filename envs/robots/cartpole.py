"""The cart with a pole of `pybullet_data`, pushed along its rail by a motor."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar
from xml.etree import ElementTree

import numpy as np

from ..bullet import bullet
from ..parameters import Parameter, applies
from ..sensing import Channel, Command
from ..simulation import Simulation, read_model
from ..world import Robot

CART, POLE = 0, 1  # joints, and the links that they move
CART_FORCE = 15.0  # N
RAIL = 2.4  # m, either way

CARTPOLE_OBSERVATION_DELAY = Parameter(
    "observation_delay", "s", 0.0, 0.0, 0.2, "age of what all sensors report"
)


class CartPole(Robot):
    """A cart on a rail and a pole that hangs from it; the pole turns freely about y.

    `x` (m) and `angle` (rad, 0 upright) are where cart and pole truly are.
    """

    morphology: ClassVar[tuple[Parameter, ...]] = (
        Parameter("pole_length", "m", 1.0, 0.3, 1.5, "of the uniform pole"),
    )
    channels: ClassVar[tuple[Channel, ...]] = (
        Channel(
            "cart_position",
            1,
            "m",
            -2 * RAIL,
            2 * RAIL,
            "of the cart, from the rail's middle",
            noise=Parameter("position_noise", "m", 0.0, 0.0, 0.5, "noise of the position (std)"),
            bias=Parameter("position_offset", "m", 0.0, -1.0, 1.0, "offset of the position"),
            delay=CARTPOLE_OBSERVATION_DELAY,
        ),
        Channel(
            "cart_velocity", 1, "m/s", -50.0, 50.0, "of the cart", delay=CARTPOLE_OBSERVATION_DELAY
        ),
        Channel(
            "pole_direction",
            2,
            "1",
            -1.0,
            1.0,
            "sine and cosine of the pole's angle, upright 0",
            noise=Parameter("angle_noise", "1", 0.0, 0.0, 1.0, "noise of sine and cosine (std)"),
            delay=CARTPOLE_OBSERVATION_DELAY,
        ),
        Channel(
            "pole_velocity",
            1,
            "rad/s",
            -50.0,
            50.0,
            "turning speed of the pole",
            noise=Parameter("gyro_noise", "rad/s", 0.0, 0.0, 10.0, "noise of that speed (std)"),
            delay=CARTPOLE_OBSERVATION_DELAY,
        ),
    )
    commands: ClassVar[tuple[Command, ...]] = (
        Command("force", "N", -CART_FORCE, CART_FORCE, "of the motor on the cart, along the rail"),
    )
    action_delay: ClassVar[Parameter] = Parameter(
        "action_delay", "s", 0.0, 0.0, 0.2, "time from a command to the motor"
    )

    def __init__(self, simulation: Simulation, *, pole_length: float) -> None:
        super().__init__(simulation)
        self.body = simulation.load_model(_model(pole_length), fixed=True)
        self._strength = self._follow = 1.0
        self._force = self._angle_offset = 0.0
        self.x = 0.0
        self.angle = math.pi

    @applies(
        Parameter("cart_mass", "kg", 1.0, 0.3, 4.0, "of the cart"),
        Parameter("pole_mass", "kg", 0.1, 0.02, 4.0, "of the pole, evenly along it"),
    )
    def set_masses(self, cart_mass: float, pole_mass: float) -> None:
        """Set both masses, the pole's inertia in proportion."""
        self.simulation.set_mass(self.body, CART, cart_mass)
        self.simulation.set_mass(self.body, POLE, pole_mass)

    @applies(
        Parameter("rail_friction", "N", 0.0, 0.0, 8.0, "dry friction of the cart on its rail"),
        Parameter("rail_damping", "N s/m", 0.1, 0.0, 8.0, "viscous friction of the cart"),
        Parameter("hinge_damping", "N m s/rad", 0.001, 0.0, 0.05, "viscous friction of the hinge"),
    )
    def set_friction(self, rail_friction: float, rail_damping: float, hinge_damping: float) -> None:
        """Set what slows cart and pole; dry friction is a motor that brakes."""
        self.simulation.drive_joints(self.body, [CART, POLE], [0.0, 0.0], [rail_friction, 0.0])
        self.simulation.set_joint_damping(self.body, CART, rail_damping)
        self.simulation.set_joint_damping(self.body, POLE, hinge_damping)

    @applies(
        Parameter("motor_strength", "1", 1.0, 0.2, 2.0, "factor on the motor's force", live=True),
        Parameter("motor_lag", "s", 0.0, 0.0, 0.3, "time constant of the first-order motor"),
    )
    def set_motor(self, motor_strength: float, motor_lag: float) -> None:
        """Set how strongly, and how late, the motor follows (exact for a held command)."""
        self._strength = motor_strength
        lagging = motor_lag > 0
        self._follow = 1 - math.exp(-self.simulation.timestep / motor_lag) if lagging else 1.0

    @applies(
        Parameter("gravity", "m/s^2", 9.81, 5.0, 15.0, "acceleration of free fall", live=True),
        Parameter(
            "slope", "rad", 0.0, -0.2, 0.2, "of the rail, uphill to the right positive", live=True
        ),
    )
    def set_gravity(self, gravity: float, slope: float = 0.0) -> None:
        """Set gravity; seen from the rail, a slope turns it."""
        bullet.setGravity(
            -gravity * math.sin(slope),
            0.0,
            -gravity * math.cos(slope),
            physicsClientId=self.simulation.client,
        )

    @applies(Parameter("angle_offset", "rad", 0.0, -1.2, 1.2, "of the pole's encoder"))
    def set_encoder(self, angle_offset: float) -> None:
        """Set how much the reported angle is off."""
        self._angle_offset = angle_offset

    def reset(self, rng: np.random.Generator) -> None:
        """Stand near the middle at rest, the pole hanging, about straight down."""
        x, swing = rng.uniform((-0.5, -0.2), (0.5, 0.2)).tolist()
        self.simulation.place_joints(self.body, [CART, POLE], [x, math.pi + swing])
        self._force = 0.0

    def act(self, command: list[float]) -> None:
        """Push the cart with the commanded force (N)."""
        force = self._strength * command[0]
        if self._follow == 1.0:
            self._force = force
        else:
            self._force += self._follow * (force - self._force)
        bullet.setJointMotorControl2(
            self.body,
            CART,
            bullet.TORQUE_CONTROL,
            force=self._force,
            physicsClientId=self.simulation.client,
        )

    def sense(self, raw: Mapping[str, np.ndarray]) -> None:
        """Read both joints."""
        (self.x, self.angle), (speed, turning) = self.simulation.joint_states(
            self.body, [CART, POLE]
        )
        seen = self.angle + self._angle_offset
        raw["cart_position"][0] = self.x
        raw["cart_velocity"][0] = speed
        raw["pole_direction"][:] = math.sin(seen), math.cos(seen)
        raw["pole_velocity"][0] = turning


def _model(pole_length: float) -> ElementTree.Element:
    """Return the URDF with a pole of this length (m) standing on the cart."""
    model = read_model("cartpole.urdf")
    for link in model.iter("link"):
        if link.get("name") != "pole":
            continue
        for box in link.iter("box"):
            box.set("size", f"0.05 0.05 {pole_length!r}")
        for origin in link.iter("origin"):
            origin.set("xyz", f"0 0 {0.5 * pole_length!r}")
    return model
