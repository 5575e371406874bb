"""Running an experiment in a directory: its facts, what is left of it, and who runs that."""

from __future__ import annotations

import fnmatch
import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from ...core.errors import nearest
from ...core.files import lock, read_json, write_bytes, write_json, write_text
from ...core.streams import Terminal
from ...envs.vector import cores as vector_cores
from ...transfer.methods import tunable
from ..config.schema import ConfigError
from ..config.yaml_text import YAMLError, dumps, loads
from . import cache, claims, metadata
from .anchors import RECORD, is_anchor, keep_anchors, take_anchors
from .checks import check_local_device
from .claims import PATIENCE
from .code_changes import clear_run, computed_units, examine_worlds, note_changes, settle_code
from .one_instance import Ready
from .plan import Plan, Unit, adds_source_steps
from .pool import Pool, StartWorker
from .randomization import randomization_notes
from .settled import say_done
from .starts import compare_starts
from .tracking import untracked
from .verify import settle
from .workers.local import LocalWorker

LATER = dict.fromkeys(("video", "track", "step_timeout"))
"""The settings that no result depends on, so that they may be changed later."""


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
    ready: Ready = False,
) -> list[str]:
    """Run all that is left of a checked plan in `directory`; returns the failed units' paths.

    Several processes may do so at once and share the work. With `trials`, patterns of
    `target/method/seed`, only those trials and the sources they need are run. `start` makes the
    workers, by default processes of this machine. Where code has changed since units were computed,
    `fresh` deletes those, and `keep` goes on with them. `ready` says, or is asked, whether targets
    that exist once may move where their trials have been started before.

    Raises:
        ConfigError: the device cannot be used, the directory holds another one, a pattern
            matches no trial, or a target that exists once is not ready.
        StoreError: the directory cannot be written.
    """
    console = console or Terminal()
    if start is LocalWorker:
        check_local_device(plan.experiment, where)
    units = wanted(plan, trials)
    with lock(directory, PATIENCE):
        _prepare(plan, directory, fresh, console)
        settle_code(plan, directory, keep=keep, console=console)
    done = settle(plan, directory, units, console)
    if done:
        console.print(say_done(len(done), len(units)))
    todo = [unit for unit in units if unit.path not in done]
    _ask_before_moving(directory, todo, ready, where)
    if any(unit.path.startswith("source/") for unit in todo):
        if why := cache.why_off(plan):
            console.print(f"source policies are not kept: {why}", highlight=False, soft_wrap=True)
        for note in randomization_notes(plan):
            console.print(note, highlight=False, soft_wrap=True)
    if todo:
        with lock(directory, PATIENCE):
            examine_worlds(plan, directory, console, where)
            _go_on(directory, console)
        taken = take_anchors(plan, directory, todo, console)
        done |= taken
        todo = [unit for unit in todo if unit.path not in taken]
    kept = {name: (directory / name).read_bytes() for name in ("experiment.yaml", "facts.json")}
    limit = plan.experiment.step_timeout
    if start is LocalWorker and plan.main_module:
        start = partial(LocalWorker, main=plan.main_module.packed())
    pool = Pool(directory, todo, done, jobs or cores(), console, start, limit)
    pool.before_unit = lambda: _restore(directory, kept, console)
    failed = pool.run()
    with lock(directory, PATIENCE):
        _restore(directory, kept, console)
        keep_anchors(plan, directory, [unit for unit in todo if is_anchor(unit)])
        _collect_anchors(plan, directory)
        if todo:
            note_changes(plan, directory, console)
            compare_starts(plan, directory, console)
            for said in untracked(plan, directory):
                console.print(said, style="yellow", highlight=False, soft_wrap=True, markup=False)
        # Only when nothing is left that another process could be about to claim.
        if not failed and not trials and not claims.at_work(directory):
            shutil.rmtree(directory / claims.FOLDER, ignore_errors=True)
    return failed


def _ask_before_moving(directory: Path, todo: Sequence[Unit], ready: Ready, where: str) -> None:
    """Raise ConfigError unless targets that exist once, and have moved in this run, may again."""
    left = [unit.instance for unit in todo if unit.instance is not None]
    for target in dict.fromkeys(left):
        if ready is True or not any((directory / "trials" / target).rglob("status.json")):
            continue
        trials = left.count(target)
        will = f"targets.{target} exists once, and moves: {trials} trial{'s' * (trials > 1)} left"
        if not (callable(ready) and ready(will)):
            raise ConfigError(
                f"{where}: {will}; once it is safe, go on with --ready (ready=True in Python)"
            )


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


