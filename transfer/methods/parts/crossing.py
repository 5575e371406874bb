"""From an on-policy source to an off-policy learner: its actor and critic before the first step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from gymnasium import spaces
from stable_baselines3.common.utils import set_random_seed

from ....agents.algorithms import Algorithm, resolve_algorithm
from ....agents.cores.off_policy import CoreSAC, CoreTQC, OffPolicyCore
from ....agents.learner import Learner
from ....agents.training import streams_kept
from ....core.errors import HeadstartError
from .schedules import Schedule
from .source_replay import SourceReplay
from .teacher import Teacher

DISTILLING_UPDATES = 2_000
DISTILLING_RATE = 1e-3
BATCH = 256
# A policy that knows its task needs less noise than one that begins, which SAC gives 1.0.
FIRST_TEMPERATURE = "auto_0.1"


def crossed(spec: str | Mapping[str, Any], source: Algorithm) -> Algorithm:
    """Return the algorithm that goes on from a source of another kind.

    Raises:
        HeadstartError: it is none that an on-policy source can be brought into, or its rollouts do
            not end where the source's algorithm is evaluated.
    """
    try:
        own = resolve_algorithm(spec, "")
    except HeadstartError as error:
        raise HeadstartError(f"method fine_tune: algorithm: {error}") from None
    if not issubclass(own.cls, (CoreSAC, CoreTQC)):
        raise HeadstartError(
            f"method fine_tune: algorithm: expected sac or sb3_contrib:TQC, not {own.name}"
        )
    if not source.on_policy or source.recurrent:
        raise HeadstartError(
            f"method fine_tune: 'algorithm' brings an on-policy source into {own.name}, and "
            f"{source.name} is {'recurrent' if source.recurrent else 'off-policy'}; leave it out"
        )
    changes: dict[str, Any] = {"normalize": source.settings["normalize"]}
    if own.value("ent_coef") == "auto":
        changes["ent_coef"] = FIRST_TEMPERATURE
    own = own.replace(**changes)
    if source.rollout % own.rollout:
        raise HeadstartError(
            f"method fine_tune: algorithm: a rollout of {own.rollout:,} steps, of which the "
            f"{source.rollout:,} of {source.name} are no multiple, so that it would not be "
            "evaluated at the same steps as the other methods"
        )
    return own


def check_actions(learner: Learner, name: str) -> None:
    """Raise HeadstartError where actions are not continuous, as SAC's have to be."""
    if not isinstance(learner.worlds.action_space, spaces.Box):
        raise HeadstartError(
            f"method fine_tune: algorithm: {name} needs continuous actions, and they are "
            f"{learner.worlds.action_space} here"
        )


class Distilled(Schedule):
    """Makes the actor act as the source does, and the critic expect what that gets there.

    Before the first target step: the actor is fitted to the source policy by KL(source || actor)
    on what the source saw in source worlds (policy distillation, Rusu et al., arXiv 1511.06295, eq.
    3), then the critic to the source's transitions in so many updates with the actor held.

    Args:
        replay: Holds the source's transitions; fills itself before.
        teacher: The source policy for the learner's observations.
        critic_updates: Critic updates before the first target step.
        seed: Decides which transitions are drawn.
    """

    def __init__(
        self, replay: SourceReplay, teacher: Teacher, critic_updates: int, seed: int
    ) -> None:
        super().__init__(replay.learner)
        self.replay, self.teacher = replay, teacher
        self.critic_updates, self.seed = critic_updates, seed
        self.done = False

    def state(self) -> dict[str, Any]:
        """Return whether it has been done."""
        return {"done": self.done}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from that; the weights are in the checkpoint."""
        self.done = bool(state["done"])

    def _on_rollout_start(self) -> None:
        if self.done:
            return
        self.done = True
        with streams_kept():
            set_random_seed(self.seed)
            divergence = self._fit_actor()
            self._fit_critic()
        self.logger.record("transfer/distilled_kl", divergence)

    def _fit_actor(self) -> float:
        """Fit the actor to the teacher; return the last minibatch's divergence per dimension."""
        model: Any = self.learner.model
        optimizer = torch.optim.Adam(model.actor.parameters(), DISTILLING_RATE)
        model.policy.set_training_mode(True)
        normalizer, last = model.get_vec_normalize_env(), 0.0
        for _ in range(DISTILLING_UPDATES):
            batch = self.replay.buffer.sample(BATCH, env=normalizer)
            loss = self.teacher.divergence(batch.observations).mean()
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            last = float(loss.detach())
        model.actor.optimizer.zero_grad()
        return last

    def _fit_critic(self) -> None:
        model = self.learner.model
        assert isinstance(model, OffPolicyCore)
        if not self.critic_updates:
            return
        ratio, model.hooks.ratio = model.hooks.ratio, 0
        counted = model._n_updates
        try:
            model.train(self.critic_updates, model.batch_size)
        finally:
            model.hooks.ratio, model._n_updates = ratio, counted
