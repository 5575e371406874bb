"""Automatic domain randomization: ranges whose ends move out while the policy succeeds there."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from .base import Adaptive, Count, Draw, EpisodeBudget, EpisodeOutcome, Share, Spread, too_short
from .fixed import box_spread
from .ranges import Ranges

LOW, HIGH = 0, 1


@dataclass
class ADR(Adaptive):
    """Ranges that start at the nominal; an end moves out where episodes pinned to it succeed.

    Each end has a queue of the outcomes of episodes that were pinned to it, the other parameters
    drawn inside their ranges. When it is full, the end moves out, in, or stays, and the queue is
    emptied. OpenAI et al., "Solving Rubik's Cube with a robot hand", 1910.07113. Their queues of
    240 and steps of 0.02 need some hundred thousand episodes; the defaults here are for thousands.
    """

    name: ClassVar[str] = "adr"

    queue: Count = 10
    """Outcomes of an end that are awaited before it moves."""
    step: Annotated[float, Field(gt=0, le=1)] = 0.05
    """How far an end moves, as a share of the stated range."""
    boundary: Annotated[float, Field(gt=0, le=1)] = 0.5
    """The share of episodes that are pinned to an end."""
    grow_at: Share = 0.8
    """The success rate from which an end moves out."""
    shrink_at: Share = 0.5
    """The success rate down to which, and below, it moves in."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.shrink_at >= self.grow_at:
            raise ValueError(
                f"shrink_at: {self.shrink_at:g} must be below grow_at, {self.grow_at:g}"
            )

    def start(self, ranges: Ranges, budget: EpisodeBudget) -> None:
        """Begin at the nominal; raises ChangeError where ranges span no unit cube."""
        super().start(ranges, budget)
        self._home = self._nominal()
        # Row 0 holds the lower ends, row 1 the upper ones.
        self._ends = np.array([self._home, self._home])
        self._moves = np.zeros_like(self._ends, dtype=int)
        self._queues: dict[tuple[int, int], list[bool]] = {}
        # An end that the nominal lies at has nowhere to go.
        self._free = [
            (side, axis)
            for axis, home in enumerate(self._home)
            for side in (LOW, HIGH)
            if (home > 0 if side == LOW else home < 1)
        ]

    def notes(self) -> list[str]:
        """Say how many episodes one move takes; raises RandomizerError where it is out of reach."""
        once = math.ceil(self.queue * len(self._free) / self.boundary)
        found = too_short(
            f"adr: one move of each of the {len(self._free)} ends",
            once,
            self.budget,
            f"train longer, randomize fewer parameters or lower 'queue' ({self.queue})",
        )
        episodes = self.budget.episodes
        furthest = max(home if side == LOW else 1 - home for side, home in self._reach())
        if not found and episodes is not None and episodes * self.step < furthest * once:
            share = 100 * episodes * self.step / once / furthest
            found.append(
                f"adr: with about {episodes:,} episodes the ranges can grow {share:.0f} % of the "
                f"way at most; a larger 'step' ({self.step:g}) or a smaller 'queue' ({self.queue}) "
                "goes further"
            )
        return found

    def sample(self, rng: np.random.Generator) -> Draw:
        """Draw inside the ranges, in some episodes with one parameter at an end of its range."""
        unit = rng.uniform(self._ends[LOW], self._ends[HIGH])
        if not rng.random() < self.boundary:
            return self.draw_at(unit)
        side, axis = self._free[int(rng.integers(len(self._free)))]
        unit[axis] = self._ends[side, axis]
        return self.draw_at(unit, [side, axis, int(self._moves[side, axis])])

    def update(self, outcomes: Sequence[EpisodeOutcome], step: int) -> bool:
        """Put outcomes into the queues of their ends, and move those whose queue is full."""
        changed = False
        for outcome in outcomes:
            if outcome.draw.tag is None:
                continue
            side, axis, moves = outcome.draw.tag
            # An episode that began before the end moved tells nothing of where it is now.
            if moves != self._moves[side, axis]:
                continue
            queue = self._queues.setdefault((side, axis), [])
            queue.append(outcome.success)
            if len(queue) >= self.queue:
                changed |= self._judge(side, axis, sum(queue) / len(queue))
                queue.clear()
        return changed

    def state_dict(self) -> dict[str, Any]:
        """Return ends, counts of moves and queues."""
        queues = [[side, axis, list(queue)] for (side, axis), queue in self._queues.items()]
        return {**self.sampler(), "queues": queues}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""
        self.load_sampler(state)
        self._queues = {(s, a): [bool(one) for one in queue] for s, a, queue in state["queues"]}

    def sampler(self) -> dict[str, Any]:
        """Return ends and counts of moves."""
        return {"ends": self._ends.tolist(), "moves": self._moves.tolist()}

    def load_sampler(self, state: Mapping[str, Any]) -> None:
        """Take over ends and counts of moves."""
        self._ends, self._moves = np.array(state["ends"]), np.array(state["moves"])

    def spread(self) -> Spread:
        """Return the ranges of now."""
        return box_spread(self.ranges, self._ends[LOW], self._ends[HIGH])

    def _judge(self, side: int, axis: int, rate: float) -> bool:
        """Move an end by the success rate of its queue; return whether it did."""
        outward = -1.0 if side == LOW else 1.0
        if rate >= self.grow_at:
            moved = self._ends[side, axis] + outward * self.step
        elif rate <= self.shrink_at:
            moved = self._ends[side, axis] - outward * self.step
        else:
            return False
        home = self._home[axis]
        moved = float(np.clip(moved, *((0.0, home) if side == LOW else (home, 1.0))))
        if moved == self._ends[side, axis]:
            return False
        self._ends[side, axis] = moved
        self._moves[side, axis] += 1
        return True

    def _reach(self) -> list[tuple[int, float]]:
        return [(side, float(self._home[axis])) for side, axis in self._free]
