"""YAML without its silent traps: repeated keys, 1e-3 read as text, text 1e5 written as a number."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from enum import Enum
from typing import Any

import numpy as np
import yaml

from ...core.errors import HeadstartError


class ConfigError(HeadstartError):
    """An experiment that cannot be run as written."""


class _Loader(yaml.SafeLoader):
    """A safe loader that refuses repeated keys and knows numbers like 1e-3."""

    def __init__(self, stream: Any) -> None:
        super().__init__(stream)
        self._checked: dict[int, yaml.MappingNode] = {}

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Refuse a key that stands twice, before keys of others are merged in (`<<: *other`)."""
        if id(node) not in self._checked:
            self._checked[id(node)] = node
            seen: set[Any] = set()
            for key_node, _ in node.value:
                if key_node.tag == "tag:yaml.org,2002:merge":
                    continue
                key = self.construct_object(key_node, deep=True)
                if key in seen:
                    raise yaml.MarkedYAMLError(
                        problem=f"the key '{key}' stands twice", problem_mark=key_node.start_mark
                    )
                seen.add(key)
        super().flatten_mapping(node)


class _Dumper(yaml.SafeDumper):
    """A safe dumper that quotes text which the loader would take for a number."""


for _kind in (_Loader, _Dumper):
    _kind.add_implicit_resolver(
        "tag:yaml.org,2002:float",
        # To the end: PyYAML looks only whether a text begins so.
        re.compile(r"[-+]?(?:\d[\d_]*\.?\d*|\.\d+)[eE][-+]?\d+$"),
        list("-+0123456789."),
    )


def plain(value: Any) -> Any:
    """Return what YAML makes of a value, so that every process has the same.

    Keys and numbers stay what they are: JSON would make text of the former, nothing of infinity.

    Raises:
        ValueError: a value, or a key, that cannot be written down and read back.
    """
    if isinstance(value, Mapping):
        return {_scalar(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    return _scalar(value)


def _scalar(value: Any) -> Any:
    if isinstance(value, Enum):
        return _scalar(value.value)
    found = value.item() if isinstance(value, np.generic) else value
    if found is None or isinstance(found, (bool, date)):
        return found
    for kind in (int, float, str):
        if isinstance(found, kind):
            return kind(found)
    raise ValueError(f"{value!r} cannot be written down as YAML, which workers read it from")


def unshared(data: Any) -> Any:
    """Return a copy of plain data in which no mapping or list stands twice."""
    if isinstance(data, dict):
        return {key: unshared(value) for key, value in data.items()}
    return [unshared(value) for value in data] if isinstance(data, list) else data


def dumps(data: Any, **settings: Any) -> str:
    """Return plain data as YAML, keys in their order; `settings` are PyYAML's."""
    text: str = yaml.dump(data, Dumper=_Dumper, sort_keys=False, **settings)
    return text


def loads(text: str) -> Any:
    """Return what `dumps` was given.

    Raises:
        yaml.YAMLError: it is no YAML.
    """
    return yaml.load(text, _Loader)


def parse(text: str, where: str) -> Any:
    """Return the first document of a YAML text, None if it holds none; errors name `where`."""
    found = parse_all(text, where)
    return found[0] if found else None


def parse_all(text: str, where: str) -> list[Any]:
    """Return the documents of a YAML text; what aliases share is copied for each of them."""
    try:
        return [unshared(found) for found in yaml.load_all(text, _Loader)]
    except RecursionError:
        raise ConfigError(f"{where}: an alias stands inside of what it stands for") from None
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        hint = ""
        if "alias" in f"{error.context} {error.problem}":
            hint = " (a change that starts with '*' needs quotes: \"* 0.4\")"
        elif "'\\t'" in str(error.problem):
            hint = " (indent by spaces, not by tabs)"
        raise ConfigError(f"{where}{line}: {error.problem or error.context}{hint}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{where}: {' '.join(str(error).split())}") from None
