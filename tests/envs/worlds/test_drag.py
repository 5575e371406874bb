"""What PyBullet takes of all speeds is declared: the drag of the air, with its nominal value."""

import numpy as np
import pybullet as bullet
import pytest
from headstart.envs.catalog import build
from headstart.envs.robots.racecar import FREE_SPEED, TOP_SPEED
from headstart.envs.simulation import Simulation

STEP = 1 / 1000


@pytest.fixture
def simulation():
    one = Simulation(STEP, 10)
    yield one
    one.close()


@pytest.mark.parametrize("drag", [0.0, 0.04, 0.1])
def test_a_falling_cube_is_slowed_as_declared(simulation, drag):
    cube = simulation.load("cube_small.urdf", (0.0, 0.0, 100.0))
    simulation.set_gravity(9.81)
    simulation.set_drag(cube, drag)
    simulation.step(1000)
    speed = 0.0
    for _ in range(1000):
        speed += STEP * (9.81 - drag * (1 + speed) * speed)
    found, _ = bullet.getBaseVelocity(cube, physicsClientId=simulation.client)
    assert -found[2] == pytest.approx(speed, rel=1e-3)


def test_unless_told_otherwise_pybullet_takes_the_nominal_drag(simulation):
    speeds = []
    for told in (False, True):
        cube = simulation.load("cube_small.urdf", (0.0, 0.0, 100.0))
        simulation.set_gravity(9.81)
        if told:
            simulation.set_drag(cube, 0.04)
        simulation.step(500)
        speeds.append(bullet.getBaseVelocity(cube, physicsClientId=simulation.client))
        simulation.clear()
    assert speeds[0] == speeds[1]


def test_a_pole_without_any_friction_swings_on():
    world = build("headstart/CartPoleSwingUp-v0")

    def highest(drag):
        """How high a pole swings back, let go 2 rad from hanging, on a cart that is held."""
        world.set_parameters({"rail_friction": 8.0, "hinge_damping": 0.0, "air_drag": drag})
        world.reset(seed=0)
        robot = world.robot
        robot.simulation.place_joints(robot.body, [0, 1], [0.0, np.pi - 2.0])
        angles = []
        for _ in range(60):
            world.step(np.zeros(1, np.float32))
            angles.append(abs(np.pi - robot.angle))
        lowest = int(np.argmin(angles[:40]))
        return max(angles[lowest:])

    assert highest(0.0) == pytest.approx(2.0, abs=0.03)
    assert 1.5 < highest(0.04) < 1.9
    world.close()


def test_a_car_follows_its_motors_law_up_to_the_speed_commanded():
    world = build("headstart/RacecarTrack-v0")
    world.reset(seed=0)
    robot = world.robot
    robot.place(0.0, 0.0, 0.0)
    robot.surroundings = None
    speeds = [0.0]
    for _ in range(60):
        robot.advance([0.0, TOP_SPEED], 5)
        robot.sense(world._sensing.raw)
        speeds.append(robot.speed)
    world.close()
    # Force and so acceleration fall linearly to nothing at the free speed.
    gains = np.diff(speeds)[1:]
    inner = [k for k in range(1, len(gains)) if speeds[k + 1] < 0.95 * TOP_SPEED]
    predicted = [gains[0] * (FREE_SPEED - speeds[k + 1]) / (FREE_SPEED - speeds[1]) for k in inner]
    assert len(inner) > 10
    assert gains[inner] == pytest.approx(predicted, rel=0.1)
    assert speeds[-1] == pytest.approx(TOP_SPEED, rel=0.02)
