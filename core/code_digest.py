"""Digests of functions and classes that are in no file, by their content.

Functions and classes of `__main__`, a script's or a notebook's, may have been typed in cells, and a
script may have been edited since it was started. So it is not their text that is read but what is
executed: byte code, constants, defaults, and what of `__main__` they lead to. Those of other
modules stand for themselves by their name, as their files can be hashed.
"""

from __future__ import annotations

import dis
import functools
import hashlib
import types
from collections.abc import Iterator, Mapping
from typing import Any

from .errors import HeadstartError

MAIN = "__main__"
SKIPPED = {
    "__dict__", "__weakref__", "__module__", "__doc__", "__firstlineno__", "__static_attributes__",
    "_abc_impl",
}  # fmt: skip
"""Of a class: what says nothing about what it does."""
GLOBALS = {"LOAD_GLOBAL", "LOAD_NAME"}


class UnknownContentError(HeadstartError):
    """A value whose content cannot be told."""


def digest_main(objects: Mapping[str, Any]) -> dict[str, str]:
    """Return a digest of each function and class of `__main__` that some objects lead to, by name.

    Args:
        objects: what to begin with, by names of its own, which have a digest, too.

    Raises:
        UnknownContentError: they hold something whose content cannot be told, such as a lock.

    >>> first, again = digest_main({"limit": [1.0, 2]}), digest_main({"limit": [1.0, 2]})
    >>> first == again != digest_main({"limit": [1.0, 3]})
    True
    """
    reader = _Reader()
    found = {}
    for name, value in objects.items():
        try:
            found[name] = _hash(reader.text(value))
        except RecursionError:
            raise UnknownContentError(f"what '{name}' holds is too deep to be compared") from None
    while reader.waiting:
        name, value = reader.waiting.popitem()
        found[f"{MAIN}:{name}"] = _hash(reader.content(name, value))
    return found


class _Reader:
    """Turns values into texts that equal content has in common, in every process."""

    def __init__(self) -> None:
        self.waiting: dict[str, Any] = {}
        self._names: dict[int, str] = {}
        self._kept: list[Any] = []
        """What has a name, as the id of what is gone may be another's."""

    def text(self, value: Any) -> str:
        """Return the text of a value; functions and classes of `__main__` are put in line."""
        if value is None or value is ... or isinstance(value, (bool, int, float, complex, str)):
            return repr(value)
        if isinstance(value, (bytes, bytearray)):
            return f"bytes {hashlib.sha256(value).hexdigest()}"
        if isinstance(value, (list, tuple)):
            return f"{type(value).__name__}[{', '.join(map(self.text, value))}]"
        if isinstance(value, (set, frozenset)):
            return f"set[{', '.join(sorted(map(self.text, value)))}]"
        if isinstance(value, (dict, types.MappingProxyType)):
            pairs = (f"{self.text(key)}: {self.text(part)}" for key, part in value.items())
            return f"{{{', '.join(pairs)}}}"
        return self._code(value) or self._instance(value)

    def content(self, name: str, value: Any) -> str:
        """Return the text of what a function or class of `__main__` consists of."""
        if isinstance(value, types.FunctionType):
            return self._function(value)
        parts = [self.text(value.__bases__), self.text(type(value))]
        for key, part in sorted(vars(value).items()):
            if key not in SKIPPED:
                parts.append(f"{key} = {self.text(part)}")
        return "\n".join(parts)

    def _code(self, value: Any) -> str | None:
        """Return the text of code, None of anything else."""
        if isinstance(value, (types.FunctionType, type)):
            return self._named(value) if value.__module__ == MAIN else _path_of(value)
        if isinstance(value, types.ModuleType):
            return f"module {value.__name__}"
        if isinstance(value, types.CodeType):
            return self._byte_code(value)
        if isinstance(value, (staticmethod, classmethod)):
            return f"{type(value).__name__} {self.text(value.__func__)}"
        if isinstance(value, property):
            return f"property {self.text([value.fget, value.fset, value.fdel])}"
        if isinstance(value, functools.cached_property):
            return f"cached_property {self.text(value.func)}"
        if isinstance(value, (types.MemberDescriptorType, types.GetSetDescriptorType)):
            return f"slot {value.__name__}"
        if isinstance(value, types.BuiltinFunctionType) and isinstance(
            value.__self__, (types.ModuleType, type(None))
        ):
            return _path_of(value)
        return None

    def _named(self, value: Any) -> str:
        """Return the name of a function or class of `__main__`, which waits to be read."""
        if id(value) not in self._names:
            # Two lambdas have one name.
            same = sum(known.split("#")[0] == value.__qualname__ for known in self._names.values())
            name = f"{value.__qualname__}#{same}" if same else value.__qualname__
            self._names[id(value)] = name
            self._kept.append(value)
            self.waiting[name] = value
        return f"{MAIN}:{self._names[id(value)]}"

    def _function(self, value: types.FunctionType) -> str:
        cells = [_content_of(cell) for cell in value.__closure__ or ()]
        known = value.__globals__
        used = {name: known[name] for name in _globals_of(value.__code__) if name in known}
        parts = [value.__defaults__, value.__kwdefaults__, cells, used, vars(value)]
        return f"{self._byte_code(value.__code__)} {self.text(parts)}"

    def _byte_code(self, code: types.CodeType) -> str:
        names = [code.co_names, code.co_varnames, code.co_freevars, code.co_flags]
        counts = [code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount]
        return f"code {self.text([code.co_code, code.co_consts, names, counts])}"

    def _instance(self, value: Any) -> str:
        """Return the text of any other object: what would make it again."""
        try:
            made = value.__reduce_ex__(2)
        except Exception:  # whatever an object that cannot be sent anywhere raises
            kind = f"{type(value).__module__}.{type(value).__qualname__}"
            raise UnknownContentError(
                f"it holds a {kind}, whose content cannot be compared"
            ) from None
        if isinstance(made, str):
            return f"{type(value).__module__}:{made}"
        parts = [list(part) if isinstance(part, Iterator) else part for part in made]
        return f"object {self.text(parts)}"


def _globals_of(code: types.CodeType) -> list[str]:
    """Return the names of the globals that code reads, and the functions and classes inside it."""
    found = {i.argval for i in dis.get_instructions(code) if i.opname in GLOBALS}
    for part in code.co_consts:
        if isinstance(part, types.CodeType):
            found.update(_globals_of(part))
    return sorted(found)


def _content_of(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return None  # not filled yet


def _path_of(value: Any) -> str:
    return f"{value.__module__}:{value.__qualname__}"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
