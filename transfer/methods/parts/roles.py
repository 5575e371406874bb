"""Who acts in which training world: the learner with its noise or without, or the source."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from sb3_contrib.common.recurrent.buffers import (
    RecurrentDictRolloutBuffer,
    RecurrentRolloutBuffer,
)
from stable_baselines3.common.buffers import DictRolloutBuffer, RolloutBuffer
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

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
        self._source = source.acting()
        self._softened = softened.acting(deterministic=False)
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

    def generator(self, number: int) -> np.random.Generator:
        """Return a stream of random numbers for this step, of several by `number`."""
        model = self._learner.model
        return np.random.default_rng([model.seed or 0, model.num_timesteps, number])

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
        policy: Any = model.policy
        forward = policy.forward
        masked = _masked(model.rollout_buffer)
        masked.roles = self
        model.rollout_buffer = masked
        train = model.train

        def train_where_learned() -> None:
            if masked.learned.sum() >= masked.least:
                train()

        model.train = train_where_learned  # type: ignore[method-assign]

        def act(*arguments: Any, **named: Any) -> Any:
            # Values and log-probabilities follow, and a recurrent policy's hidden states.
            actions, *rest = forward(*arguments, **named)
            self._begin_step()
            if all(role == "learner" for role in self.now):
                return actions, *rest
            # The mode of the distribution of this very batch, which `forward` leaves behind.
            others = self._others(policy.action_dist.mode)
            actions = actions.clone()
            for role, choose in others.items():
                rows = self._rows(role)
                if len(rows):
                    chosen = torch.as_tensor(choose(), device=actions.device)
                    actions[rows] = chosen.reshape(actions.shape)[rows].to(actions.dtype)
            return actions, *rest

        policy.forward = act

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


class _Masked:
    """Keeps note of who acted, and leaves out of the minibatches what the learner did not do."""

    roles: Roles
    least = 1
    """So many steps of the learner's own an update needs."""

    def reset(self) -> None:
        super().reset()  # type: ignore[misc]
        shape = (self.buffer_size, self.n_envs)  # type: ignore[attr-defined]
        self.learned = np.ones(shape, dtype=bool)
        self.passes = 0

    def add(self, *arguments: Any, **named: Any) -> None:
        self.learned[self.pos] = [role == "learner" for role in self.roles.now]  # type: ignore[attr-defined]
        super().add(*arguments, **named)  # type: ignore[misc]

    def get(self, batch_size: int | None = None) -> Iterator[Any]:
        """Yield minibatches of the learner's own steps, in random order."""
        # Lays the arrays out by world, then step; its own order is of no use here.
        next(super().get(1))  # type: ignore[misc]
        steps = np.flatnonzero(self.learned.swapaxes(0, 1).reshape(-1))
        # By step and pass, so that the order is the same after an interruption.
        steps = self.roles.generator(self.passes).permutation(steps)
        self.passes += 1
        size = batch_size or len(steps)
        for first in range(0, len(steps), size):
            yield self._get_samples(steps[first : first + size])  # type: ignore[attr-defined]


class MaskedBuffer(_Masked, RolloutBuffer):  # type: ignore[misc]
    """A rollout of which only the learner's own steps are learned from."""


class MaskedDictRolloutBuffer(_Masked, DictRolloutBuffer):  # type: ignore[misc]
    """The same, of observations that are dicts."""


class _MaskedSequences(_Masked):
    """The same of sequences, which stay whole: what the learner did not do has no loss."""

    # The advantages of a minibatch are scaled by their deviation.
    least = 2

    def get(self, batch_size: int | None = None) -> Iterator[Any]:
        """Yield minibatches that hold enough of the learner's own steps."""
        found = False
        for batch in super(_Masked, self).get(batch_size):  # type: ignore[misc]
            if batch.mask.sum() >= self.least:
                found = True
                yield batch
        if not found:
            yield from super(_Masked, self).get(None)  # type: ignore[misc]

    def _get_samples(self, batch_inds: Array, *rest: Any) -> Any:
        batch = super()._get_samples(batch_inds, *rest)  # type: ignore[misc]
        learned = self.learned.swapaxes(0, 1).reshape(-1).astype(np.float32)
        return batch._replace(mask=self.pad_and_flatten(learned[batch_inds]))  # type: ignore[attr-defined]


class MaskedRecurrentBuffer(_MaskedSequences, RecurrentRolloutBuffer):  # type: ignore[misc]
    """A rollout of a recurrent policy."""


class MaskedRecurrentDictBuffer(_MaskedSequences, RecurrentDictRolloutBuffer):  # type: ignore[misc]
    """The same, of observations that are dicts."""


_MASKED: dict[type, type] = {
    RolloutBuffer: MaskedBuffer,
    DictRolloutBuffer: MaskedDictRolloutBuffer,
    RecurrentRolloutBuffer: MaskedRecurrentBuffer,
    RecurrentDictRolloutBuffer: MaskedRecurrentDictBuffer,
}


def _masked(buffer: Any) -> Any:
    """Return an empty rollout buffer as another, that knows whose steps are learned from."""
    shape = getattr(buffer, "hidden_state_shape", None)
    return _MASKED[type(buffer)](
        buffer.buffer_size,
        buffer.observation_space,
        buffer.action_space,
        *([] if shape is None else [shape]),
        device=buffer.device,
        gae_lambda=buffer.gae_lambda,
        gamma=buffer.gamma,
        n_envs=buffer.n_envs,
    )
