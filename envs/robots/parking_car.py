"""The racecar for manoeuvring: slow, forwards and backwards, localized."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from ..parameters import Parameter, applies
from ..sensing import Channel, Command
from ..world import AIR_DRAG
from .racecar import CAR_OBSERVATION_DELAY, REACHED, STEERING, Racecar

PARKING_SPEED = 1.5  # m/s, either way

LOCATING_DELAY = Parameter(
    "locating_delay", "s", 0.0, 0.0, 0.5, "age of the pose that the localization reports"
)


class ParkingCar(Racecar):
    """A racecar that reverses, and that a localization system tells its pose.

    The pose is that of the middle of the rear axle, in the lot's frame.
    """

    channels: ClassVar[tuple[Channel, ...]] = (
        *Racecar.channels,
        Channel(
            "steering",
            1,
            "rad",
            -1.5 * STEERING - 0.4,
            1.5 * STEERING + 0.4,
            "angle of the front wheels, measured at the wheels: gain and misalignment show",
            delay=CAR_OBSERVATION_DELAY,
        ),
        Channel(
            "position",
            2,
            "m",
            -20.0,
            20.0,
            "where the middle of the rear axle is, in the lot",
            noise=Parameter("position_noise", "m", 0.0, 0.0, 0.3, "noise of the position (std)"),
            bias=Parameter("position_bias", "m", 0.0, -0.3, 0.3, "error of both coordinates"),
            delay=LOCATING_DELAY,
        ),
        Channel(
            "heading",
            1,
            "rad",
            -math.pi,
            math.pi,
            "where the car heads, in the lot",
            noise=Parameter("heading_noise", "rad", 0.0, 0.0, 0.3, "noise of the heading (std)"),
            bias=Parameter("heading_bias", "rad", 0.0, -0.3, 0.3, "error of the heading"),
            delay=LOCATING_DELAY,
            angle=True,
        ),
    )
    commands: ClassVar[tuple[Command, ...]] = (
        Racecar.commands[0],
        Command("speed", "m/s", -PARKING_SPEED, PARKING_SPEED, "speed of the wheels' rims"),
    )

    @applies(AIR_DRAG)
    def set_drag(self, air_drag: float) -> None:
        """Set the air's drag, nominally PyBullet's default: 2 N at 1.5 m/s."""
        super().set_drag(air_drag)

    def _pull(self, command: float, speed: float) -> tuple[float, float]:
        """Return the wheels' speed (m/s) and greatest force (N), mirrored in reverse.

        As the car rolls, or, standing (PyBullet's never quite do), as it is commanded to: against
        that the motors brake.
        """
        way = command if abs(speed) < REACHED else speed
        if way < 0.0:
            target, force = super()._pull(-command, -speed)
            return -target, force
        return super()._pull(command, speed)

    def sense(self, raw: Mapping[str, np.ndarray]) -> None:
        """Read where the servo and the car are, besides what every racecar senses."""
        super().sense(raw)
        raw["steering"][0] = self._angle
        raw["position"][:] = self.x, self.y
        raw["heading"][0] = self.yaw
