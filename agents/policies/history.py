"""The last observations and actions, as one observation: the plainest memory.

A *frame* is what a step adds: its observation and the action that led to it. Of an episode's first
step the action is 0, and before it nothing moved: earlier frames are copies of it. So a history is
a function of the frames of its episode alone, and a replay buffer can store one frame a step.

The history of vectors is `(frames * (observation + action),)`, oldest frame first. Images stack
their channels. Of a Dict each part has a history of its own, and past actions are the part
`past_actions`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces
from stable_baselines3.common.preprocessing import is_image_space, is_image_space_channels_first

from ...core.errors import HeadstartError, nearest, shown
from ...envs.privileged import PRIVILEGED
from .base import Array

PAST_ACTIONS = "past_actions"
MOST_FRAMES = 1_000
PAST_WEIGHT = 0.1

_KEYS = ("frames", "actions", "past_weight")

WHOLE = ""
"""The part that an observation which is no Dict consists of."""


@dataclass(frozen=True)
class History:
    """How much of an episode a policy sees.

    Args:
        frames: The last steps whose observations are seen, the present one among them.
        actions: Whether the actions that led to them are seen, too; None: wherever there is a
            place for them, which pictures alone have not.
        past_weight: What earlier observations and past actions are multiplied by before the
            networks are given them, which makes them learn from these more slowly.

    >>> History.read(5)
    History(frames=5, actions=None, past_weight=0.1)
    >>> History.read({"frames": 3, "actions": False})
    History(frames=3, actions=False, past_weight=0.1)
    """

    frames: int
    actions: bool | None = None
    past_weight: float = PAST_WEIGHT

    @classmethod
    def read(cls, value: Any) -> History | None:
        """Return the history that a setting states: a number of frames, or a mapping.

        Raises:
            HeadstartError: neither, an unknown key, or no number of frames.
        """
        if value is None or isinstance(value, History):
            return value
        if isinstance(value, int) and not isinstance(value, bool):
            value = {"frames": value}
        if not isinstance(value, Mapping):
            raise HeadstartError(
                f"history = {value!r}: expected a number of frames, or {{frames: 5, actions: true}}"
            )
        for key in value:
            if key not in _KEYS:
                hint = nearest(str(key), _KEYS)
                raise HeadstartError(f"history: unknown key '{key}'{hint}")
        frames, actions = value.get("frames"), value.get("actions")
        weight = value.get("past_weight", PAST_WEIGHT)
        if type(frames) is not int or not 1 <= frames <= MOST_FRAMES:
            raise HeadstartError(
                f"history: frames = {shown(repr(frames))}: expected a whole number from 1 to "
                f"{MOST_FRAMES:,}"
            )
        if not isinstance(actions, bool | None):
            raise HeadstartError(f"history: actions = {actions!r}: expected true or false")
        if type(weight) not in (int, float) or not 0 < weight <= 1:
            raise HeadstartError(
                f"history: past_weight = {shown(repr(weight))}: expected a number in (0, 1]"
            )
        return cls(frames, actions, float(weight))

    def __str__(self) -> str:
        """Say it as a person would."""
        actions = {True: " with actions", False: " without actions", None: ""}[self.actions]
        return f"a history of {self.frames} frames{actions}"


@dataclass(frozen=True)
class StackedPart:
    """A part of an observation: the shape of its frame and the axis along which frames stack."""

    shape: tuple[int, ...]
    dtype: Any
    frames: int
    axis: int = 0

    @property
    def stacked(self) -> tuple[int, ...]:
        """The shape of its history."""
        shape = list(self.shape)
        shape[self.axis] *= self.frames
        return tuple(shape)

    def stack(self, frames: Array) -> Array:
        """Return histories (n, *stacked) of frames (n, frames, *shape), oldest first."""
        if self.axis == 0 or self.frames == 1:
            return frames.reshape(len(frames), *self.stacked)
        moved = np.moveaxis(frames, 1, 1 + self.axis)
        return moved.reshape(len(frames), *self.stacked)

    def newest(self, stacked: Array) -> Array:
        """Return the newest frames (n, *shape) of histories (n, *stacked)."""
        count, axis = self.shape[self.axis], 1 + self.axis
        return np.take(stacked, range(stacked.shape[axis] - count, stacked.shape[axis]), axis)


class HistoryLayout:
    """How observations and actions of a world make up a history.

    `space` is that of the history; `parts` are its parts by key (the empty one where an
    observation is no Dict).
    """

    def __init__(self, history: History, observations: Any, actions: Any) -> None:
        """Lay it out for a world's observation and action space.

        Raises:
            HeadstartError: observations of which there is no history, or actions that have no
                place beside them.
        """
        self.history, self.action_space = history, actions
        is_dict = isinstance(observations, spaces.Dict)
        given = dict(observations.items()) if is_dict else {WHOLE: observations}
        pictures = all(is_image_space(space) for key, space in given.items() if key != PRIVILEGED)
        self.with_actions = not pictures if history.actions is None else history.actions
        width = self._action_width() if self.with_actions else 0
        self._in_whole = 0 if is_dict else width
        bounds: dict[str, tuple[Any, Any]] = {}
        self.parts: dict[str, StackedPart] = {}
        for key, space in given.items():
            self.parts[key] = self._part(key, space)
            bounds[key] = space.low, space.high
        if is_dict and width:
            if PAST_ACTIONS in given:
                raise HeadstartError(f"observations have a part '{PAST_ACTIONS}' already")
            self.parts[PAST_ACTIONS] = StackedPart((width,), np.dtype(np.float32), history.frames)
            bounds[PAST_ACTIONS] = self._action_bounds()
        made = {key: self._stacked_space(part, *bounds[key]) for key, part in self.parts.items()}
        self.space: Any = spaces.Dict(list(made.items())) if is_dict else made[WHOLE]

    def frame(self, observations: Any, actions: Array) -> dict[str, Array]:
        """Return frames by part, each (n, *shape).

        Args:
            observations: of n worlds, as the world gives them.
            actions: those that led to them, encoded, (n, width).
        """
        if not isinstance(observations, dict):
            if not self._in_whole:
                return {WHOLE: observations}
            return {WHOLE: np.concatenate((observations, actions), axis=1, dtype=self._dtype)}
        found = dict(observations)
        if self.with_actions:
            found[PAST_ACTIONS] = actions
        return found

    def encoded(self, actions: Any) -> Array:
        """Return actions as they are remembered, (n, width): one in so many for discrete ones."""
        if isinstance(self.action_space, spaces.Discrete):
            chosen = np.asarray(actions).reshape(-1) - int(self.action_space.start)
            one_of: Array = np.eye(int(self.action_space.n), dtype=np.float32)[chosen]
            return one_of
        return np.asarray(actions, dtype=np.float32).reshape(len(actions), -1)

    def no_action(self, count: int) -> Array:
        """Return what stands for the action before an episode's first, for so many worlds."""
        low, high = self._action_bounds() if self.with_actions else (np.zeros(0), np.zeros(0))
        return np.tile(np.clip(0.0, low, high).astype(np.float32), (count, 1))

    def actions_in(self, key: str) -> int:
        """Return how many numbers of a part's frame are of the action, which come last."""
        if key == PAST_ACTIONS:
            return self.parts[key].shape[0]
        return self._in_whole

    def joined(self, parts: dict[str, Array]) -> Any:
        """Return parts as an observation: a dict, or the only part there is."""
        return parts.get(WHOLE, parts)

    def split(self, observation: Any) -> dict[str, Array]:
        """Return an observation's parts by key."""
        return observation if isinstance(observation, dict) else {WHOLE: observation}

    @property
    def _dtype(self) -> Any:
        return self.parts[WHOLE].dtype

    def _part(self, key: str, space: Any) -> StackedPart:
        where = f" part '{key}'" if key else "s"
        if key == PRIVILEGED:
            return StackedPart(space.shape, space.dtype, 1)
        if isinstance(space, spaces.Box) and is_image_space(space):
            if not key and self._in_whole:
                raise HeadstartError(
                    "history: pictures have no place for actions: say actions: false, or let the "
                    "world give a Dict"
                )
            axis = 0 if is_image_space_channels_first(space) else 2
            return StackedPart(space.shape, space.dtype, self.history.frames, axis)
        if isinstance(space, spaces.Box) and len(space.shape) == 1:
            return StackedPart((space.shape[0] + self._in_whole,), space.dtype, self.history.frames)
        raise HeadstartError(
            f"history: observation{where} of {space}: expected vectors or pictures of a fixed "
            "shape (Box), or a Dict of such"
        )

    def _stacked_space(self, part: StackedPart, low: Array, high: Array) -> spaces.Box:
        if self._in_whole:
            bounds = self._action_bounds()
            low, high = np.concatenate((low, bounds[0])), np.concatenate((high, bounds[1]))
        ends = [
            part.stack(np.repeat(end[None, None], part.frames, axis=1))[0].astype(part.dtype)
            for end in (low, high)
        ]
        return spaces.Box(ends[0], ends[1], part.stacked, part.dtype.type)

    def _action_width(self) -> int:
        space = self.action_space
        if isinstance(space, spaces.Discrete):
            return int(space.n)
        if isinstance(space, spaces.Box):
            return int(np.prod(space.shape))
        raise HeadstartError(
            f"history: actions of {space}: expected Box or Discrete; say actions: false"
        )

    def _action_bounds(self) -> tuple[Array, Array]:
        space = self.action_space
        if isinstance(space, spaces.Box):
            return space.low.reshape(-1), space.high.reshape(-1)
        return np.zeros(int(space.n)), np.ones(int(space.n))


