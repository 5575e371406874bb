"""Randomizers that come back to draws that went badly: the worst of many, or of the latest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

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
from .ranges import Ranges


@dataclass
class _Replay(Adaptive):
    """What both share: some draws are new, the others come from a table of points with chances."""

    replay: Share = 0.5
    """The share of episodes that repeat an earlier draw."""

    def start(self, ranges: Ranges, budget: EpisodeBudget) -> None:
        """Begin with new draws; raises ChangeError where ranges span no unit cube."""
        super().start(ranges, budget)
        self._kept: list[list[float]] = []
        self._chances: list[float] = []

    def sample(self, rng: np.random.Generator) -> Draw:
        """Repeat a kept draw, or draw anew from the stated distributions."""
        if self._kept and rng.random() < self.replay:
            ends = np.cumsum(self._chances)
            place = int(np.searchsorted(ends, rng.random() * ends[-1], side="right"))
            return self.draw_at(self._kept[min(place, len(ends) - 1)], "again")
        values = self.ranges.draw(rng)
        return Draw(values, self.ranges.unit(values))

    def sampler(self) -> dict[str, Any]:
        """Return the kept draws with their chances."""
        return {"kept": [list(unit) for unit in self._kept], "chances": list(self._chances)}

    def load_sampler(self, state: Mapping[str, Any]) -> None:
        """Take over the kept draws with their chances."""
        self._kept = [list(unit) for unit in state["kept"]]
        self._chances = list(state["chances"])

    def spread(self) -> Spread:
        """Return 5 % and 95 % quantiles of draws of now, and no entropy, which has no formula."""
        rng = np.random.default_rng(0)
        units = np.array([self.sample(rng).unit for _ in range(100)])
        low, high = np.quantile(units, (0.05, 0.95), axis=0)
        ends = zip(self.ranges.axes, low, high, strict=True)
        return Spread({x.name: (x.value(float(a)), x.value(float(b))) for x, a, b in ends})


@dataclass
class Hard(_Replay):
    """Repeats the draws with the lowest scores, by rank, and those not seen for long.

    After prioritized level replay (Jiang et al., 2010.03934), with 1 - score as the priority, so
    that it works with any algorithm.
    """

    name: ClassVar[str] = "hard"

    table: Annotated[int, Field(ge=2)] = 100
    """How many draws are remembered; the easiest leave."""
    temperature: Positive = 0.3
    """How much the rank counts: chances go as rank to the power of -1 / temperature."""
    staleness: Share = 0.1
    """The share of repeats that are chosen by how long ago they were seen."""

    def start(self, ranges: Ranges, budget: EpisodeBudget) -> None:
        """Begin with an empty table; raises ChangeError where ranges span no unit cube."""
        super().start(ranges, budget)
        self._scores: list[float] = []
        self._seen: list[int] = []
        self._episodes = 0

    def notes(self) -> list[str]:
        """Say how many episodes fill the table."""
        return too_short(
            f"hard: a table of {self.table} draws",
            self.table,
            self.budget,
            f"train longer or lower 'table' ({self.table})",
        )

    def update(self, outcomes: Sequence[EpisodeOutcome], step: int) -> bool:
        """Put draws into the table by their scores."""
        for outcome in outcomes:
            self._episodes += 1
            self._enter(list(outcome.draw.unit), outcome.score)
        if not outcomes:
            return False
        order = np.argsort(self._scores, kind="stable")
        ranks = np.empty(len(order))
        ranks[order] = np.arange(1, len(order) + 1)
        by_rank = ranks ** (-1 / self.temperature)
        age = self._episodes - np.array(self._seen, dtype=float)
        by_age = age / age.sum() if age.sum() else np.full(len(age), 1 / len(age))
        chances = (1 - self.staleness) * by_rank / by_rank.sum() + self.staleness * by_age
        self._chances = chances.tolist()
        return True

    def state_dict(self) -> dict[str, Any]:
        """Return the table."""
        return {
            **self.sampler(),
            "scores": list(self._scores),
            "seen": list(self._seen),
            "episodes": self._episodes,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""
        self.load_sampler(state)
        self._scores, self._seen = list(state["scores"]), list(state["seen"])
        self._episodes = int(state["episodes"])

    def _enter(self, unit: list[float], score: float) -> None:
        if unit in self._kept:
            place = self._kept.index(unit)
        elif len(self._kept) < self.table:
            place = len(self._kept)
            self._kept.append(unit)
            self._scores.append(score)
            self._seen.append(self._episodes)
        else:
            place = int(np.argmax(self._scores))
            if score >= self._scores[place]:
                return
        self._kept[place], self._scores[place], self._seen[place] = unit, score, self._episodes


@dataclass
class Worst(_Replay):
    """Repeats the worst of the latest new draws: of every `of` draws the one with the lowest score.

    After EPOpt (Rajeswaran et al., 1610.01283), which trains on the worst tenth alone and throws
    the other episodes away; here all are learned from, and count.
    """

    name: ClassVar[str] = "worst"

    of: Annotated[int, Field(ge=2)] = 4
    """Of how many new draws the worst is repeated."""
    rounds: Count = 5
    """How many of the worst are kept, the latest."""

    def start(self, ranges: Ranges, budget: EpisodeBudget) -> None:
        """Begin with new draws; raises ChangeError where ranges span no unit cube."""
        super().start(ranges, budget)
        self._fresh: list[tuple[list[float], float]] = []

    def notes(self) -> list[str]:
        """Say how many episodes a first choice takes."""
        return too_short(
            f"worst: a choice of {self.of} draws",
            self.of,
            self.budget,
            f"train longer or lower 'of' ({self.of})",
        )

    def update(self, outcomes: Sequence[EpisodeOutcome], step: int) -> bool:
        """Choose the worst of every so many new draws."""
        changed = False
        for outcome in outcomes:
            if outcome.draw.tag == "again":
                continue
            self._fresh.append((list(outcome.draw.unit), outcome.score))
            if len(self._fresh) == self.of:
                unit, _ = min(self._fresh, key=lambda one: one[1])
                self._kept = [*self._kept, unit][-self.rounds :]
                self._chances = [1.0] * len(self._kept)
                self._fresh, changed = [], True
        return changed

    def state_dict(self) -> dict[str, Any]:
        """Return what is kept, and the new draws among which the next is chosen."""
        return {**self.sampler(), "fresh": [[unit, score] for unit, score in self._fresh]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""
        self.load_sampler(state)
        self._fresh = [(list(unit), float(score)) for unit, score in state["fresh"]]
