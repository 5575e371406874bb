"""Named target shifts: families of fixed changes, each at three measured levels of severity.

A family leads from the nominal world (severity 0) to an extreme (severity 1). A shift is a place on
that way: `worn-tyres/moderate`, or `worn-tyres/0.3` for a severity of one's own choosing. Where the
levels lie follows from how a policy trained in the nominal world fares there, zero-shot; `headstart
bench shifts` finds and measures them, and `shifts.json` holds what it found.
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
"""The score that a nominal policy keeps, zero-shot, at each level: at least, and less than."""

UNMODELLED = "unmodelled"
"""The shift whose parameters no recommended randomization holds, each off by 20 %."""

MEASURED_SHIFTS = Path(__file__).with_name("shifts.json")
"""What `headstart bench shifts` measured: see `measurements`."""


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
    """Return how nominal policies fared, zero-shot, on a world's shifts; None if not measured.

    `policies` says what was evaluated and how; `nominal` and each entry of `shifts` (by name, such
    as "worn-tyres/mild") hold the `changes`, the `random` policy's return there, the policies'
    `returns`, the `score` (1 is the policies' return in the nominal world, 0 random actions on
    that very shift) with its 95 % `interval`, and the `success` rate.
    """
    return _measured().get(world)


def stored_anchors(world: str, shift: str | Mapping[str, Any]) -> dict[str, float] | None:
    """Return the `random` and the `reference` return that are stored for a world under a shift.

    `random` is what random actions get under that very shift, `reference` what the nominal policies
    get in the nominal world, so that a score of 1 says: as good as at home. None for a world or a
    shift that is not measured: only levels and `unmodelled` are, and the world without a shift.
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
    """Return the names of a world's shifts: each family at each level, and `unmodelled`."""
    names = [f"{family}/{level}" for family in families(world) for level in SHIFT_LEVELS]
    return [*names, UNMODELLED] if unmodelled(world) else names


def shift_changes(world: str, shift: str | Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the changes of a named shift of `world`, or `shift` itself if it is a mapping.

    A name is `family/level`, `family/severity` with a number in [0, 1], or `unmodelled`.

    Raises:
        HeadstartError: the world has no such family, level or severity; names the nearest.
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
    """Return the severity of a level, or of a number in [0, 1] written out."""
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
    """Say whether a shift's score is what its level promises; `unmodelled` promises nothing."""
    low, high = SHIFT_LEVELS.get(name.partition("/")[2], (-math.inf, math.inf))
    return low <= score < high
