"""Physics holds on the whole box of bounds: what robots truly do stays near what they declare."""

import gymnasium
import numpy as np
import pytest
from headstart.envs.catalog import WORLDS

ROOM = 1.4
"""Times the declared range: random actions at a corner may well throw a robot about."""


@pytest.mark.parametrize("world_id", WORLDS)
def test_nothing_explodes_at_corners_or_inside(world_id):
    world = gymnasium.make(world_id).unwrapped
    rng = np.random.default_rng(5)
    for draw in range(8):
        values = {
            p.name: float(rng.choice([p.low, p.high]) if draw % 2 else rng.uniform(p.low, p.high))
            for p in world.parameters.values()
        }
        world.set_parameters(values)
        world.reset(seed=draw)
        for _ in range(150):
            action = rng.uniform(-1, 1, world.action_space.shape)
            _, reward, terminated, truncated, _ = world.step(action)
            assert abs(reward) < 250, values
            for channel in world.robot.channels:
                true = world._sensing.raw[channel.name]
                middle = (np.add(channel.high, channel.low)) / 2
                half = np.subtract(channel.high, channel.low) / 2
                # A camera that does not see reports NaN, but what is true is a number.
                assert (np.abs(true - middle) <= ROOM * half).all(), (channel.name, values)
            if terminated or truncated:
                world.reset()
    world.close()
