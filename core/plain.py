"""Records as JSON and back: one mechanism for every dataclass that is written to a file."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, TypeVar, Union

import numpy as np

T = TypeVar("T")

_ALIAS = "json"
_REST = "rest"
_UNWRITTEN = "unwritten"


def alias(name: str, **options: Any) -> Any:
    """Declare a field that JSON knows by another name, as `return` can be no attribute.

    >>> @dataclasses.dataclass(frozen=True)
    ... class Level:
    ...     value: float = alias("return")
    >>> to_json(Level(0.5))
    {'return': 0.5}
    """
    return dataclasses.field(metadata={_ALIAS: name}, **options)


def rest() -> Any:
    """Declare a mapping field that holds every key of the JSON that no other field names."""
    return dataclasses.field(default_factory=dict, metadata={_REST: True})


def unwritten() -> Any:
    """Declare a mapping field that JSON does not hold, and that is no part of equality."""
    return dataclasses.field(default_factory=dict, compare=False, metadata={_UNWRITTEN: True})


def to_json(value: Any) -> Any:
    """Return a value as JSON can hold it: records as mappings, no numpy, None in place of NaN.

    Whole floats become integers, so that equal results are equal files.

    Args:
        value: a dataclass, mapping, sequence, number, text or None, nested as it may be.

    >>> to_json({1: [2.0, float("nan")], "x": np.float64(0.5)})
    {'1': [2, None], 'x': 0.5}
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _record_to_json(value)
    if isinstance(value, Mapping):
        return {str(key): to_json(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(part) for part in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return _number_to_json(value)
    return value


def _record_to_json(record: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for field in dataclasses.fields(record):
        value = getattr(record, field.name)
        if field.metadata.get(_UNWRITTEN):
            continue
        if field.metadata.get(_REST):
            found |= to_json(value)
        else:
            found[field.metadata.get(_ALIAS, field.name)] = to_json(value)
    return found


def _number_to_json(value: float) -> int | float | None:
    if not math.isfinite(value):
        return None
    # Beyond 2^53 a float has no digits left for what follows the point.
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


def from_json(kind: type[T], value: Any) -> T:
    """Return a record of a dataclass from what `to_json` made of it.

    Args:
        kind: the dataclass; its fields are dataclasses, mappings with text or integer keys,
            lists, tuples, plain values, or a union of these with None. Of several dataclasses it
            is the first whose fields the JSON has, all and no others.
        value: the JSON.

    Raises:
        KeyError: a field without a default is missing, or a key is no field's.

    >>> @dataclasses.dataclass(frozen=True)
    ... class Row:
    ...     per_seed: dict[int, float]
    >>> from_json(Row, {"per_seed": {"3": 0.5}})
    Row(per_seed={3: 0.5})
    """
    made: T = _convert(kind, value)
    return made


def _convert(kind: Any, value: Any) -> Any:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if value is None or kind is Any:
        return value
    if origin in (Union, types.UnionType):
        kinds = [part for part in arguments if part is not type(None)]
        if len(kinds) > 1:
            kinds = [part for part in kinds if _has_fields_of(part, value)]
        return _convert(kinds[0], value) if kinds else value
    if dataclasses.is_dataclass(kind):
        return _record_from_json(kind, value)
    if origin is not None and issubclass(origin, Mapping):
        number = arguments[0] is int
        return {
            (int(key) if number else key): _convert(arguments[1], part)
            for key, part in value.items()
        }
    if origin is not None and issubclass(origin, Sequence):
        made = [_convert(arguments[0], part) for part in value]
        return tuple(made) if origin is tuple else made
    return value


def _record_from_json(kind: Any, value: Mapping[str, Any]) -> Any:
    types_of, left = _types(kind), dict(value)
    given: dict[str, Any] = {}
    holds_rest = None
    for field in dataclasses.fields(kind):
        key = field.metadata.get(_ALIAS, field.name)
        if field.metadata.get(_REST):
            holds_rest = field.name
        elif key in left:
            given[field.name] = _convert(types_of[field.name], left.pop(key))
        elif not _has_default(field):
            raise KeyError(f"{kind.__name__}: {key} is missing")
    if holds_rest:
        given[holds_rest] = left
    elif left:
        raise KeyError(f"{kind.__name__}: {', '.join(left)} is no field")
    return kind(**given)


def _has_fields_of(kind: Any, value: Any) -> bool:
    """Return whether JSON has all the fields of a dataclass, and no others."""
    if not (dataclasses.is_dataclass(kind) and isinstance(value, Mapping)):
        return False
    return {field.metadata.get(_ALIAS, field.name) for field in dataclasses.fields(kind)} == set(
        value
    )


def _has_default(field: dataclasses.Field[Any]) -> bool:
    missing = dataclasses.MISSING
    return field.default is not missing or field.default_factory is not missing


@cache
def _types(kind: Any) -> dict[str, Any]:
    return typing.get_type_hints(kind)
