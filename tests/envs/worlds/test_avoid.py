"""The road and its obstacles: rays, places and ends worked out by hand."""

import math

import numpy as np
import pytest
from headstart.envs.catalog import build
from headstart.envs.geometry.rays import Rays, Surroundings
from headstart.envs.geometry.road import (
    OBSTACLES,
    PACE_LENGTH,
    PIECE,
    ROAD_LENGTH,
    WALL_GAP,
    Obstacle,
    Road,
    generate_road,
    scatter,
    swing,
)
from headstart.envs.robots import racecar
from headstart.envs.tasks.avoid import FINISH, START_ALONG


@pytest.fixture
def world():
    env = build("headstart/RacecarAvoid-v0")
    yield env
    env.close()


def fan(*degrees: float, reach: float = 20.0) -> Rays:
    return Rays(np.zeros((len(degrees), 2)), np.radians(degrees), np.full(len(degrees), reach))


def straight(width: float = 2.0) -> Road:
    """30 m along +x, walls at y = 1 and y = -1 for the width of 2 m."""
    return Road(np.zeros(60), width)


def bend() -> Road:
    """A left-hand bend: 60 pieces that turn 0.02 rad each, a radius of 25 m."""
    return Road(0.02 * (np.arange(60) + 0.5), 2.0)


def room() -> Surroundings:
    """A room 20 m by 20 m around the origin."""
    return Surroundings([np.array([(-10.0, -10.0), (-10.0, 10.0), (10.0, 10.0), (10.0, -10.0)])])


def test_rays_end_at_discs() -> None:
    around = room()
    around.put_discs([(5.0, 0.0), (0.0, 3.0)], 1.0)
    # Ahead, past the edge of the first disc, to the second, behind: only the wall.
    assert around.cast(fan(0, 12, 90, 180), 0.0, 0.0, 0.0) == pytest.approx(
        [4.0, 10 / math.cos(math.radians(12)), 2.0, 10.0]
    )
    # 0.6 m aside of the middle of a disc of radius 1, half the chord is 0.8 m.
    assert around.cast(fan(0), 0.0, 0.6, 0.0) == pytest.approx([4.2])
    assert around.cast(fan(-90), 5.0, 4.0, 0.0) == pytest.approx([3.0])
    # The car turned, the disc is straight to its right.
    assert around.cast(fan(-90), 0.0, 0.0, math.pi / 2) == pytest.approx([4.0])


def test_the_nearer_of_two_discs_and_of_disc_and_wall_ends_a_ray() -> None:
    around = room()
    around.put_discs([(6.0, 0.0), (4.0, 0.0), (0.0, 10.5)], 1.0)
    assert around.cast(fan(0, 90), 0.0, 0.0, 0.0) == pytest.approx([3.0, 9.5])
    around.put_discs([(0.0, 11.5)], 1.0)
    assert around.cast(fan(0, 90), 0.0, 0.0, 0.0) == pytest.approx([10.0, 10.0])
    assert around.cast(fan(0, reach=2.0), 0.0, 0.0, 0.0) == pytest.approx([2.0])


def test_a_ray_that_starts_in_a_disc_is_there_at_once() -> None:
    around = room()
    around.put_discs([(0.5, 0.0)], 1.0)
    assert around.cast(fan(0, 90, 180), 0.0, 0.0, 0.0).tolist() == [0.0, 0.0, 0.0]


def test_rays_end_at_blocks_in_a_room() -> None:
    block = np.array([(2.0, -1.0), (4.0, -1.0), (4.0, 1.0), (2.0, 1.0)])
    walls = [room()._vertices[:2, :4].T, block]
    ranges = Surroundings(walls).cast(fan(0, 45, 180), 0.0, 0.0, 0.0)
    assert ranges == pytest.approx([2.0, 10 * math.sqrt(2), 10.0])
    assert Surroundings(walls).cast(fan(180, 90), 6.0, 0.5, 0.0) == pytest.approx([2.0, 9.5])


def test_swinging_turns_round_at_both_ends() -> None:
    ways = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 3.5, 4.0, -0.5, -1.0, -1.5]
    places = [0.0, 0.5, 1.0, 0.5, 0.0, -1.0, -0.5, 0.0, -0.5, -1.0, -0.5]
    assert [swing(way, 1.0) for way in ways] == pytest.approx(places)


def test_obstacles_are_where_their_speed_has_taken_them() -> None:
    crossing = Obstacle(along=7.0, aside=0.5, speed=-0.4, across=True)
    assert crossing.place(0.0, 0.7) == pytest.approx((7.0, 0.35))
    assert crossing.place(1.0, 0.7) == pytest.approx((7.0, -0.05))
    # At the wall after 2.625 s; a second later it is 0.4 m on its way back.
    assert crossing.place(3.625, 0.7) == pytest.approx((7.0, -0.3))
    pacing = Obstacle(along=7.0, aside=-1.0, speed=0.6, across=False)
    assert pacing.place(1.0, 0.7) == pytest.approx((7.6, -0.7))
    assert pacing.place(PACE_LENGTH / 0.6 + 1.0, 0.7) == pytest.approx(
        (7.0 + PACE_LENGTH - 0.6, -0.7)
    )
    road = straight()
    road.populate([crossing, pacing], 0.25)
    assert road.places(1.0) == [
        pytest.approx((7.0, 0.5 * (1 - 0.25 - WALL_GAP) - 0.4)),
        pytest.approx((7.6, -(1 - 0.25 - WALL_GAP))),
    ]


