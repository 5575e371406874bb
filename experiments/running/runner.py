"""Running an experiment in a directory: its facts, what is left of it, and who runs that."""

from __future__ import annotations

import fnmatch
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from ...core.errors import nearest
from ...core.files import lock, read_json, write_json, write_text
from ...core.streams import Terminal
from ...envs.vector import cores as vector_cores
from ...transfer.methods import tunable
from ..config.schema import ConfigError
from ..config.yaml_text import YAMLError, dumps, loads
from . import cache, claims, metadata
from .checks import check_local_device
from .code_changes import clear_run, examine_worlds, note_changes, settle_code
from .plan import Plan, Unit, adds_source_steps
from .pool import Pool, StartWorker
from .randomization import randomization_notes
from .starts import compare_starts
from .verify import settle
from .workers.local import LocalWorker

# What others do in a run's directory as a whole takes seconds.
PATIENCE = 60.0


def run_units(
    plan: Plan,
    directory: Path,
    *,
    jobs: int | None = None,
    console: Console | None = None,
    where: str = "experiment",
    trials: Sequence[str] = (),
    start: StartWorker = LocalWorker,
    fresh: bool = False,
    keep: bool = False,
) -> list[str]:
    """Run all that is left of a checked plan in `directory`; returns the failed units' paths.

    Several processes may do so at once and share the work. With `trials`, patterns of
    `target/method/seed`, only those trials and the sources they need are run. `start` makes the
    workers, by default processes of this machine. Where code has changed since units were computed,
    `fresh` deletes those, and `keep` goes on with them.

    Raises:
        ConfigError: the device cannot be used, the directory holds another one, or a pattern
            matches no trial.
        StoreError: the directory cannot be written.
    """
    console = console or Terminal()
    if start is LocalWorker:
        check_local_device(plan.experiment, where)
    units = wanted(plan, trials)
    with lock(directory, PATIENCE):
        _prepare(plan, directory, fresh)
        settle_code(plan, directory, keep=keep, console=console)
    done = settle(plan, directory, units, console)
    if done:
        console.print(f"{len(done)} of {len(units)} units are done already; going on")
    todo = [unit for unit in units if unit.path not in done]
    if any(unit.path.startswith("source/") for unit in todo):
        if why := cache.why_off(plan):
            console.print(f"source policies are not kept: {why}", highlight=False, soft_wrap=True)
        for note in randomization_notes(plan):
            console.print(note, highlight=False, soft_wrap=True)
    if todo:
        with lock(directory, PATIENCE):
            examine_worlds(plan, directory, console, where)
            _go_on(directory, console)
    failed = Pool(directory, todo, done, jobs or cores(), console, start).run()
    with lock(directory, PATIENCE):
        _collect_anchors(plan, directory)
        if todo:
            note_changes(plan, directory, console)
            compare_starts(plan, directory, console)
        # Only when nothing is left that another process could be about to claim.
        if not failed and not trials and not claims.at_work(directory):
            shutil.rmtree(directory / claims.FOLDER, ignore_errors=True)
    return failed


def wanted(plan: Plan, trials: Sequence[str] = ()) -> list[Unit]:
    """Return the units of a plan, or those of some trials with what they need.

    Raises:
        ConfigError: a pattern of `target/method/seed` that matches no trial.
    """
    units = list(plan.units)
    if not trials:
        return units
    names = {unit.trial_name: unit for unit in units if unit.is_trial}
    chosen = {names[name].path: names[name] for name in matching(trials, list(names))}
    needed = {need for unit in chosen.values() for need in unit.needs}
    return [unit for unit in units if unit.path in needed or unit.path in chosen]


def matching(
    patterns: Sequence[str], names: Sequence[str], form: str = "target/method/seed"
) -> list[str]:
    """Return the names that fit any of the patterns, in their own order.

    Raises:
        ConfigError: a pattern that fits none.
    """
    for pattern in patterns:
        if not fnmatch.filter(names, pattern):
            raise ConfigError(f"no trial '{pattern}', expected {form}{nearest(pattern, names)}")
    return [name for name in names if any(fnmatch.fnmatch(name, p) for p in patterns)]


