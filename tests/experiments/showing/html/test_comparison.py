"""Several runs beside each other: what can be compared, what cannot, and the files that say so."""

import csv
import json
import re
import shutil
from dataclasses import replace

import pytest
from headstart.experiments.config.yaml_text import dumps, loads
from headstart.experiments.measuring import RunError, comparison
from headstart.experiments.showing.figures.comparison import overlaid
from headstart.experiments.showing.html.comparison import ComparisonReport
from headstart.experiments.showing.outputs import compare_runs
from headstart.experiments.showing.words.comparison import unfair_comparison
from headstart.experiments.showing.words.summary import summarize

pytestmark = pytest.mark.usefixtures("undrawn")

TARGET = "tired-arm"


@pytest.fixture
def twin(tiny):
    """Return a function that copies `tiny` with other settings; `anchors` is its reference."""

    def make(name="other", place="twin", reference=-10.0, **changes):
        root = tiny.parent / place
        shutil.copytree(tiny, root)
        experiment = loads((root / "experiment.yaml").read_text()) | {"name": name}
        for key, value in changes.items():
            experiment[key] = experiment[key] | value if isinstance(value, dict) else value
        (root / "experiment.yaml").write_text(dumps(experiment))
        facts = json.loads((root / "facts.json").read_text())
        facts["anchors"][TARGET]["reference"]["return"] = reference
        (root / "facts.json").write_text(json.dumps(facts))
        return root

    return make


def members(*roots):
    runs = comparison.load_apart(roots)
    return comparison.members(runs, [summarize(run) for run in runs])


def test_equal_experiments_are_compared_in_scores_without_a_warning(tiny, twin):
    of = members(tiny, twin())
    assert comparison.unit_on(of, TARGET) == "score"
    assert unfair_comparison(of) == []
    assert comparison.differing_settings(of) == []
    rows = comparison.comparison_rows(of)
    assert [(row.experiment, row.method) for row in rows] == [
        ("quickstart", "scratch"),
        ("quickstart", "fine_tune"),
        ("other", "scratch"),
        ("other", "fine_tune"),
    ]
    tuned = rows[3]
    assert tuned.levels.end.estimate == pytest.approx(0.95)
    assert tuned.gains["jump_start"].estimate == pytest.approx(0.6)
    assert tuned.anchors == (-120, -10)
    assert rows[0].gains == {"jump_start": None, "asymptotic": None, "area": None}


def test_other_anchors_make_returns_what_is_compared(tiny, twin):
    of = members(tiny, twin(reference=100.0))
    assert comparison.unit_on(of, TARGET) == "return"
    (warning,) = unfair_comparison(of)
    assert warning == (
        "The scale of tired-arm differs (0 is a return of -120 and 1 of -10 in quickstart; 0 is a "
        "return of -120 and 1 of 100 in other): scores and times to a score cannot be compared, "
        "raw returns are; with the same `anchors` given in each experiment they could."
    )
    rows = [row for row in comparison.comparison_rows(of) if row.method == "fine_tune"]
    assert [row.member.label for row in rows] == ["quickstart", "other"]
    for row in rows:  # on the scale of either: the curves are the same
        assert row.levels.end.estimate == pytest.approx(-15.5)
        gain = row.gains["jump_start"]
        assert gain.estimate == pytest.approx(66)  # 0.6 of 110, 0.3 of 220
        assert gain.low == pytest.approx((0.6 - 1.2706) * 110, abs=1e-2)
        assert gain.side == "unclear"


def test_a_target_without_a_scale_in_one_is_compared_in_returns(tiny, twin):
    of = members(tiny, twin(reference=-500.0))
    assert comparison.unit_on(of, TARGET) == "return"
    assert unfair_comparison(of) == [
        "tired-arm has no scores in other: raw returns are what is compared."
    ]
    assert comparison.comparison_rows(of)[3].gains["area"] is None


def test_settings_that_differ_stand_at_the_path_where_they_begin(tiny, twin):
    root = twin(
        source={"algorithm": {"sac": {"gamma": 0.9}}, "steps": 5},
        methods=["scratch", {"fine_tune": {"freeze": ["features"]}}, {"a.b:C": {"label": "mine"}}],
        targets={TARGET: {"shift": {"action_delay": "= 0.1", "tool_length": "+ 0.08"}}},
    )
    assert comparison.differing_settings(members(tiny, root)) == [
        comparison.Difference("source.algorithm.ppo", ['{"n_steps": 64}', "–"]),
        comparison.Difference("source.algorithm.sac", ["–", '{"gamma": 0.9}']),
        comparison.Difference("source.steps", ["100000", "5"]),
        comparison.Difference("targets.tired-arm.world", ["headstart/PandaReach-v0", "–"]),
        comparison.Difference("targets.tired-arm.shift.action_delay", ["= 0.04", "= 0.1"]),
        comparison.Difference("targets.tired-arm.kwargs", ["{}", "–"]),
        comparison.Difference("targets.tired-arm.wrappers", ["[]", "–"]),
        comparison.Difference("targets.tired-arm.steps", ["60000", "–"]),
        comparison.Difference("methods.fine_tune.freeze", ["–", '["features"]']),
        comparison.Difference("methods.mine", ["–", '{"method": "a.b:C"}']),
    ]


