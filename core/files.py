"""Files that are complete or absent: atomic writes, append-only records, locks."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from .errors import HeadstartError


class StoreError(HeadstartError):
    """A directory or file that cannot be written, or whose content is not valid."""


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`, and rename it into place at the end of the context.

    The file is forced to disk first. Where the context raises, the file that was there stays.

    Args:
        path: the file to write; the temporary one ends like it, as encoders go by the ending.

    Raises:
        OSError: the disk is full, or the directory cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        _sync(temporary)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def replace_directory(
    directory: Path, fill: Callable[[Path], None], is_whole: Callable[[Path], bool]
) -> None:
    """Write a directory of files, replacing one that is there only once the new one is whole.

    One whole directory is there under some name at any time: see `where_whole`.

    Args:
        directory: the directory.
        fill: writes the files into the path that it is given, which is in the same folder.
        is_whole: whether a directory was ever completely written.

    Raises:
        OSError: the disk is full, or may not be written; the earlier directory is untouched.
    """
    fresh = directory.with_name(f".{directory.name}.saving")
    directory.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    try:
        fill(fresh)
        _sync(fresh)
        former = _former(directory)
        if is_whole(directory):
            shutil.rmtree(former, ignore_errors=True)
            directory.rename(former)
        elif directory.exists():
            shutil.rmtree(directory)
        fresh.rename(directory)
        _sync(directory.parent)
        shutil.rmtree(former, ignore_errors=True)
    except Exception:
        shutil.rmtree(fresh, ignore_errors=True)
        raise


def where_whole(directory: Path, is_whole: Callable[[Path], bool]) -> Path:
    """Return where a directory's files are: in it, or under its former name if a save was cut."""
    former = _former(directory)
    return former if not is_whole(directory) and is_whole(former) else directory


def _former(directory: Path) -> Path:
    return directory.with_name(f".{directory.name}.former")


def _sync(path: Path) -> None:
    """Force what was written to a file, or the names in a directory, to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_synced(path: Path, data: bytes) -> None:
    """Write a file where nobody reads yet, and force it to disk: into a directory being filled."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def write_text(path: Path, text: str) -> None:
    """Write a file under a temporary name, force it to disk and rename it into place.

    Raises:
        StoreError: the disk is full or the directory cannot be written; the old file stays.
    """
    # No encoding has halves of surrogate pairs, and no report is lost to one.
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


def write_bytes(path: Path, data: bytes) -> None:
    """Write bytes as `write_text` writes text."""
    try:
        with replaced(path) as temporary:
            temporary.write_bytes(data)
    except OSError as error:
        raise StoreError(f"cannot write '{path}': {error.strerror}") from error


def write_json(path: Path, data: Mapping[str, Any]) -> None:
    """Write an object as JSON, as `write_text` writes text."""
    write_text(path, json.dumps(data, indent=1, allow_nan=False) + "\n")


def read_json(path: Path) -> dict[str, Any] | None:
    """Return the object in a JSON file, or None if there is no file.

    Raises:
        StoreError: the file does not hold a JSON object.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise StoreError(f"cannot read '{path}': {error}") from None
    if not isinstance(data, dict):
        raise StoreError(f"'{path}' holds no JSON object")
    return data


class Records:
    """An append-only file of JSON lines, each complete or absent."""

    def __init__(self, path: Path) -> None:
        """Open the file; a last line that a crash cut short is dropped.

        Raises:
            StoreError: the file cannot be opened, or a line is not JSON.
        """
        self.path = path
        self.rows: list[dict[str, Any]] = []
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            data = path.read_bytes() if path.exists() else b""
            whole = data.rfind(b"\n") + 1
            if whole < len(data):
                os.truncate(path, whole)
        except OSError as error:
            raise StoreError(f"cannot open '{path}': {error.strerror}") from error
        for number, line in enumerate(data[:whole].splitlines(), 1):
            try:
                self.rows.append(json.loads(line))
            except ValueError:
                raise StoreError(f"'{path}' line {number} is no JSON; was it edited?") from None

    def append(self, row: Mapping[str, Any]) -> None:
        """Add one line and force it to disk.

        Raises:
            StoreError: the line could not be written; then no part of it stays.
        """
        line = (json.dumps(row, allow_nan=False) + "\n").encode()
        size = None
        try:
            with open(self.path, "ab", buffering=0) as file:
                size = file.tell()
                if file.write(line) < len(line):
                    raise OSError(28, "No space left on device")
                os.fsync(file.fileno())
        except OSError as error:
            if size is not None:
                os.truncate(self.path, size)
            raise StoreError(f"cannot write '{self.path}': {error.strerror}") from error
        self.rows.append(dict(row))

    def clear(self) -> None:
        """Drop all lines.

        Raises:
            StoreError: the file cannot be written.
        """
        try:
            os.truncate(self.path, 0)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise StoreError(f"cannot write '{self.path}': {error.strerror}") from error
        self.rows.clear()


def lock(directory: Path, patience: float = 0.0) -> FileLock:
    """Take a directory's lock, which the system frees when the process ends.

    Args:
        directory: what to lock; it is made where it does not exist.
        patience: how long to wait for another process to free it, in seconds.

    Returns:
        The lock, held.

    Raises:
        StoreError: another process still holds it, or the directory cannot be written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        held = FileLock(directory / ".lock")
        held.acquire(timeout=patience)
    except Timeout:
        raise StoreError(f"'{directory}' is in use by another headstart process") from None
    except OSError as error:
        raise StoreError(f"cannot write to '{directory}': {error.strerror}") from None
    return held
