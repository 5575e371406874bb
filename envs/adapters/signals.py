"""Delay, noise, bias, dropout, gain and lag on the observations and actions of any environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np

from ..parameters import Parameter
from ..sensing import DelayLine

MOST_STEPS = 10


class Signals:
    """What happens to observations and actions on their way, by named parameters.

    Observations: a Box, or a Dict of which the Boxes of floats are changed. Actions: a Box; for
    discrete ones there is a delay alone, in whole steps. All are 0 (the gain 1) nominally, and
    change nothing then. `period` is the control step in seconds.
    """

    def __init__(
        self, observations: gymnasium.Space[Any], actions: gymnasium.Space[Any], period: float
    ) -> None:
        self._period = period
        self._actions = actions if isinstance(actions, gymnasium.spaces.Box) else None
        dicts = isinstance(observations, gymnasium.spaces.Dict)
        spaces: Mapping[Any, Any] = observations.spaces if dicts else {None: observations}  # type: ignore[attr-defined]
        self._parts = {key: box for key, box in spaces.items() if _is_float_box(box)}
        self._delayed = isinstance(actions, (gymnasium.spaces.Box, gymnasium.spaces.Discrete))
        self._values: dict[str, float] = {}
        self._lines: dict[Any, DelayLine] = {}
        self._last: dict[Any, np.ndarray] = {}
        self._queue: list[Any] = []
        self._command: np.ndarray | None = None

    def parameters(self) -> list[Parameter]:
        """Return the parameters that the spaces allow."""
        longest = MOST_STEPS * self._period
        found = []
        if self._parts:
            found += [
                Parameter("observation_noise", "1", 0.0, 0.0, 10.0, "std of white noise", True),
                Parameter("observation_bias", "1", 0.0, -10.0, 10.0, "constant offset", True),
                Parameter("observation_delay", "s", 0.0, 0.0, longest, "of all of it"),
                Parameter("observation_dropout", "1", 0.0, 0.0, 0.95, "chance to see the last one"),
            ]
        if self._delayed:
            found.append(Parameter("action_delay", "s", 0.0, 0.0, longest, "until it acts"))
        if self._actions is not None:
            found += [
                Parameter("action_noise", "1", 0.0, 0.0, 1.0, "std, per half of the range", True),
                Parameter("action_gain", "1", 1.0, 0.1, 2.0, "effect per action", True),
                Parameter("action_lag", "s", 0.0, 0.0, longest, "time constant, first order"),
            ]
        return found

    def space(self, space: gymnasium.Space[Any]) -> gymnasium.Space[Any]:
        """Return the observation space, without the bounds that noise would break."""
        if not self._parts:
            return space
        free = {
            key: gymnasium.spaces.Box(-np.inf, np.inf, box.shape, box.dtype)
            for key, box in self._parts.items()
        }
        if isinstance(space, gymnasium.spaces.Dict):
            return gymnasium.spaces.Dict({**space.spaces, **free})
        return free[None]

    def configure(self, values: Mapping[str, float]) -> None:
        """Take over values for the next episode."""
        self._values = {name: value for name, value in values.items() if value}

    def adjust(self, values: Mapping[str, float]) -> None:
        """Change noise, bias and gain during an episode."""
        self._values.update(values)

    @property
    def idle(self) -> bool:
        """Whether everything passes unchanged."""
        return all(value == (name == "action_gain") for name, value in self._values.items())

    def reset(self, observation: Any, rng: np.random.Generator) -> Any:
        """Begin an episode: before it nothing moved, and the actuators were at rest."""
        delay = self._values.get("observation_delay", 0.0) / self._period
        self._lines = {}
        for key, box in self._parts.items() if delay else ():
            self._lines[key] = DelayLine(int(np.prod(box.shape)), delay)
            self._lines[key].fill(self._part(observation, key).ravel())
        self._last, self._queue, self._command = {}, [], None
        return self.report(observation, rng)

    def report(self, observation: Any, rng: np.random.Generator) -> Any:
        """Return what is seen of an observation."""
        if self.idle or not self._parts:
            return observation
        seen = {key: self._seen(key, observation, rng) for key in self._parts}
        return {**observation, **seen} if isinstance(observation, Mapping) else seen[None]

    def send(self, action: Any, rng: np.random.Generator) -> Any:
        """Return the action that acts in place of one that was sent."""
        if self.idle:
            return action
        delay = self._values.get("action_delay", 0.0) / self._period
        if self._actions is None:
            return self._delay(action, float(round(delay)))
        space = self._actions
        sent = np.asarray(action, dtype=np.float64)
        half = (space.high - space.low) / 2
        finite = np.isfinite(half)
        sent = sent * self._values.get("action_gain", 1.0)
        if noise := self._values.get("action_noise", 0.0):
            sent = sent + noise * np.where(finite, half, 1.0) * rng.standard_normal(sent.shape)
        acts = np.asarray(self._delay(sent, delay))
        if lag := self._values.get("action_lag", 0.0):
            before = np.zeros_like(acts) if self._command is None else self._command
            acts = before + (1 - np.exp(-self._period / lag)) * (acts - before)
            self._command = acts
        return np.clip(acts, space.low, space.high).astype(space.dtype)

    def _delay(self, action: Any, steps: float) -> Any:
        """Return the action of so many steps ago, between two where that is no whole number."""
        self._queue.insert(0, action)
        whole, share = int(steps + 1e-9), steps - int(steps + 1e-9)
        del self._queue[whole + 2 :]
        newer = self._queue[min(whole, len(self._queue) - 1)]
        if share < 1e-9:
            return newer
        older = self._queue[min(whole + 1, len(self._queue) - 1)]
        return (1 - share) * newer + share * older

    def _seen(self, key: Any, observation: Any, rng: np.random.Generator) -> np.ndarray:
        box = self._parts[key]
        seen = self._part(observation, key).astype(np.float64)
        if key in self._lines:
            seen = self._lines[key].push(seen.ravel()).reshape(box.shape).copy()
        seen = seen + self._values.get("observation_bias", 0.0)
        if noise := self._values.get("observation_noise", 0.0):
            seen = seen + noise * rng.standard_normal(seen.shape)
        if chance := self._values.get("observation_dropout", 0.0):
            lost = rng.random(seen.shape) < chance
            if key in self._last:
                seen = np.where(lost, self._last[key], seen)
            self._last[key] = seen
        return np.asarray(seen.astype(box.dtype))

    def _part(self, observation: Any, key: Any) -> np.ndarray:
        return np.asarray(observation if key is None else observation[key])


def _is_float_box(space: gymnasium.Space[Any]) -> bool:
    return isinstance(space, gymnasium.spaces.Box) and np.issubdtype(space.dtype, np.floating)
