"""`help` of a world tells what each element of its observations and actions is, in units."""

import inspect
import re

import pytest
from headstart.envs.catalog import WORLDS, build


@pytest.mark.parametrize("world_id", WORLDS)
def test_it_numbers_all_elements_with_their_units(world_id):
    world = build(world_id)
    told = inspect.getdoc(world)
    world.close()
    seen, done = told.split("Action, float32")
    rows = re.findall(r"^ +(\d+)(?:\.\.(\d+))?  +(\w+) +(\S+(?: \S+)*)  +", seen, re.MULTILINE)
    elements = []
    for (first, last, name, unit), channel in zip(rows, world.channels, strict=True):
        elements += range(int(first), int(last or first) + 1)
        assert (name, unit) == (channel.name, channel.unit)
    assert elements == list(range(world.observation_space.shape[0]))
    commands = re.findall(r"^ +(\d+)  +(\w+) +(\S+(?: \S+)*)  +", done, re.MULTILINE)
    assert commands == [(str(k), c.name, c.unit) for k, c in enumerate(world.robot.commands)]
    assert all(f"{weight:g} {term}" in done for term, weight in world.task.weights.items())
    assert world_id in told
