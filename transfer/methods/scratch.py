"""Learning in the target from nothing: what every transfer is measured against."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ...agents.learner import Learner
from .base import Problem


@dataclass(frozen=True)
class Scratch:
    """Fresh weights, fresh statistics, the experiment's algorithm and settings."""

    name: ClassVar[str] = "scratch"
    trains: ClassVar[bool] = True
    needs_source: ClassVar[bool] = False

    def start(self, problem: Problem) -> Learner:
        """Return an untrained learner."""
        return problem.create(problem.algorithm)
