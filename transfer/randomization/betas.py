"""Randomizers with a Beta per parameter, widened in a few steps: DORAEMON and self-paced."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from ...envs.distributions import LogUniform, Uniform
from .base import (
    Adaptive,
    Count,
    Draw,
    EpisodeBudget,
    EpisodeOutcome,
    Positive,
    Share,
    Spread,
    too_short,
)
from .beta_solver import EDGE, Batch, Betas, Step
from .ranges import Ranges

# Shapes of the first distribution: a standard deviation of 0.035 where the nominal is central.
NARROW = 100.0
# From there to uniform are 1.93 nats a parameter. Divergences of steps do not add up: a way of that
# length in equal steps needs somewhat more in all.
WAY = 3.0
FEWEST = 20
TARGET_DRAWS = 1_024
# Those that are uniform over the unit cube.
FLAT = (Uniform, LogUniform)


@dataclass
class _BetaRandomizer(Adaptive):
    """What both share: the distribution, its batch of episodes, and when it takes a step."""

    updates: Count = 20
    """Steps of the distribution in the whole budget, at equal distances."""
    epsilon: Positive | None = None
    """The greatest divergence KL(old || new) of one step, in nats over all parameters. By default
    3 nats a parameter, divided by `updates`."""

    def start(self, ranges: Ranges, budget: EpisodeBudget) -> None:
        """Begin narrow at the nominal; raises ChangeError where ranges span no unit cube."""
        super().start(ranges, budget)
        home = self._nominal()
        shapes = NARROW * np.stack([home, 1 - home], axis=1)
        # The larger shape is 100; none is below 1, so that a nominal at an end has one peak there.
        shapes *= NARROW / shapes.max(axis=1, keepdims=True)
        self._betas = Betas(np.maximum(shapes, 1.0))
        self._begun, self._step = False, 0
        self._units: list[list[float]] = []
        self._drawn_at: list[float] = []
        self._values: list[float] = []
        self._log: dict[str, float] = {}

    def notes(self) -> list[str]:
        """Say how many episodes a step takes; raises RandomizerError where it is out of reach."""
        return too_short(
            f"{self.name}: {FEWEST} episodes for each of its {self.updates} steps",
            FEWEST * self.updates,
            self.budget,
            f"train longer or lower 'updates' ({self.updates})",
        )

    def sample(self, rng: np.random.Generator) -> Draw:
        """Draw from the Betas; the tag is the log density, which importance weights need."""
        unit = self._betas.sample(rng)
        return self.draw_at(unit, float(self._betas.log_density(unit)))

    def update(self, outcomes: Sequence[EpisodeOutcome], step: int) -> bool:
        """Gather episodes, and take a step of the distribution when it is due."""
        for outcome in outcomes:
            self._units.append(list(outcome.draw.unit))
            self._drawn_at.append(outcome.draw.tag)
            self._values.append(self._value(outcome))
        every = self.budget.steps / (self.updates + 1)
        due = math.floor(step / every)
        if due <= self._step or len(self._values) < FEWEST:
            return False
        self._step = due
        batch = Batch(
            np.clip(self._units, EDGE, 1 - EDGE), np.array(self._drawn_at), np.array(self._values)
        )
        self._units, self._drawn_at, self._values = [], [], []
        # As the authors' `train_until_lb`: first the task as it is has to be learned.
        self._begun = self._begun or float(batch.values.mean()) >= self._level()
        return self._begun and self._widen(batch)

    def state_dict(self) -> dict[str, Any]:
        """Return the distribution, the batch and the counters."""
        return {
            **self.sampler(),
            "begun": self._begun,
            "step": self._step,
            "units": [list(unit) for unit in self._units],
            "drawn_at": list(self._drawn_at),
            "values": list(self._values),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""
        self.load_sampler(state)
        self._begun, self._step = bool(state["begun"]), int(state["step"])
        self._units = [list(unit) for unit in state["units"]]
        self._drawn_at, self._values = list(state["drawn_at"]), list(state["values"])

    def sampler(self) -> dict[str, Any]:
        """Return the shapes of the Betas."""
        return {"shapes": self._betas.shapes.tolist()}

    def load_sampler(self, state: Mapping[str, Any]) -> None:
        """Take over the shapes of the Betas."""
        self._betas = Betas(np.array(state["shapes"], dtype=float))

    def spread(self) -> Spread:
        """Return the 5 % and 95 % quantiles, and the entropy."""
        ends = zip(self.ranges.axes, *map(self._betas.quantiles, (0.05, 0.95)), strict=True)
        return Spread(
            {axis.name: (axis.value(float(a)), axis.value(float(b))) for axis, a, b in ends},
            self._betas.entropy(),
        )

    def _widen(self, batch: Batch) -> bool:
        trust = self.epsilon or WAY * len(self.ranges.axes) / self.updates
        # Weights of few episodes say nothing: then a smaller step is tried.
        for _ in range(5):
            step = Step(self._target(), self._level(), trust)
            new = step.take(self._betas, batch)
            if batch.effective_size(new) >= min(FEWEST, len(batch.values) / 2):
                changed = not np.array_equal(new.shapes, self._betas.shapes)
                self._betas = new
                return changed
            trust /= 2
        return False

    def _value(self, outcome: EpisodeOutcome) -> float:
        raise NotImplementedError

    def _level(self) -> float:
        raise NotImplementedError

    def _target(self) -> Betas:
        raise NotImplementedError


@dataclass
class Doraemon(_BetaRandomizer):
    """The widest Betas under which a share of the episodes still succeeds.

    Each step maximises the entropy, while the success rate that the last episodes promise, by
    importance weights, stays at `success_rate` or above, and inside a trust region. Nothing moves
    before the rate is first met. Tiboni et al., "Domain randomization via entropy maximization",
    2311.01885. With 0.5 the policy is meant to fail in half of the episodes in the end: read its
    worth on the targets, not in training. All published results have a history of observations in
    the actor and the true parameters in the critic.
    """

    name: ClassVar[str] = "doraemon"

    success_rate: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """The share of episodes that has to succeed, the paper's alpha."""

    def _value(self, outcome: EpisodeOutcome) -> float:
        return float(outcome.success)

    def _level(self) -> float:
        return self.success_rate

    def _target(self) -> Betas:
        return Betas(np.ones_like(self._betas.shapes))


