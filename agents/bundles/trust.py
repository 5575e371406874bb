"""What a bundle may name: nothing in it is imported that its reader has not said to trust.

A bundle names classes (its algorithm, policy, features extractor, optimizer) and a world, some as
`package.module:Class`. Importing a module runs it, so a file from elsewhere must not choose which.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Mapping
from importlib import import_module
from typing import Any

from ...core.errors import shown
from .storage import BundleError

LIBRARIES = (
    "stable_baselines3",
    "sb3_contrib",
    "torch.optim",
    "torch.nn",
    "headstart.agents",
    "headstart.transfer",
)
"""Packages whose modules a bundle may name without being trusted."""


def check_classes(
    name: str, settings: Mapping[str, Any], trust: Collection[str], where: str
) -> None:
    """Refuse an algorithm of a bundle that names a class of a module that is not trusted.

    Args:
        name: the algorithm's name, as `ppo` or `sb3_contrib:TQC`.
        settings: its settings, as the bundle states them.
        trust: names of modules or packages that may be imported, besides the libraries.
        where: what names it; messages start with it.

    Raises:
        BundleError: names the class, and how to trust it.
    """
    for what, path in named_classes(name, settings):
        if ":" in path:
            check_module(path.partition(":")[0], trust, f"{where}: {what} '{shown(path, 40)}'")


def check_imported_world(world_id: str, trust: Collection[str], where: str) -> None:
    """Refuse a bundle's world whose id imports a module (`my_package.envs:MyEnv-v0`) not trusted.

    Raises:
        BundleError: names the world, and how to trust it.
    """
    module, _, _ = world_id.rpartition(":")
    if module and module != "headstart":
        check_module(module, trust, f"{where}: world '{shown(world_id, 40)}'")


def named_classes(name: str, settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what an algorithm's settings name by text that is resolved to a class, and for what."""
    yield "algorithm", name
    inner = settings.get("policy_kwargs")
    for part in (settings, inner if isinstance(inner, Mapping) else {}):
        for key, value in part.items():
            if isinstance(value, str) and (key == "policy" or key.endswith("_class")):
                yield key, value


def check_module(module: str, trust: Collection[str], what: str) -> None:
    """Refuse a module that would be imported, unless it is a library's or trusted.

    Args:
        module: the module.
        trust: names of modules or packages that may be imported, besides the libraries.
        what: what names it; the message starts with it.

    Raises:
        BundleError: names the module, and how to trust it.
    """
    if any(_inside(module, package) for package in trust):
        return
    if any(_inside(module, package) for package in LIBRARIES) and _is_loaded(module):
        return
    if not all(part.isidentifier() for part in module.split(".")):
        raise BundleError(f"{what}: expected 'package.module:Class'")
    package = shown(module, 36)
    raise BundleError(
        f"{what} would import '{package}', which only you can trust: --trust {package} "
        "(trust= in Python, 'trust:' beside the bundle in YAML)"
    )


def _inside(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def _is_loaded(module: str) -> bool:
    """Return whether a module of a library is one that the library loads by itself."""
    if _inside(module, "sb3_contrib"):
        import_module("sb3_contrib")
    return module in sys.modules
