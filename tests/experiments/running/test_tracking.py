"""Trials as runs of Weights & Biases and of MLflow: what they are told, once, and what fails."""

import importlib.util
import json
import sys
import types
from pathlib import Path

import pytest
from headstart.core.errors import HeadstartError
from headstart.core.files import read_json, write_json, write_text
from headstart.experiments.config.schema import ConfigError, build
from headstart.experiments.config.yaml_text import dumps
from headstart.experiments.running import runner
from headstart.experiments.running.checks import check_plan
from headstart.experiments.running.plan import make_plan
from headstart.experiments.running.runner import run_units
from headstart.experiments.running.tracking import FILE, TrackedLog, check_track, untracked
from headstart.experiments.running.unit import Stop, run_unit
from rich.console import Console
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

PPO = {"ppo": {"worlds": 2, "n_steps": 32, "batch_size": 32, "n_epochs": 1}}
EXPERIMENT = {
    "name": "tracked",
    "source": {"world": "Pendulum-v1", "algorithm": PPO, "steps": 64},
    "targets": {"heavy": {"kwargs": {"g": 14.0}, "steps": 256}},
    "methods": ["scratch"],
    "seeds": [0],
    "evaluation": {"every": 64, "episodes": 1},
    "checkpoint": 128,
}
UNIT = "trials/heavy/scratch/seed-0"


class FakeRun:
    """A run with the methods of wandb's that are used."""

    def __init__(self, **given):
        self.given, self.id, self.logged, self.code = given, given["id"], [], None

    def log(self, data, step=None):
        self.logged.append((step, dict(data)))

    def finish(self, exit_code=None):
        self.code = exit_code


@pytest.fixture
def wandb(monkeypatch):
    """Put a module with wandb's API in its place; returns it, its runs in `runs`."""
    module = types.ModuleType("wandb")
    module.runs = []

    def init(**given):
        module.runs.append(FakeRun(**given))
        return module.runs[-1]

    module.init, module.Settings = init, dict
    module.login = lambda prompt: False
    monkeypatch.setitem(sys.modules, "wandb", module)
    monkeypatch.setenv("WANDB_MODE", "offline")
    return module


def begin(place, **changes):
    experiment = build({**EXPERIMENT, **changes})
    write_text(place / "experiment.yaml", dumps(experiment.resolved()))
    return experiment


def go(place, stop_at=None):
    def progress(step, steps, value):
        if step == stop_at:
            raise Stop

    return run_unit(place, UNIT, progress)


def scalars(folder):
    """Return what TensorBoard has, by name and step, but for times."""
    found = EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()
    return {
        (name, event.step): event.value
        for name in found.Tags()["scalars"]
        if not name.startswith("time/")
        for event in found.Scalars(name)
    }


def test_a_trial_is_a_run_with_the_scalars_of_tensorboard_and_goes_on_without_doubles(
    tmp_path, wandb
):
    begin(tmp_path, track={"wandb": {"project": "arm"}})
    assert go(tmp_path, stop_at=192) == ("stopped", None)
    assert go(tmp_path) == ("done", None)
    first, second = wandb.runs
    assert first.id == second.id == read_json(tmp_path / UNIT / FILE)["id"]
    assert (first.code, second.code) == (1, 0)
    assert first.given["group"] == "tracked"
    assert first.given["project"] == "arm"
    assert first.given["tags"] == ["heavy", "scratch", "seed-0"]
    assert first.given["config"]["steps"] == 256
    logged = [
        (name, step)
        for run in wandb.runs
        for step, data in run.logged
        for name in data
        if not name.startswith("time/")
    ]
    assert len(logged) == len(set(logged))
    assert set(logged) == set(scalars(tmp_path / UNIT))
    assert {("eval/return", step) for step in (0, 64, 128, 192, 256)} <= set(logged)


def test_a_service_that_fails_costs_no_trial_and_the_run_says_so(tmp_path, wandb):
    experiment = begin(tmp_path, track="wandb")
    monkeyed = FakeRun.log

    def full(self, data, step=None):
        if step == 128:
            raise OSError("the disk\nis full")
        monkeyed(self, data, step)

    FakeRun.log = full
    try:
        assert go(tmp_path) == ("done", None)
    finally:
        FakeRun.log = monkeyed
    assert untracked(make_plan(experiment), tmp_path) == [
        "1 trials not logged to their end: wandb: OSError: the disk is full"
    ]


