"""A Franka Panda pushes a puck over a table to a random goal."""

from __future__ import annotations

from ..world import Timing
from .entry import WorldEntry
from .family import Family

PANDA_PUSH = WorldEntry(
    id="PandaPush-v0",
    robot=".robots.panda_pusher:PandaPusher",
    task=".tasks.push:Push",
    timing=Timing(timestep=1 / 100, substeps=4, solver_iterations=50),
    about="a Franka Panda pushes a puck over a table to a random goal",
    why_timing=(
        "After 4 s of pushing the puck is 4 mm from where 1/1600 s and 200 iterations have it "
        "(20 iterations: 9 mm); at rest it creeps by 0.03 mm."
    ),
    ranges={
        "puck_mass": "* loguniform(0.7, 1.5)",
        "puck_friction": "* loguniform(0.7, 1.5)",
        "ball_friction": "= uniform(0.15, 0.45)",
        "motor_strength": "* loguniform(0.7, 1.3)",
        "velocity_gain": "* uniform(0.85, 1.15)",
        "motor_lag": "= uniform(0, 0.05)",
        "joint_damping": "* loguniform(0.5, 2)",
        "action_delay": "= uniform(0, 0.04)",
        "puck_delay": "= uniform(0, 0.04)",
        "puck_noise": "= uniform(0, 0.003)",
        "puck_dropout": "= uniform(0, 0.1)",
        "knock": "= uniform(0, 0.1)",
    },
    families={
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
    unmodelled={
        "ball_radius": "* 0.8",
        "camera_offset": "+ 0.02",
        "link_mass_scale": "* 1.2",
        "gravity": "* 1.2",
    },
)
