"""The code that a source policy is made by: hashes of what is one's own, versions of libraries."""

from __future__ import annotations

import ast
import hashlib
import os
import re
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import packages_distributions, version
from importlib.util import resolve_name
from pathlib import Path
from types import ModuleType
from typing import Any

from ...agents.algorithms import Algorithm
from ...envs.making import WorldSpec

_HOUSE = Path(__file__).resolve().parents[2]
_LEARNING = ("envs", "agents", "transfer", "experiments/running")
"""The parts of headstart that a source policy is made by."""
_READY_MADE = _HOUSE / "agents" / "pretrained"
_RESULTS = ("experiment.yaml", "sweep.yaml", "study.json")
"""What tells a folder of results, which no world is made of."""
_MOST_FILES, _MOST_BYTES = 2_000, 100_000_000
_CLASS = re.compile(r"([A-Za-z_][\w.]*):[A-Za-z_]\w*")


def code_behind(spec: WorldSpec, algorithm: Algorithm) -> dict[str, str] | None:
    """Return what tells the code behind a world and a learner, by where it comes from.

    Looked at are the modules that the world's layers, its entry point, the learner and classes
    named in its settings are defined in, and those that they import: through all of one's own
    code, and one import further into libraries. One's own code may read anything that lies in its
    package, or beside it: all of that is hashed. None where that is too much.
    """
    world = spec.make()
    classes = {kind for layer in _layers(world) for kind in type(layer).__mro__}
    registered = world.spec
    world.close()
    found = {"headstart": _hash_files([_HOUSE / part for part in _LEARNING], _HOUSE)}
    roots = {kind.__module__ for kind in classes | set(algorithm.cls.__mro__)}
    roots |= {spec.world.rpartition(":")[0], *_named(algorithm.settings)}
    if registered is not None:
        point = registered.entry_point
        roots.add(point.partition(":")[0] if isinstance(point, str) else point.__module__)
        said = [registered.kwargs, registered.max_episode_steps, registered.additional_wrappers]
        # Without the addresses of functions, which are others in each process.
        found["registered"] = re.sub(r" at 0x\w+", "", repr(said))
    distributions = packages_distributions()
    for module in _modules(roots):
        top = module.__name__.partition(".")[0]
        if _is_own(module):
            place = _place(module)
            digest = found.get(str(place)) or _hash_files([place], place)
            if digest is None:
                return None
            found[str(place)] = digest
        else:
            for name in distributions.get(top, ()):
                found[name] = version(name)
    return {name: digest for name, digest in found.items() if digest is not None}


def _layers(world: Any) -> Iterator[Any]:
    while True:
        yield world
        inner = getattr(world, "env", None)
        if inner is None or inner is world:
            return
        world = inner


def _named(settings: Any) -> Iterator[str]:
    """Yield the modules of the classes that settings name as `package.module:Class`."""
    if isinstance(settings, Mapping):
        for value in settings.values():
            yield from _named(value)
    elif isinstance(settings, str) and (match := _CLASS.fullmatch(settings)):
        yield match[1]


def _modules(roots: Iterable[str]) -> list[ModuleType]:
    """Return the modules of these names, and those that they import, in the order of names."""
    first, found, waiting = set(roots), dict[str, ModuleType](), list(roots)
    while waiting:
        name = waiting.pop()
        module = sys.modules.get(name)
        if name in found or module is None or name.partition(".")[0] == "headstart":
            continue
        found[name] = module
        if name in first or _is_own(module):
            waiting += _imported(module)
    return [found[name] for name in sorted(found)]


def _imported(module: ModuleType) -> Iterator[str]:
    """Yield the names of what a module's file imports, wherever in it."""
    try:
        tree = ast.parse(Path(getattr(module, "__file__", None) or "").read_bytes())
    except (OSError, SyntaxError, ValueError):
        return  # a built-in or compiled one
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            base = resolve_name(base, module.__package__) if node.level else base
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _is_own(module: ModuleType) -> bool:
    """Whether a module is no part of Python, of headstart or of what was installed."""
    if module.__name__.partition(".")[0] == "headstart" or not getattr(module, "__file__", None):
        return False
    place = Path(str(module.__file__)).resolve()
    libraries = {
        sysconfig.get_path(kind) for kind in ("stdlib", "platstdlib", "purelib", "platlib")
    }
    return not any(place.is_relative_to(Path(library).resolve()) for library in libraries)


def _place(module: ModuleType) -> Path:
    """Return the folder of a module's whole package, or the one that the module lies in."""
    file = Path(str(module.__file__)).resolve()
    depth = module.__name__.count(".") + (file.stem == "__init__")
    return file.parents[max(depth - 1, 0)]


def _hash_files(folders: list[Path], root: Path) -> str | None:
    """Return the hash of all files in folders, by name and content; None if there are too many."""
    digest, files, size = hashlib.sha256(), 0, 0
    for path in (path for place in folders for path in _files(place)):
        files, size = files + 1, size + path.stat().st_size
        if files > _MOST_FILES or size > _MOST_BYTES:
            return None
        name = path.relative_to(root).as_posix()
        digest.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def _files(place: Path) -> Iterator[Path]:
    """Yield the files below a folder in a fixed order, but what is hidden, made or a result."""
    for folder, inner, names in os.walk(place):
        here = Path(folder)
        inner[:] = sorted(
            name
            for name in inner
            if not name.startswith((".", "__pycache__"))
            and here / name != _READY_MADE
            and not any((here / name / result).exists() for result in _RESULTS)
        )
        yield from (here / name for name in sorted(names) if not name.startswith("."))
