"""Observation and action spaces as JSON, and what differs between two of them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from gymnasium import spaces

from ...core.errors import HeadstartError, shown

Space = spaces.Space[Any]

LARGEST = 2**22
"""Numbers that one observation or action may have."""
MOST_PARTS = 1_000
_TYPES = {f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)}
_TYPES |= {"float16", "float32", "float64", "bool"}


def check_supported(space: Any, what: str) -> None:
    """Refuse a space that no policy is made for.

    Args:
        space: a world's space.
        what: `observation` or `action`.

    Raises:
        HeadstartError: a Tuple, a Dict in a Dict, or a kind that is not known; names it.
    """
    plain = (spaces.Box, spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary)
    parts = {f"'{key}' ": part for key, part in space.items()} if _is_dict(space) else {"": space}
    for key, part in parts.items():
        if not isinstance(part, plain):
            raise HeadstartError(
                f"{what} space: {key}{shown(part, 80)}: {type(part).__name__} spaces are not "
                "supported there: expected Box, Discrete, MultiDiscrete or MultiBinary, for "
                "observations also one Dict of these; gymnasium.wrappers.FlattenObservation "
                "makes a Box of others"
            )
    if what == "action" and _is_dict(space):
        raise HeadstartError(
            f"action space: {shown(space, 80)}: Dict spaces are not supported there: expected "
            "Box, Discrete, MultiDiscrete or MultiBinary"
        )


def _is_dict(space: Any) -> bool:
    return isinstance(space, spaces.Dict)


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
    raise HeadstartError(f"spaces of type {type(space).__name__} are not supported: {shown(space)}")


def space_from_json(data: dict[str, Any], *, nested: bool = True) -> Space:
    """Build the space that `space_to_json` described.

    Args:
        data: the description, of which every number is checked.
        nested: whether it may be a Dict.

    Raises:
        KeyError, TypeError, ValueError: it is none, or too large.
    """
    kind = data["type"]
    if kind == "Box":
        return _box(data)
    if kind == "Discrete":
        if type(data["start"]) is not int or abs(data["start"]) > LARGEST:
            raise ValueError(f"a Discrete space that starts at {shown(data['start'], 20)}")
        return spaces.Discrete(_count(data["n"]), start=data["start"])
    if kind == "MultiDiscrete":
        return spaces.MultiDiscrete(np.array(_counts(data["nvec"])))
    if kind == "MultiBinary":
        n = data["n"]
        return spaces.MultiBinary(_shape(n) if isinstance(n, list) else _count(n))
    if kind == "Dict" and nested:
        # In the order that was stored, in which a policy takes the parts: of a dict Gymnasium
        # would sort them.
        parts = data["spaces"].items()
        if len(parts) > MOST_PARTS:
            raise ValueError(f"a Dict space of {len(parts):,} parts, of at most {MOST_PARTS}")
        return spaces.Dict([(key, space_from_json(part, nested=False)) for key, part in parts])
    raise ValueError(f"unknown space type {shown(kind, 20)!r}")


def _box(data: dict[str, Any]) -> spaces.Box:
    shape, name = _shape(data["shape"]), data["dtype"]
    if name not in _TYPES:
        raise ValueError(f"a Box of {shown(name, 20)}")
    dtype = np.dtype(name)
    low, high = (_bounds(data[end], shape, dtype) for end in ("low", "high"))
    if not np.all(low <= high):
        raise ValueError("a Box with a lower bound that is not below the upper one")
    return spaces.Box(low, high, shape=shape, dtype=dtype.type)


def _bounds(numbers: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """Return a Box's bounds from a flat list of them, or of the one that all are."""
    found = np.array([float(x) for x in numbers])
    limits = None if dtype.kind in "fb" else np.iinfo(dtype)
    if limits and not np.all((found >= limits.min) & (found <= limits.max)):
        raise ValueError(f"a Box of {dtype} with bounds that it cannot hold")
    if found.shape == (1,):
        return np.full(shape, found[0], dtype)
    return found.astype(dtype).reshape(shape)


def _shape(given: Any) -> tuple[int, ...]:
    shape = tuple(_count(length) for length in given)
    if len(shape) > 8 or math.prod(shape) > LARGEST:
        raise ValueError(f"a space of shape {shown(shape, 40)}, of more than {LARGEST:,} numbers")
    return shape


def _counts(given: Any) -> Any:
    """Return the numbers of choices of a MultiDiscrete, which may stand in nested lists."""
    if isinstance(given, list):
        found = [_counts(part) for part in given]
        if not found:
            raise ValueError("a space of nothing")
        return found
    return _count(given)


def _count(given: Any) -> int:
    if type(given) is not int or not 1 <= given <= LARGEST:
        raise ValueError(f"{shown(given, 20)!r}: expected a number from 1 to {LARGEST:,}")
    return given


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
    """Return an array's numbers in a flat list; strict JSON has no infinity.

    Where all are the same it is one number: an image has a million of them.
    """
    if values.size > 1 and np.all(values == values.flat[0]):
        values = values.ravel()[:1]
    return [float(x) if np.isfinite(x) else str(float(x)) for x in values.ravel()]
