"""Source policies trained for a moment, and a target that differs in gravity."""

from types import SimpleNamespace

import gymnasium as gym
import pytest
import torch
from headstart.agents.algorithms import resolve_algorithm
from headstart.agents.bundles import bundle
from headstart.agents.evaluation import Evaluator
from headstart.agents.learner import create
from headstart.agents.training import evaluation_steps, train
from headstart.transfer.methods import Problem, resolve_method

torch.set_num_threads(1)

OFF_POLICY = {"batch_size": 16, "learning_starts": 40, "buffer_size": 300, "train_freq": 5}
SETTINGS = {
    "ppo": {"worlds": 4, "n_steps": 32, "batch_size": 64, "n_epochs": 3},
    "sac": OFF_POLICY,
}
SETTINGS["recurrent_ppo"] = {**SETTINGS["ppo"], "n_epochs": 2}
SETTINGS["ppo with history"] = {**SETTINGS["ppo"], "history": 3}
SETTINGS["ppo with gSDE"] = {**SETTINGS["ppo"], "use_sde": True}
SOURCE_STEPS = {
    "ppo": 256,
    "recurrent_ppo": 256,
    "ppo with history": 256,
    "sac": 100,
    "ppo with gSDE": 256,
}


def pendulum(gravity):
    return lambda: gym.make(
        "Pendulum-v1", g=gravity, max_episode_steps=25, disable_env_checker=True
    )


@pytest.fixture(scope="session")
def sources(tmp_path_factory):
    """A source bundle per entry of `SETTINGS`."""
    found = {}
    for name, settings in SETTINGS.items():
        net = {"policy_kwargs": {"net_arch": [16, 16]}}
        algorithm = resolve_algorithm({name.split()[0]: {**settings, **net}}, "Pendulum-v1")
        learner = create(algorithm, pendulum(10.0), seed=0)
        steps = SOURCE_STEPS[name]
        train(learner, steps=steps, seed=0, grid=[], evaluate=print, on_evaluation=print)
        directory = tmp_path_factory.mktemp("source") / name
        bundle.save(learner, directory, world_id="Pendulum-v1")
        learner.close()
        found[name] = bundle.load(directory)
    return found


@pytest.fixture(scope="session")
def evaluator():
    one = Evaluator(pendulum(14.0), [21, 22, 23], worlds=3)
    yield one
    one.close()


@pytest.fixture
def problem(sources):
    """The target problem of a source; `steps` is its budget."""

    def make(algorithm, steps=640, **changes):
        source = sources[algorithm]
        values = {"bundle": source, "algorithm": source.algorithm, "seed": 7, "steps": steps}
        worlds = {"make_world": pendulum(14.0), "make_source": pendulum(10.0)}
        return Problem(**{**values, **worlds, **changes})

    return make


@pytest.fixture
def start(problem):
    """Start a method on the target; the learner is closed after the test."""
    made = []

    def make(spec, algorithm, steps=640, **changes):
        made.append(resolve_method(spec).start(problem(algorithm, steps, **changes)))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def run(evaluator):
    """Train as the harness does; returns the curve. `watch(step)` is called between rollouts."""

    def run(learner, steps, *, every=128, watch=None, recorded=None, stop_at=None, **options):
        curve = dict(recorded or {})

        def on_evaluation(step, evaluation):
            curve[step] = evaluation.record(step)
            if step == stop_at:
                raise InterruptedError

        try:
            train(
                learner,
                steps=steps,
                seed=7,
                grid=evaluation_steps(steps, every, learner.algorithm.rollout),
                evaluate=lambda one: evaluator.evaluate(one.acting()),
                on_evaluation=on_evaluation,
                recorded=dict(curve),
                on_rollout=watch,
                **options,
            )
        except InterruptedError:
            assert stop_at is not None
        return curve

    return run


@pytest.fixture
def random_actions(monkeypatch):
    """Counts the actions drawn at random from an action space."""
    counter = SimpleNamespace(count=0)
    original = gym.spaces.Box.sample

    def sample(self, *args, **kwargs):
        counter.count += 1
        return original(self, *args, **kwargs)

    monkeypatch.setattr(gym.spaces.Box, "sample", sample)
    return counter
