import hashlib
import io
import json
import os
import pickle
import shutil
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import torch
from headstart.agents.bundles import allocation, bundle
from headstart.agents.bundles.bundle import BundleError
from headstart.agents.training import train

FILES = [
    "bundle.json",
    "manifest.json",
    "normalizer.npz",
    "optimizer.safetensors",
    "policy.safetensors",
    "replay_buffer.npz",
]


@pytest.fixture
def trained(learner, evaluate):
    """Make a learner that has trained for a while."""

    def make(algorithm, **settings):
        one = learner(algorithm, **settings)
        train(one, steps=150, seed=1, grid=[], evaluate=evaluate, on_evaluation=print)
        return one

    return make


def save(one, directory):
    bundle.save(
        one,
        directory,
        world_id="Pendulum-v1",
        randomization={"g": "= uniform(9, 11)"},
        replay_buffer=True,
    )


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return tmp_path_factory.mktemp("original") / "bundle"


@pytest.fixture
def saved(original, trained, tmp_path):
    """A copy of the bundle of a trained SAC, with every kind of file in it."""
    if not original.exists():
        save(trained("sac"), original)
    return shutil.copytree(original, tmp_path / "bundle")


@pytest.mark.parametrize(
    "algorithm", ["ppo", "sac", "sb3_contrib:TQC", "stable_baselines3:TD3", "stable_baselines3:A2C"]
)
def test_round_trip_is_exact(trained, tmp_path, pendulum, observations, algorithm):
    one = trained(algorithm)
    save(one, tmp_path / "bundle")
    expected = one.act(observations)
    loaded = bundle.load(tmp_path / "bundle")
    assert loaded.algorithm == one.algorithm
    assert loaded.world_id == "Pendulum-v1"
    assert loaded.randomization == {"g": "= uniform(9, 11)"}
    assert loaded.steps == one.steps >= 150
    assert loaded.observation_space == one.observation_space
    for other in (loaded.learner(pendulum, seed=9), loaded.policy()):
        assert np.array_equal(other.act(observations), expected)
        other.close()
    assert len(np.unique(expected)) > 1


def test_what_training_goes_on_from_comes_back(trained, tmp_path, pendulum):
    one = trained("sac")
    save(one, tmp_path / "bundle")
    other = bundle.load(tmp_path / "bundle").learner(pendulum, seed=9)
    for name, tensor in one.tensors().items():
        assert torch.equal(other.tensors()[name], tensor), name
    assert {"critic_target.qf0.0.weight", "log_ent_coef"} <= one.tensors().keys()
    moments, restored = bundle._moments(one), bundle._moments(other)
    assert restored.keys() == moments.keys()
    assert "ent_coef_optimizer/log_ent_coef/exp_avg_sq" in moments
    assert all(torch.equal(restored[name], value) for name, value in moments.items())
    buffers = one.model.replay_buffer, other.model.replay_buffer
    assert buffers[0].pos == buffers[1].pos == 150
    assert np.array_equal(buffers[0].rewards, buffers[1].rewards)
    assert one.normalizer.obs_rms.count == other.normalizer.obs_rms.count > 100
    assert other.model._n_updates == one.model._n_updates > 0
    other.close()


def test_a_policy_for_acting_has_no_world(saved):
    policy = bundle.load(saved).policy()
    with pytest.raises(RuntimeError, match="act only"):
        policy.worlds.reset()


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(saved, name):
    (saved / name).unlink()
    with pytest.raises(BundleError, match=f"{name} is missing"):
        bundle.load(saved)


@pytest.mark.parametrize("name", [name for name in FILES if name != "manifest.json"])
@pytest.mark.parametrize(("damage", "word"), [("truncate", "truncated"), ("alter", "altered")])
def test_a_damaged_file_is_named(saved, name, damage, word):
    data = (saved / name).read_bytes()
    middle = len(data) // 2
    altered = data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
    (saved / name).write_bytes(data[:middle] if damage == "truncate" else altered)
    with pytest.raises(BundleError, match=f"{name} .*{word}"):
        bundle.load(saved)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 1}', '{"format": 1, "files": {}}'])
def test_a_damaged_manifest_is_named(saved, text):
    (saved / "manifest.json").write_text(text)
    with pytest.raises(BundleError, match=r"manifest\.json"):
        bundle.load(saved)


def test_a_later_format_is_refused(saved):
    manifest = json.loads((saved / "manifest.json").read_text())
    (saved / "manifest.json").write_text(json.dumps({**manifest, "format": 99}))
    with pytest.raises(BundleError, match="format 99, this version reads 1"):
        bundle.load(saved)


def test_no_bundle_there(tmp_path):
    assert not bundle.exists(tmp_path / "none")
    with pytest.raises(BundleError, match="no bundle at"):
        bundle.load(tmp_path / "none")


