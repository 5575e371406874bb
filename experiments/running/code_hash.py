"""The code that a source policy is made by: hashes of what is one's own, versions of libraries."""

from __future__ import annotations

import ast
import hashlib
import os
import re
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.metadata import packages_distributions, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from ...agents.algorithms import Algorithm
from ...envs.spec import WorldSpec

_HOUSE = Path(__file__).resolve().parents[2]
_LEARNING = ("core", "envs", "agents", "transfer", "experiments/running")
"""The parts of headstart that a source policy is made by."""
_READY_MADE = _HOUSE / "agents" / "pretrained"
_RESULTS = (
    ("experiment.yaml", "facts.json"),
    ("sweep.yaml", "points"),
    ("study.json", "trial-0000"),
)
"""What folders of results hold, of a run, a sweep and a search; no world is made of them."""
_MOST_FILES, _MOST_BYTES = 2_000, 100_000_000
_CLASS = re.compile(r"([A-Za-z_][\w.]*):[A-Za-z_]\w*")


def code_behind(spec: WorldSpec, algorithm: Algorithm) -> dict[str, str] | None:
    """Return what tells the code behind a world and a learner, by where it comes from.

    It begins with the modules that the world's layers, its entry point, the learner and classes
    named in its settings are defined in. Of one's own code, all that lies in a module's package,
    or beside it, is hashed, as it may be read, and so is what any of it imports; of libraries, and
    what the first of them import, versions are told. Nothing of it depends on what else is loaded.
    None where it is too much to hash.
    """
    world = spec.make()
    classes = {kind for layer in _layers(world) for kind in type(layer).__mro__}
    registered = world.spec
    world.close()
    roots = {kind.__module__ for kind in classes | set(algorithm.cls.__mro__)}
    roots |= {spec.world.rpartition(":")[0], *_named(algorithm.settings)}
    found = {"headstart": _hash_files([_HOUSE / part for part in _LEARNING], _HOUSE)}
    if registered is not None:
        point = registered.entry_point
        roots.add(point.partition(":")[0] if isinstance(point, str) else point.__module__)
        said = [registered.kwargs, registered.max_episode_steps, registered.additional_wrappers]
        found["registered"] = canonical(said)
    waiting, seen = {_top(root) for root in roots}, {"", "headstart"}
    for root in roots:
        if _top(root) != "headstart" and _own_folder(_top(root)) is None:
            waiting |= _imports(Path(getattr(sys.modules.get(root), "__file__", None) or ""))
    while waiting - seen:
        name = (waiting - seen).pop()
        seen.add(name)
        place = _own_folder(name)
        if place is None:
            found |= {dist: version(dist) for dist in _distributions().get(name, ())}
        elif str(place) not in found:
            digest = _hash_files([place], place)
            if digest is None:
                return None
            found[str(place)] = digest
            waiting |= {
                top for path in _files(place) if path.suffix == ".py" for top in _imports(path)
            }
    return {name: digest for name, digest in found.items() if digest is not None}


def canonical(value: Any) -> str:
    """Return a text that values of one kind and content have in common, in every process."""
    if isinstance(value, Mapping):
        pairs = sorted(f"{canonical(key)}: {canonical(inner)}" for key, inner in value.items())
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(canonical, value))}]"
    if isinstance(value, (set, frozenset)):
        return f"set({', '.join(sorted(map(canonical, value)))})"
    if isinstance(value, np.ndarray):
        digest = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
        return f"array({value.dtype}, {value.shape}, {digest})"
    # Without addresses, which are others in each process.
    return re.sub(r" at 0x\w+", "", repr(value))


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


def _top(module: str) -> str:
    return module.partition(".")[0]


@cache
def _distributions() -> Mapping[str, list[str]]:
    return packages_distributions()


def _own_folder(top: str) -> Path | None:
    """Return the folder of a package, or the one that a module lies in; None of what is installed.

    `top` is a name without dots, which can be looked for without importing anything.
    """
    try:
        spec = find_spec(top)
    except (ImportError, ValueError):
        spec = None
    if spec is None or top in sys.builtin_module_names:
        return None
    inside = list(spec.submodule_search_locations or ())
    origin = inside[0] if inside else spec.origin
    if origin is None or origin in ("built-in", "frozen"):
        return None
    place = Path(origin).resolve()
    standard = {sysconfig.get_path(kind) for kind in ("stdlib", "platstdlib")}
    if {"site-packages", "dist-packages"} & set(place.parts) or any(
        place.is_relative_to(Path(library).resolve()) for library in standard
    ):
        return None
    return place if inside else place.parent


def _imports(path: Path) -> set[str]:
    """Return the names, without dots, of what a file imports from elsewhere, wherever in it."""
    try:
        about = path.stat()
        return _parsed(path, about.st_mtime_ns, about.st_size)
    except OSError:
        return set()  # of what is built in


@cache
def _parsed(path: Path, stamp: int, size: int) -> set[str]:
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return set()  # compiled, or no Python
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {_top(alias.name) for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(_top(node.module))
    return names


def _hash_files(folders: Iterable[Path], root: Path) -> str | None:
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
            and not any(all((here / name / part).exists() for part in parts) for parts in _RESULTS)
        )
        yield from (here / name for name in sorted(names) if not name.startswith("."))
