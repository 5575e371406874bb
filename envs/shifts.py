"""Named target shifts: fixed changes that turn a world of the catalog into a target."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import HeadstartError, nearest


@dataclass(frozen=True)
class Shift:
    """Constant changes by parameter, in the text form of `changes.py`, and what they stand for."""

    changes: Mapping[str, str]
    about: str


SHIFTS: dict[str, dict[str, Shift]] = {
    "headstart/PandaReach-v0": {
        "weak-motors": Shift({"motor_strength": "* 0.25"}, "drives with a quarter of the torque"),
        "heavy-payload": Shift(
            {"payload_mass": "= 4.5", "motor_strength": "* 0.6"}, "a load near the arm's limit"
        ),
        "long-tool": Shift({"tool_length": "+ 0.08"}, "a tool that the controller was not told of"),
        "slow-loop": Shift(
            {"action_delay": "= 0.08", "observation_delay": "= 0.04"}, "an overloaded controller"
        ),
        "sluggish-drives": Shift({"motor_lag": "= 0.25"}, "motors that follow late"),
        "miscalibrated": Shift({"encoder_offset": "= 0.06"}, "encoders off by 3.4 degrees"),
        "noisy-encoders": Shift(
            {"position_noise": "= 0.06", "velocity_noise": "= 0.3"}, "worn joint sensors"
        ),
    },
    "headstart/RacecarTrack-v0": {
        "worn-tyres": Shift({"tyre_friction": "* 0.4"}, "smooth tyres on a dusty floor"),
        "heavy-load": Shift(
            {"chassis_mass": "* 3", "load_offset": "= -0.1", "tyre_friction": "* 0.7"},
            "three times the mass, over the rear axle",
        ),
        "slow-steering": Shift({"steering_rate": "= 0.7"}, "a tired servo"),
        "misaligned": Shift({"steering_offset": "= 0.18"}, "front wheels 10 degrees askew"),
        "noisy-lidar": Shift(
            {"lidar_noise": "= 0.4", "lidar_dropout": "= 0.4"}, "a cheap sensor in sunlight"
        ),
        "slow-loop": Shift(
            {"action_delay": "= 0.12", "observation_delay": "= 0.06"}, "an overloaded computer"
        ),
    },
}


MEASURED = Path(__file__).with_name("shifts.json")
"""What `headstart bench shifts` measured: see `measurements`."""


def measurements(world: str) -> dict[str, Any] | None:
    """Return how nominal policies fared, zero-shot, on the world's shifts; None if not measured.

    `shifts` maps each shift (and "nominal") to the `random` policy's return there and the
    `returns` of the policies, one per seed.
    """
    found: dict[str, Any] | None = json.loads(MEASURED.read_text(encoding="utf-8")).get(world)
    return found


def zero_shot_score(measured: Mapping[str, Any], shift: str) -> float:
    """Return the nominal policies' mean score on a shift.

    0 is what random actions get on that shift, 1 what the policies get in the nominal world.
    """
    rows = measured["shifts"]
    best, here = (
        sum(row["returns"]) / len(row["returns"]) for row in (rows["nominal"], rows[shift])
    )
    random = rows[shift]["random"]
    return float((here - random) / (best - random))


def shift_changes(world: str, shift: str | Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the changes of a named shift of `world`, or `shift` itself if it is a mapping.

    Raises:
        HeadstartError: the world has no shift of this name; names the nearest.
    """
    if not isinstance(shift, str):
        return shift
    known = SHIFTS.get(world, {})
    if shift not in known:
        raise HeadstartError(f"world '{world}' has no shift '{shift}'{nearest(shift, known)}")
    return known[shift].changes
