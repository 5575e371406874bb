"""Scratch with as many steps in all, beside the methods that had them in the source."""

import json

import pytest
from headstart.core.plain import to_json
from headstart.experiments.config.yaml_text import dumps, loads
from headstart.experiments.measuring.runs import load_run
from headstart.experiments.showing.outputs import write_outputs
from headstart.experiments.showing.tables import terminal
from headstart.experiments.showing.words.summary import summarize as describe_run
from rich.console import Console
from scipy import stats

from ..conftest import RANDOM, REFERENCE, build_run, write_trial

pytestmark = pytest.mark.usefixtures("undrawn")


def summarize(run):
    """Return the summary of a run as `summary.json` holds it."""
    return to_json(describe_run(run))


TARGET = "tired-arm"


def returns(*scores):
    return [RANDOM + score * (REFERENCE - RANDOM) for score in scores]


@pytest.fixture
def root(tmp_path):
    """Three seeds; scratch_total has 160,000 steps where the others have 60,000."""
    path = build_run(tmp_path / "run", targets=(TARGET,), methods=("scratch", "fine_tune"))
    experiment = loads((path / "experiment.yaml").read_text())
    experiment["methods"].append({"scratch_total": {}})
    (path / "experiment.yaml").write_text(dumps(experiment))
    facts = json.loads((path / "facts.json").read_text())
    facts["methods"] = {
        "scratch": {"needs_source": False, "trains": True},
        "fine_tune": {"needs_source": True, "trains": True},
        "scratch_total": {"needs_source": False, "trains": True, "adds_source_steps": True},
    }
    (path / "facts.json").write_text(json.dumps(facts))
    short, long = [0, 30_000, 60_000], [0, 80_000, 160_000]
    for seed, (tuned, total) in enumerate([(0.9, 0.8), (0.8, 0.9), (0.7, 0.4)]):
        place = path / "trials" / TARGET
        write_trial(place / "scratch" / f"seed-{seed}", short, returns(0.0, 0.0, 0.0))
        write_trial(place / "fine_tune" / f"seed-{seed}", short, returns(tuned, tuned, tuned))
        write_trial(place / "scratch_total" / f"seed-{seed}", long, returns(total, total, total))
    return path


def test_it_stands_beside_the_methods_and_is_compared_with_those_that_use_the_source(root):
    run = load_run(root)
    assert run.methods == ["scratch", "fine_tune"]
    assert run.all_methods == ["scratch", "fine_tune", "scratch_total"]
    target = summarize(run)["targets"][TARGET]
    assert list(target["methods"]) == ["scratch", "fine_tune"]
    assert target["steps"] == 60_000
    found = target["equal_total"]["scratch_total"]
    assert found["steps"] == 160_000
    assert found["scores"]["end"]["estimate"] == pytest.approx(0.7)
    assert list(found["against"]) == ["fine_tune"]
    # The ends differ by 0.1, -0.1 and 0.3: mean 0.1, standard deviation 0.2.
    against = found["against"]["fine_tune"]
    half = stats.t.ppf(0.975, 2) * 0.2 / 3**0.5
    assert against["estimate"] == pytest.approx(0.1)
    assert (against["low"], against["high"]) == pytest.approx((0.1 - half, 0.1 + half))
    assert against["per_seed"] == pytest.approx({"0": 0.1, "1": -0.1, "2": 0.3})
    assert against["p"] == against["p_holm"] == pytest.approx(2 * stats.t.sf(3**0.5 / 2, 2))
    assert found["sentences"] == [
        f"fine_tune ends at +0.10 [{0.1 - half:+.2f}, {0.1 + half:+.2f}] against scratch with "
        "160,000 steps in the target, as many as source and target had; from 3 seeds no claim is "
        "made."
    ]


