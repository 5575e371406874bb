"""Replay buffers as plain arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..learner import Array


def replay_arrays(buffer: Any) -> dict[str, Array]:
    """Return the filled part of a replay buffer, and how far it is filled."""
    size = buffer.size()
    arrays = {name: array[:size] for name, array in buffer_arrays(buffer).items()}
    counts = {"size": size, "pos": buffer.pos, "full": buffer.full}
    return {**arrays, **{name: np.array(value) for name, value in counts.items()}}


def buffer_arrays(buffer: Any) -> dict[str, Array]:
    """Return a replay buffer's arrays by name; those of dict observations by `name.key`."""
    arrays = {}
    for name, value in vars(buffer).items():
        parts = value.items() if isinstance(value, dict) else [("", value)]
        for key, part in parts:
            rows = isinstance(part, np.ndarray) and part.ndim >= 2 and part.dtype != object
            if rows and len(part) == buffer.buffer_size:
                arrays[f"{name}.{key}" if key else name] = part
    return arrays
