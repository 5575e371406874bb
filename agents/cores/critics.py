"""Critics of SAC and TD3 that are normalized by layer, and computed all in one batched product."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from stable_baselines3.common.policies import ContinuousCritic
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.sac.policies import SACPolicy
from stable_baselines3.td3.policies import TD3Policy
from torch import nn

Tensor = torch.Tensor


class StackedLinear(nn.Module):
    """Linear layers of several networks, applied in one batched product.

    `weight` (networks, inputs, outputs), `bias` (networks, 1, outputs), drawn as `nn.Linear`
    draws them.
    """

    def __init__(self, networks: int, inputs: int, outputs: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(inputs)
        self.weight = nn.Parameter(torch.empty(networks, inputs, outputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(networks, 1, outputs).uniform_(-bound, bound))

    def forward(self, inputs: Tensor) -> Tensor:
        """Map inputs (networks, n, inputs) to (networks, n, outputs)."""
        return torch.baddbmm(self.bias, inputs, self.weight)


class StackedNorm(nn.Module):
    """Layer normalization with each network's own scale and shift (arXiv 1607.06450)."""

    def __init__(self, networks: int, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(networks, 1, size))
        self.bias = nn.Parameter(torch.zeros(networks, 1, size))

    def forward(self, inputs: Tensor) -> Tensor:
        """Normalize the last axis of (networks, n, size)."""
        normalized = nn.functional.layer_norm(inputs, inputs.shape[-1:])
        return torch.addcmul(self.bias, normalized, self.weight)


class StackedCritic(ContinuousCritic):
    """SB3's `ContinuousCritic` with all networks in one; `qf0` holds them.

    `layer_norm`: normalize each hidden layer before its activation, which bounds what the critic
    says of actions that no data holds (RLPD, arXiv 2302.02948).
    """

    def __init__(self, *arguments: Any, layer_norm: bool = False, **named: Any) -> None:
        wanted = {**named, "n_critics": 0}
        super().__init__(*arguments, **wanted)
        self.n_critics = count = int(named["n_critics"])
        assert self.action_space.shape is not None
        size = int(named["features_dim"]) + math.prod(self.action_space.shape)
        layers: list[nn.Module] = []
        for width in named["net_arch"]:
            layers.append(StackedLinear(count, size, width))
            if layer_norm:
                layers.append(StackedNorm(count, width))
            layers.append(named["activation_fn"]())
            size = width
        self.qf0 = nn.Sequential(*layers, StackedLinear(count, size, 1))

    def forward(self, obs: Tensor, actions: Tensor) -> tuple[Tensor, ...]:
        """Return the values of each network, each of shape (n, 1)."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.share_features_extractor):
            features = self.extract_features(obs, self.features_extractor)
        inputs = torch.cat([features, actions], dim=1)
        values: Tensor = self.qf0(inputs.expand(self.n_critics, *inputs.shape))
        return values.unbind(0)

    def q1_forward(self, obs: Tensor, actions: Tensor) -> Tensor:
        """Return the values of the first network, shape (n, 1)."""
        return self.forward(obs, actions)[0]


class NormalizedCritic(ContinuousCritic):
    """SB3's `ContinuousCritic` with each hidden layer normalized before its activation."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        for number, network in enumerate(self.q_networks):
            assert isinstance(network, nn.Sequential)
            normalized = nn.Sequential(*_with_norms(list(network)))
            self.add_module(f"qf{number}", normalized)
            self.q_networks[number] = normalized


def _with_norms(layers: Sequence[nn.Module]) -> list[nn.Module]:
    """Return the layers with a normalization behind each linear one but the last."""
    found: list[nn.Module] = []
    for layer in layers:
        found.append(layer)
        if isinstance(layer, nn.Linear) and layer is not layers[-1]:
            found.append(nn.LayerNorm(layer.out_features))
    return found


class _CriticSettings:
    """Takes the settings of the critics out of `policy_kwargs`."""

    def __init__(
        self,
        *arguments: Any,
        stacked_critics: bool = False,
        critic_layer_norm: bool = False,
        **named: Any,
    ) -> None:
        self._stacked, self._layer_norm = stacked_critics, critic_layer_norm
        super().__init__(*arguments, **named)

    def make_critic(
        self, features_extractor: BaseFeaturesExtractor | None = None
    ) -> ContinuousCritic:
        """Return a critic as the settings have it."""
        update: Any = self._update_features_extractor  # type: ignore[attr-defined]
        settings = update(self.critic_kwargs, features_extractor)  # type: ignore[attr-defined]
        if self._stacked:
            critic: Any = StackedCritic(**settings, layer_norm=self._layer_norm)
        else:
            critic = (NormalizedCritic if self._layer_norm else ContinuousCritic)(**settings)
        device = self.device  # type: ignore[attr-defined]
        made: ContinuousCritic = critic.to(device)
        return made


class CriticSettingsPolicy(_CriticSettings, SACPolicy):
    """SAC's policy, its critics stacked (`stacked_critics`), normalized (`critic_layer_norm`)."""


class LayeredTD3Policy(_CriticSettings, TD3Policy):
    """TD3's policy, its critics stacked (`stacked_critics`), normalized (`critic_layer_norm`)."""
