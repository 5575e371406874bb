"""The racecar and its track: physics that can be worked out by hand, and the task's accounts."""

import math

import numpy as np
import pybullet as bullet
import pytest
from headstart.envs.catalog import build
from headstart.envs.geometry.circuit import LAP, Circuit
from headstart.envs.robots import racecar
from headstart.envs.tasks.track import Track

STRAIGHT = 0.0


@pytest.fixture
def world():
    env = build("headstart/RacecarTrack-v0")
    yield env
    env.close()


def open_ground(world, **parameters):
    """Reset with no wall in reach, the car at the origin heading along +x."""
    world.set_parameters(parameters)
    world.reset(seed=0)
    far = np.array([(-500.0, -500.0), (500.0, -500.0), (500.0, 500.0), (-500.0, 500.0)])
    inwards = np.array([(1.0, 1.0), (-1.0, 1.0), (-1.0, -1.0), (1.0, -1.0)])
    world.task.start(Circuit(far, inwards, 900.0), 0, (0.0, 0.0, 0.0))


def drive(world, steering, speed, steps):
    """Drive at a steering angle (rad) and a speed (m/s); return speeds and yaw rates."""
    action = np.array([steering / racecar.STEERING, 2 * speed / racecar.TOP_SPEED - 1])
    seen = []
    for _ in range(steps):
        world.step(action)
        (vx, vy, _), (_, _, turning) = bullet.getBaseVelocity(
            world.robot.body, physicsClientId=world.simulation.client
        )
        seen.append((math.hypot(vx, vy), turning))
    return np.array(seen).T


def centre_velocity(world):
    """Return the velocity (x, y) of the centre of mass of all links (m/s)."""
    body, client = world.robot.body, world.simulation.client
    links = range(bullet.getNumJoints(body, physicsClientId=client))
    states = bullet.getLinkStates(body, list(links), computeLinkVelocity=1, physicsClientId=client)
    base, _ = bullet.getBaseVelocity(body, physicsClientId=client)
    masses = [bullet.getDynamicsInfo(body, k, physicsClientId=client)[0] for k in (-1, *links)]
    return np.average([base, *(state[6] for state in states)], axis=0, weights=masses)[:2]


def hinges(world):
    links = world.robot._plan.hinges
    return world.simulation.joint_states(world.robot.body, links)[0]


def test_the_plan_is_the_urdfs(world):
    plan = world.robot._plan
    assert plan.radius == 0.05
    assert plan.wheelbase == pytest.approx(0.325)
    assert plan.half_track == pytest.approx(0.1225)
    assert plan.lidar == pytest.approx((0.265, 0.0))
    assert plan.outline == pytest.approx((-0.05, 0.4065, -0.145, 0.145), abs=0.01)


@pytest.mark.parametrize("wheelbase", [0.25, 0.4, 0.45])
def test_another_wheelbase_moves_all_that_is_mounted_in_front(world, wheelbase):
    open_ground(world, wheelbase=wheelbase)
    plan, longer = world.robot._plan, wheelbase - 0.325
    assert plan.wheelbase == pytest.approx(wheelbase)
    assert plan.lidar == pytest.approx((0.265 + longer, 0.0))
    assert plan.outline == pytest.approx((-0.05, 0.4065 + longer, -0.145, 0.145), abs=0.01)
    assert (plan.half_track, plan.radius) == (pytest.approx(0.1225), 0.05)
    # The chassis stretches: its centre in proportion, the integral of x^2 as the square.
    ratio = wheelbase / 0.325
    assert plan.to_tail == pytest.approx(-0.1477 * ratio)
    assert plan.to_nose == pytest.approx(0.39 + longer - 0.1477 * ratio)
    chassis = world.simulation.dynamics(world.robot.body, 1)
    spread = 0.5 * (0.050409 + 0.05865 - 0.010609)
    growth = spread * (ratio**2 - 1)
    assert chassis.inertia == pytest.approx((0.010609, 0.050409 + growth, 0.05865 + growth))
    open_ground(world)
    assert world.robot._plan.wheelbase == pytest.approx(0.325)


