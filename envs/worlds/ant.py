"""A four-legged ant runs."""

from __future__ import annotations

from .common import GYM_TIMING, RUNNER_RANGES, WHY_GYM_TIMING
from .entry import WorldEntry
from .family import Family

ANT = WorldEntry(
    id="Ant-v0",
    robot=".robots.ant:Ant",
    task=".tasks.run:AntRun",
    timing=GYM_TIMING,
    about="a four-legged ant runs",
    why_timing=WHY_GYM_TIMING,
    ranges={**RUNNER_RANGES, "push_force": "= uniform(0, 100)"},
    families={
        "slippery": Family("dynamics", "a wet floor", {"ground_friction": "* 0.1"}),
        "heavy-load": Family("dynamics", "a load on the torso", {"payload": "+ 1.5"}),
        "weak-motors": Family("actuation", "motors with less torque", {"motor_strength": "* 0.2"}),
        "slow-loop": Family(
            "actuation",
            "an overloaded controller",
            {"action_delay": "+ 0.1", "observation_delay": "+ 0.06"},
        ),
        "miscalibrated": Family("sensing", "encoders that are off", {"encoder_offset": "+ 0.5"}),
        "noisy-sensors": Family(
            "sensing", "worn joint sensors", {"position_noise": "+ 0.2", "velocity_noise": "+ 5"}
        ),
        "short-shins": Family("kinematic", "shorter lower legs", {"shin_scale": "* 0.45"}),
    },
    unmodelled={
        "shin_scale": "* 0.8",
        "gravity": "* 1.2",
        "imu_tilt": "+ 0.1",
        "encoder_offset": "+ 0.1",
    },
)
