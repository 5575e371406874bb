"""What a method may add to an algorithm's update without changing the algorithm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import optim
from torch.optim.optimizer import _global_optimizer_post_hooks, _global_optimizer_pre_hooks

Term = Callable[[Any], torch.Tensor]
"""An addition to a loss: takes the minibatch (SB3's `RolloutBufferSamples` or
`ReplayBufferSamples`, observations normalized), returns a scalar with a gradient."""


@dataclass
class Hooks:
    """What methods add to an algorithm's update; with none of it, it learns as SB3's does.

    `actor_terms`, `critic_terms`: added to the loss of the actor and of the critic (on-policy, to
    the one loss of both).

    On-policy: `choose` replaces actions drawn from the policy before they are taken: it is given
    them and a function that returns the distribution's mode, both of shape (worlds, *action
    shape), and returns the actions to take.

    Off-policy: `batch` draws a minibatch of so many transitions in place of the replay buffer;
    `ratio` is the number of critic updates per update of actor and temperature, 0 for no such
    update.
    """

    actor_terms: list[Term] = field(default_factory=list)
    critic_terms: list[Term] = field(default_factory=list)
    choose: Callable[[torch.Tensor, Callable[[], torch.Tensor]], torch.Tensor] | None = None
    batch: Callable[[int], Any] | None = None
    ratio: int = 1

    def added(self, terms: list[Term], batch: Any) -> torch.Tensor | float:
        """Return the sum of some terms for a minibatch; 0 without any."""
        total: torch.Tensor | float = 0.0
        for term in terms:
            total = total + term(batch)
        return total


def spare_compiler() -> None:
    """Let optimizers be used without torch's compiler, whose import takes two seconds.

    torch imports it to mark what it must not compile, and keeps the marked under this attribute.
    What it finds there already is run as it is; nothing here is compiled.
    """
    adam = optim.Adam
    for method in (adam.add_param_group, adam.zero_grad, adam.state_dict, adam.load_state_dict):
        plain = getattr(method, "__wrapped__", None)
        if plain is not None and not hasattr(plain, "__dynamo_disable"):
            plain.__dynamo_disable = plain


spare_compiler()


def fuse(optimizer: optim.Optimizer | None) -> None:
    """Let Adam update all its parameters on the CPU in one call, where it can.

    The result differs from that of one call per operation in the last bits at most.
    """
    if type(optimizer) is not optim.Adam:
        return
    for group in optimizer.param_groups:
        on_cpu = all(parameter.device.type == "cpu" for parameter in group["params"])
        if on_cpu and not (group["amsgrad"] or group["capturable"] or group["differentiable"]):
            group.update(fused=True, foreach=False)
    if all(group["fused"] and not group["amsgrad"] for group in optimizer.param_groups):
        optimizer.__class__ = FusedAdam


class FusedAdam(optim.Adam):
    """Adam whose groups are all fused, without what `torch.optim` looks up anew at each step."""

    def step(self, closure: Any = None) -> Any:
        """Take a step; as Adam does where there are hooks."""
        if closure is not None or self._has_step_hooks():
            return super().step(closure)
        found = []
        for group in self.param_groups:
            parameters = [one for one in group["params"] if one.grad is not None]
            if not group["fused"]:
                return super().step()
            found.append((group, parameters, [self._state_of(one) for one in parameters]))
        with torch.no_grad():
            for group, parameters, states in found:
                if parameters:
                    _adam(group, parameters, states)
        return None

    # Adam's own step runs the hooks. Without this mark, torch wraps this step as well once a state
    # is loaded or an optimizer copied, and each hook would run twice.
    step.hooked = True  # type: ignore[attr-defined]

    def _state_of(self, parameter: torch.Tensor) -> dict[str, Any]:
        """Return a parameter's moments, which are 0 before its first step."""
        state: dict[str, Any] = self.state[parameter]
        if not state:
            state["step"] = torch.zeros((), dtype=torch.float32)
            state["exp_avg"] = torch.zeros_like(parameter, memory_format=torch.preserve_format)
            state["exp_avg_sq"] = torch.zeros_like(parameter, memory_format=torch.preserve_format)
        return state

    def _has_step_hooks(self) -> bool:
        """Return whether anything is to run before or after a step, of this optimizer or all."""
        return bool(
            self._optimizer_step_pre_hooks
            or self._optimizer_step_post_hooks
            or _global_optimizer_pre_hooks
            or _global_optimizer_post_hooks
        )


def _adam(group: dict[str, Any], parameters: list[Any], states: list[dict[str, Any]]) -> None:
    """Update the parameters of a group in one call."""
    steps = [state["step"] for state in states]
    torch._foreach_add_(steps, 1)
    beta1, beta2 = group["betas"]
    torch._fused_adam_(
        parameters,
        [one.grad for one in parameters],
        [state["exp_avg"] for state in states],
        [state["exp_avg_sq"] for state in states],
        [],
        steps,
        lr=group["lr"],
        beta1=beta1,
        beta2=beta2,
        weight_decay=group["weight_decay"],
        eps=group["eps"],
        amsgrad=False,
        maximize=group["maximize"],
    )
