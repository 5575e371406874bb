"""The A1: hand-worked physics of trunk, legs, motors and ground, and what a walk is judged by."""

import math
from itertools import pairwise

import numpy as np
import pybullet
import pytest
from headstart.envs import build
from headstart.envs.robots import a1
from headstart.envs.robots.a1_senses import STANCE, STANCE_SWING, attitude
from headstart.envs.simulation import Simulation

STILL = np.zeros(12)


@pytest.fixture
def world():
    env = build("headstart/A1Walk-v0")
    yield env
    env.close()


def start(world, seed=0, **parameters):
    world.set_parameters(parameters)
    world.reset(seed=seed)
    return world.robot


def masses(robot):
    return {link: robot.simulation.dynamics(robot.body, link) for link in robot._links}


def centre_of_mass(robot):
    client = robot.simulation.client
    places = [pybullet.getBasePositionAndOrientation(robot.body, physicsClientId=client)[0]]
    places += [
        pybullet.getLinkState(robot.body, link, physicsClientId=client)[0]
        for link in robot._links[1:]
    ]
    weights = [d.mass for d in masses(robot).values()]
    return np.average(places, axis=0, weights=weights)


def drop(robot, steps):
    """Let the robot fall freely, joints held, far above the ground; return its base's z."""
    client = robot.simulation.client
    pybullet.resetBasePositionAndOrientation(
        robot.body, (0, 0, 50), (0, 0, 0, 1), physicsClientId=client
    )
    heights = []
    for _ in range(steps):
        robot.advance(list(STANCE), 1)
        heights.append(centre_of_mass(robot)[2])
    return heights


def test_folding_keeps_mass_and_centre_and_inertia(world):
    bare = Simulation(1 / 160, 10)
    body = bare.load("a1/a1.urdf", (0, 0, 1), flags=pybullet.URDF_USE_INERTIA_FROM_FILE)
    count = pybullet.getNumJoints(body, physicsClientId=bare.client)
    links = range(-1, count)
    whole = sum(bare.dynamics(body, link).mass for link in links)
    folded = sum(d.mass for d in masses(world.robot).values())
    assert folded == pytest.approx(whole, abs=1e-9)
    assert count - (len(world.robot._links) - 1) == 5
    joints = [
        link
        for link in range(count)
        if pybullet.getJointInfo(body, link, physicsClientId=bare.client)[2] == 0
    ]
    # The mass matrix holds every mass, centre and inertia as the joints feel them.
    there = np.array(pybullet.calculateMassMatrix(body, list(STANCE), physicsClientId=bare.client))
    here = np.array(
        pybullet.calculateMassMatrix(
            world.robot.body, list(STANCE), physicsClientId=world.simulation.client
        )
    )
    assert len(joints) == 12
    assert here == pytest.approx(there, abs=1e-4)
    bare.close()


def test_longer_legs_stand_higher_and_weigh_more(world):
    robot = start(world)
    usual = masses(robot)
    assert robot.height - 0.0005 == pytest.approx(0.4 * math.cos(0.8) + 0.02 + 0.04, abs=1e-3)
    robot = start(world, leg_length=1.2)
    robot.simulation.place_joints(robot.body, robot.joints, STANCE)
    base = pybullet.getBasePositionAndOrientation(
        robot.body, physicsClientId=robot.simulation.client
    )
    foot = pybullet.getLinkState(
        robot.body, robot.feet[0], computeForwardKinematics=1,
        physicsClientId=robot.simulation.client,
    )  # fmt: skip
    assert foot[0][2] == pytest.approx(0.02 + 0.04, abs=1e-3)
    assert base[0][2] - foot[0][2] == pytest.approx(1.2 * 0.4 * math.cos(0.8), abs=2e-3)
    thigh, shank = robot.joints[1], robot.joints[2]
    longer = masses(robot)
    assert longer[thigh].mass == pytest.approx(1.2 * 1.013)
    assert longer[shank].inertia == pytest.approx([1.728 * i for i in usual[shank].inertia])
    assert longer[robot.feet[0]] == usual[robot.feet[0]]


