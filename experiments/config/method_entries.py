"""What may stand among any method's settings: its label, and what it was tuned with."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ...core.named import NamedEntry, split_named

RESERVED = ("label", "tuned")
"""The keys that no method can have as settings of its own."""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

Count = Annotated[int, Field(gt=0, strict=True)]


class Tuned(BaseModel):
    """What a method's settings were found with: the report compares it between the methods."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    trials: Count
    """Settings that were tried, those that the method has by itself among them."""
    steps: Count
    """Target steps that those trials might take, over all targets and seeds."""
    spent: Count | None = None
    """Target steps that they took, where some were stopped early."""
    seeds: list[Annotated[int, Field(ge=0, strict=True)]] = []
    """The seeds that were tuned on."""


def own_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of a method's settings that are passed to it."""
    return {key: value for key, value in settings.items() if key not in RESERVED}


def tuned_with(method: NamedEntry) -> Any:
    """Return what the entry of a method among an experiment's says of its tuning, or None."""
    return split_named(method, "method")[1].get("tuned")


def check_tuned(method: NamedEntry) -> None:
    """Raise ValueError unless what a method's entry says of its tuning is as `Tuned` has it."""
    said = tuned_with(method)
    if said is None:
        return
    try:
        Tuned.model_validate(said)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in ("tuned", *first["loc"]))
        known = ", ".join(Tuned.model_fields)
        name, _ = split_named(method, "method")
        raise ValueError(f"{name}: {key}: {first['msg'].lower()} (known: {known})") from None


def method_label(method: NamedEntry) -> str:
    """Return what a method is called in folders and tables: its name or its `label`."""
    name, settings = split_named(method, "method")
    label = str(settings.get("label", name.split(":")[-1]))
    return check_name(label)


def check_name(name: str) -> str:
    """Return a name that becomes a folder's, or raise ValueError."""
    if not NAME.fullmatch(name):
        raise ValueError(f"'{name}' names a folder: use letters, digits, '.', '_' and '-'")
    return name
