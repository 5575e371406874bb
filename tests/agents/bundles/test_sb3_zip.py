import json
import pickle
import zipfile
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import sb3_contrib
import stable_baselines3 as sb3
from headstart import load_policy
from headstart.agents.bundles import archive, bundle
from headstart.agents.bundles.bundle import BundleError
from headstart.agents.bundles.sb3_export import export_sb3
from headstart.agents.bundles.sb3_zip import import_sb3_zip, zoo_layout
from headstart.core.errors import HeadstartError
from headstart.experiments.cli.app import main
from stable_baselines3 import PPO, SAC
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.noise import NormalActionNoise, OrnsteinUhlenbeckActionNoise
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize
from torch import nn

SMALL = {"learning_starts": 10, "buffer_size": 500}
ALGORITHMS = {
    "ppo": (PPO, {"n_steps": 32, "batch_size": 32, "clip_range": 0.1}),
    "sac": (SAC, {**SMALL, "train_freq": 3}),
    "stable_baselines3:TD3": (sb3.TD3, SMALL),
    "sb3_contrib:TQC": (sb3_contrib.TQC, SMALL),
    "stable_baselines3:A2C": (sb3.A2C, {"n_steps": 8}),
    "stable_baselines3:DQN": (sb3.DQN, SMALL),
}


class Payload:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return Path.write_text, (self.marker, "executed")


def bring(path, to, **options):
    given = {"world_id": "Pendulum-v1", "trust": True, **options}
    return import_sb3_zip(path, to, **given)


