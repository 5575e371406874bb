"""The sensors and commands of an A1, and its attitude from a quaternion."""

from __future__ import annotations

import math

from ..parameters import Parameter
from ..sensing import Channel, Command
from .a1_model import LEGS

Quaternion = tuple[float, float, float, float]

STANCE = (0.0, 0.8, -1.6) * 4  # rad: hip, thigh and calf of every leg; the feet are under the hips
STANCE_SWING = (0.25, 0.6, 0.6) * 4  # rad, the greatest commands either way
A1_OBSERVATION_DELAY = Parameter(
    "observation_delay", "s", 0.0, 0.0, 0.12, "age of what all sensors report"
)

CHANNELS = (
    Channel(
        "attitude",
        3,
        "rad",
        -math.pi,
        math.pi,
        "roll, pitch, and yaw since the start, as the inertial unit estimates them",
        noise=Parameter("attitude_noise", "rad", 0.0, 0.0, 0.2, "attitude's noise (std)"),
        bias=Parameter("attitude_bias", "rad", 0.0, -0.2, 0.2, "attitude's offset"),
        delay=A1_OBSERVATION_DELAY,
        angle=True,
    ),
    Channel(
        "turn_rates",
        3,
        "rad/s",
        -50.0,
        50.0,
        "angular velocity in the trunk's frame",
        noise=Parameter("gyro_noise", "rad/s", 0.0, 0.0, 2.0, "gyroscope's noise (std)"),
        delay=A1_OBSERVATION_DELAY,
    ),
    Channel(
        "joint_positions",
        12,
        "rad",
        -math.pi * 1.5,
        math.pi * 1.5,
        "joint angles as the encoders report them",
        noise=Parameter("position_noise", "rad", 0.0, 0.0, 0.2, "encoder noise (std)"),
        delay=A1_OBSERVATION_DELAY,
    ),
    Channel(
        "joint_velocities",
        12,
        "rad/s",
        -100.0,
        100.0,
        "joint velocities",
        noise=Parameter("velocity_noise", "rad/s", 0.0, 0.0, 5.0, "their noise (std)"),
        delay=A1_OBSERVATION_DELAY,
    ),
    Channel(
        "contacts", 4, "1", 0.0, 1.0, "whether a foot is loaded (1)", delay=A1_OBSERVATION_DELAY
    ),
    Channel("last_action", 12, "1", -1.0, 1.0, "joint targets as last commanded"),
)
COMMANDS = tuple(
    Command(
        f"{leg}_{joint}",
        "rad",
        STANCE[i] - STANCE_SWING[i],
        STANCE[i] + STANCE_SWING[i],
        f"target of the {leg} leg's {joint} joint",
    )
    for leg in LEGS
    for i, joint in enumerate(("hip", "thigh", "calf"))
)


def attitude(
    turn: Quaternion, axes: Quaternion, spin: tuple[float, float, float]
) -> tuple[float, float, float, float, tuple[float, float, float]]:
    """Return roll, pitch, yaw (rad), the trunk's uprightness and its angular rates.

    `turn` is how the trunk's principal axes, of which PyBullet speaks, are turned in the world,
    `axes` how they are in the trunk; `spin` is the angular velocity (rad/s) in the world, the
    rates are in the trunk's frame.
    """
    # Back from the principal axes to the trunk's: times the inverse of their turn.
    x, y, z, w = turn
    a, b, c, d = axes
    x, y, z, w = (
        x * d - w * a - y * c + z * b,
        y * d - w * b - z * a + x * c,
        z * d - w * c - x * b + y * a,
        w * d + x * a + y * b + z * c,
    )
    xx, yy, zz, xy, xz, yz = x * x, y * y, z * z, x * y, x * z, y * z
    xw, yw, zw = x * w, y * w, z * w
    m00, m10, m20 = 1 - 2 * (yy + zz), 2 * (xy + zw), 2 * (xz - yw)
    m01, m11, m21 = 2 * (xy - zw), 1 - 2 * (xx + zz), 2 * (yz + xw)
    m02, m12, m22 = 2 * (xz + yw), 2 * (yz - xw), 1 - 2 * (xx + yy)
    p, q, r = spin
    rates = (
        m00 * p + m10 * q + m20 * r,
        m01 * p + m11 * q + m21 * r,
        m02 * p + m12 * q + m22 * r,
    )
    pitch = math.asin(max(-1.0, min(1.0, -m20)))
    return math.atan2(m21, m22), pitch, math.atan2(m10, m00), m22, rates
