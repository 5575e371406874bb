"""The pusher and its puck: control, friction, contacts and sensing by hand-worked values."""

import math

import numpy as np
import pybullet
import pytest
from headstart.envs import build
from headstart.envs.robots.panda import hand_jacobian, panda_tip
from headstart.envs.robots.panda_pusher import BALL, HEIGHT, REACH, SPEED
from headstart.envs.tasks.puck import RADIUS, TALL


@pytest.fixture
def world():
    env = build("headstart/PandaPush-v0")
    yield env
    env.close()


def part(world, observation, name):
    start = 0
    for channel in world.channels:
        if channel.name == name:
            return observation[start : start + channel.size].astype(float)
        start += channel.size
    raise KeyError(name)


def go(world, velocity, steps):
    """Command a velocity (m/s) of the ball and return the last observation."""
    for _ in range(steps):
        observation, *_ = world.step(np.array(velocity) / SPEED)
    return observation


def slide(world, speed, steps=50):
    """Let the puck slide along y, away from the ball, and return how far it went (m)."""
    puck, client = world.task.puck.body, world.simulation.client
    before = world.robot.puck_at
    pybullet.resetBaseVelocity(puck, (0.0, speed, 0.0), physicsClientId=client)
    go(world, (0.0, 0.0), steps)
    return math.dist(before, world.robot.puck_at)


def puck_speed(world):
    velocity, _ = pybullet.getBaseVelocity(
        world.task.puck.body, physicsClientId=world.simulation.client
    )
    return math.hypot(*velocity)


def script(world, observation):
    """Go behind the puck, then push it towards the goal."""
    to_puck = part(world, observation, "puck_minus_ball")
    to_goal = part(world, observation, "goal_minus_puck")
    far = math.hypot(*to_goal)
    if far < 0.02:
        return np.zeros(2)
    ahead = to_goal / far
    side = np.array([-ahead[1], ahead[0]])
    along, across = to_puck @ ahead, to_puck @ side
    if along < 0.03:
        velocity = 6 * (
            to_puck - 0.1 * ahead - math.copysign(max(0, 0.1 - abs(across)), across) * side
        )
    elif abs(across) > 0.03:
        velocity = 6 * (to_puck - 0.1 * ahead)
    else:
        velocity = 0.3 * min(1, far / 0.05) * ahead + 5 * across * side
    return np.clip(velocity / SPEED, -1, 1)


def test_the_jacobian_agrees_with_pybullet(world):
    rng = np.random.default_rng(0)
    simulation, body = world.simulation, world.robot.body
    for joints in rng.uniform(-1.5, 1.5, (20, 7)).tolist():
        point, axis, effects = hand_jacobian(joints, REACH)
        simulation.place_joints(body, range(7), joints)
        state = pybullet.getLinkState(
            body, BALL, computeForwardKinematics=1, physicsClientId=simulation.client
        )
        assert point == pytest.approx(state[4], abs=1e-6)
        assert point == pytest.approx(panda_tip(joints, REACH))
        turn = np.reshape(pybullet.getMatrixFromQuaternion(state[5]), (3, 3))
        assert axis == pytest.approx(turn[:, 2], abs=1e-6)
        linear, angular = pybullet.calculateJacobian(
            body, BALL, [0.0] * 3, joints, [0.0] * 7, [0.0] * 7, physicsClientId=simulation.client
        )
        expected = np.vstack((linear, np.array(angular)[:2])).T
        assert effects == pytest.approx(expected.ravel(), abs=1e-6)


def test_the_ball_moves_as_commanded_at_one_height(world):
    world.reset(seed=0)
    x, y, _ = world.robot.ball_at
    for _ in range(10):
        go(world, (0.1, -0.2), 1)
        assert world.robot.ball_at[2] == pytest.approx(HEIGHT, abs=0.001)
    # The motors take their first step's velocity at once: 10 steps of 0.04 s.
    assert world.robot.ball_at[:2] == pytest.approx((x + 0.04, y - 0.08), abs=0.003)


