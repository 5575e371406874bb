"""Distillation: one student learns on its own states what teachers would have done there.

Ross and others, "A reduction of imitation learning and structured prediction to no-regret online
learning" (DAgger), AISTATS 2011; several teachers into one: Brosseit and others, "Distilled domain
randomization", arXiv 2112.03149.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, ClassVar, Literal

import gymnasium as gym
import numpy as np
import torch
from pydantic import Field
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from ...agents.algorithms import Algorithm
from ...agents.bundles.bundle import Bundle, load
from ...agents.bundles.statistics import normalizer_arrays, set_statistics
from ...agents.bundles.storage import read_manifest
from ...agents.learner import Array, Learner
from ...agents.policies.history import Frames
from ...agents.policies.layers import actor_names
from ...core.errors import HeadstartError
from .base import Problem
from .parts.kept import learned_once
from .parts.normalizer import Normalizer
from .parts.schedules import Frozen
from .parts.students import (
    WORLDS,
    Rollout,
    SourceWorlds,
    minibatches,
    new_student,
    on_device,
    source_worlds,
)

STEPS = 64
"""Steps of each source world between two regressions."""
EPOCHS, BATCH = 4, 256
RATE = 1e-3
LARGEST_GRADIENT = 1.0
STATISTICS = "normalizer."
LEAST_LOG_STD = -2.0
"""The least noise of a student whose teachers have none, relative to actions in [-1, 1]."""


@dataclass(frozen=True)
class Distill:
    """A student that acts as its teachers do, and then goes on learning in the target.

    The source policy is the first teacher, `teachers` are the directories of others' bundles, of
    any algorithm, network and set of observations: each tells in every so many-th source world
    what it would do. A teacher that sees parameters is told the true ones. `student`: changes of
    the source's algorithm settings for the student, as `{history: 5}`; it sees nothing privileged.

    `source_steps`: steps of the student in source worlds; they count as source steps. `then`:
    `deploy` it as it is, or `fine_tune` it in the target from its own noise, statistics and a
    critic fitted to the returns of its last steps. It is learned once for all targets of a source
    policy. `critic_share`: the share of the budget in which only the critic learns. `normalizer`:
    as in fine_tune.
    """

    name: ClassVar[str] = "distill"
    needs_source: ClassVar[bool] = True

    teachers: tuple[str, ...] = ()
    student: Mapping[str, Any] | None = None
    source_steps: Annotated[int, Field(ge=WORLDS * STEPS)] = 100_000
    then: Literal["deploy", "fine_tune"] = "fine_tune"
    critic_share: Annotated[float, Field(ge=0, le=1)] = 0.1
    normalizer: Normalizer = "carried"

    @property
    def trains(self) -> bool:
        """Whether it learns in the target."""
        return self.then != "deploy"

    def check(self, algorithm: Algorithm) -> None:
        """Raise HeadstartError for a student that cannot be taught."""
        student = self._algorithm(algorithm)
        if student.recurrent:
            raise HeadstartError(
                "method distill: a recurrent student is not supported: give it a history"
            )
        if student.rollout != algorithm.rollout:
            raise HeadstartError(
                "method distill: student: a rollout of another length; leave worlds, n_steps and "
                "train_freq as they are"
            )
        for teacher in self.teachers:
            load(teacher)

    def search(self, _: Algorithm) -> dict[str, str]:
        """Return the settings worth searching."""
        return {
            "then": "= choice(deploy, fine_tune)",
            "critic_share": "= uniform(0, 0.3)",
            "normalizer": "= choice(carried, frozen, capped)",
        }

    def start(self, problem: Problem) -> Learner:
        """Return a student that has learned from its teachers in source worlds."""
        source = problem.source
        self.check(source.algorithm)
        if problem.make_source is None:
            raise HeadstartError("method distill needs source worlds, and there are none")
        bundles = [source, *map(load, self.teachers)]
        _check_teachers(bundles)
        algorithm = self._algorithm(source.algorithm)
        settings = {
            "student": self.student,
            "teachers": [read_manifest(one.directory) for one in bundles[1:]],
            "source_steps": self.source_steps,
        }
        learn = partial(self._learned, problem, algorithm, bundles)
        learned = dict(learned_once(problem, self.name, settings, learn))
        apart = float(learned.pop("apart"))
        learner = problem.create_other(algorithm)
        try:
            _take_over(learned, learner)
            learner.source_steps = self._rollouts * STEPS * WORLDS
            text = f"distilled: root mean square {apart:.3f} from the teachers' actions"
            learner.decisions.append({"step": 0, "decision": text})
            self._set_up(problem, learner)
        except BaseException:
            learner.close()
            raise
        return learner

    @property
    def _rollouts(self) -> int:
        return self.source_steps // (WORLDS * STEPS)

    def _algorithm(self, source: Algorithm) -> Algorithm:
        nothing: dict[str, Any] = {
            "critic_sees": None,
            "critic_in_target": None,
            "policy_sees": None,
        }
        if not source.on_policy:
            nothing["learning_starts"] = 0  # no random actions: it acts well already
        try:
            return source.replace(**nothing).replace(**(self.student or {}))
        except HeadstartError as error:
            raise HeadstartError(f"method distill: student: {error}") from None

    def _learned(
        self, problem: Problem, algorithm: Algorithm, bundles: list[Bundle], seed: int
    ) -> dict[str, torch.Tensor]:
        """Let a student learn from its teachers in source worlds.

        Returns:
            Its tensors; its normalizer's statistics; `apart`, the root mean square of its last
            actions' distance from the teachers'.
        """
        make_source = problem.make_source
        assert make_source is not None
        student = new_student(problem, algorithm, seed)
        teachers = [one.policy(problem.device) for one in bundles]
        told = next((one.privileges for one in bundles if _sees_parameters(one)), None)
        try:
            with source_worlds(make_source, told, seed) as worlds:
                last, apart = self._learn(worlds, teachers, student, seed)
            _take_over_noise(teachers[0], student)
            if isinstance(student.model, OnPolicyAlgorithm):
                fit_critic(student, last, seed)
            learned = {name: tensor.clone() for name, tensor in student.tensors().items()}
            if student.normalizer is not None:
                arrays = normalizer_arrays(student.normalizer)
                learned |= {STATISTICS + name: torch.as_tensor(it) for name, it in arrays.items()}
            return learned | {"apart": torch.tensor(apart)}
        finally:
            for one in (student, *teachers):
                one.close()

    def _learn(
        self, worlds: SourceWorlds, teachers: list[Learner], student: Learner, seed: int
    ) -> tuple[Rollout, float]:
        """Regress the teachers' actions on the student's own steps; return the last of them."""
        rng = np.random.default_rng([seed, 2])
        acting = [teacher.acting() for teacher in teachers]
        frames = None if student.layout is None else Frames(student.layout, WORLDS)
        actor = [student.parameters()[name] for name in sorted(trained_actor(student))]
        optimizer = torch.optim.Adam(actor, lr=RATE)
        losses: list[float] = []
        for _ in range(self._rollouts):
            rollout = worlds.rollout(student, frames, acting, STEPS)
            _keep_statistics(student, rollout)
            given = seen_by(student, rollout.seen)
            wanted = on_device(student, scaled(student, rollout.labels))
            losses = []
            for _ in range(EPOCHS):
                for rows in minibatches(len(wanted), BATCH, rng):
                    chosen = mean_actions(student, rows_of(given, rows))
                    loss = ((chosen - wanted[rows]) ** 2).mean()
                    optimizer.zero_grad()
                    loss.backward()  # type: ignore[no-untyped-call]
                    torch.nn.utils.clip_grad_norm_(actor, LARGEST_GRADIENT)
                    optimizer.step()
                    losses.append(float(loss.detach()))
        return rollout, float(np.sqrt(np.mean(losses)))

    def _set_up(self, problem: Problem, learner: Learner) -> None:
        """Add what keeps the student from losing what it has learned."""
        if learner.normalizer is not None:
            learner.normalizer.training = self.normalizer != "frozen"
            if self.normalizer == "capped":
                for statistics in _observed(learner).values():
                    statistics.count = min(statistics.count, 1e4)
        if self.then == "fine_tune":
            actor = actor_names(learner.model.policy)
            learner.callbacks.append(Frozen(learner, actor, self.critic_share * problem.steps))


def _take_over(learned: Mapping[str, torch.Tensor], learner: Learner) -> None:
    """Give a learner the tensors and statistics that a student has learned."""
    learner.copy_tensors(learned)
    if learner.normalizer is not None:
        arrays = {
            name.removeprefix(STATISTICS): tensor.numpy()
            for name, tensor in learned.items()
            if name.startswith(STATISTICS)
        }
        set_statistics(learner.normalizer, arrays)


def _take_over_noise(teacher: Learner, student: Learner) -> None:
    """Let a student explore as its teacher did, or a little where that had no noise of its own."""
    learned = teacher.tensors().get("log_std")
    own = student.parameters().get("log_std")
    if own is None:
        return
    with torch.no_grad():
        if learned is not None and learned.shape == own.shape:
            own.copy_(learned)
        else:
            own.fill_(LEAST_LOG_STD)


def _check_teachers(bundles: list[Bundle]) -> None:
    """Raise HeadstartError for teachers whose actions, or worlds, are others'."""
    first = bundles[0]
    if not isinstance(first.action_space, gym.spaces.Box):
        raise HeadstartError(f"method distill: actions of {first.action_space}: expected Box")
    told = [one.privileges for one in bundles if _sees_parameters(one)]
    for one in bundles[1:]:
        one.check_spaces(first.observation_space, first.action_space)
    if any(one != told[0] for one in told[1:]):
        raise HeadstartError("method distill: teachers that see parameters must see the same ones")


