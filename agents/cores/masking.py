"""Rollouts of which only some steps are learned from: those that the learner drew itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from sb3_contrib.common.recurrent.buffers import (
    RecurrentDictRolloutBuffer,
    RecurrentRolloutBuffer,
)
from stable_baselines3.common.buffers import DictRolloutBuffer, RolloutBuffer
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

Array = np.ndarray[Any, Any]


class Masked:
    """Keeps note of who acted, and leaves out of the minibatches what the learner did not do.

    `learned`, bool of shape (steps, worlds): the steps of the rollout that are learned from.
    """

    model: OnPolicyAlgorithm
    acted: Callable[[], Sequence[bool]]
    least = 1
    """So many steps of the learner's own an update needs."""

    def is_enough(self) -> bool:
        """Return whether the learner acted often enough for an update."""
        return bool(self.learned.sum() >= self.least)

    def reset(self) -> None:
        """Begin another rollout."""
        super().reset()  # type: ignore[misc]
        shape = (self.buffer_size, self.n_envs)  # type: ignore[attr-defined]
        self.learned = np.ones(shape, dtype=bool)
        self.passes = 0

    def add(self, *arguments: Any, **named: Any) -> None:
        """Add a step of all worlds, and who acted in them."""
        self.learned[self.pos] = self.acted()  # type: ignore[attr-defined]
        super().add(*arguments, **named)  # type: ignore[misc]

    def get(self, batch_size: int | None = None) -> Iterator[Any]:
        """Yield minibatches of the learner's own steps, in random order."""
        # Lays the arrays out by world, then step; its own order is of no use here.
        next(super().get(1))  # type: ignore[misc]
        steps = np.flatnonzero(self.learned.swapaxes(0, 1).reshape(-1))
        # By step and pass, so that the order is the same after an interruption.
        seed = [self.model.seed or 0, self.model.num_timesteps, self.passes]
        steps = np.random.default_rng(seed).permutation(steps)
        self.passes += 1
        size = batch_size or len(steps)
        for first in range(0, len(steps), size):
            yield self._get_samples(steps[first : first + size])  # type: ignore[attr-defined]


class MaskedBuffer(Masked, RolloutBuffer):  # type: ignore[misc]
    """A rollout of which only the learner's own steps are learned from."""


class MaskedDictRolloutBuffer(Masked, DictRolloutBuffer):  # type: ignore[misc]
    """The same, of observations that are dicts."""


class _MaskedSequences(Masked):
    """The same of sequences, which stay whole: what the learner did not do has no loss."""

    # The advantages of a minibatch are scaled by their deviation.
    least = 2

    def get(self, batch_size: int | None = None) -> Iterator[Any]:
        """Yield minibatches that hold enough of the learner's own steps."""
        found = False
        for batch in super(Masked, self).get(batch_size):  # type: ignore[misc]
            if batch.mask.sum() >= self.least:
                found = True
                yield batch
        if not found:
            yield from super(Masked, self).get(None)  # type: ignore[misc]

    def _get_samples(self, batch_inds: Array, *rest: Any) -> Any:
        batch = super()._get_samples(batch_inds, *rest)  # type: ignore[misc]
        learned = self.learned.swapaxes(0, 1).reshape(-1).astype(np.float32)
        return batch._replace(mask=self.pad_and_flatten(learned[batch_inds]))  # type: ignore[attr-defined]


class MaskedRecurrentBuffer(_MaskedSequences, RecurrentRolloutBuffer):  # type: ignore[misc]
    """A rollout of a recurrent policy."""


class MaskedRecurrentDictBuffer(_MaskedSequences, RecurrentDictRolloutBuffer):  # type: ignore[misc]
    """The same, of observations that are dicts."""


_MASKED: dict[type, type] = {
    RolloutBuffer: MaskedBuffer,
    DictRolloutBuffer: MaskedDictRolloutBuffer,
    RecurrentRolloutBuffer: MaskedRecurrentBuffer,
    RecurrentDictRolloutBuffer: MaskedRecurrentDictBuffer,
}


def mask_steps(model: OnPolicyAlgorithm, acted: Callable[[], Sequence[bool]]) -> Any:
    """Learn only from steps in which the learner acted.

    Args:
        model: Whose rollouts are masked; one with a rollout buffer of SB3 or sb3-contrib.
        acted: Returns by world whether the latest action was the learner's.

    Returns:
        The rollout buffer that the model has from now on, a `Masked`.
    """
    buffer: Any = model.rollout_buffer
    shape = getattr(buffer, "hidden_state_shape", None)
    masked = _MASKED[type(buffer)](
        buffer.buffer_size,
        buffer.observation_space,
        buffer.action_space,
        *([] if shape is None else [shape]),
        device=buffer.device,
        gae_lambda=buffer.gae_lambda,
        gamma=buffer.gamma,
        n_envs=buffer.n_envs,
    )
    masked.model, masked.acted = model, acted
    model.rollout_buffer = masked
    return masked
