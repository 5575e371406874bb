"""A process of its own that makes worlds, and lists the files of all modules then loaded.

Started by `probing` as `python -m headstart.experiments.running.code_probe`: it reads what it is
sent of its owner's `__main__` and one JSON object from its standard input, a line for each, and
answers with one object on what was its standard output.
"""

from __future__ import annotations

import base64
import hashlib
import importlib
import json
import os
import re
import sys
import sysconfig
import warnings
from collections.abc import Mapping
from dataclasses import asdict, replace
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import Any

import numpy as np

from ...core.errors import HeadstartError, one_line
from ...core.heartbeat import set_place, write_calls_to
from ...core.named import split_named
from ...envs.contract.probe import LONG_STEPS, Finding, probe_effect, probe_world
from ...envs.main_module import take_main
from ...envs.parameters import parameterized
from ...envs.shifts import shift_changes
from ...envs.spec import WorldSpec

STEPS = 3
"""Steps in each world, as what is imported late is imported in a reset or a step."""
_HERE = Path(__file__).resolve()
_STANDARD = tuple(Path(sysconfig.get_path(kind)).resolve() for kind in ("stdlib", "platstdlib"))


def main() -> None:
    """Answer one order: `worlds` as arguments of WorldSpec, `modules` to import, what to examine.

    `examined` maps the names of worlds to their arguments, the source's as `source` among them.
    """
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever libraries print
    if sent := sys.stdin.readline().strip():
        try:
            take_main(base64.b64decode(sent))
        except HeadstartError as error:
            json.dump({"files": {}, "refused": str(error)}, answers)
            answers.close()
            return
    order = json.load(sys.stdin)
    write_calls_to(sys.argv[1])
    registered = []
    for module in order["modules"]:
        importlib.import_module(module)
    for number, given in enumerate(order["worlds"]):
        set_place(str(number))
        registered.append(_visit(given))
    files, versions = list_loaded()
    answer = {"files": files, "versions": versions, "registered": registered}
    json.dump({**answer, "findings": _examine(order)}, answers)
    answers.close()


def _visit(given: Mapping[str, Any]) -> str:
    """Make a world and take some steps in it; return what it is registered with."""
    world = WorldSpec(**given).make()
    try:
        spec = world.spec
        world.action_space.seed(0)
        world.reset(seed=0)
        for _ in range(STEPS):
            _, _, terminated, truncated, _ = world.step(world.action_space.sample())
            if terminated or truncated:
                world.reset()
    finally:
        world.close()
    if spec is None:
        return ""
    return canonical([spec.kwargs, spec.max_episode_steps, spec.additional_wrappers])