def _sees_parameters(bundle: Bundle) -> bool:
    return bundle.algorithm.settings.get("policy_sees") is not None


def _keep_statistics(student: Learner, rollout: Rollout) -> None:
    """Take the observations of a rollout into the normalizer's statistics."""
    for key, statistics in _observed(student).items():
        statistics.update(rollout.seen[key] if key else rollout.seen)


def _observed(learner: Learner) -> dict[str, Any]:
    normalizer = learner.normalizer
    if normalizer is None or not normalizer.norm_obs:
        return {}
    rms: Any = normalizer.obs_rms
    return dict(rms) if isinstance(rms, dict) else {"": rms}


def seen_by(learner: Learner, seen: Any) -> Any:
    """Return what a learner's network is given for observations: tensors, normalized."""
    given = seen if learner.normalizer is None else learner.normalizer.normalize_obs(seen)
    return learner.model.policy.obs_to_tensor(given)[0]


def rows_of(given: Any, rows: Array) -> Any:
    """Return some rows of tensors, alone or by key."""
    if isinstance(given, dict):
        return {key: part[rows] for key, part in given.items()}
    return given[rows]


def trained_actor(learner: Learner) -> frozenset[str]:
    """Return the trained parameters that the mean action depends on."""
    trained = frozenset().union(*learner.trained().values())
    return frozenset(
        name for name in actor_names(learner.model.policy) & trained if not name.endswith("log_std")
    )


