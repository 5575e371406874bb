"""Experiments are read exactly, or refused in one line that says where and what."""

import json
import math
import re
from enum import Enum
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from headstart.envs.changes import parse
from headstart.experiments.config import schema as config
from headstart.experiments.config.schema import ConfigError, Experiment, build, load, method_label
from headstart.experiments.config.yaml_text import dumps, loads, parse_all, parse_yaml

GOOD = """
name: try
source:
  world: Pendulum-v1
  algorithm: ppo
  steps: 10_000
targets:
  heavy: {kwargs: {g: 14.0}, steps: 5_000}
methods: [scratch, zero_shot, {feature_reuse: {freeze: [features]}}]
seeds: [0, 1]
evaluation: {every: 1_000, episodes: 5}
"""


@pytest.fixture
def file(tmp_path):
    def write(text):
        path = tmp_path / "try.yaml"
        path.write_text(text)
        return path

    return write


def test_defaults_are_spelled_out_and_the_resolved_form_means_the_same(file):
    experiment = load(file(GOOD))
    resolved = experiment.resolved()
    assert resolved["evaluation"] == {
        "every": 1_000,
        "episodes": 5,
        "threshold": 0.8,
        "source_every": 1_000,
        "seed": 1_000_000,
    }
    assert resolved["methods"] == [
        {"scratch": {}},
        {"zero_shot": {}},
        {"feature_reuse": {"freeze": ["features"]}},
    ]
    assert build(resolved).resolved() == resolved
    assert build(loads(dumps(resolved))).resolved() == resolved


def test_python_objects_mean_the_same_as_their_text():
    def experiment(change):
        return Experiment(
            name="try",
            source={
                "world": "headstart/PandaReach-v0",
                "randomization": {"payload_mass": change},
                "steps": 100,
            },
            targets={"heavy": {"shift": {"payload_mass": "= 2"}, "steps": 100}},
            evaluation={"every": 50},
        )

    text = "= uniform(0, 3)"
    assert experiment(parse(text)) == experiment(text)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("source:", "sourse:"), "sourse: unknown key; did you mean 'source'?"),
        (("kwargs:", "kwarg:"), "targets.heavy.kwarg: unknown key; did you mean 'kwargs'?"),
        (("every:", "evry:"), "evaluation.evry: unknown key; did you mean 'every'?"),
        (("  world: Pendulum-v1\n", ""), "source.world: missing"),
        (("10_000", "many"), "source.steps: input should be a valid integer, got 'many'"),
        (("10_000", "1.5"), "source.steps: input should be a valid integer, got 1.5"),
        (("10_000", "-5"), "source.steps: input should be greater than 0, got -5"),
        (("[0, 1]", "[]"), "seeds: expected at least one"),
        (("[0, 1]", "[0, 0]"), "seeds: 0 is listed twice"),
        (("\nseeds: [0, 1]", "\n\tseeds: [0, 1]"), "(indent by spaces, not by tabs)"),
        (("[0, 1]", "[-1]"), "seeds.0: input should be greater than or equal to 0, got -1"),
        (("steps: 5_000", "steps: 500"), "targets.heavy.steps: 500 is less than one evaluation"),
        (("name: try", "name: ../up"), "name: '../up' names a folder"),
        (("[scratch,", "[scratch, scratch,"), "methods: 'scratch' is listed twice"),
        (("{kwargs: {g: 14.0}", "{shift: * 0.4"), "starts with '*' needs quotes"),
        (("heavy:", "source:"), "'source' is what results call the source; give it another name"),
        (("[scratch,", "[{scratch: {label: source}},"), "methods: 'source' is what results call"),
        (("seeds: [0, 1]", "seeds: [0]\nseeds: [1]"), 'try.yaml:11: found duplicate key "seeds"'),
        (("steps: 5_000}", "steps: 5_000, anchors: {random: 1, reference: 0}}"), "must be above"),
    ],
)
def test_mistakes_are_named_with_file_and_key(file, change, said):
    path = file(GOOD.replace(*change))
    with pytest.raises(ConfigError, match=re.escape(said)) as caught:
        load(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"cannot read '.*none.yaml': No such file"):
        load(tmp_path / "none.yaml")


