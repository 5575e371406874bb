"""Numbers that are attributes of an environment, or items of its mappings: `masspole`."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from typing import Any

from ...core.errors import HeadstartError, nearest, one_line
from ..parameters import ParameterError
from .handle import Declared, Handle, make_parameter, number_of

# Attributes that are numbers and no parameters.
_STATE = {"num_envs", "np_random_seed", "screen_width", "screen_height", "steps", "time", "t"}


def attribute_handle(env: Any, name: str, declared: Declared) -> Handle:
    """Return the handle of an attribute of a bare environment, dots leading deeper.

    Raises:
        ParameterError: there is no such attribute, or it is no number; names the nearest.
    """
    *way, last = declared.path.split(".")
    owner = env
    for part in way:
        owner = _get(owner, part, declared.path, env)
    nominal = number_of(_get(owner, last, declared.path, env), declared.path)
    has_whole = isinstance(_get(owner, last, declared.path, env), int)
    whole = has_whole if declared.whole is None else declared.whole
    derive = None if declared.derived is None else derived_hook(declared.derived)

    def write(value: float) -> None:
        stored = round(value) if whole else float(value)
        if isinstance(owner, dict):
            owner[last] = stored
        else:
            setattr(owner, last, stored)
        if derive is not None:
            derive(env)

    def read() -> float:
        return float(_get(owner, last, declared.path, env))

    return Handle(make_parameter(name, declared, nominal), write, read)


def setter_handle(env: Any, name: str, declared: Declared) -> Handle:
    """Return the handle of a number that the environment sets by a method of its own.

    Raises:
        ParameterError: it has no such method, or the nominal is not declared.
    """
    method = getattr(env, str(declared.setter), None)
    if not callable(method):
        methods = [one for one in dir(env) if not one.startswith("_")]
        hint = nearest(str(declared.setter), methods)
        raise ParameterError(f"'{name}': the environment has no method '{declared.setter}'{hint}")
    if declared.nominal is None:
        raise ParameterError(f"'{name}': a 'setter' needs a 'nominal', which cannot be read")
    now = {"value": float(declared.nominal)}

    def write(value: float) -> None:
        method({declared.path: value})
        now["value"] = value

    return Handle(make_parameter(name, declared, now["value"]), write, lambda: now["value"])


def derived_hook(path: str) -> Any:
    """Return the function `package.module:function`, called with the environment after a change.

    Raises:
        HeadstartError: there is no such function.
    """
    module, _, function = path.partition(":")
    try:
        found = getattr(importlib.import_module(module), function)
    except Exception as error:
        raise HeadstartError(f"derived '{path}': {one_line(error)}") from None
    if not callable(found):
        raise HeadstartError(f"derived '{path}': expected a function")
    return found


def suggested_attributes(env: Any) -> Iterator[str]:
    """Yield attributes of a bare environment that are numbers and may be physical."""
    names = {*vars(env), *(n for base in type(env).__mro__[:-2] for n in vars(base))}
    for name in sorted(names):
        value = getattr(env, name, None)
        plain = isinstance(value, (int, float)) and not isinstance(value, bool)
        if plain and not name.startswith("_") and name not in _STATE:
            yield name
    config = getattr(env, "config", None)
    if isinstance(config, Mapping):
        for name, value in config.items():
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                yield f"config.{name}"


def _get(owner: Any, part: str, path: str, env: Any) -> Any:
    try:
        return owner[part] if isinstance(owner, Mapping) else getattr(owner, part)
    except (AttributeError, KeyError):
        hint = nearest(path, list(suggested_attributes(env)) or ["nothing that is a number"])
        raise ParameterError(f"the environment has no '{path}'{hint}") from None
