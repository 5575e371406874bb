"""A learner's policy while it acts: with what it remembers of the episodes that go on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...envs.privileged import PRIVILEGED
from .base import Array, batch_size
from .history import Frames

if TYPE_CHECKING:
    from ..learner import Learner


class ActingPolicy:
    """What a learner's model does, step by step; made by `Learner.acting`.

    Holds the hidden state of a recurrent model, and the last frames for one that sees a history
    unless it is given `histories`. The learner's statistics are left as they are.
    """

    def __init__(self, learner: Learner, deterministic: bool, histories: bool) -> None:
        self._learner, self.deterministic = learner, deterministic
        self._layout = None if histories else learner.layout
        self._privileges = None if histories else learner.privileges
        self.sees_parameters = learner.algorithm.settings.get("policy_sees") is not None
        self._frames: Frames | None = None
        self.privileged: Array | None = None
        """What is known of the worlds of the next observations (n, size); None: nothing."""
        self._state: Any = None
        # None: no world has acted yet, so that an episode begins in each.
        self._begins: Array | None = None

    def reset(self, mask: Array) -> None:
        """Begin an episode in the worlds where `mask` (bool, shape (worlds,)) is true."""
        if self._begins is not None:
            self._begins = self._begins | np.asarray(mask, dtype=bool)

    def act(self, observations: Any) -> Array:
        """Return actions (n, *action shape) for raw observations of n worlds."""
        count = batch_size(observations)
        begins = np.ones(count, dtype=bool) if self._begins is None else self._begins
        if self._privileges is not None:
            observations = self._privileges.seen(observations)
            # Only a teacher's actor looks at it, which does not go without.
            known = self._privileges.unknown if self.privileged is None else self.privileged
            observations[PRIVILEGED] = np.broadcast_to(known, (count, self._privileges.size))
        if self._layout is not None:
            self._frames = self._frames or Frames(self._layout, count)
            observations = self._frames.see(observations, begins)
        normalizer = self._learner.normalizer
        if normalizer is not None:
            observations = normalizer.normalize_obs(observations)
        actions, self._state = self._learner.model.predict(
            observations, self._state, begins, self.deterministic
        )
        if self._frames is not None:
            self._frames.act(actions)
        self._begins = np.zeros(count, dtype=bool)
        return actions