class Frames:
    """The latest frames of some worlds.

    >>> space = spaces.Box(-9, 9, (1,))
    >>> frames = Frames(HistoryLayout(History(3), space, spaces.Box(-1, 1, (1,))), worlds=1)
    >>> frames.see(np.array([[7.0]]), begins=np.array([True]))
    array([[7., 0., 7., 0., 7., 0.]], dtype=float32)
    >>> frames.act(np.array([[0.5]]))
    >>> frames.see(np.array([[8.0]]), begins=np.array([False]))
    array([[7. , 0. , 7. , 0. , 8. , 0.5]], dtype=float32)
    """

    def __init__(self, layout: HistoryLayout, worlds: int) -> None:
        self.layout = layout
        self._frames = {
            key: np.zeros((worlds, part.frames, *part.shape), part.dtype)
            for key, part in layout.parts.items()
        }
        self._none = layout.no_action(worlds)
        self._actions = self._none.copy()

    def act(self, actions: Any) -> None:
        """Remember the actions that lead to the next observations."""
        if self.layout.with_actions:
            self._actions = self.layout.encoded(actions)

    def see(self, observations: Any, begins: Array) -> Any:
        """Remember observations of all worlds and return the histories, as fresh arrays.

        Args:
            observations: shape (worlds, *observation shape), or a dict of such.
            begins: bool, shape (worlds,): where they are an episode's first.
        """
        some = bool(begins.any())
        actions = self._actions
        if some and self.layout.with_actions:
            actions = np.where(begins[:, None], self._none, actions)
        for key, frame in self.layout.frame(observations, actions).items():
            kept = self._frames[key]
            kept[:, :-1] = kept[:, 1:]
            kept[:, -1] = frame
            if some:
                kept[begins] = np.asarray(frame)[begins][:, None]
        return self._histories(self._frames)

    def after(self, world: int, observation: Any) -> Any:
        """Return the history that one more observation of a world makes, remembering nothing."""
        one = slice(world, world + 1)
        single = {key: part[None] for key, part in self.layout.split(observation).items()}
        frame = self.layout.frame(self.layout.joined(single), self._actions[one])
        found = {
            key: np.concatenate((self._frames[key][one, 1:], frame[key][:, None]), axis=1)
            for key in self._frames
        }
        histories = self.layout.split(self._histories(found))
        return self.layout.joined({key: part[0] for key, part in histories.items()})

    def _histories(self, frames: dict[str, Array]) -> Any:
        parts = self.layout.parts
        return self.layout.joined(
            {key: np.array(parts[key].stack(kept)) for key, kept in frames.items()}
        )
