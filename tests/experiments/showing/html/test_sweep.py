"""What is drawn and written of a sweep."""

import io
import json
import math
import re
from datetime import date

import pytest
from headstart.core.plain import from_json, to_json
from headstart.experiments.config.yaml_text import dumps
from headstart.experiments.measuring.results import SweepSummary
from headstart.experiments.measuring.runs import load_run
from headstart.experiments.running.sweep import point_places
from headstart.experiments.showing import formats
from headstart.experiments.showing.figures import sweep as figures_sweep
from headstart.experiments.showing.html.sweep import render_sweep
from headstart.experiments.showing.html.sweep import write_sweep as write_record
from headstart.experiments.showing.status import sweep_overview
from headstart.experiments.showing.sweep_outputs import write_sweep_outputs
from rich.console import Console

from ...conftest import build_run, write_curve

pytestmark = pytest.mark.usefixtures("undrawn")


def write_sweep(*given):
    """Write a sweep; return its summary as `summary.json` holds it."""
    return to_json(write_record(*given))


@pytest.mark.parametrize(
    ("values", "figure"),
    [
        ([{"targets.x.steps": n} for n in (1, 2, 3)], "sweep-tired-arm"),
        ([{"a": a, "b": b} for a in ("* 1", "* 2") for b in (0, 1)], "grid-tired-arm"),
        (
            [{"a": a, "b": b} for a in ({"mass": "* 1"}, None) for b in ([0], [1])],
            "grid-tired-arm",
        ),
        (
            [{"source.randomization": v} for v in ("all", "without mass", "without delay")],
            "bought-tired-arm",
        ),
    ],
)
def test_every_kind_of_sweep_can_be_shown(tmp_path, values, figure, drawn):
    ran = []
    for number, value in enumerate(values):
        place = build_run(
            tmp_path / "points" / str(number),
            targets=("tired-arm",),
            methods=("scratch", "zero_shot", "fine_tune"),
            seeds=range(2 + number % 2),
        )
        ran.append((value, load_run(place)))
    record = write_record("ice", ran, tmp_path)
    found = to_json(record)
    assert to_json(from_json(SweepSummary, found)) == found
    assert {f"{figure}.png", f"{figure}.svg"} == {p.name for p in (tmp_path / "figures").iterdir()}
    page = (tmp_path / "report.html").read_text()
    assert 'href="points/1/report.html"' in page
    assert "there are fewer than 10 seeds" in page
    assert found == json.loads((tmp_path / "summary.json").read_text()) or found["at"]
    header, *lines = (tmp_path / "sweep.csv").read_text().splitlines()
    assert header == ",".join(
        [*values[0], "target,method,metric,estimate,low,high,n,kind,converged"]
    )
    # 3 methods: 3 scores and 2 returns each, and 3 gains of the two that are not scratch.
    assert len(lines) == len(values) * (3 * 5 + 2 * 3)
    console = Console(file=io.StringIO(), width=160)
    console.print(render_sweep(record))
    assert console.file.getvalue().count("fine_tune") >= len(values)


@pytest.mark.parametrize("grid", [False, True])
def test_a_target_without_scores_is_shown_in_returns(tmp_path, grid):
    values = [{"a": a, "b": b} if grid else {"b": 2 * a + b} for a in (0, 1) for b in (0, 1)]
    places = [tmp_path / "points" / str(number) for number in range(4)]
    for place in places:
        build_run(place, seeds=(0, 1), targets=("tired-arm",), methods=("scratch", "fine_tune"))
        facts = json.loads((place / "facts.json").read_text())
        facts["anchors"]["tired-arm"] = {"random": None, "reference": None}
        (place / "facts.json").write_text(json.dumps(facts))
    record = write_record("ice", list(zip(values, map(load_run, places), strict=True)), tmp_path)
    found = to_json(record)
    assert found["notes"][:2] == [
        # 31 evaluations to step 60,000: from step 52,000 on.
        "The end is a mean over the last 3 of 30 evaluations after step 0.",
        "Not every point has scores on tired-arm: returns are what is shown, and each point's "
        "report says why.",
    ]
    # What was unfair, the same at all points: a baseline that is absent, few seeds.
    assert [note.split()[0] for note in found["notes"][2:]] == ["Baselines", "2"]
    if grid:
        axes = figures_sweep.draw_heat_maps(record, "tired-arm").axes
        assert axes[-1].get_ylabel() == "return"
        assert axes[0].texts[0].get_text().startswith("-1")  # about -120, at two digits or more
        panels = [axis.get_title() for axis in axes[:2]]
        assert panels == ["scratch: return at step 0", "scratch: return at the end"]
    else:
        axes = figures_sweep.draw_lines(record, "tired-arm").axes
        panels = [axis.get_title() for axis in axes]
        assert panels == ["return at step 0", "return at the end"]
        assert all(axis.lines for axis in axes)
    end = found["targets"]["tired-arm"]["methods"]["scratch"]["returns"]["end"][0]["estimate"]
    page = (tmp_path / "report.html").read_text()
    assert f"<td>{formats.number(end)}<small>" in page


