"""Read and write YAML 1.2, so that a mistake in a file is refused with its line.

What a text may unfold to is bounded before it is unfolded: aliases of aliases, nesting, sizes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date
from enum import Enum
from io import StringIO
from typing import Any

import numpy as np
from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer, ComposerError
from ruamel.yaml.constructor import DuplicateKeyError, SafeConstructor
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.error import YAMLError as YAMLError
from ruamel.yaml.events import AliasEvent
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode
from ruamel.yaml.representer import SafeRepresenter
from ruamel.yaml.resolver import VersionedResolver

from ...core.errors import HeadstartError, shown, single_line

TAG = "tag:yaml.org,2002:"
MERGE = f"{TAG}merge"
KNOWN = {TAG + kind for kind in ("map", "seq", "str", "int", "float", "bool", "null", "merge")}
NUMBERS = (f"{TAG}int", f"{TAG}float")
DATE = f"{TAG}timestamp"

LARGEST_TEXT = 2**19
"""Characters that a file may have."""
MOST_NODES = 10_000
"""Values that a text may hold, those for which aliases stand counted each time."""
DEEPEST = 40
"""Lists and mappings that may stand inside each other."""
LONGEST_SCALAR = 20_000
"""Characters that one text may have."""
LONGEST_NUMBER = 64
LARGEST_INTEGER = 2**63 - 1
YAML_1_1 = VersionedResolver(version=(1, 1))
"""What a reader of YAML 1.1 takes an unquoted text for."""


class ConfigError(HeadstartError):
    """An experiment that cannot be run as written."""


class _Composer(Composer):
    """A composer that refuses what would unfold to too much, and scalars of other kinds."""

    def __init__(self, loader: Any = None) -> None:
        super().__init__(loader=loader)
        self.nesting = self.read = 0
        # What each node stands for: how many values, nested how deeply.
        self.extents: dict[int, tuple[int, int]] = {}
        self.kept: list[Node] = []  # so that no later node has the id of one that is gone

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Return the next node, once it is known to be bounded."""
        mark = self.parser.peek_event().start_mark
        alias = self.parser.check_event(AliasEvent)
        self.nesting += 1
        self.read += 1
        if self.nesting > DEEPEST + 1:  # a scalar may stand in the deepest
            raise _refused(f"more than {DEEPEST} lists or mappings inside each other", mark)
        if self.read > MOST_NODES:
            raise _refused(f"more than {MOST_NODES:,} values", mark)
        node = super().compose_node(parent, index)
        self.nesting -= 1
        if alias:
            if id(node) not in self.extents:
                raise _refused("an alias stands inside of what it stands for", mark)
        else:
            self.kept.append(node)
            self.extents[id(node)] = self._extent(node, mark)
        return node

    def _extent(self, node: Node, mark: Any) -> tuple[int, int]:
        if isinstance(node, ScalarNode):
            _check_scalar(node, mark)
            return 1 + len(node.value) // 1_000, 0
        if node.tag not in KNOWN:
            raise _refused(_other_tag(str(node.tag)), mark)
        inner = node.value
        if isinstance(node, MappingNode):
            inner = [part for pair in inner for part in pair]
        extents = [self.extents[id(part)] for part in inner]
        count = 1 + sum(count for count, _ in extents)
        depth = 1 + max((depth for _, depth in extents), default=0)
        if count > MOST_NODES:
            raise _refused(f"aliases stand for more than {MOST_NODES:,} values", mark)
        if depth > DEEPEST:
            raise _refused(f"more than {DEEPEST} lists or mappings inside each other", mark)
        return count, depth


def _check_scalar(node: ScalarNode, mark: Any) -> None:
    """Refuse a scalar that is too long, of a kind that no experiment has, or not to be written."""
    value = node.value
    if len(value) > LONGEST_SCALAR:
        raise _refused(f"a text of {len(value):,} characters, at most {LONGEST_SCALAR:,}", mark)
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise _refused(f"'{shown(value)}' holds half of a surrogate pair, which is no text", mark)
    if node.tag in NUMBERS:
        if len(value) > LONGEST_NUMBER:
            raise _refused(f"a number of {len(value):,} digits", mark)
        if ":" in value:
            raise _refused(f"'{value}' is a number to the base 60: write it to the base 10", mark)
    elif node.tag == DATE:
        try:
            SafeConstructor().construct_yaml_timestamp(node)
        except (ValueError, TypeError, YAMLError) as error:
            why = "" if isinstance(error, YAMLError) else f" ({single_line(str(error))})"
            raise _refused(f"'{shown(value)}' is no date{why}: quote it", mark) from None
    elif node.tag == f"{TAG}bool" and value.lower() not in SafeConstructor.bool_values:
        raise _refused(f"'{shown(value)}' is neither true nor false", mark)
    elif node.tag not in KNOWN:
        raise _refused(_other_tag(str(node.tag)), mark)


