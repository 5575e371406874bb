"""The benchmark of learning: what is trained, kept and said of it."""

import json
from io import StringIO

import pytest
from headstart.core.files import StoreError
from headstart.experiments.bench import training
from headstart.experiments.bench.training import Curve, compare_settings, training_table
from rich.console import Console

WORLD = "headstart/Hopper-v0"
SILENT = Console(quiet=True)


@pytest.fixture
def trained(monkeypatch):
    """Replace trainings by made-up ones: ours reaches 2,000 after 4 s, the peer's after 10."""
    done = []

    def learn(name, algorithm, world_id, seed, steps, limit):
        done.append((name, seed, steps, limit))
        seconds = [0.0, 2.0, 4.0, 8.0] if name == "headstart" else [0.0, 5.0, 10.0, 16.0]
        returns = [0.0, 1_000.0 + seed, 2_000.0, 2_500.0]
        return Curve(name, seed, seconds, [0, 100, 200, 400], returns)

    monkeypatch.setattr(training, "learn", learn)
    return done


def test_what_a_file_holds_is_not_trained_again(trained, tmp_path):
    out = tmp_path / "learned.json"
    first = compare_settings(WORLD, range(1), 400, 2.0, SILENT, out)
    # The peer may take 20 times our steps, and twice our 8 s.
    assert trained == [("headstart", 0, 400, float("inf")), ("RL Zoo", 0, 8_000, 16.0)]
    whole = compare_settings(WORLD, range(3), 400, 2.0, SILENT, out)
    assert [row[:2] for row in trained[2:]] == [
        ("headstart", 1), ("RL Zoo", 1), ("headstart", 2), ("RL Zoo", 2)
    ]  # fmt: skip
    assert whole["curves"][:2] == first["curves"]
    assert json.loads(out.read_text())[WORLD]["curves"] == whole["curves"]


def test_trainings_with_other_settings_are_not_taken_for_these(trained, tmp_path, monkeypatch):
    out = tmp_path / "learned.json"
    compare_settings(WORLD, range(1), 400, 2.0, SILENT, out)
    published, threshold = training.ZOO[WORLD]
    changed = {WORLD: ({**published, "gamma": 0.9}, threshold)}
    monkeypatch.setattr(training, "ZOO", changed)
    with pytest.raises(StoreError, match="with other settings;"):
        compare_settings(WORLD, range(1), 400, 2.0, SILENT, out)


def test_other_comparisons_in_the_file_are_kept(trained, tmp_path):
    out = tmp_path / "learned.json"
    compare_settings(WORLD, range(1), 400, 2.0, SILENT, out)
    with pytest.raises(StoreError, match=r"comparison of headstart/Hopper-v0 with other steps;"):
        compare_settings(WORLD, range(1), 500, 2.0, SILENT, out)
    assert len(trained) == 2
    compare_settings("headstart/HalfCheetah-v0", range(1), 500, 2.0, SILENT, out)
    assert set(json.loads(out.read_text())) == {WORLD, "headstart/HalfCheetah-v0"}


def test_the_table_says_how_much_sooner(trained):
    table = training_table(compare_settings(WORLD, range(3), 400, 2.0, SILENT))
    console = Console(width=120, record=True, file=StringIO())
    console.print(table)
    text = console.export_text()
    # 10 s against 4 s with every seed; 400 steps in 8 s, and in 16 s.
    said = " ".join(text.split())
    assert "times sooner, by seed: 2.5, 2.5, 2.5; mean 2.5 all equal. Last return higher" in said
    # Means of 1000 + seed, 2000 and 2500, for both alike.
    assert "Last return higher by 0 all equal" in said
    assert "1,834 (1,833 to 1,834)" in text
    ours, theirs = (line for line in text.splitlines() if "3/3" in line)
    assert [part.strip() for part in ours.split("│")[2:5]] == ["50", "3/3", "4"]
    assert [part.strip() for part in theirs.split("│")[2:5]] == ["25", "3/3", "10"]
