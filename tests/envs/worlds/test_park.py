"""The parking car and its lot: reverse gear, poses and ends worked out by hand."""

import math

import numpy as np
import pytest
from headstart.envs.catalog import build
from headstart.envs.geometry.lot import (
    CENTRE,
    HALF_LENGTH,
    HALF_WIDTH,
    ROW,
    SIDE,
    Lot,
    Pose,
    generate_lot,
)
from headstart.envs.geometry.rays import Rays
from headstart.envs.robots import parking_car, racecar
from headstart.envs.tasks.park import IN_LINE, PARKED_STEPS, PARKED_WITHIN, way

UP = 0.5 * math.pi
NOSE_FIRST = Pose(0.0, ROW + CENTRE, -UP)


@pytest.fixture
def world():
    env = build("headstart/RacecarPark-v0")
    yield env
    env.close()


def lot(cars=(), goal=NOSE_FIRST, depth=4.0):
    return Lot(depth, list(cars), goal)


def put(world, where, pose, **parameters):
    """Reset, put the car at a pose on a lot, and return what it senses there."""
    world.set_parameters(parameters)
    world.reset(seed=0)
    world.task.start(where, pose)
    raw = {channel.name: np.zeros(channel.size) for channel in world.robot.channels}
    world.robot.sense(raw)
    return raw


def drive(world, steering, speed, steps):
    """Drive at a steering angle (rad) and a speed (m/s); return forward speeds and yaw rates."""
    action = np.array([steering / racecar.STEERING, speed / parking_car.PARKING_SPEED])
    seen = []
    for _ in range(steps):
        world.step(action)
        seen.append((world.robot.speed, world._sensing.raw["yaw_rate"][0]))
    return np.array(seen).T


def open_ground():
    """A lot of 500 m, to drive along from its middle."""
    return lot(depth=500.0)


def test_reverses_around_a_curve_as_its_geometry_says(world):
    put(world, open_ground(), Pose(0.0, 100.0, UP))
    for speed in (1.0, -1.0):
        speeds, turning = drive(world, 0.3, speed, 40)
        assert speeds[-20:].mean() == pytest.approx(speed, rel=0.02)
        # Kinematic bicycle, either way: yaw rate = v tan(delta) / wheelbase.
        assert turning[-20:].mean() == pytest.approx(speed * math.tan(0.3) / 0.325, rel=0.05)


@pytest.mark.parametrize("resistance", [0.0, 0.1])
def test_pulls_away_as_hard_backwards_as_forwards(world, resistance):
    gained = []
    for way_round in (1.0, -1.0):
        put(world, open_ground(), Pose(0.0, 100.0, UP))
        world.robot.set_motors(motor_strength=0.2, rolling_resistance=resistance)
        speeds, _ = drive(world, 0.0, 1.5 * way_round, 8)
        gained.append(way_round * (speeds[7] - speeds[3]) / 0.2)
    # 8 N less what the resistance takes, on 5.892 kg and the wheels' 0.66 kg; at about 0.4 m/s the
    # motors have lost 4 % of their torque.
    expected = (8.0 * 0.96 - resistance * 5.892 * 9.81) / 6.55
    assert gained == pytest.approx([expected] * 2, abs=0.06)


@pytest.mark.parametrize("resistance", [0.1, 0.21, 0.3])
def test_from_rest_both_ways_are_alike_from_the_first_step_on(world, resistance):
    gained = []
    for way_round in (1.0, -1.0):
        # What stands has some hundred-thousandths of a m/s, either way.
        put(world, open_ground(), Pose(0.0, 100.0, UP))
        world.robot.set_motors(motor_strength=0.318, rolling_resistance=resistance)
        speeds, _ = drive(world, 0.0, 1.5 * way_round, 20)
        gained.append(way_round * speeds)
    assert gained[0] == pytest.approx(gained[1], abs=0.01)
    # 12.7 N of motors: against 5.8 N it goes off, against 12.1 N it creeps, against 17.3 N it
    # stays.
    assert (gained[0][-1] > 0.9) == (resistance == 0.1)
    assert (gained[0][-1] > 0.01) == (resistance < 0.3)


def test_changing_direction_brakes_with_the_motors_force_and_the_resistance(world):
    def slowed(way_round, strength, resistance):
        put(world, open_ground(), Pose(0.0, 100.0, UP), tyre_friction=2.0)
        drive(world, 0.0, 1.5 * way_round, 30)
        world.robot.set_motors(motor_strength=strength, rolling_resistance=resistance)
        speeds, _ = drive(world, 0.0, -1.5 * way_round, 4)
        return way_round * (speeds[0] - speeds[3]) / 0.15

    for way_round in (1.0, -1.0):
        weak, strong = slowed(way_round, 0.2, 0.0), slowed(way_round, 0.4, 0.0)
        # 8 N more on 5.892 kg and the wheels' 0.66 kg, then 5.78 N of rolling resistance more.
        assert strong - weak == pytest.approx(8.0 / 6.55, rel=0.05)
        resisted = slowed(way_round, 0.2, 0.1)
        assert resisted - weak == pytest.approx(0.1 * 5.892 * 9.81 / 6.55, rel=0.05)


