"""The study of time steps compares what it says it does."""

import numpy as np
import pytest
from headstart.envs.world import Timing
from headstart.experiments.bench import timing
from headstart.experiments.bench.timing import HORIZON, Played, choices, play


def test_what_is_compared_begins_with_the_first_touch():
    touching = np.zeros((3, 30), bool)
    touching[1, 7:9] = touching[2, 25:] = True
    nothing = np.zeros((3, 30))
    compared = Played(nothing[..., None], nothing, nothing, touching).compared()
    assert np.flatnonzero(compared[0]).tolist() == list(range(HORIZON))  # nothing ever touches
    assert np.flatnonzero(compared[1]).tolist() == list(range(7, 7 + HORIZON))
    assert np.flatnonzero(compared[2]).tolist() == list(range(25, 30))


def test_half_once_and_twice_the_physics_steps_in_the_same_time():
    found = choices(Timing(0.01, 4, 30))
    assert {(t.substeps, t.timestep) for t in found} == {(2, 0.02), (4, 0.01), (8, 0.005)}
    assert {t.solver_iterations for t in found if t.substeps == 4} == {5, 10, 30, 50, 100}


def test_an_ant_has_landed_in_what_is_played():
    played = play("headstart/Ant-v0", Timing(0.0165 / 4, 4, 5), 1)
    assert not played.touching[0, :10].any()
    assert played.touching[0].any()
    assert np.nanmax(played.depths) > 0.0


def test_finer_steps_are_nearer_to_the_reference(monkeypatch):
    monkeypatch.setattr(timing, "REPETITIONS", 1)
    with timing.Progress(disable=True) as progress:
        found = timing.timing_study("headstart/CartPoleSwingUp-v0", 2, progress)
    errors = {
        row["substeps"]: row["error"] for row in found["rows"] if row["solver_iterations"] == 10
    }
    assert errors[8] < errors[4] < errors[2]
    assert errors[8] == pytest.approx(errors[4] / 2, rel=0.2)