def test_a_load_ahead_moves_the_centre_of_mass_and_nothing_else(world):
    robot = start(world)
    before, total = centre_of_mass(robot), sum(d.mass for d in masses(robot).values())
    robot = start(world, load_offset=0.05)
    after = centre_of_mass(robot)
    assert sum(d.mass for d in masses(robot).values()) == pytest.approx(total)
    # The trunk's 4.714 kg, moved by 5 cm, among 12.458 kg; hips' centres are 3 mm off their axes.
    assert after[0] - before[0] == pytest.approx(0.05 * 4.714 / 12.458, rel=0.03)
    assert after[2] - before[2] == pytest.approx(0.0, abs=1e-4)


def test_everything_falls_as_fast_whatever_it_weighs(world):
    for parameters in ({}, {"payload_mass": 8.0}, {"gravity": 5.0, "inertia_scale": 2.0}):
        heights = drop(start(world, **parameters), 20)
        accelerations = np.diff(heights, 2) * 160**2
        # PyBullet's air takes 4 % of the speed per second.
        assert accelerations == pytest.approx(-parameters.get("gravity", 9.81), abs=0.25)


def test_a_push_changes_the_momentum_by_force_times_time(world):
    for payload in (0.0, 5.0):
        robot = start(world, push_force=100.0, payload_mass=payload)
        robot.simulation.set_gravity(0.0)
        robot._pushes = [(4, 0.6, 0.8)] * a1.PUSHES
        before = centre_of_mass(robot)
        for _ in range(4 + a1.PUSH_STEPS + 10):
            robot.advance(list(STANCE), 1)
        places = []
        for _ in range(2):
            places.append(centre_of_mass(robot))
            robot.simulation.step()
        velocity = (places[1] - places[0]) * 160
        # 100 N for 0.1 s: 10 N s.
        assert velocity[:2] == pytest.approx(np.array([6.0, 8.0]) / (12.458 + payload), rel=0.02)
        assert places[0][0] > before[0]


@pytest.mark.parametrize(
    ("parameters", "parts"),
    [
        ({}, 1),
        ({"leg_length": 1.2}, 1),
        ({"leg_length": 0.8}, 2),
        ({"kp": 90.0, "kd": 0.75, "joint_damping": 0.15, "inertia_scale": 0.8}, 2),
        (
            {
                "kp": 90.0,
                "kd": 0.75,
                "joint_damping": 0.15,
                "inertia_scale": 0.8,
                "leg_length": 0.8,
                "motor_strength": 1.2,
            },
            3,
        ),
    ],
)
def test_legs_that_hang_in_the_air_come_to_rest_whatever_the_gains(world, parameters, parts):
    robot = start(world, **parameters)
    robot.simulation.set_gravity(0.0)
    for _ in range(200):
        robot.advance(list(STANCE), 4)
    speeds = robot.simulation.joint_states(robot.body, robot.joints)[1]
    assert max(map(abs, speeds)) < 0.05
    assert robot._parts == parts


def test_a_divided_step_takes_as_long_and_a_push_too(world):
    momenta = []
    for parts in (1, 2):
        robot = start(world, push_force=100.0, kd=0.2, kp=15.0)
        robot._parts = parts
        robot.simulation.divide(parts)
        robot.simulation.set_gravity(0.0)
        robot._pushes = [(4, 0.6, 0.8)] * a1.PUSHES
        before = centre_of_mass(robot)
        for _ in range(4 + a1.PUSH_STEPS + 10):
            robot.advance(list(STANCE), 1)
        momenta.append(centre_of_mass(robot) - before)
    assert momenta[0] == pytest.approx(momenta[1], rel=0.03, abs=1e-3)
    # The next episode has whole steps again.
    start(world)
    engine = pybullet.getPhysicsEngineParameters(physicsClientId=robot.simulation.client)
    assert engine["fixedTimeStep"] == pytest.approx(1 / 160)


def test_motors_are_springs_and_dampers_with_limits(world):
    robot = start(world, kp=50.0, kd=0.5, motor_strength=0.8)
    angles = robot.simulation.joint_states(robot.body, robot.joints)[0]
    robot.advance([angle + 0.1 for angle in angles], 1)
    assert robot.torques == pytest.approx([0.8 * 50 * 0.1] * 12)
    robot.advance([angle - 2.0 for angle in angles], 1)
    assert robot.torques == pytest.approx([-0.8 * 33.5] * 12)
    pybullet.resetJointState(
        robot.body, robot.joints[0], angles[0], 2.0, physicsClientId=robot.simulation.client
    )
    robot.advance(angles, 1)
    assert robot.torques[0] == pytest.approx(-0.8 * 0.5 * 2.0)
    robot = start(world, kp=50.0, joint_offset=0.1)
    robot.advance(robot.simulation.joint_states(robot.body, robot.joints)[0], 1)
    assert robot.torques == pytest.approx([-5.0] * 12)