def test_it_is_told_its_pose_late_noisy_and_wrong(world):
    pose = Pose(0.4, 2.0, -1.2)
    raw = put(world, lot(), pose, position_bias=0.2, heading_bias=-0.1)
    assert raw["position"] == pytest.approx([0.4, 2.0])
    assert raw["heading"] == pytest.approx([-1.2])
    report = world._sensing.read(np.random.default_rng(0))
    assert report["position"] == pytest.approx(raw["position"] + 0.2, abs=1.0)
    world.step(np.zeros(2))
    report, raw = world._sensing.report, world._sensing.raw
    assert report["position"] - raw["position"] == pytest.approx([0.2, 0.2])
    assert report["heading"] - raw["heading"] == pytest.approx([-0.1])
    # The way to the goal follows from the wrong pose.
    expected = world.task.lot.goal.seen_from(*report["position"], *report["heading"])
    assert report["goal_place"] == pytest.approx(expected[:2])
    assert np.arctan2(*report["goal_turn"][::-1]) == pytest.approx(expected[2])
    put(world, lot(), pose, locating_delay=0.1)
    seen = []
    for _ in range(6):
        world.step(np.array([0.0, 1.0]))
        seen.append((world._sensing.raw["position"][1], world._sensing.report["position"][1]))
    true, told = np.array(seen).T
    assert told[2:] == pytest.approx(true[:-2])


def test_a_goal_seen_from_the_car():
    goal = Pose(1.0, 2.0, UP)
    assert goal.seen_from(1.0, 0.5, UP) == pytest.approx((1.5, 0.0, 0.0))
    assert goal.seen_from(0.0, 2.0, UP) == pytest.approx((0.0, -1.0, 0.0))
    assert goal.seen_from(0.0, 2.0, 0.0) == pytest.approx((1.0, 0.0, UP))
    # Around the back: from 170 to -170 degrees is a turn of 20 to the left.
    turn = Pose(0.0, 0.0, math.radians(-170)).seen_from(0.0, 0.0, math.radians(170))[2]
    assert turn == pytest.approx(math.radians(20))
    # 2 m aside of the bay count for 4 m.
    assert way(3.0, 2.0, -0.5) == pytest.approx(5.0 + 0.25)


def test_beams_end_at_parked_cars_and_walls():
    rays = Rays(np.zeros((4, 2)), np.radians([-90, 0, 90, 180]), np.full(4, 20.0))
    parked = [Pose(-0.6, ROW, UP), Pose(0.6, ROW, UP)]
    ranges = lot(parked).cast(rays, 0.0, ROW, UP)
    side = 0.6 - HALF_WIDTH
    assert ranges == pytest.approx([side, 4.0 - ROW, side, ROW])
    ranges = lot(parked).cast(rays, 0.6, 2.0, 0.0)
    assert ranges == pytest.approx([2.0 - ROW - HALF_LENGTH, SIDE - 0.6, 2.0, SIDE + 0.6])
    # A car parked askew by 45 degrees turns a corner to the beam.
    askew = lot([Pose(0.0, 1.0, 0.25 * math.pi)]).cast(rays, 0.0, 3.0, 0.0)
    nearer = math.sqrt(2) * min(HALF_LENGTH, HALF_WIDTH)
    assert askew[0] == pytest.approx(2.0 - nearer)


@pytest.mark.parametrize(
    ("pose", "touching"),
    [
        # Nose to the wall at y = 0, 0.4065 m ahead of the axle; then tail to it, 0.05 m behind.
        (Pose(0.0, 0.42, -UP), False),
        (Pose(0.0, 0.40, -UP), True),
        (Pose(0.0, 0.065, UP), False),
        (Pose(0.0, 0.045, UP), True),
        # Beside the parked car, whose flank is at x = 0.455.
        (Pose(0.455 - 0.155, 0.5, -UP), False),
        (Pose(0.455 - 0.14, 0.5, -UP), True),
        # In front of it; its end is at y = 0.628.
        (Pose(0.6, 0.628 + 0.42, -UP), False),
        (Pose(0.6, 0.628 + 0.40, -UP), True),
        (Pose(0.6, 0.628 + 0.065, UP), False),
        (Pose(0.6, 0.628 + 0.045, UP), True),
        # On top of it, and across its end with the right flank 0.145 m from the axle's middle.
        (Pose(0.6, 0.3, UP), True),
        (Pose(0.25, 0.79, 0.0), False),
        (Pose(0.25, 0.76, 0.0), True),
    ],
)
def test_touches_walls_and_parked_cars_with_its_outline(world, pose, touching):
    put(world, lot([Pose(0.6, ROW, UP)]), pose)
    assert world.robot.touching is touching


