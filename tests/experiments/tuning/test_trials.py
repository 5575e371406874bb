"""Trials of a search: each run, stopped, interrupted and taken up, and the command as a whole."""

import json
import shlex
import signal
import subprocess
import sys
import time

import pytest
from headstart.core.errors import HeadstartError
from headstart.core.files import write_json
from headstart.experiments import tuning
from headstart.experiments.cli import app
from headstart.experiments.config.schema import build, load
from headstart.experiments.config.yaml_text import dumps, loads
from headstart.experiments.running import unit as units
from headstart.experiments.tuning import results, search, trials
from headstart.experiments.tuning.search import Search, task_of
from headstart.experiments.tuning.study import open_study
from headstart.experiments.tuning.trials import Work, add_first
from optuna.trial import TrialState, create_trial


def write_curve(folder, steps, returns):
    folder.mkdir(parents=True, exist_ok=True)
    rest = {"success": None, "length": 200.0, "episodes": 1}
    rows = [{"step": s, "return": r, **rest} for s, r in zip(steps, returns, strict=True)]
    (folder / "evaluations.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture
def begin(tunable):
    """Begin a study of scratch on one target and two seeds, whose first trial was run before."""

    def make(out):
        task = task_of(build(tunable), "scratch", targets=["heavy"])
        study = open_study(str(out / "journal.log"), task)
        first = out / trials.FIRST
        for unit in task.units:
            write_curve(first / unit, [0, 64, 128, 192], [-1600, -1600, -1600, -1100])
        (first / "experiment.yaml").write_text(dumps(task.experiment.resolved()))
        (first / "facts.json").write_text("{}")
        add_first(study, task, out)
        return study, task

    return make


def work(out, study, task, goal, tell=None):
    """Run trials in this process; returns why it ended, and what was told."""
    told = []

    def listen(**message):
        told.append(message)
        if tell is not None:
            tell(message)

    return Work(study, task, out, goal, True, listen).run(), told


def values(study):
    return [(t.number, t.state.name, t.value, t.user_attrs["settings"]) for t in study.trials]


def test_the_first_trial_is_the_method_as_it_is(tmp_path, begin):
    study, task = begin(tmp_path)
    (first,) = study.trials
    # Scores of 0, 0, 0, 1 on the target's anchors: a trapezoid of 0.5 over a third.
    assert first.value == pytest.approx(1 / 6)
    assert first.intermediate_values[2] == 0
    assert len(first.intermediate_values) == task.evaluations == 6
    assert first.params == pytest.approx(
        {
            "algorithm.learning_rate": 1e-3,
            "algorithm.gae_lambda": 0.95,
            "algorithm.ent_coef": 0,
            "algorithm.clip_range": 0.2,
        }
    ), "of a single epoch, the default lies outside of the range"
    assert first.user_attrs["settings"]["algorithm.n_epochs"] == 1
    add_first(study, task, tmp_path)
    assert len(study.trials) == 1


def test_a_search_goes_on_to_as_many_trials_as_are_asked_for(tmp_path, begin):
    (tmp_path / "whole").mkdir()
    study, task = begin(tmp_path / "whole")
    ended, told = work(tmp_path / "whole", study, task, 3)
    assert ended is None
    assert [t.state.name for t in study.trials] == ["COMPLETE"] * 3
    assert [m["trial"] for m in told if "settings" in m] == [1, 2]
    assert [m["done"] for m in told if m["trial"] == 1 and "done" in m] == list(range(1, 7))
    assert [m["value"] for m in told if m["trial"] == 1 and "done" in m][-1] == study.trials[
        1
    ].value
    assert work(tmp_path / "whole", study, task, 3) == (None, []), "there are as many already"
    assert all(t.user_attrs["steps"] == 384 for t in study.trials)
    # A trial's folder is a run directory with the settings in it.
    there = load(tmp_path / "whole" / "trial-0001" / "experiment.yaml")
    settings = there.methods[0]["scratch"]
    assert settings["label"] == "scratch"
    rate = study.trials[1].user_attrs["settings"]["algorithm.learning_rate"]
    assert settings["algorithm"]["learning_rate"] == rate
    assert there.seeds == [101, 102]

    # Interrupted in its second curve, it goes on with the same trial to the same values.
    (tmp_path / "parts").mkdir()
    parts, task = begin(tmp_path / "parts")

    def interrupt(message):
        if message.get("done") == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work(tmp_path / "parts", parts, task, 3, interrupt)
    assert parts.trials[1].state == TrialState.RUNNING
    parts = open_study(str(tmp_path / "parts" / "journal.log"), task)
    ended, told = work(tmp_path / "parts", parts, task, 3)
    assert ended is None
    assert told[0]["trial"] == 1
    assert values(parts) == values(study)
    assert parts.trials[1].intermediate_values == study.trials[1].intermediate_values


def test_a_trial_that_falls_behind_is_stopped(tmp_path, begin):
    study, task = begin(tmp_path)
    # Whole trials so good that no other keeps up; none may be stopped before the second evaluation.
    good = dict.fromkeys(range(1, 7), 50.0)
    study.add_trials([create_trial(value=50.0, intermediate_values=good) for _ in range(4)])
    ended, told = work(tmp_path, study, task, 6)
    assert ended is None
    last = study.trials[-1]
    assert last.state == TrialState.PRUNED
    assert sorted(last.intermediate_values) == [1, 2]
    assert told[-1] == {"trial": 5, "state": "pruned", "value": last.value, "error": None}
    assert last.value == last.intermediate_values[2] < 50
    assert last.user_attrs["steps"] == 128
    folder = tmp_path / "trial-0005" / "trials" / "heavy" / "scratch"
    assert len((folder / "seed-101" / "evaluations.jsonl").read_text().splitlines()) == 3
    assert json.loads((folder / "seed-101" / "status.json").read_text())["state"] == "stopped"
    assert not list(folder.glob("*/checkpoint"))
    assert not (folder / "seed-102").exists()


def fails_with(error, monkeypatch):
    """Let every unit fail; returns how often one was run."""
    runs = []

    def run_unit(run, unit, report):
        write_curve(run / unit, [0, 64], [-1600, -1600])
        runs.append(unit)
        return "failed", error

    monkeypatch.setattr(trials, "run_unit", run_unit)
    return runs


def test_diverging_counts_as_tried_and_failing_does_not(tmp_path, monkeypatch, begin):
    study, task = begin(tmp_path)
    runs = fails_with("TrainingError: loss is not finite", monkeypatch)
    assert work(tmp_path, study, task, 3)[0] is None
    assert [t.state.name for t in study.trials] == ["COMPLETE", "PRUNED", "PRUNED"]
    assert len(runs) == 2
    assert study.trials[2].user_attrs["error"] == "TrainingError: loss is not finite"
    runs = fails_with("StoreError: No space left on device", monkeypatch)
    ended, _ = work(tmp_path, study, task, 9)
    assert ended == "3 trials in a row failed, the last with StoreError: No space left on device"
    assert [t.state.name for t in study.trials[3:]] == ["FAIL"] * 3
    assert len(runs) == 6, "each was tried twice"
    found = results.tuned(study, task)
    # Three count, of 384 steps each; but for the first, all that ended took 64 steps.
    assert (found.trials, found.steps, found.spent) == (3, 3 * 384, 384 + 5 * 64)


def test_two_processes_share_the_trials(tmp_path, begin):
    study, task = begin(tmp_path)
    seen = []

    def join(message):
        """While the first trial is at work, another process looks for something to do."""
        if message.get("done") == 1:
            other = open_study(str(tmp_path / "journal.log"), task)
            seen.append(work(tmp_path, other, task, 2))
            seen.append(Search(tmp_path, other, task, []).elsewhere)

    assert work(tmp_path, study, task, 2, join)[0] is None
    assert seen == [(None, []), [1]]
    assert len(study.trials) == 2


def test_a_trial_that_ends_while_it_is_looked_at_is_left_alone(tmp_path, begin, monkeypatch):
    study, task = begin(tmp_path)
    at_work = study.ask()
    real = trials.lock

    def lock(directory):
        """Take the lock just after the trial's own process has ended it."""
        study.tell(at_work, 0.5)
        return real(directory)

    monkeypatch.setattr(trials, "lock", lock)
    assert work(tmp_path, study, task, 2) == (None, [])
    assert [trial.value for trial in study.trials] == [pytest.approx(1 / 6), 0.5]


def test_a_unit_can_be_stopped(tmp_path, tunable):
    experiment = build({**tunable, "methods": ["scratch"]})
    (tmp_path / "experiment.yaml").write_text(dumps(experiment.resolved()))

    def stop(step, steps, _):
        if step == 128:
            raise units.Stop

    unit = "trials/heavy/scratch/seed-0"
    assert units.run_unit(tmp_path, unit, stop) == ("stopped", None)
    status = json.loads((tmp_path / unit / "status.json").read_text())
    assert (status["state"], status["step"], status["steps"]) == ("stopped", 128, 192)
    assert units.run_unit(tmp_path, unit, lambda *_: None) == ("done", None)


# The command


@pytest.fixture
def call(piped, tmp_path, tunable, capsys, monkeypatch):
    """Run a command line in an empty directory; returns exit status and both outputs."""
    (tmp_path / "tiny.yaml").write_text(dumps(tunable))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])

    def run(line):
        with pytest.raises(SystemExit) as ended:
            app.main(shlex.split(line))
        printed = capsys.readouterr()
        return ended.value.code, printed.out, printed.err

    return run