def test_it_makes_the_comparison_fair_in_total_steps_and_is_said(root):
    summary = summarize(load_run(root))
    [fact] = [f for f in summary["fairness"] if "source steps" in f["text"]]
    assert fact["holds"]
    assert "scratch_total had at least as many in the target" in fact["text"]
    write_outputs(root)
    page = (root / "report.html").read_text()
    assert "<b>scratch_total</b> is scratch with 160,000 steps in the target" in page
    console = Console(width=150)
    with console.capture() as shown:
        console.print(terminal.render_summary(describe_run(load_run(root))))
    assert "scratch_total: fine_tune ends at +0.10" in " ".join(shown.get().split())


def test_the_best_of_all_is_the_reference_where_none_is_given(root):
    facts = json.loads((root / "facts.json").read_text())
    facts["anchors"][TARGET]["reference"] = None
    (root / "facts.json").write_text(json.dumps(facts))
    write_trial(
        root / "trials" / TARGET / "scratch_total" / "seed-0",
        [0, 80_000, 160_000],
        returns(1.7, 1.7, 1.7),
    )
    anchors = summarize(load_run(root))["targets"][TARGET]["anchors"]
    assert "(scratch_total)" in anchors["reference"]["origin"]
    assert anchors["reference"]["return"] == pytest.approx(returns(1.0)[0])


@pytest.mark.parametrize("steps", [(0, 160_000), (0, 60_000)])
def test_steps_of_its_own_do_not_excuse_unequal_ones_among_its_seeds(root, steps):
    write_trial(root / "trials" / TARGET / "scratch_total" / "seed-0", steps, returns(0.0, 0.5))
    [failure] = load_run(root).failures
    assert (failure.method, failure.seed, failure.state) == ("scratch_total", 0, "invalid")
    assert failure.error.startswith(
        f"has 2 evaluations up to step {steps[-1]:,} where others of its target have 3 up to step "
        "160,000"
    )


def test_what_is_lost_of_it_is_said_and_without_it_nothing_is_fair(root):
    place = root / "trials" / TARGET / "scratch_total"
    (place / "seed-1" / "evaluations.jsonl").unlink()
    write_outputs(root)
    assert "1 of 3 seeds lost" in (root / "report.html").read_text()
    for seed in (0, 2):
        (place / f"seed-{seed}" / "evaluations.jsonl").unlink()
    summary = summarize(load_run(root))
    [fact] = [f for f in summary["fairness"] if "source steps" in f["text"]]
    assert not fact["holds"]
    assert "scratch_total" not in fact["text"]
    assert any("No trial of scratch_total" in note for note in summary["targets"][TARGET]["notes"])


def test_what_the_source_policies_took_counts_and_not_what_was_asked_for(root):
    for seed in range(3):
        place = root / "source" / "randomized" / f"seed-{seed}"
        write_trial(place, [0, 50_000, 104_000], returns(0.0, 0.5, 1.0))
        place = root / "trials" / TARGET / "fine_tune" / f"seed-{seed}"
        write_trial(place, [0, 30_000, 60_000], returns(0.9, 0.9, 0.9))
    run = load_run(root)
    assert run.experiment["source"]["steps"] == 100_000
    summary = summarize(run)
    assert summary["source"]["steps"] == 104_000
    assert any("had 104,000 source steps" in fact["text"] for fact in summary["fairness"])
    target = summary["targets"][TARGET]
    total = target["methods"]["fine_tune"]["total_time"]
    assert total["in_full"]["median"] == 104_000
    # Scratch never gets there: 60,000 steps at least, which fine_tune saves.
    assert total["break_even"] == {"targets": pytest.approx(104 / 60), "at_most": True}
    [said] = target["equal_total"]["scratch_total"]["sentences"]
    assert "160,000 steps in the target, where source and target had 164,000" in said


def test_source_steps_that_a_method_took_itself_count_in_every_target(root):
    for seed in range(3):
        place = root / "trials" / TARGET / "fine_tune" / f"seed-{seed}"
        write_trial(place, [0, 30_000, 60_000], returns(0.9, 0.9, 0.9), source_steps=10_000)
    found = summarize(load_run(root))["targets"][TARGET]["methods"]["fine_tune"]["total_time"]
    assert found["source_steps"] == 110_000
    assert found["in_full"]["median"] == found["amortised"]["median"] == 110_000
