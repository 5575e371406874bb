import pickle
from pathlib import Path

import numpy as np
import pytest
from headstart.agents.bundles.bundle import BundleError
from headstart.agents.bundles.sb3_zip import import_sb3_zip
from headstart.core.errors import HeadstartError
from stable_baselines3 import PPO, SAC
from stable_baselines3.common.noise import NormalActionNoise, OrnsteinUhlenbeckActionNoise
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize
from torch import nn


class Payload:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return Path.write_text, (self.marker, "executed")


def test_nothing_is_opened_without_trust(tmp_path):
    for name in ("model.zip", "vecnormalize.pkl"):
        (tmp_path / name).write_bytes(pickle.dumps(Payload(tmp_path / "marker")))
    with pytest.raises(BundleError, match="trust=True"):
        import_sb3_zip(
            tmp_path / "model.zip",
            tmp_path / "bundle",
            algorithm="ppo",
            world_id="Pendulum-v1",
            normalizer=tmp_path / "vecnormalize.pkl",
        )
    assert not (tmp_path / "marker").exists()
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize("algorithm", ["ppo", "sac"])
@pytest.mark.parametrize("normalized", [True, False])
def test_an_import_acts_as_the_model_did(tmp_path, pendulum, observations, algorithm, normalized):
    worlds = DummyVecEnv([pendulum] * 2)
    if normalized:
        worlds = VecNormalize(worlds)
    net = {"net_arch": [8], "activation_fn": nn.ELU}
    if algorithm == "ppo":
        model = PPO("MlpPolicy", worlds, n_steps=32, clip_range=0.1, policy_kwargs=net, seed=0)
    else:
        model = SAC(
            "MlpPolicy", worlds, learning_starts=10, train_freq=3, policy_kwargs=net, seed=0
        )
    model.learn(70)
    model.save(tmp_path / "model")
    if normalized:
        worlds.save(tmp_path / "vecnormalize.pkl")
    imported = import_sb3_zip(
        tmp_path / "model.zip",
        tmp_path / "bundle",
        algorithm=algorithm,
        world_id="Pendulum-v1",
        trust=True,
        normalizer=tmp_path / "vecnormalize.pkl" if normalized else None,
    )
    seen = worlds.normalize_obs(observations) if normalized else observations
    expected, _ = model.predict(seen, deterministic=True)
    assert np.array_equal(imported.policy().act(observations), expected)
    settings = imported.algorithm.settings
    assert settings["worlds"] == 2
    assert settings["normalize"] is normalized
    assert settings["policy_kwargs"] == {"net_arch": [8], "activation_fn": "elu"}
    assert imported.steps == model.num_timesteps
    if algorithm == "ppo":
        assert settings["clip_range"] == 0.1
    else:
        assert settings["train_freq"] == [3, "step"]
    learner = imported.learner(pendulum, 0)
    assert learner.optimizers().keys() == {
        name for name in model._get_torch_save_params()[0] if name.endswith("optimizer")
    }
    learner.close()


@pytest.mark.parametrize("setting", ["learning_rate", "clip_range"])
def test_schedules_are_refused(tmp_path, pendulum, setting):
    schedule = {setting: lambda left: 1e-3 * left}
    model = PPO("MlpPolicy", pendulum(), n_steps=64, **schedule)
    model.save(tmp_path / "model")
    with pytest.raises(HeadstartError, match=rf"{setting} .*schedules cannot be imported"):
        import_sb3_zip(
            tmp_path / "model.zip", tmp_path / "b", algorithm="ppo", world_id="x", trust=True
        )


@pytest.mark.parametrize(
    ("noise", "deviation"),
    [
        (NormalActionNoise(np.zeros(1), np.array([0.3])), 0.3),
        (NormalActionNoise(np.ones(1), np.array([0.3])), None),
        (OrnsteinUhlenbeckActionNoise(np.zeros(1), np.array([0.3])), None),
    ],
)
def test_only_noise_that_a_setting_can_say_is_imported(tmp_path, pendulum, noise, deviation):
    SAC("MlpPolicy", pendulum(), action_noise=noise, buffer_size=10).save(tmp_path / "model")
    places = tmp_path / "model.zip", tmp_path / "bundle"
    given = {"algorithm": "sac", "world_id": "Pendulum-v1", "trust": True}
    if deviation is None:
        with pytest.raises(HeadstartError, match="only Gaussian noise can be imported"):
            import_sb3_zip(*places, **given)
    else:
        assert import_sb3_zip(*places, **given).algorithm.value("action_noise") == deviation
