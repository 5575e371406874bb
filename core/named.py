"""Entries of the form `"name"` or `{name: {setting: value}}`, of files and Python callers."""

from __future__ import annotations

import dataclasses
import functools
import inspect
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


def in_words(entries: Any) -> Any:
    """Return a list of entries with names in place of classes and functions.

    Python callers may give a class, `{Class: settings}`, a function, `functools.partial` of either,
    or an instance of a dataclass, whose fields are its settings.

    Raises:
        ValueError: what has no name by which another process could find it, or another object.

    >>> from headstart.envs import World
    >>> in_words(["scratch", {World: {}}])
    ['scratch', {'headstart.envs.world:World': {}}]
    """
    return [_in_words(entry) for entry in entries] if isinstance(entries, list) else entries


def _in_words(entry: Any) -> Any:
    if isinstance(entry, Mapping):
        return {_path_of(key): value for key, value in entry.items()}
    if isinstance(entry, functools.partial) and not entry.args:
        return {_path_of(entry.func): dict(entry.keywords)}
    if dataclasses.is_dataclass(entry) and not isinstance(entry, type):
        fields = {one.name: getattr(entry, one.name) for one in dataclasses.fields(entry)}
        return {_path_of(type(entry)): fields}
    return _path_of(entry)


def _path_of(value: Any) -> Any:
    """Return `package.module:Name` of a class or function, and text as it is."""
    if isinstance(value, str) or value is None:
        return value
    if not (isinstance(value, type) or inspect.isfunction(value)):
        raise ValueError(
            f"expected a name, a class or a function, got {type(value).__name__}: an object that "
            "was made already would be the same one in every trial"
        )
    name = value.__qualname__
    if not name.isidentifier():
        raise ValueError(
            f"'{name}' is defined inside of something else: define it at the top of its module, "
            "script or notebook, under a name of its own"
        )
    return f"{value.__module__}:{name}"
