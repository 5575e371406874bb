"""An exported policy acts as the policy does, says what it is, or is not there."""

import hashlib
import json
import sys

import gymnasium as gym
import numpy as np
import pytest
from headstart.agents.bundles import bundle
from headstart.agents.learner import create
from headstart.experiments.cli import app
from headstart.transfer.deployment import onnx as exporting
from headstart.transfer.deployment.onnx import ExportError, export_onnx

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
REACH = "headstart/PandaReach-v0"


@pytest.fixture(autouse=True)
def few(request, monkeypatch):
    """Compare policies on fewer observations than users' are, but for where `many` is asked for."""
    if "many" not in request.fixturenames:
        monkeypatch.setattr(exporting, "OBSERVATIONS", 150)
    monkeypatch.setattr(exporting, "CALLS", 20)


@pytest.fixture
def many():
    """Compare policies on as many observations as users' are."""


@pytest.fixture
def saved(learner, tmp_path):
    """Save an untrained learner whose normalizer has seen something; returns it and its bundle."""

    def make(name="ppo", world_id="Pendulum-v1", mean=0.0, deviation=1.0, **settings):
        one = learner(name, make_world=lambda: gym.make(world_id), **settings)
        shape = one.observation_space.shape
        one.normalizer.obs_rms.mean = mean + np.linspace(0, 1, *shape)
        one.normalizer.obs_rms.var = deviation**2 * np.linspace(1, 2, *shape)
        if name == "ppo":
            # Enough to reach the bounds of the actions, which a new policy stays far from.
            one.model.policy.action_net.weight.data *= 300
        bundle.save(one, tmp_path / "bundle", world_id=world_id)
        return one, bundle.load(tmp_path / "bundle")

    return make


def acting(path):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (given,), (returned,) = session.get_inputs(), session.get_outputs()
    assert (given.name, given.shape[0], returned.name) == ("observation", "batch", "action")
    return lambda observations: session.run(["action"], {"observation": observations})[0]


@pytest.mark.parametrize(
    ("name", "world_id"),
    [("ppo", "Pendulum-v1"), ("sac", "Pendulum-v1"), ("stable_baselines3:DQN", "CartPole-v1")],
)
def test_an_exported_policy_acts_alike_for_any_batch(many, saved, tmp_path, name, world_id):
    one, made = saved(name, world_id, deviation=0.2)
    done = export_onnx(made, tmp_path / "a" / "policy.onnx")
    assert done.observations == 1_000
    assert done.origin == f"episodes in {world_id}"
    assert done.error <= 1e-5
    assert 0 < done.onnx < done.predict
    act = acting(done.path)
    shape = one.observation_space.shape
    # From the usual to what only clipping keeps in bounds.
    draws = np.random.default_rng(0).standard_normal((300, *shape))
    observations = (draws * np.logspace(-2, 3, 300)[:, None]).astype(np.float32)
    expected = one.act(observations)
    if name == "ppo":
        assert np.abs(expected).max() == 2.0  # some are clipped
    for batch in (1, 7, 300):
        actions = act(observations[-batch:])
        assert actions.shape == expected[-batch:].shape
        np.testing.assert_allclose(actions, expected[-batch:], atol=1e-5)
    assert len(np.unique(expected)) > 1


def test_a_mean_far_from_zero_costs_no_precision(saved, tmp_path):
    # In single precision 1000.3 is off by 1e-5, a tenth of this deviation's hundredth.
    _, made = saved(mean=1000.3, deviation=1e-3)
    done = export_onnx(made, tmp_path / "policy.onnx", lambda: gym.make("CartPole-v1"))
    assert "the normalizer's statistics" in done.origin
    assert "shape (3,) in the source, (4,) here" in done.origin
    assert done.error <= 1e-5


def test_the_command_and_what_the_file_says(piped, saved, tmp_path, monkeypatch, capsys):
    _, made = saved("ppo", REACH, worlds=1, batch_size=32)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    with pytest.raises(SystemExit) as ended:
        app.main(["export", "bundle", "--onnx"])
    assert ended.value.code == 0
    printed = " ".join(capsys.readouterr().out.split())
    for words in ("policy.onnx", "ONNX Runtime predict", "microseconds", f"episodes in {REACH}"):
        assert words in printed
    model = onnx.load("policy.onnx")
    about = {entry.key: entry.value for entry in model.metadata_props}
    assert about["world"] == REACH
    assert about["headstart_version"] == made.versions["headstart"]
    channels = json.loads(about["observation_channels"])
    assert channels[0] | {"name": "joint_positions", "unit": "rad"} == channels[0]
    assert sum(channel["size"] for channel in channels) == made.observation_space.shape[0]
    assert len(json.loads(about["action_commands"])) == made.action_space.shape[0]
    assert json.loads(about["action_commands"])[0]["unit"] == "rad/s"
    digest = hashlib.sha256((made.directory / "policy.safetensors").read_bytes()).hexdigest()
    assert json.loads(about["bundle_sha256"])["policy.safetensors"] == digest
    # Of the machine that made it there is nothing in it.
    written = (tmp_path / "policy.onnx").read_bytes()
    assert str(made.directory).encode() not in written
    assert b".py" not in written