def test_what_is_not_fair_is_said(tiny, twin):
    root = twin(
        evaluation={"seed": 7, "episodes": 5, "threshold": 0.9, "every": 1_000},
        seeds=[0, 1, 2],
        targets={TARGET: {"shift": {"action_delay": "= 0.1", "tool_length": "+ 0.08"}}},
    )
    facts = json.loads((root / "facts.json").read_text())
    facts["versions"]["torch"], facts["git"] = "2.14.0", "fedcba"
    (root / "facts.json").write_text(json.dumps(facts))
    for path in root.rglob("evaluations.jsonl"):
        path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    assert unfair_comparison(members(tiny, root)) == [
        "`evaluation.seed` differs (not recorded in quickstart; 7 in other): policies were "
        "evaluated on different episodes.",
        "`evaluation.episodes` differs (20 in quickstart; 5 in other): returns are means over "
        "different numbers of episodes.",
        "`evaluation.threshold` differs (0.8 in quickstart; 0.9 in other): times to threshold are "
        "times to different scores.",
        "`evaluation.every` differs (2,000 in quickstart; 1,000 in other): times to threshold are "
        "resolved differently, and 'end' is a mean over another span.",
        "`targets.tired-arm.shift.action_delay` differs (= 0.04 in quickstart; = 0.1 in other): it "
        "is not the same target, so its returns are of two tasks.",
        "The budget on tired-arm differs (100 in quickstart; 90 in other): ends and areas are over "
        "different numbers of steps.",
        "The source policies' training differs (100,000 steps in quickstart; 90,000 steps in "
        "other): what was carried over took different amounts of it.",
        "The version of torch differs (2.13.0 in quickstart; 2.14.0 in other): results may depend "
        "on it.",
        "Headstart's git commit differs (0123456789abcdef in quickstart; fedcba in other): results "
        "may depend on it.",
        "3 of 9 sources and trials of other have no usable curve.",
    ]


def test_tuning_of_one_alone_is_said(tiny, twin):
    tuned = {"trials": 50, "steps": 50_000}
    root = twin(methods=["scratch", {"fine_tune": {"tuned": tuned}}])
    assert unfair_comparison(members(tiny, root)) == [
        "What fine_tune was tuned with differs (none in quickstart; 50 trials, 50,000 target steps "
        "in other): one was given more chances to find settings that suit it."
    ]


def test_experiments_without_a_target_in_common(tiny, twin):
    root = twin(targets={"long-tool": {"steps": 100}})
    experiment = loads((root / "experiment.yaml").read_text())
    del experiment["targets"][TARGET]
    (root / "experiment.yaml").write_text(dumps(experiment))
    compared = compare_runs([tiny, root], tiny.parent / "both")
    assert compared.warnings[0].startswith("No two experiments have a target of the same name")
    assert list(compared.targets) == [TARGET]  # of the other there is no finished trial
    assert not (tiny.parent / "both" / "figures").exists()


def test_the_same_run_twice_and_what_is_no_run_are_refused(tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunError, match=r"run' is given twice; a comparison is of different runs"):
        comparison.load_apart([tiny, tiny])
    with pytest.raises(RunError, match=r"'run/\.\./run' is given twice, also as 'run'"):
        comparison.load_apart(["run", "run/../run"])
    with pytest.raises(RunError, match="not a run directory"):
        comparison.load_apart([tiny, tmp_path])
    with pytest.raises(RunError, match="two run directories or more"):
        compare_runs([tiny], tmp_path / "both")


def test_one_name_twice_is_told_apart_by_directory(tiny, twin):
    root, third = twin(name="quickstart"), twin(name="another", place="third")
    labels = [member.label for member in members(tiny, root, third)]
    assert labels == [f"quickstart ({tiny})", f"quickstart ({root})", "another"]


def test_a_run_directory_is_no_place_for_a_comparison(tiny, twin):
    root = twin()
    with pytest.raises(RunError, match=r"twin' is a run directory; choose another"):
        compare_runs([tiny, root], root)
    assert not (tiny / "report.html").exists()  # what is asked for is checked before any work


