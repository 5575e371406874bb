"""A pretrained policy as an experiment's source, from its file to its report."""

import io
import json
import re

import gymnasium
import pytest
from headstart.agents.algorithms import resolve_algorithm
from headstart.agents.bundles import bundle as bundles
from headstart.agents.bundles import pretrained
from headstart.agents.learner import create
from headstart.agents.training import train
from headstart.experiments.api import run
from headstart.experiments.config.points import points
from headstart.experiments.config.schema import ConfigError, build, load
from headstart.experiments.config.yaml_text import dumps, loads
from headstart.transfer.randomization.recommended import recommended
from rich.console import Console

pytestmark = pytest.mark.usefixtures("undrawn")

REACH = "headstart/PandaReach-v0"
SHORT = {"max_episode_steps": 25}
READY = {
    "name": "ready",
    "source": {"world": REACH, "bundle": "pretrained/randomized"},
    "targets": {"loaded": {"shift": {"payload_mass": "= 2"}, "steps": 1_000}},
    "evaluation": {"every": 500, "episodes": 2, "anchor_episodes": 4},
}


def with_(source=None, **changes):
    return {**READY, "source": source or READY["source"], **changes}


@pytest.fixture(scope="module")
def pendulum(tmp_path_factory):
    """A bundle of a policy that learned for 128 steps."""
    out = tmp_path_factory.mktemp("source") / "pendulum"
    settings = {"worlds": 2, "n_steps": 32, "batch_size": 32, "n_epochs": 1}
    algorithm = resolve_algorithm({"ppo": settings}, "Pendulum-v1")
    learner = create(algorithm, lambda: gymnasium.make("Pendulum-v1"), seed=0)
    train(learner, steps=128, seed=0, grid=[], evaluate=print, on_evaluation=print)
    bundles.save(learner, out, world_id="Pendulum-v1")
    learner.close()
    return out


def test_what_a_bundle_determines_is_spelled_out():
    facts = pretrained.facts(pretrained.find_pretrained("pretrained/randomized", REACH))
    source = build(READY).source
    assert source.bundle == "pretrained/randomized"
    assert source.bundle_sha256 == facts.sha256
    assert (source.steps, source.algorithm) == (facts.steps, facts.algorithm)
    assert source.randomization == facts.randomization != {}
    assert source.name == "randomized"
    resolved = build(READY).resolved()
    assert build(loads(dumps(resolved))).resolved() == resolved


def test_bundles_and_worlds_can_be_swept():
    names = ["pretrained/nominal", "pretrained/randomized"]
    found = points(build({**READY, "sweep": {"source.bundle": names}}))
    shas = [pretrained.facts(pretrained.find_pretrained(name, REACH)).sha256 for name in names]
    assert [point.experiment.source.bundle_sha256 for point in found] == shas
    trained = {"world": REACH, "steps": 1_000}
    found = points(build(with_(trained, sweep={"source.bundle": [None, names[0]]})))
    assert [(p.experiment.source.bundle, p.experiment.source.steps) for p in found] == [
        (None, 1_000),
        (names[0], pretrained.facts(pretrained.find_pretrained(names[0], REACH)).steps),
    ]
    worlds = [REACH, "headstart/KukaReach-v0"]
    source = {"world": REACH, "randomization": "recommended", "steps": 1_000}
    plain = with_(source, targets={"there": {"steps": 1_000}}, sweep={"source.world": worlds})
    drawn = [point.experiment.source.randomization for point in points(build(plain))]
    assert drawn == [recommended(world) for world in worlds]
    with pytest.raises(ConfigError, match="no recommended randomization for world 'Pendulum-v1'"):
        points(build({**plain, "sweep": {"source.world": [REACH, "Pendulum-v1"]}}))


def test_a_name_alone_is_in_the_world_of_the_targets():
    target = {"steps": 1_000, "world": REACH}
    short = with_("pretrained/nominal", targets={"a": target, "b": target})
    source = build(short).source
    assert (source.world, source.bundle, source.name) == (REACH, "pretrained/nominal", "nominal")


