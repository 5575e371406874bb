"""Files of a run that somebody has deleted: made anew, or named with what to do."""

import io
import json

import pytest
from headstart.core.files import read_json, write_json
from headstart.experiments.config.schema import ConfigError, build
from headstart.experiments.running.plan import make_plan
from headstart.experiments.running.runner import _prepare, _restore
from rich.console import Console

pytestmark = pytest.mark.usefixtures("undrawn")

EXPERIMENT = {
    "name": "kept",
    "source": {"world": "Pendulum-v1", "steps": 4096},
    "targets": {"heavy": {"kwargs": {"g": 14.0}, "steps": 4096}},
    "methods": ["scratch"],
    "seeds": [0],
    "evaluation": {"every": 2048},
}
OTHER = {**EXPERIMENT, "seeds": [0, 1]}


@pytest.fixture
def told():
    return Console(file=io.StringIO(), width=200)


@pytest.fixture
def begun(tmp_path, told):
    """A run of which one trial is done."""
    run = tmp_path / "run"
    run.mkdir()
    _prepare(make_plan(build(EXPERIMENT)), run, False, told)
    write_json(run / "trials/heavy/scratch/seed-0/status.json", {"state": "done"})
    return run


def test_facts_are_made_anew_and_said(begun, told):
    before = read_json(begun / "facts.json")
    (begun / "facts.json").unlink()
    _prepare(make_plan(build(EXPERIMENT)), begun, False, told)
    after = read_json(begun / "facts.json")
    assert after.keys() == before.keys()
    assert after["experiment"] == before["experiment"]
    assert "facts.json is made anew: what is done already is taken to be" in told.file.getvalue()


def test_the_experiment_is_written_anew_where_the_facts_know_it(begun, told):
    text = (begun / "experiment.yaml").read_text()
    (begun / "experiment.yaml").unlink()
    with pytest.raises(ConfigError, match=r"its experiment.yaml is gone: put it back, compute all"):
        _prepare(make_plan(build(OTHER)), begun, False, told)
    _prepare(make_plan(build({**EXPERIMENT, "video": True})), begun, False, told)
    assert "experiment.yaml was gone, and is written anew" in told.file.getvalue()
    assert (begun / "experiment.yaml").read_text() == text.replace("video: false", "video: true")


def test_facts_without_units_are_no_run(begun, told, tmp_path):
    (tmp_path / "stopped").mkdir()
    facts = {"versions": {}, "commands": ["before"]}
    (tmp_path / "stopped/facts.json").write_text(json.dumps(facts))
    _prepare(make_plan(build(EXPERIMENT)), tmp_path / "stopped", False, told)
    assert read_json(tmp_path / "stopped/facts.json")["versions"]
    assert not told.file.getvalue()


def test_both_gone_is_named_with_what_to_do_and_fresh_begins_anew(begun, told):
    for name in ("experiment.yaml", "facts.json"):
        (begun / name).unlink()
    with pytest.raises(ConfigError, match=r"holds units of a run, and its experiment.yaml is gone"):
        _prepare(make_plan(build(EXPERIMENT)), begun, False, told)
    _prepare(make_plan(build(EXPERIMENT)), begun, True, told)
    assert sorted(path.name for path in begun.iterdir()) == ["experiment.yaml", "facts.json"]


def test_what_is_deleted_while_a_run_is_at_work_is_written_anew(begun, told):
    kept = {name: (begun / name).read_bytes() for name in ("experiment.yaml", "facts.json")}
    _restore(begun, kept, told)
    assert not told.file.getvalue()
    (begun / "facts.json").unlink()
    _restore(begun, kept, told)
    said = "deleted while the run was at work, and written anew: facts.json\n"
    assert told.file.getvalue() == said
    assert (begun / "facts.json").read_bytes() == kept["facts.json"]