def test_what_is_not_trained_is_logged_at_every_step(tmp_path, wandb):
    log = TrackedLog(tmp_path / FILE, "wandb", lambda known: wandb.init(id=known or "new"))
    for step in (0, 64):
        log.write({"eval/return": 1.0, "text": "x"}, {"eval/return": ("",), "text": ("",)}, step)
    log.write({"hidden": 1.0}, {"hidden": ("tensorboard",)}, 64)
    assert wandb.runs[0].logged == [(0, {"eval/return": 1.0}), (64, {"eval/return": 1.0})]


def test_it_may_be_changed_between_runs(tmp_path, wandb):
    plan = make_plan(build({**EXPERIMENT, "methods": ["scratch"]}))
    facts = {"versions": runner.metadata.versions(), "commands": ["x"]}
    write_json(tmp_path / "facts.json", facts)
    resolved = plan.experiment.resolved()
    resolved["source"]["algorithm"] = {plan.algorithm.name: dict(plan.algorithm.settings)}
    write_text(tmp_path / "experiment.yaml", dumps(resolved))
    changed = make_plan(build({**EXPERIMENT, "track": "wandb"}))
    runner._prepare(changed, tmp_path, fresh=False, console=Console(quiet=True))
    assert "track: wandb" in (tmp_path / "experiment.yaml").read_text()
    other = make_plan(build({**EXPERIMENT, "seeds": [1]}))
    with pytest.raises(ConfigError, match="holds another experiment: seeds"):
        run_units(other, tmp_path)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("wandbb", "unknown tracker 'wandbb'; did you mean 'wandb'"),
        ({"wandb": {"projekt": "x"}}, "unknown setting 'projekt' of wandb; did you mean 'project'"),
        ({"wandb": {"project": 3}}, "wandb: project: expected a text, got 3"),
        ({"wandb": {"mode": "online"}}, "run 'wandb login' first, or set WANDB_MODE=offline"),
    ],
)
def test_what_cannot_be_logged_to_is_named(wandb, entry, message):
    with pytest.raises(HeadstartError, match=message):
        check_track(entry)


def test_what_is_not_installed_is_named_before_anything_runs(monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(ConfigError, match=r"track: 'mlflow' needs .* 'headstart\[mlflow\]'$"):
        check_plan(build({**EXPERIMENT, "track": "mlflow"}))
    with pytest.raises(ConfigError, match="callbacks: callback 'nowhere_at_all:X': cannot import"):
        check_plan(build({**EXPERIMENT, "callbacks": ["nowhere_at_all:X"]}))


@pytest.mark.skipif(not importlib.util.find_spec("wandb"), reason="needs the extra wandb")
def test_wandb_itself_offline(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    check_track("wandb")
    begin(tmp_path, track="wandb")
    assert go(tmp_path, stop_at=192) == ("stopped", None)
    assert go(tmp_path) == ("done", None)
    assert read_json(tmp_path / UNIT / FILE)["error"] is None
    name = read_json(tmp_path / UNIT / FILE)["id"]
    files = sorted(Path(tmp_path, "wandb").glob(f"offline-run-*-{name}/*.wandb"))
    assert files
    assert all(file.stat().st_size > 1_000 for file in files)


@pytest.mark.skipif(
    not (importlib.util.find_spec("mlflow") and importlib.util.find_spec("sqlalchemy")),
    reason="needs the extra mlflow",
)
@pytest.mark.filterwarnings("ignore")  # those of MLflow's own libraries
def test_mlflow_itself(tmp_path):
    from mlflow import MlflowClient

    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    track = {"mlflow": {"uri": uri}}
    check_track(track)
    begin(tmp_path, track=track)
    assert go(tmp_path, stop_at=192) == ("stopped", None)
    assert go(tmp_path) == ("done", None)
    client = MlflowClient(tracking_uri=uri)
    number = client.get_experiment_by_name("tracked").experiment_id
    [run] = client.search_runs([number])
    assert run.info.status == "FINISHED"
    told = {key: run.data.tags[key] for key in ("group", "target", "method", "seed")}
    assert told == {"group": "tracked", "target": "heavy", "method": "scratch", "seed": "seed-0"}
    history = client.get_metric_history(run.info.run_id, "eval/return")
    assert [one.step for one in history] == [0, 64, 128, 192, 256]
    kept = {json.loads(line)["step"] for line in (tmp_path / UNIT / "evaluations.jsonl").open()}
    assert kept == {one.step for one in history}
