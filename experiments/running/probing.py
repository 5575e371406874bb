"""Asking the probe, a process of its own, which code worlds and modules load, and comparing it.

What is asked stands in an order (see `code_probe`), so that who asks needs no learning library,
which take seconds to be imported. Files beside those that are loaded change nothing.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from ...core.errors import HeadstartError, shown
from ...core.heartbeat import Heartbeat, describe_hang
from ...envs.main_module import MainModule
from .workers.start import python_path

HOUSE = Path(__file__).resolve().parents[2]
"""Where headstart's own files lie."""
_LEARNING = ("core", "envs", "agents", "transfer", "experiments/running")
"""The parts of headstart that results are computed by."""
_PRETRAINED = HOUSE / "agents" / "pretrained"
PROBE = "headstart.experiments.running.code_probe"
SECONDS = 120.0
"""Seconds that a probe may take in all."""
LOOK = 0.5
"""Seconds from one look at whether its worlds come back to the next."""


class CodeError(HeadstartError):
    """The code behind an experiment cannot be listed."""


class HungError(CodeError):
    """A world does not come back from a reset or a step.

    Attributes:
        place: which of the worlds that were asked for, by its number or its name.
    """

    def __init__(self, text: str, place: str) -> None:
        super().__init__(text)
        self.place = place


@dataclass(frozen=True)
class Code:
    """The code behind worlds, methods and a learner.

    Attributes:
        package: the hash of headstart's own files.
        files: the sha256 of every other file of code that was loaded, by its path, and of what
            a script or notebook defines itself, by its name.
        versions: the versions of the installed packages that were loaded.
        registered: what each world is registered with.
    """

    package: str
    files: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    registered: Sequence[str] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the code as plain data."""
        return {**asdict(self), "registered": list(self.registered)}


def changed_code(before: Mapping[str, Any], now: Code) -> list[str]:
    """Return what of the code differs from that of an earlier run, as `as_json` recorded it.

    Files that only one of them loaded differ, too.
    """
    found = []
    if before.get("package") != now.package:
        found.append("headstart itself")
    was, files = before.get("files", {}), now.files
    for path in [*was, *(path for path in files if path not in was)]:
        if was.get(path) != files.get(path):
            found.append(path)
    libraries = before.get("versions", {})
    for name in [*libraries, *(name for name in now.versions if name not in libraries)]:
        if libraries.get(name) != now.versions.get(name):
            then, today = libraries.get(name, "none"), now.versions.get(name, "none")
            found.append(f"{name} {then} -> {today}")
    if list(before.get("registered", [])) != list(now.registered):
        found.append("what the worlds are registered with")
    return found


def package_hash() -> str:
    """Return the hash of headstart's own files, by name and content."""
    return digest_files(
        HOUSE, (path for part in _LEARNING for path in _package_files(HOUSE / part))
    )


def digest_files(root: Path, paths: Iterable[Path]) -> str:
    """Return a digest of files, by their names below a folder and their content."""
    digest = hashlib.sha256()
    for path in paths:
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.relative_to(root).as_posix()}\0{content}\n".encode())
    return digest.hexdigest()


def loaded_code(order: str, main: MainModule, step_timeout: float) -> Code:
    """Return the code that a process loads which does what an order says.

    Args:
        order: worlds to make and modules to import.
        main: what of it a script or notebook defines itself.
        step_timeout: seconds that a world may take for a reset or a step.

    Raises:
        CodeError: a world cannot be made in a process of its own, or takes too long; `HungError`
            where one does not come back.
    """
    if main.unknown is not None:
        raise CodeError(main.unknown)
    answer = probe_answer(order, main, step_timeout)
    files = {**answer["files"], **main.digests}
    return Code(package_hash(), files, answer["versions"], answer["registered"])


def probe_answer(order: str, main: MainModule, step_timeout: float) -> dict[str, Any]:
    """Return the probe's answer, which is kept as long as no file in it changes."""
    sent = base64.b64encode(main.packed()).decode() if main else ""
    digests = tuple(main.digests.items()) or (("", sent),)
    asked = (order, _Sent(sent, digests), python_path(), os.getcwd(), step_timeout)
    answer, stamps = _ask(*asked)
    if stamps != _stamps(answer["files"]):
        _ask.cache_clear()
        answer, _ = _ask(*asked)
    if "refused" in answer:
        raise HeadstartError(answer["refused"])
    return answer


@dataclass(frozen=True)
class _Sent:
    """What the probe is sent of `__main__`: equal if its code is, as pickles of it differ."""

    packed: str = field(compare=False)
    digests: tuple[tuple[str, str], ...]


@lru_cache(maxsize=64)
def _ask(
    order: str, main: _Sent, path: str, directory: str, step_timeout: float
) -> tuple[dict[str, Any], list[Any]]:
    """Run the probe; also returns when its files were last changed."""
    with (
        Heartbeat() as beat,
        subprocess.Popen(
            [sys.executable, "-m", PROBE, str(beat.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=directory,
            env={**os.environ, "PYTHONPATH": path},
        ) as process,
    ):
        try:
            output, errors = _wait(process, f"{main.packed}\n{order}", beat, step_timeout)
        finally:
            process.kill()
    if process.returncode != 0:
        last = errors.strip().splitlines()[-1:] or [_ending(process.returncode)]
        raise CodeError(f"a process that makes its worlds failed: {shown(last[0], 200)}")
    answer: dict[str, Any] = json.loads(output)
    return answer, _stamps(answer["files"])


def _wait(
    process: subprocess.Popen[str], order: str, beat: Heartbeat, step_timeout: float
) -> tuple[str, str]:
    """Return what the probe writes, unless a world does not come back or all takes too long."""
    given: str | None = order
    ends = time.monotonic() + max(SECONDS, 2 * step_timeout)
    while True:
        try:
            return process.communicate(given, timeout=LOOK)
        except subprocess.TimeoutExpired:
            given = None
        if overdue := beat.overdue(step_timeout):
            raise HungError(describe_hang(overdue[0], step_timeout), overdue[1])
        if time.monotonic() > ends:
            raise CodeError(f"a process that makes its worlds took {SECONDS:.0f} s")


def _ending(code: int) -> str:
    return f"killed by signal {-code}" if code < 0 else f"exit status {code}"


def _stamps(files: Mapping[str, str]) -> list[Any]:
    found: list[Any] = []
    for path in files:
        try:
            about = os.stat(path)
        except OSError:
            found.append(None)
        else:
            found.append((about.st_mtime_ns, about.st_size))
    return found


def _package_files(place: Path) -> Iterator[Path]:
    """Yield the files below a folder of the package in a fixed order, none made or hidden."""
    for folder, inner, names in os.walk(place):
        here = Path(folder)
        inner[:] = sorted(
            name
            for name in inner
            if not name.startswith((".", "__pycache__")) and here / name != _PRETRAINED
        )
        yield from (here / name for name in sorted(names) if not name.startswith("."))
