"""The same run on a Ray cluster: equal results, machines lost in the middle, clear errors."""

import contextlib
import gc
import importlib.util
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import psutil
import pytest
from headstart.experiments.api import run
from headstart.experiments.config.schema import build
from headstart.experiments.config.yaml_text import dumps
from headstart.experiments.running.plan import Unit
from headstart.experiments.running.workers import ray_cluster
from headstart.experiments.running.workers.ray_cluster import ClusterError, connected
from rich.console import Console

WORLD = """
import time

import gymnasium
import numpy as np


class Point(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-10.0, 10.0, (2,), np.float32)
    action_space = gymnasium.spaces.Box(-1.0, 1.0, (2,), np.float32)

    def __init__(self, pause=0.0):
        self.pause = pause

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.at, self.left = self.np_random.uniform(-1, 1, 2), 10
        return self.at.astype(np.float32), {}

    def step(self, action):
        time.sleep(self.pause)
        self.at, self.left = np.clip(self.at + 0.3 * action, -5, 5), self.left - 1
        return self.at.astype(np.float32), -float(abs(self.at).sum()), False, self.left == 0, {}


gymnasium.registry.pop("Far-v0", None)
gymnasium.register("Far-v0", entry_point=Point)
"""
SMALL = {
    "name": "far",
    "source": {
        "world": "far:Far-v0",
        "algorithm": {"ppo": {"worlds": 2, "n_steps": 16, "batch_size": 32, "n_epochs": 1}},
        "steps": 128,
    },
    "targets": {"there": {"kwargs": {"pause": 0.02}, "steps": 256}},
    "methods": ["scratch", "zero_shot", "fine_tune"],
    "seeds": [0, 1],
    "evaluation": {"every": 32, "episodes": 2, "anchor_episodes": 4},
    "checkpoint": 64,
}


@pytest.fixture
def here(tmp_path, monkeypatch):
    (tmp_path / "far.py").write_text(WORLD)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "far", raising=False)
    return tmp_path


def quiet():
    return Console(file=io.StringIO(), width=120)


