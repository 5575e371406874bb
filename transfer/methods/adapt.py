"""RMA: a student estimates from its history what its teacher was told, and acts as the teacher."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field

from ...agents.algorithms import LATENT, Algorithm
from ...agents.bundles.bundle import Bundle
from ...agents.bundles.placeholder import placeholder
from ...agents.bundles.sizes import light
from ...agents.learner import Array, Learner, create
from ...agents.policies.adaptation import LEAST_FRAMES, AdaptationView
from ...agents.policies.history import Frames
from ...agents.policies.layers import actor_names
from ...core.errors import HeadstartError
from .base import Problem
from .parts.extrinsics import ExtrinsicsSearch
from .parts.kept import learned_once
from .parts.schedules import Schedule
from .parts.students import (
    WORLDS,
    Rollout,
    SourceWorlds,
    linear_probe,
    minibatches,
    new_student,
    on_device,
    source_worlds,
)

STEPS = 64
"""Steps of each source world between two regressions."""
EPOCHS, BATCH = 4, 256
RATE, DECAYED = 5e-4, 0.1
ESTIMATOR = "features_extractor.estimator."


@dataclass(frozen=True)
class Adapt:
    """A teacher's policy under an estimate of the latent that its encoder makes of the parameters.

    The source policy is a teacher: `source.policy_sees`. `frames`: the last steps that the estimate
    is made from. `source_steps`: steps of the student in source worlds in which it learns to
    estimate; they count as source steps. `then`: `deploy` it as it is; `fine_tune` the policy in
    the target by PPO, under the estimate, which stays (A-RMA); or `search` the latent in the
    target by the returns of training episodes, without gradients. The estimate is learned once for
    all targets of a source policy.

    `critic_share`: the share of the budget in which only the new critic learns, before the policy
    is fine-tuned. `spread`: the standard deviation of the search's first candidates around the
    mean estimate.
    """

    name: ClassVar[str] = "adapt"
    needs_source: ClassVar[bool] = True

    frames: Annotated[int, Field(ge=LEAST_FRAMES)] = 50
    source_steps: Annotated[int, Field(ge=WORLDS * STEPS * 2)] = 100_000
    then: Literal["deploy", "fine_tune", "search"] = "deploy"
    critic_share: Annotated[float, Field(ge=0, le=1)] = 0.1
    spread: Annotated[float, Field(gt=0)] = 0.3

    @property
    def trains(self) -> bool:
        """Whether it learns in the target."""
        return self.then != "deploy"

    def check(self, algorithm: Algorithm) -> None:
        """Raise HeadstartError for a source policy that is no teacher."""
        if algorithm.settings.get("policy_sees") is None:
            raise HeadstartError(
                "method adapt needs a teacher: let the source's policy see parameters, as "
                "source.policy_sees: {parameters: [...], latent: 8}"
            )

    def search(self, _: Algorithm) -> dict[str, str]:
        """Return the settings worth searching."""
        return {
            "then": "= choice(deploy, fine_tune, search)",
            "critic_share": "= uniform(0, 0.3)",
            "spread": "= loguniform(0.1, 1)",
        }

    def start(self, problem: Problem) -> Learner:
        """Return a student that has learned to estimate in source worlds."""
        source = problem.source
        self.check(source.algorithm)
        if problem.make_source is None:
            raise HeadstartError("method adapt needs source worlds to learn in, and there are none")
        algorithm = student_algorithm(source, self.frames)
        learner = problem.create_other(algorithm)
        teacher = source.policy(problem.device)
        try:
            take_over(teacher, learner)
            settings = {"frames": self.frames, "source_steps": self.source_steps}
            learn = partial(self._learned, problem, algorithm, teacher)
            learned = dict(learned_once(problem, self.name, settings, learn))
            typical, shares = learned.pop("typical"), learned.pop("shares")
            view = adaptation_view(learner)
            view.load_state_dict(learned)
            learner.source_steps = self._rollouts * STEPS * WORLDS
            said = _told(view.parameters_told, shares.tolist())
            learner.decisions.append({"step": 0, "decision": said})
            self._set_up(problem, learner, typical.cpu().numpy())
        except BaseException:
            learner.close()
            raise
        finally:
            teacher.close()
        return learner

    @property
    def _rollouts(self) -> int:
        return self.source_steps // (WORLDS * STEPS)

    def _learned(
        self, problem: Problem, algorithm: Algorithm, teacher: Learner, seed: int
    ) -> dict[str, torch.Tensor]:
        """Let a student learn to estimate in source worlds.

        Returns:
            The tensors of its view; `typical`, the mean of its last estimates (latent,); `shares`,
            how much of each parameter they tell, NaN of one that does not vary.
        """
        source, make_source = problem.source, problem.make_source
        assert make_source is not None
        assert source.privileges is not None
        student = new_student(problem, algorithm, seed)
        try:
            take_over(teacher, student)
            with source_worlds(make_source, source.privileges, seed) as worlds:
                last = self._learn_to_estimate(worlds, teacher, student, seed)
            view = adaptation_view(student)
            with torch.no_grad():
                estimates = view.estimate(normalized(student, last.seen))
            weights, shares = linear_probe(estimates.cpu().numpy(), last.privileged)
            view.probe.copy_(torch.as_tensor(weights))
            view.explained.copy_(torch.as_tensor(np.nan_to_num(shares)))
            learned = {name: tensor.clone() for name, tensor in view.state_dict().items()}
            return learned | {"typical": estimates.mean(dim=0), "shares": torch.as_tensor(shares)}
        finally:
            student.close()

    def _learn_to_estimate(
        self, worlds: SourceWorlds, teacher: Learner, student: Learner, seed: int
    ) -> Rollout:
        """Regress the latent on the student's own steps; return the last of them."""
        rng = np.random.default_rng([seed, 1])
        view = adaptation_view(student)
        optimizer = torch.optim.Adam(view.estimator.parameters(), lr=RATE)
        assert student.layout is not None
        frames = Frames(student.layout, WORLDS)
        for number in range(self._rollouts):
            if number == 2 * self._rollouts // 3:
                for group in optimizer.param_groups:
                    group["lr"] = RATE * DECAYED
            rollout = worlds.rollout(student, frames, [], STEPS)
            given, target = (
                normalized(student, rollout.seen),
                teacher_latent(teacher, rollout.privileged),
            )
            if number == self._rollouts - 1:
                break  # looked at only
            for _ in range(EPOCHS):
                for rows in minibatches(len(given), BATCH, rng):
                    loss = ((view.estimate(given[rows]) - target[rows]) ** 2).mean()
                    optimizer.zero_grad()
                    loss.backward()  # type: ignore[no-untyped-call]
                    optimizer.step()
        return rollout

    def _set_up(self, problem: Problem, learner: Learner, typical: Array) -> None:
        """Add what happens in the target."""
        normalizer = learner.normalizer
        if normalizer is not None:
            normalizer.training = False  # the estimate was learned with these statistics
        names = {name for name in learner.parameters() if name.startswith(ESTIMATOR)}
        if self.then == "fine_tune":
            actor = actor_names(learner.model.policy)
            until = self.critic_share * problem.steps
            learner.callbacks.append(_Phases(learner, actor, names, until))
        elif self.then == "search":
            twin = _twin(learner, problem.device)
            search = ExtrinsicsSearch(learner, twin, typical, self.spread, problem.seed)
            learner.callbacks.append(search)


