"""All worlds in one table: registration, docs and contract tests are driven by it."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

import gymnasium

from .errors import HeadstartError, nearest
from .world import Robot, Task, Timing, World

PREFIX = "headstart/"


@dataclass(frozen=True)
class Entry:
    """One world: its id without the prefix, its two halves, and how time is divided."""

    id: str
    robot: str
    task: str
    timing: Timing
    about: str

    def parts(self) -> tuple[type[Robot], type[Task]]:
        """Import the robot's and the task's class (PyBullet is loaded no sooner)."""
        robot, task = (_load(path) for path in (self.robot, self.task))
        return robot, task


# Fine enough for the motors and contacts of each world, no finer. The arm: 50 iterations keep
# the tip within 2 mm of 300, on average over 60 random steps; 20 do not (7 mm). The car: from 30
# on, the servo turns scrubbing tyres at its own rate; with 10 one side lags.
WORLDS = {
    PREFIX + entry.id: entry
    for entry in (
        Entry(
            "PandaReach-v0",
            ".robots.panda:Panda",
            ".tasks.reach:Reach",
            Timing(timestep=1 / 100, substeps=4, solver_iterations=50),
            "a Franka Panda brings its tool's tip to a random goal and keeps it there",
        ),
        Entry(
            "RacecarTrack-v0",
            ".robots.racecar:Racecar",
            ".tasks.track:Track",
            Timing(timestep=1 / 100, substeps=5, solver_iterations=30),
            "an MIT racecar drives laps on random walled tracks by LiDAR",
        ),
    )
}


def register() -> None:
    """Register every world with Gymnasium (done when Gymnasium or headstart is imported)."""
    for world_id in WORLDS:
        if world_id not in gymnasium.registry:
            gymnasium.register(
                world_id,
                entry_point="headstart.envs.catalog:build",
                kwargs={"world_id": world_id},
                disable_env_checker=True,
                order_enforce=False,
            )


def build(world_id: str, **kwargs: Any) -> World:
    """Build a world of the catalog; `kwargs` go to `World`.

    Raises:
        HeadstartError: an unknown id; names the nearest.
    """
    if world_id not in WORLDS:
        raise HeadstartError(f"unknown world '{world_id}'{nearest(world_id, WORLDS)}")
    entry = WORLDS[world_id]
    robot, task = entry.parts()
    return World(robot, task, entry.timing, **kwargs)


def _load(path: str) -> Any:
    module, name = path.split(":")
    return getattr(import_module(module, __package__), name)