@pytest.fixture
def budgets(tmp_path):
    """Return a function that writes a sweep over budgets, 0 among them; some points ran."""

    def make(key, ran, **lost):
        experiment = {
            "name": "budgets",
            "source": {"world": "headstart/PandaReach-v0", "steps": 1_000},
            "targets": {name: {"steps": 10_000} for name in ("tired-arm", "long-tool")},
            "methods": ["scratch", "fine_tune"],
            "evaluation": {"every": 2_000},
            "sweep": {key: [0, 30_000, 60_000], "source.steps": [1_000, 2_000]},
        }
        (tmp_path / "sweep.yaml").write_text(dumps(experiment))
        places = point_places(tmp_path)
        assert list(places) == [
            f"{key}: {steps}, source.steps: {source}"
            for steps in (30_000, 60_000)
            for source in (1_000, 2_000)
        ]
        for number, place in enumerate(places.values()):
            if number in ran:
                build_run(
                    place,
                    methods=("scratch", "fine_tune"),
                    failed=lost.get(f"at{number}", ()),
                    anchors=False,
                )
        return to_json(write_sweep_outputs(tmp_path))

    return make


@pytest.mark.parametrize("key", ["targets.tired-arm.steps", "targets.*.steps"])
def test_a_budget_of_0_is_where_the_curves_begin(tmp_path, budgets, key):
    found = budgets(key, range(4))
    assert found["points"] == [
        {key: steps, "source.steps": source}
        for steps in (0, 30_000, 60_000)
        for source in (1_000, 2_000)
    ]
    assert found["axes"] == {key: [0, 30_000, 60_000], "source.steps": [1_000, 2_000]}
    tired = found["targets"]["tired-arm"]["methods"]["fine_tune"]
    begun = {**tired["returns"]["start"][2], "converged": None}
    assert tired["returns"]["end"][0] == begun
    assert tired["gains"]["area"][0] == tired["gains"]["jump_start"][2]
    assert tired["returns"]["end"][2]["per_seed"] != begun["per_seed"]
    other = found["targets"]["long-tool"]["methods"]["fine_tune"]["returns"]
    same = other["end"][0]["per_seed"] == other["start"][0]["per_seed"]
    assert same == (key == "targets.*.steps")
    # It leads to the report of the largest budget that there is.
    page = (tmp_path / "report.html").read_text()
    assert page.index("02-60000-1000/report.html") < page.index("00-30000-1000/report.html")


def test_a_budget_of_0_is_shown_by_a_run_that_has_finished_and_tells_nothing_twice(
    tmp_path, budgets
):
    every = [
        ("tired-arm", method, seed) for method in ("scratch", "fine_tune") for seed in range(3)
    ]
    key = "targets.tired-arm.steps"
    found = budgets(key, [0, 2, 3], at2=every)
    # With 2,000 source steps only the longer run is there, and so it shows the beginning.
    unrun = f"{key}: 30000, source.steps: 2000"
    assert found["notes"][0] == f"1 of 6 points have not been run: {unrun}."
    assert found["axes"]["source.steps"] == [1_000, 2_000]
    page = (tmp_path / "report.html").read_text()
    assert page.index("00-30000-1000/report.html") < page.index("02-60000-1000/report.html")
    ends = found["targets"]["tired-arm"]["methods"]["fine_tune"]["returns"]["end"]
    assert ends[0] is not None
    assert [note for note in found["notes"] if "usable" in note] == [
        "6 sources and trials have no usable curve; see the points' reports."
    ]
    [scale] = [note for note in found["notes"] if note.startswith("A score of 1")]
    assert "(at a budget of 0, of the run whose start it shows), the best" in scale


def test_what_a_run_lost_elsewhere_does_not_cost_a_budget_of_0_its_seeds(tmp_path, budgets):
    elsewhere = [("long-tool", method, 0) for method in ("scratch", "fine_tune")]
    found = budgets(
        "targets.tired-arm.steps", [0, 2], at0=elsewhere, at2=[("tired-arm", "fine_tune", 1)]
    )
    ends = found["targets"]["tired-arm"]["methods"]["fine_tune"]["returns"]["end"]
    assert [end["n"] for end in ends] == [3, 3, 2]


