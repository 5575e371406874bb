"""A whole experiment killed again and again, and nothing of it lost or done twice.

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
from headstart.experiments.cli.run import STUDIES

KILLS = 20


def start(out):
    words = [sys.executable, "-m", "headstart.experiments.cli", "run", "quickstart", "--out", out]
    return subprocess.Popen(
        [*words, "--jobs", "2"], start_new_session=True, stdout=subprocess.DEVNULL
    )


@pytest.mark.slow
@pytest.mark.timeout(7_200)
def test_quickstart_survives_twenty_kills(tmp_path, monkeypatch):
    assert (STUDIES / "quickstart.yaml").exists()
    monkeypatch.chdir(tmp_path)
    began = time.monotonic()
    whole = start("whole")
    assert whole.wait() == 0
    took = time.monotonic() - began
    rng = np.random.default_rng(0)
    killed = 0
    while killed < KILLS:
        process = start("cut")
        # Long enough to get somewhere, at any moment of what a worker does.
        pause = rng.uniform(0.02, 0.12) * took
        try:
            assert process.wait(timeout=pause) == 0, "it ended by itself, but not well"
            shutil.rmtree("cut")  # done before it was killed often enough: once more
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            killed += 1
    print(f"uninterrupted {took:.0f} s; killed {killed} times")
    assert start("cut").wait() == 0
    assert Path("cut/results.csv").read_bytes() == Path("whole/results.csv").read_bytes()
    curves = list(Path("whole").rglob("evaluations.jsonl"))
    assert curves
    for path in curves:
        other = Path("cut") / path.relative_to("whole")
        assert other.read_bytes() == path.read_bytes(), other
        steps = [json.loads(line)["step"] for line in other.read_text().splitlines()]
        assert steps == sorted(set(steps))
