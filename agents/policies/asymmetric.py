"""Policies whose critics see more than their actor: the part `privileged` of an observation.

Pinto et al., "Asymmetric actor critic for image-based robot learning", RSS 2018. What the actor
sees goes through a features extractor of its own, to which the privileged part never comes.

With parameters at full size before the critic, a reaching arm hardly learned; at a tenth it did
(experiments/results/memory.md). The likely reason: they stay the same throughout an episode and a
rollout has few episodes, so that the critic can tell these apart and learn each one's return by
heart, which leaves no advantage to learn from.
"""

from __future__ import annotations

from typing import Any

import torch
from gymnasium import spaces
from sb3_contrib.common.recurrent.policies import RecurrentActorCriticPolicy
from sb3_contrib.tqc.policies import TQCPolicy
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.preprocessing import is_image_space
from stable_baselines3.common.torch_layers import (
    BaseFeaturesExtractor,
    CombinedExtractor,
    FlattenExtractor,
    MlpExtractor,
    NatureCNN,
)
from torch import nn

from ...envs.privileged import PRIVILEGED
from ..cores.critics import CriticSettingsPolicy, LayeredTD3Policy

ENCODER_WIDTH = 64
"""Units of the hidden layer of a teacher's encoder."""
PRIVILEGED_WEIGHT = 0.1
"""What is multiplied with the privileged part before critics."""


class ActorView(BaseFeaturesExtractor):
    """The features of all parts of an observation but the privileged one."""

    def __init__(
        self,
        observation_space: spaces.Dict,
        inner: type[BaseFeaturesExtractor] | None = None,
        **settings: Any,
    ) -> None:
        """Make it.

        Args:
            observation_space: of parts, one of them `privileged`.
            inner: what extracts the features of the others, given the only one or a Dict of them.
            settings: its further arguments.
        """
        parts = [(key, part) for key, part in observation_space.items() if key != PRIVILEGED]
        self._only = parts[0][0] if len(parts) == 1 else None
        space: Any = parts[0][1] if self._only is not None else spaces.Dict(parts)
        made = (inner or _default_extractor(space))(space, **settings)
        super().__init__(observation_space, made.features_dim)
        self.inner = made

    def forward(self, observations: dict[str, torch.Tensor]) -> torch.Tensor:
        """Return features, shape (n, features)."""
        if self._only is not None:
            found: torch.Tensor = self.inner(observations[self._only])
            return found
        parts = {key: part for key, part in observations.items() if key != PRIVILEGED}
        return self.inner(parts)  # type: ignore[no-any-return]


class TeacherView(ActorView):
    """The same features, and the privileged part encoded into a few numbers behind them.

    Kumar et al., "RMA: rapid motor adaptation for legged robots", RSS 2021: the encoder mu.
    """

    def __init__(self, observation_space: spaces.Dict, latent: int, **settings: Any) -> None:
        super().__init__(observation_space, **settings)
        [size] = observation_space[PRIVILEGED].shape or (0,)
        self._features_dim += latent
        self.encoder = nn.Sequential(
            nn.Linear(size, ENCODER_WIDTH), nn.Tanh(), nn.Linear(ENCODER_WIDTH, latent), nn.Tanh()
        )

    def forward(self, observations: dict[str, torch.Tensor]) -> torch.Tensor:
        """Return features, shape (n, features)."""
        latent = self.encoder(observations[PRIVILEGED].flatten(1))
        return torch.cat((super().forward(observations), latent), dim=1)


class CriticView(ActorView):
    """The same features, and the privileged part on a small scale behind them."""

    weight: torch.Tensor

    def __init__(self, observation_space: spaces.Dict, **settings: Any) -> None:
        super().__init__(observation_space, **settings)
        [size] = observation_space[PRIVILEGED].shape or (0,)
        self._features_dim += size
        # With the network's tensors: a bundle keeps the scale that it learned with.
        self.register_buffer("weight", torch.tensor(PRIVILEGED_WEIGHT))

    def forward(self, observations: dict[str, torch.Tensor]) -> torch.Tensor:
        """Return features, shape (n, features)."""
        privileged = observations[PRIVILEGED].flatten(1)
        return torch.cat((super().forward(observations), self.weight * privileged), dim=1)


