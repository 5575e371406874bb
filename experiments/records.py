"""A trial's curve as it lies on disk, `evaluations.jsonl`, and whether it can be used."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from ..core.errors import HeadstartError, single_line

RUNS = Path("runs")
"""Where run directories lie unless told otherwise."""
CURVE = "evaluations.jsonl"
COLUMNS = ("target", "method", "seed", "step", "return", "success", "length", "episodes")
"""The columns of results.csv."""


class RunError(HeadstartError):
    """A run directory that cannot be read or compared."""


def read_evaluations(path: Path) -> list[dict[str, Any]]:
    """Read a file of evaluations, one JSON object a line.

    A last line without its end, as a killed writer leaves it, is left out; anything else that
    cannot be read is an error.

    Raises:
        RunError: a line that cannot be read, or whose values are not what they should be.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(f"{path}: cannot be read ({reason(error)})") from None
    unfinished = lines.pop()
    found = [_evaluation(line, f"{path}, line {i}") for i, line in enumerate(lines, start=1)]
    if unfinished:
        try:
            json.loads(unfinished)
        except ValueError:
            return found
        found.append(_evaluation(unfinished, f"{path}, line {len(lines) + 1}"))
    return found


def check_curve(evaluations: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Raise RunError unless evaluations begin at step 0 and go on from there."""
    steps = [line["step"] for line in evaluations]
    if not steps or steps[0] != 0:
        begin = f"begins at step {steps[0]}" if steps else "is empty"
        raise RunError(f"{path}: {begin}; the first evaluation must be at step 0")
    if len(steps) < 2:
        raise RunError(f"{path}: has no evaluation after step 0")
    for before, after in pairwise(steps):
        if after <= before:
            raise RunError(f"{path}: step {after} follows step {before}; steps must increase")


def _evaluation(text: str, where: str) -> dict[str, Any]:
    try:
        line = json.loads(text)
    except ValueError:
        raise RunError(f"{where}: not a JSON object: {text[:40]!r}") from None
    if not isinstance(line, dict):
        raise RunError(f"{where}: not a JSON object: {text[:40]!r}")
    for key in COLUMNS[3:]:
        if key not in line:
            raise RunError(f"{where}: '{key}' is missing")
        value = line[key]
        if value is None and key == "success":
            continue
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise RunError(f"{where}: '{key}' is {value!r}, expected a number")
        if not math.isfinite(value):
            raise RunError(f"{where}: '{key}' is {value} at step {line['step']}")
    terms = line.get("reward_terms", {})
    if not isinstance(terms, dict) or not all(
        isinstance(value, (int, float)) and math.isfinite(value) for value in terms.values()
    ):
        raise RunError(f"{where}: 'reward_terms' is {terms!r}, expected finite numbers by name")
    return line


def reason(error: Exception) -> str:
    """Return what an error says, short and in one line."""
    return single_line(str(error))[:120] or type(error).__name__
