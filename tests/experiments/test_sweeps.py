"""Sweeps: their points, where a gain turns negative, and what is shown of them."""

import io

import pytest
from headstart.core.plain import from_json, to_json
from headstart.experiments import api
from headstart.experiments.config.points import points
from headstart.experiments.config.schema import ConfigError, build
from headstart.experiments.config.yaml_text import loads
from headstart.experiments.measuring import sweep as measured_sweep
from headstart.experiments.measuring.results import Summary
from headstart.experiments.measuring.sweep import quantity
from headstart.experiments.running import sweep as sweeps
from headstart.experiments.showing.outputs import holds_sweep
from headstart.experiments.showing.words.sweep import describe_sweep
from rich.console import Console

from .conftest import build_run

pytestmark = pytest.mark.usefixtures("undrawn")

EXPERIMENT = {
    "name": "ice",
    "source": {
        "world": "headstart/RacecarTrack-v0",
        "randomization": {
            "tyre_friction": "* uniform(0.5, 1)",
            "action_delay": "= uniform(0, 0.1)",
        },
        "steps": 10_000,
    },
    "targets": {"icy": {"steps": 5_000}, "worn": {"steps": 5_000}},
    "methods": ["scratch", "fine_tune"],
    "seeds": [0, 1],
    "evaluation": {"every": 1_000},
}


def swept(**sweep):
    return points(build({**EXPERIMENT, "sweep": sweep}))


def test_each_value_makes_an_experiment_and_nothing_else_changes():
    found = swept(**{"targets.icy.shift": ["worn-tyres/0.2", "worn-tyres/0.6"]})
    assert [p.folder for p in found] == ["00-worn-tyres-0.2", "01-worn-tyres-0.6"]
    assert [p.experiment.targets["icy"].shift for p in found] == [
        "worn-tyres/0.2",
        "worn-tyres/0.6",
    ]
    assert found[1].values == {"targets.icy.shift": "worn-tyres/0.6"}
    assert found[1].experiment.name == "ice-01-worn-tyres-0.6"
    rest = found[1].experiment.resolved()
    assert "sweep" not in rest
    rest["targets"]["icy"]["shift"], rest["name"] = {}, "ice"
    assert rest == build(EXPERIMENT).resolved()


def test_two_keys_make_a_grid_and_a_star_means_every_target():
    found = swept(
        **{"targets.*.shift.tyre_friction": ["* 1", "* 0.5"], "source.steps": [1_000, 2_000]}
    )
    at = [
        (p.experiment.targets[name].shift["tyre_friction"], p.experiment.source.steps)
        for p in found
        for name in ("icy", "worn")
    ]
    assert at == [
        *[("* 1", 1_000)] * 2,
        *[("* 1", 2_000)] * 2,
        *[("* 0.5", 1_000)] * 2,
        *[("* 0.5", 2_000)] * 2,
    ]


def test_each_source_is_evaluated_ten_times_unless_told_otherwise():
    found = swept(**{"source.steps": [500, 20_000]})
    assert [p.experiment.source_every for p in found] == [50, 2_000]


def test_one_randomized_parameter_is_left_out_at_a_time():
    found = swept(**{"source.randomization": "leave_one_out"})
    assert [set(p.experiment.source.randomization) for p in found] == [
        {"tyre_friction", "action_delay"},
        {"action_delay"},
        {"tyre_friction"},
    ]
    assert [p.values["source.randomization"] for p in found] == [
        "all",
        "without tyre_friction",
        "without action_delay",
    ]


@pytest.mark.parametrize(
    ("sweep", "said"),
    [
        ({"source.steps": [1]}, "source.steps: two values or more"),
        ({"source.steps": [1_000, 2_000, 1_000]}, "source.steps: 1000 is listed twice"),
        ({"a": [1, 2], "b": [1, 2], "c": [1, 2]}, "or two for a grid, not 3"),
        ({"source.steps": "leave_one_out"}, "is for 'source.randomization', alone"),
        ({"source.stepz": [1, 2]}, r"sweep, source.stepz: 1: source.stepz: unknown key"),
        ({"targets.dry.steps": [5_000, 9_000]}, "there is no target 'dry'"),
        ({"targets.icy.steps": [5_000, 10]}, "targets.icy.steps: 10 is less than one evaluation"),
        ({"targets.*.steps": [0, False]}, "whole numbers of steps from 0 on, got False|twice"),
        ({"targets.*.steps": [5_000, 0.0]}, "whole numbers of steps from 0 on, got 0.0"),
        ({"targets.*.steps": [5_000, -1_000]}, "whole numbers of steps from 0 on, got -1000"),
        (
            {"targets.*.steps": [0, 5_000], "targets.icy.steps": [5_000, 6_000]},
            r"targets\.\*\.steps and targets\.icy\.steps set the same in a target",
        ),
        ({"methods": [["scratch"], ["naive"]]}, "methods: cannot be swept; list all of them"),
        ({"targets": [{"icy": {}}, {"dry": {}}]}, "targets: cannot be swept; list all of them"),
        ({"seeds": [[0], [1]]}, "seeds: cannot be swept; list all of them"),
        ({"name": ["a", "b"]}, "name: cannot be swept, as no result depends on it"),
        ({"name.first": [1, 2]}, "'name' has no keys in it"),
    ],
)
def test_what_cannot_be_swept_is_refused_before_anything_runs(sweep, said):
    with pytest.raises(ConfigError, match=said):
        swept(**sweep)


