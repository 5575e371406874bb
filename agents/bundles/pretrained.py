"""The policies of headstart: `pretrained/nominal` and `pretrained/randomized`.

`agents/pretrained/<World>/<kind>/` is a bundle with a `card.json` beside its files, which says how
it was made and what it gets. Nothing here needs torch: an experiment is read without it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...core.errors import HeadstartError, nearest, one_line, shown
from ...envs.catalog import WORLD_PREFIX, WORLDS
from .storage import (
    LARGEST_MANIFEST,
    MANIFEST,
    BundleError,
    is_whole,
    parse_json,
    read_directory,
    read_file,
    read_manifest,
    write_directory,
)

DATA = Path(__file__).parents[1] / "pretrained"
PREFIX = "pretrained/"
KINDS = ("nominal", "randomized")
"""Trained in the world as it is, and under the randomization recommended for it."""
CARD = "card.json"


@dataclass(frozen=True)
class Facts:
    """What there is to know of a bundle without its weights; `sha256` is its manifest's.

    The manifest lists the sha256 of every file, so it stands for all of the bundle.
    """

    world_id: str
    algorithm: dict[str, dict[str, Any]]
    randomization: dict[str, str]
    steps: int
    sha256: str


def find_pretrained(name: str, world_id: str) -> Path:
    """Return the pretrained bundle `name`, `pretrained/<kind>`, for a world.

    Raises:
        HeadstartError: an unknown kind, or a world that has none.
    """
    kind = name.removeprefix(PREFIX)
    if kind not in KINDS:
        raise HeadstartError(
            f"no pretrained policy '{name}'{nearest(name, [PREFIX + kind for kind in KINDS])}"
        )
    path = pretrained_folder(DATA, world_id, kind)
    if not is_whole(path):
        worlds = [world for world, other, _ in listed(DATA) if other == kind]
        raise HeadstartError(f"no '{name}' for world '{world_id}'{nearest(world_id, worlds)}")
    return path


def locate(bundle: str | Path, world_id: str | None = None) -> Path:
    """Return where a bundle lies, however it was named; it is not verified.

    `bundle` is `pretrained/<kind>` (for the world `world_id`), a bundle's own directory, or the
    folder of a source or trial that holds one. A directory of that name is meant by a longer path.

    Raises:
        HeadstartError: a pretrained policy that there is none of, no world to look it up for, or an
            archive of Stable-Baselines3.
    """
    if is_name(bundle):
        if world_id is None:
            raise HeadstartError(f"'{bundle}' is there for many worlds; say which with --world")
        return find_pretrained(str(bundle), world_id)
    if Path(bundle).suffix == ".zip":
        raise HeadstartError(
            f"'{bundle}' is an archive of Stable-Baselines3: make a bundle of it with 'headstart "
            f"import {bundle} --out DIR'"
        )
    inner = Path(bundle) / "bundle"
    return inner if is_whole(inner) else Path(bundle)


def is_name(bundle: str | Path) -> bool:
    """Return whether a bundle is named as a pretrained one, not by a path."""
    return str(bundle).startswith(PREFIX)


def pretrained_folder(root: Path, world_id: str, kind: str) -> Path:
    """Return where the bundle of a world and kind lies under `root`."""
    return root / world_id.removeprefix(WORLD_PREFIX) / kind


def listed(root: Path = DATA) -> Iterator[tuple[str, str, Path]]:
    """Yield the world, the kind and the place of every bundle under `root`, in catalog order."""
    for world_id in WORLDS:
        for kind in KINDS:
            path = pretrained_folder(root, world_id, kind)
            if is_whole(path):
                yield world_id, kind, path


def cards(root: Path = DATA) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the cards by world and kind, in catalog order."""
    return {
        (world_id, kind): json.loads((path / CARD).read_text(encoding="utf-8"))
        for world_id, kind, path in listed(root)
        if (path / CARD).is_file()
    }


def facts(path: Path) -> Facts:
    """Read what a bundle says of itself, verified against its manifest.

    Raises:
        BundleError: there is no bundle, or what it says is damaged.
    """
    contents = read_directory(path, ("bundle.json",), ())
    about = parse_json(path / "bundle.json", contents["bundle.json"])
    try:
        return Facts(
            world_id=str(about["world_id"]),
            algorithm={str(name): dict(value) for name, value in about["algorithm"].items()},
            randomization={str(k): str(v) for k, v in about["randomization"].items()},
            steps=int(about["counters"]["num_timesteps"]),
            sha256=checksum(path),
        )
    except Exception as error:  # whatever is made of values of the wrong kind
        said = shown(one_line(error), 150)
        raise BundleError(f"{path / 'bundle.json'} is damaged: {said}") from error


def checksum(path: Path) -> str:
    """Return the sha256 of a bundle's manifest, as 64 hexadecimal digits.

    Raises:
        BundleError: there is no bundle.
    """
    try:
        manifest = read_file(path / MANIFEST, LARGEST_MANIFEST)
    except BundleError as error:
        raise BundleError(f"no bundle at {path}: {error}") from None
    return hashlib.sha256(manifest).hexdigest()


def copy(path: Path, directory: Path, sha256: str) -> None:
    """Copy a bundle to `directory`: the files of its manifest, each verified, and nothing else.

    Raises:
        BundleError: it is not the bundle with that checksum, or a file is missing or altered.
    """
    found = checksum(path)
    if found != sha256:
        raise BundleError(f"bundle {path} has changed: its sha256 is {found}, expected {sha256}")
    names = read_manifest(path)
    if any(Path(name).name != name or not name.isprintable() for name in names):
        raise BundleError(f"{path / MANIFEST} is damaged: it lists files of other directories")
    contents = read_directory(path, names, ())

    def fill(fresh: Path) -> None:
        for name, data in contents.items():
            (fresh / name).write_bytes(data)

    write_directory(directory, fill)
