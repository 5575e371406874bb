"""A Unitree A1 walks straight ahead at a commanded speed."""

from __future__ import annotations

from ..world import Timing
from .entry import WorldEntry
from .family import Family

A1_WALK = WorldEntry(
    id="A1Walk-v0",
    robot=".robots.a1:A1",
    task=".tasks.walk:Walk",
    timing=Timing(timestep=1 / 160, substeps=5, solver_iterations=10),
    about="a Unitree A1 walks straight ahead at a commanded speed",
    why_timing=(
        "10 iterations or 50: the same 4 mm from a reference with 1/3000 s and 200, over 0.9 s "
        "of trotting; half the step would halve that, and two steps are too few to stand on."
    ),
    ranges={
        "payload_mass": "= uniform(0, 2)",
        "load_offset": "= uniform(-0.01, 0.01)",
        "inertia_scale": "* uniform(0.8, 1.25)",
        "motor_strength": "* uniform(0.9, 1.1)",
        "kp": "* uniform(0.9, 1.1)",
        "kd": "* uniform(0.8, 1.25)",
        "joint_damping": "= uniform(0, 0.02)",
        "joint_friction": "= uniform(0, 0.2)",
        "ground_friction": "* loguniform(0.6, 1.4)",
        "push_force": "= uniform(0, 50)",
        "action_delay": "= uniform(0, 0.01)",
        "observation_delay": "= uniform(0, 0.005)",
        "attitude_noise": "= uniform(0, 0.01)",
        "gyro_noise": "= uniform(0, 0.1)",
        "position_noise": "= uniform(0, 0.01)",
        "velocity_noise": "= uniform(0, 0.2)",
    },
    families={
        "slippery": Family("dynamics", "a wet floor", {"ground_friction": "* 0.07"}),
        "heavy-load": Family(
            "dynamics",
            "a load on a trunk that is itself heavier in front",
            {"payload_mass": "+ 10", "load_offset": "+ 0.06"},
        ),
        "pushes": Family("dynamics", "people in its way", {"push_force": "+ 250"}),
        "weak-motors": Family("actuation", "motors with less torque", {"motor_strength": "* 0.4"}),
        "slow-loop": Family("actuation", "an overloaded controller", {"action_delay": "+ 0.08"}),
        "stale-noisy-sensors": Family(
            "sensing",
            "slow and worn sensors",
            {"observation_delay": "+ 0.08", "gyro_noise": "+ 1.5", "velocity_noise": "+ 3"},
        ),
        "miscalibrated": Family(
            "sensing",
            "encoders and IMU that are off",
            {"joint_offset": "+ 0.1", "attitude_bias": "+ 0.1"},
        ),
        "long-legs": Family(
            "kinematic",
            "longer thighs and calves, and joints mounted with an offset",
            {"leg_length": "* 1.2", "joint_offset": "+ 0.05"},
        ),
    },
    unmodelled={
        "leg_length": "* 1.2",
        "gravity": "* 1.2",
        "restitution": "+ 0.18",
        "attitude_bias": "+ 0.04",
    },
)