def test_points_at_which_nothing_has_finished_say_nothing_of_what_was_unfair(tmp_path, budgets):
    every = [
        (target, method, seed)
        for target in ("tired-arm", "long-tool")
        for method in ("scratch", "fine_tune")
        for seed in range(3)
    ]
    key = "targets.tired-arm.steps"
    found = budgets(key, [0, 2], at2=every)
    assert not [note for note in found["notes"] if note.startswith("At ")]
    assert [note for note in found["notes"] if note.startswith("Baselines absent")]
    nothing = budgets(key, [0, 2], at0=every, at2=every)
    assert not [note for note in nothing["notes"] if note.startswith("The end is")]


def test_budgets_stand_at_the_steps_that_were_taken_of_them(tmp_path):
    root = build_run(tmp_path / "run", targets=("tired-arm",))
    for key in ("targets.tired-arm.steps", "targets.*.steps"):
        # It has evaluations to step 60,000, to which its budget was rounded up.
        points = [({key: budget}, load_run(root)) for budget in (0, 59_000)]
        found = write_sweep("ice", points, tmp_path)
        assert found["at"] == [0, 60_000]
        assert found["axes"] == {key: [0, 59_000]}


def test_swept_values_that_json_has_not_are_told_as_text(tmp_path):
    root = build_run(tmp_path / "run", targets=("tired-arm",))
    points = [({"kwargs.x": value}, load_run(root)) for value in (1.5, math.inf, date(2020, 1, 1))]
    write_sweep("ice", points, tmp_path)
    told = json.loads((tmp_path / "summary.json").read_text())
    assert [point["kwargs.x"] for point in told["points"]] == [1.5, "inf", "2020-01-01"]


def test_budgets_that_take_the_same_steps_stand_where_they_were_asked_for(tmp_path):
    root = build_run(tmp_path / "run", targets=("tired-arm",))
    points = [({"targets.*.steps": steps}, load_run(root)) for steps in (58_000, 59_000)]
    assert write_sweep("ice", points, tmp_path)["at"] == [58_000, 59_000]


def test_nothing_lies_between_points_that_share_source_policies_in_other_ways(tmp_path):
    ran = []
    for policies in (2, 3):
        place = build_run(tmp_path / "points" / str(policies), seeds=range(6), policies=policies)
        ran.append(({"source.policies": policies}, load_run(place)))
    found = write_sweep("ice", ran, tmp_path)["targets"]["tired-arm"]["methods"]["fine_tune"]
    assert found["turns"] == dict.fromkeys(("jump_start", "asymptotic", "area"))


def test_a_parameter_that_one_method_has_not_been_run_without_is_drawn_for_the_others(tmp_path):
    ran = []
    for place, failed in (("all", ()), ("without mass", range(2)), ("without delay", ())):
        lost = [("tired-arm", "zero_shot", seed) for seed in failed]
        methods = ("scratch", "zero_shot", "fine_tune")
        settings = {"targets": ("tired-arm",), "methods": methods, "seeds": range(2)}
        root = build_run(tmp_path / "points" / place, failed=lost, **settings)
        if place == "without delay":
            for method in methods[1:]:
                for seed in range(2):
                    write_curve(root, method, seed, [0.3] * 11)
        ran.append(({"source.randomization": place}, load_run(root)))
    record = write_record("ice", ran, tmp_path)
    figure = figures_sweep.draw_contributions(record, "tired-arm")
    titles = [axis.get_title() for axis in figure.axes]
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert titles == ["zero_shot", "fine_tune"]
    assert sorted(labels) == ["delay", "mass"]
    bars = [len(axis.patches) for axis in figure.axes]
    assert bars == [1, 2]


def test_status_of_a_sweep_has_a_line_for_each_point(tmp_path):
    settings = {"seeds": (0, 1), "targets": ("tired-arm",), "methods": ("scratch", "fine_tune")}
    failed = [("tired-arm", "fine_tune", 1)]
    places = {
        "shift: a": build_run(tmp_path / "a", **settings),
        "shift: b": build_run(tmp_path / "b", **settings, failed=failed),
        "shift: c": tmp_path / "c",
    }
    shown, more = sweep_overview(places)
    console = Console(width=100, file=io.StringIO())
    console.print(shown)
    text = console.file.getvalue()
    # 2 sources and 4 trials each; the failed one ended at 14,336 of 60,000 steps.
    assert re.search(r"shift: a +6 +– +– +– +100%", text)
    assert re.search(r"shift: b +5 +– +1 +– +90%", text)
    assert re.search(r"shift: c +– +– +– +– +–", text)
    assert "2 of 3 points done" in text
    assert "no process is at work" in text
    assert not more
