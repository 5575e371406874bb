"""The guides as they are read: their files are written, their experiments run, small."""

import re
import sys
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch
from headstart.agents.bundles import bundle, pretrained
from headstart.agents.learner import create
from headstart.agents.user_callbacks import make_callbacks
from headstart.core.errors import HeadstartError
from headstart.experiments import api
from headstart.experiments.config.schema import build
from headstart.experiments.config.yaml_text import loads
from headstart.experiments.running.checks import check_plan
from headstart.experiments.running.plan import make_plan
from headstart.experiments.running.randomization import source_randomization
from headstart.transfer.methods import Problem, resolve_method

DOCS = Path(__file__).parents[2] / "docs"
TINY_PPO = {"ppo": {"worlds": 2, "n_steps": 32, "batch_size": 32, "n_epochs": 1}}


def blocks(page):
    """Return a page's blocks of code by the file that their first line names."""
    found = re.findall(r"^```\w+\n(.*?)^```$", (DOCS / page).read_text("utf-8"), re.M | re.S)
    named = [(re.match(r"# (\w+\.(?:py|yaml))\n", text), text) for text in found]
    return {match[1]: text for match, text in named if match}


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Write the files of a page into an empty folder, from which its modules can be imported."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    modules = []

    def write(page):
        found = blocks(page)
        for name, text in found.items():
            (tmp_path / name).write_text(text)
            modules.append(name.partition(".")[0])
        return found

    yield write
    for module in modules:
        sys.modules.pop(module, None)


def test_start(files):
    found = files("start.md")
    assert list(found) == ["cart.py", "cart.yaml"]
    gymnasium.registry.pop("Cart-v0", None)
    experiment = loads(found["cart.yaml"])
    assert len(experiment["seeds"]) == 5
    experiment["seeds"] = [0]
    experiment["source"] |= {"steps": 128, "algorithm": TINY_PPO}
    experiment["targets"]["heavy"]["steps"] = 128
    experiment["evaluation"] = {"every": 64, "episodes": 2, "anchor_episodes": 4}
    result = api.run(experiment, jobs=1)
    assert not result.failed
    assert Path("runs/heavy-cart/report.html").is_file()
    assert Path("runs/heavy-cart/results.csv").is_file()


def test_own_method(files):
    found = files("own-method.md")
    assert list(found) == ["shrink.py", "shrink.yaml"]
    experiment = build(loads(found["shrink.yaml"]))
    assert list(check_plan(experiment).methods) == [
        "scratch",
        "fine_tune",
        "ShrinkAndPerturb",
        "half",
    ]

    source = bundle.load(pretrained.find_pretrained("pretrained/nominal", experiment.source.world))
    target = experiment.targets["heavy"].spec(experiment.source)
    problem = Problem(source, source.algorithm, target.make, seed=0, steps=64)

    def first_weights(keep):
        learner = resolve_method({"shrink:ShrinkAndPerturb": {"keep": keep}}).start(problem)
        weights = {name: tensor.clone() for name, tensor in learner.tensors().items()}
        learner.close()
        return weights

    fresh = create(source.algorithm, target.make, 0, "cpu")
    new = {name: tensor.clone() for name, tensor in fresh.tensors().items()}
    fresh.close()
    for keep in (0.0, 0.5, 1.0):
        for name, tensor in first_weights(keep).items():
            mixed = (1 - keep) * new[name] + keep * source.weights()[name]
            torch.testing.assert_close(tensor, mixed, rtol=1e-4, atol=1e-6)
    with pytest.raises(HeadstartError, match="less than or equal to 1"):
        resolve_method({"shrink:ShrinkAndPerturb": {"keep": 2}})


def test_randomization(files):
    found = files("randomization.md")
    assert list(found) == ["ranges.yaml", "grow.yaml", "ends.py", "battery.py", "battery.yaml"]
    check_plan(build(loads(found["ranges.yaml"])))
    experiment = build(loads(found["battery.yaml"]))
    check_plan(experiment)
    world = experiment.source.spec().make()
    drawn = []
    for seed in (0, 1, 0):
        _, info = world.reset(seed=seed)
        values = info["parameters"]
        # The older the battery, the weaker the motors and the later the commands.
        age = values["action_delay"] / 0.08
        assert values["motor_strength"] == pytest.approx(1 - 0.5 * age)
        assert 0 <= age <= 0.8
        drawn.append(age)
    assert drawn[0] == drawn[2] != drawn[1]
    world.close()
    # The source's wrappers are not the target's.
    assert list(experiment.targets["old"].wrappers) == []


