"""What a bundle is evaluated in: where it belongs, opened as that allows."""

import shutil
import sys
from pathlib import Path

import pytest
from headstart.agents.bundles import bundle as bundles
from headstart.agents.bundles.trust import BundleError
from headstart.core.errors import HeadstartError
from headstart.experiments.config.schema import build
from headstart.experiments.config.yaml_text import dumps
from headstart.experiments.running.bundle_world import bundle_world, simulated_world
from headstart.experiments.running.claims import claim
from headstart.experiments.running.one_instance import instance_claim
from headstart.experiments.running.pretrain import evaluation_table, train_bundle
from headstart.experiments.showing.video import watch as video
from rich.console import Console

# It refuses a second instance, and writes down what happens to it.
BENCH = """
import os, gymnasium, numpy as np
class Bench(gymnasium.Env):
    def __init__(self, start=0.0, port=None):
        self.start, self.port = start, port
        self.observation_space = gymnasium.spaces.Box(-5, 5, (1,), np.float32)
        self.action_space = gymnasium.spaces.Box(-1, 1, (1,), np.float32)
        if port:
            os.close(os.open(port, os.O_CREAT | os.O_EXCL))
            self.note("open")
    def note(self, what):
        if self.port:
            with open("log", "a") as file:
                file.write(what + " ")
    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t = 0
        self.note("reset")
        return np.array([self.start], np.float32), {}
    def step(self, action):
        self.t += 1
        return np.array([self.start], np.float32), self.start, False, self.t >= 4, {}
    def close(self):
        if self.port:
            os.unlink(self.port)
            self.note("close")
class Doubled(gymnasium.RewardWrapper):
    def reward(self, reward):
        return 2 * reward
gymnasium.registry.pop("Bench-v0", None)
gymnasium.register("Bench-v0", entry_point=Bench)
"""
TRUST = ("bench_here",)
TARGETS = {
    "high": {"kwargs": {"start": 3.0}, "wrappers": ["bench_here:Doubled"], "steps": 64},
    "real": {"kwargs": {"start": 2.0, "port": "port"}, "instances": 1, "steps": 64},
}


@pytest.fixture
def trials(tmp_path, monkeypatch):
    """Return the folders of a run's bundles, by target and of the source."""
    (tmp_path / "bench_here.py").write_text(BENCH)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "bench_here", raising=False)
    small = {"ppo": {"worlds": 1, "n_steps": 32, "batch_size": 32, "n_epochs": 1}}
    source = {"world": "bench_here:Bench-v0", "kwargs": {"start": 1.0}, "steps": 32}
    experiment = build(
        {
            "name": "bench",
            "source": {**source, "algorithm": small},
            "targets": TARGETS,
            "methods": ["scratch"],
            "seeds": [0],
            "evaluation": {"every": 32, "episodes": 2},
        }
    )
    run = tmp_path / "run"
    run.mkdir()
    (run / "experiment.yaml").write_text(dumps(experiment.resolved()))
    train_bundle("bench_here:Bench-v0", tmp_path / "made", 32, small, console=Console(quiet=True))
    found = {name: run / "trials" / name / "scratch" / "seed-0" for name in TARGETS}
    found["source"] = run / "source" / "nominal" / "seed-0"
    for folder in found.values():
        shutil.copytree(tmp_path / "made", folder / "bundle")
    return found


def table_of(folder, shift="", world=None, **given):
    table = evaluation_table(folder, world, shift, 3, 5, TRUST, **given)
    return str(table.title), next(iter(table.columns[1].cells))


@pytest.mark.parametrize("inner", ["", "bundle"])
def test_a_trial_is_evaluated_in_its_target_and_a_source_in_its_world(trials, inner):
    """Returns are the four steps' rewards: the start, doubled by the target's wrapper."""
    title, mean = table_of(trials["high"] / inner)
    assert title == "high (bench_here:Bench-v0), not shifted, 3 episodes"
    assert mean == "24.000"
    assert table_of(trials["source"] / inner)[1] == "4.000"


def test_another_world_is_meant_by_its_id_and_a_bundle_that_was_moved_is_in_its_own(trials):
    assert table_of(trials["high"], world="bench_here:Bench-v0")[1] == "0.000"
    shutil.copytree(trials["high"] / "bundle", "elsewhere")
    assert table_of("elsewhere") == ("bench_here:Bench-v0, not shifted, 3 episodes", "0.000")


def test_a_target_that_exists_once_is_opened_once_when_it_is_ready(trials):
    asked = []
    for ready in (False, lambda text: bool(asked.append(text))):
        with pytest.raises(HeadstartError, match="'real' exists once, and moves; once it is safe"):
            table_of(trials["real"], ready=ready)
    assert asked == ["target 'real' exists once, and moves"]
    assert not Path("log").exists()
    assert table_of(trials["real"], ready=True)[1] == "8.000"
    assert Path("log").read_text().split() == ["open", "reset", "reset", "reset", "close"]


def test_it_is_left_alone_while_a_run_is_at_work_in_it(trials):
    run = trials["real"].parents[3]
    said = pytest.raises(HeadstartError, match=r"exists once, and a run is at work in it: .*run")
    with claim(run, instance_claim("real")), said:
        table_of(trials["real"], ready=True)
    assert not Path("log").exists()


def test_it_is_in_no_video_and_exports_are_checked_in_the_source(trials, monkeypatch):
    monkeypatch.setattr(video.encoding, "require_encoder", lambda out: None)
    with pytest.raises(HeadstartError, match="'real' exists once, and is in no video"):
        video.watch(trials["real"], Path("video.mp4"), trust=TRUST)
    its = bundles.load(trials["real"] / "bundle", TRUST)
    assert simulated_world(its, TRUST).kwargs == {"start": 1.0}
    assert not Path("log").exists()


def test_what_an_experiment_beside_a_bundle_names_is_imported_when_it_is_trusted(trials):
    path = trials["high"].parents[3] / "experiment.yaml"
    path.write_text(path.read_text().replace("bench_here:Doubled", "antigravity:Doubled"))
    its = bundles.load(trials["high"] / "bundle", TRUST)
    with pytest.raises(BundleError, match=r"wrapper 'antigravity:Doubled' would import 'antigrav"):
        bundle_world(its, trust=TRUST)
    assert "antigravity" not in sys.modules
