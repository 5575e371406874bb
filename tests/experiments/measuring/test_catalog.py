"""The table of metrics: each is where it says, once."""

from __future__ import annotations

import dataclasses

from headstart.experiments.measuring import catalog, load_run
from headstart.experiments.measuring.results import Aggregates, Gains, Scores
from headstart.experiments.measuring.summary import measure_run


def test_every_metric_is_found_where_it_says(tiny):
    target = measure_run(load_run(tiny)).targets["tired-arm"]
    found = {metric.key: metric.of(target.methods["fine_tune"]) for metric in catalog.METRICS}
    assert len(found) == len(catalog.METRICS)
    # Two seeds: starts of 0.5 and 0.7, scratch's of 0; ends of 1 and 0.9, scratch's 0.8 and 0.4.
    assert found["start_score"].per_seed == {0: 0.5, 1: 0.7}
    assert round(found["jump_start"].estimate, 9) == 0.6
    assert round(found["asymptotic_gain"].estimate, 9) == 0.35
    assert found["end_return"].estimate == -15.5
    assert found["time_to_threshold"].median == 10
    # Scratch has no gains over itself.
    assert catalog.JUMP_START.of(target.methods["scratch"]) is None


def test_gains_and_scores_of_the_records_are_all_in_the_table():
    named = {(metric.section, metric.name) for metric in catalog.METRICS}
    for section, record in (("gains", Gains), ("scores", Scores)):
        assert {(section, field.name) for field in dataclasses.fields(record)} <= named
    scores = {field.name for field in dataclasses.fields(Scores)}
    assert {metric.difference_of for metric in catalog.GAINS} == scores


def test_what_is_smaller_the_better_is_known():
    lower = [m.key for m in catalog.METRICS if m.better == "lower"]
    assert lower == ["time_to_threshold"]
    assert {one.statistic for one in catalog.AGGREGATES if one.better == "lower"} == {
        "optimality_gap"
    }
    statistics = {field.name for field in dataclasses.fields(Aggregates)}
    assert {one.statistic for one in catalog.AGGREGATES} == statistics


def test_judged_gains_are_those_of_the_verdict():
    assert [metric.title for metric in catalog.JUDGED] == [
        "jump-start",
        "asymptotic gain",
        "area gain",
    ]
