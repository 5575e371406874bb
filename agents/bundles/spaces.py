"""Observation and action spaces as JSON, and what differs between two of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces

from ...core.errors import HeadstartError

Space = spaces.Space[Any]


def space_to_json(space: Space) -> dict[str, Any]:
    """Return a space as plain JSON (infinite bounds as the texts `inf` and `-inf`)."""
    if isinstance(space, spaces.Box):
        return {
            "type": "Box",
            "shape": list(space.shape),
            "dtype": str(space.dtype),
            "low": _numbers(space.low),
            "high": _numbers(space.high),
        }
    if isinstance(space, spaces.Discrete):
        return {"type": "Discrete", "n": int(space.n), "start": int(space.start)}
    if isinstance(space, spaces.MultiDiscrete):
        return {"type": "MultiDiscrete", "nvec": space.nvec.tolist()}
    if isinstance(space, spaces.MultiBinary):
        return {"type": "MultiBinary", "n": np.asarray(space.n).tolist()}
    if isinstance(space, spaces.Dict):
        return {
            "type": "Dict",
            "spaces": {key: space_to_json(value) for key, value in space.items()},
        }
    raise HeadstartError(f"spaces of type {type(space).__name__} are not supported: {space}")


def space_from_json(data: dict[str, Any]) -> Space:
    """Build the space that `space_to_json` described. Raises KeyError, TypeError or ValueError."""
    kind = data["type"]
    if kind == "Box":
        shape, dtype = tuple(data["shape"]), np.dtype(data["dtype"])
        low, high = (
            np.array([float(x) for x in data[end]], dtype=dtype).reshape(shape)
            for end in ("low", "high")
        )
        return spaces.Box(low, high, shape=shape, dtype=dtype.type)
    if kind == "Discrete":
        return spaces.Discrete(data["n"], start=data["start"])
    if kind == "MultiDiscrete":
        return spaces.MultiDiscrete(data["nvec"])
    if kind == "MultiBinary":
        return spaces.MultiBinary(data["n"])
    if kind == "Dict":
        # In the order that was stored, in which a policy takes the parts: of a dict Gymnasium
        # would sort them.
        return spaces.Dict([(key, space_from_json(value)) for key, value in data["spaces"].items()])
    raise ValueError(f"unknown space type {kind!r}")


def difference(source: Space, world: Space, *, bounds: bool) -> str | None:
    """Say in words why a policy for the space `source` does not fit `world`; None when it fits.

    Bounds matter for actions, which are scaled to them, and not for observations.
    """
    if type(source) is not type(world):
        return f"{source} in the source, {world} here"
    if isinstance(source, spaces.Dict) and isinstance(world, spaces.Dict):
        missing, extra = source.keys() - world.keys(), world.keys() - source.keys()
        if missing or extra:
            return f"keys missing here: {sorted(missing)}, keys only here: {sorted(extra)}"
        if list(source) != list(world):
            return f"keys in the order {list(source)} in the source, {list(world)} here"
        for key, space in source.items():
            found = difference(space, world[key], bounds=bounds)
            if found:
                return f"'{key}': {found}"
        return None
    if isinstance(source, spaces.Box) and isinstance(world, spaces.Box):
        if source.shape != world.shape:
            return f"shape {source.shape} in the source, {world.shape} here"
        if source.dtype != world.dtype:
            return f"type {source.dtype} in the source, {world.dtype} here"
        unequal = (source.low != world.low) | (source.high != world.high)
        if bounds and np.any(unequal):
            i = int(np.argmax(unequal))
            ends = [f"[{s.low.flat[i]:g}, {s.high.flat[i]:g}]" for s in (source, world)]
            return f"bounds of element {i}: {ends[0]} in the source, {ends[1]} here"
        return None
    return None if source == world else f"{source} in the source, {world} here"


def _numbers(values: np.ndarray[Any, Any]) -> list[float | str]:
    """Return an array's numbers in a flat list; strict JSON has no infinity."""
    return [float(x) if np.isfinite(x) else str(float(x)) for x in values.ravel()]
