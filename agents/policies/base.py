"""What a policy is to whatever runs it: it is told where episodes begin, and it acts.

What it remembers of an episode (recurrence, past observations) is its own. Evaluation, videos and
deployment run any policy in the same way:

1. `reset(mask)` where episodes begin;
2. `act(observations)` once a step, for all worlds in one batch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import numpy as np

Array = np.ndarray[Any, Any]

Act = Callable[[Any], Array]
"""Actions for a batch of raw observations, without any memory."""


@runtime_checkable
class Policy(Protocol):
    """Acts in a batch of worlds, remembering what it needs of each world's episode.

    The number of worlds is that of the first batch, and stays the same.
    """

    def reset(self, mask: Array) -> None:
        """Forget the episodes of some worlds: with the next observation others begin.

        Args:
            mask: bool, shape (worlds,): where an episode begins.
        """
        ...

    def act(self, observations: Any) -> Array:
        """Return actions for raw observations, and remember what was seen and done.

        Args:
            observations: shape (worlds, *observation shape), or a dict of such.

        Returns:
            Actions, shape (worlds, *action shape).
        """
        ...


class Memoryless:
    """A function of the present observation, as a policy.

    >>> still = Memoryless(lambda observations: np.zeros((len(observations), 1)))
    >>> still.reset(np.array([True, True]))
    >>> still.act(np.ones((2, 3))).shape
    (2, 1)
    """

    def __init__(self, act: Act) -> None:
        self._act = act

    def reset(self, mask: Array) -> None:
        """Do nothing: there is nothing to forget."""

    def act(self, observations: Any) -> Array:
        """Return the function's actions."""
        return self._act(observations)


def as_policy(policy: Policy | Act) -> Policy:
    """Return a policy as it is, and a function of observations as a policy without memory."""
    return policy if isinstance(policy, Policy) else Memoryless(policy)


def batch_size(observations: Any) -> int:
    """Return how many observations a batch holds: an array, or a dict of such."""
    if isinstance(observations, dict):
        observations = next(iter(observations.values()))
    return len(observations)
