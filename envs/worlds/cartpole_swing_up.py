"""A cart swings up a pole and balances it."""

from __future__ import annotations

from ..world import Timing
from .entry import WorldEntry
from .family import Family

CARTPOLE_SWING_UP = WorldEntry(
    id="CartPoleSwingUp-v0",
    robot=".robots.cartpole:CartPole",
    task=".tasks.swing_up:SwingUp",
    timing=Timing(timestep=1 / 100, substeps=4, solver_iterations=10),
    about="a cart swings up a pole and balances it",
    why_timing=(
        "Nothing touches, so that iterations change nothing; each halving of the physics step "
        "halves the error."
    ),
    ranges={
        "cart_mass": "* loguniform(0.7, 1.5)",
        "pole_mass": "* loguniform(0.7, 1.5)",
        "rail_friction": "= uniform(0, 1)",
        "rail_damping": "= uniform(0, 1)",
        "hinge_damping": "= uniform(0, 0.01)",
        "motor_strength": "* uniform(0.8, 1.2)",
        "motor_lag": "= uniform(0, 0.03)",
        "action_delay": "= uniform(0, 0.03)",
        "observation_delay": "= uniform(0, 0.02)",
        "position_noise": "= uniform(0, 0.03)",
        "angle_noise": "= uniform(0, 0.03)",
        "gyro_noise": "= uniform(0, 0.2)",
    },
    families={
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
    unmodelled={
        "pole_length": "* 0.8",
        "gravity": "* 1.2",
        "slope": "+ 0.04",
        "angle_offset": "+ 0.24",
    },
)