def test_draws_do_not_depend_on_the_sizes_and_the_bay_is_free():
    noses = []
    for seed in range(60):
        small, large = (
            generate_lot(np.random.default_rng(seed), *sizes) for sizes in ((0.5, 2.2), (1.1, 3.5))
        )
        assert small.goal == large.goal
        goal = small.goal
        noses.append(goal.yaw < 0)
        middle = goal.y + math.copysign(CENTRE, goal.yaw)
        assert middle == pytest.approx(ROW)
        beside = sorted(car.x - goal.x for car in small.cars if abs(car.x - goal.x) < 0.5)
        assert beside == pytest.approx([-0.25 - HALF_WIDTH, 0.25 + HALF_WIDTH])
        assert small.depth == pytest.approx(ROW + HALF_LENGTH + 2.2)
    assert 15 < sum(noses) < 45


def test_every_start_is_free_and_in_front_of_its_bay(world):
    for sizes in ((0.5, 2.2), (1.1, 3.5)):
        world.set_parameters({"bay_width": sizes[0], "lane_width": sizes[1], "wheelbase": 0.45})
        for seed in range(40):
            world.reset(seed=seed)
            assert not world.robot.touching
            robot, goal = world.robot, world.task.lot.goal
            _, _, turn = goal.seen_from(robot.x, robot.y, robot.yaw)
            assert abs(turn) < 0.5 * math.pi
            assert robot.y > ROW + HALF_LENGTH


def test_reward_counts_the_way_to_the_goal(world):
    goal = Pose(0.0, 3.0, UP)
    put(world, lot(goal=goal), Pose(0.0, 1.0, UP))
    for _ in range(10):
        _, reward, *_ = world.step(np.array([0.0, 0.5]))
    driven = 0.75 * 0.05
    left = 3.0 - world.robot.y
    assert reward == pytest.approx(2.0 * driven + 0.2 * math.exp(-3 * left), rel=0.05)
    for _ in range(10):
        _, reward, *_ = world.step(np.array([0.0, -0.5]))
    assert reward < -1.9 * driven


@pytest.mark.parametrize("backwards", [False, True])
def test_standing_where_it_belongs_for_half_a_second_is_a_success(world, backwards):
    goal = Pose(0.0, ROW + (-CENTRE if backwards else CENTRE), UP if backwards else -UP)
    put(world, lot(goal=goal), Pose(goal.x, goal.y + 0.8, goal.yaw))
    while True:
        left = world.robot.y - goal.y
        forwards = 1.5 * left * (-1.0 if backwards else 1.0)
        _, _, terminated, truncated, info = world.step(
            np.array([0.0, np.clip(forwards / parking_car.PARKING_SPEED, -1, 1)])
        )
        if terminated or truncated:
            break
    assert truncated
    assert info["success"]
    assert info["reward_terms"]["crash"] == 0.0
    assert info["reward_terms"]["stillness"] > 0.3 * 100


@pytest.mark.parametrize(
    ("off", "parked"),
    [
        (Pose(0.0, 0.0, 0.0), True),
        (Pose(0.0, PARKED_WITHIN - 0.02, 0.0), True),
        (Pose(0.0, PARKED_WITHIN + 0.02, 0.0), False),
        (Pose(PARKED_WITHIN + 0.02, 0.0, 0.0), False),
        (Pose(0.0, 0.0, IN_LINE - 0.03), True),
        (Pose(0.0, 0.0, -IN_LINE - 0.03), False),
    ],
)
def test_what_counts_as_parked(world, off, parked):
    goal = Pose(0.0, 1.5, UP)
    put(world, lot(goal=goal), Pose(goal.x + off.x, goal.y + off.y, goal.yaw + off.yaw))
    for _ in range(PARKED_STEPS - 1):
        world.step(np.zeros(2))
    terms, _, success = world.task.judge()
    assert terms["stillness"] == pytest.approx(float(parked), abs=0.05)
    assert success is parked
    # Passing through is not parking.
    drive(world, 0.0, 0.5, 3)
    terms, _, success = world.task.judge()
    assert terms["stillness"] == pytest.approx(0.0, abs=0.05)
    assert not success


def test_a_touch_ends_the_episode_and_costs(world):
    put(world, lot(), Pose(0.0, 0.8, -UP))
    for _ in range(40):
        _, reward, terminated, _, info = world.step(np.array([0.0, 1.0]))
        if terminated:
            break
    assert terminated
    assert not info["success"]
    assert info["reward_terms"]["crash"] == -3.0
    assert reward < -2.5


def test_a_picture_shows_the_bay_and_the_parked_cars():
    shown = build("headstart/RacecarPark-v0", render_mode="rgb_array")
    shown.reset(seed=0)
    image = shown.render().astype(int)
    shown.close()
    red, green, blue = np.moveaxis(image, -1, 0)
    assert ((green > 110) & (red < 60)).mean() > 0.002
    assert ((red > 180) & (blue < 110) & (green > 150)).mean() > 2e-4
    assert ((abs(red - 76) < 30) & (abs(blue - 110) < 40) & (green < 110)).mean() > 0.005