def test_an_encoders_offset_is_reported(world):
    world.set_parameters({})
    usual, _ = world.reset(seed=0)
    world.set_parameters({"joint_offset": 0.1})
    shifted, _ = world.reset(seed=0)
    assert shifted[6:18] - usual[6:18] == pytest.approx([0.1] * 12, abs=1e-6)


def lost(world, **parameters):
    """Speed (rad/s) lost in one physics step by a hanging calf that swings at 5, unmotored."""
    robot = start(world, **parameters)
    robot.simulation.set_gravity(0.0)
    client, joint = robot.simulation.client, robot.joints[2]
    pybullet.resetJointState(robot.body, joint, -1.6, 5.0, physicsClientId=client)
    robot.simulation.step()
    return 5.0 - pybullet.getJointState(robot.body, joint, physicsClientId=client)[1]


def test_joint_friction_and_damping_slow_a_free_joint(world):
    free = lost(world)
    assert free == pytest.approx(0.0, abs=0.1)
    # 0.0073 kg m^2 hang at the knee, some of which the thigh takes off by giving way.
    rubbed = lost(world, joint_friction=0.2) - free
    assert 0.2 / 160 / 0.0073 < rubbed < 2 * 0.2 / 160 / 0.0073
    # Dry friction takes in proportion to its torque, viscous friction as one of 5 times as much.
    assert lost(world, joint_friction=0.4) - free == pytest.approx(2 * rubbed, rel=0.25)
    assert lost(world, joint_damping=0.04) - free == pytest.approx(rubbed, rel=0.25)
    assert lost(world, joint_friction=2.0) > 1.5


@pytest.mark.parametrize("friction", [0.1, 0.2])
def test_friction_limits_how_fast_it_stops(world, friction):
    robot = start(world, ground_friction=friction)
    speeds = []
    for step in range(180):
        if step == 160:
            pybullet.resetBaseVelocity(
                robot.body, (1, 0, 0), physicsClientId=robot.simulation.client
            )
        before = centre_of_mass(robot)[0]
        robot.advance(list(STANCE), 1)
        speeds.append((centre_of_mass(robot)[0] - before) * 160)
    slowing = (speeds[163] - speeds[179]) / 0.1
    assert slowing == pytest.approx(friction * 9.81, rel=0.15)


def test_bouncy_feet_bounce(world):
    def rebound(restitution):
        robot = start(world, restitution=restitution)
        lifts = []
        for _ in range(30):
            robot.advance(list(STANCE), 1)
            robot.sense(world._sensing.raw)
            lifts.append(robot.lifts[0])
        landed = next(step for step, lift in enumerate(lifts) if lift < 0.0)
        return max(lifts[landed:])

    assert rebound(0.0) < 0.003
    assert rebound(0.9) > 0.008


def test_attitude_is_that_of_the_trunk(world):
    robot = start(world)
    # As loaded, the trunk is level: its principal axes are not.
    assert robot._axes[1] == pytest.approx(0.00624, abs=1e-4)
    assert attitude(robot._axes, robot._axes, (0, 0, 0))[:4] == pytest.approx((0, 0, 0, 1))
    turn = pybullet.getQuaternionFromEuler((0.3, -0.2, 0.5))
    roll, pitch, yaw, up, rates = attitude(turn, (0, 0, 0, 1), (1.0, 2.0, 3.0))
    assert (roll, pitch, yaw) == pytest.approx((0.3, -0.2, 0.5))
    assert up == pytest.approx(math.cos(0.3) * math.cos(0.2))
    rotation = np.array(pybullet.getMatrixFromQuaternion(turn)).reshape(3, 3)
    assert rates == pytest.approx(rotation.T @ (1.0, 2.0, 3.0))


def test_standing_still_is_no_success_and_no_fall(world):
    start(world)
    done, count = False, 0
    while not done:
        *_, terminated, truncated, info = world.step(STILL)
        done, count = terminated or truncated, count + 1
    assert (terminated, count, info["success"]) == (False, 400, False)
    assert world.robot.touch == [True] * 4
    assert info["reward_terms"]["tracking"] < 20


