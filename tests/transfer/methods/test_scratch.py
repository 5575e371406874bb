"""Scratch with settings of its own, and what is checked of a method before anything runs."""

import pytest
from headstart.agents.algorithms import resolve_algorithm
from headstart.core.errors import HeadstartError
from headstart.transfer.methods import METHODS, check_method, resolve_method, search, tunable


def test_scratch_takes_settings_of_the_algorithm(start):
    changes = {"learning_rate": 2e-3, "policy_kwargs": {"log_std_init": -1.5}}
    learner = start({"scratch": {"algorithm": changes}}, "ppo")
    assert learner.algorithm.settings["learning_rate"] == 2e-3
    assert learner.tensors()["log_std"].tolist() == [-1.5]
    # What is not named stays: the sources' networks of 16 units.
    assert learner.algorithm.settings["policy_kwargs"]["net_arch"] == [16, 16]
    assert start("scratch", "ppo").algorithm.settings["learning_rate"] == 1e-3


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"learning_rat": 1}, "unknown setting 'learning_rat' of ppo; did you mean"),
        ({"gamma": 2}, "ppo: gamma = 2: expected a number between 0 and 1"),
        ({"n_steps": 32}, "a rollout of 512 steps in place of 1,024"),
        ({"worlds": 8}, "a rollout of 512 steps in place of 1,024"),
    ],
)
def test_what_the_algorithm_has_not_is_refused(settings, said):
    algorithm = resolve_algorithm("ppo", "Pendulum-v1")
    with pytest.raises(HeadstartError, match="method scratch: algorithm: ") as error:
        check_method(resolve_method({"scratch": {"algorithm": settings}}), algorithm)
    assert said in str(error.value)
    same = {"n_steps": 128, "worlds": 8}
    check_method(resolve_method({"scratch": {"algorithm": same}}), algorithm)


@pytest.mark.parametrize(
    ("algorithm", "setting"), [("ppo", "fill_steps"), ("sac", "learning_rate_factor")]
)
def test_settings_of_the_other_kind_are_refused_before_anything_runs(algorithm, setting):
    method = resolve_method({"fine_tune": {setting: 1}})
    with pytest.raises(HeadstartError, match=f"'{setting}' does not apply to {algorithm}"):
        check_method(method, resolve_algorithm(algorithm, "Pendulum-v1"))


def test_what_has_settings_can_be_tuned():
    algorithm = resolve_algorithm("ppo", "Pendulum-v1")
    found = {name: tunable(resolve_method(name)) for name in METHODS}
    assert [name for name, yes in found.items() if not yes] == ["zero_shot", "naive"]
    assert all(bool(search(resolve_method(name), algorithm)) == yes for name, yes in found.items())

    class Own:
        name, trains, needs_source = "own", True, False

    check_method(Own(), algorithm)
    assert search(Own(), algorithm) == {}
    assert not tunable(Own())
