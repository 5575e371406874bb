"""What is wrong with an experiment's file, in one line with the key's path."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from ...core.errors import nearest


def explain(error: ValidationError, model: type[BaseModel]) -> str:
    """Return the first of pydantic's errors as one line.

    Args:
        error: what pydantic raised.
        model: what was to be built.
    """
    # An unknown key explains a missing one better than the other way round.
    first = min(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
    place = [str(part) for part in first["loc"] if not _is_union_tag(part)]
    path = ".".join(place)
    if first["type"] == "extra_forbidden":
        return f"{path}: unknown key{nearest(place[-1], _keys_at(model, place[:-1]))}"
    if first["type"] == "missing":
        return f"{path}: missing"
    message = first["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    given = first["input"]
    shown = f", got {given!r}" if isinstance(given, (str, int, float, list)) else ""
    if first["type"] == "value_error":
        shown = ""
    if first["type"] == "too_short":
        message, shown = "expected at least one", ""
    return f"{path}: {message}{shown}" if path else message


def _is_union_tag(part: int | str) -> bool:
    """Whether a part of pydantic's path names a branch of a union, not a key of the file."""
    return isinstance(part, str) and (part in ("str", "int") or "[" in part)


def _keys_at(model: type[BaseModel], place: Sequence[str]) -> list[str]:
    """Return the keys that the section at `place` knows; of a mapping, names are left out."""
    for part in place:
        field = model.model_fields.get(part)
        if field is not None:
            model = next(_models(field.annotation), BaseModel)
    return list(model.model_fields)


def _models(kind: Any) -> Iterator[type[BaseModel]]:
    """Yield the sections that a type is, or is made of."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind
    for part in get_args(kind):
        yield from _models(part)