def _default_extractor(space: Any) -> type[BaseFeaturesExtractor]:
    if isinstance(space, spaces.Dict):
        return CombinedExtractor
    return NatureCNN if is_image_space(space) else FlattenExtractor


class _TwoViews:
    """Gives the actor and the critics of a policy their features extractors."""

    def __init__(
        self,
        *arguments: Any,
        features_extractor_class: type[BaseFeaturesExtractor] | None = None,
        features_extractor_kwargs: dict[str, Any] | None = None,
        **named: Any,
    ) -> None:
        self._inner = {"inner": features_extractor_class, **(features_extractor_kwargs or {})}
        # They are not shared, whatever was asked for.
        named["share_features_extractor"] = False
        super().__init__(*arguments, **named)

    def view(self, kind: type[ActorView]) -> ActorView:
        """Return a new features extractor."""
        return kind(self.observation_space, **self._inner)  # type: ignore[attr-defined]


class _OnPolicyViews(_TwoViews):
    def make_features_extractor(self) -> BaseFeaturesExtractor:
        """Return the actor's, which SB3 asks for first, then the critic's."""
        is_second = "features_extractor" in self._modules  # type: ignore[attr-defined]
        return self.view(CriticView if is_second else ActorView)


class AsymmetricPolicy(_OnPolicyViews, ActorCriticPolicy):
    """PPO's policy with a critic that sees the privileged part."""

    def _build_mlp_extractor(self) -> None:
        widths = self.pi_features_extractor, self.vf_features_extractor
        actor, critic = (
            MlpExtractor(view.features_dim, self.net_arch, self.activation_fn, self.device)
            for view in widths
        )
        actor.value_net = critic.value_net
        self.mlp_extractor = actor


class TeacherPolicy(AsymmetricPolicy):
    """PPO's policy whose actor sees what is privileged as well, through `latent` numbers."""

    def __init__(self, *arguments: Any, latent: int, **named: Any) -> None:
        self._latent = latent
        super().__init__(*arguments, **named)

    def view(self, kind: type[ActorView]) -> ActorView:
        """Return a new features extractor."""
        if kind is CriticView:
            return super().view(kind)
        space: Any = self.observation_space
        return TeacherView(space, latent=self._latent, **self._inner)


class AsymmetricRecurrentPolicy(_OnPolicyViews, RecurrentActorCriticPolicy):
    """RecurrentPPO's policy with a critic that sees the privileged part."""

    def __init__(self, observation_space: Any, action_space: Any, schedule: Any, **named: Any):
        super().__init__(observation_space, action_space, schedule, **named)
        width = self.vf_features_extractor.features_dim
        if self.lstm_critic is not None:
            layers = self.lstm_actor.num_layers
            self.lstm_critic = nn.LSTM(
                width, self.lstm_output_dim, num_layers=layers, **self.lstm_kwargs
            )
        elif self.critic is not None:
            self.critic = nn.Linear(width, self.lstm_output_dim)
        make_optimizer: Any = self.optimizer_class
        self.optimizer = make_optimizer(self.parameters(), lr=schedule(1), **self.optimizer_kwargs)


class _OffPolicyViews(_TwoViews):
    def make_actor(self, features_extractor: BaseFeaturesExtractor | None = None) -> Any:
        """Return an actor that does not see it."""
        return super().make_actor(self.view(ActorView))  # type: ignore[misc]

    def make_critic(self, features_extractor: BaseFeaturesExtractor | None = None) -> Any:
        """Return critics that do."""
        return super().make_critic(self.view(CriticView))  # type: ignore[misc]


class AsymmetricSACPolicy(_OffPolicyViews, CriticSettingsPolicy):
    """SAC's policy with critics that see the privileged part."""


class AsymmetricTD3Policy(_OffPolicyViews, LayeredTD3Policy):
    """TD3's policy with critics that see the privileged part."""


class AsymmetricTQCPolicy(_OffPolicyViews, TQCPolicy):
    """TQC's policy with critics that see the privileged part."""