def summarize_sweep(name, points, missing=()):
    """Return a sweep's summary as `summary.json` holds it, from points that are plain data."""
    records = [(values, from_json(Summary, to_json(found))) for values, found in points]
    summary = measured_sweep.summarize_sweep(name, records, missing)
    return to_json(describe_sweep(summary, records, missing))


def entry(*values):
    seeds = dict(enumerate(values))
    mean = sum(values) / len(values)
    ends = {"estimate": mean, "low": None, "high": None}
    return {"per_seed": seeds, **ends, "n": len(values), "kind": "t"}


def gain_entry(*values, side="unclear"):
    unknown = dict.fromkeys(("bca", "p", "p_holm"))
    return {**entry(*values), "side": side, **unknown, "probability": 0.5}


def summary(gain, end=0.5, side="unclear", reference=1.0):
    scores = {name: entry(end) for name in ("start", "end", "early", "area")}
    gains = {name: gain_entry(*gain) for name in ("jump_start", "early", "asymptotic")}
    gains["asymptotic"]["converged"] = None
    gains["area"] = gain_entry(*gain, side=side)
    returns = {"start": entry(end, end), "end": entry(end, end + 2)}
    method = {"seeds": [], "source_seeds": None, "failed": [], "seconds": {}}
    method |= {"scores": scores, "gains": gains, "returns": returns, "converged": True}
    anchors = {"random": {"return": 0.0}, "reference": {"return": reference, "origin": "given"}}
    target = {"anchors": anchors, "methods": {"fine_tune": method}, "scored": True}
    target |= dict.fromkeys(("world", "steps", "spacing", "zero_shot_gap"))
    target |= {"evaluations": 9, "headline": "", "notes": [], "equal_total": {}}
    target["averaged"] = "the last 2 of 8 evaluations after step 0"
    return {
        "baseline": "scratch",
        "caution": "Few seeds." if end else "",
        "methods": ["fine_tune"],
        "source": {"world": None, "steps": None, "bundle": None, "anchors": None},
        **dict.fromkeys(("name", "across")),
        "seeds": [0, 1],
        "threshold": 0.8,
        **{key: [] for key in ("headlines", "notes", "sources")},
        "targets": {"icy": target},
        "failures": [],
        "fairness": [{"what": "budgets", "holds": True, "text": "All had the same budget."}],
    }


def test_the_sweep_says_where_transfer_turns_negative_whatever_the_order_of_its_values():
    key = "targets.icy.shift"
    points = [
        ({key: "worn-tyres/1"}, summary([-0.21, -0.19])),
        ({key: "worn-tyres/0"}, summary([0.21, 0.19])),
    ]
    found = summarize_sweep("ice", points)
    assert found["caution"] == "Few seeds."
    assert found["at"] == [0.0, 1.0]
    (turn,) = found["targets"]["icy"]["methods"]["fine_tune"]["turns"]["area"]
    assert turn["negative"]
    assert turn["estimate"] == pytest.approx(0.5)
    assert found["headlines"] == [
        "On icy, the area gain of fine_tune turns negative at 0.5 [0.495, 0.505]; from 2 "
        "seeds no claim is made."
    ]


FEW = "; from 2 seeds no claim is made"


