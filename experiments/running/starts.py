"""Evidence that evaluations can be compared: equal policies get equal returns on equal episodes.

The evaluation at step 0 is repeated once in each target. What each trial starts with is kept, so
that trials that start with one policy, as zero_shot and fine_tune do, can be compared.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector.utils import concatenate, create_empty_array
from rich.console import Console

from ...agents.evaluation import Evaluation
from ...agents.learner import Learner
from ...agents.session import Session
from ...agents.training import streams_kept
from ...core.files import StoreError, read_json, write_json
from .plan import Plan

START = "start.json"
SAMPLES = 16
"""Observations on which policies are told apart by their actions."""


def keep_start(path: Path, session: Session, evaluation: Evaluation, *, again: bool) -> None:
    """Write down what a trial starts with: its policy, and its returns at step 0.

    Args:
        path: the file.
        session: the learner, before any update.
        evaluation: its evaluation at step 0.
        again: evaluate once more, on the same episodes.
    """
    with streams_kept():
        repeated = session.evaluate() if again else None
        policy = policy_hash(session.learner, session.observation_space)
    kept: dict[str, Any] = {"policy": policy, "returns": evaluation.returns.tolist()}
    kept["again"] = None if repeated is None else repeated.returns.tolist()
    write_json(path, kept)


def policy_hash(learner: Learner, space: gymnasium.Space[Any]) -> str:
    """Return what tells policies apart by what they do: the hash of actions on fixed samples."""
    space = copy.deepcopy(space)
    space.seed(0)
    samples = [space.sample() for _ in range(SAMPLES)]
    empty: Any = create_empty_array(space, SAMPLES)
    batch: Any = concatenate(space, samples, empty)
    actions = np.asarray(learner.acting().act(batch))
    return hashlib.sha256(actions.tobytes()).hexdigest()[:16]


def compare_starts(plan: Plan, directory: Path, console: Console) -> None:
    """Say, and record for the report, where equal policies got different returns at step 0.

    The run's lock is held.
    """
    known = read_json(directory / "facts.json") or {}
    findings: dict[str, list[str]] = known.setdefault("findings", {})
    for target in plan.experiment.targets:
        for text in _differences(plan, directory, target):
            if text not in findings.setdefault(target, []):
                findings[target].append(text)
                said = f"targets.{target}: {text}"
                console.print(said, style="yellow", highlight=False, soft_wrap=True, markup=False)
    write_json(directory / "facts.json", known)


def _differences(plan: Plan, directory: Path, target: str) -> Iterator[str]:
    """Yield where a policy got other returns the second time, or as another method's start."""
    first: dict[str, tuple[str, list[float]]] = {}
    for unit in plan.units:
        if not unit.path.startswith(f"trials/{target}/"):
            continue
        try:
            start = read_json(directory / unit.path / START)
        except StoreError:
            continue
        if start is None:
            continue
        name, returns = unit.trial_name, start["returns"]
        if start["again"] not in (None, returns):
            yield (
                f"the policy that {name} starts with got a mean return of {np.mean(returns):.5g}, "
                f"and {np.mean(start['again']):.5g} on the same episodes once more: differences of "
                "that size between methods mean nothing"
            )
        other, known = first.setdefault(start["policy"], (name, returns))
        if known != returns:
            yield (
                f"{other} and {name} start with one policy, which got {np.mean(known):.5g} and "
                f"{np.mean(returns):.5g} on the same episodes: differences of that size between "
                "methods mean nothing"
            )
            return