def test_a_straight_road_has_its_walls_where_its_width_says() -> None:
    road = straight()
    assert road.length == 30.0
    ranges = road.cast(fan(-90, 0, 30, 90, 180), 12.0, 0.2, 0.0)
    assert ranges == pytest.approx([1.2, 18.0, 1.6, 0.8, 12.0])
    assert road.point(7.3, -0.4) == pytest.approx((7.3, -0.4))
    assert road.project(7.3, -0.4, 0.0) == pytest.approx(7.3)
    assert road.project(2.2, 0.9, 25.0) == pytest.approx(2.2)


def test_distance_along_a_bend_is_continuous_and_goes_back_to_the_place() -> None:
    road = bend()
    for aside in (-0.9, 0.0, 0.9):
        before = 0.0
        for along in np.linspace(0.05, 29.95, 400).tolist():
            x, y = road.point(along, aside)
            found = road.project(x, y, before)
            assert found == pytest.approx(along, abs=1e-3)
            before = found
    # Its chords of 0.5 m lie on a circle of about 25 m around (0, 25).
    for along in (0.0, 10.0, 30.0):
        assert math.dist(road.point(along, 1.0), (0.0, 25.0)) == pytest.approx(24.0, abs=0.02)
    assert road.heading(10.0) == pytest.approx(0.4)


def test_roads_bend_gently_either_way_and_follow_from_the_seed() -> None:
    turns = []
    for seed in range(50):
        road = generate_road(np.random.default_rng(seed), 2.4)
        bends = np.diff(road._bends[1:-1]) / PIECE
        assert road.length == ROAD_LENGTH
        assert np.abs(bends).max() < 0.24
        assert max(map(abs, road._bends)) < 1.31
        turns.append(bends)
    assert np.min(turns) < -0.1
    assert np.max(turns) > 0.1
    wide, narrow = (generate_road(np.random.default_rng(3), width) for width in (3.2, 1.6))
    assert wide._points == narrow._points


def test_what_is_drawn_of_obstacles_does_not_depend_on_their_parameters() -> None:
    slow, fast = (scatter(np.random.default_rng(5), speed, 1.0) for speed in (0.5, 1.0))
    still = scatter(np.random.default_rng(5), 0.5, 0.0)
    for one, two, three in zip(slow, fast, still, strict=True):
        assert (one.along, one.aside, one.across) == (two.along, two.aside, two.across)
        assert (one.along, one.aside) == (three.along, three.aside)
        assert two.speed == pytest.approx(2 * one.speed)
        assert 0.25 <= abs(one.speed) <= 0.5
        assert three.speed == 0.0
    moving = [o.speed != 0 for k in range(100) for o in scatter(np.random.default_rng(k), 1, 0.3)]
    assert np.mean(moving) == pytest.approx(0.3, abs=0.06)


def put(world, obstacles, along=5.0, aside=0.0, askew=0.0, radius=0.25):
    """Put the car on a straight road, 2 m wide, between `obstacles`; return what it senses."""
    world.reset(seed=0)
    road = straight()
    road.populate(obstacles, radius)
    world.task.start(road, along, aside, askew)
    raw = {channel.name: np.zeros(channel.size) for channel in world.robot.channels}
    world.robot.sense(raw)
    return raw


def test_the_lidar_sees_an_obstacle(world) -> None:
    # The LiDAR, 0.265 m ahead of the axle, is 1.735 m from the middle of the obstacle; its two
    # middle beams pass that 5.87 degrees to the left and the right.
    aside = 1.735 * math.sin(math.radians(135 / 23))
    expected = 1.735 * math.cos(math.radians(135 / 23)) - math.sqrt(0.25**2 - aside**2)
    lidar = put(world, [Obstacle(7.0, 0.0, 0.0, True)])["lidar"]
    assert lidar[11:13] == pytest.approx([expected] * 2)
    assert put(world, [])["lidar"][11] > 9.0


@pytest.mark.parametrize(
    ("ahead", "aside", "touching"),
    [
        # The outline reaches 0.4065 m ahead, 0.05 m behind, 0.145 m to either side (and PyBullet's
        # margin of a few mm around each).
        (0.4065 + 0.27, 0.0, False),
        (0.4065 + 0.24, 0.0, True),
        (-0.05 - 0.27, 0.0, False),
        (-0.05 - 0.24, 0.0, True),
        (0.2, 0.145 + 0.27, False),
        (0.2, 0.145 + 0.24, True),
        (0.2, -0.145 - 0.24, True),
        # Off the corner, on the diagonal: 0.25 m away at 0.177 m ahead and aside.
        (0.4065 + 0.2, 0.145 + 0.2, False),
        (0.4065 + 0.165, 0.145 + 0.165, True),
        # Straddled: its middle is inside the outline.
        (0.2, 0.0, True),
    ],
)
def test_an_obstacle_is_touched_where_it_crosses_the_outline(world, ahead, aside, touching) -> None:
    put(world, [Obstacle(5.0 + ahead, aside / (1 - 0.25 - WALL_GAP), 0.0, True)])
    assert world.robot.touching is touching


