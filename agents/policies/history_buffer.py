"""Replay buffers of histories that store one frame a step, and put histories together when asked.

The history of a step consists of its frame and those of the steps before it in its episode; the
first stands for all before it. So frames and their ages (steps since the episode began) are all
that is stored, in place of `frames` copies of each observation.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from stable_baselines3.common.buffers import DictReplayBuffer, NStepReplayBuffer, ReplayBuffer

from .base import Array
from .history import HistoryLayout, StackedPart


class _Stored:
    """Behaves as the array of histories (steps, worlds, *history shape) that it stands for."""

    def __init__(self, buffer: Any, key: str, part: StackedPart, following: bool) -> None:
        self._buffer, self._key, self._part, self._following = buffer, key, part, following

    @property
    def nbytes(self) -> int:
        """The bytes that are stored for it."""
        return int(self._frames(self._following).nbytes)

    def __setitem__(self, step: int, histories: Array) -> None:
        newest = self._part.newest(histories)
        self._frames(self._following)[step] = newest

    def __getitem__(self, index: Any) -> Array:
        """Return the histories at (steps, worlds), two arrays of the same shape (n,)."""
        steps, worlds = index[0], index[1]
        buffer, count = self._buffer, self._part.frames
        # Of an observation that follows, the newest frame lies apart from those before it.
        back = np.arange(count - 1, -1, -1) - self._following
        known = np.minimum(buffer.ages[steps, worlds], self._stored_before(steps))
        reach = np.minimum(np.maximum(back, 0), known[:, None])
        places = (steps[:, None] - reach) % buffer.buffer_size
        frames = self._frames(following=False)[places, worlds[:, None]]
        if self._following:
            frames[:, -1] = self._frames(following=True)[steps, worlds]
        return self._part.stack(frames)

    def _stored_before(self, steps: Array) -> Array:
        """Return how many steps before these have not been written over."""
        buffer = self._buffer
        return (steps - buffer.pos) % buffer.buffer_size if buffer.full else steps

    def _frames(self, following: bool) -> Array:
        found: Array = (self._buffer.next_frames if following else self._buffer.frames)[self._key]
        return found


class _OfHistories:
    """What replay buffers of histories share."""

    pos: int

    def __init__(
        self,
        buffer_size: int,
        observation_space: Any,
        *rest: Any,
        layout: HistoryLayout,
        **named: Any,
    ) -> None:
        # A stand-in of one number, since what is allocated for observations is not used.
        small: Any = spaces.Box(-1, 1, (1,))
        if isinstance(observation_space, spaces.Dict):
            small = spaces.Dict(dict.fromkeys(observation_space, small))
        super().__init__(buffer_size, small, *rest, **named)  # type: ignore[call-arg]
        self.observation_space: Any = observation_space
        self.obs_shape: Any = observation_space.shape
        if isinstance(observation_space, spaces.Dict):
            self.obs_shape = {key: space.shape for key, space in observation_space.items()}
        size = self.buffer_size, self.n_envs  # type: ignore[attr-defined]
        self.frames = {
            key: np.zeros((*size, *part.shape), part.dtype) for key, part in layout.parts.items()
        }
        self.next_frames = {key: np.zeros_like(frames) for key, frames in self.frames.items()}
        self.ages = np.zeros(size, dtype=np.int32)
        self._age = np.zeros(self.n_envs, dtype=np.int32)  # type: ignore[attr-defined]
        parts = layout.parts.items()
        present = {key: _Stored(self, key, part, following=False) for key, part in parts}
        coming = {key: _Stored(self, key, part, following=True) for key, part in parts}
        self.observations: Any = layout.joined(present)  # type: ignore[arg-type]
        self.next_observations: Any = layout.joined(coming)  # type: ignore[arg-type]

    def worlds_reset(self) -> None:
        """Note that all worlds begin another episode with the next step."""
        self._age[:] = 0

    def add(
        self, obs: Any, next_obs: Any, action: Array, reward: Array, done: Array, infos: Any
    ) -> None:
        """Add a step of all worlds, whose observations are histories."""
        self.ages[self.pos] = self._age
        super().add(obs, next_obs, action, reward, done, infos)  # type: ignore[misc]
        self._age = np.where(done, 0, self._age + 1).astype(np.int32)


class HistoryReplayBuffer(_OfHistories, ReplayBuffer):
    """A replay buffer of histories that are vectors or pictures."""


class HistoryNStepReplayBuffer(_OfHistories, NStepReplayBuffer):
    """The same, for n-step returns."""


class HistoryDictReplayBuffer(_OfHistories, DictReplayBuffer):
    """The same, of observations that are dicts."""


def buffer_arguments(layout: HistoryLayout, n_steps: int, gamma: float) -> dict[str, Any]:
    """Return the constructor arguments that give an off-policy algorithm such a buffer."""
    kwargs: dict[str, Any] = {"layout": layout}
    cls: type[ReplayBuffer] = HistoryReplayBuffer
    if isinstance(layout.space, spaces.Dict):
        cls = HistoryDictReplayBuffer
    elif n_steps > 1:
        cls = HistoryNStepReplayBuffer
        kwargs |= {"n_steps": n_steps, "gamma": gamma}
    return {"replay_buffer_class": cls, "replay_buffer_kwargs": kwargs}
