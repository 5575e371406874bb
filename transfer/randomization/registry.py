"""Every randomizer, and how one is found by name."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from pydantic import TypeAdapter, ValidationError

from ...core.classes import load_class
from ...core.errors import HeadstartError, nearest
from ...core.named import NamedEntry, split_named
from .adr import ADR
from .alp_gmm import AlpGmm
from .base import Adaptive, Draw, EpisodeBudget, EpisodeOutcome, Randomizer, RandomizerError, Spread
from .betas import Doraemon, SelfPaced
from .fixed import AsStated, GrowingRanges, NominalOnly
from .ranges import Ranges
from .replay import Hard, Worst


@dataclass
class RandomizerMixture(Adaptive):
    """Each episode is drawn by one of several randomizers, with given chances.

    `{mixture: {of: [uniform, adr], weights: [0.2, 0.8]}}` guards against a confident wrong choice.
    Each part learns from the episodes that it drew.
    """

    name: ClassVar[str] = "mixture"

    of: list[Any] = field(default_factory=lambda: ["uniform", "adr"])
    """The randomizers, each a name or `{name: {setting: value}}`."""
    weights: list[float] | None = None
    """The chance of each; equal by default."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._parts = [resolve_randomizer(one) for one in self.of]
        self._shares = np.array(self.weights or [1.0] * len(self._parts), dtype=float)
        if not self._parts or self._shares.shape != (len(self._parts),):
            raise ValueError(f"weights: expected {len(self._parts)}, one for each of 'of'")
        if (self._shares < 0).any() or self._shares.sum() <= 0:
            raise ValueError("weights: each is at least 0, and one is above")
        self._shares /= self._shares.sum()

    def start(self, ranges: Ranges, budget: EpisodeBudget) -> None:
        """Begin every part anew; raises ChangeError for ranges that one of them cannot use."""
        self.ranges, self.budget = ranges, budget
        for part in self._parts:
            part.start(ranges, budget)

    def notes(self) -> list[str]:
        """Return the notes of all parts; raises RandomizerError as they do."""
        return [note for part in self._parts for note in part.notes()]

    def sample(self, rng: np.random.Generator) -> Draw:
        """Draw by one of the parts."""
        place = int(np.searchsorted(np.cumsum(self._shares), rng.random(), side="right"))
        place = min(place, len(self._parts) - 1)
        draw = self._parts[place].sample(rng)
        return draw._replace(tag=[place, draw.tag])

    def update(self, outcomes: Sequence[EpisodeOutcome], step: int) -> bool:
        """Hand each part the outcomes of its draws."""
        changed = False
        for place, part in enumerate(self._parts):
            its = [
                one._replace(draw=one.draw._replace(tag=one.draw.tag[1]))
                for one in outcomes
                if one.draw.tag[0] == place
            ]
            changed |= part.update(its, step)
        return changed

    def state_dict(self) -> dict[str, Any]:
        """Return the states of the parts."""
        return {"parts": [part.state_dict() for part in self._parts]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""
        for part, its in zip(self._parts, state["parts"], strict=True):
            part.load_state_dict(its)

    def sampler(self) -> dict[str, Any]:
        """Return what the parts need to draw."""
        return {"parts": [part.sampler() for part in self._parts]}

    def load_sampler(self, state: Mapping[str, Any]) -> None:
        """Take over what the parts need to draw."""
        for part, its in zip(self._parts, state["parts"], strict=True):
            part.load_sampler(its)

    def spread(self) -> Spread:
        """Return where the most likely part draws now."""
        return self._parts[int(self._shares.argmax())].spread()


_CLASSES: tuple[type[Randomizer], ...] = (
    NominalOnly,
    AsStated,
    GrowingRanges,
    ADR,
    Doraemon,
    SelfPaced,
    AlpGmm,
    Hard,
    Worst,
    RandomizerMixture,
)
RANDOMIZERS = {cls.name: cls for cls in _CLASSES}


DEFAULT_RANDOMIZER = "uniform"


def resolve_randomizer(entry: NamedEntry) -> Randomizer:
    """Return the randomizer of `"adr"`, `{"adr": {...}}` or `"package.module:Class"`.

    Args:
        entry: a name, or a name with settings.

    Returns:
        The randomizer, not started yet.

    Raises:
        RandomizerError: an unknown randomizer or setting, or a value that it cannot have.

    >>> resolve_randomizer({"adr": {"queue": 20}}).queue
    20
    """
    try:
        name, settings = split_named(entry, "randomizer", "a name such as 'adr', or {adr: {...}}")
    except HeadstartError as error:
        raise RandomizerError(str(error)) from None
    cls: Any = RANDOMIZERS.get(name)
    if cls is None and ":" not in name:
        raise RandomizerError(
            f"unknown randomizer '{name}'{nearest(name, RANDOMIZERS)} (a custom one as "
            "'package.module:Class')"
        )
    cls = cls or load_class(name, Randomizer, "randomizer")
    known = [one.name for one in dataclasses.fields(cls) if one.init]
    for key in settings:
        if key not in known:
            raise RandomizerError(
                f"unknown setting '{key}' of randomizer {name}{nearest(key, known)}"
            )
    try:
        found: Randomizer = TypeAdapter(cls).validate_python(settings)
    except ValidationError as error:
        first = error.errors()[0]
        message = first["msg"].removeprefix("Value error, ")
        # A dataclass's own check has no place; the message names the setting.
        where = f"{first['loc'][0]} = {first['input']!r}: " if first["loc"] else ""
        raise RandomizerError(f"randomizer {name}: {where}{message}") from None
    return found
