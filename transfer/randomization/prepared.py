"""A randomizer made ready for a world: started, with its signal of success and its notes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gymnasium

from ...core.named import NamedEntry
from ...envs.changes import Change
from ...envs.parameters import parameterized
from .base import EpisodeBudget, Randomizer
from .ranges import Ranges
from .registry import DEFAULT_RANDOMIZER, resolve_randomizer
from .signal import Signal, signal_of
from .uniform import UniformRandomization
from .wrapper import Randomization

if TYPE_CHECKING:
    from .callback import RandomizationCallback


@dataclass(frozen=True)
class PreparedRandomization:
    """The randomization of a training; made by `prepare_randomization`.

    `notes` are sentences to be shown before the training.
    """

    changes: Mapping[str, str | Change]
    entry: NamedEntry
    randomizer: Randomizer
    signal: Signal | None
    notes: tuple[str, ...]

    def wrap(self, env: gymnasium.Env[Any, Any]) -> gymnasium.Env[Any, Any]:
        """Return a training world under the randomization."""
        if self.entry == DEFAULT_RANDOMIZER:
            return UniformRandomization(env, self.changes)
        return Randomization(env, self.randomizer)

    def callback(self, record: Path | None = None) -> RandomizationCallback:
        """Return the callback of the training; `record` is the file for its draws."""
        # Not above: worker processes import this module, and need no torch.
        from .callback import RandomizationCallback

        return RandomizationCallback(self.randomizer, self.signal, record)


def prepare_randomization(
    changes: Mapping[str, str | Change],
    entry: NamedEntry,
    env: gymnasium.Env[Any, Any],
    *,
    world_id: str,
    steps: int,
    changed: bool = False,
) -> PreparedRandomization | None:
    """Make a randomizer ready for a world.

    Args:
        changes: a change, as text or object, by parameter: what is randomized.
        entry: the randomizer, a name or `{name: {setting: value}}`.
        env: the world, to look at; it is reset and stepped where only it knows what success is.
        world_id: its id, by which stored returns are found.
        steps: the budget in environment steps.
        changed: whether keywords or wrappers make the stored returns those of another world.

    Returns:
        The randomization; None where there are no changes.

    Raises:
        HeadstartError: a randomizer, range or setting that does not fit; or no changes for a
            randomizer that was asked for.

    >>> import headstart
    >>> env = gymnasium.make("headstart/CartPoleSwingUp-v0")
    >>> ready = prepare_randomization(
    ...     {"pole_mass": "* loguniform(0.5, 4)"}, "adr", env,
    ...     world_id="headstart/CartPoleSwingUp-v0", steps=100_000,
    ... )
    >>> ready.signal.threshold
    0.8
    >>> env.close()
    """
    randomizer = resolve_randomizer(entry)
    if not changes:
        return None
    world = parameterized(env, "a randomization")
    randomizer.start(Ranges(changes, world.parameters), EpisodeBudget(steps, episode_limit(env)))
    signal = signal_of(randomizer, world_id, env, changed=changed)
    return PreparedRandomization(changes, entry, randomizer, signal, tuple(randomizer.notes()))


def episode_limit(env: gymnasium.Env[Any, Any]) -> int | None:
    """Return the most steps that an episode takes; None where that is not known."""
    task = getattr(env.unwrapped, "task", None)
    limit = getattr(task, "episode_steps", None) or getattr(env.spec, "max_episode_steps", None)
    return None if limit is None else int(limit)
