"""A one-legged hopper runs."""

from __future__ import annotations

from .common import GYM_TIMING, WHY_GYM_TIMING
from .entry import WorldEntry
from .family import Family

HOPPER = WorldEntry(
    id="Hopper-v0",
    robot=".robots.hopper:Hopper",
    task=".tasks.run:HopperRun",
    timing=GYM_TIMING,
    about="a one-legged hopper runs",
    why_timing=WHY_GYM_TIMING,
    ranges={
        "mass_scale": "* loguniform(0.8, 1.25)",
        "payload": "= uniform(0, 0.3)",
        "motor_strength": "* uniform(0.7, 1.2)",
        "joint_damping": "= uniform(0, 0.5)",
        "joint_friction": "= uniform(0, 2)",
        "ground_friction": "* loguniform(0.6, 1.6)",
        "push_force": "= uniform(0, 50)",
        "action_delay": "= uniform(0, 0.02)",
        "observation_delay": "= uniform(0, 0.01)",
        "position_noise": "= uniform(0, 0.02)",
        "velocity_noise": "= uniform(0, 0.2)",
        "attitude_noise": "= uniform(0, 0.02)",
    },
    families={
        "slippery": Family("dynamics", "a wet floor", {"ground_friction": "* 0.2"}),
        "heavy-load": Family("dynamics", "a load on the torso", {"payload": "+ 1.5"}),
        "headwind": Family("dynamics", "wind against running", {"head_wind": "+ 80"}),
        "weak-motors": Family("actuation", "motors with less torque", {"motor_strength": "* 0.3"}),
        "slow-loop": Family(
            "actuation",
            "an overloaded controller",
            {"action_delay": "+ 0.08", "observation_delay": "+ 0.04"},
        ),
        "miscalibrated": Family("sensing", "encoders that are off", {"encoder_offset": "+ 0.4"}),
        "noisy-sensors": Family(
            "sensing", "worn joint sensors", {"position_noise": "+ 0.2", "velocity_noise": "+ 4"}
        ),
        "long-leg": Family("kinematic", "a longer leg", {"leg_length": "+ 0.15"}),
    },
    unmodelled={
        "leg_length": "* 1.2",
        "gravity": "* 1.2",
        "imu_tilt": "+ 0.1",
        "encoder_offset": "+ 0.1",
    },
)
