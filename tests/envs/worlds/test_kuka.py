"""The KUKA: kinematics checked against PyBullet, and what it shares with the Panda."""

import math

import numpy as np
import pybullet
import pytest
from headstart.envs import build
from headstart.envs.robots.kuka import KUKA_FLANGE, KUKA_HOME, KUKA_SPEEDS, kuka_tip


@pytest.fixture
def world():
    env = build("headstart/KukaReach-v0")
    yield env
    env.close()


def test_forward_kinematics_agree_with_pybullet(world):
    rng = np.random.default_rng(0)
    simulation, body = world.simulation, world.robot.body
    for joints in rng.uniform(-2.9, 2.9, (50, 7)).tolist():
        simulation.place_joints(body, range(7), joints)
        place, turn = pybullet.getLinkState(
            body, 6, computeForwardKinematics=1, physicsClientId=simulation.client
        )[4:6]
        axis = np.reshape(pybullet.getMatrixFromQuaternion(turn), (3, 3))[:, 2]
        expected = np.array(place) + (KUKA_FLANGE + 0.105) * axis
        assert kuka_tip(joints, KUKA_FLANGE + 0.105) == pytest.approx(expected, abs=1e-6)


def test_home_points_the_tool_down_into_the_middle_of_the_goals(world):
    tip = kuka_tip(KUKA_HOME, KUKA_FLANGE + 0.105)
    elbow = kuka_tip(KUKA_HOME, KUKA_FLANGE)
    assert tip == pytest.approx((0.475, 0.0, 0.35), abs=0.01)
    assert elbow[2] - tip[2] == pytest.approx(0.105, abs=1e-4)


def test_the_task_and_its_layout_are_those_of_the_panda(world):
    panda = build("headstart/PandaReach-v0")
    assert list(world.parameters) == list(panda.parameters)
    assert [(c.name, c.size) for c in world.channels] == [(c.name, c.size) for c in panda.channels]
    assert world.action_space == panda.action_space
    world.reset(seed=5)
    panda.reset(seed=5)
    assert world.task.goal == panda.task.goal
    panda.close()


def test_a_held_command_is_reached_at_the_joints(world):
    world.reset(seed=0)
    action = np.array([0.5, -0.2, 0.3, 0.2, -0.4, 0.3, 0.5])
    for _ in range(5):
        observation, *_ = world.step(action)
    assert observation[7:14] == pytest.approx(action * KUKA_SPEEDS, abs=0.01)


def test_the_believed_tip_is_this_arms(world):
    observation, _ = world.reset(seed=0)
    believed = observation[14:17] - observation[17:20]
    assert believed == pytest.approx(kuka_tip(observation[:7].tolist(), KUKA_FLANGE + 0.105))
    assert believed == pytest.approx(world.robot.tip, abs=1e-6)


@pytest.mark.parametrize("scale", [0.7, 1.0])
def test_the_greatest_damping_does_not_shake_the_light_wrist(world, scale):
    world.set_parameters({"joint_damping": 3.0, "link_mass_scale": scale})
    world.reset(seed=0)
    for _ in range(50):
        observation, *_ = world.step(np.zeros(7))
        assert np.abs(observation[7:14]).max() < 0.01


def test_inertias_are_the_files_and_scale_with_mass(world):
    wrist = world.simulation.nominal(world.robot.body, 6)
    assert wrist.inertia == pytest.approx((0.001, 0.001, 0.001))
    world.set_parameters({"payload_mass": 0.6})
    world.reset(seed=0)
    after = world.simulation.dynamics(world.robot.body, 6)
    assert after.mass == pytest.approx(0.9)
    assert after.inertia == pytest.approx([0.003] * 3)
    assert math.isclose(world.simulation.dynamics(world.robot.body, 5).mass, 1.8)
