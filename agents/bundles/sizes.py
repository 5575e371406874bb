"""What a bundle's settings and spaces ask for: memory, and sizes of files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

from ...core.errors import HeadstartError
from ...envs.privileged import Privileges
from ..algorithms import Algorithm
from ..learner import create
from ..policies.history import HistoryLayout
from . import limits, spaces
from .allocation import no_larger_than
from .placeholder import placeholder

# What an algorithm allocates to train with, and does not need to act.
_LIGHT = {"worlds": 1, "buffer_size": 1, "n_steps": 2, "batch_size": 2}


def file_limit_of(name: str, directory: Path, described: Mapping[str, Any]) -> int:
    """Return how large a file of a bundle may be, by what its bundle.json says."""
    algorithm: Algorithm = described["algorithm"]
    both = described["observation_space"], described["action_space"]
    policy = directory / "policy.safetensors"
    size = policy.stat().st_size if policy.is_file() else 0
    if name == "normalizer.npz":
        seen = seen_space(algorithm, *both, described["privileges"])
        return 3 * 8 * _bytes(seen) + limits.OVERHEAD
    if name == "replay_buffer.npz":
        return min(training_bytes(algorithm, *both) + limits.OVERHEAD, limits.memory_at_hand())
    if name == "optimizer.safetensors":
        return limits.MOMENTS * size + limits.OVERHEAD
    if name != policy.name or size < limits.LARGE:
        return limits.file_limit(name)
    # Weights this large are read only where the settings ask for networks this large.
    making = no_larger_than(size, f"bundle {directory}")
    seen = described["privileges"]
    learner = create(light(algorithm), placeholder(*both), 0, privileges=seen, making=making)
    found = sum(tensor.nbytes for tensor in learner.tensors().values()) + limits.OVERHEAD
    learner.close()
    return min(found, limits.file_limit(name))


def light(algorithm: Algorithm) -> Algorithm:
    """Return an algorithm with room for next to nothing, to act and not to learn."""
    changes: dict[str, Any] = {}
    for key, value in _LIGHT.items():
        if algorithm.accepts(key) and (key in ("worlds", "buffer_size") or algorithm.on_policy):
            changes[key] = value
    if algorithm.settings.get("replay_buffer_class") is not None:
        changes |= {"replay_buffer_class": None, "replay_buffer_kwargs": None}
    return algorithm.replace(**changes)


def check_memory(
    algorithm: Algorithm, observation_space: spaces.Space, action_space: spaces.Space
) -> None:
    """Raise HeadstartError where the transitions to learn from do not fit into memory."""
    needed, there = (
        training_bytes(algorithm, observation_space, action_space),
        limits.memory_at_hand(),
    )
    if needed > there:
        what = "buffer_size asks" if algorithm.accepts("buffer_size") else "n_steps x worlds ask"
        raise HeadstartError(
            f"{algorithm.name}: {what} for {needed / 1e9:,.0f} GB of memory, and there are "
            f"{there / 1e9:,.0f} GB"
        )


def training_bytes(
    algorithm: Algorithm, observation_space: spaces.Space, action_space: spaces.Space
) -> int:
    """Return the memory that an algorithm's transitions take, when all of it is used."""
    observation, action = (_bytes(space) for space in (observation_space, action_space))
    if algorithm.accepts("buffer_size"):
        return limits.buffer_bytes(algorithm.value("buffer_size"), observation, action)
    steps = algorithm.value("n_steps") if algorithm.accepts("n_steps") else 1
    return limits.buffer_bytes(int(steps) * algorithm.worlds, observation, action)


def seen_space(
    algorithm: Algorithm,
    observation_space: spaces.Space,
    action_space: spaces.Space,
    privileges: Privileges | None = None,
) -> spaces.Space:
    """Return the space of what the networks see: observations or their history, and privileges."""
    if privileges is not None:
        observation_space = privileges.space(observation_space)
    if algorithm.history is None:
        return observation_space
    seen: spaces.Space = HistoryLayout(algorithm.history, observation_space, action_space).space
    return seen


def _bytes(space: spaces.Space) -> int:
    """Return how many bytes one observation or action takes in a buffer."""
    if isinstance(space, gymnasium.spaces.Dict):
        return sum(_bytes(part) for part in space.values())
    return int(np.prod(space.shape or (1,))) * np.dtype(space.dtype).itemsize
