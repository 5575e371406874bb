"""What does not go together is refused before anything is run; phases leave the actor its share."""

import pytest
from headstart.agents.algorithms import resolve_algorithm
from headstart.agents.learner import create
from headstart.core.errors import HeadstartError
from headstart.transfer.methods import check_method, check_networks, resolve_method
from headstart.transfer.methods.parts.schedules import Frozen

from ..conftest import pendulum

OFF_POLICY = {"buffer_size": 10, "learning_starts": 4}


@pytest.mark.parametrize(
    ("algorithm", "method", "said"),
    [
        ("sb3_contrib:TRPO", "fine_tune", "which sb3_contrib:TRPO does not bear: it different"),
        ("sb3_contrib:TRPO", "feature_reuse", "method feature_reuse freezes layers"),
        ("sb3_contrib:CrossQ", "feature_reuse", "its batch statistics move on"),
        (
            "stable_baselines3:A2C",
            {"fine_tune": {"preset": "careful", "target_kl": 0.005}},
            "'target_kl' does not",
        ),
    ],
)
def test_what_an_algorithm_does_not_bear_is_refused(algorithm, method, said):
    with pytest.raises(HeadstartError, match=said):
        check_method(resolve_method(method), resolve_algorithm(algorithm, "Pendulum-v1"))


def test_layers_that_are_copied_and_trained_go_with_any_algorithm():
    method = resolve_method({"feature_reuse": {"freeze": []}})
    check_method(method, resolve_algorithm("sb3_contrib:TRPO", "Pendulum-v1"))


@pytest.mark.parametrize(
    ("algorithm", "method", "said"),
    [
        ("ppo", {"feature_reuse": {"freeze": ["featurs"]}}, "'featurs'.* did you mean 'features'"),
        ("ppo", {"feature_reuse": {"copy": ["actor.*"]}}, "no such group or parameter"),
        ("sac", {"feature_reuse": {"freeze": ["*"]}}, "nothing to train"),
        (
            {"sac": {"ent_coef": 0.1}},
            {"fine_tune": {"preset": "careful", "entropy": "reset"}},
            "'entropy' does not apply: sac learns no log_ent_coef here",
        ),
        ("ppo", "fine_tune", None),
        ("sac", {"fine_tune": {"preset": "careful", "entropy": "reset"}}, None),
        ("ppo", {"fine_tune": {"preset": "careful", "min_log_std": None}}, None),
        ("ppo", "scratch", None),
    ],
)
def test_what_networks_do_not_have_is_refused(algorithm, method, said):
    settings = resolve_algorithm(algorithm, "Pendulum-v1")
    if not settings.on_policy:
        settings = settings.replace(**OFF_POLICY)
    learner = create(settings, pendulum(10.0), 0)
    if said is None:
        check_networks(resolve_method(method), learner)
    else:
        with pytest.raises(HeadstartError, match=said):
            check_networks(resolve_method(method), learner)
    learner.close()


@pytest.mark.parametrize(
    ("steps", "until"),
    [
        # Rollouts of 128 steps: a tenth of 1,280 is one of them, of 200 it is rounded up to one.
        (1_280, 128),
        (200, 20),
        # In a budget of one rollout the critic alone would be all.
        (128, 0),
    ],
)
def test_the_critic_alone_never_takes_the_whole_budget(problem, steps, until):
    learner = resolve_method({"fine_tune": {"preset": "careful"}}).start(
        problem("ppo", steps=steps)
    )
    [frozen] = [part for part in learner.callbacks if isinstance(part, Frozen)]
    assert frozen.until == until
    learner.close()
