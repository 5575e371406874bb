"""Half a cheetah, a torso on two legs, runs."""

from __future__ import annotations

from .common import GYM_TIMING, RUNNER_RANGES, WHY_GYM_TIMING
from .entry import WorldEntry
from .family import Family

HALF_CHEETAH = WorldEntry(
    id="HalfCheetah-v0",
    robot=".robots.half_cheetah:HalfCheetah",
    task=".tasks.run:HalfCheetahRun",
    timing=GYM_TIMING,
    about="half a cheetah, a torso on two legs, runs",
    why_timing=WHY_GYM_TIMING,
    ranges=RUNNER_RANGES,
    families={
        "slippery": Family("dynamics", "a wet floor", {"ground_friction": "* 0.05"}),
        "heavy-load": Family("dynamics", "a load on the torso", {"payload": "+ 1.5"}),
        "weak-motors": Family("actuation", "motors with less torque", {"motor_strength": "* 0.3"}),
        "slow-loop": Family(
            "actuation",
            "an overloaded controller",
            {"action_delay": "+ 0.08", "observation_delay": "+ 0.04"},
        ),
        "miscalibrated": Family("sensing", "encoders that are off", {"encoder_offset": "+ 0.5"}),
        "noisy-sensors": Family(
            "sensing", "worn joint sensors", {"position_noise": "+ 0.2", "velocity_noise": "+ 5"}
        ),
        "long-shins": Family("kinematic", "longer shins", {"shin_scale": "* 1.6"}),
    },
    unmodelled={
        "shin_scale": "* 1.2",
        "gravity": "* 1.2",
        "imu_tilt": "+ 0.1",
        "encoder_offset": "+ 0.1",
    },
)