def test_at_the_nominal_wheelbase_the_car_is_the_files(world):
    loaded = world.simulation.load("racecar/racecar.urdf", flags=bullet.URDF_USE_INERTIA_FROM_FILE)
    client = world.simulation.client
    for link in range(-1, bullet.getNumJoints(loaded, physicsClientId=client)):
        one, other = (
            bullet.getDynamicsInfo(body, link, physicsClientId=client)
            for body in (loaded, world.robot.body)
        )
        # Mass, inertia, and where it is about; friction is the world's to set.
        assert (one[0], *one[2:5]) == (other[0], *other[2:5])
    for joint in range(bullet.getNumJoints(loaded, physicsClientId=client)):
        one, other = (
            bullet.getJointInfo(body, joint, physicsClientId=client)
            for body in (loaded, world.robot.body)
        )
        stops = slice(8, 10)
        steers = one[1].decode().endswith("steering_hinge_joint")
        assert other[stops] == ((-1.5, 1.5) if steers else one[stops])
        assert one[1:6] + one[10:] == other[1:6] + other[10:]


@pytest.mark.parametrize("wheelbase", [0.25, 0.325, 0.45])
def test_goes_around_a_curve_as_its_geometry_says(world, wheelbase):
    open_ground(world, wheelbase=wheelbase)
    speeds, turning = drive(world, 0.2, 1.0, 80)
    assert speeds[-20:].mean() == pytest.approx(1.0, rel=0.02)
    # Kinematic bicycle: yaw rate = v tan(delta) / wheelbase.
    assert turning[-20:].mean() == pytest.approx(math.tan(0.2) / wheelbase, rel=0.04)


@pytest.mark.parametrize("friction", [0.3, 0.6, 0.9])
def test_tyres_hold_as_much_as_their_friction(world, friction):
    open_ground(world, tyre_friction=friction)
    moving = []
    for _ in range(160):
        drive(world, racecar.STEERING, 3.0, 1)
        moving.append(centre_velocity(world))
    # Newton's law for the whole car, which slides: all the force there is acts on its centre.
    pull = np.linalg.norm(np.diff(moving, axis=0), axis=1) / 0.05
    assert pull[-80:].mean() == pytest.approx(friction * 9.81, rel=0.1)
    assert pull[10:].max() < 1.01 * friction * 9.81


def test_pulls_away_with_the_motors_force_less_the_resistance(world):
    # Turning four wheels faster takes the force of 4 I / r^2 = 0.66 kg more.
    mass = 5.892 + 4 * 0.00041226 / 0.05**2
    for strength, resistance in ((1.0, 0.0), (0.5, 0.0), (0.5, 0.1)):
        open_ground(
            world, motor_strength=strength, rolling_resistance=resistance, tyre_friction=2.0
        )
        speeds, _ = drive(world, STRAIGHT, racecar.TOP_SPEED, 6)
        start, end = speeds[1], speeds[5]
        force = strength * 40.0 * (1 - 0.5 * (start + end) / 12.0) - resistance * 5.892 * 9.81
        assert (end - start) / 0.2 == pytest.approx(force / mass, rel=0.06)


def test_a_late_command_finds_the_car_standing(world):
    # 0.15 s are three control steps, in which nothing was commanded yet.
    open_ground(world, action_delay=0.15)
    speeds, _ = drive(world, 0.0, 8.0, 5)
    assert np.all(speeds[:3] < 0.01)
    assert speeds[4] > speeds[3] > 0.1


def test_resistance_beyond_the_motors_force_brings_it_to_a_stand(world):
    open_ground(world)
    assert drive(world, STRAIGHT, 2.0, 40)[0][-1] == pytest.approx(2.0, rel=0.02)
    world.robot.set_motors(motor_strength=0.2, rolling_resistance=0.3)
    assert drive(world, STRAIGHT, 2.0, 80)[0][-1] < 0.05


def test_mass_and_inertia_read_back(world):
    open_ground(world, chassis_mass=8.0)
    chassis = world.simulation.dynamics(world.robot.body, 1)
    assert chassis.mass == pytest.approx(8.0)
    assert chassis.inertia == pytest.approx((0.021218, 0.100818, 0.1173))
    speeds, _ = drive(world, STRAIGHT, racecar.TOP_SPEED, 6)
    open_ground(world)
    assert world.simulation.dynamics(world.robot.body, 1).mass == pytest.approx(4.0)
    assert speeds[-1] < 0.75 * drive(world, STRAIGHT, racecar.TOP_SPEED, 6)[0][-1]