def _examine(order: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return what the probe of the contract finds, by the worlds' names."""
    examined = order.get("examined", {})
    if not examined:
        return {}
    specs = {name: WorldSpec(**given) for name, given in examined.items()}
    found, known = {}, {}
    for name, spec in specs.items():
        key = repr(spec)
        if key not in known:
            set_place(name)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                known[key] = _examine_one(spec, specs["source"])
        found[name] = [asdict(finding) for finding in known[key]]
    if not found["source"] and order.get("randomized"):
        set_place("source")
        try:
            hidden = _hidden(specs["source"], order["randomized"])
        except Exception as error:  # whatever a foreign world raises
            hidden = [_ended_early(error)]
        found["source"] = [asdict(finding) for finding in hidden]
    return {name: findings for name, findings in found.items() if findings}


def _examine_one(spec: WorldSpec, source: WorldSpec) -> list[Finding]:
    """Return what is found in one world; if it raises, its units fail by themselves, no others."""
    found: list[Finding] = []
    try:
        found += probe_world(spec.make)
        if not found:
            for said, changed in _changes(spec, source).items():
                found += _effect(said, replace(spec, shift={}), changed)
            if (said_apart := _apart(spec, source)) is not None:
                found += _effect(said_apart, source, spec)
    except Exception as error:  # whatever a foreign world raises
        found.append(_ended_early(error))
    return found


def _ended_early(error: Exception) -> Finding:
    return Finding("raises", f"the probe before the run ended early: {one_line(error)}")


def _hidden(spec: WorldSpec, randomization: Mapping[str, str]) -> list[Finding]:
    """Return which randomized parameters have no effect, for the wrappers or at all."""
    from ...transfer.randomization.ranges import Ranges

    world = spec.make()
    try:
        space = parameterized(world, "a randomization").parameters
    finally:
        world.close()
    found: list[Finding] = []
    for name, change in randomization.items():
        drawn = Ranges({name: change}, space).draw(np.random.default_rng(0))
        shift = {key: f"= {float(value)}" for key, value in drawn.items()}
        found += _effect(f"the randomized '{name}'", spec, replace(spec, shift=shift), fatal=True)
    return found


def _effect(
    said: str, spec: WorldSpec, changed: WorldSpec, *, fatal: bool = False
) -> list[Finding]:
    """Return that a change of a world has no effect, and the wrapper that hides it; else nothing.

    Args:
        said: what the change is called.
        spec: the world.
        changed: the world with the change, and the same wrappers.
        fatal: whether nothing can be compared where a wrapper hides it.
    """
    found = probe_effect(spec.make, {said: changed.make})
    if not found or (wrapper := _hiding(spec, changed)) is None:
        return found
    text = (
        f"wrapper '{wrapper}' hides {said}: it changed no observation and no reward in "
        f"{LONG_STEPS} steps, and does without that wrapper"
    )
    return [Finding("effect", text, fatal=fatal)]


def _hiding(spec: WorldSpec, changed: WorldSpec) -> str | None:
    """Return the innermost wrapper through which a change is not seen that is seen without it."""
    seen = False
    for number in range(len(spec.wrappers) + 1):
        worn = spec.wrappers[:number]
        one, other = replace(spec, wrappers=worn), replace(changed, wrappers=worn)
        try:
            effect = not probe_effect(one.make, {"": other.make})
        except HeadstartError:
            continue  # the parameter is that of a wrapper further out
        if seen and not effect:
            return split_named(spec.wrappers[number - 1], "wrapper")[0]
        seen = seen or effect
    return None


def _changes(spec: WorldSpec, source: WorldSpec) -> dict[str, WorldSpec]:
    """Return the world with one of its shift's changes alone, by the change."""
    if not spec.shift or spec == source:
        return {}
    changes = shift_changes(spec.world, spec.shift)
    return {
        f"the shift of '{name}' ({change})": replace(spec, shift={name: str(change)})
        for name, change in changes.items()
    }


def _apart(spec: WorldSpec, source: WorldSpec) -> str | None:
    """Say what sets a target apart from the source that differs from it by its arguments alone."""
    if spec.shift or spec.world != source.world or list(spec.wrappers) != list(source.wrappers):
        return None
    if dict(spec.kwargs) == dict(source.kwargs):
        return None
    return f"what sets it apart from the source ({dict(spec.kwargs)})"


def list_loaded() -> tuple[dict[str, str], dict[str, str]]:
    """Return the files of loaded modules with their sha256, and the versions of libraries.

    The standard library is left out, and headstart itself, which is hashed as a whole. Of an
    installed package the version stands for its files.
    """
    files: dict[str, str] = {}
    libraries: set[str] = set()
    for name, module in list(sys.modules.items()):
        top = name.partition(".")[0]
        path = _file_of(module)
        if path is None or top == "headstart" or path == _HERE:
            continue
        if {"site-packages", "dist-packages"} & set(path.parts):
            libraries.add(top)
        elif not any(path.is_relative_to(place) for place in _STANDARD):
            files[str(path)] = hashlib.sha256(path.read_bytes()).hexdigest()
    known = packages_distributions()
    found = {dist for top in libraries for dist in known.get(top, ())} - {"headstart"}
    return files, {dist: version(dist) for dist in sorted(found)}


def _file_of(module: Any) -> Path | None:
    name = getattr(module, "__file__", None)
    if not isinstance(name, str):
        return None
    path = Path(name).resolve()
    return path if path.is_file() else None


def canonical(value: Any) -> str:
    """Return a text that values of one kind and content have in common, in every process."""
    if isinstance(value, Mapping):
        pairs = sorted(f"{canonical(key)}: {canonical(inner)}" for key, inner in value.items())
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(canonical, value))}]"
    if isinstance(value, (set, frozenset)):
        return f"set({', '.join(sorted(map(canonical, value)))})"
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.ndarray):
        digest = hashlib.sha256(numpy.ascontiguousarray(value).tobytes()).hexdigest()
        return f"array({value.dtype}, {value.shape}, {digest})"
    # Without addresses, which are others in each process.
    return re.sub(r" at 0x\w+", "", repr(value))


if __name__ == "__main__":
    main()
