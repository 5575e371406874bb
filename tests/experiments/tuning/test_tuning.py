"""Tuning: what is maximized, by which study, and what the report makes of it."""

import math
from datetime import date
from pathlib import Path

import optuna
import pytest
from headstart.core.errors import HeadstartError
from headstart.experiments.config.schema import ConfigError, build
from headstart.experiments.measuring import load_run as read_run
from headstart.experiments.measuring.fairness import fairness
from headstart.experiments.measuring.runs import Run
from headstart.experiments.showing.words.fairness import describe_fact
from headstart.experiments.tuning.objective import reports, scale, value
from headstart.experiments.tuning.search import task_of
from headstart.experiments.tuning.study import CurvePruner, Sampler, TuningTask, open_study
from optuna.trial import TrialState, create_trial

# What is maximized


def test_the_value_is_the_mean_of_the_areas():
    steps = [0, 50, 100]
    # Scores 0, 0.5, 1 on (0, 10): trapezoids of 0.25 and 0.75, so an area of 0.5.
    first = (steps, [0.0, 5.0, 10.0])
    # Scores 1, 1, 0 on (10, 20): trapezoids of 1 and 0.5, so 0.75.
    second = (steps, [20.0, 20.0, 10.0])
    scales = [(0.0, 10.0), (10.0, 20.0)]
    assert value([first, second], scales, [100, 100]) == pytest.approx(0.625)
    assert value([first], scales[:1], [100]) == pytest.approx(0.5)
    # Half of the second budget: an area of 1 with half the weight, (0.5 + 0.5 * 1) / 1.5.
    half = (steps[:2], [20.0, 20.0])
    assert value([first, half], scales, [100, 100]) == pytest.approx(2 / 3)
    # Each budget weighs the same, long or short.
    short = ([0, 10], [20.0, 10.0])
    assert value([first, short], scales, [100, 10]) == pytest.approx(0.5)
    with pytest.raises(ValueError, match="no curve has an evaluation after step 0"):
        value([([0], [1.0])], [(0, 1)], [100])
    assert reports([first, second], scales, [100, 100]) == {
        1: pytest.approx(0.25),
        2: pytest.approx(0.5),
        3: pytest.approx(2 / 3),
        4: pytest.approx(0.625),
    }


def test_a_target_is_scaled_by_its_anchors_or_by_the_first_trial():
    assert scale(-10.0, 5.0, [100.0]) == (-10.0, 5.0)
    assert scale(-10.0, None, [-12.0, -4.0, -7.0]) == (-10.0, -4.0)
    # A method that was always worse than random still has a scale: 1 is as far above.
    assert scale(-10.0, None, [-18.0, -11.0]) == (-10.0, -2.0)
    assert scale(3.0, None, [3.0, 3.0]) == (3.0, 4.0)


def made(values, state=TrialState.COMPLETE):
    """A trial that has reported these values, from its first evaluation on."""
    told = dict(enumerate(values, 1))
    result = values[-1] if state == TrialState.COMPLETE else None
    return create_trial(state=state, value=result, intermediate_values=told)


def test_a_trial_below_the_median_is_stopped_although_it_began_well():
    study = optuna.create_study(direction="maximize")
    pruner = CurvePruner(2)
    # At evaluation 2 the whole ones have 2, 3, 4, 5: a median of 3.5; with 6 too, of 4.
    study.add_trials([made([9, high]) for high in (2, 3, 4, 5)])
    study.add_trial(made([9, 100], TrialState.PRUNED))
    assert not pruner.prune(study, made([10, 1])), "four whole trials are too few"
    study.add_trial(made([9, 6]))
    assert pruner.prune(study, made([10, 3.9]))
    assert not pruner.prune(study, made([0, 4]))
    assert not pruner.prune(study, made([0])), "not before the second evaluation"
    assert not pruner.prune(study, made([0, 0, 0])), "nobody else got as far"