def mean_actions(learner: Learner, given: Any) -> torch.Tensor:
    """Return a learner's actions without noise, as its network scales them, (n, size)."""
    policy: Any = learner.model.policy
    if isinstance(learner.model, OnPolicyAlgorithm):
        found: torch.Tensor = policy.get_distribution(given).distribution.mean
        return found
    actions: torch.Tensor = policy.actor(given, deterministic=True)
    return actions


def scaled(learner: Learner, actions: Array) -> Array:
    """Return actions of the world as a learner's network scales them."""
    policy: Any = learner.model.policy
    flat = actions.reshape(len(actions), -1)
    if isinstance(learner.model, OnPolicyAlgorithm) and not policy.squash_output:
        return flat
    found: Array = policy.scale_action(actions).reshape(len(actions), -1)
    return found


def fit_critic(learner: Learner, rollout: Rollout, seed: int) -> None:
    """Fit an on-policy critic to the discounted returns of a rollout, and reward statistics.

    What comes after the rollout's last step is taken to go on at the mean reward.
    """
    gamma = float(learner.algorithm.value("gamma"))
    rewards, ends = rollout.rewards.astype(np.float64), rollout.ends
    normalizer = learner.normalizer
    tail = rewards.mean() / (1 - gamma) if gamma < 1 else 0.0
    returns = discounted(rewards, ends, gamma, tail)
    if normalizer is not None and normalizer.norm_reward:
        # As SB3 counts them: what was received until each step, not what follows it.
        before = np.concatenate((np.ones((1, ends.shape[1]), dtype=bool), ends[:-1]))
        received = discounted(rewards[::-1], before[::-1], gamma, 0.0)
        normalizer.ret_rms.update(received.reshape(-1))
        returns = returns / np.sqrt(normalizer.ret_rms.var + normalizer.epsilon)
    target = on_device(learner, returns.reshape(-1))
    given = seen_by(learner, rollout.seen)
    policy: Any = learner.model.policy
    critic = [
        tensor for name, tensor in policy.named_parameters() if name not in actor_names(policy)
    ]
    optimizer = torch.optim.Adam(critic, lr=RATE)
    rng = np.random.default_rng([seed, 3])
    for _ in range(10 * EPOCHS):
        for rows in minibatches(len(target), BATCH, rng):
            values = policy.predict_values(rows_of(given, rows)).flatten()
            loss = ((values - target[rows]) ** 2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    for parameter in policy.parameters():
        parameter.grad = None


def discounted(rewards: Array, ends: Array, gamma: float, tail: float) -> Array:
    """Return discounted sums of the rewards from each step on, shape (steps, worlds).

    Args:
        rewards: shape (steps, worlds).
        ends: whether a step is its episode's last.
        gamma: the discount factor.
        tail: what follows the last step of an episode that goes on.

    >>> rewards = np.array([[1.0], [2.0], [3.0]])
    >>> discounted(rewards, np.array([[False], [True], [False]]), 0.5, 8.0)[:, 0].tolist()
    [2.0, 2.0, 7.0]
    """
    found = np.zeros_like(rewards, dtype=np.float64)
    following = np.full(rewards.shape[1], tail)
    for step in range(len(rewards) - 1, -1, -1):
        following = rewards[step] + gamma * np.where(ends[step], 0.0, following)
        found[step] = following
    return found