class _Phases(Schedule):
    """Keeps the estimator frozen, and the whole actor until a step."""

    def __init__(
        self, learner: Learner, actor: frozenset[str], estimator: set[str], until: float
    ) -> None:
        super().__init__(learner)
        self.actor, self.estimator, self.until = actor, estimator, until

    def _on_rollout_start(self) -> None:
        self.learner.freeze(self.estimator if self.learner.steps >= self.until else self.actor)


def _twin(learner: Learner, device: str) -> Learner:
    """Return a learner that acts as another does, without any world."""
    stand_in = placeholder(learner.observation_space, learner.worlds.action_space)
    twin = create(light(learner.algorithm), stand_in, 0, device)
    twin.copy_tensors(learner.tensors())
    if twin.normalizer is not None and learner.normalizer is not None:
        twin.normalizer.obs_rms = copy.deepcopy(learner.normalizer.obs_rms)
        twin.normalizer.ret_rms = copy.deepcopy(learner.normalizer.ret_rms)
    return twin


def student_algorithm(source: Bundle, frames: int) -> Algorithm:
    """Return the algorithm of a teacher's student, which sees a history in place of parameters."""
    algorithm, space = source.algorithm, source.observation_space
    if not space.shape or len(space.shape) != 1:
        raise HeadstartError("method adapt: observations must be vectors")
    view = f"{AdaptationView.__module__}:{AdaptationView.__name__}"
    latent = algorithm.settings["policy_sees"].get("latent", LATENT)
    return algorithm.replace(
        policy_sees=None,
        history={"frames": frames, "actions": True},
        policy_kwargs={
            "features_extractor_class": view,
            "features_extractor_kwargs": {
                "frames": frames,
                "observation": space.shape[0],
                "latent": latent,
                "parameters": list(source.privileges.parameters) if source.privileges else [],
            },
        },
    )