def test_files_of_a_comparison(tiny, twin, drawn):
    out = tiny.parent / "both"
    root = twin(name="quickstart", reference=100.0)
    out.joinpath("figures").mkdir(parents=True)
    for name in ("compared-old.png", "mine.png"):  # an earlier comparison's, and somebody's own
        out.joinpath("figures", name).write_bytes(b"")
    compare_runs([tiny, root], out)
    out.joinpath("figures", "mine.png").unlink()
    assert {path.name for path in out.rglob("*") if path.is_file()} == {
        "comparison.csv",
        "comparison.html",
        "comparison.md",
        "compared-tired-arm.png",
        "compared-tired-arm.svg",
    }
    assert (tiny / "report.html").exists()
    assert (root / "report.html").exists()
    with (out / "comparison.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["directory"], row["method"]) for row in rows] == [
        (str(place), method) for place in (tiny, root) for method in ("scratch", "fine_tune")
    ]
    tuned = rows[3]
    assert tuned["unit"] == "return"
    assert float(tuned["end"]) == pytest.approx(-15.5)
    assert float(tuned["jump_start"]) == pytest.approx(66)
    assert (tuned["end_kind"], tuned["asymptotic_kind"]) == ("range", "paired t")
    assert float(tuned["asymptotic_low"]) == pytest.approx((0.35 - 1.9059) * 110, abs=1e-2)
    # On the other's scale fine_tune ends at 0.475: the threshold of 0.8 is never held.
    assert (tuned["reached"], tuned["median_time"]) == ("0", "")
    assert (rows[1]["reached"], rows[1]["median_time"]) == ("2", "10")
    assert rows[0]["jump_start"] == ""
    text = (out / "comparison.md").read_text()
    assert (
        f"| quickstart ({root}) | fine_tune | 2 | -54 → -15.5 | +66 [-73.8, +206] "
        "| +38.5 [-171, +248] | +50.9 [-239, +341] | 0/2 | no claim (2 seeds) |"
    ) in text
    assert "in returns, as the experiments have no scale in common" in text
    html = (out / "comparison.html").read_text()
    assert "<script" not in html
    assert re.findall(r'(?:src|href)="([^"]{1,22})', html) == ["data:image/png;base64,"]
    assert "with the same <code>anchors</code> given" in html
    assert "<small>[-73.8, +206]</small>" in html


def test_scores_stand_beside_returns_where_they_can_be_compared(tiny, twin):
    compared = ComparisonReport(members(tiny, twin(device="<b>cpu")))
    text = compared.markdown()
    assert "| -54 → -15.5 | 0.60 → 0.95 | +0.60 [-0.67, +1.87] |" in text
    assert "| 2/2 after 10 steps | no claim (2 seeds) |" in text
    assert "in scores, where 0 is a return of -120 and 1 one of -10" in text
    assert "there are fewer than 10 seeds" in text
    assert r"| device | – | \<b\>cpu |" in text
    html = compared.html({})
    assert "<b>cpu" not in html
    assert "&lt;b&gt;cpu" in html


def test_what_still_moves_and_seeds_without_a_pair_are_marked(tiny, twin):
    of = members(tiny, twin())
    plain = ComparisonReport(of).markdown()
    assert "not converged" not in plain
    assert "paired" not in plain.lower()
    target = of[1].summary.targets[TARGET]
    method = target.methods["fine_tune"]
    ending = replace(method.gains.asymptotic, converged=False)
    gains = replace(method.gains, asymptotic=ending)
    changed = replace(method, converged=False, paired=1, gains=gains)
    # A record is frozen, but not the mapping of methods that it holds.
    target.methods["fine_tune"] = changed
    text = ComparisonReport(of).markdown()
    assert r"| other | fine_tune | 2 1 paired | -54 → -15.5\* | 0.60 → 0.95\* | +0.60 [" in text
    assert re.search(r"\| quickstart \| fine_tune \| 2 \| -54 → -15.5 \| 0.60 → 0.95 \|", text)
    assert r"| +0.35\* [" in text
    assert "* not converged: the method" in text
    assert "Paired: the seeds that scratch has too;" in text


def test_gains_are_coloured_by_their_side(make_run):
    root = make_run(seeds=range(6), targets=(TARGET,))
    shutil.copytree(root, root.parent / "twin")
    compared = ComparisonReport(members(root, root.parent / "twin"))
    html = compared.html({})
    tuned = next(row for row in compared.targets[TARGET] if row.method == "fine_tune")
    gain = f"{tuned.gains['jump_start'].estimate:+.2f}"
    assert f'<td class="good">{gain}<small>' in html
    assert '<td class="left good">head start</td>' in html
    assert '<td class="left bad">negative transfer</td>' in html


def test_curves_have_a_panel_a_method_and_a_line_an_experiment(tiny, twin):
    of = members(tiny, twin(methods=["scratch", "fine_tune", "mine", "naive"], reference=100.0))
    axes = [axis for axis in overlaid(of, TARGET).axes if axis.get_visible()]
    assert [axis.get_title(loc="left") or axis.get_title() for axis in axes] == [
        "scratch",
        "fine_tune",
        "mine",
        "naive",
    ]
    # Two experiments of two seeds and a mean each; `mine` and `naive` have not been run.
    assert [len(axis.lines) for axis in axes] == [6, 6, 0, 0]
    means = [line for line in axes[1].lines if line.get_label() in ("quickstart", "other")]
    assert [line.get_ydata()[0] for line in means] == pytest.approx([-54, -54])  # in returns
    assert len({str(line.get_linestyle()) for line in means}) == 2
    assert axes[0].get_xlim() == (0, 100)
    line = overlaid(members(tiny, twin(place="third")), TARGET).axes[1].lines[-1]
    assert line.get_ydata()[0] == pytest.approx(0.6)  # in scores, where the scale is the same