def test_the_controller_goes_by_the_reported_angles(world):
    world.set_parameters({"encoder_offset": 0.2})
    observation, _ = world.reset(seed=0)
    observation = go(world, (0.0, 0.0), 40)
    # The camera is right, so what the policy is told of the way to the puck is off with the ball.
    believed = panda_tip(part(world, observation, "joint_positions").tolist(), REACH)
    seen = part(world, observation, "puck_minus_ball")
    assert seen == pytest.approx(np.subtract(world.robot.puck_at, believed)[:2], abs=1e-6)
    assert believed[2] == pytest.approx(HEIGHT, abs=0.001)
    assert abs(world.robot.ball_at[2] - HEIGHT) > 0.005


def test_the_ball_does_not_leave_the_fence(world):
    world.reset(seed=0)
    go(world, (0.0, 0.35), 60)
    assert world.robot.ball_at[1] == pytest.approx(0.4, abs=0.02)


def test_an_untouched_puck_neither_creeps_nor_tips(world):
    for friction in (0.05, 0.4, 1.0):
        world.set_parameters({"puck_friction": friction, "puck_mass": 3.0})
        world.reset(seed=0)
        before = world.robot.puck_at
        go(world, (0.0, 0.0), 100)
        assert world.robot.puck_at == pytest.approx(before, abs=2e-4)
        assert world.robot.puck_at[2] == pytest.approx(TALL / 2, abs=1e-4)


@pytest.mark.parametrize("friction", [0.2, 0.4, 0.8])
def test_a_sliding_puck_stops_as_coulomb_says(world, friction):
    # From 0.6 m/s it stops after v^2 / (2 mu g), less half a physics step at full speed, which
    # already brakes: 0.0429 m with a coefficient of 0.4.
    world.set_parameters({"puck_friction": friction})
    world.reset(seed=0)
    expected = 0.36 / (2 * friction * 9.81) - 0.003
    assert slide(world, 0.6) == pytest.approx(expected, abs=3e-4)
    assert world.robot.puck_at[2] == pytest.approx(TALL / 2, abs=2e-4)


def test_the_stopping_distance_does_not_depend_on_mass_but_on_gravity(world):
    distances = {}
    for name, values in {"light": {"puck_mass": 0.3}, "heavy": {"puck_mass": 3.0}}.items():
        world.set_parameters(values)
        world.reset(seed=0)
        distances[name] = slide(world, 0.6)
    assert distances["light"] == pytest.approx(distances["heavy"], rel=0.03)
    world.set_parameters({"gravity": 5.0})
    world.reset(seed=0)
    assert slide(world, 0.6) == pytest.approx(0.36 / (2 * 0.4 * 5.0) - 0.003, abs=3e-4)


@pytest.mark.parametrize("offset", [0.0, 0.01, 0.02])
def test_the_table_bears_the_puck_under_its_centre_of_mass(world, offset):
    world.set_parameters({"puck_offset": offset, "puck_mass": 2.0})
    world.reset(seed=0)
    go(world, (0.0, 0.0), 10)
    contacts = pybullet.getContactPoints(
        world.task.puck.body, world.robot.ground, physicsClientId=world.simulation.client
    )
    forces = np.array([c[9] for c in contacts])
    assert forces.sum() == pytest.approx(2.0 * 9.81, rel=0.01)
    centre = sum(c[9] * c[5][1] for c in contacts) / forces.sum()
    assert centre - world.robot.puck_at[1] == pytest.approx(offset, abs=1e-3)


def test_a_knock_gives_momentum(world):
    # 0.2 N s give 0.5 kg a speed of 0.4 m/s; friction then takes 4 m/s^2.
    world.set_parameters({"knock": 0.2})
    world.reset(seed=0)
    speeds = []
    for _ in range(100):
        world.step(np.zeros(2))
        speeds.append(puck_speed(world))
    assert max(speeds) == pytest.approx(0.4, abs=0.01)
    assert sum(s > 0.39 for s in speeds) == len(world.task._knocks)


def test_a_bouncing_puck_leaves_the_ball_faster(world):
    def fastest(**values):
        world.set_parameters(values)
        world.reset(seed=0)
        world.simulation.place(world.task.puck.body, (*world.robot.ball_at[:2], TALL / 2))
        x, y, _ = world.robot.ball_at
        world.simulation.place(world.task.puck.body, (x + 0.12, y, TALL / 2))
        speeds = []
        for _ in range(15):
            go(world, (0.3, 0.0), 1)
            speeds.append(puck_speed(world))
        return max(speeds)

    # A driven ball at 0.3 m/s gives a puck at rest up to (1 + e) times its own speed.
    assert fastest() < 0.36
    assert 0.4 < fastest(bounce=0.9) < 0.3 * 1.9 + 0.02


