"""A facade of one PyBullet client: load, step, batched reads, snapshots."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from ..core.errors import HeadstartError
from .bullet import bullet, muted, pybullet_data

Vector = Sequence[float]


class SimulationError(HeadstartError):
    """PyBullet refused a request, or cannot read a model."""


@dataclass(frozen=True)
class LinkDynamics:
    """A link's mass (kg), principal inertia (kg m^2) and lateral friction coefficient."""

    mass: float
    inertia: tuple[float, float, float]
    friction: float


class Simulation:
    """One PyBullet client; every call names it, so that simulations stay separate.

    Link -1 is a body's base, as in PyBullet.
    """

    def __init__(
        self, timestep: float, solver_iterations: int, *, visual: bool = False, gui: bool = False
    ) -> None:
        """Start a client with a physics step of `timestep` seconds; it takes some 28 MB.

        `visual` loads visual shapes (needed to render, slow to load); `gui` opens a window.

        Raises:
            SimulationError: PyBullet has no client left (1,024 a process) or no display.
        """
        self.timestep = timestep
        self.visual = visual or gui
        # Without a display PyBullet would end the whole process.
        if gui and sys.platform == "linux" and not os.environ.get("DISPLAY"):
            raise SimulationError("cannot open a PyBullet window: no display (DISPLAY is not set)")
        try:
            self.client = bullet.connect(bullet.GUI if gui else bullet.DIRECT)
        except bullet.error as error:
            raise SimulationError(f"cannot open a PyBullet window: {error}") from None
        if self.client < 0:
            raise SimulationError(
                "PyBullet opened no window: is there a display?"
                if gui
                else "PyBullet has no client left (1,024 a process); close some worlds first"
            )
        bullet.setAdditionalSearchPath(pybullet_data.getDataPath(), physicsClientId=self.client)
        if gui:
            bullet.configureDebugVisualizer(bullet.COV_ENABLE_GUI, 0, physicsClientId=self.client)
        self._solver_iterations = solver_iterations
        self._begin()

    def _begin(self) -> None:
        """Set up an empty simulation."""
        bullet.setPhysicsEngineParameter(
            fixedTimeStep=self.timestep,
            numSolverIterations=self._solver_iterations,
            numSubSteps=0,
            deterministicOverlappingPairs=1,
            # PyBullet would keep the text of every model ever loaded by this client.
            enableFileCaching=0,
            physicsClientId=self.client,
        )
        self._nominals: dict[tuple[int, int], LinkDynamics] = {}
        self._snapshot: int | None = None
        self._together = 1
        self._parts = 1

    def clear(self) -> None:
        """Remove all bodies and the snapshot, which is cheaper than a new client."""
        bullet.resetSimulation(physicsClientId=self.client)
        self._begin()

    def load(
        self,
        urdf: str,
        position: Vector = (0.0, 0.0, 0.0),
        *,
        fixed: bool = False,
        flags: int = 0,
    ) -> int:
        """Load a URDF (a path, or a name inside `pybullet_data`) and return its body.

        Raises:
            SimulationError: the file cannot be found or read; names the folders searched.
        """
        path = _located(urdf)
        if not self.visual:
            flags |= bullet.URDF_IGNORE_VISUAL_SHAPES
        try:
            # PyBullet prints its findings about a broken file.
            with muted(sys.stdout, 1), muted(sys.stderr, 2):
                body = bullet.loadURDF(
                    str(path),
                    position,
                    useFixedBase=fixed,
                    flags=flags,
                    physicsClientId=self.client,
                )
        except bullet.error:
            raise SimulationError(f"PyBullet cannot load '{path}': {_trouble(path)}") from None
        return int(body)

    def load_model(
        self,
        model: ElementTree.Element,
        position: Vector = (0.0, 0.0, 0.0),
        *,
        fixed: bool = False,
        flags: int = 0,
    ) -> int:
        """Load a URDF or MJCF given as XML (see `read_model`) and return its body.

        An MJCF's first body is returned, at the position in the file.

        Raises:
            SimulationError: PyBullet cannot read it.
        """
        is_urdf = model.tag == "robot"
        with tempfile.TemporaryDirectory(prefix="headstart-") as folder:
            path = Path(folder) / ("model.urdf" if is_urdf else "model.xml")
            path.write_bytes(ElementTree.tostring(model))
            if is_urdf:
                return self.load(str(path), position, fixed=fixed, flags=flags)
            try:
                # PyBullet prints notes on the shapes that it reads.
                with muted(sys.stdout, 1):
                    bodies = bullet.loadMJCF(str(path), flags=flags, physicsClientId=self.client)
            except bullet.error:
                name = model.get("model", "MJCF")
                raise SimulationError(f"PyBullet cannot read the model '{name}'") from None
        return int(bodies[0])

    def load_ground(self) -> int:
        """Load an infinite plane at z = 0 with friction 1.

        Contact friction is the product of both bodies' coefficients, so with 1 here the
        coefficient set on a robot is the effective one.
        """
        ground = self.load("plane_implicit.urdf", fixed=True)
        self.set_friction(ground, -1, 1.0)
        return ground

    def ignore_contact(self, body: int, links: Sequence[int], other: int) -> None:
        """Skip contacts of `links` with another body's base, where they cannot happen."""
        for link in links:
            bullet.setCollisionFilterPair(body, other, link, -1, 0, physicsClientId=self.client)

    def step(self, steps: int = 1) -> None:
        """Advance by `steps` physics steps, one after the other."""
        if self._together != 1:
            self._take(1)
        for _ in range(steps):
            bullet.stepSimulation(physicsClientId=self.client)

    def step_together(self, steps: int) -> None:
        """Advance by `steps` physics steps in a single call, which costs less.

        It is the same if no joint is damped: torques and forces put on the bodies act in all of
        the steps, but PyBullet works out damping torques once a call.
        """
        if self._together != steps:
            self._take(steps)
        bullet.stepSimulation(physicsClientId=self.client)

    def divide(self, parts: int) -> None:
        """Divide the physics step into `parts` equal parts; a step advances by one."""
        if parts != self._parts:
            bullet.setPhysicsEngineParameter(
                fixedTimeStep=self.timestep / parts, physicsClientId=self.client
            )
            self._parts = parts

    def _take(self, steps: int) -> None:
        """Set how many physics steps a call to PyBullet makes."""
        bullet.setPhysicsEngineParameter(
            fixedTimeStep=steps * self.timestep,
            numSubSteps=steps if steps > 1 else 0,
            physicsClientId=self.client,
        )
        self._together = steps

    def snapshot(self) -> None:
        """Save the present state; done once a world (each costs 0.23 MB until removed)."""
        if self._snapshot is not None:
            bullet.removeState(self._snapshot, physicsClientId=self.client)
        self._snapshot = int(bullet.saveState(physicsClientId=self.client))

    def restore(self) -> None:
        """Go back to the snapshot: positions, velocities and contacts.

        Changed dynamics and motor targets are NOT restored; both are set again at reset.
        """
        bullet.restoreState(stateId=self._snapshot, physicsClientId=self.client)

    def refresh_contacts(self) -> None:
        """Find contacts again: a restored snapshot keeps those of the episode before.

        Call it where nothing touches, so that an episode depends on its seed alone.
        """
        bullet.performCollisionDetection(physicsClientId=self.client)

    def joint_states(self, body: int, joints: Sequence[int]) -> tuple[list[float], list[float]]:
        """Return positions (rad or m) and velocities (per second) of `joints`."""
        states = bullet.getJointStates(body, joints, physicsClientId=self.client)
        return [state[0] for state in states], [state[1] for state in states]

    def place_joints(self, body: int, joints: Sequence[int], positions: Vector) -> None:
        """Put `joints` at `positions` (rad or m), at rest."""
        bullet.resetJointStatesMultiDof(
            body,
            joints,
            [[position] for position in positions],
            [[0.0] for _ in positions],
            physicsClientId=self.client,
        )

    def drive_joints(
        self, body: int, joints: Sequence[int], velocities: Vector, forces: Vector
    ) -> None:
        """Set velocity motors: targets in rad/s, greatest torques in N m."""
        if self._together > 1:
            # PyBullet takes the impulse of all the steps of a call for that of one.
            forces = [force / self._together for force in forces]
        bullet.setJointMotorControlArray(
            body,
            joints,
            bullet.VELOCITY_CONTROL,
            targetVelocities=velocities,
            forces=forces,
            physicsClientId=self.client,
        )

    def dynamics(self, body: int, link: int) -> LinkDynamics:
        """Read a link's dynamics back from PyBullet."""
        info = bullet.getDynamicsInfo(body, link, physicsClientId=self.client)
        return LinkDynamics(mass=info[0], inertia=tuple(info[2]), friction=info[1])

    def nominal(self, body: int, link: int) -> LinkDynamics:
        """Return a link's dynamics at the first call, before any change."""
        key = (body, link)
        if key not in self._nominals:
            self._nominals[key] = self.dynamics(body, link)
        return self._nominals[key]

    def set_mass(self, body: int, link: int, mass: float) -> None:
        """Set a link's mass (kg); its inertia follows in proportion.

        PyBullet alone would recompute the inertia from the collision shape and so discard the
        one in the URDF.
        """
        nominal = self.nominal(body, link)
        factor = mass / nominal.mass
        bullet.changeDynamics(
            body,
            link,
            mass=mass,
            localInertiaDiagonal=[factor * part for part in nominal.inertia],
            physicsClientId=self.client,
        )

    def set_friction(self, body: int, link: int, coefficient: float) -> None:
        """Set a link's lateral friction coefficient."""
        bullet.changeDynamics(body, link, lateralFriction=coefficient, physicsClientId=self.client)

    def set_joint_damping(self, body: int, joint: int, damping: float) -> None:
        """Set a joint's viscous damping (N m s/rad)."""
        bullet.changeDynamics(body, joint, jointDamping=damping, physicsClientId=self.client)

    def set_drag(self, body: int, drag: float) -> None:
        """Set PyBullet's damping of all links of a body (0.04/s where nothing is set).

        At a speed of v m/s a link loses `drag` (1 + v) v m/s of it a second, and the same holds
        for its angular speed in rad/s.
        """
        drag = float(np.float32(drag))  # as PyBullet's own value is rounded, so that 0.04 is that
        bullet.changeDynamics(
            body, -1, linearDamping=drag, angularDamping=drag, physicsClientId=self.client
        )

    def set_fastest(self, body: int, velocity: float) -> None:
        """Set the greatest joint speed of a body (rad/s), which is 100 by default."""
        bullet.changeDynamics(body, -1, maxJointVelocity=velocity, physicsClientId=self.client)

    def set_gravity(self, gravity: float) -> None:
        """Set the acceleration of free fall (m/s^2, downwards)."""
        bullet.setGravity(0.0, 0.0, -gravity, physicsClientId=self.client)

    def camera_image(
        self, target: Vector, distance: float, yaw: float, pitch: float, width: int, height: int
    ) -> np.ndarray:
        """Return a picture, uint8 `(height, width, 3)`; angles in degrees, lengths in m."""
        view = bullet.computeViewMatrixFromYawPitchRoll(target, distance, yaw, pitch, 0.0, 2)
        projection = bullet.computeProjectionMatrixFOV(50.0, width / height, 0.05, 100.0)
        image: Any = bullet.getCameraImage(
            width,
            height,
            view,
            projection,
            renderer=bullet.ER_TINY_RENDERER,
            physicsClientId=self.client,
        )[2]
        return np.reshape(image, (height, width, 4))[:, :, :3].astype(np.uint8)

    def marker(self, color: Vector, *, radius: float = 0.0, half: Vector = ()) -> int:
        """Add a purely visual body: a sphere, or a box of half extents `half` (m)."""
        shape = (
            {"shapeType": bullet.GEOM_BOX, "halfExtents": list(half)}
            if half
            else {"shapeType": bullet.GEOM_SPHERE, "radius": radius}
        )
        visual = bullet.createVisualShape(**shape, rgbaColor=color, physicsClientId=self.client)
        return int(bullet.createMultiBody(0, -1, visual, physicsClientId=self.client))

    def place(self, body: int, position: Vector, orientation: Vector = (0, 0, 0, 1)) -> None:
        """Put a body at `position` (m) with a quaternion (x, y, z, w)."""
        bullet.resetBasePositionAndOrientation(
            body, position, orientation, physicsClientId=self.client
        )

    def close(self) -> None:
        """Disconnect; may be called again."""
        if self.client >= 0:
            bullet.disconnect(physicsClientId=self.client)
            self.client = -1


