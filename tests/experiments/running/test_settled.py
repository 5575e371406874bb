"""A finished run asked again answers from what is kept of it, as long as that is the same."""

import functools
import sys
from pathlib import Path

import gymnasium
import pytest
from headstart.experiments import api
from headstart.experiments.cli import app
from headstart.experiments.config import schema
from headstart.experiments.config.overrides import read_parts
from headstart.experiments.config.schema import build
from headstart.experiments.running.settled import digest_asked, recall, remember

from ...conftest import HereWorker
from .test_code_changes import WORLD

pytestmark = pytest.mark.usefixtures("undrawn")

EXPERIMENT = """
name: settled
source:
  world: settled_here:EditedHere-v0
  steps: 64
  algorithm: {ppo: {worlds: 1, n_steps: 32, batch_size: 32, n_epochs: 1}}
targets: {half: {kwargs: {gain: 0.5}, steps: 64}}
methods: [zero_shot]
seeds: [0]
evaluation: {every: 64, episodes: 1, anchor_episodes: 4}
"""
RUN = ("run", "settled.yaml", "--jobs", "1")
UNIT = Path("trials/half/zero_shot/seed-0")


def call(*words):
    with pytest.raises(SystemExit) as ended:
        app.main(words)
    return ended.value.code


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    """A folder with a world, an experiment, its finished run, and a cache that knows of it."""
    folder = tmp_path_factory.mktemp("settled")
    (folder / "settled_here.py").write_text(WORLD)
    (folder / "settled.yaml").write_text(EXPERIMENT)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "path", [*sys.path])
        patch.setenv("HEADSTART_CACHE", str(folder / "cache"))
        patch.setattr(api, "run_units", functools.partial(api.run_units, start=HereWorker))
        assert call(*RUN) == 0
    yield folder
    gymnasium.registry.pop("EditedHere-v0")
    del sys.modules["settled_here"]


@pytest.fixture
def here(once, piped, monkeypatch):
    """The folder, as it was once; whatever a test changes in it is undone."""
    before = {path: path.read_bytes() for path in once.rglob("*") if path.is_file()}
    monkeypatch.chdir(once)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv("HEADSTART_CACHE", str(once / "cache"))
    yield once
    for path, content in before.items():
        path.write_bytes(content)


def known(*overrides):
    """Return how many units are known to be done of what the file asks for now."""
    [data] = read_parts("settled.yaml", overrides)
    return recall(digest_asked(data), Path("runs/settled"))


def test_it_prints_the_same_without_what_runs_experiments(here, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        patch.setenv("HEADSTART_CACHE", "off")
        assert call(*RUN) == 0
    found_out = capsys.readouterr()
    assert found_out.out.startswith("4 of 4 units are done already; going on\n")
    monkeypatch.setattr(schema, "build_all", None)  # would fail if it were called
    # No figure is kept; who deletes one gets it again.
    figure = here / "runs/settled/figures/curves-half.png"
    figure.unlink()
    assert call(*RUN, "--keep") == 0
    assert capsys.readouterr() == found_out
    assert figure.exists()
    # A share of a run is found out.
    assert call(*RUN, "--trial", "half/zero_shot/0") == 1
    assert "'NoneType' object is not callable" in capsys.readouterr().err


@pytest.mark.parametrize(
    "path",
    [
        UNIT / "status.json",
        UNIT / "evaluations.jsonl",
        "source/nominal/seed-0/bundle/policy.safetensors",
        "anchors/half/random.json",
        "experiment.yaml",
        "facts.json",
    ],
)
def test_a_file_that_is_damaged_or_gone_is_noticed(here, path):
    file = here / "runs/settled" / path
    content = file.read_bytes()
    file.write_bytes(content[:-3] + bytes([content[-3] ^ 1]) + content[-2:])
    assert known() is None
    file.unlink()
    assert known() is None


def test_a_comment_changes_nothing_and_another_setting_does(here):
    (here / "settled.yaml").write_text(EXPERIMENT + "# as before\n")
    assert known() == 4
    assert known("seeds=[1]") is None
    (here / "settled.yaml").write_text(EXPERIMENT.replace("episodes: 1", "episodes: 2", 1))
    assert known() is None


def test_an_edited_world_is_noticed(here, capsys):
    (here / "settled_here.py").write_text(WORLD.replace("0.2", "0.3"))
    assert call(*RUN) == 2
    assert "was computed by code that has changed since: settled_here.py" in capsys.readouterr().err


def test_other_versions_are_noticed(here, monkeypatch):
    other = {"python": "2.7"}
    monkeypatch.setattr("headstart.experiments.running.metadata.versions", lambda: other)
    assert known() is None


@pytest.mark.parametrize(
    "more",
    [
        {"video": True},
        {"device": "cuda"},
        {"track": "wandb"},
        {"sweep": {"source.steps": [64, 128]}},
    ],
)
def test_what_depends_on_more_is_always_found_out(here, more):
    [data] = read_parts("settled.yaml")
    remember("more", build({**data, **more}), Path("runs/settled"))
    assert recall("more", Path("runs/settled")) is None


def test_only_what_can_be_used_is_remembered(here):
    [data] = read_parts("settled.yaml")
    asked, run = digest_asked(data), Path("runs/settled")
    remember("again", build(data), run)
    assert recall("again", run) == 4
    (run / UNIT / "evaluations.jsonl").write_text("")
    remember(asked, build(data), run)
    assert recall(asked, run) is None
