"""The racecar's URDF: changed in length, and measured."""

from __future__ import annotations

from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np

from ..bullet import bullet
from ..simulation import read_model

WHEELBASE = 0.325  # m, the URDF's
STOP = 1.5  # rad, more than any parameters steer a wheel


def stretched(wheelbase: float) -> ElementTree.Element:
    """Return the URDF with another wheelbase (m); at `WHEELBASE` nothing changes.

    The front wheels, the LiDAR and the camera move forward as one. The chassis stretches with its
    load: its centre of mass keeps its share of the wheelbase, and the mass's spread along the car,
    which its inertia about both axes across the car holds, grows as the square of its length.
    The steering's stops, at 1 rad in the file, give way to the inner wheel of the tightest turn.
    """
    model = read_model("racecar/racecar.urdf")
    ratio = wheelbase / WHEELBASE
    moved = ("left_steering_hinge_joint", "right_steering_hinge_joint", "hokuyo_joint")
    for name in (*moved, "zed_camera_joint"):
        origin = _find(model, f"joint[@name='{name}']/origin")
        x, y, z = origin.get("xyz", "").split()
        origin.set("xyz", f"{float(x) + (wheelbase - WHEELBASE)!r} {y} {z}")
    for name in moved[:2]:
        limit = _find(model, f"joint[@name='{name}']/limit")
        limit.set("lower", repr(-STOP))
        limit.set("upper", repr(STOP))
    inertial = "link[@name='chassis_inertia']/inertial/"
    origin, inertia = (_find(model, inertial + part) for part in ("origin", "inertia"))
    x, y, z = origin.get("xyz", "").split()
    origin.set("xyz", f"{ratio * float(x)!r} {y} {z}")
    ixx, iyy, izz = (float(inertia.get(axis, "")) for axis in ("ixx", "iyy", "izz"))
    growth = 0.5 * (iyy + izz - ixx) * (ratio * ratio - 1.0)
    inertia.set("iyy", repr(iyy + growth))
    inertia.set("izz", repr(izz + growth))
    _find(model, "link[@name='chassis']/visual/geometry/mesh").set("scale", f"{ratio!r} 1 1")
    return model


def _find(model: ElementTree.Element, path: str) -> ElementTree.Element:
    found = model.find(path)
    assert found is not None, path
    return found


class ChassisPlan(NamedTuple):
    """The car's dimensions in the URDF: metres, in the frame of its rear axle."""

    links: dict[str, int]
    wheels: list[int]
    hinges: list[int]
    wheelbase: float
    half_track: float
    radius: float
    to_nose: float
    to_tail: float
    lidar: tuple[float, float]
    outline: tuple[float, float, float, float]


def inspect(body: int, client: int) -> ChassisPlan:
    """Read the car's plan from the loaded body, which stands at the origin."""
    links = {
        bullet.getJointInfo(body, link, physicsClientId=client)[12].decode(): link
        for link in range(bullet.getNumJoints(body, physicsClientId=client))
    }
    centre = {
        name: bullet.getLinkState(body, link, physicsClientId=client)[0]
        for name, link in links.items()
    }
    wheels = [f"{side}_{end}_wheel" for end in ("rear", "front") for side in ("left", "right")]
    shape = bullet.getCollisionShapeData(body, links[wheels[0]], physicsClientId=client)[0]
    felt = [*wheels, "laser", "zed_camera_link"]
    boxes = np.array([bullet.getAABB(body, links[name], physicsClientId=client) for name in felt])
    (tail, right), (nose, left) = boxes[:, 0, :2].min(axis=0), boxes[:, 1, :2].max(axis=0)
    return ChassisPlan(
        links=links,
        wheels=[links[name] for name in wheels],
        hinges=[links[f"{side}_steering_hinge"] for side in ("left", "right")],
        wheelbase=centre[wheels[2]][0] - centre[wheels[0]][0],
        half_track=centre[wheels[0]][1],
        radius=shape[3][1],
        to_nose=centre["zed_camera_link"][0] - centre["chassis_inertia"][0],
        to_tail=centre["chassis"][0] - centre["chassis_inertia"][0],
        lidar=centre["laser"][:2],
        outline=(float(tail), float(nose), float(right), float(left)),
    )
