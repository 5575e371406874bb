"""Success that worlds report at times, and scales that are noise."""

from __future__ import annotations

import json

import pytest
from headstart.core.plain import to_json
from headstart.experiments.measuring import load_run
from headstart.experiments.showing.words.summary import summarize as describe_run

TARGET = "tired-arm"


def summarize(run):
    """Return the summary of a run as `summary.json` holds it."""
    return to_json(describe_run(run))


def rewrite(root, method, seed, change):
    """Change the lines of a trial's evaluations."""
    path = root / "trials" / TARGET / method / f"seed-{seed}" / "evaluations.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(change(line)) + "\n" for line in lines))


def test_an_evaluation_without_the_key_of_success_failed_where_others_have_it(tiny):
    assert summarize(load_run(tiny))["targets"][TARGET]["methods"]["scratch"]["success"] is None
    rewrite(tiny, "fine_tune", 0, lambda line: {**line, "success": 1.0})
    target = summarize(load_run(tiny))["targets"][TARGET]
    assert target["methods"]["fine_tune"]["success"]["end"]["per_seed"] == {"0": 1, "1": 0}
    assert target["methods"]["scratch"]["success"]["end"]["estimate"] == 0
    # 4 trials of 11 evaluations of 4 episodes, of which one trial tells.
    assert any("the 132 of 176 that ended without" in note for note in target["notes"])
    assert load_run(tiny).results["success"].notna().all()


def test_a_scale_smaller_than_the_noise_of_an_evaluation_is_none(tiny):
    # Random -120, reference -10: a scale of 110. Returns 110 apart in 2 episodes: a deviation of
    # 110 sqrt(2) / sqrt(2) = 110 of their mean, by which the scale is not larger.
    for method in ("scratch", "fine_tune"):
        for seed in (0, 1):
            rewrite(tiny, method, seed, lambda line: {**line, "returns": [0.0, 219.0]})
    assert summarize(load_run(tiny))["targets"][TARGET]["scored"]
    rewrite(tiny, "scratch", 0, lambda line: {**line, "returns": [0.0, 221.0]})
    rewrite(tiny, "scratch", 1, lambda line: {**line, "returns": [0.0, 221.0]})
    rewrite(tiny, "fine_tune", 0, lambda line: {**line, "returns": [0.0, 221.0]})
    target = summarize(load_run(tiny))["targets"][TARGET]
    assert not target["scored"]
    assert target["noise"] == pytest.approx(110.5)
    assert target["methods"]["scratch"]["scores"] is None
    assert "lies by less than the noise of one evaluation (110, the standard" in target["headline"]