def take_over(teacher: Learner, student: Learner) -> None:
    """Give a student its teacher's actor, noise and statistics; its critic is new."""
    learned, own = teacher.tensors(), student.tensors()
    with torch.no_grad():
        for name, tensor in own.items():
            if name.startswith(("mlp_extractor.policy_net.", "action_net.", "log_std")):
                tensor.copy_(learned[name])
    theirs, ours = teacher.normalizer, student.normalizer
    if theirs is None or ours is None:
        return
    layout = student.layout
    assert layout is not None
    [part] = layout.parts.values()
    seen: Any = theirs.obs_rms["observation"]
    width = part.shape[0] - len(seen.mean)
    # Actions lie between -1 and 1 or so: they are taken as they are.
    rms: Any = ours.obs_rms
    rms.mean = np.tile(np.concatenate([seen.mean, np.zeros(width)]), part.frames)
    rms.var = np.tile(np.concatenate([seen.var, np.ones(width)]), part.frames)
    rms.count = seen.count
    ours.ret_rms.mean, ours.ret_rms.var = theirs.ret_rms.mean, theirs.ret_rms.var
    ours.ret_rms.count = theirs.ret_rms.count


def adaptation_view(learner: Learner) -> AdaptationView:
    """Return what makes a student's estimate."""
    view: AdaptationView = learner.model.policy.features_extractor  # type: ignore[assignment]
    return view


def _told(parameters: Sequence[str], shares: Sequence[float]) -> str:
    """Say how much of each parameter a student's estimates tell."""
    told = [
        f"{name} {share:.2f}"
        for name, share in zip(parameters, shares, strict=True)
        if np.isfinite(share)
    ]
    text = ", ".join(told) or "no parameter varied"
    return f"R^2 of a linear probe of the estimated latent: {text}"


def normalized(learner: Learner, seen: Any) -> torch.Tensor:
    """Return what a learner's network is given for observations, as a tensor."""
    given = seen if learner.normalizer is None else learner.normalizer.normalize_obs(seen)
    return on_device(learner, given)


def teacher_latent(teacher: Learner, privileged: Any) -> torch.Tensor:
    """Return the latent that a teacher makes of what is privileged, shape (n, latent)."""
    given = privileged
    normalizer = teacher.normalizer
    if normalizer is not None:
        rms: Any = normalizer.obs_rms["privileged"]
        scaled = (privileged - rms.mean) / np.sqrt(rms.var + normalizer.epsilon)
        given = np.clip(scaled, -normalizer.clip_obs, normalizer.clip_obs)
    encoder: Any = teacher.model.policy.pi_features_extractor.encoder  # type: ignore[union-attr]
    with torch.no_grad():
        found: torch.Tensor = encoder(on_device(teacher, given))
    return found
