"""The code that results are computed by: hashes of what is one's own, versions of libraries.

A process of its own makes the worlds, imports the methods' and the learner's modules, and lists the
files of the modules that are then loaded (see `code_probe`). Files beside them change nothing.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import gymnasium

from ...core.errors import HeadstartError, shown
from ...core.heartbeat import Heartbeat, describe_hang
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


def source_code(plan: Plan) -> Code:
    """Return the code that a source policy of a plan is made by.

    Raises:
        CodeError: the world cannot be made in a process of its own, or takes too long.
    """
    settings = dict(plan.algorithm.settings)
    return _probe(plan, [plan.worlds[SOURCE]], _modules([settings], plan))


def run_code(plan: Plan) -> Code:
    """Return the code behind all results of a plan: its worlds, methods and learner.

    Raises:
        CodeError: see `source_code`.
    """
    methods = [split_named(method, "method") for method in plan.experiment.methods]
    named = [plan.algorithm.settings, methods, plan.experiment.callbacks]
    modules = _modules(named, plan)
    return _probe(plan, list(plan.examined.values()), modules)


def check_returning(plan: Plan) -> None:
    """Find out in another process whether worlds of others come back from a reset and some steps.

    Raises:
        HungError: one does not; `place` is the target, or the source.
    """
    specs = plan.examined
    if all(not spec.wrappers and _comes_along(spec) for spec in specs.values()):
        return
    try:
        run_code(plan)
    except HungError as error:
        order = _orders(specs.values())[int(error.place)]
        name = next(name for name, spec in specs.items() if _as_order(spec) == order)
        raise HungError(str(error), name) from None
    except CodeError:
        pass  # what is wrong with a world is said where it is made


def world_code(plan: Plan, name: str) -> dict[str, Any]:
    """Return the code behind a plan, as plain data, with the registration of one world alone.

    Raises:
        CodeError: see `source_code`.
    """
    code = run_code(plan)
    number = _orders(plan.examined.values()).index(_as_order(plan.worlds[name]))
    return {**code.as_json(), "registered": code.registered[number]}


def probe_findings(plan: Plan) -> dict[str, list[Finding]]:
    """Return what a short probe of the worlds finds, by target or `SOURCE`.

    Raises:
        CodeError: see `source_code`; `HungError` where one does not come back.
    """
    specs, foreign = plan.worlds, examined_worlds(plan)
    if not foreign:
        return {}
    examined = {name: _as_order(specs[name]) for name in dict.fromkeys((SOURCE, *foreign))}
    source = plan.experiment.source
    # Of a world without wrappers nothing hides the parameters.
    randomized = source.randomization if source.wrappers and source.bundle is None else {}
    asked = {"examined": examined, "randomized": randomized}
    order = _as_text({"worlds": [], "modules": [], **asked})
    answer = _kept_answer(order, plan)
    found = {
        name: [Finding(**finding) for finding in findings]
        for name, findings in answer["findings"].items()
    }
    return {name: findings for name, findings in found.items() if name in foreign}


def examined_worlds(plan: Plan) -> list[str]:
    """Return the targets, and `SOURCE`, whose worlds are probed before a run.

    headstart's own worlds, without wrappers, are left out: its tests hold them to the contract.
    """
    specs = plan.examined
    return [name for name in specs if specs[name].wrappers or specs[name].world not in WORLDS]


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


def _probe(plan: Plan, specs: Sequence[WorldSpec], modules: Sequence[str]) -> Code:
    main = plan.main_module
    if main.unknown is not None:
        raise CodeError(main.unknown)
    order = _as_text({"worlds": _orders(specs), "modules": sorted(modules)})
    answer = _kept_answer(order, plan)
    files = {**answer["files"], **main.digests}
    return Code(package_hash(), files, answer["versions"], answer["registered"])


def _orders(specs: Iterable[WorldSpec]) -> list[dict[str, Any]]:
    """Return the arguments of worlds, each different one once."""
    worlds: list[dict[str, Any]] = []
    for given in map(_as_order, specs):
        if given not in worlds:
            worlds.append(given)
    return worlds


def _comes_along(spec: WorldSpec) -> bool:
    """Whether a world is headstart's or Gymnasium's own."""
    known = gymnasium.registry.get(spec.world)
    entry = "" if known is None else str(known.entry_point)
    return spec.world in WORLDS or entry.startswith("gymnasium.envs.")


def _as_order(spec: WorldSpec) -> dict[str, Any]:
    return {**vars(spec), "kwargs": dict(spec.kwargs), "wrappers": list(spec.wrappers)}


def _as_text(order: Mapping[str, Any]) -> str:
    try:
        return json.dumps(order)
    except (TypeError, ValueError) as error:
        raise CodeError(f"its worlds cannot be told to another process: {error}") from None


def _kept_answer(order: str, plan: Plan) -> dict[str, Any]:
    """Return the probe's answer, which is kept as long as no file in it changes."""
    main = plan.main_module
    sent = base64.b64encode(main.packed()).decode() if main else ""
    digests = tuple(main.digests.items()) or (("", sent),)
    asked = (
        order,
        _Sent(sent, digests),
        python_path(),
        os.getcwd(),
        plan.experiment.step_timeout,
    )
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


def _modules(settings: Any, plan: Plan) -> list[str]:
    """Return the modules of the classes that an algorithm or a method is, or names.

    Those of worlds that exist once are among them: they are imported, and the worlds not made.
    """
    named = {plan.algorithm.name.partition(":")[0]} if ":" in plan.algorithm.name else set()
    for name in plan.single:
        spec = plan.worlds[name]
        named |= {spec.world.rpartition(":")[0]} - {""} | set(_named(list(spec.wrappers)))
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
