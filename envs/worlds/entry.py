"""The entry of a world in the catalog."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from ..world import Robot, Task, Timing
from .family import Family

ENVS = __name__.rpartition(".worlds.")[0]
"""The package that the paths of robots, tasks and worlds are relative to."""


@dataclass(frozen=True)
class WorldEntry:
    """One world: its id without the prefix, its parts, its time, and its variation."""

    id: str
    robot: str
    """The robot's class as ".robots.module:Class", relative to `headstart.envs`."""
    task: str
    """The task's class, in the same form."""
    timing: Timing
    about: str
    why_timing: str
    """The reason for the number of physics steps and solver iterations."""
    ranges: Mapping[str, str] = field(default_factory=dict)
    """The recommended randomization, in the text form of `changes.py`, by parameter: what is
    uncertain on a real robot. Lengths, shapes and offsets of sensors are left out, so that shifts
    can be hidden from the randomization."""
    families: Mapping[str, Family] = field(default_factory=dict)
    """The families of shifts by name, at their extremes."""
    unmodelled: Mapping[str, str] = field(default_factory=dict)
    """The shift `unmodelled`: parameters that `ranges` leaves out, changed by 20 % of their
    nominals, or of their upper bound where the nominal is 0."""

    def parts(self) -> tuple[type[Robot], type[Task]]:
        """Import the robot's and the task's class.

        The catalog alone imports neither, so that listing worlds stays quick.
        """
        return import_named(self.robot), import_named(self.task)


def import_named(path: str) -> Any:
    """Return what a path such as ".robots.ant:Ant" names in `headstart.envs`."""
    module, name = path.split(":")
    return getattr(import_module(module, ENVS), name)
