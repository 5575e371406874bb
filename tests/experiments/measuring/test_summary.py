"""Loading a run directory and summing it up: values by hand, faults listed or refused."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from headstart import __version__
from headstart.core.errors import HeadstartError
from headstart.core.plain import to_json
from headstart.experiments.config.yaml_text import dumps, loads
from headstart.experiments.measuring import RunError, load_run
from headstart.experiments.measuring.catalog import JUDGED
from headstart.experiments.measuring.estimates import estimate, within
from headstart.experiments.measuring.gains import gain_of
from headstart.experiments.measuring.results import (
    EndGain,
    Gain,
    Gains,
    MethodSummary,
    TimeToThreshold,
)
from headstart.experiments.measuring.runs import read_evaluations
from headstart.experiments.measuring.statistics import Comparison, Interval
from headstart.experiments.measuring.verdict import judge
from headstart.experiments.showing.words.methods_paragraph import methods_text
from headstart.experiments.showing.words.summary import summarize as describe_run
from headstart.experiments.showing.words.verdicts import describe_method


def summarize(run):
    """Return the summary of a run as `summary.json` holds it."""
    return to_json(describe_run(run))


TARGET = "tired-arm"


def test_metrics_of_a_run_by_hand(tiny):
    target = summarize(load_run(tiny))["targets"][TARGET]
    scratch, tuned = target["methods"]["scratch"], target["methods"]["fine_tune"]
    assert scratch["returns"]["start"]["per_seed"] == {"0": -120, "1": -120}
    # 10 after step 0, of which the last 3: 0.8 and 0.4; 1 and 0.9
    assert scratch["scores"]["end"]["per_seed"] == pytest.approx({"0": 0.8, "1": 0.4})
    gains = tuned["gains"]
    assert gains["jump_start"]["per_seed"] == pytest.approx({"0": 0.5, "1": 0.7})
    assert gains["jump_start"]["estimate"] == pytest.approx(0.6)
    assert gains["jump_start"]["kind"] == "paired t"
    # deviation 0.1414, over sqrt(2) 0.1, times 12.706
    assert gains["jump_start"]["low"] == pytest.approx(0.6 - 1.2706, abs=1e-4)
    assert gains["asymptotic"]["per_seed"] == pytest.approx({"0": 0.2, "1": 0.5})
    # trapezoids of width 1/10: 0.4 + 7 * 0.8 = 6 and 0.2 + 5 * 0.4 = 2.2
    assert scratch["scores"]["area"]["per_seed"] == pytest.approx({"0": 0.6, "1": 0.22})
    # 0.4 + 0.4 + 0.75 + 7 = 8.55 and 0.8 + 9 * 0.9 = 8.9
    assert tuned["scores"]["area"]["per_seed"] == pytest.approx({"0": 0.855, "1": 0.89})
    assert gains["area"]["estimate"] == pytest.approx((0.255 + 0.67) / 2)
    # ratio of means 0.8725 / 0.41; (0.8725 - 0.41) / (1 - 0.41)
    assert tuned["transfer_ratio"]["estimate"] == pytest.approx(0.8725 / 0.41)
    assert tuned["forward_transfer"]["estimate"] == pytest.approx(0.4625 / 0.59)
    assert tuned["dip"]["per_seed"] == pytest.approx({"0": 0.2, "1": 0})
    assert tuned["dip"]["recovery"] == {"0": 20, "1": 0}


def test_times_to_threshold_by_hand(tiny):
    target = summarize(load_run(tiny))["targets"][TARGET]
    scratch, tuned = target["methods"]["scratch"], target["methods"]["fine_tune"]
    assert scratch["time_to_threshold"]["per_seed"] == {"0": 30, "1": None}
    assert (scratch["time_to_threshold"]["reached"], scratch["time_to_threshold"]["n"]) == (1, 2)
    assert scratch["time_to_threshold"]["median"] == 30  # half of the seeds by step 30
    assert scratch["time_to_threshold"]["restricted_mean"]["estimate"] == 65  # (30 + 100) / 2
    assert tuned["time_to_threshold"]["per_seed"] == {"0": 30, "1": 10}
    # median 10 with the source's 100,000 steps; 100,000 / (30 - 10) = 5,000 targets
    assert tuned["total_time"]["in_full"]["median"] == 100_010
    assert tuned["total_time"]["break_even"] == {"targets": 5_000, "at_most": False}
    assert scratch["total_time"]["source_steps"] == 0
    assert scratch["total_time"]["break_even"] is None


def test_retention_and_zero_shot_gap(make_run):
    summary = summarize(load_run(make_run(targets=(TARGET,))))
    target = summary["targets"][TARGET]
    kept = target["methods"]["fine_tune"]["retention"]
    assert kept["returns"]["estimate"] == pytest.approx(-4)
    assert kept["scores"]["estimate"] == pytest.approx(-4 / 110)
    assert target["methods"]["scratch"]["retention"] is None
    ends = {str(source["seed"]): source["end_return"] for source in summary["sources"]}
    starts = target["methods"]["zero_shot"]["returns"]["start"]["per_seed"]
    gap = target["zero_shot_gap"]["returns"]["per_seed"]
    assert gap == pytest.approx({seed: ends[seed] - starts[seed] for seed in ends})


def test_summary_is_plain_json_and_repeats_itself(make_run):
    root = make_run(seeds=range(6), failed=[(TARGET, "naive", 1)])
    summary = summarize(load_run(root))
    text = json.dumps(summary, allow_nan=False)
    assert json.loads(text) == summary
    assert json.dumps(summarize(load_run(root)), allow_nan=False) == text


def test_reward_terms_of_the_last_evaluation_by_hand(tiny, tell_terms):
    # The last returns are -120 + 110 * 1 = -10 and -120 + 110 * 0.9 = -21.
    tell_terms("fine_tune", 0, distance=-12, reached=2, touched=0)
    tell_terms("fine_tune", 1, distance=-24, reached=3)
    terms = summarize(load_run(tiny))["targets"][TARGET]["methods"]["fine_tune"]["terms"]
    assert list(terms["parts"]) == ["distance", "reached"]
    assert terms["parts"]["distance"]["per_seed"] == {"0": -12, "1": -24}
    assert terms["parts"]["distance"]["estimate"] == -18
    assert (terms["parts"]["reached"]["low"], terms["parts"]["reached"]["high"]) == (2, 3)
    assert terms["whole"]
    tell_terms("fine_tune", 1, distance=-24, reached=4)
    terms = summarize(load_run(tiny))["targets"][TARGET]["methods"]["fine_tune"]["terms"]
    assert not terms["whole"]


def test_a_world_that_reports_no_terms_has_none(tiny, tell_terms):
    tell_terms("fine_tune", 0, distance=-10)
    methods = summarize(load_run(tiny))["targets"][TARGET]["methods"]
    assert methods["scratch"]["terms"] is None
    assert methods["fine_tune"]["terms"] is None


def test_survival_is_kept_with_the_time_to_threshold(tiny):
    methods = summarize(load_run(tiny))["targets"][TARGET]["methods"]
    # Scratch holds 0.8 from step 30 on with one seed, never with the other.
    assert methods["scratch"]["time_to_threshold"]["survival"] == {
        "steps": [0, 30, 100],
        "share": [1, 0.5, 0.5],
    }
    # fine_tune from 30 on with seed 0, from 10 on with seed 1
    assert methods["fine_tune"]["time_to_threshold"]["survival"] == {
        "steps": [0, 10, 30, 100],
        "share": [1, 0.5, 0, 0],
    }


def test_verdicts_in_words(make_run):
    methods = summarize(load_run(make_run(seeds=range(6))))["targets"][TARGET]["methods"]
    assert methods["scratch"]["verdict"]["word"] == "baseline"
    assert methods["fine_tune"]["verdict"]["word"] == "head start"
    assert methods["feature_reuse"]["verdict"]["word"] == "negative transfer"
    assert "P(T > S) = 0.00" in methods["feature_reuse"]["verdict"]["warning"]
    assert methods["zero_shot"]["verdict"]["word"] == "mixed"
    assert "does not learn in the target" in methods["zero_shot"]["verdict"]["sentence"]


def test_few_seeds_make_no_claim_but_keep_the_warning(make_run):
    summary = summarize(load_run(make_run(seeds=range(3))))
    methods = summary["targets"][TARGET]["methods"]
    for name in ("zero_shot", "naive", "fine_tune", "feature_reuse"):
        verdict = methods[name]["verdict"]
        assert verdict["word"] == "no claim (3 seeds)"
        assert not verdict["claim"]
        assert methods[name]["gains"]["area"]["low"] is not None
        assert methods[name]["gains"]["area"]["bca"] is None
    assert "sign of negative transfer" in methods["feature_reuse"]["verdict"]["warning"]
    assert "this is no claim yet" in summary["headlines"][0]


@pytest.mark.parametrize(
    ("seeds", "policies", "said"), [(9, 9, True), (10, 10, False), (10, 5, True)]
)
def test_what_few_seeds_cannot_know_is_said(make_run, seeds, policies, said):
    run = load_run(make_run(seeds=range(seeds), policies=policies))
    summary = summarize(run)
    few = f"fewer than 10 {'seeds' if policies == seeds else 'source policies'}"
    assert (f"there are {few}, a method's" in summary["caution"]) == said
    assert (f"Of {few} a method's" in methods_text(run, describe_run(run))) == said


def test_what_few_seeds_cannot_know_is_said_while_others_are_missing(make_run):
    lost = [("tired-arm", "fine_tune", seed) for seed in range(1, 5)]
    assert summarize(load_run(make_run(seeds=range(5), failed=lost)))["caution"]
    without = load_run(make_run(seeds=range(5), methods=("zero_shot", "fine_tune")))
    assert "Of fewer than 10 seeds" in methods_text(without, describe_run(without))


def test_one_seed_has_numbers_without_intervals(make_run):
    methods = summarize(load_run(make_run(seeds=(4,))))["targets"][TARGET]["methods"]
    assert methods["fine_tune"]["verdict"]["word"] == "no claim (1 seed)"
    assert methods["fine_tune"]["gains"]["area"]["low"] is None
    assert methods["fine_tune"]["converged"] is None


def test_a_method_has_converged_unless_the_slopes_own_interval_excludes_zero(make_run):
    # Four of five seeds rise a little and one a lot: all slopes are positive, but their mean, 0.208
    # with a standard error of 0.198, is not told from 0.
    root = make_run(seeds=range(5), targets=(TARGET,), methods=("scratch",), anchors=False)
    for path in root.glob("trials/*/*/*/evaluations.jsonl"):
        rise = 1.0 if path.parent.name == "seed-4" else 0.01
        lines = enumerate(map(json.loads, path.read_text().splitlines()))
        told = [json.dumps({**line, "return": rise * number}) for number, line in lines]
        path.write_text("\n".join([*told, ""]))
    scratch = summarize(load_run(root))["targets"][TARGET]["methods"]["scratch"]
    drift = scratch["drift"]
    assert min(drift["per_seed"].values()) > 0 > drift["low"]
    assert (scratch["converged"], drift["kind"]) == (True, "t")


def gain(low: float, high: float, p: float, n: int = 8) -> Gain:
    found = Interval((low + high) / 2, low, high, n, "paired t")
    return gain_of(Comparison(found, None, p, 0.9, {}), p)


@pytest.mark.parametrize(
    ("jump", "end", "area", "word"),
    [
        ((0.1, 0.2, 0.001), (-0.1, 0.1, 0.9), (0.1, 0.2, 0.001), "head start"),
        ((0.1, 0.2, 0.001), (-0.2, -0.1, 0.001), (-0.1, 0.1, 0.9), "mixed"),
        # A harm that does not survive Holm still takes the shine off a claimed gain.
        ((0.1, 0.2, 0.001), (-0.2, -0.1, 0.2), (-0.1, 0.1, 0.9), "mixed"),
        ((-0.2, -0.1, 0.001), (-0.1, 0.1, 0.9), (-0.1, 0.1, 0.9), "negative transfer"),
        ((-0.2, -0.1, 0.2), (-0.1, 0.1, 0.9), (-0.1, 0.1, 0.9), "possibly negative"),
        # An interval above 0 that does not survive Holm is no claim.
        ((0.1, 0.2, 0.2), (-0.1, 0.1, 0.9), (-0.1, 0.1, 0.9), "no clear difference"),
    ],
)
def test_words_follow_intervals_and_holm(jump, end, area, word):
    parts = dict(zip(JUDGED, (jump, end, area), strict=True))
    jump_start, asymptotic, of_area = (gain(*part) for part in parts.values())
    ending = EndGain(**vars(asymptotic), converged=None)
    gains = Gains(jump_start, early=jump_start, asymptotic=ending, area=of_area)
    reached = TimeToThreshold(0.8, {}, 8, 8, 1.0, None, None, 1.0, 1.0)
    base = MethodSummary([0], None, [], {}, time_to_threshold=reached)
    method = replace(base, gains=gains, learns=True, paired=1, verdict=judge(gains))
    verdict = describe_method(method, base).verdict
    assert verdict.word == word
    assert bool(verdict.warning) == any(part[1] < 0 for part in parts.values())
    for name in (metric.title for metric in JUDGED):
        assert name in verdict.warning + verdict.sentence


def test_the_best_of_the_run_serves_as_reference_and_this_is_said(make_run):
    target = summarize(load_run(make_run(anchors=False)))["targets"][TARGET]
    reference = target["anchors"]["reference"]
    assert "this experiment's own methods (fine_tune)" in reference["origin"]
    assert target["methods"]["fine_tune"]["scores"]["end"]["estimate"] == pytest.approx(1)


@pytest.mark.parametrize("reference", [-120.0, -121.0])
def test_a_reference_not_above_random_gives_no_scores(make_run, reference):
    root = make_run()
    facts = json.loads((root / "facts.json").read_text())
    facts["anchors"][TARGET]["reference"] = {"return": reference, "origin": "stored"}
    (root / "facts.json").write_text(json.dumps(facts))
    target = summarize(load_run(root))["targets"][TARGET]
    assert not target["scored"]
    assert "not above the random policy's" in target["headline"]
    tuned = target["methods"]["fine_tune"]
    assert tuned["scores"] is None
    assert tuned["gains"] is None
    assert tuned["returns"]["end"]["n"] == 3
    assert tuned["verdict"]["word"] == "not scored"


def test_without_scratch_there_are_no_gains_and_this_is_said(make_run):
    summary = summarize(load_run(make_run(methods=("naive", "fine_tune"))))
    assert summary["baseline"] is None
    assert "'scratch' is not among the methods" in summary["notes"][0]
    method = summary["targets"][TARGET]["methods"]["naive"]
    assert method["gains"] is None
    assert method["verdict"]["word"] == "no baseline"
    assert method["scores"]["area"]["n"] == 3


def test_failed_and_missing_trials_are_listed(make_run):
    root = make_run(failed=[(TARGET, "naive", 1)])
    (root / "trials" / TARGET / "fine_tune" / "seed-2" / "status.json").unlink()
    run = load_run(root)
    summary = summarize(run)
    found = {(f["target"], f["method"], f["seed"]): f for f in summary["failures"]}
    assert set(found) == {(TARGET, "naive", 1), (TARGET, "fine_tune", 2)}
    assert found[TARGET, "naive", 1]["error"] == "TrainingError: NaN in the loss at step 14,336"
    assert "Traceback" in found[TARGET, "naive", 1]["traceback"]
    assert found[TARGET, "fine_tune", 2]["state"] == "missing"
    naive = summary["targets"][TARGET]["methods"]["naive"]
    assert naive["seeds"] == [0, 2]
    assert naive["gains"]["area"]["n"] == 2
    assert "1 of 3 seeds" in naive["verdict"]["sentence"]
    kept = run.results.query("target == @TARGET and method == 'naive'")
    assert sorted(kept["seed"].unique()) == [0, 2]


def test_a_method_that_failed_throughout_has_a_row_that_says_so(make_run):
    failed = [(TARGET, "naive", seed) for seed in range(3)]
    method = summarize(load_run(make_run(failed=failed)))["targets"][TARGET]["methods"]["naive"]
    assert method["verdict"]["word"] == "no finished trial"
    assert "NaN in the loss" in method["verdict"]["sentence"]


def test_a_scratch_that_failed_leaves_the_others_without_gains(make_run):
    failed = [(TARGET, "scratch", seed) for seed in range(3)]
    target = summarize(load_run(make_run(failed=failed)))["targets"][TARGET]
    assert target["methods"]["fine_tune"]["gains"] is None
    assert target["methods"]["fine_tune"]["verdict"]["word"] == "no baseline"


def test_a_run_that_has_barely_begun_can_be_summed_up(make_run):
    failed = [(TARGET, method, 0) for method in ("scratch", "fine_tune")]
    root = make_run(seeds=(0,), targets=(TARGET,), methods=("scratch", "fine_tune"), failed=failed)
    summary = summarize(load_run(root))
    assert summary["headlines"] == ["On tired-arm no trial has finished."]


@pytest.mark.parametrize(
    ("find", "put", "said"),
    [
        ('"step": 0,', '"step": 1,', "must be at step 0"),
        ('"length": 50.0', '"length": NaN', "'length' is nan at step"),
        ('"episodes": 20', '"episodes": "20"', "expected a number"),
        ('"length": 50.0, ', "", "'length' is missing"),
        ('"length": 50.0', '"length": 50.0, "reward_terms": {"a": NaN}', "expected finite numbers"),
        ('"length": 50.0', '"length": 50.0, "reward_terms": [1]', "expected finite numbers"),
        ('{"step": 0', '"step": 0', "line 1: not a JSON object"),
        ('"step": 2000,', '"step": 0,', "step 0 follows step 0"),
    ],
)
def test_a_faulty_curve_makes_its_trial_a_failed_one(make_run, find, put, said):
    root = make_run()
    path = root / "trials" / TARGET / "fine_tune" / "seed-0" / "evaluations.jsonl"
    path.write_text(path.read_text().replace(find, put, 1))
    (failure,) = load_run(root).failures
    assert (failure.method, failure.seed, failure.state) == ("fine_tune", 0, "invalid")
    assert said in str(failure.error)
    assert "\n" not in str(failure.error)


def test_a_curve_on_other_steps_than_most_is_not_averaged(make_run):
    path = make_run() / "trials" / TARGET / "fine_tune" / "seed-1" / "evaluations.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    (failure,) = load_run(path.parents[4]).failures
    assert (failure.unit, failure.state) == (f"{TARGET}/fine_tune/seed-1", "invalid")
    assert str(failure.error).startswith("has 30 evaluations up to step 58,000 where others of")


def test_only_an_unfinished_last_line_is_forgiven(tmp_path):
    line = {"step": 0, "return": 1.0, "success": None, "length": 2.0, "episodes": 3}
    whole, path = json.dumps(line) + "\n", tmp_path / "evaluations.jsonl"
    path.write_text(whole + whole[:20])
    assert len(read_evaluations(path)) == 1
    path.write_text(whole + whole.rstrip())
    assert len(read_evaluations(path)) == 2
    path.write_text(whole[:20] + "\n" + whole)
    with pytest.raises(RunError, match="line 1: not a JSON object"):
        read_evaluations(path)
    path.write_text(whole + whole[:20] + "\n")
    with pytest.raises(RunError, match="line 2: not a JSON object"):
        read_evaluations(path)


def test_methods_that_cannot_be_folders_are_refused(make_run):
    root = make_run()
    path = root / "experiment.yaml"
    experiment = loads(path.read_text())
    experiment["methods"][0] = {"fine_tune": {"label": "a/b"}}
    path.write_text(dumps(experiment))
    with pytest.raises(RunError, match=r"experiment.yaml: methods: 'a/b' names a folder"):
        load_run(root)


def test_a_directory_that_is_no_run_is_refused(tmp_path, make_run):
    with pytest.raises(HeadstartError, match="not a run directory"):
        load_run(tmp_path)
    root = make_run()
    experiment = loads((root / "experiment.yaml").read_text())
    del experiment["seeds"]
    (root / "experiment.yaml").write_text(dumps(experiment))
    with pytest.raises(HeadstartError, match="'seeds' is missing"):
        load_run(root)


def test_an_interval_ends_where_its_values_do():
    # Five of 0.8 and five of 1: mean 0.9, deviation 0.10541, over sqrt(10) 0.03333, t(9) = 2.2622.
    share = estimate(range(10), [0.8, 1.0] * 5)
    assert share.high == pytest.approx(0.9 + 0.07541, abs=1e-4)
    assert within(share, 0.85, 0.95) == replace(share, low=0.85, high=0.95)
    assert within(share, -9.0) == share
    alone = estimate([0], [0.8])
    assert within(alone, 0.0, 1.0) == alone


def test_unfairness_is_told(make_run):
    facts = summarize(load_run(make_run()))["fairness"]
    told = [fact["text"] for fact in facts if not fact["holds"]]
    assert any("100,000 source steps that scratch did not have" in text for text in told)
    assert any("too few for a claim" in text for text in told)
    assert any("60,000 steps on tired-arm" in fact["text"] for fact in facts if fact["holds"])


def test_what_has_no_finished_trial_stands_beside_nothing(make_run):
    root = make_run(targets=(TARGET,))
    status = {"state": "running", "step": 30_000, "steps": 60_000}
    for place in (root / "trials" / TARGET / "zero_shot").iterdir():
        (place / "status.json").write_text(json.dumps(status))
    told = [f["text"] for f in summarize(load_run(root))["fairness"] if not f["holds"]]
    assert any("; but no trial has finished of zero_shot on tired-arm." in text for text in told)
    assert any("without a finished trial on a target: zero_shot." in text for text in told)


@pytest.mark.parametrize(("episodes", "enough"), [(2, False), (19, False), (20, True)])
def test_evaluations_of_few_episodes_are_not_fair(make_run, episodes, enough):
    root = make_run(targets=(TARGET,), methods=("scratch", "fine_tune"))
    for path in root.rglob("evaluations.jsonl"):
        path.write_text(path.read_text().replace('"episodes": 20', f'"episodes": {episodes}'))
    (told,) = (
        f for f in summarize(load_run(root))["fairness"] if "Every evaluation is" in f["text"]
    )
    assert told["holds"] is enough
    assert f"Every evaluation is {episodes} episodes of the deterministic policy" in told["text"]
    assert ("fewer than 20" in told["text"]) is not enough


@pytest.mark.parametrize(
    ("places", "holds", "said"),
    [
        (["cpu: A"], True, "computed on processors of one kind (cpu: A), on which they repeat"),
        (["cpu: A", "cpu: B"], False, "processors of different kinds (cpu: A, cpu: B)"),
        (["cpu: A", "cuda: B"], False, "Computed on a GPU (cpu: A, cuda: B)"),
        ([], False, "It is not recorded what every source and trial was computed on"),
    ],
)
def test_what_cannot_be_repeated_bit_for_bit_is_told(make_run, places, holds, said):
    root = make_run(targets=(TARGET,), methods=("scratch", "fine_tune"))
    for path in root.rglob("status.json"):
        first = path.parent.name == "seed-0"
        # The others were all computed on the first of them.
        status = json.loads(path.read_text()) | {"computed_on": places if first else ["cpu: A"]}
        path.write_text(json.dumps(status))
    fact = summarize(load_run(root))["fairness"][-1]
    assert fact["holds"] is holds
    assert said in fact["text"]
    assert "bit for bit" in fact["text"]


def test_another_version_that_reports_is_named(make_run):
    root = make_run(seeds=(0, 1))
    assert summarize(load_run(root))["notes"] == []
    facts = json.loads((root / "facts.json").read_text())
    facts["versions"]["headstart"] = "0.0.1"
    (root / "facts.json").write_text(json.dumps(facts))
    said = f"Run with headstart 0.0.1, reported with headstart {__version__}."
    assert summarize(load_run(root))["notes"] == [said]


def test_seeds_that_share_source_policies_count_as_those(make_run):
    root = make_run(seeds=range(6), policies=3)
    run = load_run(root)
    assert [trial.seed for trial in run.sources] == [0, 1, 2]
    summary = summarize(run)
    methods = summary["targets"]["tired-arm"]["methods"]
    gain = methods["fine_tune"]["gains"]["area"]
    paired = gain["per_seed"]
    means = [(paired[str(k)] + paired[str(k + 3)]) / 2 for k in range(3)]
    half = 4.303 * np.std(means, ddof=1) / 3**0.5
    assert gain["n"] == 3
    assert (gain["low"], gain["high"]) == pytest.approx(
        (np.mean(means) - half, np.mean(means) + half), rel=1e-3
    )
    assert methods["fine_tune"]["scores"]["end"]["n"] == 3
    assert methods["scratch"]["scores"]["end"]["n"] == 6
    assert methods["fine_tune"]["verdict"]["word"] == "no claim (3 source policies)"
    assert "With 3 source policies this is no claim yet" in summary["headlines"][0]
    unfair = [fact["text"] for fact in summary["fairness"] if not fact["holds"]]
    lack = "too few for a claim, which takes 5 source policies"
    assert f"6 seeds from 3 source policies: {lack}." in unfair
    assert summary["across"]["methods"]["fine_tune"]["end"]["mean"]["n"] == 3
    said = [fact["text"] for fact in summary["fairness"]]
    assert any(text.startswith("6 seeds start in turn from 3 source policies") for text in said)
    gap = summary["targets"]["tired-arm"]["zero_shot_gap"]["returns"]
    assert (gap["n"], len(gap["per_seed"])) == (3, 6)
    text = methods_text(run, describe_run(run))
    assert "100,000 environment steps, 3 of them, from which the seeds started in turn." in text
    assert "The unit is the source policy" in text
