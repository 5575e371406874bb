"""A thousand bundles made to do harm: each is loaded or refused in one line, and nothing else."""

import json
import resource
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from headstart.agents.algorithms import resolve_algorithm
from headstart.agents.bundles import bundle
from headstart.agents.learner import create
from headstart.agents.training import train

from tests.agents.bundles.hostile import BYTES, SECONDS

ROOT = Path(__file__).parents[3]
BUNDLES, AT_ONCE = 1_000, 100


@pytest.fixture
def originals(tmp_path, pendulum, evaluate):
    """Bundles of an on-policy and an off-policy learner, with every kind of file."""
    for name in ("ppo", "sac"):
        settings = {"policy_kwargs": {"net_arch": [16, 16]}}
        settings |= {"buffer_size": 200, "learning_starts": 40} if name == "sac" else {"worlds": 2}
        settings |= {"n_steps": 32, "batch_size": 32} if name == "ppo" else {}
        one = create(resolve_algorithm({name: settings}, "Pendulum-v1"), pendulum, 0)
        train(one, steps=100, seed=0, grid=[], evaluate=evaluate, on_evaluation=print)
        where = tmp_path / "originals" / name
        bundle.save(one, where, world_id="Pendulum-v1", replay_buffer=True)
        one.close()
    return tmp_path


def limit():
    # A pipe, a device or a bomb that is read for ever ends here, not with the machine.
    resource.setrlimit(resource.RLIMIT_CPU, (300, 300))
    resource.setrlimit(resource.RLIMIT_AS, (12 * BYTES, 12 * BYTES))


def attempts(directory, first, last):
    words = [sys.executable, "-m", "tests.agents.bundles.hostile", str(first), str(last)]
    done = subprocess.run(
        [*words, str(directory)], cwd=ROOT, capture_output=True, text=True, preexec_fn=limit,
        timeout=600,
    )  # fmt: skip
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert len(lines) == last - first, done.stderr[-2000:]
    return lines


def faults(lines):
    """Return what went wrong with hostile input, by kind."""
    return {
        "executed": [line for line in lines if line["executed"]],
        "imported": [line for line in lines if line["imported"]],
        "internal errors": [line for line in lines if line["outcome"] == "internal error"],
        "badly said": [line for line in lines if line["outcome"] == "badly said"],
        "too slow": [line for line in lines if line["seconds"] > SECONDS],
        "too large": [line for line in lines if line["bytes"] > BYTES],
    }


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_thousand_hostile_bundles(originals, capsys):
    lines = []
    for first in range(0, BUNDLES, AT_ONCE):
        lines += attempts(originals, first, first + AT_ONCE)
    found = faults(lines)
    with capsys.disabled():
        counts = {what: len(which) for what, which in found.items()}
        print(
            f"\n{len(lines)} bundles: {dict(Counter(line['outcome'] for line in lines))}, {counts}"
        )
        print(f"slowest {max(line['seconds'] for line in lines):.2f} s, "
              f"largest {max(line['bytes'] for line in lines) / 2**20:.0f} MiB")  # fmt: skip
        for line in (line for which in found.values() for line in which):
            print({**line, "said": line["said"][:400]})
    assert not any(found.values())


def test_the_first_hostile_bundles(originals):
    lines = attempts(originals, 0, 20)
    assert not any(faults(lines).values())
    assert Counter(line["outcome"] for line in lines)["refused"] >= 12
