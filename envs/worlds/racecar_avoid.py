"""An MIT racecar drives down a road between standing and moving obstacles."""

from __future__ import annotations

from .common import CAR_RANGES, CAR_TIMING, WHY_CAR_TIMING
from .entry import WorldEntry
from .family import Family

RACECAR_AVOID = WorldEntry(
    id="RacecarAvoid-v0",
    robot=".robots.racecar:Racecar",
    task=".tasks.avoid:Avoid",
    timing=CAR_TIMING,
    about="an MIT racecar drives down a road between standing and moving obstacles",
    why_timing=WHY_CAR_TIMING,
    ranges={**CAR_RANGES, "obstacle_speed": "* uniform(0.5, 1.5)"},
    families={
        "worn-tyres": Family(
            "dynamics", "smooth tyres on a dusty floor", {"tyre_friction": "* 0.07"}
        ),
        "slow-steering": Family("actuation", "a tired servo", {"steering_rate": "* 0.04"}),
        "slow-loop": Family(
            "actuation",
            "an overloaded computer",
            {"action_delay": "+ 0.3", "observation_delay": "+ 0.2"},
        ),
        "misaligned": Family("actuation", "front wheels misaligned", {"steering_offset": "+ 0.4"}),
        "noisy-lidar": Family(
            "sensing",
            "a cheap sensor in sunlight",
            {"lidar_noise": "+ 0.5", "lidar_dropout": "+ 0.9"},
        ),
        "long-car": Family(
            "actuation",
            "a servo too slow for a longer car (which alone does no harm)",
            {"wheelbase": "+ 0.4", "steering_rate": "* 0.1"},
        ),
        "traffic": Family(
            "task", "fast obstacles", {"obstacle_speed": "+ 2.5", "moving_share": "+ 0.5"}
        ),
    },
    unmodelled={
        "wheelbase": "* 1.2",
        "load_offset": "+ 0.02",
        "obstacle_radius": "* 1.2",
    },
)