def test_randomization_in_your_own_training():
    (script,) = re.findall(
        r"^```python\n(import gymnasium\nimport headstart\n.*?)^```$",
        (DOCS / "randomization.md").read_text("utf-8"),
        re.M | re.S,
    )
    exec(compile(script, "randomization.md", "exec"), {})


def test_ranges_that_grow(files):
    found = files("randomization.md")
    check_plan(build(loads(found["grow.yaml"])))
    experiment = loads(found["grow.yaml"])
    experiment["source"] |= {"randomizer": {"ends:Ends": {"sharpness": 0.2}}}
    ready = source_randomization(make_plan(build(experiment)))
    drawn = [ready.randomizer.sample(np.random.default_rng(s)).unit for s in range(200)]
    # More than half of a Beta(0.2, 0.2) lies within 0.05 of its ends.
    assert np.mean(np.abs(np.array(drawn) - 0.5) > 0.45) > 0.5
    codes = re.findall(
        r"^```python\n(.*?)^```$", (DOCS / "randomization.md").read_text(), re.M | re.S
    )
    (ppo,) = [code for code in codes if "PPO(" in code]
    assert len(ppo.strip().splitlines()) <= 14
    scope = {}
    assert "seed=0).learn(50_000" in ppo
    ppo = ppo.replace("seed=0).learn(50_000", "seed=0, n_steps=256).learn(2_000")
    exec(compile(ppo, "randomization.md", "exec"), scope)
    assert scope["env"].num_envs == 4
    low, high = scope["ready"].randomizer.spread().ends["masspole"]
    assert 0.05 <= low < 0.101
    assert 0.099 < high <= 0.5


@pytest.mark.parametrize("name", ["hopper", "cartpole", "push", "reach", "highway"])
def test_adapters(files, name):
    needs = {
        "hopper": "mujoco",
        "push": "panda_gym",
        "reach": "panda_gym",
        "highway": "highway_env",
    }
    if name in needs:
        pytest.importorskip(needs[name])
    experiment = build(loads(files("adapters.md")[f"{name}.yaml"]))
    parameters = check_plan(experiment).parameters[experiment.source.world]
    target = next(iter(experiment.targets.values()))
    # What is randomized and what is shifted is among the facts that the report shows.
    assert parameters.keys() >= {*experiment.source.randomization, *target.shift}


def test_an_adapted_environment_is_transferred(files):
    experiment = loads(files("adapters.md")["cartpole.yaml"])
    experiment["seeds"] = [0]
    experiment["source"] |= {"steps": 2_048, "algorithm": TINY_PPO}
    experiment["source"]["randomizer"] = {"adr": {"returns": [5, 10], "queue": 1}}
    experiment["targets"]["heavy"]["steps"] = 128
    experiment["evaluation"] = {"every": 64, "episodes": 2, "anchor_episodes": 4}
    result = api.run(experiment, jobs=1)
    assert not result.failed
    source = Path("runs/cartpole/source/randomized/seed-0")
    rows = [loads(line) for line in (source / "randomization.jsonl").read_text().splitlines()]
    assert all(0.05 <= draw["pole"] <= 0.4 for row in rows for draw in row["draws"])
    assert rows[-1]["ends"]["pole"] != rows[0]["ends"]["pole"]
    assert bundle.load(source / "bundle").randomizer["entry"] == experiment["source"]["randomizer"]


def test_callbacks(files):
    found = files("callbacks.md")
    assert list(found) == ["watch.py", "watch.yaml"]
    experiment = build(loads(found["watch.yaml"]))
    check_plan(experiment)
    watching, saving = make_callbacks(experiment.callbacks, Path("runs/trial"))
    assert watching.inner.every == 100
    assert saving.inner.save_path == "runs/trial/models"
