"""What a run has to do: which anchors are known, and which are measured."""

import numpy as np
import pytest
import torch
from headstart.core.files import read_json, write_json
from headstart.envs.shifts import measurements
from headstart.experiments.config.schema import ConfigError, build
from headstart.experiments.running.checks import check_plan
from headstart.experiments.running.plan import SOURCE, make_plan
from headstart.experiments.running.runner import _collect_anchors

REACH = "headstart/PandaReach-v0"
GIVEN = {"random": -1.0, "reference": 2.0}
TARGETS = {
    "itself": {},
    "named": {"shift": "weak-motors/moderate"},
    "given": {"shift": "weak-motors/moderate", "anchors": GIVEN},
    "between": {"shift": "weak-motors/0.5"},
    "spelled": {"shift": {"motor_strength": "* 0.7"}},
    "rendered": {"kwargs": {"render_mode": "rgb_array"}},
    "shorter": {"wrappers": [{"gymnasium.wrappers:TimeLimit": {"max_episode_steps": 25}}]},
    "foreign": {"world": "Pendulum-v1"},
}
MEASURED = ["between", "spelled", "rendered", "shorter", "foreign"]


@pytest.fixture
def experiment():
    return build(
        {
            "name": "anchored",
            "source": {"world": REACH, "steps": 4_096},
            "targets": {name: {**target, "steps": 4_096} for name, target in TARGETS.items()},
            "methods": ["scratch"],
            "seeds": [0],
            "evaluation": {"every": 4_096},
        }
    )


def test_what_is_stored_or_given_is_not_measured(experiment):
    measured = {
        unit.path for unit in make_plan(experiment).units if unit.path.startswith("anchors/")
    }
    assert measured == {f"anchors/{name}" for name in MEASURED}


def test_anchors_say_where_they_come_from(experiment):
    stored = measurements(REACH)
    reference = "stored with the world: its nominal policy, not shifted"
    home = sum(stored["nominal"]["returns"]) / len(stored["nominal"]["returns"])
    origin = "stored with the world: random actions"
    plan = make_plan(experiment)
    assert plan.stored_anchors("itself") == {
        "random": {"return": stored["nominal"]["random"], "origin": f"{origin} there"},
        "reference": {"return": home, "origin": reference},
    }
    level = stored["shifts"]["weak-motors/moderate"]
    assert plan.stored_anchors("named") == {
        "random": {"return": level["random"], "origin": f"{origin} on weak-motors/moderate"},
        "reference": {"return": home, "origin": reference},
    }
    assert plan.stored_anchors("given") == {
        key: {"return": value, "origin": "given in the experiment"} for key, value in GIVEN.items()
    }
    assert plan.stored_anchors(SOURCE) == plan.stored_anchors("itself")
    assert [plan.stored_anchors(name) for name in MEASURED] == [None] * len(MEASURED)


def test_a_run_begun_without_stored_anchors_gets_them_at_its_end(experiment, tmp_path):
    measured = {"random": {"return": 3.0, "origin": "measured"}, "reference": None}
    write_json(tmp_path / "facts.json", {"anchors": {"named": measured}})
    write_json(tmp_path / "anchors/between/random.json", {"return": 5.0, "episodes": 100})
    plan = make_plan(experiment)
    _collect_anchors(plan, tmp_path)
    anchors = read_json(tmp_path / "facts.json")["anchors"]
    assert anchors["named"] == measured  # on what it was begun with it stays
    assert anchors["itself"] == plan.stored_anchors("itself")
    assert anchors["between"]["random"]["return"] == 5.0
    assert anchors.keys() == {"source", "itself", "named", "given", "between"}


def test_a_source_that_was_changed_is_measured():
    source = {"world": REACH, "steps": 4_096, "kwargs": {"render_mode": "rgb_array"}}
    there = {"world": REACH, "steps": 4_096}
    changed = build(
        {
            "name": "changed",
            "source": source,
            "targets": {"there": there},
            "methods": ["scratch"],
            "seeds": [0],
            "evaluation": {"every": 4_096},
        }
    )
    measured = [unit.path for unit in make_plan(changed).units if unit.path.startswith("anchors/")]
    assert measured == ["anchors/source"]


def test_the_source_s_steps_are_added_in_whole_rollouts():
    rollouts = {"ppo": {"worlds": 4, "n_steps": 256}}
    experiment = build(
        {
            "name": "total",
            "source": {"world": REACH, "steps": 82_000, "algorithm": rollouts},
            "targets": {"itself": {"steps": 24_000}},
            "methods": ["scratch", "scratch_total"],
            "evaluation": {"every": 2_000},
        }
    )
    # 81 rollouts of 1,024 steps are taken for 82,000.
    wanted = {"scratch": 24_000, "scratch_total": 24_000 + 82_944}
    budgets = make_plan(experiment).budgets
    assert budgets == {("itself", name): steps for name, steps in wanted.items()}


def test_layers_that_are_not_there_are_refused_before_anything_runs(experiment):
    wrong = {**experiment.resolved(), "methods": [{"feature_reuse": {"freeze": ["featurs"]}}]}
    with pytest.raises(ConfigError, match=r"methods: layers 'featurs'.*did you mean 'features'"):
        check_plan(build(wrong))


def test_no_method_goes_by_the_name_of_another(experiment):
    wrong = {**experiment.resolved(), "methods": [{"naive": {"label": "scratch"}}]}
    with pytest.raises(ConfigError, match="naive: it would be called 'scratch', which is another"):
        check_plan(build(wrong))
    own = {**experiment.resolved(), "methods": [{"naive": {"label": "as-it-is"}}]}
    assert list(make_plan(build(own)).methods) == ["as-it-is"]


def test_to_check_an_experiment_draws_no_random_number(experiment):
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    torch_before = torch.get_rng_state()
    check_plan(experiment)
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002
    assert torch.equal(torch_before, torch.get_rng_state())


def test_source_policies_may_be_shared_in_turn(experiment):
    source = {"world": REACH, "steps": 4_096, "policies": 2}
    several = {**experiment.resolved(), "source": source, "seeds": [3, 5, 8]}
    several |= {"methods": ["fine_tune"], "targets": {"heavier": {"steps": 4_096}}}
    found = {unit.path: unit.needs for unit in make_plan(build(several)).units}
    assert [path for path in found if path.startswith("source")] == [
        "source/nominal/seed-3",
        "source/nominal/seed-5",
    ]
    needs = {path: needs for path, needs in found.items() if path.startswith("trials")}
    assert needs == {
        "trials/heavier/fine_tune/seed-3": ("source/nominal/seed-3",),
        "trials/heavier/fine_tune/seed-5": ("source/nominal/seed-5",),
        "trials/heavier/fine_tune/seed-8": ("source/nominal/seed-3",),
    }
