import json

import pytest
from headstart.agents.algorithms import Algorithm, resolve_algorithm
from headstart.agents.learner import create
from headstart.agents.presets import PRESETS
from headstart.core.errors import HeadstartError


def test_layers_general_preset_then_world_preset_then_given(monkeypatch):
    monkeypatch.setitem(PRESETS, ("ppo", "My-v0"), {"n_steps": 128, "gamma": 0.9})
    algorithm = resolve_algorithm({"ppo": {"gamma": 0.5}}, "My-v0")
    assert algorithm.settings["worlds"] == 16
    assert algorithm.settings["n_steps"] == 128
    assert algorithm.settings["gamma"] == 0.5
    assert resolve_algorithm("ppo", "Other-v0").settings["n_steps"] == 64


def test_policy_kwargs_are_merged_key_by_key():
    kwargs = resolve_algorithm({"ppo": {"policy_kwargs": {"net_arch": [8]}}}, "My-v0").settings[
        "policy_kwargs"
    ]
    assert kwargs == {"net_arch": [8], "activation_fn": "tanh"}


@pytest.mark.parametrize("spec", ["ppo", "sac", "sb3_contrib:TQC", "stable_baselines3:TD3"])
def test_settings_are_json_and_come_back_from_it(spec):
    algorithm = resolve_algorithm(spec, "My-v0")
    text = json.dumps({algorithm.name: dict(algorithm.settings)})
    assert resolve_algorithm(json.loads(text), "My-v0") == algorithm


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("pppo", "unknown algorithm 'pppo'; did you mean 'ppo'?"),
        ("sb3_contrib:TQQ", "has no 'TQQ'; did you mean 'TQC'?"),
        ("no_such_package:PPO", "cannot import 'no_such_package'"),
        ("subprocess:Popen", "expected a subclass of BaseAlgorithm"),
        ({"ppo": {"n_step": 64}}, "unknown setting 'n_step' of ppo; did you mean 'n_steps'?"),
        ({"ppo": {"learning_starts": 1}}, "unknown setting 'learning_starts' of ppo"),
        ({"ppo": {"device": "cuda"}}, "unknown setting 'device'"),
        ({"ppo": {"n_steps": "many"}}, "ppo: n_steps = 'many': expected int"),
        ({"ppo": {"learning_rate": "fast"}}, "learning_rate = 'fast': expected float"),
        ({"ppo": {"n_steps": 0}}, "n_steps = 0: expected a number at least 1"),
        ({"ppo": {"n_steps": 10**8}}, "n_steps = 100000000: expected a number at most 10,000,000"),
        ({"ppo": {"policy_kwargs": {"net_arch": [64, 10**6]}}}, "1000000: expected at most 65,536"),
        ({"ppo": {"policy_kwargs": {"net_arch": [1] * 300}}}, "has 300 entries, expected at most"),
        ({"ppo": {"learning_rate": float("inf")}}, "settings must be plain JSON values"),
        ({"ppo": {"gamma": 1.5}}, "gamma = 1.5: expected a number between 0 and 1"),
        ({"ppo": {"gamma": float("nan")}}, "gamma = nan"),
        ({"ppo": {"policy_kwargs": {"activation_fn": "thanh"}}}, "did you mean 'tanh'?"),
        (
            {"ppo": {"policy_kwargs": {"features_extractor_class": "subprocess:Popen"}}},
            "expected a subclass of BaseFeaturesExtractor",
        ),
        ({"ppo": {}, "sac": {}}, "expected a name such as 'ppo'"),
    ],
)
def test_mistakes_are_one_clear_line(spec, message):
    with pytest.raises(HeadstartError) as caught:
        resolve_algorithm(spec, "My-v0")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_numbers_that_yaml_reads_as_text_are_numbers():
    # YAML 1.1 reads 3e-4 as a string.
    assert (
        resolve_algorithm({"ppo": {"learning_rate": "3e-4"}}, "My-v0").settings["learning_rate"]
        == 3e-4
    )


@pytest.mark.parametrize(
    ("spec", "steps"),
    [
        ({"ppo": {"worlds": 8, "n_steps": 16}}, 128),
        ({"sac": {"worlds": 3, "train_freq": 5}}, 15),
        ({"sac": {"train_freq": [4, "step"]}}, 4),
        ("sb3_contrib:TQC", 1),
    ],
)
def test_rollout_is_known_before_the_learner_is_made(spec, steps):
    assert resolve_algorithm(spec, "My-v0").rollout == steps


def test_episodic_rollouts_are_refused():
    algorithm = resolve_algorithm({"sac": {"train_freq": [1, "episode"]}}, "My-v0")
    with pytest.raises(HeadstartError, match="train_freq"):
        _ = algorithm.rollout


def test_action_noise_is_a_standard_deviation(pendulum):
    algorithm = resolve_algorithm({"stable_baselines3:TD3": {"action_noise": 0.25}}, "Pendulum-v1")
    learner = create(algorithm, pendulum, 0)
    assert learner.model.action_noise._sigma.tolist() == [0.25]
    learner.close()


def test_an_algorithm_that_does_not_go_with_the_actions_is_the_users_mistake(pendulum):
    algorithm = resolve_algorithm("stable_baselines3:DQN", "Pendulum-v1")
    with pytest.raises(HeadstartError, match="DQN cannot be made"):
        create(algorithm, pendulum, 0)


def test_replace_checks_too():
    algorithm = resolve_algorithm("ppo", "My-v0")
    assert algorithm.replace(target_kl=0.02).settings["target_kl"] == 0.02
    assert isinstance(algorithm, Algorithm)
    with pytest.raises(HeadstartError, match="target_k"):
        algorithm.replace(target_k=0.02)


def test_replace_changes_what_it_names_of_a_mapping():
    algorithm = resolve_algorithm({"ppo": {"policy_kwargs": {"net_arch": [8]}}}, "My-v0")
    changed = algorithm.replace(policy_kwargs={"log_std_init": -1})
    assert changed.settings["policy_kwargs"] == {
        "net_arch": [8],
        "activation_fn": "tanh",
        "log_std_init": -1,
    }
    assert "log_std_init" not in algorithm.settings["policy_kwargs"]
