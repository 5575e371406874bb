"""The one way a return is ever measured: fixed seeds, deterministic actions, worlds in lockstep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from gymnasium.vector.utils import concatenate, create_empty_array

from .learner import Array, MakeWorld, World
from .policies.base import Act, Policy, as_policy

STEP_LIMIT = 100_000
"""Steps after which an episode is taken never to end."""


class EvaluationError(RuntimeError):
    """A world gave a number that is not finite, or an episode did not end."""


@dataclass(frozen=True)
class Evaluation:
    """The outcome of some episodes, in the order of their seeds.

    `returns` (n,) are undiscounted sums of the world's own rewards; `lengths` (n,) are in steps.
    `successes` (n,) is None for a world that reports none (`info["success"]` or
    `info["is_success"]` at the end of an episode); where only some episodes report it, the others,
    `unreported` in number, count as failures: some worlds set the key on success alone. `terms`
    are the parts of the return by name, each (n,): what the world gives as `info["reward_terms"]`
    at the end of an episode, sums over it in the unit of the reward; those that every episode told
    of, so none for a world that reports none.
    """

    returns: Array
    successes: Array | None
    lengths: Array
    terms: Mapping[str, Array] = field(default_factory=dict)
    unreported: int = 0

    def record(self, step: int) -> dict[str, Any]:
        """Return one line of `evaluations.jsonl` for the evaluation at `step`."""
        line: dict[str, Any] = {
            "step": int(step),
            "return": float(self.returns.mean()),
            "returns": [float(value) for value in self.returns],
            "success": None if self.successes is None else float(self.successes.mean()),
            "length": float(self.lengths.mean()),
            "episodes": len(self.returns),
        }
        if self.unreported:
            line["success_unreported"] = self.unreported
        if self.terms:
            line["reward_terms"] = {name: float(sums.mean()) for name, sums in self.terms.items()}
        return line


class Evaluator:
    """Worlds kept open to evaluate a policy again and again on the same episodes.

    Episode i is what follows `reset(seed=seeds[i])`. All worlds are always given to the policy
    in one batch of constant size, so that its numbers do not depend on which episodes still run.
    """

    def __init__(self, make_world: MakeWorld, seeds: Sequence[int], worlds: int = 10) -> None:
        self.seeds = list(seeds)
        if not self.seeds:
            raise ValueError("evaluation needs at least one seed")
        self._worlds: list[World] = []
        try:
            for _ in range(min(worlds, len(self.seeds))):
                self._worlds.append(make_world())
        except BaseException:
            self.close()
            raise

    @property
    def worlds(self) -> int:
        """How many observations a policy is given at once."""
        return len(self._worlds)

    @property
    def world(self) -> World:
        """One of the evaluation worlds, to look at its spaces or parameters."""
        return self._worlds[0]

    def evaluate(self, policy: Policy | Act, seeds: Sequence[int] | None = None) -> Evaluation:
        """Run every episode once, with a policy or a function of observations.

        Args:
            policy: what acts.
            seeds: the episodes in place of all, at least as many as there are worlds.

        Raises:
            EvaluationError: a number is not finite, or an episode does not end.
        """
        policy = as_policy(policy)
        seeds = self.seeds if seeds is None else seeds
        count, episodes = len(self._worlds), len(seeds)
        space = self.world.observation_space
        batch: Any = create_empty_array(space, count)
        returns, lengths = np.zeros(episodes), np.zeros(episodes, dtype=np.int64)
        successes: list[float | None] = [None] * episodes
        terms: list[dict[str, float]] = [{} for _ in range(episodes)]
        waiting = iter(range(episodes))
        episode_of: list[int | None] = [None] * count
        observations: list[Any] = [None] * count
        begins = np.ones(count, dtype=bool)

        def begin(i: int) -> None:
            episode = episode_of[i] = next(waiting, None)
            begins[i] = True
            if episode is not None:
                observations[i], _ = self._worlds[i].reset(seed=seeds[episode])
                check("observation", observations[i], episode)

        def check(what: str, value: Any, episode: int) -> None:
            if not is_finite(value):
                raise EvaluationError(
                    f"evaluation: {what} is not finite (NaN or infinite) at step "
                    f"{lengths[episode]} of the episode of seed {seeds[episode]}"
                )

        for i in range(count):
            begin(i)
        while any(episode is not None for episode in episode_of):
            batch = concatenate(space, observations, batch)
            policy.reset(begins.copy())
            begins[:] = False
            actions = policy.act(batch)
            for i, episode in enumerate(episode_of):
                if episode is None:
                    continue
                observations[i], reward, terminated, truncated, info = self._worlds[i].step(
                    actions[i]
                )
                returns[episode] += float(reward)
                lengths[episode] += 1
                check("observation", observations[i], episode)
                check("reward", returns[episode], episode)
                if terminated or truncated:
                    successes[episode] = success_of(info)
                    terms[episode] = numbers_of(info.get("reward_terms"))
                    for name, value in terms[episode].items():
                        check(f"reward term '{name}'", value, episode)
                    begin(i)
                elif lengths[episode] >= STEP_LIMIT:
                    raise EvaluationError(
                        f"evaluation: the episode of seed {seeds[episode]} did not end in "
                        f"{STEP_LIMIT} steps; give the world a time limit"
                    )
        known = [value for value in successes if value is not None]
        reached = np.array([value or 0.0 for value in successes]) if known else None
        shared = [name for name in terms[0] if all(name in told for told in terms)]
        return Evaluation(
            returns,
            reached,
            lengths,
            {name: np.array([told[name] for told in terms]) for name in shared},
            episodes - len(known) if known else 0,
        )

    def close(self) -> None:
        """Close the worlds."""
        for world in self._worlds:
            world.close()


def evaluate(
    policy: Policy | Act, make_world: MakeWorld, seeds: Sequence[int], worlds: int = 10
) -> Evaluation:
    """Evaluate a policy once on the episodes of `seeds` in worlds made for it and closed again."""
    evaluator = Evaluator(make_world, seeds, worlds)
    try:
        return evaluator.evaluate(policy)
    finally:
        evaluator.close()


def success_of(info: Mapping[str, Any]) -> float | None:
    """Return whether an episode succeeded, from the info at its end; None where it is not told.

    >>> success_of({"is_success": np.array([True])}), success_of({"success": None})
    (1.0, None)
    """
    told = info.get("success", info.get("is_success"))
    try:
        return None if told is None else float(np.asarray(told).reshape(()))
    except (TypeError, ValueError):
        return None


def numbers_of(told: Any) -> dict[str, float]:
    """Return the numbers of a mapping that a world tells; anything else is that world's own.

    >>> numbers_of({"distance": np.float32(0.5), "phase": "reach"}), numbers_of([1, 2])
    ({'distance': 0.5}, {})
    """
    if not isinstance(told, Mapping):
        return {}
    numbers = {name: v for name, v in told.items() if isinstance(v, (int, float, np.number))}
    return {str(name): float(value) for name, value in numbers.items()}


def is_finite(values: Any) -> bool:
    """Return whether an array, or each array of a dict, holds no NaN and no infinity."""
    if isinstance(values, dict):
        return all(is_finite(value) for value in values.values())
    return bool(np.isfinite(values).all())
