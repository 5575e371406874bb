"""A KUKA LBR iiwa brings its tool's tip to a random goal and keeps it there."""

from __future__ import annotations

from ..world import Timing
from .common import REACH_FAMILIES, REACH_RANGES, REACH_UNMODELLED
from .entry import WorldEntry
from .family import Family

KUKA_REACH = WorldEntry(
    id="KukaReach-v0",
    robot=".robots.kuka:Kuka",
    task=".tasks.reach:Reach",
    timing=Timing(timestep=1 / 100, substeps=4, solver_iterations=50),
    about="a KUKA LBR iiwa brings its tool's tip to a random goal and keeps it there",
    why_timing="50 iterations keep the tip within 0.5 mm of 300; 20 do not (2 mm).",
    ranges=REACH_RANGES,
    families={
        **REACH_FAMILIES,
        # The motors are three times as strong as the Panda's, so it takes less of them to fail.
        "weak-motors": Family("dynamics", "drives with less torque", {"motor_strength": "* 0.05"}),
        "heavy-payload": Family(
            "dynamics",
            "a load near the arm's limit, on motors of less torque",
            {"payload_mass": "+ 5", "motor_strength": "* 0.1"},
        ),
    },
    unmodelled=REACH_UNMODELLED,
)