def test_who_does_not_answer_is_named_with_what_to_look_at(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", object())
    monkeypatch.setattr(ray_cluster, "PATIENCE", 0.5)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (
        pytest.raises(ClusterError, match=r"no Ray cluster answers at '127.*'ray start --head'"),
        connected(f"127.0.0.1:{port}", build(SMALL)),
    ):
        pass
    with (
        pytest.raises(ClusterError, match="expected host:port, or 'local'"),
        connected("nearby:here", build(SMALL)),
    ):
        pass


@pytest.mark.parametrize("lead", ["", "ray://"])
@pytest.mark.parametrize(
    ("trial", "said"),
    [
        ("import time; time.sleep(9)", "says nothing for 0 s"),
        ("import os; os.abort()", "what listens there is not Ray"),
        ("raise RuntimeError('Version mismatch: 2.9')", "RuntimeError: Version mismatch: 2.9"),
    ],
)
def test_what_listens_but_cannot_be_connected_to_is_one_line(monkeypatch, lead, trial, said):
    monkeypatch.setitem(sys.modules, "ray", object())
    monkeypatch.setattr(ray_cluster, "TRIAL", 0.4 if "sleep" in trial else 30)
    monkeypatch.setattr(ray_cluster, "CONNECT", trial)
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"{lead}127.0.0.1:{other.getsockname()[1]}"
        with (
            pytest.raises(ClusterError, match=f"answers at '{address}' .*{said}.*'ray start"),
            connected(address, build(SMALL)),
        ):
            pass


@pytest.mark.parametrize("address", ["local", "10.0.0.5:6379"])
def test_without_ray_the_extra_is_named(monkeypatch, address):
    monkeypatch.setitem(sys.modules, "ray", None)
    with (
        pytest.raises(ClusterError, match=r"pip install 'headstart\[cluster\]'"),
        connected(address, build(SMALL)),
    ):
        pass


def test_a_ray_that_asks_for_no_token_is_refused_here(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", object())
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    with (
        pytest.raises(ClusterError, match=r"imported before.*RAY_AUTH_MODE=token"),
        connected("local", build(SMALL)),
    ):
        pass
    assert "RAY_AUTH_MODE" not in os.environ


def test_what_a_unit_needs_goes_out_and_what_it_wrote_comes_back_whole(tmp_path):
    run, far = tmp_path / "run", tmp_path / "far"
    files = {
        "experiment.yaml": b"name: far",
        "source/nominal/seed-0/evaluations.jsonl": b"{}\n",
        "source/nominal/seed-0/bundle/policy": b"weights",
        "source/nominal/seed-0/events.out": b"log",
        "trials/there/fine_tune/seed-0/status.json": b"{}",
        "trials/there/fine_tune/seed-0/checkpoint/policy": b"half",
        "trials/there/fine_tune/seed-0/.checkpoint.saving/policy": b"torn",
        "trials/there/scratch/seed-0/status.json": b"{}",
    }
    for name, data in files.items():
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        (run / name).write_bytes(data)
    unit = Unit("trials/there/fine_tune/seed-0", 256, ("source/nominal/seed-0",))
    sent = ray_cluster._pack(run, unit)
    assert sent == {
        name: files[name]
        for name in (
            "experiment.yaml",
            "source/nominal/seed-0/evaluations.jsonl",
            "source/nominal/seed-0/bundle/policy",
            "trials/there/fine_tune/seed-0/status.json",
            "trials/there/fine_tune/seed-0/checkpoint/policy",
        )
    }
    folder, known = far / unit.path, {}
    for name, data in sent.items():
        (far / name).parent.mkdir(parents=True, exist_ok=True)
        (far / name).write_bytes(data)
    ray_cluster._changed(folder, known)
    assert ray_cluster._changed(folder, known)[0] == {}
    (folder / "evaluations.jsonl").write_bytes(b"{}\n")
    (folder / "checkpoint" / "policy").write_bytes(b"whole")
    changed, names = ray_cluster._changed(folder, known)
    assert changed == {"checkpoint/policy": b"whole", "evaluations.jsonl": b"{}\n"}
    ray_cluster._apply(run / unit.path, changed, names)
    assert (run / unit.path / "checkpoint/policy").read_bytes() == b"whole"
    assert (run / unit.path / "checkpoint/manifest.json").exists()
    assert (run / unit.path / "evaluations.jsonl").read_bytes() == b"{}\n"
    # At the end there is no checkpoint any more, here as there.
    names = [name for name in names if not name.startswith("checkpoint/")]
    ray_cluster._apply(run / unit.path, {}, names)
    left = sorted(p.name for p in (run / unit.path).iterdir() if not p.name.startswith("."))
    assert left == ["evaluations.jsonl", "status.json"]


@pytest.fixture
def ray():
    if importlib.util.find_spec("ray") is None:
        pytest.skip("Ray is not installed")
    yield
    # Ray does not wait for the processes that it has ended.
    with warnings.catch_warnings(action="ignore", category=ResourceWarning):
        gc.collect()


def results(place):
    return Path(place, "results.csv").read_bytes()


# Ray is large, so the extra `cluster` is not among those for developing: pip install ray.
@pytest.mark.slow
def test_a_cluster_of_this_machine_gives_the_same_results(here, ray):
    assert not run(SMALL, out="one", jobs=2, console=quiet()).failed
    assert not run(SMALL, out="far", cluster="local", jobs=2, console=quiet()).failed
    assert results("far") == results("one")
    for path in Path("one").rglob("evaluations.jsonl"):
        assert (Path("far") / path.relative_to("one")).read_bytes() == path.read_bytes()
    assert not list(Path("far").rglob("checkpoint"))


@pytest.mark.slow
@pytest.mark.usefixtures("ray")
def test_workers_of_this_machine_do_not_give_way_to_others(monkeypatch):
    monkeypatch.delenv("RAY_worker_niceness", raising=False)
    with connected("local", build(SMALL)):
        import ray

        assert ray.get(ray.remote(lambda: os.nice(0)).remote()) == os.nice(0)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_machine_lost_in_the_middle_costs_nothing_but_time(here, ray):
    assert not run(SMALL, out="one", jobs=2, console=quiet()).failed
    # Ray's sockets lie below it, and the names of sockets are short.
    nodes = tempfile.mkdtemp(prefix="ray-")
    command = Path(sys.executable).with_name("ray")
    environment = {
        **os.environ,
        "RAY_TMPDIR": nodes,
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": "0123456789abcdef" * 4,
    }

    def start(*words):
        base = [command, "start", "--num-cpus=1", "--node-ip-address=127.0.0.1", *words]
        before = set(psutil.pids())
        subprocess.run(base, check=True, env=environment, capture_output=True)
        return {pid for pid in psutil.pids() if pid not in before}

    try:
        start("--head", "--port=6391", "--include-dashboard=false")
        second = start("--address=127.0.0.1:6391")
        Path("far.yaml").write_text(dumps(SMALL))
        words = [sys.executable, "-m", "headstart.experiments.cli", "run", "far.yaml"]
        words += ["--out", "far", "--cluster", "127.0.0.1:6391", "--jobs", "2"]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment) as process:
            curves = [
                Path(f"far/trials/there/scratch/seed-{seed}/evaluations.jsonl") for seed in (0, 1)
            ]
            # Both machines are in the middle of a trial, and beyond a checkpoint.
            while not all(c.exists() and c.read_bytes().count(b"\n") > 3 for c in curves):
                assert process.poll() is None
                time.sleep(0.05)
            for pid in second:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            said, _ = process.communicate()
        assert process.returncode == 0, said
    finally:
        subprocess.run([command, "stop", "--force"], env=environment, capture_output=True)
        shutil.rmtree(nodes, ignore_errors=True)
    assert results("far") == results("one")
    statuses = [json.loads(p.read_text()) for p in Path("far/trials").rglob("status.json")]
    assert [status["state"] for status in statuses] == ["done"] * 6
