"""What a reader needs to repeat a run: commands, versions, hardware, the worlds' parameters."""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Mapping
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = (
    "headstart",
    "gymnasium",
    "stable-baselines3",
    "sb3-contrib",
    "pybullet",
    "torch",
    "numpy",
    "scipy",
)


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that results depend on."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def hardware() -> dict[str, str | int]:
    """Return what the run was computed on."""
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count() or 1,
    }


def computed_on(device: str) -> str:
    """Return what learners on a torch device compute on: `cpu: ` or `cuda: `, and its name."""
    import torch

    there = torch.cuda.is_available()
    if device == "auto":
        device = "cuda" if there else "cpu"
    kind = device.split(":")[0]
    name = torch.cuda.get_device_name(device) if kind == "cuda" and there else _processor()
    return f"{kind}: {name}"


def _processor() -> str:
    """Return the processor's name and what of it decides which kernels numpy and torch choose.

    Clouds call processors of several generations by one name, and those round differently.
    """
    try:
        lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
    except OSError:
        lines = []
    found = {
        key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)
    }
    name = found.get("model name") or platform.processor() or "unknown"
    details = [f"{key} {found[key]}" for key in ("cpu family", "model") if key in found]
    flags = found.get("flags", "").split()
    details += [flag for flag in ("avx512f", "avx2", "avx") if flag in flags][:1]
    return f"{name} ({', '.join(details)})" if details else name


def command_line() -> str:
    """Return the command that started this process, as one would type it."""
    name = Path(sys.argv[0]).name
    words = ["headstart"] if name in ("headstart", "__main__.py") else ["python", sys.argv[0]]
    return shlex.join([*words, *sys.argv[1:]])


def git_commit() -> str | None:
    """Return the commit of the checkout headstart runs from ("+" when it was changed)."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None

    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(root), *words], capture_output=True, text=True, timeout=10
        )
        return done.stdout.strip() if done.returncode == 0 else ""

    try:
        commit = git("rev-parse", "--short=12", "HEAD")
        return f"{commit}{'+' if git('status', '--porcelain') else ''}" if commit else None
    except (OSError, subprocess.TimeoutExpired):
        return None


def go_on(known: dict[str, Any]) -> str | None:
    """Record with which commit a run goes on; returns one line where it is another than before.

    A run that was started outside git, or goes on there, keeps what it has.
    """
    begun, now = known["git"], git_commit()
    commits = known.setdefault("commits", [begun] if begun else [])
    if now is None or begun is None or now == commits[-1]:
        return None
    before = commits[-1]
    if now not in commits:
        commits.append(now)
    return (
        f"goes on with headstart's git commit {now}, after {before}: its units are not all of the "
        "same code, which the report says"
    )


def new_facts(
    parameters: Mapping[str, Any], anchors: dict[str, Any], methods: dict[str, Any]
) -> dict[str, Any]:
    """Return the facts of a new run."""
    return {
        "commands": [command_line()],
        "versions": versions(),
        "hardware": hardware(),
        "git": git_commit(),
        "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "parameters": dict(parameters),
        "anchors": anchors,
        "methods": methods,
    }