def test_the_ball_touches_the_puck_at_the_sum_of_both_radii(world):
    for radius in (0.01, 0.02, 0.024):
        world.set_parameters({"ball_radius": radius})
        world.reset(seed=0)
        x, y, _ = world.robot.ball_at
        world.simulation.place(world.task.puck.body, (x + 0.12, y, TALL / 2))
        go(world, (0.2, 0.0), 20)
        gap = math.dist(world.robot.puck_at[:2], world.robot.ball_at[:2])
        assert gap == pytest.approx(RADIUS + radius, abs=0.002)


def test_a_peg_mounted_askew_is_not_where_the_controller_believes(world):
    world.set_parameters({"peg_offset": 0.04})
    observation, _ = world.reset(seed=0)
    believed = panda_tip(part(world, observation, "joint_positions").tolist(), REACH)
    assert math.dist(believed, world.robot.ball_at) == pytest.approx(0.04, abs=1e-4)


def test_the_camera_turns_about_the_arms_base(world):
    world.set_parameters({"camera_turn": 0.3})
    observation, _ = world.reset(seed=0)
    seen, (x, y, _) = part(world, observation, "puck"), world.robot.puck_at
    assert math.atan2(seen[1], seen[0]) - math.atan2(y, x) == pytest.approx(0.3, abs=1e-6)
    assert math.hypot(*seen) == pytest.approx(math.hypot(x, y), abs=1e-6)


def test_a_coordinate_that_is_not_seen_keeps_its_last_value(world):
    world.set_parameters({"puck_dropout": 0.5, "puck_noise": 0.01})
    observation, _ = world.reset(seed=0)
    seen = [part(world, observation, "puck")]
    for _ in range(80):
        observation = go(world, (0.0, 0.0), 1)
        seen.append(part(world, observation, "puck"))
    stays = np.diff(seen, axis=0) == 0.0
    assert 0.35 < stays.mean() < 0.65
    # The first one seen is the camera's too: it is off by what the camera is, in all episodes.
    world.set_parameters({"puck_dropout": 0.95, "camera_offset": 0.1})
    for seed in range(5):
        observation, _ = world.reset(seed=seed)
        off = part(world, observation, "puck") - world.robot.puck_at[:2]
        assert off == pytest.approx(0.1, abs=1e-6)


def test_goals_and_starts_do_not_depend_on_parameters(world):
    world.reset(seed=3)
    before = world.task.goal, world.robot.puck_at, world.robot.ball_at, world.task._knocks
    world.set_parameters({"puck_mass": 2.0, "knock": 0.2, "puck_noise": 0.01, "puck_friction": 0.9})
    world.reset(seed=3)
    after = world.task.goal, world.robot.puck_at, world.robot.ball_at, world.task._knocks
    assert after == before


def test_success_is_the_puck_staying_near_for_half_a_second(world):
    world.reset(seed=0)
    x, y, _ = world.robot.puck_at
    world.task.goal = (x + 0.03, y)
    outcomes = [world.task.judge() for _ in range(12)]
    assert [o.success for o in outcomes] == [False] * 11 + [True]
    assert outcomes[-1].terms["distance"] == pytest.approx(0.03)
    world.task.goal = (x + 0.06, y)
    away = world.task.judge()
    assert not away.success
    assert away.terms["reached"] == 0.0


def test_aim_says_on_which_side_of_the_puck_the_ball_is(world):
    world.reset(seed=0)
    (x, y, _), (ball_x, ball_y, _) = world.robot.puck_at, world.robot.ball_at
    dx, dy = x - ball_x, y - ball_y
    for goal, aim in (((dx, dy), 0.0), ((-dy, dx), 1.0), ((-dx, -dy), 2.0)):
        world.task.goal = (x + goal[0], y + goal[1])
        assert world.task.judge().terms["aim"] == pytest.approx(aim, abs=1e-9)


def test_a_geometric_script_solves_it(world):
    successes = 0
    for seed in range(10):
        observation, _ = world.reset(seed=seed)
        over = False
        while not over:
            observation, _, _, over, info = world.step(script(world, observation))
        successes += info["success"]
    assert successes >= 9