def test_the_recommended_randomization_is_spelled_out(tmp_path):
    source = {"world": REACH, "randomization": "recommended", "steps": 1_000}
    assert build(with_(source)).source.randomization == recommended(REACH)
    (tmp_path / "try.yaml").write_text(dumps(with_({**source, "randomization": {}})))
    overridden = load(tmp_path / "try.yaml", ["source.randomization=recommended"])
    assert overridden.source.randomization == recommended(REACH)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"steps": 9}, "source: 'steps' is that of the bundle 'pretrained/randomized': leave it"),
        ({"algorithm": "sac"}, "source: 'algorithm' is that of the bundle"),
        ({"randomization": {}}, "source: 'randomization' is that of the bundle"),
        ({"bundle": "pretrained/random"}, "did you mean 'pretrained/randomized'?"),
        ({"bundle": "nowhere"}, "source: no bundle at nowhere"),
        ({"world": "Pendulum-v1"}, "no 'pretrained/randomized' for world 'Pendulum-v1'; known: "),
        ({"bundle_sha256": "0" * 64}, "is not the one that bundle_sha256 says"),
        ({"bundle": None, "bundle_sha256": "0" * 64}, "'bundle_sha256' needs a 'bundle'"),
        ({"world": None}, "source.world: input should be a valid string"),
    ],
)
def test_what_goes_against_a_bundle_is_refused(changes, said):
    with pytest.raises(ConfigError, match=re.escape(said)) as caught:
        build(with_({**READY["source"], **changes}))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("source", "targets", "said"),
    [
        ("pretrained/nominal", {"a": {"steps": 1_000}}, "let every target name the same 'world'"),
        (
            "pretrained/nominal",
            {"a": {"steps": 1_000, "world": REACH}, "b": {"steps": 1_000, "world": "Other-v0"}},
            "let every target name the same 'world'",
        ),
        ({"bundle": "pretrained/nominal"}, READY["targets"], "source.world: missing"),
        (
            {"world": "Pendulum-v1", "randomization": "recommended", "steps": 9},
            READY["targets"],
            "no recommended randomization for world 'Pendulum-v1'",
        ),
        (
            {"world": REACH, "randomization": "recomended", "steps": 9},
            READY["targets"],
            "source.randomization: ",
        ),
    ],
)
def test_a_source_that_says_too_little_is_refused(source, targets, said):
    with pytest.raises(ConfigError, match=re.escape(said)):
        build(with_(source, targets=targets))


def test_a_bundle_of_another_world_is_refused(pendulum):
    with pytest.raises(ConfigError, match="comes from 'Pendulum-v1', not from"):
        build(with_({"world": REACH, "bundle": str(pendulum)}))


def test_a_run_takes_the_bundle_and_says_that_all_seeds_share_it(pendulum, tmp_path):
    experiment = {
        "name": "ready",
        "source": {"bundle": str(pendulum), "kwargs": SHORT},
        "targets": {"heavy": {"kwargs": {"g": 12.0, **SHORT}, "steps": 128}},
        "methods": ["scratch", "zero_shot", "naive", "fine_tune"],
        "seeds": [0, 1],
        "evaluation": {"every": 64, "episodes": 2, "anchor_episodes": 4},
    }
    out, console = tmp_path / "run", Console(file=io.StringIO(), width=120)
    result = run(experiment, out=out, jobs=1, console=console)
    assert not result.failed
    assert not result.summary["failures"]
    manifest = (pendulum / "manifest.json").read_bytes()
    for seed in (0, 1):
        folder = out / "source" / "nominal" / f"seed-{seed}"
        assert (folder / "bundle" / "manifest.json").read_bytes() == manifest
        rows = [json.loads(row) for row in (folder / "evaluations.jsonl").read_text().splitlines()]
        assert [row["step"] for row in rows] == [128]
        assert json.loads((folder / "status.json").read_text())["state"] == "done"
        scratch = out / "trials" / "heavy" / "scratch" / f"seed-{seed}" / "bundle" / "bundle.json"
        ours, theirs = (json.loads(p.read_text()) for p in (scratch, pendulum / "bundle.json"))
        assert ours["algorithm"] == theirs["algorithm"]
    resolved = loads((out / "experiment.yaml").read_text())["source"]
    assert resolved["bundle_sha256"] == pretrained.checksum(pendulum)
    assert resolved["steps"] == 128
    shared = [fact for fact in result.summary["fairness"] if "share one pretrained" in fact["text"]]
    assert [fact["holds"] for fact in shared] == [False]
    assert result.summary["sources"][0]["start_return"] is None
    assert "share one pretrained source policy" in (out / "report.html").read_text()

    # What was begun goes on; with another bundle it is another experiment.
    again = run(experiment, out=out, jobs=1, console=console)
    assert again.summary == result.summary
    other = tmp_path / "other"
    pretrained.copy(pendulum, other, pretrained.checksum(pendulum))
    with pytest.raises(ConfigError, match=r"another experiment: source.bundle is"):
        run(
            {**experiment, "source": {"bundle": str(other), "kwargs": SHORT}},
            out=out,
            jobs=1,
            console=console,
        )


def test_a_bundle_damaged_or_not_as_stated_is_refused_before_anything_is_written(
    pendulum, tmp_path
):
    copy = tmp_path / "copy"
    pretrained.copy(pendulum, copy, pretrained.checksum(pendulum))
    experiment = {
        **READY,
        "source": {"bundle": str(copy)},
        "targets": {"heavy": {"kwargs": {"g": 12.0}, "steps": 1_000}},
    }
    resolved = build(experiment).resolved()
    stated = {**resolved, "source": {**resolved["source"], "steps": 64}}
    with pytest.raises(ConfigError, match=r"source.bundle: .* is not the bundle that is stated"):
        run(stated, out=tmp_path / "run")
    settings = {"ppo": {**resolved["source"]["algorithm"]["ppo"], "gamma": 0.5}}
    stated = {**resolved, "source": {**resolved["source"], "algorithm": settings}}
    with pytest.raises(ConfigError, match=r"source.bundle: the algorithm stated is not that of"):
        run(stated, out=tmp_path / "run")
    (copy / "policy.safetensors").write_bytes(b"nothing")
    with pytest.raises(ConfigError, match=r"source.bundle: .*truncated or altered"):
        run(experiment, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
