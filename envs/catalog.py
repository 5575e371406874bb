"""The table of all worlds: registration, docs and contract tests are made from it."""

from __future__ import annotations

from functools import cache
from typing import Any

import gymnasium

from ..core.errors import HeadstartError, nearest
from .docstrings import docstring
from .world import World
from .worlds.entry import WorldEntry, import_named

WORLD_PREFIX = "headstart/"

WORLDS: dict[str, WorldEntry] = {
    WORLD_PREFIX + entry.id: entry
    for entry in map(
        import_named,
        (
            ".worlds.cartpole_swing_up:CARTPOLE_SWING_UP",
            ".worlds.panda_reach:PANDA_REACH",
            ".worlds.kuka_reach:KUKA_REACH",
            ".worlds.panda_push:PANDA_PUSH",
            ".worlds.racecar_track:RACECAR_TRACK",
            ".worlds.racecar_avoid:RACECAR_AVOID",
            ".worlds.racecar_park:RACECAR_PARK",
            ".worlds.hopper:HOPPER",
            ".worlds.half_cheetah:HALF_CHEETAH",
            ".worlds.ant:ANT",
            ".worlds.a1_walk:A1_WALK",
        ),
    )
}
"""Every world by its id, in the order in which tables show them."""


def register() -> None:
    """Register every world with Gymnasium.

    Importing headstart does it; a second call changes nothing.

    >>> register()
    >>> gymnasium.spec("headstart/PandaReach-v0").id
    'headstart/PandaReach-v0'
    """
    for world_id in WORLDS:
        if world_id not in gymnasium.registry:
            gymnasium.register(
                world_id,
                entry_point="headstart.envs.catalog:build",
                kwargs={"world_id": world_id},
                disable_env_checker=True,
                order_enforce=False,
            )


def find_world(world_id: str) -> WorldEntry:
    """Return a world's entry in the catalog.

    Raises:
        HeadstartError: an unknown id; names the nearest.

    >>> find_world("headstart/Ant-v0").about
    'a four-legged ant runs'
    """
    if world_id not in WORLDS:
        raise HeadstartError(f"unknown world '{world_id}'{nearest(world_id, WORLDS)}")
    return WORLDS[world_id]


def control_period(world_id: str) -> float | None:
    """Return what a step of a world takes on its robot, in seconds; None of a world not of ours.

    >>> control_period("headstart/PandaReach-v0"), control_period("Pendulum-v1")
    (0.04, None)
    """
    entry = WORLDS.get(world_id.removeprefix("headstart:"))
    return None if entry is None else entry.timing.period


def build(world_id: str, **kwargs: Any) -> World:
    """Build a world of the catalog, without Gymnasium's wrappers.

    Args:
        world_id: the world's id, as in "headstart/PandaReach-v0".
        kwargs: further arguments of `World`, such as `render_mode`.

    Returns:
        The world; `gymnasium.make(world_id)` gives the same, wrapped.

    Raises:
        HeadstartError: an unknown id; names the nearest.

    >>> world = build("headstart/CartPoleSwingUp-v0")
    >>> observation, info = world.reset(seed=0)
    >>> observation, reward, terminated, truncated, info = world.step(world.action_space.sample())
    >>> world.close()
    """
    entry = find_world(world_id)
    robot, task = entry.parts()
    return _world_class(WORLD_PREFIX + entry.id)(robot, task, entry.timing, **kwargs)


@cache
def _world_class(world_id: str) -> type[World]:
    """Return a class for one world, so that `help` of it shows the world's tables."""
    entry = WORLDS[world_id]
    text = docstring(world_id, entry.about, *entry.parts(), entry.timing)
    name = entry.id.partition("-")[0]
    return type(name, (World,), {"__doc__": text, "__module__": World.__module__})