@pytest.mark.parametrize(
    ("gains", "said"),
    [
        # Means -0.25, 0.15, 0.55: 25/40 of the way from 25,000 to 100,000. Seeds 0.02 apart end
        # Student's t of two (12.706) 0.127 from the mean: at 0.307 and 0.943 of the way, or 48,051
        # and 95,699, of which the places looked at, 375 apart, are the next outside.
        (
            ([-0.26, -0.24], [0.14, 0.16], [0.54, 0.56]),
            "is negative up to 71,875 [47,875, 95,875] and positive from there on" + FEW,
        ),
        # 0.1 apart it ends 0.64 from the mean: the sign is chance.
        (
            ([-0.3, -0.2], [0.1, 0.2], [0.5, 0.6]),
            "is nowhere surely above or below 0: -0.25 [no interval] at 25,000, +0.15 [no "
            "interval] at 100,000, +0.55 [no interval] at 200,000" + FEW,
        ),
        (
            ([-0.2, -0.2], [0.1, 0.1], [-0.2, -0.2]),
            # Two thirds of the way, then a third; the places looked at are 375 and 500 apart.
            "is negative up to 75,000 [74,875, 75,250], then turns negative at 133,333 [133,000, "
            "133,500]" + FEW,
        ),
        (
            ([0.2, 0.2], [-0.1, -0.1], [0.2, 0.2]),
            "turns negative at 75,000 [74,875, 75,250], then turns positive at 133,333 [133,000, "
            "133,500]" + FEW,
        ),
        (
            ([-0.3, -0.2], [-0.1, 0.0], [-0.3, -0.1]),
            "is nowhere surely above or below 0: -0.25 [no interval] at 25,000, -0.05 [no "
            "interval] at 100,000, -0.20 [no interval] at 200,000" + FEW,
        ),
        (
            ([0.3, 0.2], [0.1, 0.0], [0.3, 0.1]),
            "is nowhere surely above or below 0: +0.25 [no interval] at 25,000, +0.05 [no "
            "interval] at 100,000, +0.20 [no interval] at 200,000" + FEW,
        ),
        (
            ([0.3, 0.2], None, [-0.3, -0.1]),
            "is +0.25 [no interval] at 25,000, not known at 100,000, -0.20 [no interval] at "
            "200,000" + FEW,
        ),
    ],
)
def test_a_swept_budget_says_where_the_gain_is_negative(gains, said):
    budgets = (25_000, 100_000, 200_000)
    points = []
    for steps, gain in zip(budgets, gains, strict=True):
        found = summary(gain or [0.0])
        if gain is None:
            found["targets"]["icy"]["methods"]["fine_tune"]["gains"] = None
        points.append(({"source.steps": steps}, found))
    headlines = summarize_sweep("ice", points)["headlines"]
    assert headlines == [f"On icy, the area gain of fine_tune {said}."]


def test_where_a_gain_turns_is_found_in_returns():
    # Gains of 0.4 and -0.4, in scores of which 1 is 30 returns at the first point and 10 at the
    # second: 12 and -4 returns, so that three quarters of the way are above 0.
    points = [
        ({"b": 0}, summary([0.4, 0.4], reference=30.0)),
        ({"b": 1}, summary([-0.4, -0.4], reference=10.0)),
    ]
    found = summarize_sweep("ice", points)["targets"]["icy"]["methods"]["fine_tune"]["turns"]
    assert [turn["estimate"] for turn in found["area"]] == pytest.approx([0.75])
    # Without scores gains are returns already.
    for _, point in points:
        point["targets"]["icy"]["scored"] = False
    found = summarize_sweep("ice", points)["targets"]["icy"]["methods"]["fine_tune"]["turns"]
    assert [turn["estimate"] for turn in found["area"]] == pytest.approx([0.5])


@pytest.mark.parametrize(
    ("sides", "gain", "said"),
    [
        (("above", "above"), [0.3, 0.2], "is positive at every point: +0.25"),
        (("above", "unclear"), [0.3, 0.2], "is positive at every point, surely at 1 of 2: +0.25"),
        (("below", "below"), [-0.3, -0.2], "is negative at every point: -0.25"),
        (("unclear", "unclear"), [-0.3, -0.2], "is nowhere surely above or below 0: -0.25"),
        (("unclear", "above"), [0.0, 0.0], "is +0.00"),
    ],
)
def test_of_all_points_no_more_is_said_than_their_intervals_say(sides, gain, said):
    points = [({"b": n}, summary(gain, side=side)) for n, side in enumerate(sides)]
    (line,) = summarize_sweep("ice", points)["headlines"]
    assert line.startswith(f"On icy, the area gain of fine_tune {said}")


