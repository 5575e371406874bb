"""Who is at work on what: a claim on a unit of a run, with its owner and a heartbeat.

Several processes, on one machine or on many that share a file system, may run the same experiment
in the same directory: each unit is claimed before it is run, so none is run twice at once. A claim
whose owner has died is taken over: at once where the owner was a process that this one would see,
else (on another machine, in another container) when its heartbeat has stopped for a minute by the
clock of the file system.
"""

from __future__ import annotations

import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from ...core.files import StoreError, read_json, write_json

FOLDER = ".claims"
PATIENCE = 60.0
"""Seconds to wait for a run's lock: what others do in its directory as a whole takes some."""
CLAIMED = "claimed"
"""The state that a worker answers of a unit which another process is at work on."""
BEAT = 5.0
"""Seconds from one heartbeat to the next."""
STALE = 60.0
"""Seconds without a heartbeat after which a claim may be taken over."""


class ClaimLost(RuntimeError):
    """The unit was taken over by another process, which thought this one dead."""


@dataclass(frozen=True)
class Claim:
    """A claim that this process holds; `check` before every write to the unit's folder."""

    path: Path
    token: str

    def check(self) -> None:
        """Raise ClaimLost if another process has taken the unit over."""
        found = _read(self.path)
        if found is None or found.get("token") != self.token:
            raise ClaimLost(
                "another process has taken this over, as no heartbeat was seen for "
                f"{STALE:.0f} s (was the machine asleep?); what that one does counts"
            )


@contextmanager
def claim(run: Path, unit: str) -> Iterator[Claim | None]:
    """Claim a unit of the run directory `run` while in the context; None if another holds it.

    Raises:
        StoreError: the run directory cannot be written.
    """
    path = _path(run, unit)
    mine = _take(path)
    if mine is None:
        yield None
        return
    ended = threading.Event()
    beating = threading.Thread(target=_beat, args=(mine, ended), daemon=True)
    beating.start()
    try:
        yield mine
    finally:
        ended.set()
        beating.join()
        with _guard(path), suppress(ClaimLost, OSError):
            mine.check()
            path.unlink()


def holder(run: Path, unit: str) -> str | None:
    """Return who is at work on a unit, as `host, process 123`; None if nobody living is."""
    path = _path(run, unit)
    found = _read(path)
    if found is None or _is_stale(path, found):
        return None
    return f"{found.get('host')}, process {found.get('pid')}"


def at_work(run: Path) -> bool:
    """Return whether any unit of a run is claimed by a living process."""
    root = run / FOLDER
    return any(
        holder(run, str(path.relative_to(root).with_suffix(""))) for path in root.rglob("*.json")
    )


def _path(run: Path, unit: str) -> Path:
    return run / FOLDER / f"{unit}.json"


def _take(path: Path) -> Claim | None:
    with _guard(path):
        found = _read(path)
        if found is not None and not _is_stale(path, found):
            return None
        mine = Claim(path, uuid.uuid4().hex)
        owner = {"host": socket.gethostname(), "pid": os.getpid(), "begun": _begun(os.getpid())}
        write_json(path, {**owner, "seen": _seen(), "token": mine.token})
        return mine


def _beat(mine: Claim, ended: threading.Event) -> None:
    while not ended.wait(BEAT):
        with suppress(OSError, StoreError):
            found = read_json(mine.path)
            if found is None or found.get("token") != mine.token:
                return
            os.utime(mine.path)


def _is_stale(path: Path, found: dict[str, Any]) -> bool:
    """Whether the owner of a claim is gone."""
    if (found.get("host"), found.get("seen")) == (socket.gethostname(), _seen()):
        pid = found.get("pid")
        if not isinstance(pid, int) or _begun(pid) != found.get("begun"):
            return True
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            pass  # it lives, as another user's
    try:
        return _now(path.parent) - path.stat().st_mtime > STALE
    except FileNotFoundError:
        return True


def _now(folder: Path) -> float:
    """Return the time by the clock that files in `folder` are stamped with."""
    probe = folder / f".{uuid.uuid4().hex}"
    try:
        probe.touch()
        return probe.stat().st_mtime
    except OSError:
        return time.time()  # who may only read takes nothing over, and this is near enough
    finally:
        with suppress(OSError):
            probe.unlink()


def _seen() -> list[str]:
    """Return what tells which processes this one sees: those of a boot, in its PID namespace."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return [boot, os.readlink("/proc/self/ns/pid")]
    except OSError:
        return []


def _begun(pid: int) -> str | None:
    """Return when a process began, as Linux counts it: its number may have been given anew."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
    except (OSError, IndexError):
        return None


def _read(path: Path) -> dict[str, Any] | None:
    try:
        return read_json(path)
    except StoreError:
        return {}  # damaged: nobody's, so stale once its heartbeat stops


@contextmanager
def _guard(path: Path) -> Iterator[None]:
    """Let one process at a time look at a claim and change it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(f".{path.stem}.lock")):
            yield
    except OSError as error:
        raise StoreError(f"cannot write to '{path.parent}': {error.strerror}") from None
