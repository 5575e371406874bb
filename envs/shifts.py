"""Named target shifts: families of fixed changes, at three levels of severity.

A family leads from the nominal world (severity 0) to an extreme (severity 1). A shift is a point in
between: `worn-tyres/moderate`, or `worn-tyres/0.3` for any other severity. Levels are chosen by the
zero-shot score of a policy that was trained in the nominal world. `headstart bench shifts` finds
and measures them; `shifts.json` holds the results.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ..core.errors import HeadstartError, nearest
from .catalog import WORLDS
from .worlds.family import Family

SHIFT_LEVELS: dict[str, tuple[float, float]] = {
    "mild": (0.8, 0.95),
    "moderate": (0.4, 0.8),
    "severe": (-math.inf, 0.4),
}
"""The zero-shot score of a nominal policy at each level: at least the first, below the second."""

UNMODELLED = "unmodelled"
"""The shift of parameters that the recommended randomization leaves out, each by 20 %."""

MEASURED_SHIFTS = Path(__file__).with_name("shifts.json")
"""The results of `headstart bench shifts`: see `measurements`."""


def families(world: str) -> Mapping[str, Family]:
    """Return the families of a world of the catalog by name; empty for other worlds."""
    return WORLDS[world].families if world in WORLDS else {}


def unmodelled(world: str) -> Mapping[str, str]:
    """Return the changes of a world's shift `unmodelled`; empty where it has none."""
    return WORLDS[world].unmodelled if world in WORLDS else {}


@cache
def _measured() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(MEASURED_SHIFTS.read_text(encoding="utf-8"))
    return found


def measurements(world: str) -> dict[str, Any] | None:
    """Return the results of nominal policies on a world's shifts; None if not measured.

    `policies` describes what was evaluated and how. `nominal` and each entry of `shifts` (by name,
    such as "worn-tyres/mild") hold the `changes`, the `random` policy's return there, the policies'
    `returns`, the `score` (1 is the policies' return in the nominal world, 0 that of random actions
    on the same shift) with its 95 % `interval`, and the `success` rate.
    """
    return _measured().get(world)


def stored_anchors(world: str, shift: str | Mapping[str, Any]) -> dict[str, float] | None:
    """Return the stored returns that scores are scaled by, for a world under a shift.

    `random` is the return of random actions under the same shift, `reference` that of the nominal
    policies in the nominal world, so that a score of 1 means: as good as without the shift. None
    for a world or a shift that is not measured: only levels, `unmodelled` and the world without a
    shift are.
    """
    measured = measurements(world)
    if measured is None or (shift and not isinstance(shift, str)):
        return None
    row = measured["shifts"].get(shift) if shift else measured["nominal"]
    if row is None:
        return None
    returns = measured["nominal"]["returns"]
    return {"random": row["random"], "reference": sum(returns) / len(returns)}


def shift_names(world: str) -> list[str]:
    """Return a world's shifts: each family at each level, and `unmodelled`."""
    names = [f"{family}/{level}" for family in families(world) for level in SHIFT_LEVELS]
    return [*names, UNMODELLED] if unmodelled(world) else names


def shift_changes(world: str, shift: str | Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the changes of a named shift of a world.

    Args:
        world: the world's id.
        shift: `family/level`, `family/severity` with a number in [0, 1], or `unmodelled`; a
            mapping is returned unchanged.

    Raises:
        HeadstartError: the world has no such family, level or severity; names the nearest.

    >>> shift_changes("headstart/Ant-v0", "slippery/1")
    {'ground_friction': '* 0.1'}
    """
    if not isinstance(shift, str):
        return shift
    if shift == UNMODELLED and unmodelled(world):
        return unmodelled(world)
    name, _, level = shift.partition("/")
    known = families(world)
    if name not in known:
        others = [*known, UNMODELLED] if unmodelled(world) else known
        raise HeadstartError(f"world '{world}' has no shift '{name}'{nearest(name, others)}")
    return known[name].at(_severity(world, name, level))


def _severity(world: str, family: str, level: str) -> float:
    """Return the severity that a level, or a number in [0, 1], stands for."""
    choices = f"{', '.join(f'{family}/{known}' for known in SHIFT_LEVELS)}, or {family}/0.5"
    if not level:
        raise HeadstartError(f"shift '{family}' needs a level: {choices}")
    if level not in SHIFT_LEVELS:
        try:
            severity = float(level)
        except ValueError:
            hint = nearest(level, SHIFT_LEVELS)
            raise HeadstartError(f"shift '{family}' has no level '{level}'{hint}") from None
        if not 0.0 <= severity <= 1.0:
            raise HeadstartError(f"shift '{family}/{level}': a severity lies between 0 and 1")
        return severity
    row = ((measurements(world) or {}).get("shifts") or {}).get(f"{family}/{level}")
    if row is None:
        raise HeadstartError(
            f"shift '{family}/{level}' of '{world}' is not calibrated; "
            f"give a severity, as in {family}/0.5"
        )
    return float(row["severity"])


def in_band(name: str, score: float) -> bool:
    """Return whether a score is in the band of its level; `unmodelled` has no band."""
    low, high = SHIFT_LEVELS.get(name.partition("/")[2], (-math.inf, math.inf))
    return low <= score < high