def test_what_a_left_out_parameter_bought_is_paired_by_seed():
    key = "source.randomization"
    points = [
        ({key: "all"}, summary([0.1], end=10.0)),
        ({key: "without friction"}, summary([0.1], end=4.0)),
        ({key: "without delay"}, summary([0.1], end=9.0)),
    ]
    found = summarize_sweep("ice", points)
    assert found["kind"] == "leave_one_out"
    bought = found["targets"]["icy"]["methods"]["fine_tune"]["bought"]
    assert bought["friction"]["end"]["estimate"] == 6.0
    assert bought["friction"]["end"]["per_seed"] == {"0": 6.0, "1": 6.0}
    assert bought["delay"]["end"]["estimate"] == 1.0
    assert "owes most to randomizing friction" in found["headlines"][0]
    for seeds, said in ((2, " surely"), (5, "")):
        better, worse = summary([0.1], end=10.0), summary([0.1], end=12.0)
        for point, end in ((better, 10.0), (worse, 12.0)):
            returns = point["targets"]["icy"]["methods"]["fine_tune"]["returns"]
            returns["end"] = entry(*[end + seed / 10 for seed in range(seeds)])
        points = [({key: "all"}, better), ({key: "without friction"}, worse)]
        assert summarize_sweep("ice", points)["headlines"] == [
            f"On icy, no parameter's randomization{said} raised the return of fine_tune at the end."
        ]


def test_nothing_is_bought_where_the_whole_randomization_was_not_run():
    key = "source.randomization"
    points = [
        ({key: "without friction"}, summary([0.1], end=4.0)),
        ({key: "without delay"}, summary([0.1], end=9.0)),
    ]
    found = summarize_sweep("ice", points, [f"{key}: all"])
    assert found["kind"] == "leave_one_out"
    assert found["targets"]["icy"]["methods"]["fine_tune"]["bought"] == {}
    assert found["headlines"] == []
    assert found["notes"][0] == f"1 of 3 points have not been run: {key}: all."
    some = [({key: "all"}, summary([0.1], end=10.0)), points[0]]
    assert summarize_sweep("ice", some)["headlines"] != []
    assert summarize_sweep("ice", some, [f"{key}: without delay"])["headlines"] == []


def test_nothing_is_said_of_all_points_while_some_are_missing():
    points = [({"b": n}, summary([0.3, 0.2])) for n in (0, 1)]
    for missing, said in (([], "is nowhere surely"), (["b: 2"], "is +0.25 [no interval]")):
        (line,) = summarize_sweep("ice", points, missing)["headlines"]
        assert line.startswith(f"On icy, the area gain of fine_tune {said}")


def test_a_sweep_says_what_was_unfair_at_its_points_and_what_its_turns_rest_on():
    points = [({"b": n}, summary([1 - 2 * n, 1 - 2 * n])) for n in (0, 1)]
    few, lost = "Every evaluation is 10 episodes.", "Computed on a GPU."
    for number, (_, point) in enumerate(points):
        told = {
            "evaluations": (few, False),
            "repeats": (lost, bool(number)),
            "complete": ("?", False),
        }
        point["fairness"] += [
            {"what": what, "holds": holds, "text": text} for what, (text, holds) in told.items()
        ]
    notes = summarize_sweep("ice", points)["notes"]
    assert notes[-2:] == [few, f"At 1 of 2 points that were run: {lost}"]
    assert notes[-3].startswith("Where a gain changes sign is read from straight lines")
    steady = [({"b": n}, summary([0.3, 0.3])) for n in (0, 1)]
    assert len(summarize_sweep("ice", steady)["notes"]) == 1


def test_the_end_of_a_point_tells_whether_it_has_converged():
    points = [({"b": n}, summary([0.3, 0.2])) for n in (0, 1)]
    points[1][1]["targets"]["icy"]["methods"]["fine_tune"]["converged"] = False
    found = summarize_sweep("ice", points)["targets"]["icy"]["methods"]["fine_tune"]
    for kind in ("scores", "returns"):
        assert [end["converged"] for end in found[kind]["end"]] == [True, False]
        assert all("converged" not in start for start in found[kind]["start"])


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (["worn-tyres/0.4", "worn-tyres/1"], "severity of worn-tyres"),
        (["* 0.4", "* 1e-3"], "key, times its nominal"),
        (["+ 0.4", "+ 1"], "key, added to its nominal"),
        (["= 0.4", "= 1"], "key"),
        ([1_000, 2_000], "key"),
        (["worn-tyres/0.4", "heavy-load/0.4"], "key"),
        (["worn-tyres/mild", "worn-tyres/severe"], "key"),
    ],
)
def test_an_axis_says_what_was_swept(values, said):
    assert quantity("key", values) == said


def test_which_evaluations_the_end_averages_is_said_for_each_budget():
    short, long = summary([0.1]), summary([0.1])
    short["targets"]["icy"]["averaged"] = "all 4 evaluations"
    points = [({"b": n}, found) for n, found in enumerate((short, long, long))]
    assert summarize_sweep("ice", points)["notes"] == [
        "The end is a mean over all 4 evaluations (icy: 1 of 3 points); over the last 2 of 8 "
        "evaluations after step 0 (icy: 2 of 3 points)."
    ]