def test_the_whole_way(call, tmp_path, tunable):
    line = "tune tiny.yaml --method careful --target light --seeds 7 --trials"
    status, out, err = call(f"{line} 3")
    assert (status, err) == (0, "")
    folder = tmp_path / "runs" / "tiny-tune" / "careful"
    assert "0 (as it is)" in out
    assert "3 trials (0 stopped early), 192 of 192 target steps" in out
    rows = (folder / "tuning.csv").read_text().splitlines()
    names = "learning_rate_factor,normalizer,policy_head"
    assert rows[0] == f"trial,state,value,steps,{names},error"
    assert [row.split(",")[:2] for row in rows[1:]] == [[str(n), "complete"] for n in range(3)]
    assert (folder / "trial-0001" / "source" / "nominal" / "seed-7" / "bundle").is_dir()

    # The best can be pasted into an experiment.
    best = loads((folder / "best.yaml").read_text())
    ((name, settings),) = best["methods"][0].items()
    assert (name, settings["label"], settings["critic_steps"]) == ("fine_tune", "careful", 0)
    assert settings["tuned"] == {"trials": 3, "steps": 192, "spent": 192, "seeds": [7]}
    values = {int(row.split(",")[0]): float(row.split(",")[2]) for row in rows[1:]}
    winner = rows[1 + max(values, key=values.get)].split(",")
    assert [str(settings[key]) for key in names.split(",")] == winner[4:-1]
    pasted = build({**tunable, **best})
    assert pasted.resolved()["methods"] == best["methods"]
    head = (folder / "best.yaml").read_text().splitlines()
    assert head[0].startswith(f"# Trial {winner[0]} of study 'tiny/careful': ")

    # Again: nothing is left to do, or one more.
    assert call(f"{line} 3")[0] == 0
    assert (folder / "tuning.csv").read_text().splitlines() == rows
    assert call(f"{line} 3 --storage other.log")[2].startswith(
        "headstart: 'runs/tiny-tune/careful' holds trials of another study"
    )


