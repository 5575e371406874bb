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
        normalizer = learner.normalizer
        self.normalizes = normalizer is not None and normalizer.norm_obs
        if normalizer is not None and self.normalizes:
            # In single precision a mean far from 0 would lose digits of the deviation from it;
            # subtracted in two parts it does not, and no runtime has to know double precision.
            double = learner.observation_space.dtype == np.float64
            kind = torch.float64 if double else torch.float32
            rms: Any = normalizer.obs_rms
            mean = torch.as_tensor(rms.mean, dtype=torch.float64)
            self.mean = mean.to(kind)
            self.rest = (mean - self.mean.double()).to(kind)
            self.deviation = torch.as_tensor(np.sqrt(rms.var + normalizer.epsilon)).to(kind)
            self.clip = float(normalizer.clip_obs)

    def forward(self, observation: torch.Tensor) -> torch.Tensor:
        """Return actions (batch, *action shape) for observations (batch, *observation shape)."""
        chosen = self.policy._predict(self.normalized(observation), deterministic=True)
        return self.in_range(chosen)

    def normalized(self, observation: torch.Tensor) -> torch.Tensor:
        """Return what the network is given for an observation or a history."""
        if not self.normalizes:
            return observation
        scaled = ((observation - self.mean) - self.rest) / self.deviation
        return scaled.clamp(-self.clip, self.clip).float()

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
        if self.layout is not None:
            [part] = self.layout.parts.values()
            kind = torch.float64 if part.dtype == np.float64 else torch.float32
            self.memory.append(Memory("frames", (part.frames, *part.shape), kind))
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
        if self.layout is not None:
            observation, kept["frames"] = self._history(observation, begins, kept)
        given = self.normalized(observation)
        if self.recurrent:
            chosen, kept["hidden"], kept["cell"] = self._recur(given, begins, kept)
        else:
            chosen = self.policy._predict(given, deterministic=True)
        actions = self.in_range(chosen)
        if "last_action" in kept:
            kept["last_action"] = self._encoded(actions)
        return actions, *kept.values()

    def _history(
        self, observation: torch.Tensor, begins: torch.Tensor, kept: dict[str, torch.Tensor]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the history that an observation makes, and its frames (batch, frames, width)."""
        frame = observation
        if "last_action" in kept:
            action = torch.where(begins[:, None], self.no_action, kept["last_action"])
            frame = torch.cat((observation, action.to(observation.dtype)), dim=1)
        frames = torch.cat((kept["frames"][:, 1:], frame[:, None]), dim=1)
        frames = torch.where(begins[:, None, None], frame[:, None].expand_as(frames), frames)
        return frames.flatten(1), frames

    def _recur(
        self, given: torch.Tensor, begins: torch.Tensor, kept: dict[str, torch.Tensor]
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
