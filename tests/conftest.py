"""What all tests share: no cache of source policies, output as into a pipe, small learners."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import torch
from headstart.agents.algorithms import Algorithm, resolve_algorithm
from headstart.agents.evaluation import Evaluation, Evaluator
from headstart.agents.learner import Learner, create
from headstart.envs.bullet import HAS_BULLET, MissingBulletError

torch.set_num_threads(1)
# No test takes over a source policy that an earlier one, or the user, left in the cache.
os.environ["HEADSTART_CACHE"] = "off"


@pytest.fixture
def piped(monkeypatch):
    """Have commands print as into a pipe, whatever terminal the tests run in."""
    from headstart.experiments.cli.console import PIPE_WIDTH, console, errors

    # pytest-xdist gives its workers a terminal width that a pipe does not have.
    monkeypatch.delenv("COLUMNS", raising=False)
    for output in (console, errors):
        monkeypatch.setattr(output, "_width", PIPE_WIDTH)


class HereWorker:
    """Runs a run's units in this process, where what a process of its own does is not tested."""

    def __init__(self, number, run, answers):
        self.unit, self.run, self.answers = None, run, answers

    def give(self, unit, cores):
        from headstart.experiments.running.unit import run_unit

        self.unit = unit
        state, error = run_unit(self.run, unit.path, lambda *_: None)
        self.answers.put((self, {"unit": unit.path, "state": state, "error": error}))

    def hung(self, seconds):
        return None

    def stop(self):
        pass


# The smallest picture of each format.
BLANK = {
    "png": bytes.fromhex(
        "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b55"
        "0000000a49444154789c63f80f0001010100b138f6140000000049454e44ae426082"
    ),
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg"/>',
}


@pytest.fixture
def undrawn(request, monkeypatch):
    """Have reports made with blank pictures: to lay out and draw figures takes most of the time.

    In a module that uses this fixture, tests of what is drawn ask for `drawn`.
    """
    if "drawn" in request.fixturenames:
        return
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    monkeypatch.setattr(ConstrainedLayoutEngine, "execute", lambda self, figure: None)
    monkeypatch.setattr(
        Figure, "savefig", lambda self, file, *, format, **_: file.write(BLANK[format])
    )


@pytest.fixture
def drawn():
    """Have figures drawn, in a module that uses `undrawn`."""


OFF_POLICY = {"batch_size": 16, "learning_starts": 40, "buffer_size": 200, "train_freq": 5}
SMALL = {
    "ppo": {"worlds": 4, "n_steps": 32, "batch_size": 64, "n_epochs": 3},
    "recurrent_ppo": {"worlds": 4, "n_steps": 32, "batch_size": 64, "n_epochs": 2},
    "sac": OFF_POLICY,
    "sb3_contrib:TQC": OFF_POLICY,
    "stable_baselines3:TD3": OFF_POLICY,
}
NET = {"policy_kwargs": {"net_arch": [16, 16]}}


@pytest.fixture
def pendulum() -> Callable[[], gym.Env]:
    """Pendulum-v1 with short episodes, so that several end within a rollout."""
    return lambda: gym.make("Pendulum-v1", max_episode_steps=25, disable_env_checker=True)


@pytest.fixture
def small() -> Callable[..., Algorithm]:
    """An algorithm with small networks and rollouts; further settings by keyword."""

    def make(name: str, **settings: object) -> Algorithm:
        return resolve_algorithm({name: {**SMALL.get(name, {}), **NET, **settings}}, "Pendulum-v1")

    return make


@pytest.fixture
def learner(small, pendulum):
    """Make an untrained small learner in the Pendulum; closed after the test."""
    made = []

    def make(name: str, seed: int = 0, make_world=pendulum, **settings: object) -> Learner:
        made.append(create(small(name, **settings), make_world, seed))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def evaluator(pendulum):
    """Four evaluation episodes of the Pendulum."""
    one = Evaluator(pendulum, [11, 12, 13, 14], worlds=3)
    yield one
    one.close()


@pytest.fixture
def evaluate(evaluator) -> Callable[[Learner], Evaluation]:
    return lambda one: evaluator.evaluate(one.acting())


@pytest.fixture
def observations() -> np.ndarray:
    """Ten observations of the Pendulum."""
    generator = np.random.default_rng(3)
    angle = generator.uniform(-3, 3, size=10)
    columns = [np.cos(angle), np.sin(angle), generator.uniform(-8, 8, size=10)]
    return np.stack(columns, axis=1).astype(np.float32)


# Without PyBullet, as on Python 3.12 and later, what needs headstart's own worlds is skipped.
missed: list[bool] = []
# What a fixture raised that several tests share is raised again for each of them.
raised: list[BaseException] = []


if not HAS_BULLET:
    said = MissingBulletError.__init__

    def missing(self: MissingBulletError) -> None:
        missed.append(True)
        said(self)

    MissingBulletError.__init__ = missing

    def pytest_ignore_collect(collection_path: Path) -> bool | None:
        is_test = collection_path.suffix == ".py" and collection_path.name.startswith("test_")
        return True if is_test and "import pybullet" in collection_path.read_text() else None

    def pytest_runtest_setup(item: pytest.Item) -> None:
        missed.clear()
        # What other processes miss does not come here.
        if item.get_closest_marker("bullet"):
            pytest.skip("needs PyBullet")

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
        outcome = yield
        report = outcome.get_result()
        error = call.excinfo.value if call.excinfo else None
        if report.failed and (missed or any(error is one for one in raised)):
            raised.extend([error] if error else [])
            report.outcome = "skipped"
            report.longrepr = str(item.path), 0, "needs PyBullet"