def test_a_method_that_fails_as_it_is_is_said(call, monkeypatch):
    def run_units(experiment, directory, **_):
        write_json(directory / "trials/a/status.json", {"error": "RuntimeError: it is broken"})
        return ["trials/a"]

    monkeypatch.setattr(search, "run_units", run_units)
    status, out, err = call("tune tiny.yaml --method scratch --out there")
    assert (status, out) == (1, "")
    assert err == "headstart: there/trial-0000/trials/a: RuntimeError: it is broken\n"


@pytest.mark.slow
@pytest.mark.timeout(1_200)
def test_killed_at_any_trial_it_goes_on(call, tmp_path):
    """Two processes on one study, killed with their parent; in the end each trial stands once."""
    words = ["tune", "tiny.yaml", "--method", "scratch", "--jobs", "2", "--trials", "8"]
    command = [sys.executable, "-m", "headstart.experiments.cli", *words]
    folder = tmp_path / "runs" / "tiny-tune" / "scratch"
    for number in (1, 3, 5):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and not list(folder.glob(f"trial-000{number}/trials/*/*/*")):
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.wait()
    status, out, _ = call(shlex.join(words))
    assert status == 0
    assert "started by other processes" not in out
    rows = (folder / "tuning.csv").read_text().splitlines()[1:]
    assert [int(row.split(",")[0]) for row in rows] == list(range(8))
    assert {row.split(",")[1] for row in rows} <= {"complete", "pruned"}


def test_bad_input_is_one_line(call, monkeypatch):
    for words, said in [
        ("--method fine_tun", "--method fine_tun: unknown; did you mean 'fine_tune'?"),
        ("--method zero_shot", "method zero_shot has nothing to search: it has no settings"),
        ("--method scratch --seeds 0", "--seeds: 0 is a seed of the experiment"),
        ("--method scratch --seeds 7,7", "--seeds 7,7: expected different whole numbers"),
        ("--method scratch --storage nodb://x", "cannot open the storage 'nodb://x': "),
    ]:
        status, _, err = call(f"tune tiny.yaml {words}")
        assert status == 2
        assert err.startswith(f"headstart: {said}")
        assert err.count("\n") == 1
    monkeypatch.setattr(tuning.importlib.util, "find_spec", lambda name: None)
    status, _, err = call("tune tiny.yaml --method scratch")
    assert status == 2
    assert (
        err == "headstart: headstart tune needs the extra 'tune': pip install \"headstart[tune]\"\n"
    )


def test_seeds_by_default_and_ranges_reach_the_task(call, monkeypatch):
    seen = {}

    def stop(task, **rest):
        seen.update(task=task, **rest)
        raise HeadstartError("enough")

    monkeypatch.setattr(search, "search_settings", stop)
    call('tune tiny.yaml --method scratch --search "algorithm.gamma = uniform(0.9, 1)" --seed 4')
    assert seen["task"].experiment.seeds == [101, 102]
    assert seen["task"].search["algorithm.gamma"] == "= uniform(0.9, 1)"
    assert (seen["task"].seed, seen["trials"], seen["jobs"], seen["where"]) == (
        4,
        20,
        1,
        "tiny.yaml",
    )
