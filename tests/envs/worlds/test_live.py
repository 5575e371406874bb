"""Parameters that may change during an episode: nothing but their value changes, and at once."""

from functools import cache

import gymnasium as gym
import numpy as np
import pybullet as bullet
import pytest
from headstart.envs.catalog import WORLDS


def trajectory(world_id, adjust):
    """Return observations and rewards of 30 steps, `adjust` called with the world after ten."""
    world = gym.make(world_id)
    world.reset(seed=3)
    rng, found = np.random.default_rng(0), []
    for step in range(30):
        if step == 10:
            adjust(world.unwrapped)
        action = rng.uniform(-1, 1, world.action_space.shape).astype(np.float32)
        observation, reward, ended, _, _ = world.step(action)
        found.append([*observation, reward])
        if ended:
            break
    world.close()
    return np.array(found)


@cache
def plain_trajectory(world_id):
    return trajectory(world_id, lambda world: None)


def to_nominal(world):
    live = [parameter for parameter in world.parameters.values() if parameter.live]
    world.adjust_parameters({parameter.name: parameter.nominal for parameter in live})


@pytest.mark.parametrize("world_id", WORLDS)
def test_what_is_set_to_what_it_was_changes_nothing(world_id):
    found = trajectory(world_id, to_nominal)
    np.testing.assert_array_equal(found, plain_trajectory(world_id))


def masses(world):
    robot = world.robot
    links = range(-1, bullet.getNumJoints(robot.body, physicsClientId=robot.simulation.client))
    return {link: robot.simulation.dynamics(robot.body, link) for link in links}


@pytest.mark.parametrize(
    ("world_id", "load", "link", "kilograms"),
    [
        ("headstart/PandaReach-v0", {"payload_mass": 2.0}, "hand", 2.0),
        ("headstart/Hopper-v0", {"payload": 0.5}, "torso", None),
        ("headstart/A1Walk-v0", {"payload_mass": 4.0}, -1, 4.0),
    ],
)
def test_a_load_is_taken_up_and_put_down_in_mid_episode(world_id, load, link, kilograms):
    """The link's mass follows at once, no other link's, and no speed jumps."""
    seen = []

    def take_up(world):
        robot = world.robot
        carries = getattr(robot, link) if isinstance(link, str) else link
        before, extra = masses(world), kilograms
        if extra is None:  # a share of the torso
            extra = load["payload"] * before[carries].mass
        speeds = [state[1] for state in joints(robot)]
        world.adjust_parameters(load)
        assert [state[1] for state in joints(robot)] == speeds
        after = masses(world)
        assert after[carries].mass == pytest.approx(before[carries].mass + extra, rel=1e-6)
        others = before.keys() - {carries}
        assert {one: before[one].mass for one in others} == {one: after[one].mass for one in others}
        seen.append(before)

    def take_up_and_put_down(world):
        take_up(world)
        world.adjust_parameters(dict.fromkeys(load, 0.0))
        assert masses(world) == seen[-1]

    plain = plain_trajectory(world_id)
    loaded = trajectory(world_id, take_up)
    np.testing.assert_array_equal(loaded[:10], plain[:10])
    assert not np.array_equal(loaded[10:20], plain[10:20])
    np.testing.assert_array_equal(trajectory(world_id, take_up_and_put_down), plain)


def joints(robot):
    return bullet.getJointStates(
        robot.body,
        range(bullet.getNumJoints(robot.body, physicsClientId=robot.simulation.client)),
        physicsClientId=robot.simulation.client,
    )
