"""Directories that are whole or not there: written beside, synced, renamed; verified on reading."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from ...core.errors import HeadstartError, shown
from ...core.files import replace_directory, where_whole, write_synced
from .limits import file_limit

FORMAT = 1
MANIFEST = "manifest.json"
LARGEST_MANIFEST = 2**20
"""Bytes that the list of a bundle's files may have."""
LARGEST_HEADER = 2**24
"""Bytes that the header of a safetensors file may have."""
Limit = Callable[[str, Mapping[str, bytes]], int]
"""How many bytes a file may have, by its name and the contents of those read before it."""


class BundleError(HeadstartError):
    """A bundle that cannot be used; says which file, and what is wrong with it."""


def write_directory(directory: Path, fill: Callable[[Path], None]) -> None:
    """Write a directory of files, replacing one that is there only once the new one is whole.

    `fill` writes the files into the path it is given. Raises OSError (disk full, no permission)
    with the earlier directory, if any, untouched.
    """

    def fill_and_list(fresh: Path) -> None:
        fill(fresh)
        files = {path.name: _listed(path.read_bytes()) for path in sorted(fresh.iterdir())}
        write_synced_json(fresh / MANIFEST, {"format": FORMAT, "files": files})

    replace_directory(directory, fill_and_list, _has_manifest)


def is_whole(directory: Path) -> bool:
    """Return whether a directory was ever completely written there."""
    return _has_manifest(where_whole(directory, _has_manifest))


def _has_manifest(directory: Path) -> bool:
    return (directory / MANIFEST).is_file()


def read_directory(
    directory: Path,
    required: Collection[str],
    optional: Collection[str],
    limit: Limit = lambda name, _: file_limit(name),
) -> dict[str, bytes]:
    """Return the contents of the files by name, each verified against the manifest.

    Files of other names are never looked at, and links are not followed.

    Args:
        directory: what `write_directory` wrote.
        required: names of files that have to be there.
        optional: names of files that are read where the manifest lists them.
        limit: what a file's size is checked against before it is read.

    Raises:
        BundleError: a file is missing, truncated, altered, too large or no regular file.
    """
    found = where_whole(directory, _has_manifest)
    if not found.is_dir():
        raise BundleError(f"no bundle at {directory}")
    listed = read_manifest(directory)
    for name in required:
        if name not in listed:
            raise BundleError(f"{found / MANIFEST} is damaged: it does not list {name}")
    contents: dict[str, bytes] = {}
    for name in (*required, *optional):
        if name in listed:
            most = limit(name, contents)
            contents[name] = _verified(found / name, listed[name], most)
    return contents


def read_manifest(directory: Path) -> dict[str, Any]:
    """Return the files that a directory's manifest lists, each with its size and sha256.

    Raises:
        BundleError: there is none, it is damaged, or of a later format.
    """
    path = where_whole(directory, _has_manifest) / MANIFEST
    manifest = parse_json(path, read_file(path, LARGEST_MANIFEST))
    if manifest.get("format") != FORMAT:
        raise BundleError(
            f"bundle {directory}: format {shown(repr(manifest.get('format')), 40)}, this version "
            f"reads {FORMAT}"
        )
    listed = manifest.get("files")
    if not isinstance(listed, dict):
        raise BundleError(f"{path} is damaged: it lists no files")
    return listed


def write_synced_json(path: Path, data: Mapping[str, Any]) -> None:
    """Write strict JSON."""
    write_synced(path, (json.dumps(data, indent=2, allow_nan=False) + "\n").encode())


def parse_json(path: Path, data: bytes) -> dict[str, Any]:
    """Return the JSON object in `data`, which was read from `path`.

    Raises:
        BundleError: it is none; it states a key twice or numbers that JSON has not, or is nested
            too deeply.
    """
    try:
        parsed = json.loads(data, object_pairs_hook=_without_repetition, parse_constant=_refuse)
    except _RepeatedKey as error:
        raise BundleError(f"{path} is damaged: the key '{shown(error)}' stands twice") from None
    except ValueError:
        raise BundleError(f"{path} is not JSON") from None
    except RecursionError:
        raise BundleError(f"{path} is damaged: it is nested too deeply") from None
    if not isinstance(parsed, dict):
        raise BundleError(f"{path} is damaged: expected a JSON object")
    return parsed


class _RepeatedKey(Exception):
    """A key that an object of JSON states twice; which value counts depends on the reader."""


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _RepeatedKey(key)
            seen.add(key)
    return found


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _listed(data: bytes) -> dict[str, Any]:
    """Return a file's entry in the manifest."""
    return {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def read_file(path: Path, most: int, expected: int | None = None) -> bytes:
    """Return the contents of a regular file, its size checked before anything is read.

    Args:
        path: the file; a link is not followed.
        most: bytes that it may have.
        expected: bytes that it has to have.

    Raises:
        BundleError: it cannot be read, or is of another kind or size.
    """
    # A link could lead anywhere, and a pipe or a device could be read for ever.
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        raise BundleError(f"{path} is missing") from None
    except (OSError, ValueError) as error:
        why = "it is a link" if path.is_symlink() else getattr(error, "strerror", None) or error
        raise BundleError(f"{path} cannot be read: {why}") from None
    about = os.fstat(descriptor)
    if not stat.S_ISREG(about.st_mode):
        os.close(descriptor)
        raise BundleError(f"{path} cannot be read: it is no regular file")
    with os.fdopen(descriptor, "rb") as file:
        if expected is not None and about.st_size != expected:
            raise BundleError(
                f"{path} has {about.st_size} bytes, the manifest says {expected}: truncated or "
                "altered"
            )
        if about.st_size > most:
            raise BundleError(
                f"{path} has {about.st_size:,} bytes, and at most {most:,} are read of it"
            )
        try:
            _check_extent(path, file, about.st_size)
            return file.read(about.st_size + 1)
        except OSError as error:
            raise BundleError(f"{path} cannot be read: {error.strerror}") from None


def _check_extent(path: Path, file: BinaryIO, size: int) -> None:
    """Refuse a file that does not say of itself that it is of this size, before all is read."""
    if path.suffix == ".safetensors":
        header = int.from_bytes(file.read(8), "little")
        if not 2 <= header <= min(size - 8, LARGEST_HEADER):
            raise BundleError(f"{path} is not a safetensors file")
        entries = parse_json(path, file.read(header)).values()
        ends = [entry.get("data_offsets") for entry in entries if isinstance(entry, dict)]
        pairs = [end for end in ends if isinstance(end, list) and len(end) == 2]
        if max((end for _, end in pairs if type(end) is int), default=0) != size - 8 - header:
            raise BundleError(f"{path} is not a safetensors file: it ends elsewhere than it says")
    elif path.suffix == ".npz":
        # The last of a zip archive without a comment is its directory's end, of 22 bytes.
        file.seek(max(0, size - 22))
        if file.read(4) != b"PK\5\6":
            raise BundleError(f"{path} is not a plain npz file")
    file.seek(0)


def _verified(path: Path, listed: Any, most: int) -> bytes:
    """Return a file's contents, once they are known to be those the manifest lists."""
    expected = listed if isinstance(listed, dict) else {}
    size = expected.get("size")
    data = read_file(path, most, size if type(size) is int else -1)
    if _listed(data) != expected:
        raise BundleError(f"{path} is altered: its sha256 is not the manifest's")
    return data