@pytest.mark.parametrize(
    ("offset", "wheelbase"),
    [(-0.1, 0.325), (-0.05, 0.325), (0.0, 0.325), (0.05, 0.325), (0.1, 0.325), (0.05, 0.45)],
)
def test_load_offset_moves_weight_to_the_front_wheels(world, offset, wheelbase):
    open_ground(world, load_offset=offset, wheelbase=wheelbase)
    drive(world, STRAIGHT, 0.0, 40)
    loads = []
    for _ in range(20):
        drive(world, STRAIGHT, 0.0, 1)
        contacts = bullet.getContactPoints(
            world.robot.body, physicsClientId=world.simulation.client
        )
        front = sum(c[9] for c in contacts if c[3] in (5, 7))
        loads.append((front, sum(c[9] for c in contacts)))
    front, total = np.mean(loads, axis=0)
    assert total == pytest.approx(5.892 * 9.81, rel=0.02)
    # Moments about the rear axle: chassis at 0.1477 m (of a wheelbase of 0.325 m), LiDAR 0.06 m
    # behind the front axle, front wheels and hinges.
    moment = 4.0 * (0.1477 / 0.325 * wheelbase + offset)
    moment += 0.13 * (wheelbase - 0.06) + 0.8811 * wheelbase
    assert front == pytest.approx(moment * 9.81 / wheelbase, rel=0.03)


def test_servo_turns_at_its_rate_to_gain_times_command_plus_offset(world):
    open_ground(world, steering_gain=0.8, steering_offset=0.05, steering_rate=1.0)
    for step in (1, 2, 3):
        drive(world, 0.3, 0.0, 1)
        left, right = hinges(world)
        assert left == pytest.approx(0.05 * step, abs=0.002)
        assert right == pytest.approx(0.05 * step, abs=0.002)
    drive(world, 0.3, 0.0, 10)
    left, right = hinges(world)
    # Ackermann: both front wheels' axles meet the rear axle in one point, 0.325 / tan(0.29) away.
    radius = 0.325 / math.tan(0.29)
    assert left == pytest.approx(math.atan(0.325 / (radius - 0.1225)), abs=0.005)
    assert right == pytest.approx(math.atan(0.325 / (radius + 0.1225)), abs=0.005)


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_no_stop_holds_the_inner_wheel_of_the_tightest_turn(world, side):
    # The farthest that any parameters steer, with the shortest wheelbase.
    open_ground(world, wheelbase=0.25, steering_gain=1.5, steering_offset=0.4 * side)
    drive(world, racecar.STEERING * side, 0.0, 50)
    angle = 1.5 * racecar.STEERING + 0.4
    inner = math.atan2(0.25 * math.tan(angle), 0.25 - 0.1225 * math.tan(angle))
    assert inner == pytest.approx(1.458, abs=0.001)
    left, right = hinges(world)
    assert (left if side > 0 else right) == pytest.approx(inner * side, abs=0.01)


def test_a_standing_car_steers_as_fast_to_either_side(world):
    # Scrubbing tyres load the hinges: with 10 solver iterations the inner one lagged by a quarter.
    for side in (1.0, -1.0):
        open_ground(world, steering_rate=1.0)
        drive(world, 0.29 * side, 0.0, 5)
        assert hinges(world) == pytest.approx([0.25 * side] * 2, abs=0.004)


def corridor(world, offset=0.0, heading=0.0):
    """Put the car `offset` m left of the middle of a straight corridor, 2 m wide."""
    world.set_parameters({})
    world.reset(seed=0)
    centre = np.array([(-10.0, -5.0), (10.0, -5.0), (10.0, 5.0), (-10.0, 5.0)])
    inwards = np.array([(1.0, 1.0), (-1.0, 1.0), (-1.0, -1.0), (1.0, -1.0)])
    world.task.start(Circuit(centre, inwards, 2.0), 0, (0.0, -5.0 + offset, heading))
    raw = {c.name: np.zeros(c.size) for c in world.robot.channels}
    world.robot.sense(raw)
    return raw


def test_lidar_reads_the_walls_from_where_it_is_mounted(world):
    lidar = corridor(world, offset=0.25)["lidar"]
    angles = np.radians(np.linspace(-135, 135, 24))
    for angle, distance in zip(angles, lidar, strict=True):
        side = (1.25 if angle < 0 else 0.75) / abs(math.sin(angle))
        # Shallow beams go as far as the LiDAR does: 10 m, with 10.735 m to the wall ahead.
        assert distance == pytest.approx(min(side, 10.0))
    # Heading up: the LiDAR is 0.265 m nearer to the left wall, now ahead.
    lidar = corridor(world, heading=math.pi / 2)["lidar"]
    beam = math.radians(135 / 23)
    assert lidar[11:13] == pytest.approx([(1 - 0.265) / math.cos(beam)] * 2)


