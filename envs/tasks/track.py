"""Track: drive laps on a random walled track."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

import numpy as np

from ..geometry.circuit import PIECES, WIDEST, Circuit, generate_circuit
from ..parameters import Parameter, applies
from ..robots.racecar import Racecar
from ..simulation import Simulation
from ..world import Camera, Judgement, Task

KERB = (0.14, 0.05, 0.1)  # m, half extents of the boxes that show a wall


class Track(Task):
    """Success: a full lap within the episode; a wall ends it.

    Every centre line is 22 m long, so the return, in metres driven along it, means the same on
    every track: 7.5 s at an average of 2.9 m/s make a lap.
    """

    weights: ClassVar[Mapping[str, float]] = {"progress": 1.0, "crash": -5.0}
    episode_steps: ClassVar[int] = 150

    def __init__(self, simulation: Simulation, robot: Racecar) -> None:
        super().__init__(simulation)
        self.robot = robot
        self.camera = Camera((0.0, 0.0, 0.0), 11.0, 0.0, -65.0)
        self._width = WIDEST
        self.circuit: Circuit | None = None
        self._piece = 0
        self._distance = self._driven = 0.0
        self._kerbs: list[int] = []
        if simulation.visual:
            colors = ((0.84, 0.37, 0.0, 1.0), (0.2, 0.2, 0.25, 1.0))
            self._kerbs = [simulation.marker(colors[k % 2], half=KERB) for k in range(2 * PIECES)]

    @applies(Parameter("track_width", "m", 1.5, 1.0, WIDEST, "from wall to wall"))
    def set_width(self, track_width: float) -> None:
        """Set how wide the next track is; its centre line does not depend on it."""
        self._width = track_width

    def reset(self, rng: np.random.Generator) -> None:
        """Draw a track, and put the car anywhere on it, about in the middle and in line."""
        circuit = generate_circuit(rng, self._width)
        piece = int(rng.integers(PIECES))
        x, y, heading = circuit.pose(piece)
        aside, askew = rng.uniform(-0.15, 0.15, 2).tolist()
        x, y = x - aside * math.sin(heading), y + aside * math.cos(heading)
        self.start(circuit, piece, (x, y, heading + askew))

    def start(self, circuit: Circuit, piece: int, pose: tuple[float, float, float]) -> None:
        """Put the car on a track at x, y (m) and yaw (rad), near a piece of its line."""
        self.robot.surroundings = self.circuit = circuit
        self.robot.place(*pose)
        self._piece, self._distance = circuit.project(*pose[:2], piece)
        self._driven = 0.0

    def judge(self) -> Judgement:
        """Reward metres along the centre line (negative backwards), and punish a crash."""
        robot, circuit = self.robot, self.circuit
        assert circuit is not None
        self._piece, distance = circuit.project(robot.x, robot.y, self._piece)
        progress = circuit.advance(self._distance, distance)
        self._distance = distance
        self._driven += progress
        terms = {"progress": progress, "crash": float(robot.touching)}
        return Judgement(terms, terminated=robot.touching, success=self._driven >= circuit.length)

    @property
    def covered(self) -> float:
        """Metres along the centre line so far."""
        return self._driven

    def show(self) -> None:
        """Line the walls with kerbs, and look at the whole track."""
        if self.circuit is None:
            return
        centre = self.circuit.centre
        x, y = (0.5 * (centre.min(axis=0) + centre.max(axis=0))).tolist()
        self.camera = replace(self.camera, target=(x, y - 0.4, 0.0))
        walls = np.concatenate((self.circuit.left, self.circuit.right))
        ways = np.concatenate(
            [np.roll(w, -1, axis=0) - np.roll(w, 1, axis=0) for w in np.split(walls, 2)]
        )
        headings = 0.5 * np.arctan2(ways[:, 1], ways[:, 0])
        for kerb, (x, y), half in zip(self._kerbs, walls.tolist(), headings.tolist(), strict=True):
            turn = (0.0, 0.0, math.sin(half), math.cos(half))
            self.simulation.place(kerb, (x, y, KERB[2]), turn)
