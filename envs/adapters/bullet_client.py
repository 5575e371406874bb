"""Numbers of bodies in another package's PyBullet client: `bullet.mass[object]`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ...core.errors import nearest
from ..parameters import ParameterError
from .handle import Declared, Handle, make_parameter

_PATH = re.compile(r"bullet\.(\w+)(?:\[([^\]/]+)(?:/([^\]]+))?\])?")
# Where in the answer of getDynamicsInfo a quantity is, its argument of changeDynamics, its unit.
QUANTITIES = {
    "mass": (0, "mass", "kg"),
    "lateral_friction": (1, "lateralFriction", "1"),
    "restitution": (5, "restitution", "1"),
    "rolling_friction": (6, "rollingFriction", "1"),
    "spinning_friction": (7, "spinningFriction", "1"),
}
_PLACES = ("sim.physics_client", "physics_client", "_p", "_pb", "p", "bullet_client", "client")
BASE = -1


def bullet_client(env: Any) -> Any:
    """Return the PyBullet client of a bare environment; None where it has none."""
    for place in _PLACES:
        found = env
        for part in place.split("."):
            found = getattr(found, part, None)
        if hasattr(found, "getDynamicsInfo") and hasattr(found, "changeDynamics"):
            return found
    return None


class BulletClient:
    """The bodies of one environment."""

    def __init__(self, env: Any) -> None:
        """Look at a bare environment with a PyBullet client."""
        self._client = bullet_client(env)
        named = getattr(getattr(env, "sim", None), "_bodies_idx", None)
        count = range(self._client.getNumBodies())
        self._bodies: dict[str, int] = (
            dict(named)
            if named
            else {self._client.getBodyInfo(body)[1].decode(): body for body in count}
        )

    def handle(self, name: str, declared: Declared) -> Handle:
        """Return the handle of a path.

        Raises:
            ParameterError: the path names nothing there; names the nearest that is.
        """
        match = _PATH.fullmatch(declared.path)
        if match is None:
            raise ParameterError(f"'{declared.path}': expected bullet.mass[body] or [body/link]")
        quantity, body_name, link_name = match.groups()
        if quantity not in QUANTITIES:
            raise ParameterError(
                f"'{declared.path}': no '{quantity}'{nearest(quantity, QUANTITIES)}"
            )
        if body_name not in self._bodies:
            hint = nearest(str(body_name), self._bodies)
            raise ParameterError(f"'{declared.path}': no body '{body_name}'{hint}")
        body = self._bodies[body_name]
        link = self._link(declared.path, body, link_name)
        place, argument, unit = QUANTITIES[quantity]
        inertia = list(self._client.getDynamicsInfo(body, link)[2])
        nominal = float(self._client.getDynamicsInfo(body, link)[place])

        def write(value: float) -> None:
            changes: dict[str, Any] = {argument: value}
            if quantity == "mass" and nominal > 0:
                changes["localInertiaDiagonal"] = [value / nominal * part for part in inertia]
            self._client.changeDynamics(body, link, **changes)

        def read() -> float:
            return float(self._client.getDynamicsInfo(body, link)[place])

        return Handle(make_parameter(name, declared, nominal, unit), write, read)

    def suggestions(self) -> Iterator[str]:
        """Yield paths that are worth a try."""
        for name, body in self._bodies.items():
            if self._client.getDynamicsInfo(body, BASE)[0] > 0:
                yield f"bullet.mass[{name}]"
            yield f"bullet.lateral_friction[{name}]"

    def _link(self, path: str, body: int, name: str | None) -> int:
        if name is None:
            return BASE
        links = {
            self._client.getJointInfo(body, joint)[12].decode(): joint
            for joint in range(self._client.getNumJoints(body))
        }
        if name in links:
            return links[name]
        if name.isdecimal() and int(name) < len(links):
            return int(name)
        raise ParameterError(f"'{path}': no link '{name}'{nearest(name, links)}")