def _prepare(plan: Plan, directory: Path, fresh: bool, console: Console) -> None:
    """Write the resolved experiment and the facts, or check that these are the same."""
    path = directory / "experiment.yaml"
    resolved = plan.experiment.resolved()
    resolved["source"]["algorithm"] = {plan.algorithm.name: dict(plan.algorithm.settings)}
    if fresh and (path.exists() or _is_run(directory)):
        if path.exists():
            _check_same(directory, resolved)
        clear_run(directory)
    if path.exists():
        _check_same(directory, resolved)
    else:
        _check_empty(directory, resolved, console)
    of_units = path.exists() or _is_run(directory)
    known = read_json(directory / "facts.json") if of_units else None
    if known is None or not known.keys() >= {"versions", "commands"}:
        if computed_units(directory):
            said = (
                "facts.json is made anew: what is done already is taken to be of these versions "
                "and of this code"
            )
            console.print(said, style="yellow", highlight=False, soft_wrap=True)
        known = _new_facts(plan)
    if known["versions"] != metadata.versions():
        changed = first_difference(known["versions"], metadata.versions())
        raise ConfigError(
            f"'{directory}' was started with other versions: {changed}; finish it with those, "
            "or choose another directory with --out"
        )
    known["experiment"] = _hash(resolved)
    write_json(directory / "facts.json", known)
    if not path.exists() or _stored(path) != resolved:
        write_text(path, dumps(resolved))


def _check_same(directory: Path, resolved: dict[str, Any]) -> None:
    """Raise ConfigError unless the directory holds this experiment."""
    there = _stored(directory / "experiment.yaml")
    differing = first_difference({**there, **LATER}, {**resolved, **LATER})
    if differing:
        raise ConfigError(
            f"'{directory}' holds another experiment: {differing}; choose another directory "
            "with --out, or delete this one"
        )


def _stored(path: Path) -> dict[str, Any]:
    """Return the experiment that a directory holds, as plain data."""
    try:
        there = loads(path.read_text(encoding="utf-8"))
    except (YAMLError, ValueError):
        there = None
    if not isinstance(there, dict):
        raise ConfigError(f"'{path}' is no experiment; choose another directory with --out")
    return there


def _check_empty(directory: Path, resolved: dict[str, Any], console: Console) -> None:
    """Raise ConfigError unless a directory without an experiment is empty, or is of this one."""
    if not _is_run(directory):
        # A run that was stopped here left its facts, or part of a file, and no experiment.
        begun = (read_json(directory / "facts.json") or {}).keys() >= {"versions", "commands"}
        ours = {"facts.json"} if begun else set()
        if any(not p.name.startswith(".") and p.name not in ours for p in directory.iterdir()):
            raise ConfigError(
                f"'{directory}' is not empty and holds no experiment; choose another with --out"
            )
        return
    if (read_json(directory / "facts.json") or {}).get("experiment") != _hash(resolved):
        raise ConfigError(
            f"'{directory}' holds units of a run, and its experiment.yaml is gone: put it back, "
            "compute all anew with --fresh, or choose another directory with --out"
        )
    said = "experiment.yaml was gone, and is written anew: the run is of this experiment"
    console.print(said, style="yellow", highlight=False, soft_wrap=True)


def _is_run(directory: Path) -> bool:
    """Whether a directory holds units of a run."""
    return any((directory / name).is_dir() for name in ("source", "trials", "anchors"))


def _hash(resolved: dict[str, Any]) -> str:
    """Return what tells experiments apart, but for what may be changed later."""
    text = json.dumps({**resolved, **LATER}, sort_keys=True, default=repr)
    return hashlib.sha256(text.encode()).hexdigest()


def _new_facts(plan: Plan) -> dict[str, Any]:
    methods = {
        label: {
            "needs_source": method.needs_source,
            "trains": method.trains,
            "adds_source_steps": adds_source_steps(method),
            "tunable": tunable(method),
        }
        for label, method in plan.methods.items()
    }
    return metadata.new_facts(plan.parameters, _stored_anchors(plan), methods)


def _restore(directory: Path, kept: Mapping[str, bytes], console: Console) -> None:
    """Write what somebody has deleted of a run that was at work; its units are run again."""
    gone = [name for name in kept if not (directory / name).exists()]
    for name in gone:
        write_bytes(directory / name, kept[name])
    if gone:
        said = f"deleted while the run was at work, and written anew: {', '.join(gone)}"
        console.print(said, style="yellow", highlight=False, soft_wrap=True)


def _go_on(directory: Path, console: Console) -> None:
    """Record the command and the code that units are run with from here on; say if that is another.

    A command that computes nothing is not recorded: the report and its figures stand as they are.
    """
    known = read_json(directory / "facts.json") or {}
    command = metadata.command_line()
    if known["commands"][-1] != command:
        known["commands"].append(command)
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
    # A run that was started before a shift was measured has none of its anchors.
    known["anchors"] = {**_stored_anchors(plan), **known["anchors"]}
    for target in plan.single:
        for path in (directory / "trials" / target).rglob("status.json"):
            if period := (read_json(path) or {}).get("period"):
                known.setdefault("periods", {})[plan.worlds[target].world] = period
    for name in plan.worlds:
        record = read_json(directory / "anchors" / name / RECORD)
        if record is not None:
            origin = f"measured: uniformly random actions, {record['episodes']} episodes"
            if record.get("kept"):
                origin += ", by an earlier run"
            known["anchors"][name] = {
                "random": {"return": record["return"], "origin": origin},
                "reference": None,
            }
    write_json(directory / "facts.json", known)