def test_the_same_seed_suggests_the_same_though_it_was_interrupted():
    def suggested(seed, restarts):
        study = optuna.create_study(direction="maximize", sampler=Sampler(seed))
        for number in range(14):
            if number in restarts:
                study.sampler = Sampler(seed)
            trial = study.ask()
            x, kind = trial.suggest_float("x", 0, 1), trial.suggest_categorical("kind", "ab")
            study.tell(trial, -abs(x - 0.3) + (kind == "a"))
        return [trial.params for trial in study.trials]

    whole = suggested(0, ())
    assert suggested(0, (3, 12)) == whole
    assert suggested(1, ()) != whole
    assert len({one["x"] for one in whole}) == 14, "every trial has a stream of its own"


# The task


def test_the_seeds_tuned_on_are_not_reported(tunable):
    experiment = build(tunable)
    # 100 is the experiment's.
    assert task_of(experiment, "scratch").experiment.seeds == [101, 102]
    assert task_of(experiment, "scratch", seeds=[7]).experiment.seeds == [7]
    with pytest.raises(ConfigError, match="--seeds: 100 is a seed of the experiment"):
        task_of(experiment, "scratch", seeds=[7, 100])


def test_a_method_with_the_sources_steps_is_tuned_on_its_whole_budget(tunable):
    task = task_of(build(tunable), "scratch_total")
    # 192 and 64 of the targets, and 64 of the source; on two seeds.
    assert task.budgets == [256, 128] * 2
    assert task.evaluations == (4 + 2) * 2


def test_a_study_holds_kwargs_as_they_were_written(tmp_path, tunable):
    tunable["targets"]["heavy"]["kwargs"] = {"g": {1: math.inf, "day": date(2020, 1, 1)}}
    task = task_of(build(tunable), "fine_tune")
    for _ in range(2):
        held = TuningTask.of(open_study(str(tmp_path / "journal.log"), task))
        assert held.plain() == task.plain()


def test_a_sweep_is_not_tuned(tunable):
    swept = {**tunable, "sweep": {"source.steps": [64, 128]}}
    with pytest.raises(ConfigError, match="sweep: settings are tuned at one point"):
        task_of(build(swept), "fine_tune")


def test_a_method_is_found_by_label_or_by_name(tunable):
    experiment = build(tunable)
    task = task_of(experiment, "careful", targets=["light"])
    assert (task.name, task.label, task.study) == ("fine_tune", "careful", "tiny/careful")
    assert list(task.experiment.targets) == ["light"]
    assert task.units == ["trials/light/careful/seed-101", "trials/light/careful/seed-102"]
    assert "critic_steps" not in task.search, "it is stated"
    assert task.space.base == {"critic_steps": 0}
    unlisted = task_of(experiment, "fine_tune")
    assert "critic_steps" in unlisted.search
    # For each seed, 3 evaluations of heavy and 1 of light.
    assert (unlisted.budgets, unlisted.evaluations) == ([192, 64, 192, 64], 8)
    with pytest.raises(HeadstartError, match="--method carefull: unknown; did you mean 'careful'"):
        task_of(experiment, "carefull")
    with pytest.raises(ConfigError, match="try: --target hevy: unknown; did you mean 'heavy'"):
        task_of(experiment, "scratch", targets=["hevy"], where="try")


def test_sources_that_no_method_uses_are_not_trained(tunable, make_run):
    experiment = build(tunable)

    def sources(method):
        units = task_of(experiment, method, targets=["light"]).plan.units
        return [unit.path for unit in units if unit.path.startswith("source")]

    assert sources("scratch") == []
    assert sources("careful") == ["source/nominal/seed-101", "source/nominal/seed-102"]
    told = {
        describe_fact(fact).text: fact.holds
        for fact in fairness(read_run(make_run(methods=["scratch"])))
    }
    assert told["No source policy was trained, as no method uses one."]


def test_a_storage_holds_one_study_of_a_name(tmp_path, tunable):
    experiment = build(tunable)
    storage = str(tmp_path / "journal.log")
    open_study(storage, task_of(experiment, "scratch"))
    open_study(storage, task_of(experiment, "careful"))
    assert (
        len(optuna.study.get_all_study_names(open_study(storage, name="tiny/scratch")._storage))
        == 2
    )
    again = task_of(experiment, "scratch", ranges=["algorithm.gamma = uniform(0.9, 0.99)"])
    with pytest.raises(
        HeadstartError, match=r"another study 'tiny/scratch': search.algorithm.gamma"
    ):
        open_study(storage, again)


