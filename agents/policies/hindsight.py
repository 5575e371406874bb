"""Hindsight experience replay (HER): goals that were reached stand in for those that were not.

Andrychowicz et al., "Hindsight Experience Replay", 2017. A transition is replayed as if its goal
had been one that its episode reached later (`future`), last (`final`) or anywhere (`episode`); the
world's own `compute_reward` says what that would have been worth.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces
from stable_baselines3 import HerReplayBuffer
from stable_baselines3.common.type_aliases import DictReplayBufferSamples
from stable_baselines3.common.vec_env import VecNormalize

from ...core.errors import HeadstartError, nearest, shown

HER = "her"
GOAL_PARTS = ("observation", "achieved_goal", "desired_goal")
STRATEGIES = ("future", "final", "episode")


class HindsightBuffer(HerReplayBuffer):
    """SB3's buffer, whose episodes can be cut, and which is all in its arrays."""

    def sample(self, batch_size: int, env: VecNormalize | None = None) -> DictReplayBufferSamples:  # type: ignore[override]
        """Draw transitions; before any episode has ended, of those that go on.

        A policy that goes on from a source learns from its first step on (`learning_starts: 0`).
        """
        if (self.ep_length > 0).any():
            return super().sample(batch_size, env)
        starts = self._current_ep_start.copy()
        for world in range(self.n_envs):
            self._compute_episode_length(world)
        try:
            return super().sample(batch_size, env)
        finally:
            self.ep_length[:] = 0
            self._current_ep_start = starts

    def worlds_reset(self) -> None:
        """End the episodes that go on in all worlds, as other episodes begin with the next step."""
        if self.size() == 0:
            return
        last = self.pos - 1
        # Of an episode that goes on no length is known yet.
        goes_on = self.ep_length[last] == 0
        self._current_ep_start = np.where(goes_on, self.ep_start[last], self.pos)
        for world in np.flatnonzero(goes_on):
            self._compute_episode_length(int(world))


def hindsight_arguments(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the constructor arguments of an off-policy algorithm whose settings name `her`.

    Args:
        settings: `replay_buffer_class` and `replay_buffer_kwargs`: `n_sampled_goal`, goals in
            hindsight for each that was set, and `goal_selection_strategy`.

    Raises:
        HeadstartError: another buffer, or other arguments.
    """
    name = settings.get("replay_buffer_class")
    given = dict(settings.get("replay_buffer_kwargs") or {})
    if name is None:
        if given:
            raise HeadstartError("replay_buffer_kwargs are those of replay_buffer_class: her")
        return {}
    if name != HER:
        raise HeadstartError(f"replay_buffer_class = {shown(repr(name))}: expected 'her', or none")
    known = {"n_sampled_goal": 4, "goal_selection_strategy": "future"}
    for key in given:
        if key not in known:
            raise HeadstartError(f"replay_buffer_kwargs: unknown '{key}'{nearest(str(key), known)}")
    arguments = {**known, **given}
    goals, strategy = arguments["n_sampled_goal"], arguments["goal_selection_strategy"]
    if type(goals) is not int or not 1 <= goals <= 1_000:
        raise HeadstartError(f"n_sampled_goal = {shown(repr(goals))}: expected 1 to 1,000")
    if strategy not in STRATEGIES:
        hint = nearest(str(strategy), STRATEGIES)
        raise HeadstartError(f"goal_selection_strategy = {shown(repr(strategy))}{hint}")
    return {"replay_buffer_class": HindsightBuffer, "replay_buffer_kwargs": arguments}


def check_goals(space: Any) -> None:
    """Refuse worlds that have no goals.

    Args:
        space: the observation space.

    Raises:
        HeadstartError: says what is missing.
    """
    parts = set(space.spaces) if isinstance(space, spaces.Dict) else set()
    if not set(GOAL_PARTS) <= parts:
        raise HeadstartError(
            "replay_buffer_class: her needs a goal environment: observations with the parts "
            f"{', '.join(GOAL_PARTS)}, and a method compute_reward"
        )
