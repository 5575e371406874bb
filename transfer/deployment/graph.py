"""A policy as one PyTorch module, from raw observations to actions of the world, to be exported.

What `Learner.acting` does around the network is in it: frames of a history, the normalizer's mean,
variance and clipping before the network, the unsquashing or clipping of actions after it. What the
policy remembers goes in and comes out as tensors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from stable_baselines3.common.policies import BasePolicy
from torch import nn

from ...agents.learner import Learner
from ...agents.policies.history import PAST_ACTIONS, WHOLE
from ...envs.privileged import OBSERVATION, PRIVILEGED

NEXT = "_next"
"""What follows the name of a memory where it comes out."""


@dataclass(frozen=True)
class Memory:
    """A tensor that a policy keeps: its shape without the batch; all 0 before the first step."""

    name: str
    shape: tuple[int, ...]
    dtype: torch.dtype = torch.float32


class Acting(nn.Module):
    """The deterministic policy of a learner whose observations are vectors."""

    def __init__(self, learner: Learner) -> None:
        super().__init__()
        self.policy: Any = learner.model.policy
        self.bounds: tuple[torch.Tensor, torch.Tensor] | None = None
        space = learner.worlds.action_space
        self.shape: tuple[int, ...] = space.shape or ()
        if isinstance(space, gym.spaces.Box):
            self.bounds = torch.as_tensor(space.low), torch.as_tensor(space.high)
        self.kept: list[int] | None = None
        # A network whose critics see more is given its observation as a part of a dict.
        self.part = WHOLE if learner.privileges is None else OBSERVATION
        if learner.privileges is not None and learner.privileges.kept is not None:
            self.kept = list(learner.privileges.kept)
        double = learner.observation_space.dtype == np.float64
        self.scales = _scales(learner, torch.float64 if double else torch.float32)
        self.clip = 0.0 if learner.normalizer is None else float(learner.normalizer.clip_obs)

    def forward(self, observation: torch.Tensor) -> torch.Tensor:
        """Return actions (batch, *action shape) for observations (batch, *observation shape)."""
        given = self.given({self.part: self.seen(observation)})
        return self.in_range(self.policy._predict(given, deterministic=True))

    def seen(self, observation: torch.Tensor) -> torch.Tensor:
        """Return what the actor sees of an observation."""
        return observation if self.kept is None else observation[:, self.kept]

    def given(self, parts: dict[str, torch.Tensor]) -> Any:
        """Return what the network is given, normalized: parts by key, or the only one."""
        found = {}
        for key, part in parts.items():
            if key in self.scales:
                mean, rest, deviation = self.scales[key]
                part = (((part - mean) - rest) / deviation).clamp(-self.clip, self.clip).float()
            found[key] = part
        return found.get(WHOLE, found)

    def in_range(self, chosen: torch.Tensor) -> torch.Tensor:
        """Return actions of the world for those that the policy chose."""
        actions = chosen.reshape(-1, *self.shape)
        if self.bounds is None:
            return actions
        low, high = self.bounds
        if self.policy.squash_output:
            return low + 0.5 * (actions + 1.0) * (high - low)
        return torch.minimum(torch.maximum(actions, low), high)


class Remembering(Acting):
    """The same of a policy that sees a history, or is recurrent, or both.

    `memory` are the tensors that it keeps: those of `frames` and `last_action` for a history,
    `hidden` and `cell` for a recurrent network.
    """

    def __init__(self, learner: Learner) -> None:
        super().__init__(learner)
        self.layout, self.memory = learner.layout, []
        self.recurrent = learner.algorithm.recurrent
        self.remembered: dict[str, str] = {}
        if self.layout is not None:
            for key, part in self.layout.parts.items():
                if key == PRIVILEGED:
                    continue
                name = self.remembered[key] = "frames" if key == self.part else key
                kind = torch.float64 if part.dtype == np.float64 else torch.float32
                self.memory.append(Memory(name, (part.frames, *part.shape), kind))
            if self.layout.with_actions:
                none = torch.as_tensor(self.layout.no_action(1)[0])
                self.no_action = none
                self.memory.append(Memory("last_action", tuple(none.shape)))
        if self.recurrent:
            layers, _, width = self.policy.lstm_hidden_state_shape
            self.memory += [Memory("hidden", (layers, width)), Memory("cell", (layers, width))]

    def forward(  # type: ignore[override]
        self, observation: torch.Tensor, begins: torch.Tensor, *memory: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        """Return actions, and the memories for the next step.

        `begins`, bool of shape (batch,), is true where an episode begins: its memory is not read.
        """
        kept = dict(zip((one.name for one in self.memory), memory, strict=True))
        parts = {self.part: self.seen(observation)}
        if self.layout is not None:
            parts = self._history(parts, begins, kept)
        given = self.given(parts)
        if self.recurrent:
            chosen, kept["hidden"], kept["cell"] = self._recur(given, begins, kept)
        else:
            chosen = self.policy._predict(given, deterministic=True)
        actions = self.in_range(chosen)
        if "last_action" in kept:
            kept["last_action"] = self._encoded(actions)
        return actions, *kept.values()

    def _history(
        self, parts: dict[str, torch.Tensor], begins: torch.Tensor, kept: dict[str, torch.Tensor]
    ) -> dict[str, torch.Tensor]:
        """Return the histories that an observation makes by part, and keep their frames."""
        if "last_action" in kept:
            action = torch.where(begins[:, None], self.no_action, kept["last_action"])
            if self.part == WHOLE:
                observation = parts[WHOLE]
                joined = torch.cat((observation, action.to(observation.dtype)), dim=1)
                parts = {WHOLE: joined}
            else:
                parts = {**parts, PAST_ACTIONS: action}
        found = {}
        for key, name in self.remembered.items():
            frame = parts[key][:, None]
            frames = torch.cat((kept[name][:, 1:], frame), dim=1)
            kept[name] = torch.where(begins[:, None, None], frame.expand_as(frames), frames)
            found[key] = kept[name].flatten(1)
        return found

    def _recur(
        self, given: Any, begins: torch.Tensor, kept: dict[str, torch.Tensor]
    ) -> tuple[torch.Tensor, ...]:
        """Return the actions chosen and the next hidden and cell states (batch, layers, width)."""
        policy = self.policy
        features = BasePolicy.extract_features(policy, given, policy.pi_features_extractor)
        goes_on = (~begins)[:, None, None].float()
        states = tuple(
            (kept[name] * goes_on).transpose(0, 1).contiguous() for name in ("hidden", "cell")
        )
        output, (hidden, cell) = policy.lstm_actor(features[None], states)
        latent = policy.mlp_extractor.forward_actor(output[0])
        distribution = policy._get_action_dist_from_latent(latent)
        chosen = distribution.get_actions(deterministic=True)
        return chosen, hidden.transpose(0, 1), cell.transpose(0, 1)

    def _encoded(self, actions: torch.Tensor) -> torch.Tensor:
        """Return actions as they are remembered; see `HistoryLayout.encoded`."""
        assert self.layout is not None
        space = self.layout.action_space
        if isinstance(space, gym.spaces.Discrete):
            chosen = actions.reshape(-1).long() - int(space.start)
            return nn.functional.one_hot(chosen, int(space.n)).float()
        return actions.flatten(1).float()


def _scales(learner: Learner, kind: torch.dtype) -> dict[str, tuple[torch.Tensor, ...]]:
    """Return the normalizer's means, in two parts, and deviations by part of the observation.

    In single precision a mean far from 0 would lose digits of the deviation from it; subtracted in
    two parts it does not, and no runtime has to know double precision.
    """
    normalizer = learner.normalizer
    if normalizer is None or not normalizer.norm_obs:
        return {}
    rms: Any = normalizer.obs_rms
    found: dict[str, tuple[torch.Tensor, ...]] = {}
    for key, statistics in (rms if isinstance(rms, dict) else {WHOLE: rms}).items():
        whole = torch.as_tensor(statistics.mean, dtype=torch.float64)
        mean = whole.to(kind)
        deviation = torch.as_tensor(np.sqrt(statistics.var + normalizer.epsilon)).to(kind)
        found[key] = mean, (whole - mean.double()).to(kind), deviation
    return found
