"""All worlds in one table: registration, docs and contract tests are driven by it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

import gymnasium

from ..core.errors import HeadstartError, nearest
from .docstrings import docstring
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
    why_timing: str
    """What the choice of physics steps and solver iterations is good for."""

    def parts(self) -> tuple[type[Robot], type[Task]]:
        """Import the robot's and the task's class (PyBullet is loaded no sooner)."""
        robot, task = (_load(path) for path in (self.robot, self.task))
        return robot, task


GYM = Timing(timestep=0.0165 / 4, substeps=4, solver_iterations=5)
WHY_GYM = (
    "That of PyBullet's own Gym worlds, so that returns compare; more iterations change little."
)
CAR = Timing(timestep=1 / 100, substeps=5, solver_iterations=30)
WHY_CAR = (
    "From 30 iterations on the servo turns scrubbing tyres at its own rate (with 10 one side "
    "lags), and tyres hardly sink in; the error is that of tyres that slide, whatever is chosen."
)
# Fine enough for the motors and contacts of each world, no finer.
WORLDS = {
    PREFIX + entry.id: entry
    for entry in (
        Entry(
            "CartPoleSwingUp-v0",
            ".robots.cartpole:CartPole",
            ".tasks.swing_up:SwingUp",
            Timing(timestep=1 / 100, substeps=4, solver_iterations=10),
            "a cart swings up a pole and balances it",
            "Nothing touches, so that iterations change nothing; each halving of the physics step "
            "halves the error.",
        ),
        Entry(
            "PandaReach-v0",
            ".robots.panda:Panda",
            ".tasks.reach:Reach",
            Timing(timestep=1 / 100, substeps=4, solver_iterations=50),
            "a Franka Panda brings its tool's tip to a random goal and keeps it there",
            "50 iterations keep the tip within 2 mm of 300, on average over 60 random steps; 20 do "
            "not (7 mm).",
        ),
        Entry(
            "KukaReach-v0",
            ".robots.kuka:Kuka",
            ".tasks.reach:Reach",
            Timing(timestep=1 / 100, substeps=4, solver_iterations=50),
            "a KUKA LBR iiwa brings its tool's tip to a random goal and keeps it there",
            "50 iterations keep the tip within 0.5 mm of 300; 20 do not (2 mm).",
        ),
        Entry(
            "PandaPush-v0",
            ".robots.panda_pusher:PandaPusher",
            ".tasks.push:Push",
            Timing(timestep=1 / 100, substeps=4, solver_iterations=50),
            "a Franka Panda pushes a puck over a table to a random goal",
            "After 4 s of pushing the puck is 4 mm from where 1/1600 s and 200 iterations have it "
            "(20 iterations: 9 mm); at rest it creeps by 0.03 mm.",
        ),
        Entry(
            "RacecarTrack-v0",
            ".robots.racecar:Racecar",
            ".tasks.track:Track",
            CAR,
            "an MIT racecar drives laps on random walled tracks by LiDAR",
            WHY_CAR,
        ),
        Entry(
            "RacecarAvoid-v0",
            ".robots.racecar:Racecar",
            ".tasks.avoid:Avoid",
            CAR,
            "an MIT racecar drives down a road between standing and moving obstacles",
            WHY_CAR,
        ),
        Entry(
            "RacecarPark-v0",
            ".robots.parking_car:ParkingCar",
            ".tasks.park:Park",
            CAR,
            "an MIT racecar parks in a free bay, nose first or tail first",
            WHY_CAR,
        ),
        Entry(
            "Hopper-v0",
            ".robots.hopper:Hopper",
            ".tasks.run:HopperRun",
            GYM,
            "a one-legged hopper runs",
            WHY_GYM,
        ),
        Entry(
            "HalfCheetah-v0",
            ".robots.half_cheetah:HalfCheetah",
            ".tasks.run:HalfCheetahRun",
            GYM,
            "half a cheetah, a torso on two legs, runs",
            WHY_GYM,
        ),
        Entry(
            "Ant-v0",
            ".robots.ant:Ant",
            ".tasks.run:AntRun",
            GYM,
            "a four-legged ant runs",
            WHY_GYM,
        ),
        Entry(
            "A1Walk-v0",
            ".robots.a1:A1",
            ".tasks.walk:Walk",
            Timing(timestep=1 / 160, substeps=5, solver_iterations=10),
            "a Unitree A1 walks straight ahead at a commanded speed",
            "10 iterations or 50: the same 4 mm from a reference with 1/3000 s and 200, over 0.9 s "
            "of trotting; half the step would halve that, and two steps are too few to stand on.",
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


def find(world_id: str) -> Entry:
    """Return a world's entry.

    Raises:
        HeadstartError: an unknown id; names the nearest.
    """
    if world_id not in WORLDS:
        raise HeadstartError(f"unknown world '{world_id}'{nearest(world_id, WORLDS)}")
    return WORLDS[world_id]


def build(world_id: str, **kwargs: Any) -> World:
    """Build a world of the catalog; `kwargs` go to `World`.

    Raises:
        HeadstartError: an unknown id; names the nearest.
    """
    entry = find(world_id)
    robot, task = entry.parts()
    return _kind(entry)(robot, task, entry.timing, **kwargs)


@cache
def _kind(entry: Entry) -> type[World]:
    """Return a class of its own for a world, so that `help` of one tells its tables."""
    told = docstring(PREFIX + entry.id, entry.about, *entry.parts(), entry.timing)
    name = entry.id.partition("-")[0]
    return type(name, (World,), {"__doc__": told, "__module__": World.__module__})


def _load(path: str) -> Any:
    module, name = path.split(":")
    return getattr(import_module(module, __package__), name)
