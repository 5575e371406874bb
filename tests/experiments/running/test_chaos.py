"""Whole experiments killed again and again, and nothing of them lost or done twice.

Minutes long: `pytest -m slow tests/experiments/running/test_chaos.py`.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from headstart.experiments.config.yaml_text import dumps

KILLS = 20
KILLS_OF_A_KIND = 3

RANGES = {"pole_mass": "* loguniform(0.5, 4)", "action_delay": "= uniform(0, 0.06)"}
PPO = {"worlds": 4, "n_steps": 128, "batch_size": 64}
SAC = {"worlds": 4, "learning_starts": 200, "batch_size": 64, "gradient_steps": 1}
CROSSED = {"algorithm": {"sac": SAC}, "source_replay": 1_000, "critic_pretrain": 50}
TEACHER = {"parameters": list(RANGES), "latent": 2}
STUDENT = {"source_steps": 2_048}
# Every kind of policy, of crossing from one algorithm to another and of randomizer.
KINDS = {
    "history": ({"history": 5}, ["scratch", "fine_tune", "feature_reuse"]),
    "history of sac": ({"algorithm": {"sac": SAC}, "history": 3}, ["fine_tune"]),
    "lstm": ({"algorithm": "recurrent_ppo"}, ["fine_tune"]),
    "asymmetric": ({"critic_sees": "parameters"}, ["scratch", "fine_tune"]),
    "teacher": (
        {"policy_sees": TEACHER},
        [
            "zero_shot",
            {"zero_shot": {"label": "oracle", "told": True}},
            {"adapt": STUDENT},
            {"adapt": {"label": "a_rma", "then": "fine_tune", **STUDENT}},
            {"adapt": {"label": "search", "then": "search", **STUDENT}},
        ],
    ),
    "distilled": ({}, [{"distill": STUDENT}]),
    "crossing": ({}, [{"fine_tune": CROSSED}]),
    **{
        name: ({"randomizer": {name: settings}, "steps": 6_144}, ["fine_tune"])
        for name, settings in {
            "adr": {"queue": 2},
            "doraemon": {"updates": 2},
            "self_paced": {"updates": 2},
            "alp_gmm": {"fit_every": 20},
            "hard": {"table": 10},
            "worst": {},
        }.items()
    },
}


def written(kind):
    """Write the experiment of a kind; return its file."""
    changes, methods = KINDS[kind]
    algorithm = changes.get("algorithm", "ppo")
    if algorithm in ("ppo", "recurrent_ppo"):
        algorithm = {algorithm: PPO}
    experiment = {
        "name": "kind",
        "source": {
            "world": "headstart/CartPoleSwingUp-v0",
            "randomization": RANGES,
            "steps": 2_048,
            **changes,
            "algorithm": algorithm,
        },
        "targets": {"heavy": {"shift": "heavy-pole/moderate", "steps": 1_024}},
        "methods": methods,
        "seeds": [0],
        "checkpoint": 512,
        "evaluation": {"every": 512, "episodes": 4, "source_every": 1_024},
    }
    Path("kind.yaml").write_text(dumps(experiment))
    return "kind.yaml"


def start(experiment, out, jobs):
    words = [sys.executable, "-m", "headstart.experiments.cli", "run", experiment, "--out", out]
    # Each run computes everything itself.
    return subprocess.Popen(
        [*words, "--jobs", str(jobs)],
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "HEADSTART_CACHE": str(Path(out).resolve() / "cache")},
    )


def kill_until_done(experiment, jobs, kills, took):
    """Run an experiment into `cut`, killed so often at any moment of what a worker does."""
    rng = np.random.default_rng(0)
    killed = 0
    while killed < kills:
        process = start(experiment, "cut", jobs)
        # Long enough to get somewhere.
        pause = rng.uniform(0.02, 0.12) * took
        try:
            assert process.wait(timeout=pause) == 0, "it ended by itself, but not well"
            shutil.rmtree("cut")  # done before it was killed often enough: once more
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            killed += 1
    assert start(experiment, "cut", jobs).wait() == 0


def check_equal(one, other):
    assert Path(one, "results.csv").read_bytes() == Path(other, "results.csv").read_bytes()
    curves = list(Path(one).rglob("evaluations.jsonl"))
    assert curves
    for path in curves:
        its = other / path.relative_to(one)
        assert its.read_bytes() == path.read_bytes(), its
        steps = [json.loads(line)["step"] for line in its.read_text().splitlines()]
        assert steps == sorted(set(steps))


@pytest.mark.slow
@pytest.mark.timeout(7_200)
def test_quickstart_survives_twenty_kills(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    began = time.monotonic()
    assert start("quickstart", "whole", 2).wait() == 0
    took = time.monotonic() - began
    kill_until_done("quickstart", 2, KILLS, took)
    print(f"uninterrupted {took:.0f} s; killed {KILLS} times")
    check_equal("whole", Path("cut"))


@pytest.mark.slow
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_the_same_after_kills_and_with_any_number_of_workers(kind, tmp_path, monkeypatch):
    pytest.importorskip("pybullet")
    monkeypatch.chdir(tmp_path)
    experiment = written(kind)
    began = time.monotonic()
    assert start(experiment, "whole", 1).wait() == 0
    took = time.monotonic() - began
    for jobs in (2, 3):
        # More processes than units: the others step the worlds of a unit.
        assert start(experiment, f"by-{jobs}", jobs).wait() == 0
        check_equal("whole", Path(f"by-{jobs}"))
    kill_until_done(experiment, 2, KILLS_OF_A_KIND, 8 * took)
    check_equal("whole", Path("cut"))
