"""The A1's URDF, with fixed links merged and legs of a given length."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np

from ..simulation import read_model

LEGS = ("FR", "FL", "RR", "RL")  # front and rear, right and left: the URDF's order
SEGMENT = 0.2  # m, the length of thighs and of calves


def model(leg_length: float) -> ElementTree.Element:
    """Return the robot's URDF with thighs and calves `leg_length` times as long.

    Segments are rods: their mass grows with the length, their inertia with its cube. The inertial
    unit and the shoulders' covers, 1 g each and rigidly joined, become part of what carries them,
    with mass, centre and inertia as before: this is the same robot, a quarter faster.
    """
    root = read_model("a1/a1.urdf")
    links = {link.get("name"): link for link in root.findall("link")}
    for joint in root.findall("joint"):
        child = links[_name(joint, "child")]
        if joint.get("type") == "fixed" and not child.get("name", "").endswith("toe"):
            _fold(child, links[_name(joint, "parent")], _place(joint))
            root.remove(joint)
            root.remove(child)
    if leg_length != 1.0:
        for leg in LEGS:
            for part in ("upper", "lower"):
                _stretch(links[f"{leg}_{part}"], leg_length)
        for joint in root.findall("joint"):
            if _name(joint, "child").endswith(("lower", "toe")):
                _set(joint, leg_length * _place(joint))
    return root


def _name(joint: ElementTree.Element, end: str) -> str:
    element = joint.find(end)
    assert element is not None
    return element.get("link", "")


def _place(element: ElementTree.Element) -> np.ndarray:
    """Return the origin of a joint or an inertial, shape (3,)."""
    origin = element.find("origin")
    assert origin is not None
    return np.array(origin.get("xyz", "0 0 0").split(), dtype=float)


def _set(element: ElementTree.Element, place: np.ndarray) -> None:
    origin = element.find("origin")
    assert origin is not None
    origin.set("xyz", " ".join(repr(float(x)) for x in place))


def _fold(child: ElementTree.Element, parent: ElementTree.Element, offset: np.ndarray) -> None:
    """Merge a link at `offset` (m) into another, by the parallel axis theorem."""
    masses, centres, inertias = [], [], []
    for link, shift in ((parent, np.zeros(3)), (child, offset)):
        inertial, mass, inertia = _inertial(link)
        masses.append(float(mass.get("value", "")))
        centres.append(_place(inertial) + shift)
        inertias.append({axes: float(value) for axes, value in inertia.items()})
    total = sum(masses)
    centre = sum(m * c for m, c in zip(masses, centres, strict=True)) / total
    inertial, mass, inertia = _inertial(parent)
    for axes in inertias[0]:
        i, j = ("xyz".index(letter) for letter in axes[1:])
        value = 0.0
        for m, c, own in zip(masses, centres, inertias, strict=True):
            arm = c - centre
            value += own[axes] + m * ((arm @ arm if i == j else 0.0) - arm[i] * arm[j])
        inertia.set(axes, repr(float(value)))
    mass.set("value", repr(total))
    _set(inertial, np.asarray(centre))


def _stretch(link: ElementTree.Element, factor: float) -> None:
    """Make a segment, which lies along z, longer."""
    inertial, mass, inertia = _inertial(link)
    mass.set("value", repr(factor * float(mass.get("value", ""))))
    for axes, value in inertia.items():
        inertia.set(axes, repr(factor**3 * float(value)))
    _set(inertial, _place(inertial) * (1.0, 1.0, factor))
    for collision in link.findall("collision"):
        _set(collision, factor * _place(collision))
        box = collision.find("geometry/box")
        assert box is not None
        length, *section = box.get("size", "").split()
        box.set("size", " ".join((repr(factor * float(length)), *section)))
    for mesh in link.findall("visual/geometry/mesh"):
        mesh.set("scale", f"1 1 {factor}")


def _inertial(
    link: ElementTree.Element,
) -> tuple[ElementTree.Element, ElementTree.Element, ElementTree.Element]:
    """Return a link's inertial, and its mass and inertia."""
    inertial = link.find("inertial")
    assert inertial is not None
    mass, inertia = inertial.find("mass"), inertial.find("inertia")
    assert mass is not None
    assert inertia is not None
    return inertial, mass, inertia
