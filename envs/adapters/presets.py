"""Parameters of environments of other packages, by their ids without version."""

from __future__ import annotations

from typing import Any

from .handle import Declared

_CARTPOLE = "headstart.envs.adapters.presets:derive_cartpole"

PRESETS: dict[str, dict[str, Declared]] = {
    "CartPole": {
        "gravity": Declared("gravity", 4.0, 20.0, "m/s^2", "acceleration of free fall"),
        "masscart": Declared("masscart", 0.1, 10.0, "kg", "of the cart", _CARTPOLE),
        "masspole": Declared("masspole", 0.01, 2.0, "kg", "of the pole", _CARTPOLE),
        "length": Declared("length", 0.1, 2.0, "m", "half of the pole's", _CARTPOLE),
        "force_mag": Declared("force_mag", 2.0, 30.0, "N", "of a push"),
    },
    "Pendulum": {
        "g": Declared("g", 4.0, 20.0, "m/s^2", "acceleration of free fall"),
        "m": Declared("m", 0.2, 5.0, "kg", "of the pendulum"),
        "l": Declared("l", 0.3, 3.0, "m", "of the pendulum"),
        "max_torque": Declared("max_torque", 0.5, 6.0, "N m", "to which torques are clipped"),
    },
    "Acrobot": {
        "LINK_LENGTH_1": Declared("LINK_LENGTH_1", 0.3, 3.0, "m", "of the upper link"),
        "LINK_MASS_1": Declared("LINK_MASS_1", 0.2, 5.0, "kg", "of the upper link"),
        "LINK_MASS_2": Declared("LINK_MASS_2", 0.2, 5.0, "kg", "of the lower link"),
        "LINK_MOI": Declared("LINK_MOI", 0.2, 5.0, "kg m^2", "inertia of both links"),
    },
    "MountainCar": {
        "force": Declared("force", 0.0003, 0.005, "1", "speed gained per step"),
        "gravity": Declared("gravity", 0.0005, 0.01, "1", "speed lost per step, uphill"),
    },
    "MountainCarContinuous": {
        "power": Declared("power", 0.0003, 0.01, "1", "speed gained per step and action"),
    },
    "highway": {
        "vehicles_density": Declared(
            "config.vehicles_density", 0.2, 4.0, "1", "of the traffic", whole=False
        ),
        "vehicles_count": Declared("config.vehicles_count", 1, 60, "1", "other vehicles"),
    },
}
PRESETS["highway-fast"] = PRESETS["highway"]

MUJOCO: dict[str, Declared] = {
    "gravity": Declared("opt.gravity[2]", -25.0, -1.0, "m/s^2", "upwards"),
    "mass_scale": Declared("body_mass[*]", 0.2, 5.0, "1", "factor on all masses and inertias"),
    "friction_scale": Declared("geom_friction[*].0", 0.05, 3.0, "1", "factor on sliding friction"),
    "strength_scale": Declared("actuator_gear[*].0", 0.1, 2.0, "1", "factor on motors' gears"),
    "damping_scale": Declared("dof_damping[*]", 0.0, 10.0, "1", "factor on joints' damping"),
}
BULLET: dict[str, Declared] = {
    "object_mass": Declared("bullet.mass[object]", 0.05, 10.0, "kg", "of the object"),
    "object_friction": Declared(
        "bullet.lateral_friction[object]", 0.02, 3.0, "1", "of the object, times the table's"
    ),
    "table_friction": Declared(
        "bullet.lateral_friction[table]", 0.02, 3.0, "1", "of the table, times the object's"
    ),
}


def derive_cartpole(env: Any) -> None:
    """Set what Gymnasium's CartPole computes of its masses and length only once."""
    env.total_mass = env.masspole + env.masscart
    env.polemass_length = env.masspole * env.length
