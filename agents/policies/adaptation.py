"""A student's estimate of what its teacher was told: from the history, by convolutions over time.

Kumar et al., "RMA: rapid motor adaptation for legged robots", RSS 2021 (arXiv 2107.04034): the
adaptation module phi.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from gymnasium import spaces
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import nn

LEAST_FRAMES = 13
"""So many frames two convolutions of 5 steps with a stride of 2 need."""
_WIDTH = 32


class AdaptationView(BaseFeaturesExtractor):
    """The newest observation, and an estimate of the teacher's latent behind it.

    Where `is_fixed` is 1, the latent is the one in `fixed`, whatever the history says. What it says
    of the teacher's parameters, `probe` reads from it: a linear function that `adapt` fits, which
    explains the share `explained` of each; actions do not depend on it.
    """

    def __init__(
        self,
        observation_space: spaces.Box,
        frames: int,
        observation: int,
        latent: int,
        parameters: Sequence[str] = (),
    ) -> None:
        """Make it.

        Args:
            observation_space: of histories, `(frames * width,)`, oldest frame first.
            frames: how many frames a history has, at least `LEAST_FRAMES`.
            observation: how many elements at the beginning of a frame are the observation.
            latent: how many numbers are estimated.
            parameters: what the teacher was told; none in bundles of before they were noted.
        """
        super().__init__(observation_space, observation + latent)
        self.frames, self.observation = frames, observation
        self.width = observation_space.shape[0] // frames
        left = (frames - 5) // 2 + 1
        left = (left - 5) // 2 + 1
        self.estimator = nn.Sequential(
            nn.Conv1d(self.width, _WIDTH, 1),
            nn.ReLU(),
            nn.Conv1d(_WIDTH, _WIDTH, 5, stride=2),
            nn.ReLU(),
            nn.Conv1d(_WIDTH, _WIDTH, 5, stride=2),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(_WIDTH * left, latent),
            nn.Tanh(),
        )
        self.fixed: torch.Tensor
        self.is_fixed: torch.Tensor
        self.register_buffer("fixed", torch.zeros(latent))
        self.register_buffer("is_fixed", torch.zeros(()))
        self.parameters_told = tuple(parameters)
        self.probe: torch.Tensor
        self.explained: torch.Tensor
        if parameters:
            self.register_buffer("probe", torch.zeros(latent + 1, len(parameters)))
            self.register_buffer("explained", torch.zeros(len(parameters)))

    def forward(self, histories: torch.Tensor) -> torch.Tensor:
        """Return features, shape (n, observation + latent)."""
        newest = histories[:, -self.width :][:, : self.observation]
        estimate = self.estimate(histories)
        latent = torch.where(self.is_fixed > 0, self.fixed.expand_as(estimate), estimate)
        return torch.cat((newest, latent), dim=1)

    def estimate(self, histories: torch.Tensor) -> torch.Tensor:
        """Return the latent that histories (n, frames * width) speak for, shape (n, latent)."""
        over_time = histories.reshape(len(histories), self.frames, self.width).transpose(1, 2)
        found: torch.Tensor = self.estimator(over_time)
        return found

    def read(self, latents: torch.Tensor) -> torch.Tensor:
        """Return the parameters that latents (n, latent) speak for, from -1 to 1 between bounds."""
        return latents @ self.probe[:-1] + self.probe[-1]
