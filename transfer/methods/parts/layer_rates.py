"""Layers that learn at rates of their own, and dropout in the critic."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import nn

from ....agents.learner import Learner
from ....agents.policies.layers import names_in


def set_layer_rates(learner: Learner, factors: Mapping[str, float]) -> None:
    """Scale each optimizer step of some layers, which under Adam scales their learning rate.

    Args:
        learner: Whose layers they are.
        factors: By group or pattern of layers (see `names_in`); where several name a layer, the
            last one counts.
    """
    by_tensor: dict[int, float] = {}
    parameters = learner.parameters()
    for group, factor in factors.items():
        for name in names_in(learner.model.policy, [group]):
            by_tensor[id(parameters[name])] = factor
    before: dict[int, torch.Tensor] = {}

    def scaled(optimizer: torch.optim.Optimizer) -> list[torch.Tensor]:
        tensors = [one for group in optimizer.param_groups for one in group["params"]]
        return [one for one in tensors if by_tensor.get(id(one), 1.0) != 1.0]

    def keep(optimizer: torch.optim.Optimizer, *_: Any) -> None:
        for tensor in scaled(optimizer):
            before[id(tensor)] = tensor.detach().clone()

    def shorten(optimizer: torch.optim.Optimizer, *_: Any) -> None:
        with torch.no_grad():
            for tensor in scaled(optimizer):
                old = before.pop(id(tensor))
                tensor.copy_(old + by_tensor[id(tensor)] * (tensor - old))

    for optimizer in learner.optimizers().values():
        optimizer.register_step_pre_hook(keep)
        optimizer.register_step_post_hook(shorten)


def add_dropout(learner: Learner, rate: float) -> None:
    """Drop a share of the critic's hidden units in updates (DroQ, arXiv 2110.02034).

    The networks' parameters keep their names: it acts on what the activations put out.
    """

    def drop(module: nn.Module, _: Any, output: torch.Tensor) -> torch.Tensor:
        return nn.functional.dropout(output, rate, module.training)

    policy: Any = learner.model.policy
    roots = [getattr(policy, "critic", None), getattr(policy, "critic_target", None)]
    extractor = getattr(policy, "mlp_extractor", None)
    roots.append(getattr(extractor, "value_net", None))
    for root in roots:
        for module in root.modules() if root is not None else ():
            children = list(module.children())
            if not children and not list(module.parameters()) and _is_activation(module):
                module.register_forward_hook(partial(drop))


def _is_activation(module: nn.Module) -> bool:
    return type(module).__module__ == nn.ReLU.__module__
