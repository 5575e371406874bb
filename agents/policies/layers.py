"""Layers of a policy by name: which parameters are features, policy head and critic head."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Collection, Mapping

import torch
from torch import nn

from ...core.errors import HeadstartError, nearest
from ..cores.critics import StackedLinear

GROUPS = ("features", "policy_head", "critic_head")

# Modules that hold a head, as Stable-Baselines3 and sb3-contrib name them. Where a head's module
# is a whole network (the critics' Sequentials), the head is its last linear layer.
_POLICY_HEADS = r"action_net|log_std|actor(_target)?\.mu|actor\.log_std"
_CRITIC_HEADS = r"value_net|(critic(_target)?|q_net(_target)?|quantile_net(_target)?)\.q[^.]*"
_CRITIC = (
    "value_net.*",
    "mlp_extractor.value_net.*",
    "vf_features_extractor.*",
    "critic*",
    "lstm_critic.*",
)


def names_in(policy: nn.Module, groups: Collection[str]) -> frozenset[str]:
    """Return the names of the parameters in `groups`.

    A group is one of `GROUPS` or an fnmatch pattern on the names of `policy.named_parameters()`,
    such as `mlp_extractor.policy_net.0.*`. Target networks count with what they follow. Raises
    HeadstartError when a group matches nothing.
    """
    names = [name for name, _ in policy.named_parameters()]
    heads = {
        "policy_head": _head_names(policy, _POLICY_HEADS),
        "critic_head": _head_names(policy, _CRITIC_HEADS),
    }
    chosen: set[str] = set()
    for group in groups:
        if group == "features":
            found = set(names) - heads["policy_head"] - heads["critic_head"]
        elif group in heads:
            found = heads[group]
        else:
            found = set(fnmatch.filter(names, group))
        if not found:
            raise HeadstartError(
                f"layers '{group}': no such group or parameter{nearest(group, [*GROUPS, *names])}"
            )
        chosen |= found
    return frozenset(chosen)


def actor_names(policy: nn.Module) -> frozenset[str]:
    """Return the parameters that the actions depend on: all that are not the critic's alone.

    Raises HeadstartError for a policy without a separate actor (DQN).
    """
    names = [name for name, _ in policy.named_parameters()]
    critic = {name for pattern in _CRITIC for name in fnmatch.filter(names, pattern)}
    if not critic:
        raise HeadstartError(f"{type(policy).__name__} has no critic apart from its actor")
    return frozenset(names) - critic


def copy_layers(
    source: Mapping[str, torch.Tensor], policy: nn.Module, names: Collection[str]
) -> None:
    """Copy the tensors `names` from a state dict into `policy`; the shapes must agree."""
    own = dict(policy.named_parameters())
    for name in sorted(names):
        if name not in source or source[name].shape != own[name].shape:
            found = tuple(source[name].shape) if name in source else "nothing"
            raise HeadstartError(
                f"layer '{name}': the source has {found}, the learner {tuple(own[name].shape)}"
            )
        with torch.no_grad():
            own[name].copy_(source[name])


def _head_names(policy: nn.Module, pattern: str) -> set[str]:
    """Return the parameters of the heads whose module (or parameter) path matches `pattern`."""
    found = {name for name, _ in policy.named_parameters() if re.fullmatch(pattern, name)}
    for path, module in policy.named_modules():
        if not re.fullmatch(pattern, path):
            continue
        if isinstance(module, nn.Sequential):
            linear = [
                name
                for name, child in module.named_children()
                if isinstance(child, (nn.Linear, StackedLinear))
            ]
            path = f"{path}.{linear[-1]}"
        elif not isinstance(module, nn.Linear):
            continue
        layer = policy.get_submodule(path)
        found |= {f"{path}.{name}" for name, _ in layer.named_parameters()}
    return found
