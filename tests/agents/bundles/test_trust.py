"""A bundle names modules, and only its reader has them imported."""

import json
import sys

import gymnasium
import pytest
from headstart.agents.bundles import bundle, trust
from headstart.agents.bundles.bundle import BundleError
from headstart.experiments.cli.app import main
from headstart.experiments.config.schema import ConfigError, build

from tests.agents.bundles.test_bundle import forge

MODULE = "a_module_of_a_stranger"


@pytest.fixture
def stranger(tmp_path, monkeypatch):
    """A module that leaves a mark when it is imported, with an algorithm, a policy, a world."""
    (tmp_path / f"{MODULE}.py").write_text(
        "import pathlib, gymnasium, torch\n"
        f"pathlib.Path({str(tmp_path / 'mark')!r}).write_text('imported')\n"
        "from stable_baselines3 import PPO\n"
        "from stable_baselines3.common.policies import ActorCriticPolicy as Policy\n"
        "from stable_baselines3.common.torch_layers import FlattenExtractor\n"
        "class Mine(PPO): ...\n"
        "class Extractor(FlattenExtractor): ...\n"
        "class Adam(torch.optim.Adam): ...\n"
        "gymnasium.register('Mine-v0', 'gymnasium.envs.classic_control:PendulumEnv',\n"
        "                   max_episode_steps=20)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path / "mark"
    sys.modules.pop(MODULE, None)
    gymnasium.registry.pop("Mine-v0", None)


@pytest.fixture
def saved(learner, tmp_path):
    one = learner("ppo")
    one.model.num_timesteps = 128
    bundle.save(one, tmp_path / "bundle", world_id="Pendulum-v1")
    return tmp_path / "bundle"


def rename(directory, what, name):
    """Have a bundle name something of the stranger's."""
    about = json.loads((directory / "bundle.json").read_text())
    ((_, settings),) = about["algorithm"].items()
    if what == "algorithm":
        about["algorithm"] = {name: settings}
    elif what == "policy":
        settings["policy"] = name
    elif what == "world":
        about["world_id"] = name
    else:
        settings["policy_kwargs"][what] = name
    forge(directory, "bundle.json", json.dumps(about).encode())


CLASSES = [
    ("algorithm", "Mine"),
    ("policy", "Policy"),
    ("features_extractor_class", "Extractor"),
    ("optimizer_class", "Adam"),
]


@pytest.mark.parametrize(("what", "name"), CLASSES)
def test_a_class_of_a_stranger_needs_trust(saved, stranger, what, name):
    rename(saved, what, f"{MODULE}:{name}")
    with pytest.raises(BundleError, match=f"{what} '{MODULE}:{name}' .*--trust {MODULE}"):
        bundle.load(saved)
    assert not stranger.exists()
    assert MODULE not in sys.modules
    bundle.load(saved, trust=[MODULE]).policy().close()
    assert stranger.exists()


@pytest.mark.parametrize(
    "module",
    ["stable_baselines3.common.env_checker2", "headstart.experiments.cli.__main__", "torch.hub"],
)
def test_libraries_are_trusted_only_with_what_they_load_themselves(saved, module):
    rename(saved, "policy", f"{module}:Policy")
    with pytest.raises(BundleError, match="would import"):
        bundle.load(saved)


def test_classes_of_the_libraries_need_none():
    for path in (
        "sb3_contrib.tqc.policies:TQCPolicy",
        "stable_baselines3.common.torch_layers:NatureCNN",
        "torch.optim.adam:Adam",
        "torch.optim:AdamW",
    ):
        trust.check_classes("sb3_contrib:TQC", {"policy": path}, (), "here")


def test_a_world_of_a_stranger_needs_trust(saved, stranger, capsys):
    rename(saved, "world", f"{MODULE}:Mine-v0")
    policy = bundle.load(saved)
    with pytest.raises(BundleError, match=f"world '{MODULE}:Mine-v0' would import"):
        policy.own_world()
    commands = [
        ["evaluate", str(saved)],
        ["watch", str(saved), "--out", str(saved.parent / "a.gif")],
        ["export", str(saved), "--out", str(saved.parent / "a.onnx")],
    ]
    for command in commands:
        with pytest.raises(SystemExit) as status:
            main(command)
        assert status.value.code == 2
        said = capsys.readouterr().err
        assert f"--trust {MODULE}" in said
        assert len(said.strip()) < 400
    assert not stranger.exists()
    with pytest.raises(SystemExit) as status:
        main(["evaluate", str(saved), "--episodes", "1", "--trust", MODULE])
    assert status.value.code == 0
    assert stranger.exists()


def test_pretrain_start_needs_trust(saved, stranger, capsys):
    rename(saved, "policy", f"{MODULE}:Policy")
    words = ["pretrain", "Pendulum-v1", "--out", str(saved.parent / "o"), "--start", str(saved)]
    with pytest.raises(SystemExit):
        main([*words, "--steps", "500"])
    assert f"--trust {MODULE}" in capsys.readouterr().err
    assert not stranger.exists()


@pytest.mark.parametrize(("what", "name"), [("policy", "Policy"), ("world", "Mine-v0")])
def test_an_experiments_bundle_needs_trust(saved, stranger, what, name):
    rename(saved, what, f"{MODULE}:{name}")
    data = {
        "name": "x",
        "source": {"bundle": str(saved)},
        "targets": {"t": {"steps": 100}},
        "evaluation": {"every": 100},
    }
    with pytest.raises(ConfigError, match=f"would import '{MODULE}'"):
        build(data)
    assert not stranger.exists()
    data["source"]["trust"] = [MODULE]
    built = build(data)
    assert built.resolved()["source"]["trust"] == [MODULE]
    # As a run's own file states it, all of the bundle spelled out.
    resolved = built.resolved()
    assert build(resolved).resolved() == resolved
    if what == "policy":
        del resolved["source"]["trust"]
        with pytest.raises(ConfigError, match=f"would import '{MODULE}'"):
            build(resolved)
