"""Pulls on weights: towards the source's, towards a new network's, towards zero."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from ....agents.learner import Learner
from .warm_start import NOISE


class Pull:
    """Moves weights towards an anchor after each step of their optimizer.

    w <- w - rate * strength * (w - anchor), as AdamW decays weights: apart from the gradient, so
    that Adam's scaling does not undo it (Loshchilov and Hutter, arXiv 1711.05101, algorithm 2).
    With the source's weights as the anchor it is L2-SP (Li et al., arXiv 1802.01483, eq. 3), with
    those of a new network L2-init (Kumar et al., arXiv 2308.11958, eq. 2), with none of them weight
    decay.

    Args:
        learner: Whose weights are pulled.
        strength: The pull per unit of learning rate.
        anchor: Tensors by parameter name; None for 0. A parameter without one is left alone,
            as are a policy's noise and SAC's temperature.
    """

    def __init__(
        self, learner: Learner, strength: float, anchor: Mapping[str, torch.Tensor] | None
    ) -> None:
        self.strength = strength
        named = learner.parameters()
        layers = {name: tensor for name, tensor in named.items() if tensor.ndim > 0}
        self._anchors: dict[int, torch.Tensor | float] = {}
        for name, tensor in layers.items():
            if name in NOISE:
                continue
            if anchor is None:
                self._anchors[id(tensor)] = 0.0
            elif name in anchor:
                self._anchors[id(tensor)] = anchor[name].detach().clone().to(tensor.device)
        self._optimizers = list(learner.optimizers().values())

    def attach(self) -> None:
        """Pull from now on, at every step of the learner's optimizers."""
        for optimizer in self._optimizers:
            optimizer.register_step_post_hook(self._pull)

    def _pull(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        with torch.no_grad():
            for group in optimizer.param_groups:
                share = group["lr"] * self.strength
                for tensor in group["params"]:
                    anchor = self._anchors.get(id(tensor))
                    if anchor is not None:
                        tensor.sub_(share * (tensor - anchor))