@pytest.mark.parametrize(
    ("offset", "heading", "touching"),
    [
        (0.0, 0.0, False),
        (1 - 0.155, 0.0, False),
        (1 - 0.14, 0.0, True),
        (-(1 - 0.155), 0.0, False),
        (-(1 - 0.14), 0.0, True),
        (1 - 0.42, math.pi / 2, False),
        (1 - 0.40, math.pi / 2, True),
        (1 - 0.42 - 0.1, math.pi / 2, False),
        (1 - 0.16, math.pi, False),
        # Turned by 45 degrees, the front left corner reaches (0.4065 + 0.145) / sqrt(2) aside.
        (1 - 0.41, math.pi / 4, False),
        (1 - 0.37, math.pi / 4, True),
    ],
)
def test_a_wall_is_touched_where_the_outline_crosses_it(world, offset, heading, touching):
    corridor(world, offset, heading)
    assert world.robot.touching is touching


def follow(world, seed, speed):
    """Drive an episode by pure pursuit of the centre line; return its rewards and last info."""
    world.reset(seed=seed)
    rewards = []
    while True:
        robot, circuit = world.robot, world.task.circuit
        piece, _ = circuit.project(robot.x, robot.y, world.task._piece)
        x, y, _ = circuit.pose((piece + 5) % len(circuit.centre))
        dx, dy = x - robot.x, y - robot.y
        aside = dy * math.cos(robot.yaw) - dx * math.sin(robot.yaw)
        steering = math.atan(2 * 0.325 * aside / (dx * dx + dy * dy))
        action = np.array([steering / racecar.STEERING, 2 * speed / racecar.TOP_SPEED - 1])
        _, reward, terminated, truncated, info = world.step(action)
        rewards.append(reward)
        if terminated or truncated:
            return rewards, info, terminated


def test_sensing_puts_what_moves_where_it_is_by_then(world):
    class Clock(Circuit):
        def move(self, time):
            times.append(time)

    times = []
    world.reset(seed=0)
    circuit = world.task.circuit
    piece, x, y, yaw = 0, *circuit.pose(0)
    normals = (circuit.left - circuit.centre) / 0.75
    world.task.start(Clock(circuit.centre, normals, 1.5), piece, (x, y, yaw))
    for _ in range(3):
        world.step(np.array([0.0, -1.0]))
    assert times == pytest.approx([0.05, 0.1, 0.15])
    world.reset(seed=0)
    assert world.robot.time == 0.0


def test_a_lap_is_a_success_and_returns_its_metres(world):
    for seed in range(4):
        rewards, info, crashed = follow(world, seed, speed=3.2)
        assert not crashed
        assert len(rewards) == Track.episode_steps
        assert info["success"]
        assert info["reward_terms"] == pytest.approx({"progress": sum(rewards), "crash": 0.0})
        assert LAP < sum(rewards) < 3.2 * 7.5
    rewards, info, crashed = follow(world, 0, speed=2.0)
    assert not crashed
    assert not info["success"]
    assert sum(rewards) < 2.0 * 7.5


def test_a_crash_ends_the_episode_and_costs(world):
    world.reset(seed=0)
    for _ in range(100):
        _, reward, terminated, truncated, info = world.step(np.array([1.0, 0.0]))
        if terminated:
            break
    assert terminated
    assert not truncated
    assert not info["success"]
    assert info["reward_terms"]["crash"] == -5.0
    assert reward < -4.0


def test_a_picture_shows_walls_and_changes_nothing():
    plain, shown = (
        build("headstart/RacecarTrack-v0", render_mode=mode) for mode in (None, "rgb_array")
    )
    for world in (plain, shown):
        world.reset(seed=1)
        world.reset(seed=2)
    image = shown.render()
    kerbs = (image[..., 0] > 150) & (image[..., 1] < 110) & (image[..., 2] < 60)
    assert kerbs.mean() > 0.005
    for action in np.random.default_rng(0).uniform(-1, 1, (20, 2)):
        one, other = plain.step(action)[0], shown.step(action)[0]
        assert np.array_equal(one, other)
        shown.render()
    assert not np.array_equal(image, shown.render())
    plain.close()
    shown.close()