def cores() -> int:
    """Return the number of cores this process may use."""
    return len(vector_cores.available_cores()) or os.cpu_count() or 1


def _prepare(plan: Plan, directory: Path, fresh: bool) -> None:
    """Write the resolved experiment and the facts, or check that these are the same."""
    path = directory / "experiment.yaml"
    resolved = plan.experiment.resolved()
    resolved["source"]["algorithm"] = {plan.algorithm.name: dict(plan.algorithm.settings)}
    if path.exists():
        try:
            there = loads(path.read_text(encoding="utf-8"))
        except (YAMLError, ValueError):
            there = None
        if not isinstance(there, dict):
            raise ConfigError(f"'{path}' is no experiment; choose another directory with --out")
        # Videos are made of what a run leaves, so they may be wished for later.
        differing = first_difference({**there, "video": None}, {**resolved, "video": None})
        if differing:
            raise ConfigError(
                f"'{directory}' holds another experiment: {differing}; choose another directory "
                "with --out, or delete this one"
            )
        if fresh:
            clear_run(directory)
            _prepare(plan, directory, fresh=False)
            return
        known = read_json(directory / "facts.json")
        if known is None or not known.keys() >= {"versions", "commands"}:
            raise ConfigError(f"'{directory}' lacks its facts.json; choose another with --out")
        if known["versions"] != metadata.versions():
            changed = first_difference(known["versions"], metadata.versions())
            raise ConfigError(
                f"'{directory}' was begun with other versions: {changed}; finish it with those, "
                "or choose another directory with --out"
            )
        command = metadata.command_line()
        if known["commands"][-1] != command:
            known["commands"].append(command)
        write_json(directory / "facts.json", known)
        return
    # A run that was stopped here left its facts, or part of a file, and no experiment.
    begun = (read_json(directory / "facts.json") or {}).keys() >= {"versions", "commands"}
    ours = {"facts.json"} if begun else set()
    if any(not p.name.startswith(".") and p.name not in ours for p in directory.iterdir()):
        raise ConfigError(
            f"'{directory}' is not empty and holds no experiment; choose another with --out"
        )
    methods = {
        label: {
            "needs_source": method.needs_source,
            "trains": method.trains,
            "adds_source_steps": adds_source_steps(method),
            "tunable": tunable(method),
        }
        for label, method in plan.methods.items()
    }
    known = metadata.new_facts(plan.parameters, _stored_anchors(plan), methods)
    write_json(directory / "facts.json", known)
    write_text(path, dumps(resolved))


def _go_on(directory: Path, console: Console) -> None:
    """Record the code that units are run with from here on, and say where it is another."""
    known = read_json(directory / "facts.json") or {}
    said = metadata.go_on(known)
    write_json(directory / "facts.json", known)
    if said:
        console.print(said, style="yellow", highlight=False, soft_wrap=True)


def first_difference(there: Any, here: Any, path: str = "") -> str | None:
    """Say at which key two plain values differ first, and how."""
    if isinstance(there, dict) and isinstance(here, dict):
        for key in [*there, *(k for k in here if k not in there)]:
            inner = f"{path}.{key}" if path else str(key)
            found = first_difference(there.get(key), here.get(key), inner)
            if found:
                return found
        return None
    same = there == here or (there != there and here != here)  # NaN is not even itself
    return None if same else f"{path} is {there!r} there and {here!r} here"


def _stored_anchors(plan: Plan) -> dict[str, Any]:
    found = {name: plan.stored_anchors(name) for name in plan.worlds}
    return {name: anchors for name, anchors in found.items() if anchors is not None}


def _collect_anchors(plan: Plan, directory: Path) -> None:
    """Put the measured anchors among the facts."""
    known = read_json(directory / "facts.json") or {}
    # A run that was begun before a shift was measured has none of its anchors.
    known["anchors"] = {**_stored_anchors(plan), **known["anchors"]}
    for name in plan.worlds:
        record = read_json(directory / "anchors" / name / "random.json")
        if record is not None:
            origin = f"measured: uniformly random actions, {record['episodes']} episodes"
            known["anchors"][name] = {
                "random": {"return": record["return"], "origin": origin},
                "reference": None,
            }
    write_json(directory / "facts.json", known)