def judged(world, **seen):
    """Judge a made-up moment of an upright robot that walks at the speed wanted."""
    robot = world.robot
    calm = {
        "height": 0.3, "up": 1.0, "forward": world.task.command, "sideways": 0.0, "yaw": 0.0,
        "climb": 0.0, "rates": (0, 0, 0), "touch": [True] * 4, "slides": [0.0] * 4,
        "lifts": [0.0] * 4, "power": 0.0,
    }  # fmt: skip
    for name, value in {**calm, **seen}.items():
        setattr(robot, name, value)
    return world.task.judge()


def test_tracking_is_one_at_the_speed_wanted(world):
    start(world)
    command = world.task.command
    for speed, expected in ((1.0, 1.0), (0.0, 0.0), (0.5, 0.5), (1.25, 0.75), (5.0, -1.0)):
        terms = judged(world, forward=speed * command).terms
        assert terms["tracking"] == pytest.approx(expected)
        assert sum(abs(value) for name, value in terms.items() if name != "tracking") == 0.0


def test_a_fall_is_low_or_tilted(world):
    start(world)
    assert not judged(world).terminated
    for seen in ({"height": 0.14}, {"up": 0.69}):
        verdict = judged(world, **seen)
        assert verdict.terminated
        assert verdict.terms["fall"] == 1.0


def test_rhythm_is_kept_by_diagonals_that_take_turns(world):
    start(world)
    for moment in range(32):
        world.task._phase, world.task._steps = moment, 0
        # Feet are front right, front left, rear right, rear left.
        first = [False, True, True, False]
        keeping = first if moment % 16 < 8 else [not touch for touch in first]
        assert judged(world, touch=keeping).terms["rhythm"] == 1.0
        world.task._steps = 0
        assert judged(world, touch=[not touch for touch in keeping]).terms["rhythm"] == -1.0
        world.task._steps = 0
        assert judged(world, touch=[True] * 4).terms["rhythm"] == 0.0


def test_the_clock_is_seen_and_beats_twice_a_second(world):
    observation, _ = world.reset(seed=0)
    seen = [observation]
    for _ in range(16):
        observation, *_ = world.step(STILL)
        seen.append(observation)
    sines, cosines = np.array(seen)[:, 46], np.array(seen)[:, 47]
    angles = np.unwrap(np.arctan2(sines, cosines))
    assert angles - angles[0] == pytest.approx(2 * np.pi * 2 * world.timing.period * np.arange(17))
    # As many control steps before the phase is 0 as judge sees them: the first half is up.
    assert world.task._phase == pytest.approx((angles[0] % (2 * np.pi)) / (2 * np.pi) * 16)
    assert seen[0][48] == pytest.approx(world.task.command)


def test_feet_are_judged_in_the_air_by_height_and_on_the_ground_by_slip(world):
    start(world)
    touch, lifts, slides = [False, False, True, True], [0.04, 0.07, 0, 0], [2.0, 2.0, 0.1, 0.2]
    terms = judged(world, touch=touch, lifts=lifts, slides=slides).terms
    assert terms["drag"] == pytest.approx(0.02**2 * 2.0)
    assert terms["slip"] == pytest.approx(0.3)


def test_success_is_a_whole_episode_at_about_the_speed_wanted(world):
    start(world)
    task, robot = world.task, world.robot
    for share, expected in ((0.85, True), (1.15, True), (0.75, False), (1.25, False)):
        task._steps = 399
        robot.place = (share * task.command * 12.5, 0.0)
        assert judged(world).success is expected
    task._steps = 200
    robot.place = (task.command * 201 * 0.03125, 0.0)
    assert not judged(world).success
    assert world.timing.period == 0.03125


def test_goals_and_pushes_do_not_depend_on_parameters(world):
    drawn = []
    for parameters in ({}, {"push_force": 200.0, "leg_length": 0.9, "gyro_noise": 1.0}):
        robot = start(world, seed=7, **parameters)
        drawn.append((world.task.command, robot._pushes))
    assert all(a == b for a, b in pairwise(drawn))


def test_commands_are_targets_around_the_stance(world):
    lows, highs = [c.low for c in world.robot.commands], [c.high for c in world.robot.commands]
    assert lows == pytest.approx([s - w for s, w in zip(STANCE, STANCE_SWING, strict=True)])
    assert highs == pytest.approx([s + w for s, w in zip(STANCE, STANCE_SWING, strict=True)])
