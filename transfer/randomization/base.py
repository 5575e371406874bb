"""What a randomizer is: it draws parameters for episodes and learns from how they went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, NamedTuple

import numpy as np
from pydantic import Field

from ...core.errors import HeadstartError
from .ranges import Ranges

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(gt=0)]


class RandomizerError(HeadstartError):
    """A randomizer that is unknown, or that cannot work in this experiment."""


class Draw(NamedTuple):
    """The parameters of one episode.

    `values` by parameter; `unit` is the point of the unit cube, empty for a randomizer that does
    not use it; `tag` is the randomizer's own, plain JSON data, to know the episode by.

    >>> Draw({"mass": 2.5}, (0.5,)).values
    {'mass': 2.5}
    """

    values: dict[str, float]
    unit: tuple[float, ...] = ()
    tag: Any = None


class EpisodeOutcome(NamedTuple):
    """How the episode of a draw ended: its score (0 as random actions, 1 the reference).

    >>> EpisodeOutcome(Draw({"mass": 2.5}), score=0.9, success=True).draw.values["mass"]
    2.5
    """

    draw: Draw
    score: float
    success: bool


@dataclass(frozen=True)
class EpisodeBudget:
    """What a randomizer has: environment steps, and the most steps of an episode, if known.

    >>> EpisodeBudget(100_000, 500).episodes
    200
    """

    steps: int
    episode_steps: int | None = None

    @property
    def episodes(self) -> int | None:
        """How many episodes there are at least; None where their length is not known."""
        return None if self.episode_steps is None else self.steps // self.episode_steps


class Spread(NamedTuple):
    """Where a randomizer draws now.

    `ends` are the values, by parameter, between which nine tenths of its draws lie (all of them for
    ranges with equal chances inside); `entropy` is that over the unit cube, in nats: 0 where every
    value of the stated ranges is as likely, negative for less.

    >>> Spread({"mass": (1.0, 4.0)}).ends["mass"]
    (1.0, 4.0)
    """

    ends: dict[str, tuple[float, float]]
    entropy: float | None = None


@dataclass
class Randomizer:
    """The base class of randomizers; its fields are its settings.

    One copy lives in every world and draws; the one beside the learner is told the outcomes,
    between rollouts, in the order of the worlds. What it changes then is sent to the copies. So the
    same seed draws the same parameters with any number of workers.

    >>> from headstart.envs import Parameter
    >>> from headstart.envs.parameters import ParameterSpace
    >>> from headstart.transfer.randomization import Ranges, resolve_randomizer
    >>> space = ParameterSpace([Parameter("mass", "kg", 2.0, 0.1, 9.0, "of the cart")])
    >>> randomizer = resolve_randomizer("uniform")
    >>> randomizer.start(Ranges({"mass": "* uniform(0.5, 2)"}, space), EpisodeBudget(1_000))
    >>> 1.0 <= randomizer.sample(np.random.default_rng(0)).values["mass"] <= 4.0
    True
    """

    name: ClassVar[str] = ""
    """What it is called in experiments and messages; a custom one is called by its class."""

    adaptive: ClassVar[bool] = False
    """Whether outcomes change what it draws, so that it needs a signal of success."""

    ranges: Ranges = field(init=False, repr=False)
    budget: EpisodeBudget = field(init=False, repr=False)

    def start(self, ranges: Ranges, budget: EpisodeBudget) -> None:
        """Begin anew.

        Args:
            ranges: what may be drawn.
            budget: how long the training is.

        Raises:
            ChangeError: ranges that this randomizer cannot use.
        """
        self.ranges, self.budget = ranges, budget

    def notes(self) -> list[str]:
        """Return what is to be said before the training, after `start`.

        Raises:
            RandomizerError: it could not adapt once in this budget; says how far it is from it.
        """
        return []

    def sample(self, rng: np.random.Generator) -> Draw:
        """Draw the parameters of an episode.

        Args:
            rng: a generator for this episode alone.
        """
        raise NotImplementedError

    def update(self, outcomes: Sequence[EpisodeOutcome], step: int) -> bool:
        """Learn from the episodes that ended since the last call, at a rollout's end.

        Args:
            outcomes: in the order in which they ended, worlds in order.
            step: environment steps taken so far.

        Returns:
            Whether what is drawn has changed.
        """
        return False

    def state_dict(self) -> dict[str, Any]:
        """Return all that `update` has changed, as plain JSON data."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""

    def sampler(self) -> dict[str, Any]:
        """Return what `sample` needs of the state; it is sent to the worlds."""
        return self.state_dict()

    def load_sampler(self, state: Mapping[str, Any]) -> None:
        """Take over what `sampler` returned."""
        self.load_state_dict(state)

    def spread(self) -> Spread:
        """Return where it draws now."""
        return Spread({})

    def draw_at(self, unit: Sequence[float] | np.ndarray, tag: Any = None) -> Draw:
        """Return the draw of a point of the unit cube."""
        point = tuple(float(u) for u in unit)
        return Draw(self.ranges.values(point), point, tag)

    def _nominal(self) -> np.ndarray:
        """Return the nominal parameters as a point of the unit cube."""
        return np.array([axis.nominal for axis in self.ranges.axes])


@dataclass
class Adaptive(Randomizer):
    """The base class of randomizers that learn from outcomes.

    >>> from headstart.transfer.randomization import resolve_randomizer
    >>> randomizer = resolve_randomizer({"adr": {"threshold": 0.7}})
    >>> isinstance(randomizer, Adaptive), randomizer.threshold
    (True, 0.7)
    """

    adaptive: ClassVar[bool] = True

    threshold: Positive = 0.8
    """The score from which an episode is a success."""
    returns: tuple[float, float] | None = None
    """The returns that mean a score of 0 and of 1. By default those stored with the world; where
    there are none, an episode is a success if the world says so."""

    def __post_init__(self) -> None:
        if self.returns is not None and self.returns[1] <= self.returns[0]:
            raise ValueError(
                f"returns: {self.returns[1]:g} means a score of 1 and must be above "
                f"{self.returns[0]:g}, which means 0"
            )

    def start(self, ranges: Ranges, budget: EpisodeBudget) -> None:
        """Begin anew; raises ChangeError where the stated distributions span no unit cube."""
        super().start(ranges, budget)
        if not ranges.axes:
            raise RandomizerError("no parameter has a range to adapt")


def too_short(what: str, needed: int, budget: EpisodeBudget, hint: str) -> list[str]:
    """Return a note, or none, on a budget of fewer episodes than are needed to adapt once.

    Raises:
        RandomizerError: four times the episodes would still be too few, so that even much shorter
            episodes make no difference.
    """
    episodes = budget.episodes
    if episodes is None or needed <= episodes:
        return []
    line = (
        f"{what} takes about {needed:,} episodes, and {budget.steps:,} steps have about "
        f"{episodes:,} (of {budget.episode_steps:,} steps, if none ends early); {hint}"
    )
    if needed > 4 * episodes:
        raise RandomizerError(line)
    return [line]
