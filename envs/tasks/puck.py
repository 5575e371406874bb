"""The puck that is pushed: a body on four feet with an adjustable centre of mass."""

from __future__ import annotations

from ..bullet import bullet
from ..simulation import Simulation

RADIUS, TALL = 0.05, 0.05  # m
FOOT, FEET = 0.005, 0.032  # m, the feet's radius, and where they are in x and in y
WEIGHT_LEVER = 0.04  # m, from the puck's middle to the weight that can be screwed to it


class Puck:
    """A puck in the air until it is placed; set its mass before it is used."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        client = simulation.client
        # A cylinder that slides on its face gets one or two contacts a step and sinks in; each
        # foot keeps a separate one.
        feet = [
            (FEET * x, FEET * y, FOOT - TALL / 2) for x, y in ((1, 1), (-1, 1), (-1, -1), (1, -1))
        ]
        shape = bullet.createCollisionShapeArray(
            shapeTypes=[bullet.GEOM_CYLINDER] + [bullet.GEOM_SPHERE] * 4,
            radii=[RADIUS] + [FOOT] * 4,
            lengths=[TALL - FOOT] + [0.0] * 4,
            collisionFramePositions=[(0.0, 0.0, FOOT / 2), *feet],
            physicsClientId=client,
        )
        look = -1
        if simulation.visual:
            look = bullet.createVisualShape(
                bullet.GEOM_CYLINDER,
                radius=RADIUS,
                length=TALL,
                rgbaColor=(0.0, 0.45, 0.7, 1.0),
                physicsClientId=client,
            )
        self.body = int(
            bullet.createMultiBody(
                1.0,
                shape,
                look,
                (0.0, 0.0, 2.0),
                linkMasses=[1.0],
                linkCollisionShapeIndices=[-1],
                linkVisualShapeIndices=[-1],
                linkPositions=[(0.0, WEIGHT_LEVER, 0.0)],
                linkOrientations=[(0.0, 0.0, 0.0, 1.0)],
                linkInertialFramePositions=[(0.0, 0.0, 0.0)],
                linkInertialFrameOrientations=[(0.0, 0.0, 0.0, 1.0)],
                linkParentIndices=[0],
                linkJointTypes=[bullet.JOINT_FIXED],
                linkJointAxis=[(0.0, 0.0, 1.0)],
                physicsClientId=client,
            )
        )
        self.mass = 1.0

    def set_mass(self, mass: float, offset: float) -> None:
        """Set the mass (kg) and, by a point mass on the side, its offset (m)."""
        share = offset / WEIGHT_LEVER
        own = (1 - share) * mass
        across = own * (3 * RADIUS**2 + TALL**2) / 12
        client = self._simulation.client
        bullet.changeDynamics(
            self.body,
            -1,
            mass=own,
            localInertiaDiagonal=(across, across, own * RADIUS**2 / 2),
            linearDamping=0.0,
            angularDamping=0.0,
            physicsClientId=client,
        )
        bullet.changeDynamics(
            self.body,
            0,
            mass=share * mass,
            localInertiaDiagonal=(0.0, 0.0, 0.0),
            physicsClientId=client,
        )
        self.mass = mass

    def place(self, x: float, y: float) -> None:
        """Stand the puck on the table, at rest; the weight's side is along y."""
        self._simulation.place(self.body, (x, y, TALL / 2))

    def knock(self, x: float, y: float) -> None:
        """Give the puck momentum (N s) at once: no force is left over for another episode."""
        client = self._simulation.client
        (vx, vy, vz), turning = bullet.getBaseVelocity(self.body, physicsClientId=client)
        velocity = vx + x / self.mass, vy + y / self.mass, vz
        bullet.resetBaseVelocity(self.body, velocity, turning, physicsClientId=client)
