"""Timings, recommended ranges and shift families that several worlds share."""

from __future__ import annotations

from collections.abc import Mapping

from ..world import Timing
from .family import Family

# Each timing is fine enough for the motors and contacts of its worlds, no finer.
GYM_TIMING = Timing(timestep=0.0165 / 4, substeps=4, solver_iterations=5)
WHY_GYM_TIMING = (
    "That of PyBullet's own Gym worlds, so that returns compare; more iterations change little."
)
CAR_TIMING = Timing(timestep=1 / 100, substeps=5, solver_iterations=30)
WHY_CAR_TIMING = (
    "From 30 iterations on the servo turns scrubbing tyres at its own rate (with 10 one side "
    "lags), and tyres hardly sink in; the error is that of tyres that slide, whatever is chosen."
)

# Lost beams of the LiDAR read 10 m, so few are lost.
CAR_RANGES: Mapping[str, str] = {
    "tyre_friction": "* loguniform(0.6, 1.4)",
    "chassis_mass": "* uniform(0.8, 1.4)",
    "motor_strength": "* uniform(0.85, 1.15)",
    "steering_gain": "* uniform(0.9, 1.1)",
    "steering_offset": "= uniform(-0.02, 0.02)",
    "steering_rate": "* loguniform(0.6, 1.5)",
    "action_delay": "= uniform(0, 0.04)",
    "observation_delay": "= uniform(0, 0.02)",
    "lidar_noise": "= uniform(0, 0.03)",
    "lidar_dropout": "= uniform(0, 0.03)",
}
"""Recommended for all tasks of the car."""

RUNNER_RANGES: Mapping[str, str] = {
    "mass_scale": "* loguniform(0.85, 1.2)",
    "payload": "= uniform(0, 0.2)",
    "motor_strength": "* uniform(0.85, 1.2)",
    "joint_damping": "= uniform(0, 0.2)",
    "joint_friction": "= uniform(0, 1)",
    "ground_friction": "* loguniform(0.7, 1.4)",
    "push_force": "= uniform(0, 30)",
    "action_delay": "= uniform(0, 0.005)",
    "observation_delay": "= uniform(0, 0.005)",
    "position_noise": "= uniform(0, 0.01)",
    "velocity_noise": "= uniform(0, 0.1)",
    "attitude_noise": "= uniform(0, 0.01)",
}
"""Recommended for the half cheetah and, with stronger pushes, for the ant."""

REACH_RANGES: Mapping[str, str] = {
    "motor_strength": "* loguniform(0.5, 1.3)",
    "velocity_gain": "* uniform(0.7, 1.2)",
    "motor_lag": "= uniform(0, 0.1)",
    "joint_damping": "* loguniform(0.3, 3)",
    "link_mass_scale": "* uniform(0.8, 1.25)",
    "payload_mass": "= uniform(0, 2)",
    "action_delay": "= uniform(0, 0.08)",
    "observation_delay": "= uniform(0, 0.04)",
    "position_noise": "= uniform(0, 0.01)",
    "velocity_noise": "= uniform(0, 0.05)",
}
"""Recommended for reaching with any arm."""

REACH_FAMILIES: Mapping[str, Family] = {
    "weak-motors": Family("dynamics", "drives with less torque", {"motor_strength": "* 0.2"}),
    "heavy-payload": Family(
        "dynamics",
        "a load near the arm's limit, on motors of less torque",
        {"payload_mass": "+ 5", "motor_strength": "* 0.4"},
    ),
    "slow-loop": Family(
        "actuation",
        "an overloaded controller",
        {"action_delay": "+ 0.15", "observation_delay": "+ 0.08"},
    ),
    "sluggish-drives": Family("actuation", "motors that follow late", {"motor_lag": "+ 0.8"}),
    "miscalibrated": Family("sensing", "encoders that are off", {"encoder_offset": "+ 0.12"}),
    "noisy-encoders": Family(
        "sensing", "worn joint sensors", {"position_noise": "+ 0.2", "velocity_noise": "+ 1"}
    ),
    "long-tool": Family(
        "kinematic", "a tool that the controller does not know of", {"tool_length": "+ 0.2"}
    ),
}
"""The shift families of reaching with any arm."""

REACH_UNMODELLED: Mapping[str, str] = {
    "tool_length": "* 1.2",
    "encoder_offset": "+ 0.04",
    "gravity": "* 1.2",
}
"""The unmodelled changes of reaching with any arm."""
