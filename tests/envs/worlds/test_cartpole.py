"""The cart and the pole against textbook mechanics."""

import math

import gymnasium
import numpy as np
import pytest

WORLD = "headstart/CartPoleSwingUp-v0"


@pytest.fixture
def world():
    env = gymnasium.make(WORLD).unwrapped
    yield env
    env.close()


def start(world, x=0.0, angle=math.pi, **values):
    """Start an episode with these parameters, cart and pole at rest where told."""
    world.set_parameters(values)
    world.reset(seed=0)
    world.simulation.place_joints(world.robot.body, [0, 1], [x, angle])


def drive(world, force, steps):
    """Hold a share of the greatest force for some control steps; return the observations."""
    return np.array([world.step(np.array([force], np.float32))[0] for _ in range(steps)])


@pytest.mark.parametrize(("cart", "pole"), [(1.0, 0.1), (3.0, 0.6)])
def test_a_hanging_pole_adds_a_quarter_of_its_mass(world, cart, pole):
    # For a uniform rod that hangs at rest, x'' = F / (M + m / 4).
    start(world, cart_mass=cart, pole_mass=pole, rail_damping=0.0)
    (speed,) = drive(world, 1.0, 1)[:, 1]
    assert speed == pytest.approx(0.04 * 15.0 / (cart + pole / 4), rel=0.02)


@pytest.mark.parametrize("length", [0.5, 1.0, 1.5])
def test_the_pole_swings_with_the_period_of_a_rod(world, length):
    start(world, angle=math.pi - 0.1, pole_length=length, rail_friction=8.0, hinge_damping=0.0)
    turning = drive(world, 0.0, 150)[:, 4]
    crossings = np.flatnonzero(np.diff(np.sign(turning)))
    period = 2 * np.diff(crossings).mean() * world.timing.period
    assert period == pytest.approx(2 * math.pi * math.sqrt(2 * length / (3 * 9.81)), rel=0.03)


def test_dry_friction_holds_up_to_its_force(world):
    start(world, rail_friction=4.0)
    assert abs(drive(world, 3.5 / 15, 10)[-1, 0]) < 1e-3
    start(world, rail_friction=4.0)
    assert drive(world, 5.0 / 15, 10)[-1, 0] > 0.02


def test_a_slope_pulls_the_cart_down(world):
    start(world, slope=0.1, rail_damping=0.0, pole_mass=0.02)
    speed = drive(world, 0.0, 5)[-1, 1]
    assert speed == pytest.approx(-9.81 * math.sin(0.1) * 0.2, rel=0.05)


def test_a_late_motor_follows_exponentially(world):
    start(world, motor_lag=0.1)
    drive(world, 1.0, 1)
    assert world.robot._force == pytest.approx(15.0 * (1 - math.exp(-0.4)))


def test_the_encoder_is_off_by_its_offset(world):
    start(world, angle_offset=0.3)
    sine, cosine = world.reset(seed=0)[0][2:4]
    assert math.atan2(sine, cosine) % (2 * math.pi) == pytest.approx(
        (world.robot.angle + 0.3) % (2 * math.pi), abs=1e-6
    )


def test_success_is_a_last_second_upright_and_the_rail_ends(world):
    start(world, angle=0.0)
    done = False
    while not done:
        # Held upright by hand: what is judged is the angle, not the balancing.
        world.simulation.place_joints(world.robot.body, [0, 1], [0.0, 0.2])
        *_, reward, terminated, done, info = world.step(np.zeros(1, np.float32))
        assert not terminated
        assert reward == pytest.approx(0.5 + 0.5 * math.cos(0.2), abs=0.01)
    assert info["success"]
    start(world, x=2.395)
    *_, reward, terminated, _, info = world.step(np.ones(1, np.float32))
    assert terminated
    assert not info["success"]
    assert info["reward_terms"]["off_rail"] == -5.0