def test_numbers_with_an_exponent_are_numbers(file):
    text = GOOD.replace("algorithm: ppo", "algorithm: {ppo: {learning_rate: 1e-3}}")
    assert load(file(text)).source.algorithm == {"ppo": {"learning_rate": 0.001}}


LOOKS_LIKE_MORE = (
    "1e5 5e0d456a1894 -1E-3 1.5e3 -.5 0x1f 0o17 017 1_000 no Yes ON y ~ null 1:30 .inf 2024-01-02 ="
)


@pytest.mark.parametrize("text", LOOKS_LIKE_MORE.split())
def test_text_stays_text_however_much_it_looks_like_a_number(text):
    assert loads(dumps({"code": text})) == {"code": text}
    # Readers of YAML 1.1 take it for the same text.
    assert loads(f"%YAML 1.1\n---\n{dumps({'code': text})}") == {"code": text}
    assert loads(f"[{text}x]") == [f"{text}x"]


@pytest.mark.parametrize("number", [1e-3, 1e5, 1.5e-7, -2e30, 100000])
def test_numbers_stay_numbers(number):
    assert loads(dumps([number])) == [number]
    assert loads(f"%YAML 1.1\n---\n{dumps([number])}") == [number]


def test_words_are_text_but_for_true_false_and_null(file):
    assert loads("[yes, off, y, true, False, null, 010, 1:30]") == [
        *("yes", "off", "y", True, False, None, 10, "1:30")
    ]


def test_what_workers_read_is_what_was_given(file):
    given = {"gains": {1: 0.5, False: [1, (2, 3)]}, "limit": math.inf, "mass": np.float32(0.5)}
    given["kind"] = Enum("Kind", {"SOFT": "soft"}).SOFT
    plain = {"gains": {1: 0.5, False: [1, [2, 3]]}, "limit": math.inf, "mass": 0.5, "kind": "soft"}
    data = {**loads(GOOD), "targets": {"heavy": {"kwargs": given, "steps": 5_000}}}
    experiment = build(data)
    assert experiment.targets["heavy"].kwargs == plain
    assert loads(dumps(experiment.resolved()))["targets"]["heavy"]["kwargs"] == plain
    assert build(loads(dumps(experiment.resolved()))).resolved() == experiment.resolved()
    for wrong in ({"made": object()}, {"made": np.complex64(1)}, {"made": {(1, 2): 3}}, {"b": b""}):
        data["targets"]["heavy"]["kwargs"] = wrong
        with pytest.raises(ConfigError, match=r"targets\.heavy\.kwargs: .* cannot be written"):
            build(data)


def test_what_aliases_share_is_set_for_one_of_them_alone(file):
    shared = GOOD.replace("heavy: {", "heavy: &one {").replace(
        "methods:", "  light: *one\n  empty:\n  more: {<<: *one, steps: 3_000}\nmethods:"
    )
    found = load(file(shared), ["targets.heavy.steps=1_000", "targets.empty.steps=2_000"])
    steps = {name: target.steps for name, target in found.targets.items()}
    assert steps == {"heavy": 1_000, "light": 5_000, "empty": 2_000, "more": 3_000}
    assert found.targets["more"].kwargs == {"g": 14.0}
    assert parse_yaml("{a: &a {x: 1}, d: {i: &b {<<: *a, x: 3}}, o: {<<: *b}}", "")["o"] == {"x": 3}
    with pytest.raises(ConfigError, match='there:2: found duplicate key "y"'):
        parse_yaml("a: &a {x: 1}\nb: {<<: *a, y: 1, y: 2}", "there")
    with pytest.raises(ConfigError, match="there:1: an alias stands inside of what it stands for"):
        parse_yaml("a: &a {b: *a}", "there")


