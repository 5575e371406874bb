"""Whether a run's code is still that which its results were computed by, and what to do if not."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from ...core.files import StoreError, read_json, write_json
from ...envs.contract.probe import Finding
from ..config.schema import ConfigError
from . import claims
from .code_hash import examined_worlds, probe_findings, run_code
from .plan import Plan, world_key
from .probing import Code, CodeError, HungError, changed_code

MADE = ("source", "trials", "anchors", "logs", claims.FOLDER)
"""The folders that a run makes."""
SHOWN = 3
"""How many changed files a message names."""


def clear_run(directory: Path) -> None:
    """Delete what a run has made, so that it begins anew: `--fresh`.

    Raises:
        ConfigError: another process is at work on it.
    """
    if claims.at_work(directory):
        raise ConfigError(f"'{directory}': another process is at work on it; stop that one first")
    for name in MADE:
        shutil.rmtree(directory / name, ignore_errors=True)
    for name in ("experiment.yaml", "facts.json"):
        (directory / name).unlink(missing_ok=True)


def settle_code(plan: Plan, directory: Path, *, keep: bool, console: Console) -> None:
    """Record the code that a run's units are computed by, or refuse to go on with another.

    Args:
        plan: the run's plan.
        directory: the run directory, whose lock is held.
        keep: go on although code has changed; what changed is recorded, and the report says so.
        console: where it is said that code cannot be listed.

    Raises:
        ConfigError: units have been computed by code that has changed since.
    """
    known = read_json(directory / "facts.json") or {}
    try:
        now = run_code(plan)
    except CodeError as error:
        said = f"that code has changed would not be noticed: {error}"
        console.print(said, style="yellow", highlight=False, soft_wrap=True, markup=False)
        return
    units = computed_units(directory)
    changed = changed_code(known["code"], now) if units and "code" in known else []
    if changed and not keep:
        raise ConfigError(
            f"'{directory}' was computed by code that has changed since: {name_changed(changed)}; "
            "--fresh computes all of it anew, --keep goes on with what is there, and the report "
            "says so"
        )
    if changed:
        _record(known, changed, units)
        said = f"goes on with changed code, which the report says: {name_changed(changed)}"
        console.print(said, style="yellow", highlight=False, soft_wrap=True, markup=False)
    known["code"] = now.as_json()
    write_json(directory / "facts.json", known)


def examine_worlds(plan: Plan, directory: Path, console: Console, where: str) -> None:
    """Probe the worlds of a run for some seconds; the run's lock is held.

    What is found is said, and recorded for the report.

    Raises:
        ConfigError: nothing that is measured in a world could be compared.
    """
    try:
        found = probe_findings(plan)
    except CodeError as error:
        found = _unknown(plan, error)
    known = read_json(directory / "facts.json") or {}
    known["findings"] = {
        name: [finding.text for finding in findings] for name, findings in found.items()
    }
    write_json(directory / "facts.json", known)
    for name, findings in found.items():
        place = world_key(name)
        for finding in findings:
            if finding.fatal:
                raise ConfigError(f"{where}: {place}: {finding.text}")
            said = f"{place}: {finding.text}"
            console.print(said, style="yellow", highlight=False, soft_wrap=True, markup=False)


def _unknown(plan: Plan, error: CodeError) -> dict[str, list[Finding]]:
    """Return what is known of the worlds where the probe before the run gave no answer."""
    place = error.place if isinstance(error, HungError) else None
    text = f"the probe before the run ended without an answer, so its findings are missing: {error}"
    finding = Finding("raises", text)
    return {name: [finding] for name in examined_worlds(plan) if place in (None, name)}


def note_changes(plan: Plan, directory: Path, console: Console) -> None:
    """Record and say that code changed while units were computed; the run's lock is held."""
    known = read_json(directory / "facts.json") or {}
    if "code" not in known:
        return
    try:
        now: Code = run_code(plan)
    except CodeError:
        return
    changed = changed_code(known["code"], now)
    if changed:
        _record(known, changed, computed_units(directory))
        known["code"] = now.as_json()
        write_json(directory / "facts.json", known)
        said = (
            f"code changed while the run was at work, so that its units may be of different code: "
            f"{name_changed(changed)}"
        )
        console.print(said, style="yellow", highlight=False, soft_wrap=True, markup=False)


def computed_units(directory: Path) -> list[str]:
    """Return the paths of the units that are done, or have got beyond their beginning."""
    found = []
    for kind in ("source", "trials", "anchors"):
        for path in sorted((directory / kind).rglob("status.json")):
            try:
                status = read_json(path) or {}
            except StoreError:
                continue  # computed anew
            if status.get("state") == "done" or (
                status.get("state") == "running" and status.get("step")
            ):
                found.append(path.parent.relative_to(directory).as_posix())
    return found


def name_changed(changed: Sequence[str]) -> str:
    """Return the names of changed files in a few words, those below here relative to it."""
    here = os.getcwd()
    names = [
        os.path.relpath(path, here) if path.startswith(here + os.sep) else path for path in changed
    ]
    rest = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def _record(known: dict[str, Any], changed: Sequence[str], units: Sequence[str]) -> None:
    known.setdefault("code_changes", []).append({"changed": list(changed), "units": list(units)})
