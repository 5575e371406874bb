"""Networks are given a history's newest observation whole and its past on a small scale."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from headstart.agents.bundles import bundle
from headstart.agents.cores.closed_form import ClosedForm
from headstart.agents.policies.history import History, HistoryLayout
from headstart.agents.policies.history_features import HistoryFeatures, past_weights
from headstart.core.errors import HeadstartError

BOX, ACTION = spaces.Box(-9, 9, (2,), np.float32), spaces.Box(-1, 1, (1,), np.float32)


def test_weights_by_hand():
    layout = HistoryLayout(History(3, past_weight=0.25), BOX, ACTION)
    [weights] = past_weights(layout).values()
    # Two numbers of each observation, one of the action that led to it; the newest comes last.
    assert weights.tolist() == [0.25] * 3 + [0.25] * 3 + [1, 1, 0.25]
    features = HistoryFeatures(layout.space, {"": weights})
    seen = torch.arange(1.0, 10.0)[None]
    expected = [0.25, 0.5, 0.75, 1, 1.25, 1.5, 7, 8, 2.25]
    assert features(seen).tolist() == [expected]
    without = HistoryLayout(History(2, actions=False), BOX, ACTION)
    assert past_weights(without)[""] == pytest.approx([0.1, 0.1, 1, 1])


def test_weights_of_dicts_by_hand():
    space = spaces.Dict({"joints": BOX, "view": spaces.Box(0, 255, (3, 36, 36), np.uint8)})
    layout = HistoryLayout(History(2, actions=True, past_weight=0.5), space, ACTION)
    weights = past_weights(layout)
    assert {key: part.tolist() for key, part in weights.items()} == {
        "joints": [0.5, 0.5, 1, 1],
        "past_actions": [0.5, 0.5],
    }
    torch.manual_seed(0)
    features = HistoryFeatures(layout.space, weights)
    seen = {key: torch.ones(1, *part.shape) for key, part in layout.space.items()}
    found = features(seen)[0].detach()
    # Parts come in the order of the space's keys: between them 256 features of the picture.
    assert list(layout.space) == ["joints", "view", "past_actions"]
    assert found[:4].tolist() == [0.5, 0.5, 1, 1]
    assert found[-2:].tolist() == [0.5, 0.5]
    assert found.shape == (4 + 256 + 2,)
    assert all((part == 1).all() for part in seen.values())  # what was given is as it was


@pytest.mark.parametrize("algorithm", ["ppo", "recurrent_ppo", "sac"])
def test_what_a_policy_does_depends_on_its_past_by_the_weight(learner, algorithm):
    """The slope of the first layer's input is the weight times what it would be."""
    one = learner(algorithm, history={"frames": 2, "past_weight": 0.25})
    policy = one.model.policy
    features = getattr(policy, "features_extractor", None) or policy.actor.features_extractor
    seen = torch.zeros(1, 8, requires_grad=True)
    features(seen).sum().backward()
    assert seen.grad.tolist() == [[0.25] * 4 + [1, 1, 1, 0.25]]


def test_extractors_that_were_chosen_stay(learner):
    flat = "stable_baselines3.common.torch_layers:FlattenExtractor"
    one = learner("ppo", history=2, policy_kwargs={"features_extractor_class": flat})
    assert type(one.model.policy.features_extractor).__name__ == "FlattenExtractor"


def test_the_gradient_by_hand_is_autograds(learner, monkeypatch):
    """PPO learns from a history as with autograd."""
    learned = []
    for _ in range(2):
        one = learner("ppo", history=3)
        one.model.learn(256)
        learned.append({name: tensor.clone() for name, tensor in one.tensors().items()})
        monkeypatch.setattr(ClosedForm, "of", lambda _: None)
    assert learned[0].keys() == learned[1].keys()
    for name, tensor in learned[0].items():
        assert torch.allclose(tensor, learned[1][name], rtol=1e-3, atol=1e-4), name


def test_the_weight_is_in_the_bundle(learner, tmp_path, observations):
    one = learner("ppo", history={"frames": 2, "past_weight": 0.5})
    bundle.save(one, tmp_path / "b", world_id="Pendulum-v1")
    loaded = bundle.load(tmp_path / "b").policy()
    assert loaded.layout.history.past_weight == 0.5
    begins = np.ones(len(observations), dtype=bool)
    acting = [one.acting(), loaded.acting()]
    for policy in acting:
        policy.reset(begins)
    for _ in range(3):
        first, second = (policy.act(observations) for policy in acting)
        np.testing.assert_array_equal(first, second)


def test_a_bundle_without_weights_is_refused(learner, tmp_path):
    """Of before there were any, it would act otherwise than it did."""
    flat = {
        "features_extractor_class": "stable_baselines3.common.torch_layers:FlattenExtractor",
        "net_arch": [16, 16],
    }
    bundle.save(learner("ppo", history=2, policy_kwargs=flat), tmp_path / "b", world_id="a")
    with pytest.raises(HeadstartError, match=r"weight_0. is missing in the bundle"):
        bundle.load(tmp_path / "b").restore_weights(learner("ppo", history=2))


@pytest.mark.parametrize("weight", [0, -1, 1.5, True, "0.1", float("nan")])
def test_weights_that_mean_nothing_are_refused(weight):
    with pytest.raises(HeadstartError, match=r"past_weight = .*: expected a number in"):
        History.read({"frames": 2, "past_weight": weight})


def test_training_worlds_are_given_histories_as_they_are(learner):
    """The weight is the network's: what a normalizer and a buffer see is not scaled."""
    one = learner("ppo", history={"frames": 2, "past_weight": 0.5})
    one.worlds.reset()
    raw = one.normalizer.get_original_obs()
    np.testing.assert_array_equal(raw[:, :3], raw[:, 4:7])
    assert isinstance(one.observation_space, gym.spaces.Box)
