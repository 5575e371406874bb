"""Randomizers that learn nothing: nominal, uniform, and ranges that grow with time."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from ...envs.changes import separate
from .base import Draw, EpisodeBudget, EpisodeOutcome, Randomizer, RandomizerError, Spread
from .ranges import Ranges

STAGES = 100


@dataclass
class NominalOnly(Randomizer):
    """Draws nothing: every parameter has its nominal value; the baseline of all others."""

    name: ClassVar[str] = "nominal"

    def sample(self, rng: np.random.Generator) -> Draw:
        """Return the nominal values, and the constants among the changes."""
        nominals = {name: self.ranges.space[name].nominal for name in self.ranges.names}
        return Draw({**nominals, **self.ranges.constants})


@dataclass
class AsStated(Randomizer):
    """Draws every parameter from its own distribution as stated, uniform or not.

    Tobin et al., "Domain randomization for transferring deep neural networks from simulation to the
    real world", IROS 2017; Peng et al., "Sim-to-real transfer of robotic control with dynamics
    randomization", ICRA 2018.
    """

    name: ClassVar[str] = "uniform"

    def sample(self, rng: np.random.Generator) -> Draw:
        """Draw from the stated distributions."""
        return Draw(self.ranges.draw(rng))

    def spread(self) -> Spread:
        """Return the stated ranges."""
        changes = separate(self.ranges.changes)
        return Spread({n: changes[n].range(self.ranges.space[n]) for n in self.ranges.names})


@dataclass(frozen=True)
class Growth:
    """A share that goes linearly from `start` to `end` during the first `until` of the budget.

    >>> growth = Growth.parse("linear(0, 1, 0.5)")
    >>> growth.at(0.25), growth.at(0.8), str(growth)
    (0.5, 1.0, 'linear(0, 1, 0.5)')
    """

    start: float
    end: float
    until: float

    def __post_init__(self) -> None:
        if not (0 <= self.start <= 1 and 0 <= self.end <= 1 and 0 < self.until <= 1):
            raise RandomizerError(f"'{self}': start and end lie in [0, 1], until in (0, 1]")

    @classmethod
    def parse(cls, text: str) -> Growth:
        """Read the text form; raises RandomizerError where it cannot be read."""
        match = re.fullmatch(r"\s*linear\s*\(([^()]*)\)\s*", text)
        try:
            numbers = [float(part) for part in match[1].split(",")] if match else []
        except ValueError:
            numbers = []
        if len(numbers) != 3:
            raise RandomizerError(f"cannot read '{text}': expected linear(start, end, until)")
        return cls(*numbers)

    def at(self, progress: float) -> float:
        """Return the share at a progress in [0, 1]."""
        return self.start + (self.end - self.start) * min(1.0, progress / self.until)

    def __str__(self) -> str:
        return f"linear({self.start:g}, {self.end:g}, {self.until:g})"


@dataclass
class GrowingRanges(Randomizer):
    """Ranges that grow from the nominal to what is stated, with time alone.

    What an adaptive randomizer has to beat with the same budget.
    """

    name: ClassVar[str] = "schedule"

    grow: str = "linear(0, 1, 0.5)"
    """The share of the way from the nominal to the ends of the ranges: `linear(start, end, until)`,
    where `until` is a share of the budget."""

    stage: int = field(default=0, init=False, repr=False)

    def __post_init__(self) -> None:
        self._growth = Growth.parse(self.grow)

    def start(self, ranges: Ranges, budget: EpisodeBudget) -> None:
        """Begin anew; raises ChangeError where the stated distributions span no unit cube."""
        super().start(ranges, budget)
        self.stage = round(STAGES * self._growth.at(0.0))
        self._nominals = self._nominal()

    def sample(self, rng: np.random.Generator) -> Draw:
        """Draw uniformly inside the ranges of now."""
        low, high = self._ends()
        return self.draw_at(rng.uniform(low, high))

    def update(self, outcomes: Sequence[EpisodeOutcome], step: int) -> bool:
        """Grow by whole hundredths, so that the worlds are told rarely."""
        before, share = self.stage, self._growth.at(step / self.budget.steps)
        self.stage = int(STAGES * share + 1e-9)
        return self.stage != before

    def state_dict(self) -> dict[str, Any]:
        """Return how far the ranges have grown."""
        return {"stage": self.stage}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""
        self.stage = int(state["stage"])

    def spread(self) -> Spread:
        """Return the ranges of now."""
        return box_spread(self.ranges, *self._ends())

    def _ends(self) -> tuple[np.ndarray, np.ndarray]:
        share = self.stage / STAGES
        return self._nominals * (1 - share), self._nominals + share * (1 - self._nominals)


def box_spread(ranges: Ranges, low: np.ndarray, high: np.ndarray) -> Spread:
    """Return the spread of equal chances inside a box of the unit cube."""
    ends = {
        axis.name: (axis.value(float(a)), axis.value(float(b)))
        for axis, a, b in zip(ranges.axes, low, high, strict=True)
    }
    # A width of 0 has an entropy of minus infinity; no chart shows that.
    return Spread(ends, float(np.log(np.maximum(high - low, 1e-3)).sum()))
