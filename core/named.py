"""Entries of the form `"name"` or `{name: {setting: value}}`, of files and Python callers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .errors import HeadstartError

NamedEntry = str | Mapping[str, Mapping[str, Any] | None]
"""A name alone, or one name with its settings."""


def split_named(
    entry: Any, what: str = "entry", example: str = "'name' or {name: {setting: value}}"
) -> tuple[str, dict[str, Any]]:
    """Return the name and the settings of an entry; a name alone has none.

    Args:
        entry: `"name"`, or a mapping of one name to a mapping of its settings, or to None.
        what: what the entry stands for; the message begins with it.
        example: what was expected, for the message.

    Raises:
        HeadstartError: the entry has neither form.

    >>> split_named("ppo")
    ('ppo', {})
    >>> split_named({"fine_tune": {"normalizer": "frozen"}})
    ('fine_tune', {'normalizer': 'frozen'})
    """
    if isinstance(entry, str):
        return entry, {}
    if isinstance(entry, Mapping) and len(entry) == 1:
        [(name, settings)] = entry.items()
        if isinstance(name, str) and (settings is None or isinstance(settings, Mapping)):
            return name, dict(settings or {})
    shown = dict(entry) if isinstance(entry, Mapping) else entry
    raise HeadstartError(f"{what} {shown!r}: expected {example}")
