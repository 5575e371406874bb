"""Who acts in which training world: the learner with its noise or without, or the source."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from ....agents.cores.masking import mask_steps
from ....agents.cores.ppo import CorePPO
from ....agents.learner import Array, Learner

Role = Literal["learner", "noise_free", "source", "softened"]
"""`learner`: its actions with their exploration noise, the only ones that PPO may learn from;
`noise_free`: its actions without; `source`: the actions of the source policy, without noise;
`softened`: draws from the policy that the learner would be if it were softened."""


GUIDES: tuple[Role, ...] = ("source", "softened")


class Roles:
    """Gives each training world a role per episode and lets the actions come from it.

    `assign()` names the role of an episode that begins. On-policy, the steps of
    other roles than `learner` are left out of the update: their actions are not draws from the
    policy that is updated. Off-policy all steps are learned from, whoever acted.

    `now` holds the roles in which the actions of the latest step were chosen, by world;
    `under_way` those of the episodes that go on, None where the next step begins one.
    """

    def __init__(
        self,
        learner: Learner,
        source: Learner,
        softened: Learner,
        assign: Callable[[], Role],
    ) -> None:
        self._learner, self._assign = learner, assign
        # A learner's history is the source's, whose policy else keeps its own.
        histories = learner.layout is not None
        self._source = source.acting(histories=histories)
        self._softened = softened.acting(deterministic=False, histories=histories)
        worlds = learner.worlds.num_envs
        self.now: list[Role] = ["learner"] * worlds
        self.under_way: list[Role | None] = [None] * worlds
        model = learner.model
        if isinstance(model, OnPolicyAlgorithm):
            self._act_on_policy(model)
        else:
            assert isinstance(model, OffPolicyAlgorithm)
            self._act_off_policy(model)

    def end(self, world: int) -> None:
        """Note that a world's episode has ended: its next action begins another."""
        self.under_way[world] = None

    def end_all(self) -> None:
        """Note that all worlds begin anew."""
        self.under_way = [None] * len(self.under_way)

    def _begin_step(self) -> None:
        """Give a role to each world whose episode begins with this step."""
        begins = np.array([role is None for role in self.under_way])
        if begins.any():
            self._source.reset(begins)
            self._softened.reset(begins)
        for world, role in enumerate(self.under_way):
            self.now[world] = self.under_way[world] = role or self._assign()

    def _rows(self, role: Role) -> Array:
        return np.array([index for index, its in enumerate(self.now) if its == role], dtype=int)

    def _act_on_policy(self, model: OnPolicyAlgorithm) -> None:
        masked = mask_steps(model, lambda: [role == "learner" for role in self.now])

        def choose(actions: torch.Tensor, mode: Callable[[], torch.Tensor]) -> torch.Tensor:
            self._begin_step()
            if all(role == "learner" for role in self.now):
                return actions
            actions = actions.clone()
            for role, its_actions in self._others(mode).items():
                rows = self._rows(role)
                if len(rows):
                    chosen = torch.as_tensor(its_actions(), device=actions.device)
                    actions[rows] = chosen.reshape(actions.shape)[rows].to(actions.dtype)
            return actions

        if isinstance(model, CorePPO):
            model.hooks.choose = choose
            return
        # Another algorithm's collection calls the policy, and its update needs some steps.
        policy: Any = model.policy
        forward, train = policy.forward, model.train

        def act(*arguments: Any, **named: Any) -> Any:
            # Values and log-probabilities follow, and a recurrent policy's hidden states.
            actions, *rest = forward(*arguments, **named)
            # The mode of the distribution of this very batch, which `forward` leaves behind.
            return choose(actions, policy.action_dist.mode), *rest

        def train_where_learned() -> None:
            if masked.is_enough():
                train()

        policy.forward = act
        model.train = train_where_learned  # type: ignore[method-assign]

    def _act_off_policy(self, model: OffPolicyAlgorithm) -> None:
        sample = model._sample_action

        def act(*arguments: Any, **named: Any) -> tuple[Array, Array]:
            actions, stored = sample(*arguments, **named)
            self._begin_step()
            for role, choose in self._others(self._noise_free_actions).items():
                rows = self._rows(role)
                if len(rows):
                    actions[rows] = choose()[rows]
                    stored[rows] = model.policy.scale_action(actions[rows])
            return actions, stored

        model._sample_action = act  # type: ignore[method-assign]

    def _others(self, noise_free: Callable[[], Any]) -> dict[Role, Callable[[], Any]]:
        """Return how the actions of each role but the learner's are chosen, in all worlds."""
        return {
            "noise_free": noise_free,
            **{role: partial(self._source_actions, role) for role in GUIDES},
        }

    def _noise_free_actions(self) -> Array:
        """Return the learner's actions in all worlds without noise."""
        model = self._learner.model
        assert model._last_obs is not None
        actions, _ = model.predict(model._last_obs, deterministic=True)
        return actions

    def _source_actions(self, role: Role) -> Array:
        """Return the source's actions in all worlds, from raw observations."""
        normalizer = self._learner.normalizer
        raw: Any = self._learner.model._last_obs
        if normalizer is not None:
            raw = normalizer.get_original_obs()
        return (self._source if role == "source" else self._softened).act(raw)
