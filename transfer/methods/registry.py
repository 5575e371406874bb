"""Every transfer method, and how one is found by name."""

from __future__ import annotations

import dataclasses
from typing import Any

from pydantic import TypeAdapter, ValidationError

from ...agents.algorithms import Algorithm
from ...agents.learner import Learner
from ...core.classes import load_class
from ...core.errors import HeadstartError, nearest
from ...core.named import NamedEntry, split_named
from . import adapt, distill, feature_reuse, fine_tune, naive, scratch, scratch_total, zero_shot
from .base import Method

# Whether a student trains in the target is decided by its settings, so it is no class variable.
METHODS: dict[str, type[Method]] = {
    "scratch": scratch.Scratch,
    "zero_shot": zero_shot.ZeroShot,
    "naive": naive.Naive,
    "fine_tune": fine_tune.FineTune,
    "feature_reuse": feature_reuse.FeatureReuse,
    "scratch_total": scratch_total.ScratchTotal,
    "adapt": adapt.Adapt,  # type: ignore[dict-item]
    "distill": distill.Distill,  # type: ignore[dict-item]
}


def resolve_method(spec: NamedEntry) -> Method:
    """Return the method that an entry of an experiment's `methods` stands for.

    Args:
        spec: `"fine_tune"`, `{"fine_tune": {...}}` or `"package.module:Class"`.

    Returns:
        The method with its settings.

    Raises:
        HeadstartError: an unknown method or setting, or a value of the wrong kind.

    >>> resolve_method({"fine_tune": {"preset": "careful"}}).preset
    'careful'
    """
    name, settings = split_named(
        spec, "method", "a name such as 'fine_tune', or {fine_tune: {normalizer: frozen}}"
    )
    cls: Any = _method_class(name)
    try:
        if not dataclasses.is_dataclass(cls):
            method: Method = cls(**settings)
            return method
        fields = [field.name for field in dataclasses.fields(cls)]
        for key in settings:
            if key not in fields:
                raise HeadstartError(
                    f"unknown setting '{key}' of method {name}{nearest(key, fields)}"
                )
        method = TypeAdapter(cls).validate_python(settings)
    except ValidationError as error:
        first = error.errors()[0]
        # What follows the setting's name is pydantic's own: which of several types was tried.
        where = str(first["loc"][0])
        raise HeadstartError(
            f"method {name}: {where} = {first['input']!r}: {first['msg'].lower()}"
        ) from None
    except (TypeError, ValueError) as error:
        raise HeadstartError(f"method {name}: {error}") from None
    return method


def check_method(method: Method, algorithm: Algorithm) -> None:
    """Check that a method's settings go with the experiment's algorithm.

    Args:
        method: the method.
        algorithm: the experiment's algorithm.

    Raises:
        HeadstartError: they do not; says which and why.
    """
    own = getattr(method, "check", None)
    if own is not None:
        own(algorithm)


def check_budget(method: Method, algorithm: Algorithm, source_steps: int) -> None:
    """Check that a method asks for no more of the source than its steps allow.

    Args:
        method: the method.
        algorithm: the experiment's algorithm.
        source_steps: the steps that the source policy was trained for.

    Raises:
        HeadstartError: it asks for more.
    """
    own = getattr(method, "check_budget", None)
    if own is not None:
        own(algorithm, source_steps)


def check_networks(method: Method, learner: Learner) -> None:
    """Check that a method's settings go with the networks of a learner.

    Args:
        method: the method.
        learner: a learner of the experiment's algorithm in the target.

    Raises:
        HeadstartError: they do not; says which and why.
    """
    own = getattr(method, "fits", None)
    if own is not None:
        own(learner)


def search(method: Method, algorithm: Algorithm) -> dict[str, str]:
    """Return what is worth searching of a method by `headstart tune`.

    Args:
        method: the method.
        algorithm: the experiment's algorithm.

    Returns:
        A change of each setting's default by its name; empty where the method declares nothing.

    >>> from headstart.agents.algorithms import resolve_algorithm
    >>> search(resolve_method("zero_shot"), resolve_algorithm("ppo", "Pendulum-v1"))
    {}
    """
    own = getattr(method, "search", None)
    return {} if own is None else dict(own(algorithm))


def settings_in_force(method: Method, algorithm: Algorithm) -> dict[str, Any]:
    """Return a method's settings by name, those that are left to a preset as that has them.

    Args:
        method: the method.
        algorithm: the experiment's algorithm.

    Returns:
        The settings by name.

    >>> from headstart.agents.algorithms import resolve_algorithm
    >>> ppo = resolve_algorithm("ppo", "Pendulum-v1")
    >>> settings_in_force(resolve_method("fine_tune"), ppo)["policy_head"]
    0.03
    """
    own = getattr(method, "settings", None)
    if own is not None:
        return dict(own(algorithm))
    if not dataclasses.is_dataclass(method):
        return {}
    return {one.name: getattr(method, one.name) for one in dataclasses.fields(method)}


def tunable(method: Method) -> bool:
    """Return whether a method has settings that could be tuned; a switch is chosen, not tuned.

    Args:
        method: the method.

    Returns:
        Whether it has any.

    >>> tunable(resolve_method("zero_shot")), tunable(resolve_method("fine_tune"))
    (False, True)
    """
    fields: tuple[dataclasses.Field[Any], ...] = ()
    if dataclasses.is_dataclass(method):
        fields = dataclasses.fields(method)
    return any(one.type not in (bool, "bool") for one in fields) or hasattr(method, "search")


def _method_class(name: str) -> type[Method]:
    """Return the class behind a method's name."""
    if name in METHODS:
        return METHODS[name]
    if ":" not in name:
        raise HeadstartError(
            f"unknown method '{name}'{nearest(name, METHODS)} (your own as 'package.module:Class')"
        )
    cls: Any = load_class(name, object, "method")
    for part in ("name", "trains", "needs_source", "start"):
        if not hasattr(cls, part):
            raise HeadstartError(f"'{name}' is no transfer method: it has no '{part}'")
    own: type[Method] = cls
    return own