def test_nothing_is_opened_without_trust(tmp_path):
    for name in ("model.zip", "vecnormalize.pkl"):
        (tmp_path / name).write_bytes(pickle.dumps(Payload(tmp_path / "marker")))
    with pytest.raises(BundleError, match=r"can run any code .* --trust-file .trust=True"):
        bring(
            tmp_path / "model.zip",
            tmp_path / "bundle",
            trust=False,
            normalizer=tmp_path / "vecnormalize.pkl",
        )
    assert not (tmp_path / "marker").exists()
    assert not (tmp_path / "bundle").exists()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Models of Stable-Baselines3 that have trained for a while, with their normalizer."""
    made = {}

    def make(name):
        if name not in made:
            discrete = name.endswith("DQN")
            id_ = "CartPole-v1" if discrete else "Pendulum-v1"
            worlds = VecNormalize(DummyVecEnv([lambda: gym.make(id_)] * 2))
            cls, settings = ALGORITHMS[name]
            net = {"net_arch": [8], "activation_fn": nn.ELU}
            model = cls("MlpPolicy", worlds, seed=0, policy_kwargs=net, **settings)
            model.learn(70)
            folder = tmp_path_factory.mktemp("model")
            model.save(folder / "model.zip")
            worlds.save(folder / "vecnormalize.pkl")
            space = worlds.observation_space
            space.seed(3)
            limit = 1 if discrete else np.inf  # CartPole's speeds know no bounds
            seen = np.array([np.clip(space.sample(), -limit, limit) for _ in range(1000)])
            made[name] = model, worlds, folder, seen
        return made[name]

    return make


@pytest.mark.parametrize("name", ALGORITHMS)
def test_in_and_out_again_acts_as_the_model_did(trained, tmp_path, name):
    model, worlds, folder, seen = trained(name)
    expected, _ = model.predict(worlds.normalize_obs(seen), deterministic=True)
    done = bring(folder / "model.zip", tmp_path / "bundle", normalizer=folder / "vecnormalize.pkl")
    assert done.notes == []
    assert done.bundle.algorithm.name == name
    actions, _ = load_policy(tmp_path / "bundle").predict(seen, deterministic=True)
    assert np.array_equal(actions, expected)
    assert len(np.unique(expected)) > 1

    out = export_sb3(done.bundle, tmp_path / "out" / "model.zip")
    assert out.cls is ALGORITHMS[name][0]
    for path in (out.archive, out.normalizer):
        assert b"headstart" not in path.read_bytes()
    with zipfile.ZipFile(out.archive) as made:
        assert all(b"headstart" not in made.read(part) for part in made.namelist())
    again = out.cls.load(out.archive)
    statistics = VecNormalize.load(str(out.normalizer), worlds.venv)
    assert type(statistics) is VecNormalize
    actions, _ = again.predict(statistics.normalize_obs(seen), deterministic=True)
    assert np.array_equal(actions, expected)
    assert again.num_timesteps == model.num_timesteps
    for key in ("n_steps", "buffer_size", "batch_size", "learning_rate", "gamma"):
        assert getattr(again, key, None) == getattr(model, key, None), key
    ours, theirs = again.get_parameters(), model.get_parameters()
    optimizers = [key for key in theirs if key.endswith("optimizer")]
    assert optimizers
    for key in optimizers:
        for index, state in theirs[key]["state"].items():
            for moment, value in state.items():
                assert np.array_equal(ours[key]["state"][index][moment], value), (key, moment)
    again.set_env(statistics)
    again.learn(40, reset_num_timesteps=False)


@pytest.mark.parametrize("name", ["ppo", "sac"])
def test_the_settings_come_along(trained, pendulum, tmp_path, name):
    model, _, folder, _ = trained(name)
    imported = bring(folder / "model.zip", tmp_path / "bundle").bundle
    settings = imported.algorithm.settings
    assert settings["worlds"] == 2
    assert settings["normalize"] is False
    assert settings["policy_kwargs"] == {"net_arch": [8], "activation_fn": "elu"}
    assert imported.steps == model.num_timesteps
    if name == "ppo":
        assert settings["clip_range"] == 0.1
    else:
        assert settings["train_freq"] == [3, "step"]
        assert settings["buffer_size"] == 500
    learner = imported.learner(pendulum, 0)
    assert learner.optimizers().keys() == {
        name for name in model._get_torch_save_params()[0] if name.endswith("optimizer")
    }
    learner.close()


def constant(value):
    """What Stable-Baselines3 up to 2.6 made of a constant: a function of a function that has it."""

    def constant_fn(val):
        def func(_):
            return val

        return func

    inner = constant_fn(value)
    return lambda left: float(inner(left))


@pytest.fixture
def model(pendulum):
    return PPO("MlpPolicy", pendulum(), n_steps=64, policy_kwargs={"net_arch": [8]})


def rewrite(path, change):
    """Change the description in an archive."""
    with zipfile.ZipFile(path) as made:
        parts = {name: made.read(name) for name in made.namelist()}
    data = json.loads(parts["data"])
    change(data, parts)
    with zipfile.ZipFile(path, "w") as made:
        for name, part in parts.items():
            made.writestr(name, json.dumps(data) if name == "data" else part)


def test_an_archive_of_an_older_version_has_no_schedule(model, tmp_path):
    model.clip_range = constant(0.15)
    model.lr_schedule = constant(3e-4)
    model.save(tmp_path / "old.zip")
    found = archive.read_archive(tmp_path / "old.zip")
    assert found.constant("clip_range") == 0.15
    # Its functions are those of another Python, which are never run.
    rewrite(
        tmp_path / "old.zip",
        lambda _, parts: parts.update({"system_info.txt": b"- OS: x\n- Python: 3.7.1\n"}),
    )
    done = bring(tmp_path / "old.zip", tmp_path / "bundle")
    assert done.bundle.algorithm.settings["clip_range"] == 0.15
    assert done.notes == []


@pytest.mark.parametrize("setting", ["learning_rate", "clip_range"])
def test_schedules_are_named(pendulum, tmp_path, setting):
    schedule = {setting: lambda left: 1e-3 * left}
    PPO("MlpPolicy", pendulum(), n_steps=64, **schedule).save(tmp_path / "model")
    done = bring(tmp_path / "model.zip", tmp_path / "b")
    assert done.bundle.algorithm.settings[setting] == 1e-3
    (note,) = done.notes
    assert note.startswith(f"{setting} is a schedule, from 0.001 to 0: imported as 0.001")
    done = bring(tmp_path / "model.zip", tmp_path / "c", settings={setting: 5e-4})
    assert done.bundle.algorithm.settings[setting] == 5e-4
    assert done.notes == []
    rewrite(
        tmp_path / "model.zip",
        lambda _, parts: parts.update({"system_info.txt": b"- Python: 3.7.1\n"}),
    )
    with pytest.raises(HeadstartError, match=rf"{setting} is a schedule of Python 3\.7\.1.*--set"):
        bring(tmp_path / "model.zip", tmp_path / "d")


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
    if deviation is None:
        with pytest.raises(HeadstartError, match="only Gaussian noise can be imported"):
            bring(*places)
    else:
        assert bring(*places).bundle.algorithm.value("action_noise") == deviation


def test_what_is_no_archive_is_named(tmp_path, model):
    (tmp_path / "a.zip").write_bytes(b"PK")
    with pytest.raises(BundleError, match="is no archive of Stable-Baselines3"):
        bring(tmp_path / "a.zip", tmp_path / "b")
    with pytest.raises(BundleError, match="no file"):
        bring(tmp_path / "none.zip", tmp_path / "b")
    model.save(tmp_path / "m.zip")
    (tmp_path / "v.pkl").write_bytes(b"no pickle")
    with pytest.raises(BundleError, match=r"v\.pkl is no VecNormalize"):
        bring(tmp_path / "m.zip", tmp_path / "b", normalizer=tmp_path / "v.pkl")
    rewrite(tmp_path / "m.zip", lambda data, _: [data.pop(k) for k in ("clip_range", "gae_lambda")])
    with pytest.raises(BundleError, match=r"which algorithm it is of cannot be told.*--algorithm"):
        bring(tmp_path / "m.zip", tmp_path / "b")


def test_a_folder_of_the_zoo_says_the_rest(trained, tmp_path, capsys):
    _, _, folder, _ = trained("ppo")
    zoo = tmp_path / "logs" / "ppo" / "Pendulum-v1_1"
    (zoo / "Pendulum-v1").mkdir(parents=True)
    (zoo / "Pendulum-v1.zip").write_bytes((folder / "model.zip").read_bytes())
    statistics = zoo / "Pendulum-v1" / "vecnormalize.pkl"
    statistics.write_bytes((folder / "vecnormalize.pkl").read_bytes())
    found = zoo_layout(zoo)
    assert (found.normalizer, found.algorithm, found.world_id) == (statistics, "ppo", "Pendulum-v1")
    with pytest.raises(SystemExit) as status:
        main(["import", str(zoo), "--out", str(tmp_path / "b")])
    assert status.value.code == 2
    assert "--trust-file" in capsys.readouterr().err
    with pytest.raises(SystemExit) as status:
        main(["import", str(zoo), "--out", str(tmp_path / "b"), "--trust-file"])
    assert status.value.code == 0
    assert f"bundle: {tmp_path / 'b'}" in capsys.readouterr().out.replace("\n", "")
    loaded = bundle.load(tmp_path / "b")
    assert loaded.world_id == "Pendulum-v1"
    assert loaded.algorithm.settings["normalize"] is True
    with pytest.raises(SystemExit) as status:
        main(["export", str(tmp_path / "b"), "--sb3", str(tmp_path / "out.zip")])
    assert status.value.code == 0
    said = capsys.readouterr().out
    assert f"stable_baselines3.PPO.load('{tmp_path / 'out.zip'}')" in said
    assert (tmp_path / "out_vecnormalize.pkl").is_file()


def test_an_archive_given_as_a_bundle_names_the_command(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["evaluate", "model.zip"])
    assert "headstart import model.zip --out DIR" in capsys.readouterr().err


def test_a_loaded_policy_is_one_of_stable_baselines3(trained, pendulum, tmp_path):
    model, _, folder, seen = trained("ppo")
    bring(folder / "model.zip", tmp_path / "b", normalizer=folder / "vecnormalize.pkl")
    policy = load_policy(tmp_path / "b")
    one, state = policy.predict(seen[0], deterministic=True)
    assert one.shape == (1,)
    assert state is None
    assert np.array_equal(one, policy.predict(seen[:2], deterministic=True)[0][0])
    noisy = {float(policy.predict(seen[0])[0][0]) for _ in range(3)}
    assert len(noisy) == 3
    raw = DummyVecEnv([pendulum])
    raw.seed(0)
    mean, _ = evaluate_policy(policy, raw, n_eval_episodes=2, warn=False)
    worlds_again = VecNormalize.load(str(folder / "vecnormalize.pkl"), DummyVecEnv([pendulum]))
    worlds_again.training = worlds_again.norm_reward = False
    worlds_again.seed(0)
    expected, _ = evaluate_policy(model, worlds_again, n_eval_episodes=2, warn=False)
    assert mean == pytest.approx(expected)


def test_a_recurrent_policy_hands_its_state_back(learner, tmp_path):
    one = learner("recurrent_ppo", n_steps=16, batch_size=16)
    bundle.save(one, tmp_path / "b", world_id="Pendulum-v1")
    policy, space = load_policy(tmp_path / "b"), one.observation_space
    space.seed(0)
    seen = np.array([[space.sample()] for _ in range(4)])
    acting = one.acting()
    expected = [acting.act(observation) for observation in seen]
    state, actions = None, []
    for observation in seen:
        action, state = policy.predict(observation, state, deterministic=True)
        actions.append(action)
    assert np.array_equal(actions, expected)
    fresh, _ = policy.predict(seen[3], state, np.array([True]), deterministic=True)
    assert not np.array_equal(fresh, expected[3])
    assert np.array_equal(fresh, policy.predict(seen[3], deterministic=True)[0])
    assert (
        export_sb3(bundle.load(tmp_path / "b"), tmp_path / "m.zip").cls.__name__ == "RecurrentPPO"
    )


def test_what_an_archive_has_no_place_for_is_named(learner, tmp_path):
    bundle.save(learner("ppo", history=3), tmp_path / "b", world_id="Pendulum-v1")
    with pytest.raises(HeadstartError, match="sees a history of frames, for which an archive"):
        export_sb3(bundle.load(tmp_path / "b"), tmp_path / "m.zip")
    with pytest.raises(HeadstartError, match=r"is named \.zip"):
        export_sb3(bundle.load(tmp_path / "b"), tmp_path / "m.pt")
