"""Read and write YAML 1.2, so that a mistake in a file is refused with its line."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from enum import Enum
from io import StringIO
from typing import Any

import numpy as np
from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError, SafeConstructor
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.error import YAMLError as YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode
from ruamel.yaml.representer import SafeRepresenter
from ruamel.yaml.resolver import VersionedResolver

from ...core.errors import HeadstartError

MERGE = "tag:yaml.org,2002:merge"
YAML_1_1 = VersionedResolver(version=(1, 1))
"""What a reader of YAML 1.1 takes an unquoted text for."""


class ConfigError(HeadstartError):
    """An experiment that cannot be run as written."""


class _Constructor(SafeConstructor):
    """A constructor that refuses duplicate keys beside a merge key (`<<: *other`) as well."""

    def flatten_mapping(self, node: MappingNode) -> None:
        """Add the keys of the mappings that a merge key names."""
        stated = [(key, value) for key, value in node.value if key.tag != MERGE]
        merges = len(stated) < len(node.value)
        super().flatten_mapping(node)
        if merges:
            # ruamel.yaml looks for duplicates only where nothing is merged.
            alone = MappingNode(node.tag, stated, node.start_mark, node.end_mark)
            super(SafeConstructor, self).construct_mapping(alone)


class _Representer(SafeRepresenter):
    """A representer whose text and numbers are the same to readers of YAML 1.1 and 1.2."""

    def represent_str(self, data: str) -> ScalarNode:
        """Return text as a node, quoted where YAML 1.1 reads something else: yes, 1:30."""
        node: ScalarNode = super().represent_str(data)
        if YAML_1_1.resolve(ScalarNode, data, (True, False)) != node.tag:
            node.style = "'"
        return node

    def represent_float(self, data: float) -> ScalarNode:
        """Return a number as a node, with a point: YAML 1.1 reads 1e-05 as text."""
        node = super().represent_float(data)
        if "." not in node.value:
            node.value = node.value.replace("e", ".0e")
        return node


_Representer.add_representer(str, _Representer.represent_str)
_Representer.add_representer(float, _Representer.represent_float)


def _yaml() -> YAML:
    """Return a reader and writer; one for each text, since it keeps what it has read."""
    yaml = YAML(typ="safe", pure=True)
    yaml.Constructor = _Constructor
    yaml.Representer = _Representer
    yaml.composer.warn_double_anchors = False  # YAML 1.2 lets an anchor be set anew.
    yaml.representer.sort_base_mapping_type_on_output = False
    return yaml


def plain(value: Any) -> Any:
    """Return what YAML makes of a value, so that every process has the same.

    Keys and numbers keep their types: JSON would turn keys into text, and has no infinity.

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


def dumps(data: Any, *, width: int = 80, flow: bool | None = False) -> str:
    """Return plain data as YAML, keys in their order.

    Args:
        data: mappings, lists and scalars, as `plain` returns them.
        width: columns that a line may have.
        flow: whether mappings and lists stand in brackets; None: those that hold scalars only.
    """
    yaml = _yaml()
    yaml.width, yaml.default_flow_style = width, flow
    text = StringIO()
    yaml.dump(data, text)
    return text.getvalue()


def loads(text: str) -> Any:
    """Return the data of the one document in a YAML text.

    Raises:
        YAMLError: it is no YAML, or holds several documents.
        ValueError: it holds a date or a number that is none, such as 2024-02-30.
    """
    return _yaml().load(text)


def parse(text: str, where: str) -> Any:
    """Return the first document of a YAML text, None if it holds none; errors name `where`."""
    found = parse_all(text, where)
    return found[0] if found else None


def parse_all(text: str, where: str) -> list[Any]:
    """Return the documents of a YAML text; what aliases share is copied for each of them.

    Raises:
        ConfigError: the text is no YAML; names `where`, the line, and what to write instead.
    """
    try:
        return [unshared(found) for found in _yaml().load_all(text)]
    except ValueError as error:
        # A date or a number by its form alone, such as 2024-02-30.
        raise ConfigError(f"{where}: {error}") from None
    except RecursionError:
        raise ConfigError(f"{where}: an alias stands inside of what it stands for") from None
    except MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ConfigError(f"{where}{line}: {_problem(error)}") from None
    except YAMLError as error:
        raise ConfigError(f"{where}: {' '.join(str(error).split())}") from None


def _problem(error: MarkedYAMLError) -> str:
    """Return what is wrong in one line, with a hint where the usual cause is known."""
    problem = str(error.problem or error.context)
    if isinstance(error, DuplicateKeyError):
        # The library goes on with both values, which may be long.
        return problem.partition(" with value ")[0]
    if "alias" in f"{error.context} {problem}":
        return f"{problem} (a change that starts with '*' needs quotes: \"* 0.4\")"
    if "'\\t'" in problem:
        return f"{problem} (indent by spaces, not by tabs)"
    return problem
