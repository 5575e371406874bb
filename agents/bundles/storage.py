"""Directories that are whole or not there: written beside, synced, renamed; verified on reading."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from ...core.errors import HeadstartError

FORMAT = 1
MANIFEST = "manifest.json"


class BundleError(HeadstartError):
    """A bundle that cannot be used; says which file, and what is wrong with it."""


def write_directory(directory: Path, fill: Callable[[Path], None]) -> None:
    """Write a directory of files, replacing one that is there only once the new one is whole.

    `fill` writes the files into the path it is given. Raises OSError (disk full, no permission)
    with the earlier directory, if any, untouched.
    """
    fresh = directory.with_name(f".{directory.name}.saving")
    directory.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    try:
        fill(fresh)
        files = {path.name: _listed(path.read_bytes()) for path in sorted(fresh.iterdir())}
        write_json(fresh / MANIFEST, {"format": FORMAT, "files": files})
        _sync(fresh)
        _put_in_place(fresh, directory)
    except Exception:
        shutil.rmtree(fresh, ignore_errors=True)
        raise


def is_whole(directory: Path) -> bool:
    """Return whether a directory was ever completely written there."""
    return (_where(directory) / MANIFEST).is_file()


def read_directory(
    directory: Path, required: Collection[str], optional: Collection[str]
) -> dict[str, bytes]:
    """Return the contents of the files by name, each verified against the manifest.

    Raises BundleError when a file is missing, truncated or altered. Files of other names are
    never looked at.
    """
    found = _where(directory)
    if not found.is_dir():
        raise BundleError(f"no bundle at {directory}")
    manifest = parse_json(found / MANIFEST, _read(found / MANIFEST))
    if manifest.get("format") != FORMAT:
        raise BundleError(
            f"bundle {directory}: format {manifest.get('format')!r}, this version reads {FORMAT}"
        )
    listed = manifest.get("files")
    if not isinstance(listed, dict):
        raise BundleError(f"{found / MANIFEST} is damaged: it lists no files")
    for name in required:
        if name not in listed:
            raise BundleError(f"{found / MANIFEST} is damaged: it does not list {name}")
    names = [name for name in (*required, *optional) if name in listed]
    return {name: _verified(found / name, listed[name]) for name in names}


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file and sync it to the disk."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def write_json(path: Path, data: Mapping[str, Any]) -> None:
    """Write strict JSON."""
    write_bytes(path, (json.dumps(data, indent=2, allow_nan=False) + "\n").encode())


def parse_json(path: Path, data: bytes) -> dict[str, Any]:
    """Return the JSON object in `data`, which was read from `path`."""
    try:
        parsed = json.loads(data)
    except ValueError:
        raise BundleError(f"{path} is not JSON") from None
    if not isinstance(parsed, dict):
        raise BundleError(f"{path} is damaged: expected a JSON object")
    return parsed


def _where(directory: Path) -> Path:
    """Return where the files lie: `directory`, or its former name if a save was cut short."""
    former = _former(directory)
    cut_short = not (directory / MANIFEST).is_file() and (former / MANIFEST).is_file()
    return former if cut_short else directory


def _former(directory: Path) -> Path:
    return directory.with_name(f".{directory.name}.former")


def _put_in_place(fresh: Path, directory: Path) -> None:
    """Rename `fresh` to `directory`; one whole directory is there under some name at any time."""
    former = _former(directory)
    if (directory / MANIFEST).is_file():
        shutil.rmtree(former, ignore_errors=True)
        directory.rename(former)
    elif directory.exists():
        shutil.rmtree(directory)
    fresh.rename(directory)
    _sync(directory.parent)
    shutil.rmtree(former, ignore_errors=True)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _listed(data: bytes) -> dict[str, Any]:
    """Return a file's entry in the manifest."""
    return {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise BundleError(f"{path} is missing") from None
    except OSError as error:
        raise BundleError(f"{path} cannot be read: {error.strerror}") from None


def _verified(path: Path, listed: Any) -> bytes:
    """Return a file's contents, once they are known to be those the manifest lists."""
    data, expected = _read(path), listed if isinstance(listed, dict) else {}
    if len(data) != expected.get("size"):
        raise BundleError(
            f"{path} has {len(data)} bytes, the manifest says {expected.get('size')}: truncated "
            "or altered"
        )
    if _listed(data) != expected:
        raise BundleError(f"{path} is altered: its sha256 is not the manifest's")
    return data
