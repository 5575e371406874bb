"""The running robots against hand-worked mechanics, and the reward of running."""

import math
from types import SimpleNamespace

import gymnasium
import numpy as np
import pybullet as bullet
import pytest
from headstart.envs.robots.legged import PUSH_STEPS
from headstart.envs.tasks.run import RUN_PERIOD, AntRun, HalfCheetahRun, HopperRun, RunTask
from headstart.envs.world import Judgement

RUNNERS = ["Hopper", "HalfCheetah", "Ant"]


@pytest.fixture
def make():
    made = []

    def make(name, **values):
        env = gymnasium.make(f"headstart/{name}-v0").unwrapped
        made.append(env)
        env.set_parameters(values)
        env.reset(seed=0)
        return env

    yield make
    for env in made:
        env.close()


def masses(world):
    """Masses by link, as PyBullet has them now."""
    robot = world.robot
    return {link: world.simulation.dynamics(robot.body, link).mass for link in robot._massive}


def momentum(world):
    """The robot's momentum along x (kg m/s)."""
    client, body = world.simulation.client, world.robot.body
    total = 0.0
    for link, mass in masses(world).items():
        if link == -1:
            velocity = bullet.getBaseVelocity(body, physicsClientId=client)[0]
        else:
            velocity = bullet.getLinkState(body, link, 1, physicsClientId=client)[6]
        total += mass * velocity[0]
    return total


def lift(world, height):
    """Put the robot in the air."""
    client, body = world.simulation.client, world.robot.body
    if -1 in world.robot._massive:
        world.simulation.place(body, (0.0, 0.0, height))
    else:
        bullet.resetJointState(body, world.robot._moving[1], height, physicsClientId=client)


@pytest.mark.parametrize(
    ("name", "kilograms"), [("Hopper", 15.82), ("HalfCheetah", 38.19), ("Ant", 182.1)]
)
def test_masses_scale_and_the_load_is_on_the_torso(make, name, kilograms):
    world = make(name)
    nominal = masses(world)
    assert sum(nominal.values()) == pytest.approx(kilograms, rel=0.02)
    world.set_parameters({"mass_scale": 1.5, "payload": 0.4})
    world.reset()
    torso = world.robot.torso
    for link, mass in masses(world).items():
        factor = 1.5 * 1.4 if link == torso else 1.5
        assert mass == pytest.approx(factor * nominal[link])


@pytest.mark.parametrize("name", RUNNERS)
def test_wind_changes_momentum_as_its_force_says(make, name):
    world = make(name, head_wind=60.0, joint_friction=15.0)
    lift(world, 5.0)
    before = momentum(world)
    world.step(np.zeros(world.action_space.shape, np.float32))
    assert momentum(world) - before == pytest.approx(-60.0 * RUN_PERIOD, rel=0.02)


def test_slopes_turn_gravity(make):
    world = make("Ant", slope=0.2)
    lift(world, 5.0)
    before = momentum(world)
    world.step(np.zeros(8, np.float32))
    force = -sum(masses(world).values()) * 9.81 * math.sin(0.2)
    assert momentum(world) - before == pytest.approx(force * RUN_PERIOD, rel=0.02)


def test_pushes_come_at_the_same_times_whatever_their_strength(make):
    times = {}
    for force in (100.0, 300.0):
        world = make("Ant", push_force=force)
        felt = []
        for step in range(240):
            along, across = world.robot._disturbance()
            if along or across:
                felt.append(step)
                assert math.hypot(along, across) == pytest.approx(force)
            world.robot._clock += 1
        times[force] = felt
    assert times[100.0] == times[300.0]
    assert len(times[100.0]) == 2 * PUSH_STEPS


def test_legs_of_other_lengths(make):
    nominal = make("Hopper")
    longer = make("Hopper", leg_length=0.6)
    assert longer.robot.position[2] - nominal.robot.position[2] == pytest.approx(0.1, abs=1e-3)
    assert longer.morphology[0].name == "leg_length"
    mass = masses(nominal)
    leg = nominal.robot.links["leg"]
    # A capsule of radius 4 cm: its volume grows by the added cylinder.
    area, ball = math.pi * 0.04**2, 4 / 3 * math.pi * 0.04**3
    grown = (area * 0.6 + ball) / (area * 0.5 + ball)
    assert masses(longer)[leg] / mass[leg] == pytest.approx(grown, rel=0.02)
    for name in ("HalfCheetah", "Ant"):
        short, long = make(name, shin_scale=0.7), make(name, shin_scale=1.3)
        assert sum(masses(long).values()) > sum(masses(short).values())