@pytest.mark.parametrize("text", ["day: 2024-02-30", "[-_]", "a: [1", "a: 'x", "{{a: 1}: 2}"])
def test_what_is_no_yaml_is_refused_in_a_line(text):
    with pytest.raises(ConfigError, match=r"^there(:1)?: [^\n]+$"):
        parse_yaml(text, "there")


def test_overrides_reach_any_key(file):
    overrides = ["seeds=[7]", "targets.heavy.steps=2_000", "source.algorithm={sac: {gamma: 0.9}}"]
    experiment = load(file(GOOD), overrides)
    assert experiment.seeds == [7]
    assert experiment.targets["heavy"].steps == 2_000
    assert experiment.source.algorithm == {"sac": {"gamma": 0.9}}


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("seeds", "expected key.path=value"),
        ("name.x=1", "'name' has no keys"),
        ("targets.heavi.steps=9", "there is no target 'heavi'; did you mean 'heavy'?"),
        ("seds=[1]", "seds"),
    ],
)
def test_bad_overrides(file, override, said):
    with pytest.raises(ConfigError, match=said):
        load(file(GOOD), [override])


def test_method_labels():
    assert method_label("fine_tune") == "fine_tune"
    assert method_label({"fine_tune": {"label": "bold", "critic_steps": 0}}) == "bold"
    assert method_label("my.module:Mine") == "Mine"


def test_a_file_may_hold_several_experiments(tmp_path):
    file = tmp_path / "two.yaml"
    text = (Path(config.__file__).parents[1] / "studies" / "quickstart.yaml").read_text()
    file.write_text(f"{text}---\n{text.replace('name: quickstart', 'name: other')}")
    found = config.load_all(file, ["seeds=[7]"])
    assert [(e.name, e.seeds) for e in found] == [("quickstart", [7]), ("other", [7])]
    with pytest.raises(ConfigError, match=r"two\.yaml: holds 2 experiments, and one was expected"):
        config.load(file)
    file.write_text(f"{text}---\n{text}")
    with pytest.raises(ConfigError, match="two experiments are called 'quickstart'"):
        config.load_all(file)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            ["targets.tired-arm.steps=25_000"],
            "25,000 is not on the evaluation grid.*nearest are 24,000 and 26,000",
        ),
        (["evaluation.threshold=1.2"], "evaluation.threshold: .*less than or equal to 1"),
        (["evaluation.threshold=0"], "evaluation.threshold: .*greater than 0"),
        (
            ["source.steps=20_000", "evaluation.source_every=20_001"],
            "evaluation.source_every: 20,001 is more than the source's 20,000 steps",
        ),
        (["source.policies=4"], "source.policies: 4 for 3 seeds; at most one for each"),
        (
            ["source=pretrained/nominal", "source.policies=2"],
            "'source' has no keys",
        ),
    ],
)
def test_what_contradicts_itself_is_refused(changes, said):
    with pytest.raises(ConfigError, match=said):
        config.load(Path(config.__file__).parents[1] / "studies" / "quickstart.yaml", changes)


def test_the_schema_allows_the_studies_and_little_else():
    schema = json.loads(config.json_schema())
    check = jsonschema.Draft202012Validator(schema)
    for path in (Path(config.__file__).parents[1] / "studies").glob("*.yaml"):
        for experiment in parse_all(path.read_text(), path.name):
            check.validate(experiment)
    short = {
        "name": "short",
        "source": "pretrained/randomized",
        "targets": {
            "slow": {"world": "headstart/PandaReach-v0", "shift": "slow-loop/mild", "steps": 1000}
        },
        "evaluation": {"every": 100},
    }
    check.validate(short)
    config.build(short)
    long = {
        **short,
        "source": {
            "world": "headstart/PandaReach-v0",
            "randomization": "recommended",
            "steps": 100,
        },
    }
    check.validate(long)
    config.build(long)
    for wrong in ({**short, "sedes": [1]}, {**short, "targets": {}}, {**short, "source": 3}):
        assert not check.is_valid(wrong)