def _other_tag(tag: str) -> str:
    name = f"!!{tag.removeprefix(TAG)}" if tag.startswith(TAG) else tag
    return f"the tag {shown(name)} is not read: write plain texts, numbers, lists and mappings"


def _refused(problem: str, mark: Any) -> ComposerError:
    return ComposerError(None, None, problem, mark)


class _Constructor(SafeConstructor):
    """A constructor that refuses duplicate keys beside a merge key (`<<: *other`) as well."""

    def construct_yaml_int(self, node: ScalarNode) -> int:
        """Return a whole number, if it is one that every program can hold."""
        try:
            value = int(super().construct_yaml_int(node))
        except (ValueError, IndexError):
            raise _refused(f"'{shown(node.value)}' is no whole number", node.start_mark) from None
        if abs(value) > LARGEST_INTEGER:
            problem = f"{shown(node.value, 30)} is larger than {LARGEST_INTEGER:,}"
            raise _refused(problem, node.start_mark)
        return value

    def construct_yaml_float(self, node: ScalarNode) -> float:
        """Return a number, if it is not too large for one; infinity is written .inf."""
        try:
            value = float(super().construct_yaml_float(node))
        except (ValueError, IndexError):
            raise _refused(f"'{shown(node.value)}' is no number", node.start_mark) from None
        if math.isinf(value) and "inf" not in node.value.lower():
            problem = f"{shown(node.value, 30)} is too large for a number"
            raise _refused(problem, node.start_mark)
        return value

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


_Constructor.add_constructor(f"{TAG}int", _Constructor.construct_yaml_int)
_Constructor.add_constructor(f"{TAG}float", _Constructor.construct_yaml_float)
_Representer.add_representer(str, _Representer.represent_str)
_Representer.add_representer(float, _Representer.represent_float)


def _yaml() -> YAML:
    """Return a reader and writer; one for each text, since it keeps what it has read."""
    yaml = YAML(typ="safe", pure=True)
    yaml.Composer = _Composer
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
    hint = ""
    if callable(value):
        hint = "; functions and classes go into gymnasium.register(..., kwargs={...})"
    raise ValueError(f"{value!r} cannot be written down as YAML, which workers read it from{hint}")


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
        ValueError: it holds a number that is none, or is too long.
    """
    _check_length(text)
    return _yaml().load(text)


def parse_yaml(text: str, where: str) -> Any:
    """Return the first document of a YAML text, None if it holds none; errors name `where`."""
    found = parse_all(text, where)
    return found[0] if found else None


def parse_all(text: str, where: str) -> list[Any]:
    """Return the documents of a YAML text; what aliases share is copied for each of them.

    Raises:
        ConfigError: the text is no YAML; names `where`, the line, and what to write instead.
    """
    try:
        _check_length(text)
        return [unshared(found) for found in _yaml().load_all(text)]
    except MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ConfigError(f"{where}{line}: {shown(_problem(error), 200)}") from None
    except (YAMLError, ValueError) as error:
        # A character that YAML forbids, or too many of them.
        raise ConfigError(f"{where}: {shown(error, 200)}") from None


def _check_length(text: str) -> None:
    if len(text) > LARGEST_TEXT:
        raise ValueError(f"a file of {len(text):,} characters, at most {LARGEST_TEXT:,} are read")


def _problem(error: MarkedYAMLError) -> str:
    """Return what is wrong in one line, with a hint where the usual cause is known."""
    problem = str(error.problem or error.context)
    if isinstance(error, DuplicateKeyError):
        # The library goes on with both values, which may be long.
        return problem.partition(" with value ")[0]
    if "undefined alias" in problem or "alias" in str(error.context):
        return f"{problem} (a change that starts with '*' needs quotes: \"* 0.4\")"
    if "'\\t'" in problem:
        return f"{problem} (indent by spaces, not by tabs)"
    return problem
