"""Source policies kept across experiments: one that is identical in content is trained once.

What a source policy depends on is hashed: world and algorithm (with the code behind them),
randomization, budget, seed, how it is evaluated and checkpointed, the versions of all that computes
and the processor. A policy found under that hash is copied, once every file of it is known to be
as it was stored; anything else is trained anew.

The cache lies in `~/.cache/headstart`, or where the environment variable HEADSTART_CACHE says;
`off` turns it off. Nothing in it is ever needed: it may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from ...agents.bundles.storage import (
    BundleError,
    is_whole,
    read_directory,
    write_directory,
)
from ...core.cache import OFF, VARIABLE, cache_folder
from ...core.files import write_synced
from ...envs.changes import files_of
from . import metadata
from .code_hash import source_code
from .code_probe import canonical
from .plan import Plan
from .probing import CodeError

BUNDLE = "bundle"


def key(plan: Plan, seed: int) -> str | None:
    """Return the hash of all that the source policy of `seed` depends on.

    None where that cannot be known: a world that cannot be made in a process of its own.
    """
    experiment, algorithm = plan.experiment, plan.algorithm
    source = experiment.source
    try:
        code = source_code(plan).as_json()
    except CodeError:
        return None
    content = {
        "world": [source.world, source.kwargs, source.wrappers, source.parameters],
        # Drawn one after the other: in another order the same draws are those of others.
        "randomization": list(source.randomization.items()),
        "randomizer": source.randomizer,
        "samples": [
            hashlib.sha256(Path(file).read_bytes()).hexdigest()
            for file in files_of(source.randomization)
        ],
        "algorithm": [algorithm.name, dict(algorithm.settings)],
        "steps": source.steps,
        "seed": seed,
        "every": experiment.source_every,
        "episodes": experiment.evaluation.episode_seeds(),
        "checkpoint": experiment.checkpoint,
        "device": experiment.device,
        "versions": metadata.versions(),
        "hardware": [metadata.hardware()["system"], metadata.computed_on(experiment.device)],
        "code": code,
    }
    return hashlib.sha256(canonical(content).encode()).hexdigest()


def why_off(plan: Plan) -> str | None:
    """Return why source policies of a plan are not kept across experiments; None if they are."""
    if plan.experiment.source.bundle is not None:
        return None
    if cache_folder() is None:
        return f"{VARIABLE} is {OFF}"
    try:
        source_code(plan)
    except CodeError as error:
        return str(error)
    return None


def holds(name: str | None) -> bool:
    """Whether the source policy of a `key` need not be trained, unless its copy is damaged."""
    root = cache_folder()
    return root is not None and name is not None and is_whole(_place(root, name))


def fetch(name: str, unit: Path) -> dict[str, Any] | None:
    """Copy the policy of this hash into the folder of a unit; return its status, or None.

    None if there is none, or it is not as it was stored.
    """
    root = cache_folder()
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
            write_synced(unit / file, data)
    return status


def keep(name: str, unit: Path, status: dict[str, Any]) -> None:
    """Put a finished source policy, its curve and its log into the cache, if there is room."""
    root = cache_folder()
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
        write_synced(path / name, data)
