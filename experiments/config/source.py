"""What an experiment's file may say in short of its source, spelled out.

A pretrained bundle stands for its randomization, algorithm and steps, `recommended` for the ranges
of a world, and a bundle's name alone for a source in the world of the targets.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...agents.algorithms import SENSES
from ...agents.bundles import pretrained, trust
from ...core.errors import HeadstartError
from ...transfer.randomization.recommended import RECOMMENDED, recommended, recommended_ranges

OF_THE_BUNDLE = ("steps", "algorithm", "randomization")


def spelled_out(source: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a source's keys with what a bundle, or `recommended`, stands for.

    Raises:
        ValueError: a bundle that is not there, of another world or not the one pinned, keys that
            go against it, or a world without recommended randomization.
    """
    try:
        if source.get("bundle") is not None:
            return _with_bundle(source)
        if source.get("bundle_sha256") is not None:
            raise ValueError("'bundle_sha256' needs a 'bundle'")
        if source.get("randomization") == RECOMMENDED and "world" in source:
            return {**source, "randomization": recommended(str(source["world"]))}
    except HeadstartError as error:
        raise ValueError(str(error)) from None
    return source


def adapt(source: dict[str, Any], swept: Mapping[str, Any]) -> None:
    """Change what was spelled out of a source, where swept keys make it that of another.

    A bundle brings its own; the recommended randomization is that of the world.
    """
    if swept.get("source.bundle") is not None:
        for key in (*OF_THE_BUNDLE, "bundle_sha256"):
            source.pop(key, None)
    elif "source.world" in swept and source["randomization"] == recommended_ranges(source["world"]):
        # A world without any is refused for it.
        source["randomization"] = recommended_ranges(swept["source.world"]) or RECOMMENDED


def of_the_targets(name: str, targets: Any) -> dict[str, Any]:
    """Return the source that a bundle's name alone stands for: in the one world of the targets.

    Raises:
        ValueError: the targets name no world, or several.
    """
    parts = list(targets.values()) if isinstance(targets, Mapping) else []
    worlds = {
        p.get("world") if isinstance(p, Mapping) else getattr(p, "world", None) for p in parts
    }
    if len(worlds) != 1 or not isinstance(world := worlds.pop(), str):
        raise ValueError(
            f"source: '{name}' needs a world: let every target name the same 'world', or write "
            f"{{world: ..., bundle: {name}}}"
        )
    return {"world": world, "bundle": name}


def _with_bundle(source: Mapping[str, Any]) -> Mapping[str, Any]:
    name, world, pinned = str(source["bundle"]), source.get("world"), source.get("bundle_sha256")
    for key in SENSES:
        if source.get(key) is not None:
            raise ValueError(f"'{key}' is that of the bundle '{name}': leave it out")
    given = [key for key in OF_THE_BUNDLE if key in source]
    if pinned is not None and len(given) == len(OF_THE_BUNDLE):
        _check_trust(source, source["algorithm"])
        return source  # spelled out already, as a run's own file is
    if given:
        raise ValueError(f"'{given[0]}' is that of the bundle '{name}': leave it out")
    if world is None and pretrained.is_name(name):
        return source  # refused for the world it lacks
    facts = pretrained.facts(pretrained.locate(name, world))
    if world not in (None, facts.world_id):
        raise ValueError(f"the bundle '{name}' comes from '{facts.world_id}', not from '{world}'")
    if pinned not in (None, facts.sha256):
        raise ValueError(
            f"the bundle '{name}' is not the one that bundle_sha256 says: its manifest's sha256 "
            f"is {facts.sha256}"
        )
    _check_trust(source, facts.algorithm)
    if world is None:
        trust.check_imported_world(facts.world_id, _trusted(source), f"bundle '{name}'")
    return {
        **source,
        "world": facts.world_id,
        "bundle_sha256": facts.sha256,
        "randomization": facts.randomization,
        "algorithm": facts.algorithm,
        "steps": facts.steps,
    }


def _check_trust(source: Mapping[str, Any], algorithm: Any) -> None:
    """Raise BundleError where a bundle's algorithm names modules that `trust` does not list."""
    if isinstance(algorithm, Mapping):
        for name, settings in algorithm.items():
            its = settings if isinstance(settings, Mapping) else {}
            trust.check_classes(str(name), its, _trusted(source), f"bundle '{source['bundle']}'")


def _trusted(source: Mapping[str, Any]) -> list[str]:
    """Return the modules that a source's `trust` lists; what is no list is refused elsewhere."""
    listed = source.get("trust")
    return [str(name) for name in listed] if isinstance(listed, (list, tuple)) else []
