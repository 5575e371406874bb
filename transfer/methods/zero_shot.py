"""The source policy in the target as it is, without any training there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ...agents.learner import Learner
from .base import Problem


@dataclass(frozen=True)
class ZeroShot:
    """Source weights and source statistics; never trained."""

    name: ClassVar[str] = "zero_shot"
    trains: ClassVar[bool] = False
    needs_source: ClassVar[bool] = True

    def start(self, problem: Problem) -> Learner:
        """Return the source policy, to act only. Raises BundleError if the spaces do not match."""
        world = problem.make_world()
        try:
            problem.source.check_spaces(world.observation_space, world.action_space)
        finally:
            world.close()
        return problem.source.policy(problem.device)