def test_a_moving_obstacle_comes_to_a_standing_car(world) -> None:
    # From 1.5 m ahead at 1 m/s: the gap of 1.5 - 0.4065 - 0.25 m closes in 0.84 s.
    put(world, [Obstacle(6.5, 0.0, -1.0, False)])
    for _ in range(40):
        _, reward, terminated, _, info = world.step(np.array([0.0, -1.0]))
        if terminated:
            break
    assert world.robot.time == pytest.approx(0.84, abs=0.06)
    assert info["reward_terms"]["crash"] == -20.0
    assert not info["success"]
    assert reward == pytest.approx(-20.0, abs=0.05)


def cruise(world, speed):
    """Drive down the middle of a straight road until the episode ends."""
    total = 0.0
    while True:
        robot = world.robot
        steering = -robot.y - 1.5 * robot.yaw
        action = np.array([steering / racecar.STEERING, 2 * speed / racecar.TOP_SPEED - 1])
        _, reward, terminated, truncated, info = world.step(action)
        total += reward
        if terminated or truncated:
            return total, terminated, info


def test_the_end_of_the_road_is_a_success_and_returns_its_metres(world) -> None:
    put(world, [Obstacle(12.0, 1.0, 0.0, True)], along=START_ALONG, aside=0.2)
    total, terminated, info = cruise(world, 4.0)
    assert terminated
    assert info["success"]
    assert total == pytest.approx(FINISH - START_ALONG, abs=0.25)
    # 12 s are up before the end, or something stands in the way.
    put(world, [], along=START_ALONG)
    total, terminated, info = cruise(world, 1.0)
    assert not terminated
    assert not info["success"]
    assert 11.0 < total < 12.0
    put(world, [Obstacle(12.0, 0.0, 0.0, True)], along=START_ALONG)
    total, terminated, info = cruise(world, 4.0)
    assert terminated
    assert not info["success"]
    assert total == pytest.approx(12 - 0.4065 - 0.25 - START_ALONG - 20, abs=0.25)


def test_a_reset_puts_obstacles_on_the_road_free_of_its_walls_and_the_car(world) -> None:
    for radius, width in ((0.15, 3.2), (0.4, 1.6)):
        world.set_parameters({"obstacle_radius": radius, "road_width": width, "obstacle_speed": 3})
        for seed in range(30):
            world.reset(seed=seed)
            road = world.task.road
            assert not world.robot.touching
            walls = Surroundings([np.concatenate((road.left, road.right[::-1]))])
            around = fan(*range(0, 360, 3))
            for time in (0.0, 1.7, 9.9):
                places = road.places(time)
                assert len(places) == OBSTACLES
                road.move(time)
                for x, y in places:
                    assert road.cast(around, x, y, 0.0).max() == 0.0
                    assert walls.cast(around, x, y, 0.0).min() > radius + 0.5 * WALL_GAP


def through_a_gap(lidar):
    """Steer towards the nearest direction with room for the car, as fast as that room allows."""
    angles = np.radians(np.linspace(-135, 135, len(lidar)))
    x, y = lidar * np.cos(angles), lidar * np.sin(angles)
    choices = []
    for way in np.radians(np.arange(-60, 61, 6)).tolist():
        along = math.cos(way) * x + math.sin(way) * y
        aside = math.cos(way) * y - math.sin(way) * x
        room = min(along[(along > 0.0) & (np.abs(aside) < 0.38)], default=racecar.RANGE)
        choices.append((min(room, 4.0) - 0.6 * abs(way), way, room))
    _, way, room = max(choices)
    steering = np.clip(1.2 * way / racecar.STEERING, -1.0, 1.0)
    return np.array([steering, 2 * min(3.0, 0.6 + 1.1 * room) / racecar.TOP_SPEED - 1])


def test_what_the_lidar_shows_is_enough_to_get_through_most_roads(world) -> None:
    arrived = []
    for seed in range(12):
        observation, _ = world.reset(seed=seed)
        done = False
        while not done:
            action = through_a_gap(observation[: racecar.BEAMS].astype(float))
            observation, _, terminated, truncated, info = world.step(action)
            done = terminated or truncated
        arrived.append(info["success"])
    assert sum(arrived) >= 8


def test_a_picture_shows_barrels(world) -> None:
    shown = build("headstart/RacecarAvoid-v0", render_mode="rgb_array")
    shown.reset(seed=0)
    image = shown.render().astype(int)
    shown.close()
    barrels = (image[..., 2] > 110) & (image[..., 0] < 40)
    assert barrels.mean() > 0.002