def test_an_export_that_acts_otherwise_is_not_left_behind(saved, tmp_path, monkeypatch):
    _, made = saved(deviation=0.1)
    out = tmp_path / "out" / "policy.onnx"
    out.parent.mkdir()
    right = exporting.Acting.__init__

    def wrong(self, learner):
        right(self, learner)
        self.clip = 1.0

    monkeypatch.setattr(exporting.Acting, "__init__", wrong)
    with pytest.raises(ExportError, match=r"actions are off by .*, more than 1e-05; nothing was"):
        export_onnx(made, out)
    assert list(out.parent.iterdir()) == []


@pytest.mark.parametrize(
    ("space", "said"),
    [
        (gym.spaces.Dict({"a": gym.spaces.Box(-1, 1, (2,))}), "are of type Dict"),
        (gym.spaces.Box(0, 255, (36, 36, 3), np.uint8), "are images"),
        (gym.spaces.Discrete(3), "are of type Discrete"),
    ],
)
def test_what_cannot_be_exported_is_one_clear_line(small, tmp_path, space, said):
    class Odd(gym.Env):
        observation_space, action_space = space, gym.spaces.Box(-1, 1, (1,))

    one = create(small("ppo"), Odd, 0)
    bundle.save(one, tmp_path / "bundle", world_id="Odd-v0")
    with pytest.raises(ExportError, match=f"{said}; only vectors"):
        export_onnx(bundle.load(tmp_path / "bundle"), tmp_path / "policy.onnx")
    assert not (tmp_path / "policy.onnx").exists()


def test_without_the_extra_the_command_says_what_to_install(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(SystemExit) as ended:
        app.main(["export", "bundle", "--onnx"])
    assert ended.value.code == 2
    said = "headstart: exporting to ONNX needs onnxruntime: pip install headstart[export]\n"
    assert capsys.readouterr().err == said


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("ppo", {"history": 3}),
        ("recurrent_ppo", {}),
        ("recurrent_ppo", {"history": 2, "policy_kwargs": {"net_arch": [8], "n_lstm_layers": 2}}),
    ],
)
def test_an_exported_policy_remembers_as_it_does(learner, tmp_path, pendulum, name, settings):
    one = learner(name, **settings)
    one.model.policy.action_net.weight.data *= 100
    shape = one.normalizer.obs_rms.mean.shape
    one.normalizer.obs_rms.mean = np.linspace(-0.5, 0.5, *shape)
    bundle.save(one, tmp_path / "bundle", world_id="Pendulum-v1")
    done = export_onnx(bundle.load(tmp_path / "bundle"), tmp_path / "policy.onnx", pendulum)
    assert done.error <= 1e-5
    about = {entry.key: entry.value for entry in onnx.load(done.path).metadata_props}
    names = [memory["name"] for memory in json.loads(about["memory"])]
    assert ("frames" in names, "hidden" in names) == ("history" in settings, name != "ppo")
    # Ten episodes, two at a time, that begin at different steps.
    runner, policy = exporting.Runner(done.path), one.acting()
    rng, differences, actions = np.random.default_rng(0), [], []
    for step in range(125):
        begins = np.array([step % 25 == 0, step % 25 == 7])
        seen = rng.standard_normal((2, 3)).astype(np.float32)
        for which in (runner, policy):
            which.reset(begins)
        actions.append(policy.act(seen))
        differences.append(np.abs(runner.act(seen) - actions[-1]).max())
    assert max(differences) <= 1e-5
    assert np.std(actions) > 1e-3


def test_an_exported_actor_is_given_nothing_privileged(learner, tmp_path):
    """A history, a critic that sees parameters, and a channel that is not measured."""
    world = lambda: gym.make("headstart/Hopper-v0")  # noqa: E731
    settings = {"critic_sees": ["velocity", "payload"], "history": 2}
    one = learner("ppo", make_world=world, **settings)
    one.worlds.reset()
    bundle.save(one, tmp_path / "bundle", world_id="headstart/Hopper-v0")
    done = export_onnx(bundle.load(tmp_path / "bundle"), tmp_path / "policy.onnx")
    assert done.error <= 1e-5
    inputs = [one.name for one in onnx.load(done.path).graph.input]
    assert inputs == ["observation", "begins", "frames", "past_actions", "last_action"]