def test_the_best_of_a_point_is_a_scale_only_where_there_are_scores():
    points = [({"b": n}, summary([0.1])) for n in (0, 1)]
    for _, point in points:
        point["targets"]["icy"]["anchors"]["reference"]["origin"] = "best asymptotic mean"
    assert any("A score of 1 is" in note for note in summarize_sweep("ice", points)["notes"])
    points[0][1]["targets"]["icy"]["methods"]["fine_tune"]["scores"] = None
    assert not any("A score of 1 is" in note for note in summarize_sweep("ice", points)["notes"])


def test_every_point_is_checked_before_the_first_is_run(tmp_path):
    shifts = ["worn-tyres/mild", "worn-tyres/mil"]
    experiment = build({**EXPERIMENT, "sweep": {"targets.icy.shift": shifts}})
    quiet = Console(file=io.StringIO())
    said = r"^ice.yaml: sweep, targets\.icy\.shift: worn-tyres/mil: targets\.icy\.shift: .*'mil'"
    with pytest.raises(ConfigError, match=said):
        sweeps.run_points(experiment, tmp_path / "runs", lambda *_: 1 / 0, quiet, "ice.yaml")
    assert not (tmp_path / "runs").exists()


def test_a_directory_of_another_sweep_is_refused(tmp_path):
    place = tmp_path / "runs"
    one = build({**EXPERIMENT, "sweep": {"source.steps": [1_000, 2_000]}})
    other = build({**EXPERIMENT, "sweep": {"source.steps": [1_000, 3_000]}})

    ran = []

    def run(experiment, directory):
        ran.append(directory.relative_to(place).as_posix())
        build_run(
            directory, targets=("icy", "worn"), methods=("scratch", "fine_tune"), seeds=(0, 1)
        )
        return ["trials/icy/scratch/seed-0"]

    quiet = Console(file=io.StringIO())
    failed = sweeps.run_points(one, place, run, quiet, "here")
    assert ran == ["points/00-1000", "points/01-2000"]
    assert failed[0] == "points/00-1000/trials/icy/scratch/seed-0"
    assert holds_sweep(place)
    assert loads((place / "sweep.yaml").read_text())["sweep"] == {"source.steps": [1_000, 2_000]}
    with pytest.raises(ConfigError, match=r"another sweep: sweep\.source\.steps is"):
        sweeps.run_points(other, place, run, quiet, "here")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    with pytest.raises(ConfigError, match="is not empty and holds no sweep"):
        sweeps.run_points(one, tmp_path / "mine", run, quiet, "here")


def test_every_trial_that_is_listed_can_be_run_alone(monkeypatch, tmp_path):
    sweep = {"targets.icy.shift": ["worn-tyres/0.2", "worn-tyres/0.6"]}
    experiment = build({**EXPERIMENT, "sweep": sweep, "seeds": [0]})
    listed = api.trials(experiment)
    # 2 points, 2 targets, 2 methods, 1 seed.
    assert len(listed) == 8
    assert "01-worn-tyres-0.6/worn/fine_tune/0" in listed
    assert api.share([experiment], listed) == {"ice": listed}
    other = build({**EXPERIMENT, "name": "other", "seeds": [0]})
    assert api.share([experiment, other], ["other/icy/*"]) == {
        "ice": [],
        "other": ["icy/scratch/0", "icy/fine_tune/0"],
    }
    with pytest.raises(ConfigError, match="expected point/target/method/seed; did you mean"):
        api.share([experiment], ["01-worn-tyres-0.6/worn/fine_tuen/0"])
    ran = []

    def run_units(experiment, directory, *, trials, **given):
        ran.append((directory.name, list(trials)))
        settings = {"methods": ("scratch", "fine_tune"), "seeds": (0,)}
        build_run(directory, targets=("icy", "worn"), **settings)
        return []

    monkeypatch.setattr(api, "run_units", run_units)
    chosen = ["01-worn-tyres-0.6/worn/*", "01-worn-tyres-0.6/icy/scratch/0"]
    quiet = Console(file=io.StringIO())
    result = api.run(experiment, out=tmp_path / "ice", trials=chosen, console=quiet)
    trials = ["icy/scratch/0", "worn/scratch/0", "worn/fine_tune/0"]
    assert [(place, sorted(names)) for place, names in ran] == [
        ("01-worn-tyres-0.6", sorted(trials))
    ]
    assert len(result.summary["points"]) == 1
