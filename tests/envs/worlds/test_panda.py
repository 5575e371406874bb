"""The Panda: kinematics, and parameters read back from PyBullet."""

import numpy as np
import pybullet
import pytest
from headstart.envs import build
from headstart.envs.robots.panda import HAND, JOINTS, PANDA_FLANGE, PANDA_TORQUES, panda_tip


@pytest.fixture
def world():
    env = build("headstart/PandaReach-v0")
    yield env
    env.close()


def test_forward_kinematics_agree_with_pybullet(world):
    rng = np.random.default_rng(0)
    simulation, body = world.simulation, world.robot.body
    for _ in range(50):
        joints = rng.uniform(
            [-2.9, -1.8, -2.9, -3.1, -2.9, 0, -2.9], [2.9, 1.8, 2.9, 0, 2.9, 3.7, 2.9]
        )
        simulation.place_joints(body, JOINTS, joints.tolist())
        flange, turn = pybullet.getLinkState(
            body, HAND, computeForwardKinematics=1, physicsClientId=simulation.client
        )[4:6]
        expected, _ = pybullet.multiplyTransforms(flange, turn, (0.0, 0.0, 0.105), (0, 0, 0, 1))
        assert panda_tip(joints.tolist(), PANDA_FLANGE + 0.105) == pytest.approx(expected, abs=1e-6)


def test_masses_and_inertias_are_read_back_as_set(world):
    body = world.robot.body
    nominal = {link: world.simulation.dynamics(body, link) for link in range(HAND + 1)}
    world.set_parameters({"link_mass_scale": 1.5, "payload_mass": 2.0})
    world.reset(seed=0)
    for link, before in nominal.items():
        if before.mass == 0:
            continue
        after = world.simulation.dynamics(body, link)
        expected = 1.5 * before.mass + (2.0 if link == HAND else 0.0)
        assert after.mass == pytest.approx(expected)
        factor = expected / before.mass
        assert after.inertia == pytest.approx([factor * part for part in before.inertia])


def test_motor_lag_is_first_order(world):
    # With a time constant of 0.1 s and a command held from rest, velocity targets follow
    # 1 - exp(-t / 0.1): after three physics steps of 0.01 s, 0.2592 of the command.
    world.set_parameters({"motor_lag": 0.1})
    world.reset(seed=0)
    world.robot.advance([1.0] + [0.0] * 6, 3)
    assert world.robot._velocity[0] == pytest.approx(1 - np.exp(-0.3))
    assert world.robot._velocity[0] == pytest.approx(0.2592, abs=1e-4)


def test_weak_motors_sag_under_a_payload(world):
    def drop(**parameters):
        world.set_parameters(parameters)
        world.reset(seed=0)
        height = world.robot.tip[2]
        for _ in range(48):
            world.step(np.zeros(7))
        return height - world.robot.tip[2]

    assert abs(drop()) < 0.01
    assert drop(motor_strength=0.2, payload_mass=5.0) > 0.2


def test_an_action_delay_is_exact_to_a_physics_step(world):
    # 0.014 s are 1.4 physics steps: the velocity command arrives as 0, 0.6, 1, 1.
    world.set_parameters({"action_delay": 0.014})
    world.reset(seed=0)
    applied = []
    inner = world.robot.advance
    world.robot.advance = lambda command, steps: (
        applied.extend([command[0]] * steps), inner(command, steps)
    )  # fmt: skip
    world.step(np.array([1.0] + [0.0] * 6))
    top = world.robot.commands[0].high
    assert applied == pytest.approx([0.0, 0.6 * top, top, top])


def test_the_believed_tip_uses_reported_joints_and_the_nominal_tool(world):
    world.set_parameters({"tool_length": 0.185})
    observation, _ = world.reset(seed=0)
    joints = observation[:7].tolist()
    goal, error = observation[14:17], observation[17:20]
    assert goal - error == pytest.approx(panda_tip(joints, PANDA_FLANGE + 0.105), abs=1e-6)
    believed = np.array(goal - error)
    assert np.linalg.norm(believed - world.robot.tip) == pytest.approx(0.08, abs=1e-6)


def test_success_is_staying_near_for_half_a_second(world):
    world.reset(seed=0)
    world.task.goal = world.robot.tip
    outcomes = [world.task.judge() for _ in range(12)]
    assert [o.success for o in outcomes] == [False] * 11 + [True]
    assert outcomes[-1].terms["reached"] == 1.0
    x, y, z = world.robot.tip
    world.task.goal = (x + 0.06, y, z)
    away = world.task.judge()
    assert away.terms["distance"] == pytest.approx(0.06)
    assert not away.success
    assert away.terms["reached"] == 0.0


def test_motor_strength_scales_the_torque_limits(world):
    world.set_parameters({"motor_strength": 0.5})
    world.reset(seed=0)
    assert world.robot._torques == pytest.approx([0.5 * torque for torque in PANDA_TORQUES])
