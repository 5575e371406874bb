"""The half cheetah of `pybullet_data`: a planar torso on a hind and a fore leg."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar
from xml.etree import ElementTree

from ..parameters import Parameter, applies
from ..sensing import Channel, Command
from .legged import PlanarRunner, planar_channels, torques

SHINS = ("bshin", "fshin")
ANKLE_DROP = 0.18  # m, how far the longer-reaching ankle lies below its knee
CHEETAH_TORQUES = {
    "bthigh": 108.0,
    "bshin": 81.0,
    "bfoot": 54.0,
    "fthigh": 126.0,
    "fshin": 54.0,
    "ffoot": 27.0,
}  # N m


class HalfCheetah(PlanarRunner):
    """A torso with a head and two legs of three joints, held in the x-z plane."""

    model: ClassVar[str] = "mjcf/half_cheetah.xml"
    joints: ClassVar[Mapping[str, float]] = CHEETAH_TORQUES
    feet: ClassVar[tuple[str, ...]] = ("bfoot", "ffoot")
    knees: ClassVar[tuple[str, ...]] = ("bthigh", "bshin", "fthigh", "fshin")
    morphology: ClassVar[tuple[Parameter, ...]] = (
        Parameter("shin_scale", "1", 1.0, 0.7, 1.6, "factor on the length of both shins"),
    )
    channels: ClassVar[tuple[Channel, ...]] = planar_channels(6, 2)
    commands: ClassVar[tuple[Command, ...]] = torques(CHEETAH_TORQUES)
    action_delay: ClassVar[Parameter] = Parameter(
        "action_delay", "s", 0.0, 0.0, 0.1, "time from a command to the motors"
    )

    def shape(self, model: ElementTree.Element, *, shin_scale: float) -> None:  # type: ignore[override]
        """Scale the shins and where the feet hang on them; longer legs start higher."""
        if shin_scale == 1.0:
            return
        for body in model.iter("body"):
            if body.get("name") == "torso":
                x, y, z = map(float, body.attrib["pos"].split())
                body.set("pos", f"{x} {y} {z + max(0.0, ANKLE_DROP * (shin_scale - 1.0))!r}")
            if body.get("name") in SHINS:
                for part in [*body.findall("geom"), *body.findall("body")]:
                    place = [shin_scale * float(number) for number in part.attrib["pos"].split()]
                    part.set("pos", " ".join(map(repr, place)))
                for geom in body.findall("geom"):
                    radius, half = map(float, geom.attrib["size"].split())
                    geom.set("size", f"{radius} {shin_scale * half!r}")

    @applies(
        Parameter(
            "ground_friction",
            "1",
            0.64,
            0.03,
            2.0,
            "friction coefficient, foot on ground",
            live=True,
        )
    )
    def set_friction(self, ground_friction: float) -> None:
        """Set the friction between robot and ground."""
        self.apply_friction(ground_friction)
