"""One assembly of a learner, the episodes it is evaluated on, and its training."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

import gymnasium

from .evaluation import Evaluation, Evaluator
from .learner import Learner, MakeWorld
from .training import train


class Session:
    """A learner with the worlds that it is evaluated in; a context that closes both.

    The evaluation worlds are opened at the first evaluation, and stay open for the next.

    Args:
        learner: what is trained and evaluated.
        make_world: makes one evaluation world, which is not randomized.
        seeds: one evaluation episode for each.
        worlds: how many evaluation worlds share the episodes, at most.

    Attributes:
        evaluation_seconds: processor time spent in evaluations so far, in seconds.
    """

    def __init__(
        self, learner: Learner, make_world: MakeWorld, seeds: Sequence[int], worlds: int = 10
    ) -> None:
        self.learner = learner
        self.evaluation_seconds = 0.0
        self._make_world, self._seeds, self._worlds = make_world, list(seeds), worlds
        self._evaluator: Evaluator | None = None

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the evaluation worlds and the learner's."""
        try:
            if self._evaluator is not None:
                self._evaluator.close()
        finally:
            self._evaluator = None
            self.learner.close()

    def evaluate(self) -> Evaluation:
        """Evaluate the learner's policy on the episodes.

        Raises:
            EvaluationError: a number that is not finite, or an episode that does not end.
        """
        begun = time.process_time()
        try:
            return self._opened().evaluate(self.learner.acting())
        finally:
            self.evaluation_seconds += time.process_time() - begun

    @property
    def world(self) -> gymnasium.Env[Any, Any]:
        """One of the evaluation worlds."""
        return self._opened().world

    @property
    def observation_space(self) -> gymnasium.Space[Any]:
        """The observation space of the evaluation worlds."""
        space: gymnasium.Space[Any] = self._opened().world.observation_space
        return space

    def _opened(self) -> Evaluator:
        if self._evaluator is None:
            make = self.learner.told_worlds(self._make_world)
            self._evaluator = Evaluator(make, self._seeds, self._worlds)
        return self._evaluator

    def train(
        self,
        *,
        steps: int,
        seed: int,
        grid: Sequence[int],
        on_evaluation: Callable[[int, Evaluation], None] = lambda step, evaluation: None,
        **options: Any,
    ) -> None:
        """Train up to `steps` environment steps, evaluated at the steps of `grid`.

        Args:
            steps: environment steps in all, those already taken among them.
            seed: seeds worlds and updates.
            grid: the steps of the evaluations; none where it is empty.
            on_evaluation: called with the step and the evaluation.
            options: those of `agents.training.train`.

        Raises:
            TrainingError: an observation, a reward, a loss or a weight is not finite.
        """
        train(
            self.learner,
            steps=steps,
            seed=seed,
            grid=grid,
            evaluate=lambda _: self.evaluate(),
            on_evaluation=on_evaluation,
            **options,
        )
