"""The randomization recommended for each world: ranges of what is uncertain on a real robot.

What is left out here (lengths and shapes, offsets of sensors) stays unmodelled, so that shifts can
be hidden from the randomization.
"""

from __future__ import annotations

RANGES: dict[str, dict[str, str]] = {
    "headstart/PandaReach-v0": {
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
    },
    "headstart/RacecarTrack-v0": {
        "tyre_friction": "* loguniform(0.5, 1.5)",
        "chassis_mass": "* uniform(0.8, 1.5)",
        "motor_strength": "* uniform(0.8, 1.2)",
        "steering_gain": "* uniform(0.85, 1.15)",
        "steering_offset": "= uniform(-0.03, 0.03)",
        "steering_rate": "* loguniform(0.5, 1.5)",
        "action_delay": "= uniform(0, 0.08)",
        "observation_delay": "= uniform(0, 0.04)",
        "lidar_noise": "= uniform(0, 0.1)",
        "lidar_dropout": "= uniform(0, 0.1)",
    },
}
"""Changes by parameter, in the text form of `changes.py`."""