def test_a_morphology_is_built_anew_only_when_it_changes(make):
    world = make("Hopper")
    robot, client = world.robot, world.simulation.client
    world.set_parameters({"mass_scale": 1.2})
    world.reset()
    assert world.robot is robot
    world.set_parameters({"leg_length": 0.55})
    world.reset()
    assert world.robot is not robot
    assert world.simulation.client == client
    assert bullet.getNumBodies(physicsClientId=client) == 2  # nothing is left of the one before
    world.set_parameters({})
    observation, _ = world.reset(seed=0)
    assert np.array_equal(observation, make("Hopper").reset(seed=0)[0])


def test_a_world_outlives_a_shape_that_cannot_be_built(make, monkeypatch):
    world = make("Hopper")
    world.set_parameters({"leg_length": 0.55})
    with monkeypatch.context() as broken:
        broken.setattr(HopperRun, "__init__", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            world.reset()
    world.set_parameters({})
    assert np.array_equal(world.reset(seed=0)[0], make("Hopper").reset(seed=0)[0])


def test_a_planar_robot_knows_its_torso(make):
    for name in ("Hopper", "HalfCheetah"):
        world = make(name)
        rng = np.random.default_rng(0)
        for _ in range(5):
            observation, *_ = world.step(rng.uniform(-1, 1, world.action_space.shape))
        state = bullet.getLinkState(
            world.robot.body, world.robot.torso, 1, 1, physicsClientId=world.simulation.client
        )
        (x, _, z), (vx, _, vz) = state[0], state[6]
        assert world.robot.position == pytest.approx((x, 0.0, z), abs=1e-4)
        assert observation[0] == pytest.approx(z, abs=1e-4)
        assert observation[3:5] == pytest.approx((vx, vz), abs=2e-2)
        assert world.robot.pitch == pytest.approx(
            bullet.getEulerFromQuaternion(state[1])[1], abs=1e-3
        )


def judged(task: type[RunTask], *moments) -> list[Judgement]:
    """What a task says of a robot at these moments, the first being the start."""
    usual = {"pitch": 0.0, "driven": 0.0, "effort": 0.0, "stops": 0, "stumbled": False}
    robots = [SimpleNamespace(**{**usual, **moment}) for moment in moments]
    run = task(None, robots[0])
    run.reset(np.random.default_rng(0))
    run.complete({})
    said = []
    for robot in robots[1:]:
        run.robot = robot
        said.append(run.judge())
    return said


def test_the_reward_is_worked_out_by_hand():
    (said,) = judged(
        HopperRun,
        {"position": (1.0, 0.0, 1.2)},
        {"position": (1.033, 0.0, 1.2), "driven": 4.0, "effort": 0.5, "stops": 2},
    )
    reward = sum(HopperRun.weights[name] * value for name, value in said.terms.items())
    # Upright 1, 3.3 cm in 16.5 ms, power 0.2 x 4, torque 0.1 x 0.5, limits 0.1 x 2.
    assert reward == pytest.approx(1.0 + 2.0 - 0.8 - 0.05 - 0.2)
    assert not said.terminated


@pytest.mark.parametrize(
    ("task", "moment", "falls"),
    [
        (HopperRun, {"position": (0, 0, 0.81)}, False),
        (HopperRun, {"position": (0, 0, 0.79)}, True),
        (HopperRun, {"position": (0, 0, 1.2), "pitch": -1.01}, True),
        (HalfCheetahRun, {"position": (0, 0, 0.2)}, False),
        (HalfCheetahRun, {"position": (0, 0, 0.6), "stumbled": True}, True),
        (AntRun, {"position": (0, 0, 0.25), "pitch": 0.0}, True),
        (AntRun, {"position": (0, 0, 0.3), "pitch": 1.5}, False),
    ],
)
def test_falls(task, moment, falls):
    (said,) = judged(task, {"position": (0, 0, 1.0)}, moment)
    assert said.terminated == falls
    assert said.terms["upright"] == (-1.0 if falls else 1.0)
    assert not said.success


@pytest.mark.parametrize(("speed", "success"), [(1.01, True), (0.99, False)])
def test_success_is_a_metre_per_second_to_the_end(speed, success):
    moments = [{"position": (k * RUN_PERIOD * speed, 0.0, 1.0)} for k in range(1_001)]
    said = judged(AntRun, *moments)
    assert [s.success for s in said] == [False] * 999 + [success]
