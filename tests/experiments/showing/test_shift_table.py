"""What differs between source and target, as the report tells it."""

from headstart.envs.catalog import WORLDS
from headstart.envs.shifts import Family
from headstart.experiments.measuring import load_run
from headstart.experiments.showing.html.report import build_report
from headstart.experiments.showing.shift_table import shift_table
from headstart.experiments.showing.words.methods_paragraph import methods_text
from headstart.experiments.showing.words.summary import summarize

TARGET = "tired-arm"


def test_source_and_target_are_compared_by_parameter(make_run):
    rows = {row.name: row for row in shift_table(load_run(make_run()), TARGET).parameters}
    assert set(rows) == {"action_delay", "motor_strength", "tool_length"}
    delay, tool = rows["action_delay"], rows["tool_length"]
    assert (delay.range, delay.value, delay.inside) == ("0 to 0.06", "0.04", "yes")
    # nominal 0.1 m, not randomized; + 0.08 m in the target
    assert (tool.source, tool.range, tool.value) == (None, "0.1", "0.18")
    assert tool.inside == "no"


def test_a_source_is_compared_by_the_nominals_of_its_own_world(make_run):
    run = load_run(make_run(targets=(TARGET,)))
    world = run.experiment["source"]["world"]
    known = run.facts["parameters"][world]
    other = {name: dict(row) for name, row in known.items() if name != "gravity"}
    for name, nominal in (("motor_strength", 0.5), ("tool_length", 0.2)):
        other[name]["nominal"] = nominal
    run.facts["parameters"]["my:Arm-v0"] = other | {"mass": known["gravity"]}
    run.experiment["targets"][TARGET].update(world="my:Arm-v0", shift={})
    compared = shift_table(run, TARGET)
    rows = {row.name: row for row in compared.parameters}
    # Drawn from 0.6 to 1.4 times the 1.0 of its world; the target's own is 0.5.
    strength, tool = rows["motor_strength"], rows["tool_length"]
    assert (strength.range, strength.value, strength.inside) == ("0.6 to 1.4", "0.5", "no")
    assert (tool.range, tool.value, tool.inside) == ("0.1", "0.2", "no")
    assert compared.others == []
    assert "`tired-arm` is `my:Arm-v0` at nominal parameters;" in methods_text(run, summarize(run))


def test_worlds_without_parameters_are_compared_by_settings(make_run):
    run = load_run(make_run())
    run.experiment["source"].update(world="Pendulum-v1", randomization={}, kwargs={"g": 10.0})
    target = run.experiment["targets"][TARGET]
    target.update(world="Pendulum-v1", shift={}, kwargs={"g": 14.0}, wrappers=["my.module:Wrap"])
    compared = shift_table(run, TARGET)
    assert compared.parameters == []
    assert [vars(row) for row in compared.settings] == [
        {"name": "wrappers", "source": "none", "target": "my.module:Wrap"},
        {"name": "g", "source": "10.0", "target": "14.0"},
    ]
    assert "my.module:Wrap" in build_report(run, summarize(run), {})


def test_a_named_shift_is_shown_as_the_changes_it_makes(make_run, monkeypatch):
    made = Family("kinematic", "a longer tool", {"tool_length": "+ 0.16"})
    monkeypatch.setitem(WORLDS["headstart/PandaReach-v0"].families, "long-tool", made)
    run = load_run(make_run())
    run.experiment["targets"][TARGET]["shift"] = "long-tool/0.5"
    compared = shift_table(run, TARGET)
    assert compared.shift == "long-tool/0.5"
    assert {row.name: row.value for row in compared.parameters}["tool_length"] == "0.18"
    run.experiment["targets"][TARGET]["shift"] = "of-another-version"
    assert "of-another-version" in build_report(run, summarize(run), {})
