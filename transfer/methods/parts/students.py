"""Students in source worlds: they act, and are told afterwards what a teacher knew."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch

from ....agents.algorithms import Algorithm
from ....agents.bundles.placeholder import placeholder
from ....agents.bundles.sizes import light
from ....agents.cores.worlds import SerialVecEnv
from ....agents.learner import Array, Learner, MakeWorld, create
from ....agents.policies.acting import ActingPolicy
from ....agents.policies.base import Policy
from ....agents.policies.history import Frames
from ....agents.training import streams_kept
from ....envs.privileged import PrivilegedWorld, Privileges
from ..base import Problem

WORLDS = 16
"""Source worlds in which a student acts at once."""


@dataclass(frozen=True)
class Rollout:
    """Steps of a student in all worlds, step by step.

    `seen` are the observations as its network is given them, not normalized, (steps * worlds, ...);
    `privileged` what is true of each step's world (steps * worlds, size); `labels` what teachers
    would have done; `rewards` and `ends` are (steps, worlds).
    """

    seen: Any
    privileged: Array
    labels: Array
    rewards: Array
    ends: Array


class SourceWorlds:
    """Worlds of the source in which a student acts.

    Args:
        make_source: Makes one world.
        privileges: What is looked up of it; None: nothing.
        seed: Decides all episodes.
    """

    def __init__(self, make_source: MakeWorld, privileges: Privileges | None, seed: int) -> None:
        nothing = Privileges((), (), (), None)
        known = privileges or nothing
        self.worlds = SerialVecEnv([lambda: PrivilegedWorld(make_source(), known)] * WORLDS)
        self.worlds.seed(seed)
        self._observations: Any = self.worlds.reset()
        self._begins = np.ones(WORLDS, dtype=bool)
        self.steps = 0

    def rollout(
        self, student: Learner, frames: Frames | None, teachers: list[Policy], steps: int
    ) -> Rollout:
        """Let a student act for so many steps, without its noise.

        Args:
            student: who acts.
            frames: the histories that it sees, if it sees any; they go on from call to call.
            teachers: what they would have done is asked, of each in every so many-th world; they
                act as they go along, so they are the same in each call.
            steps: steps of each world.
        """
        parts: dict[str, list[Any]] = {
            key: [] for key in ("seen", "privileged", "labels", "rewards", "ends")
        }
        for _ in range(steps):
            raw = stacked([world.get_wrapper_attr("latest") for world in self.worlds.envs])
            seen = raw if frames is None else frames.see(raw, self._begins)
            privileged = self._observations["privileged"]
            labels = self._labels(teachers, raw, privileged)
            normalizer = student.normalizer
            given = seen if normalizer is None else normalizer.normalize_obs(seen)
            actions, _ = student.model.predict(given, deterministic=True)
            if frames is not None:
                frames.act(actions)
            self._observations, rewards, self._begins, _ = self.worlds.step(actions)
            for key, value in zip(
                parts, (seen, privileged, labels, rewards, self._begins), strict=True
            ):
                parts[key].append(value)
            self.steps += WORLDS
        joined = {key: stacked(parts[key], joined=True) for key in ("seen", "privileged", "labels")}
        return Rollout(**joined, rewards=np.stack(parts["rewards"]), ends=np.stack(parts["ends"]))

    def close(self) -> None:
        """Close the worlds."""
        self.worlds.close()

    def _labels(self, teachers: list[Policy], raw: Any, privileged: Array) -> Array:
        if not teachers:
            return np.zeros((WORLDS, 0), np.float32)
        for teacher in teachers:
            teacher.reset(self._begins)
            if isinstance(teacher, ActingPolicy) and teacher.sees_parameters:
                teacher.privileged = privileged
        every = [teacher.act(raw) for teacher in teachers]
        return np.stack([every[world % len(every)][world] for world in range(WORLDS)])


def new_student(problem: Problem, algorithm: Algorithm, seed: int) -> Learner:
    """Return a student that has learned nothing yet, without any world, or room to learn itself."""
    source = problem.source
    stand_in = placeholder(source.observation_space, source.action_space)
    return create(light(algorithm), stand_in, seed, problem.device)


@contextmanager
def source_worlds(
    make_source: MakeWorld, privileges: Privileges | None, seed: int
) -> Iterator[SourceWorlds]:
    """Open source worlds for a student, and close them; the global random streams are kept."""
    worlds = SourceWorlds(make_source, privileges, seed)
    try:
        with streams_kept():
            yield worlds
    finally:
        worlds.close()


def stacked(observations: list[Any], joined: bool = False) -> Any:
    """Return observations, or dicts of such, as one array each: stacked, or batches joined."""
    put = np.concatenate if joined else np.stack
    if isinstance(observations[0], dict):
        return {key: put([one[key] for one in observations]) for key in observations[0]}
    return put(observations)


def on_device(learner: Learner, values: Any) -> torch.Tensor:
    """Return numbers in single precision, where a learner's networks are."""
    return torch.as_tensor(values, dtype=torch.float32, device=learner.model.device)


def minibatches(count: int, size: int, rng: np.random.Generator) -> Iterator[Array]:
    """Yield the numbers below `count` in random order, so many at a time."""
    order = rng.permutation(count)
    for first in range(0, count, size):
        yield order[first : first + size]


class Probe(NamedTuple):
    """A linear function of latents: `weights` (latent + 1, values), the last row the constants.

    `shares` (values,): how much of each value it explains, R^2; NaN where one does not vary.
    """

    weights: Array
    shares: Array


def linear_probe(latents: Array, values: Array) -> Probe:
    """Return the linear function that explains values by latents, and how well it does.

    Fitted by least squares on the first half of the rows and judged on the second.

    Args:
        latents: shape (n, latent).
        values: shape (n, values).
    """
    inputs = np.column_stack([latents, np.ones(len(latents))]).astype(np.float64)
    half = len(inputs) // 2
    weights, *_ = np.linalg.lstsq(inputs[:half], values[:half].astype(np.float64), rcond=None)
    true = values[half:].astype(np.float64)
    left = ((true - inputs[half:] @ weights) ** 2).sum(axis=0)
    spread = ((true - true.mean(axis=0)) ** 2).sum(axis=0)
    varies = np.ptp(true, axis=0) > 1e-9
    return Probe(weights, np.where(varies, 1 - left / np.where(varies, spread, 1.0), np.nan))
