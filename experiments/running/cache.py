"""Source policies kept across experiments: one that is identical in content is trained once.

What a source policy depends on is hashed: the world (with the code behind it), randomization,
algorithm, budget, seed, how it is evaluated and checkpointed, the versions of all that computes
and the processor. A policy found under that hash is copied, once every file of it is known to be
as it was stored; anything else is trained anew.

The cache lies in `~/.cache/headstart`, or where the environment variable HEADSTART_CACHE says;
`off` turns it off. Nothing in it is ever needed: it may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import sysconfig
from collections.abc import Iterator
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import Any

from ...agents.storage import (
    BundleError,
    is_whole,
    read_directory,
    write_bytes,
    write_directory,
)
from ...envs.making import WorldSpec
from ..config import Experiment
from . import facts, plan

VARIABLE = "HEADSTART_CACHE"
OFF = "off"
BUNDLE = "bundle"
_HOUSE = Path(__file__).resolve().parents[2]
_LEARNING = ("envs", "agents", "transfer", "experiments/running")
"""The parts of headstart that a source policy is made by."""
_READY_MADE = _HOUSE / "agents" / "pretrained"
_MOST_FILES, _MOST_BYTES = 2_000, 100_000_000


def folder() -> Path | None:
    """Return where the cache lies; None if it is turned off."""
    said = os.environ.get(VARIABLE)
    if said == OFF:
        return None
    if said:
        return Path(said)
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "headstart"


def key(experiment: Experiment, seed: int) -> str | None:
    """Return the hash of all that the source policy of `seed` depends on.

    None where that cannot be known: a world whose code lies among too many files to read.
    """
    source, algorithm = experiment.source, plan.algorithm(experiment)
    code = _code(source.spec())
    if code is None:
        return None
    content = {
        "world": [source.world, source.kwargs, source.wrappers],
        "randomization": source.randomization,
        "algorithm": [algorithm.name, dict(algorithm.settings)],
        "steps": source.steps,
        "seed": seed,
        "every": experiment.source_every,
        "episodes": experiment.evaluation.episode_seeds(),
        "checkpoint": experiment.checkpoint,
        "device": experiment.device,
        "versions": facts.versions(),
        "hardware": [facts.hardware()[part] for part in ("system", "processor")],
        "code": code,
    }
    return _hash(json.dumps(content, sort_keys=True).encode())


def holds(name: str | None) -> bool:
    """Whether the source policy of a `key` need not be trained, unless its copy is damaged."""
    root = folder()
    return root is not None and name is not None and is_whole(_place(root, name))


def fetch(name: str, unit: Path) -> dict[str, Any] | None:
    """Copy the policy of this hash into the folder of a unit; return its status, or None.

    None if there is none, or it is not as it was stored.
    """
    root = folder()
    if root is None:
        return None
    try:
        files = read_directory(_place(root, name), _listed(_place(root, name)), ())
        status: dict[str, Any] = json.loads(files["status.json"])
    except (BundleError, OSError, ValueError, KeyError):
        return None
    shutil.rmtree(unit, ignore_errors=True)
    unit.mkdir(parents=True)
    bundle = {n.removeprefix(f"{BUNDLE}+"): d for n, d in files.items() if n.startswith(BUNDLE)}
    write_directory(unit / BUNDLE, lambda path: _fill(path, bundle))
    for file, data in files.items():
        if not file.startswith(BUNDLE) and file != "status.json":
            write_bytes(unit / file, data)
    return status


def keep(name: str, unit: Path, status: dict[str, Any]) -> None:
    """Put a finished source policy, its curve and its log into the cache, if there is room."""
    root = folder()
    if root is None:
        return
    files = {p.name: p.read_bytes() for p in unit.iterdir() if p.is_file()}
    files |= {
        f"{BUNDLE}+{p.name}": p.read_bytes()
        for p in (unit / BUNDLE).iterdir()
        if p.name != "manifest.json"
    }
    files["status.json"] = json.dumps(status).encode()
    # That it cannot be kept (a full disk, no permission) costs time later, and nothing else.
    try:
        write_directory(_place(root, name), lambda path: _fill(path, files))
    except OSError:
        shutil.rmtree(_place(root, name), ignore_errors=True)


def _place(root: Path, name: str) -> Path:
    return root / "sources" / name[:2] / name


def _listed(place: Path) -> list[str]:
    manifest = json.loads((place / "manifest.json").read_text(encoding="utf-8"))
    return list(manifest["files"])


def _fill(path: Path, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        write_bytes(path / name, data)


def _code(spec: WorldSpec) -> dict[str, str] | None:
    """Return the hashes and versions of the code behind a world, by where it comes from."""
    world = spec.make()
    classes = {kind for layer in _layers(world) for kind in type(layer).__mro__}
    world.close()
    found = {"headstart": _hash_files([_HOUSE / part for part in _LEARNING], _HOUSE)}
    distributions = packages_distributions()
    libraries = [Path(p).resolve() for p in (sysconfig.get_path("stdlib"), _site())]
    for module in sorted({kind.__module__ for kind in classes}):
        top, file = module.partition(".")[0], getattr(sys.modules.get(module), "__file__", None)
        if file is None or top == "headstart":
            continue
        place = Path(file).resolve()
        if not any(place.is_relative_to(library) for library in libraries):
            # A world of the user's own may read anything that lies beside it.
            digest = _hash_files([place.parent], place.parent)
            if digest is None:
                return None
            found[str(place)] = digest
        elif top in distributions:
            found[top] = version(distributions[top][0])
    return {name: digest for name, digest in found.items() if digest is not None}


def _layers(world: Any) -> Iterator[Any]:
    while True:
        yield world
        inner = getattr(world, "env", None)
        if inner is None or inner is world:
            return
        world = inner


def _site() -> str:
    return sysconfig.get_path("purelib")


def _hash_files(folders: list[Path], root: Path) -> str | None:
    """Return the hash of all files in folders, by name and content; None if there are too many."""
    digest, files, size = hashlib.sha256(), 0, 0
    for path in (path for place in folders for path in _files(place)):
        files, size = files + 1, size + path.stat().st_size
        if files > _MOST_FILES or size > _MOST_BYTES:
            return None
        name = path.relative_to(root).as_posix()
        digest.update(f"{name}\0{_hash(path.read_bytes())}\n".encode())
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
            and not (here / name / "experiment.yaml").exists()
        )
        yield from (here / name for name in sorted(names) if not name.startswith("."))


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
