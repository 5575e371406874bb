"""Classes, and what else is made to be named, in text as `package.module:Class`."""

from __future__ import annotations

import importlib
from typing import Any, TypeVar

from .errors import HeadstartError, nearest, one_line

T = TypeVar("T")


def load_class(path: str, base: type[T], what: str) -> type[T]:
    """Import the class that `path` names.

    Only a subclass of `base` is accepted, so that a name in a file can choose among classes made
    for the purpose but never call anything else.

    Args:
        path: "package.module:Class".
        base: the class that it must be or derive from.
        what: what the class is for; messages start with it.

    Raises:
        HeadstartError: there is no such module or class, or it is not a subclass of `base`.

    >>> load_class("headstart.envs:World", object, "environment").__name__
    'World'
    """
    found = load_object(path, what)
    if not (isinstance(found, type) and issubclass(found, base)):
        raise HeadstartError(f"{what} '{path}': expected a subclass of {base.__name__}")
    return found


def load_object(path: str, what: str) -> Any:
    """Import what `path` names; whoever asks for it must check that it was made to be named.

    Args:
        path: "package.module:Name".
        what: what it is for; messages start with it.

    Raises:
        HeadstartError: there is no such module or name.
    """
    module_name, separator, class_name = path.partition(":")
    if not (separator and module_name and class_name.isidentifier()):
        raise HeadstartError(f"{what} '{path}': expected 'package.module:Class'")
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        why = error if isinstance(error, ImportError) else one_line(error)
        raise HeadstartError(f"{what} '{path}': cannot import '{module_name}': {why}") from error
    found = getattr(module, class_name, None)
    if found is None:
        names = [name for name, value in vars(module).items() if isinstance(value, type)]
        close = nearest(class_name, names) if names else ""
        hint = close if close.startswith("; did you mean") else ""
        if module_name == "__main__" and not hint:
            hint = ": run it from the script or notebook that defines it"
        raise HeadstartError(f"{what} '{path}': '{module_name}' has no '{class_name}'{hint}")
    return found
