"""The families of shifts of every world, at their extremes; `shifts.py` says what they are."""

from __future__ import annotations

from ..shifts import Family

_REACH = {
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
        "kinematic", "a tool the controller was not told of", {"tool_length": "+ 0.2"}
    ),
}

FAMILIES: dict[str, dict[str, Family]] = {
    "headstart/CartPoleSwingUp-v0": {
        "heavy-pole": Family("dynamics", "a heavier pole", {"pole_mass": "* 40"}),
        "sticky-rail": Family(
            "dynamics", "a dirty rail", {"rail_friction": "+ 6", "rail_damping": "+ 6"}
        ),
        "weak-motor": Family("actuation", "a motor that gives less", {"motor_strength": "* 0.2"}),
        "slow-loop": Family(
            "actuation",
            "an overloaded controller",
            {"action_delay": "+ 0.16", "observation_delay": "+ 0.08"},
        ),
        "miscalibrated": Family("sensing", "an encoder that is off", {"angle_offset": "+ 1.2"}),
        "noisy-sensors": Family(
            "sensing", "worn sensors", {"angle_noise": "+ 1", "gyro_noise": "+ 8"}
        ),
        "short-pole": Family("kinematic", "a shorter pole", {"pole_length": "* 0.3"}),
    },
    "headstart/PandaReach-v0": _REACH,
    # Its motors are three times the Panda's.
    "headstart/KukaReach-v0": {
        **_REACH,
        "weak-motors": Family("dynamics", "drives with less torque", {"motor_strength": "* 0.05"}),
        "heavy-payload": Family(
            "dynamics",
            "a load near the arm's limit, on motors of less torque",
            {"payload_mass": "+ 5", "motor_strength": "* 0.1"},
        ),
    },
    "headstart/PandaPush-v0": {
        "slippery-puck": Family(
            "dynamics", "an oiled table", {"puck_friction": "* 0.15", "ball_friction": "+ -0.3"}
        ),
        "heavy-puck": Family(
            "dynamics",
            "a puck of six times the mass that sticks",
            {"puck_mass": "* 6", "puck_friction": "* 2.5"},
        ),
        "slow-loop": Family(
            "actuation",
            "an overloaded controller",
            {"action_delay": "+ 0.2", "observation_delay": "+ 0.2"},
        ),
        "sluggish-drives": Family(
            "actuation", "motors that follow late", {"motor_lag": "+ 0.8", "velocity_gain": "* 0.5"}
        ),
        "askew-camera": Family(
            "sensing",
            "a camera that was not calibrated",
            {"camera_offset": "+ 0.08", "camera_turn": "+ 0.2"},
        ),
        "poor-camera": Family(
            "sensing",
            "a slow and noisy camera",
            {"puck_noise": "+ 0.05", "puck_delay": "+ 0.4", "puck_dropout": "+ 0.8"},
        ),
        "peg-askew": Family("kinematic", "a peg mounted sideways", {"peg_offset": "+ 0.1"}),
    },
    "headstart/Hopper-v0": {
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
    "headstart/HalfCheetah-v0": {
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
    "headstart/Ant-v0": {
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
    "headstart/RacecarTrack-v0": {
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
        "misaligned": Family("actuation", "front wheels askew", {"steering_offset": "+ 0.4"}),
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
    "headstart/RacecarAvoid-v0": {
        "worn-tyres": Family(
            "dynamics", "smooth tyres on a dusty floor", {"tyre_friction": "* 0.07"}
        ),
        "slow-steering": Family("actuation", "a tired servo", {"steering_rate": "* 0.04"}),
        "slow-loop": Family(
            "actuation",
            "an overloaded computer",
            {"action_delay": "+ 0.3", "observation_delay": "+ 0.2"},
        ),
        "misaligned": Family("actuation", "front wheels askew", {"steering_offset": "+ 0.4"}),
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
    "headstart/RacecarPark-v0": {
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
        "misaligned": Family("actuation", "front wheels askew", {"steering_offset": "+ 0.4"}),
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
    "headstart/A1Walk-v0": {
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
            "longer thighs and calves, and joints mounted askew",
            {"leg_length": "* 1.2", "joint_offset": "+ 0.05"},
        ),
    },
}
"""By world and name."""

UNMODELLED_CHANGES: dict[str, dict[str, str]] = {
    "headstart/CartPoleSwingUp-v0": {
        "pole_length": "* 0.8",
        "gravity": "* 1.2",
        "slope": "+ 0.04",
        "angle_offset": "+ 0.24",
    },
    "headstart/PandaReach-v0": {
        "tool_length": "* 1.2",
        "encoder_offset": "+ 0.04",
        "gravity": "* 1.2",
    },
    "headstart/Hopper-v0": {
        "leg_length": "* 1.2",
        "gravity": "* 1.2",
        "imu_tilt": "+ 0.1",
        "encoder_offset": "+ 0.1",
    },
    "headstart/HalfCheetah-v0": {
        "shin_scale": "* 1.2",
        "gravity": "* 1.2",
        "imu_tilt": "+ 0.1",
        "encoder_offset": "+ 0.1",
    },
    "headstart/Ant-v0": {
        "shin_scale": "* 0.8",
        "gravity": "* 1.2",
        "imu_tilt": "+ 0.1",
        "encoder_offset": "+ 0.1",
    },
    "headstart/KukaReach-v0": {
        "tool_length": "* 1.2",
        "encoder_offset": "+ 0.04",
        "gravity": "* 1.2",
    },
    "headstart/PandaPush-v0": {
        "ball_radius": "* 0.8",
        "camera_offset": "+ 0.02",
        "link_mass_scale": "* 1.2",
        "gravity": "* 1.2",
    },
    "headstart/RacecarAvoid-v0": {
        "wheelbase": "* 1.2",
        "load_offset": "+ 0.02",
        "obstacle_radius": "* 1.2",
    },
    "headstart/RacecarPark-v0": {
        "wheelbase": "* 1.2",
        "position_bias": "+ 0.06",
        "heading_bias": "+ 0.06",
        "bay_width": "* 0.8",
    },
    "headstart/A1Walk-v0": {
        "leg_length": "* 1.2",
        "gravity": "* 1.2",
        "restitution": "+ 0.18",
        "attitude_bias": "+ 0.04",
    },
    "headstart/RacecarTrack-v0": {
        "wheelbase": "* 1.2",
        "track_width": "* 0.8",
        "gravity": "* 0.8",
        "load_offset": "+ -0.02",
    },
}
"""Parameters that the recommended randomization (`ranges.py`) leaves out, off by 20 % of their
nominals, or of their upper bound where that is 0."""