@dataclass
class SelfPaced(_BetaRandomizer):
    """Betas that come as near to the stated distributions as a mean score allows.

    The randomizer for a given target distribution, such as one that was fitted: with uniform ranges
    it is DORAEMON on scores. Klink et al., "A probabilistic interpretation of self-paced learning",
    JMLR 2021, who have Gaussians; Betas stay inside the ranges.
    """

    name: ClassVar[str] = "self_paced"

    score: Share = 0.6
    """The mean score that is kept."""

    def start(self, ranges: Ranges, budget: EpisodeBudget) -> None:
        """Begin narrow at the nominal; raises ChangeError where ranges span no unit cube."""
        super().start(ranges, budget)
        # Moments of a fixed sample: a function of the ranges alone.
        rng = np.random.default_rng(0)
        units = np.array([ranges.unit(ranges.draw(rng)) for _ in range(TARGET_DRAWS)]).T
        shapes = [
            [1.0, 1.0] if isinstance(ranges.changes[axis.name].value, FLAT) else _matched(column)
            for axis, column in zip(ranges.axes, units, strict=True)
        ]
        self._stated = Betas(np.array(shapes))

    def _value(self, outcome: EpisodeOutcome) -> float:
        return min(max(outcome.score, 0.0), 1.0)

    def _level(self) -> float:
        return self.score

    def _target(self) -> Betas:
        return self._stated


def _matched(units: np.ndarray) -> list[float]:
    """Return the shapes of the Beta with the mean and the variance of a sample, none below 1."""
    mean, variance = float(units.mean()), float(units.var())
    size = max(mean * (1 - mean) / variance - 1, 1e-3)
    return [min(max(mean * size, 1.0), 110.0), min(max((1 - mean) * size, 1.0), 110.0)]
