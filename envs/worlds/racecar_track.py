"""An MIT racecar drives laps on random walled tracks by LiDAR."""

from __future__ import annotations

from .common import CAR_RANGES, CAR_TIMING, WHY_CAR_TIMING
from .entry import WorldEntry
from .family import Family

RACECAR_TRACK = WorldEntry(
    id="RacecarTrack-v0",
    robot=".robots.racecar:Racecar",
    task=".tasks.track:Track",
    timing=CAR_TIMING,
    about="an MIT racecar drives laps on random walled tracks by LiDAR",
    why_timing=WHY_CAR_TIMING,
    ranges=CAR_RANGES,
    families={
        "worn-tyres": Family(
            "dynamics", "smooth tyres on a dusty floor", {"tyre_friction": "* 0.2"}
        ),
        "heavy-load": Family(
            "dynamics",
            "a load over the rear axle, on worn tyres",
            {"chassis_mass": "* 3", "load_offset": "+ -0.1", "tyre_friction": "* 0.4"},
        ),
        "slow-steering": Family("actuation", "a tired servo", {"steering_rate": "* 0.04"}),
        "slow-loop": Family(
            "actuation",
            "an overloaded computer",
            {"action_delay": "+ 0.25", "observation_delay": "+ 0.15"},
        ),
        "misaligned": Family("actuation", "front wheels misaligned", {"steering_offset": "+ 0.4"}),
        "noisy-lidar": Family(
            "sensing",
            "a cheap sensor in sunlight",
            {"lidar_noise": "+ 0.5", "lidar_dropout": "+ 0.9"},
        ),
        "long-car": Family(
            "kinematic",
            "a longer car of less lock",
            {"wheelbase": "+ 0.4", "steering_gain": "* 0.5"},
        ),
    },
    unmodelled={
        "wheelbase": "* 1.2",
        "track_width": "* 0.8",
        "gravity": "* 0.8",
        "load_offset": "+ -0.02",
    },
)
