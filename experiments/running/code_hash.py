"""The code that results are computed by: hashes of what is one's own, versions of libraries.

A process of its own makes the worlds, imports the methods' and the learner's modules, and lists the
files of the modules that are then loaded (see `code_probe`). Files beside them change nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from ...core.errors import HeadstartError, shown
from ...core.named import split_named
from ...envs.catalog import WORLDS
from ...envs.contract.probe import Finding
from ...envs.spec import WorldSpec
from ..config.schema import SOURCE
from .plan import Plan
from .workers.start import python_path

_HOUSE = Path(__file__).resolve().parents[2]
_LEARNING = ("core", "envs", "agents", "transfer", "experiments/running")
"""The parts of headstart that results are computed by."""
_PRETRAINED = _HOUSE / "agents" / "pretrained"
_CLASS = re.compile(r"([A-Za-z_][\w.]*):[A-Za-z_]\w*")
PROBE = "headstart.experiments.running.code_probe"
SECONDS = 120.0


class CodeError(HeadstartError):
    """The code behind an experiment cannot be listed."""


@dataclass(frozen=True)
class Code:
    """The code behind worlds, methods and a learner.

    Attributes:
        package: the hash of headstart's own files.
        files: the sha256 of every other file of code that was loaded, by its path.
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


def source_code(plan: Plan) -> Code:
    """Return the code that a source policy of a plan is made by.

    Raises:
        CodeError: the world cannot be made in a process of its own, or takes too long.
    """
    return _probe([plan.worlds[SOURCE]], _modules([dict(plan.algorithm.settings)], plan))


def run_code(plan: Plan) -> Code:
    """Return the code behind all results of a plan: its worlds, methods and learner.

    Raises:
        CodeError: see `source_code`.
    """
    methods = [split_named(method, "method") for method in plan.experiment.methods]
    return _probe(list(plan.worlds.values()), _modules([plan.algorithm.settings, methods], plan))


def probe_findings(plan: Plan) -> dict[str, list[Finding]]:
    """Return what a short probe of the worlds finds, by target or `SOURCE`.

    headstart's own worlds, without wrappers, are left out: its tests hold them to the contract.

    Raises:
        CodeError: see `source_code`.
    """
    specs = plan.worlds
    foreign = [name for name in specs if specs[name].wrappers or specs[name].world not in WORLDS]
    if not foreign:
        return {}
    examined = {name: _as_order(specs[name]) for name in dict.fromkeys((SOURCE, *foreign))}
    answer = _kept_answer(_as_text({"worlds": [], "modules": [], "examined": examined}))
    found = {
        name: [Finding(**finding) for finding in findings]
        for name, findings in answer["findings"].items()
    }
    return {name: findings for name, findings in found.items() if name in foreign}


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
    digest = hashlib.sha256()
    for path in (path for part in _LEARNING for path in _package_files(_HOUSE / part)):
        name = path.relative_to(_HOUSE).as_posix()
        digest.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def _probe(specs: Sequence[WorldSpec], modules: Sequence[str]) -> Code:
    worlds = []
    for given in map(_as_order, specs):
        if given not in worlds:
            worlds.append(given)
    answer = _kept_answer(_as_text({"worlds": worlds, "modules": sorted(modules)}))
    return Code(package_hash(), answer["files"], answer["versions"], answer["registered"])


def _as_order(spec: WorldSpec) -> dict[str, Any]:
    return {**vars(spec), "kwargs": dict(spec.kwargs), "wrappers": list(spec.wrappers)}


def _as_text(order: Mapping[str, Any]) -> str:
    try:
        return json.dumps(order)
    except (TypeError, ValueError) as error:
        raise CodeError(f"its worlds cannot be told to another process: {error}") from None


def _kept_answer(order: str) -> dict[str, Any]:
    """Return the probe's answer, which is kept as long as no file in it changes."""
    answer, stamps = _ask(order, python_path(), os.getcwd())
    if stamps != _stamps(answer["files"]):
        _ask.cache_clear()
        answer, _ = _ask(order, python_path(), os.getcwd())
    return answer


@lru_cache(maxsize=64)
def _ask(order: str, path: str, directory: str) -> tuple[dict[str, Any], list[Any]]:
    """Run the probe; also returns when its files were last changed."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", PROBE],
            input=order,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            cwd=directory,
            env={**os.environ, "PYTHONPATH": path},
        )
    except subprocess.TimeoutExpired:
        raise CodeError(f"a process that makes its worlds took {SECONDS:.0f} s") from None
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:] or [f"exit status {done.returncode}"]
        raise CodeError(f"a process that makes its worlds failed: {shown(last[0], 200)}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer, _stamps(answer["files"])


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


def _modules(settings: Any, plan: Plan) -> list[str]:
    """Return the modules of the classes that an algorithm or a method is, or names."""
    named = {plan.algorithm.name.partition(":")[0]} if ":" in plan.algorithm.name else set()
    return sorted(named | set(_named(settings)))


def _named(settings: Any) -> Iterator[str]:
    """Yield the modules of the classes that plain data names as `package.module:Class`."""
    if isinstance(settings, Mapping):
        settings = [*settings.keys(), *settings.values()]
    if isinstance(settings, (list, tuple)):
        for value in settings:
            yield from _named(value)
    elif isinstance(settings, str) and (match := _CLASS.fullmatch(settings)):
        yield match[1]


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