class Payload:
    """Writes a marker file when unpickled."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return Path.write_text, (self.marker, "executed")


def forge(directory, name, data):
    """Replace a file and make the manifest agree, as an attacker would."""
    (directory / name).write_bytes(data)
    manifest = json.loads((directory / "manifest.json").read_text())
    manifest["files"][name] = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    (directory / "manifest.json").write_text(json.dumps(manifest))


def pickled_npz(payload):
    """An npz whose arrays are objects."""
    file = io.BytesIO()
    names = ("observation.mean", "observation.var", "observation.count", "observations", "size")
    np.savez(file, **{name: np.array([payload], dtype=object) for name in names})
    return file.getvalue()


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("manifest_agrees", [True, False])
@pytest.mark.parametrize("make", [pickle.dumps, pickled_npz, "torch"])
def test_a_pickle_in_place_of_a_file_executes_nothing(
    saved, tmp_path, pendulum, name, manifest_agrees, make
):
    marker = tmp_path / "marker"
    if make == "torch":
        file = io.BytesIO()
        torch.save(Payload(marker), file)
        data = file.getvalue()
    else:
        data = make(Payload(marker))
    if manifest_agrees and name != "manifest.json":
        forge(saved, name, data)
    else:
        (saved / name).write_bytes(data)
    with pytest.raises(BundleError, match=name):
        bundle.load(saved).learner(pendulum, 0)
    assert not marker.exists()
    if make is pickle.dumps:
        pickle.loads(data)
        assert marker.exists()


@pytest.mark.parametrize("field", ["algorithm", "policy", "features_extractor_class"])
def test_a_forged_description_cannot_name_what_to_call(saved, field):
    about = json.loads((saved / "bundle.json").read_text())
    if field == "algorithm":
        about["algorithm"] = {"subprocess:Popen": {"args": ["touch", "marker"]}}
    elif field == "policy":
        about["algorithm"]["sac"]["policy"] = "subprocess:Popen"
    else:
        about["algorithm"]["sac"]["policy_kwargs"][field] = "subprocess:Popen"
    forge(saved, "bundle.json", json.dumps(about).encode())
    with pytest.raises(BundleError, match=r"would import 'subprocess', .* --trust subprocess"):
        bundle.load(saved)
    with pytest.raises(BundleError, match="expected a subclass of"):
        bundle.load(saved, trust=["subprocess"])


def test_a_description_that_makes_no_sense_is_named(saved):
    about = json.loads((saved / "bundle.json").read_text())
    del about["counters"]
    forge(saved, "bundle.json", json.dumps(about).encode())
    with pytest.raises(BundleError, match=r"bundle\.json is damaged"):
        bundle.load(saved)


class Killed(BaseException):
    """Ends a save at once, without any clean-up of ours, as a signal would."""


@pytest.mark.parametrize("error", [Killed, OSError])
@pytest.mark.parametrize(
    ("owner", "name", "times"), [(os, "fsync", 6), (Path, "rename", 2), (shutil, "rmtree", 2)]
)
def test_a_save_cut_short_anywhere_leaves_the_earlier_bundle(
    learner, tmp_path, monkeypatch, observations, error, owner, name, times
):
    earlier, later = learner("ppo", seed=0), learner("ppo", seed=1)
    expected = [earlier.act(observations), later.act(observations)]
    directory, function = tmp_path / "bundle", getattr(owner, name)
    cuts = 0
    for nth in range(1, 20):
        save(earlier, directory)
        calls = []

        def cut(*args, calls=calls, nth=nth, **options):
            calls.append(args)
            if len(calls) == nth:
                raise error
            return function(*args, **options)

        finished = False
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, cut)
            try:
                save(later, directory)
                finished = True
            except error:
                cuts += 1
        actions = bundle.load(directory).policy().act(observations)
        assert bundle.exists(directory)
        assert any(np.array_equal(actions, one) for one in expected)
        if finished:
            assert np.array_equal(actions, expected[1])
            break
    assert cuts >= times
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle"]


def test_a_full_disk_leaves_nothing_behind(learner, tmp_path, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        save(learner("ppo"), tmp_path / "bundle")
    assert list(tmp_path.iterdir()) == []


def test_spaces_that_do_not_match_are_named(saved):
    loaded = bundle.load(saved)
    with pytest.raises(BundleError, match=r"observation space: shape \(3,\) .*, \(4,\) here"):
        loaded.learner(lambda: gym.make("CartPole-v1", disable_env_checker=True), 0)

    class Stronger(gym.ActionWrapper):
        def __init__(self, env):
            super().__init__(env)
            self.action_space = gym.spaces.Box(-3, 3, (1,))

    world = Stronger(gym.make("Pendulum-v1", disable_env_checker=True))
    with pytest.raises(BundleError, match=r"action space: bounds of element 0: \[-2, 2\]"):
        loaded.learner(lambda: world, 0)


def test_weights_of_another_shape_are_named(saved, learner):
    with pytest.raises(BundleError, match=r"'actor.*' is \(16,\) in the bundle and \(8,\)"):
        bundle.load(saved).restore_weights(learner("sac", policy_kwargs={"net_arch": [8, 8]}))


def test_a_replay_buffer_of_another_shape_is_named(saved, learner):
    with pytest.raises(BundleError, match=r"replay_buffer.npz: 'observations' does not fit"):
        bundle.load(saved).restore_replay_buffer(learner("sac", buffer_size=50))


def test_loading_a_bundle_needs_no_compiler():
    # torch wraps what it marks for its compiler, which it then imports: two seconds at each start.
    bounded = vars(allocation._Bounded)["__torch_dispatch__"]
    assert not hasattr(bounded, "__wrapped__")
