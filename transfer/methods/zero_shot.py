"""The source policy in the target as it is, without any training there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ...agents.algorithms import Algorithm
from ...agents.learner import Learner
from ...core.errors import HeadstartError
from .base import Problem


@dataclass(frozen=True)
class ZeroShot:
    """Source weights and source statistics; never trained.

    `told`: a teacher (`source.policy_sees`) is told the target's true parameters, those that change
    during an episode as well. No robot knows them, so it cannot be deployed: it is the oracle, the
    ceiling of what estimating them can reach. The bundle of its trial is the teacher's, which
    elsewhere takes the nominal parameters for granted.
    """

    name: ClassVar[str] = "zero_shot"
    trains: ClassVar[bool] = False
    needs_source: ClassVar[bool] = True

    told: bool = False

    def check(self, algorithm: Algorithm) -> None:
        """Raise HeadstartError where there is nobody to tell."""
        if self.told and algorithm.settings.get("policy_sees") is None:
            raise HeadstartError(
                "method zero_shot: told: only a teacher can be told parameters: let the source's "
                "policy see them, as source.policy_sees: {parameters: [...], latent: 8}"
            )

    def start(self, problem: Problem) -> Learner:
        """Return the source policy, to act only. Raises BundleError if the spaces do not match."""
        world = problem.make_world()
        try:
            problem.source.check_spaces(world.observation_space, world.action_space)
        finally:
            world.close()
        learner = problem.source.policy(problem.device)
        learner.is_told = self.told
        return learner
