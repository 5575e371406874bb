"""An MIT racecar parks in a free bay, nose first or tail first."""

from __future__ import annotations

from .common import CAR_RANGES, CAR_TIMING, WHY_CAR_TIMING
from .entry import WorldEntry
from .family import Family

RACECAR_PARK = WorldEntry(
    id="RacecarPark-v0",
    robot=".robots.parking_car:ParkingCar",
    task=".tasks.park:Park",
    timing=CAR_TIMING,
    about="an MIT racecar parks in a free bay, nose first or tail first",
    why_timing=WHY_CAR_TIMING,
    ranges={
        **CAR_RANGES,
        # All is near there, where beams are seldom lost.
        "lidar_dropout": "= uniform(0, 0.005)",
        "position_noise": "= uniform(0, 0.02)",
        "heading_noise": "= uniform(0, 0.02)",
        "locating_delay": "= uniform(0, 0.05)",
    },
    families={
        "weak-motor": Family(
            "dynamics",
            "a flat battery",
            {"motor_strength": "* 0.2", "rolling_resistance": "+ 0.27"},
        ),
        "slow-steering": Family("actuation", "a tired servo", {"steering_rate": "* 0.04"}),
        "slow-loop": Family(
            "actuation",
            "an overloaded computer",
            {"action_delay": "+ 0.3", "observation_delay": "+ 0.3", "locating_delay": "+ 0.5"},
        ),
        "misaligned": Family("actuation", "front wheels misaligned", {"steering_offset": "+ 0.4"}),
        "poor-locating": Family(
            "sensing",
            "a locating system that is off",
            {"position_bias": "+ 0.3", "heading_bias": "+ 0.3"},
        ),
        "noisy-sensors": Family(
            "sensing",
            "a noisy locating system and LiDAR",
            {"position_noise": "+ 0.3", "heading_noise": "+ 0.3", "lidar_noise": "+ 0.5"},
        ),
        "long-wheelbase": Family(
            "kinematic",
            "a longer car of less lock",
            {"wheelbase": "+ 0.3", "steering_gain": "* 0.8"},
        ),
    },
    unmodelled={
        "wheelbase": "* 1.2",
        "position_bias": "+ 0.06",
        "heading_bias": "+ 0.06",
        "bay_width": "* 0.8",
    },
)