def _located(name: str) -> Path:
    """Return the file of a path, or of a name inside `pybullet_data`."""
    places = [Path.cwd(), Path(pybullet_data.getDataPath())]
    path = next((place / name for place in places if (place / name).is_file()), None)
    if path is None:
        raise SimulationError(f"no file '{name}': looked in {places[0]} and {places[1]}")
    return path


def _trouble(path: Path) -> str:
    """Return why a URDF may not load: it is not XML, or a mesh is missing."""
    try:
        model = read_model(str(path))
    except SimulationError as error:
        return str(error)
    places = path.parent, Path(pybullet_data.getDataPath())
    for mesh in model.iter("mesh"):
        file = mesh.get("filename", "")
        if not any((place / file).is_file() for place in places):
            return f"no mesh '{file}'"
    return "expected a URDF of links and joints"


def read_model(name: str) -> ElementTree.Element:
    """Return the XML of a URDF or MJCF: a path, or a name inside `pybullet_data`.

    Meshes are named by their full paths, so that the changed model can be loaded from anywhere.

    Raises:
        SimulationError: the file cannot be found or is not XML; names the folders searched.
    """
    path = _located(name)
    try:
        model = ElementTree.parse(path).getroot()
    except ElementTree.ParseError as error:
        raise SimulationError(f"cannot read '{path}': {error}") from None
    for mesh in model.iter("mesh"):
        file = mesh.get("filename", "").removeprefix("package://")
        if file:
            mesh.set("filename", str(path.parent / file))
    return model
