"""The one-legged hopper of `pybullet_data`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar
from xml.etree import ElementTree

from ..parameters import Parameter, applies
from ..sensing import Channel, Command
from .legged import PlanarRunner, planar_channels, torques

KNEE = 0.6  # m, the height of the knee in the model file
ANKLE = 0.1  # m, the height of the ankle in the model file
HOPPER_TORQUES = {"thigh_joint": 75.0, "leg_joint": 75.0, "foot_joint": 75.0}  # N m


class Hopper(PlanarRunner):
    """Torso, thigh, leg and foot, 15.8 kg, held in the x-z plane."""

    model: ClassVar[str] = "mjcf/hopper.xml"
    joints: ClassVar[Mapping[str, float]] = HOPPER_TORQUES
    feet: ClassVar[tuple[str, ...]] = ("foot",)
    morphology: ClassVar[tuple[Parameter, ...]] = (
        Parameter("leg_length", "m", KNEE - ANKLE, 0.35, 0.65, "from knee to ankle"),
    )
    channels: ClassVar[tuple[Channel, ...]] = planar_channels(3, 1)
    commands: ClassVar[tuple[Command, ...]] = torques(HOPPER_TORQUES)
    action_delay: ClassVar[Parameter] = Parameter(
        "action_delay", "s", 0.0, 0.0, 0.1, "time from a command to the motors"
    )

    def shape(self, model: ElementTree.Element, *, leg_length: float) -> None:  # type: ignore[override]
        """Lift all that is above the leg (the model file's coordinates are the world's)."""
        lift = leg_length - (KNEE - ANKLE)
        for element in model.iter():
            for key in ("pos", "fromto"):
                numbers = [float(number) for number in element.get(key, "").split()]
                for z in range(2, len(numbers), 3):
                    if numbers[z] >= KNEE:
                        numbers[z] += lift
                if numbers:
                    element.set(key, " ".join(map(repr, numbers)))

    @applies(
        Parameter(
            "ground_friction",
            "1",
            0.64,
            0.1,
            2.0,
            "friction coefficient, foot on ground",
            live=True,
        )
    )
    def set_friction(self, ground_friction: float) -> None:
        """Set the friction between robot and ground."""
        self.apply_friction(ground_friction)