@pytest.mark.parametrize(
    ("storage", "said"),
    [
        ("{}/nowhere/journal.log", "there is no directory"),
        ("sqlite:///{}/nowhere/x.db", "unable to open database file"),
        ("nodb://x", "Can't load plugin"),
        ("{}/notes.txt", "it is a file of something else"),
    ],
)
def test_a_storage_that_cannot_be_opened_is_said(tmp_path, storage, said, tunable):
    (tmp_path / "notes.txt").write_text("keep me")
    with pytest.raises(HeadstartError) as error:
        open_study(storage.format(tmp_path), task_of(build(tunable), "scratch"))
    assert str(error.value).startswith(f"cannot open the storage '{storage.format(tmp_path)}': ")
    assert said in str(error.value)
    assert (tmp_path / "notes.txt").read_text() == "keep me"


def test_a_line_that_a_killed_writer_left_is_cut_off(tmp_path, tunable):
    path, task = tmp_path / "journal.log", task_of(build(tunable), "scratch")
    open_study(str(path), task)
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"op_code":4,"work' + b"x" * 5000)
    study = open_study(str(path), task)
    study.tell(study.ask(), 1.0)
    study.tell(study.ask(), 2.0)
    assert path.read_bytes().startswith(whole + b'{"op_code":')
    assert [trial.value for trial in open_study(str(path), task).trials] == [1.0, 2.0]


# What is recorded, and what the report makes of it


@pytest.mark.parametrize(
    ("tuned", "said"),
    [
        ({"trials": 20}, "fine_tune: tuned.steps: field required (known: trials, steps"),
        ({"trials": 0, "steps": 9}, "fine_tune: tuned.trials: input should be greater than 0"),
        ({"trials": 1, "steps": 9, "by": "me"}, "fine_tune: tuned.by: extra inputs"),
        (20, "fine_tune: tuned: input should be a valid dictionary"),
    ],
)
def test_what_is_said_of_tuning_is_checked(tunable, tuned, said):
    with pytest.raises(ConfigError) as error:
        build({**tunable, "methods": [{"fine_tune": {"tuned": tuned}}]})
    assert f"experiment: methods: {said}" in str(error.value)


def told_of(methods, tunable, seeds=(0, 1)):
    """What fairness says of the tuning of these methods, and whether it holds."""
    run = Run(
        directory=Path(),
        experiment={
            "methods": methods,
            "seeds": list(seeds),
            "targets": {},
            "source": {"steps": 1},
            "evaluation": {},
        },
        facts={"methods": {name: {"tunable": yes} for name, yes in tunable.items()}},
        trials=(),
        sources=(),
    )
    (fact,) = [describe_fact(fact) for fact in fairness(run) if fact.what == "tuning"]
    return fact.holds, fact.text


def test_the_report_compares_what_methods_were_tuned_with():
    tunable = {"scratch": True, "naive": False, "fine_tune": True}
    budget = {"trials": 20, "steps": 1_200_000, "spent": 1_200_000, "seeds": [100, 101]}

    def told(scratch, fine_tune, **rest):
        entries = [{"scratch": scratch}, {"naive": {}}, {"fine_tune": fine_tune}]
        return told_of(entries, tunable, **rest)

    assert told({}, {"critic_steps": 0}) == (
        True,
        "No method was tuned: all have their default settings, except those that the experiment "
        "states.",
    )
    assert told({"tuned": budget}, {"tuned": budget}) == (
        True,
        "Every method that has settings was tuned with the same budget: 20 trials, 1,200,000 "
        "target steps.",
    )
    stopped = {"tuned": {**budget, "spent": 812_000}}
    assert told({"tuned": budget}, stopped) == (
        True,
        "Every method that has settings was tuned with the same budget: 20 trials, 1,200,000 "
        "target steps (taken, as trials were stopped early: fine_tune 812,000).",
    )
    assert told({}, {"tuned": budget}) == (
        False,
        "Methods were tuned with different budgets: scratch with none; fine_tune with 20 trials, "
        "1,200,000 target steps.",
    )
    holds, text = told({"tuned": budget}, {"tuned": budget}, seeds=(100, 2))
    assert not holds
    assert text.endswith(
        "Tuned on seeds that are reported here, which flatters: scratch (100), fine_tune (100)."
    )
