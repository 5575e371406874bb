"""How levels of shifts are found and measured, by a policy whose score falls in a straight line."""

import pytest
from headstart.core.errors import HeadstartError
from headstart.envs.shifts import families, unmodelled
from headstart.experiments.bench import shifts
from rich.progress import Progress

WORLD = "headstart/Hopper-v0"


class Straight:
    """In place of a calibration: a score of 1 - severity of "slippery", 1 anywhere else."""

    def __init__(self, world_id, policies, episodes, first_seed):
        self.bundles, self.seeds = [], range(first_seed, first_seed + episodes)
        self.nominal = {"random": 0.0, "returns": [1.0], "success": None}
        self.scores = {
            tuple(families(world_id)["slippery"].at(k / 1000).items()): 1 - k / 1000
            for k in range(1001)
        }

    def measure(self, changes):
        return {"score": self.scores.get(tuple(changes.items()), 1.0), "random": 0.0}

    levels = shifts.Calibration.levels


@pytest.fixture
def calibrate(monkeypatch):
    monkeypatch.setattr(shifts, "Calibration", Straight)
    return lambda **options: shifts.calibrate(WORLD, [], 5, Progress(), **options)


def test_levels_are_found_on_other_episodes_than_they_are_measured_on(calibrate):
    entry = calibrate()
    assert entry["first_seed"] == shifts.FIRST_SEED
    rows = entry["shifts"]
    for level, aim in shifts.AIMS.items():
        row = rows[f"slippery/{level}"]
        assert abs(row["score"] - aim) <= shifts.CLOSE[level]
        assert row["changes"] == families(WORLD)["slippery"].at(row["severity"])
        assert (row["search_seed"], row["search_episodes"]) == (shifts.SEARCH_SEED, 5)
    # What harms nothing is at its extreme.
    assert rows["heavy-load/mild"]["severity"] == 1.0
    assert rows["unmodelled"]["changes"] == unmodelled(WORLD)
    assert len(rows) == 3 * len(families(WORLD)) + 1


def test_some_families_are_measured_anew_and_the_others_stay(calibrate):
    earlier = calibrate()
    for row in earlier["shifts"].values():
        row["mark"] = True
    entry = calibrate(only=["slippery"], earlier=earlier)
    fresh = {name for name, row in entry["shifts"].items() if "mark" not in row}
    assert fresh == {"slippery/mild", "slippery/moderate", "slippery/severe", "unmodelled"}
    with pytest.raises(HeadstartError, match="measured with other episodes: measure all"):
        calibrate(only=["slippery"], earlier={**earlier, "episodes": 6})
    with pytest.raises(HeadstartError, match="no family 'slipery'; did you mean 'slippery'"):
        calibrate(only=["slipery"], earlier=earlier)


def test_levels_can_be_kept(calibrate):
    earlier = calibrate()
    earlier["shifts"]["slippery/mild"]["severity"] = 0.3
    kept = calibrate(earlier=earlier, keep=True)["shifts"]["slippery/mild"]
    assert kept["severity"] == 0.3
    assert kept["changes"] == families(WORLD)["slippery"].at(0.3)
    with pytest.raises(HeadstartError, match=r"no levels of 'slippery' to keep: measure it with"):
        calibrate(keep=True)
