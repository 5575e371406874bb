"""A source policy is trained once for all experiments that mean the same by it."""

import json
import math
import os
import shutil
import subprocess
import sys
from datetime import date
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from headstart.core.cache import cache_folder
from headstart.core.errors import HeadstartError
from headstart.core.files import write_text
from headstart.experiments.api import preview
from headstart.experiments.config.schema import build
from headstart.experiments.config.yaml_text import dumps
from headstart.experiments.running import cache
from headstart.experiments.running.code_hash import source_code
from headstart.experiments.running.code_probe import canonical
from headstart.experiments.running.plan import make_plan
from headstart.experiments.running.unit import run_unit

WORLD = """
import gymnasium
import numpy as np


class Point(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-10.0, 10.0, (2,), np.float32)
    action_space = gymnasium.spaces.Box(-1.0, 1.0, (2,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.at, self.left = self.np_random.uniform(-1, 1, 2), 10
        return self.at.astype(np.float32), {}

    def step(self, action):
        self.at, self.left = np.clip(self.at + 0.3 * action, -5, 5), self.left - 1
        return self.at.astype(np.float32), -float(abs(self.at).sum()), False, self.left == 0, {}


gymnasium.registry.pop("Cached-v0", None)
gymnasium.register("Cached-v0", entry_point=Point)
"""
SMALL = {
    "name": "small",
    "source": {
        "world": "cached:Cached-v0",
        "algorithm": {"ppo": {"worlds": 2, "n_steps": 16, "batch_size": 32, "n_epochs": 1}},
        "steps": 64,
    },
    "targets": {"there": {"steps": 64}},
    "methods": ["zero_shot"],
    "seeds": [0],
    "evaluation": {"every": 32, "episodes": 2, "anchor_episodes": 4},
}
SOURCE = "source/nominal/seed-0"


@pytest.fixture
def here(tmp_path, monkeypatch):
    (tmp_path / "cached.py").write_text(WORLD)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "cached", raising=False)
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / ".kept"))
    return tmp_path


def execute(out):
    """Run the source of seed 0 in this process."""
    write_text(Path(out) / "facts.json", "{}")
    write_text(Path(out) / "experiment.yaml", dumps(build(SMALL).resolved()))
    assert run_unit(Path(out), SOURCE, lambda *_: None) == ("done", None)
    return Path(out)


def status(out):
    return json.loads((out / SOURCE / "status.json").read_text())


def files(out):
    """What must be the same, whether trained or taken over; logs hold the time of day."""
    root = out / SOURCE
    names = [p for p in root.rglob("*") if p.is_file() and p.name != "status.json"]
    return {str(p.relative_to(root)): p.read_bytes() for p in names if "events" not in p.name}


def test_an_equal_source_is_taken_over_whole_and_a_damaged_one_is_trained_anew(here):
    one = execute("one")
    two = execute("two")
    assert "reused_seconds" not in status(one)
    assert status(two)["reused_seconds"] > 0
    assert status(two)["state"] == "done"
    assert files(two) == files(one)
    logs = [sorted(p.stat().st_size for p in (o / SOURCE).glob("events*")) for o in (one, two)]
    assert logs[0] == logs[1] != []
    [policy] = (here / ".kept").rglob("bundle+policy.safetensors")
    policy.write_bytes(policy.read_bytes()[:-1] + b"x")
    three = execute("three")
    assert "reused_seconds" not in status(three)
    assert files(three) == files(one)
    assert status(execute("four"))["reused_seconds"] > 0  # the damaged one was replaced
    shutil.rmtree(here / ".kept")
    assert "reused_seconds" not in status(execute("five"))


def test_what_would_run_leaves_out_what_is_in_the_cache(here):
    execute("one")
    told = [part for part in preview(SMALL, out="two") if isinstance(part, str)]
    assert told[0] == "1 of the source policies will be in the cache and need not be trained."
    assert told[1].startswith("In two: 3 of 4 units and 0 training steps to do")
    shutil.rmtree(here / ".kept")
    assert list(preview(SMALL, out="two"))[1].startswith("In two: 4 of 4 units and 64 ")


def test_what_would_run_is_of_the_trials_that_are_chosen(here):
    target = next(iter(SMALL["targets"]))
    *_, told = preview(SMALL, out="two", trials=[f"{target}/zero_shot/0"])
    assert told.startswith("In two: 2 of 2 units and 64 training steps to do")
    swept = {**SMALL, "sweep": {f"targets.{target}.steps": [64, 128]}}
    first, *_, last = preview(swept, out="two", trials=[f"01-128/{target}/zero_shot/0"])
    assert first == "point 01-128"
    assert last.startswith("All these points: 2 of 2 units")
    wrong = {**SMALL, "sweep": {f"targets.{target}.kwargs": [{}, {"no_such": 1}]}}
    with pytest.raises(HeadstartError, match=r"sweep, targets\..*no_such"):
        next(preview(wrong, out="two"))


def test_points_of_a_sweep_train_what_they_share_once(here):
    swept = {**SMALL, "sweep": {f"targets.{next(iter(SMALL['targets']))}.steps": [64, 128]}}
    told = [part for part in preview(swept, out="two") if isinstance(part, str)]
    counts = [told[at].split(" units")[0].split(": ")[-1] for at in (1, -2, -1)]
    assert counts == ["4 of 4", "3 of 4", "7 of 8"]
    assert told[3] == "1 of the source policies will be in the cache and need not be trained."


def key(seed=0, **changes):
    return cache.key(make_plan(build({**SMALL, **changes})), seed)


def test_what_a_source_depends_on_makes_its_key_and_nothing_else(here):
    base = key()
    assert base == key(name="other", methods=["scratch"], targets={"x": {"steps": 640}})
    assert (
        len(
            {
                base,
                key(seed=1),
                key(checkpoint=32),
                key(source={**SMALL["source"], "steps": 96}),
                key(source={**SMALL["source"], "algorithm": "ppo"}),
                key(evaluation={"every": 32, "episodes": 3}),
            }
        )
        == 6
    )
    # What lies beside a world is not what it is made of.
    (here / "masses.csv").write_text("1.0")
    (here / "notes.yaml").write_text("x: 1")
    (here / "unused.py").write_text("x = 1")
    assert key() == base
    (here / "cached.py").write_text(WORLD.replace("0.3", "0.4"))
    assert key() != base


LAB = {
    "my_lab/__init__.py": "",
    "my_lab/register.py": """
import gymnasium
import numpy as np

def make(scale=1, tags=(), masses=()):
    from my_lab.deep.point import Point
    return Point()

gymnasium.registry.pop("Made-v0", None)
kwargs = {"scale": 1, "tags": {"a", "b", "c", "d"}, "masses": np.arange(5_000)}
gymnasium.register("Made-v0", entry_point="my_lab.register:make", kwargs=kwargs)
""",
    "my_lab/deep/__init__.py": "",
    "my_lab/deep/point.py": WORLD.replace(
        "class Point",
        "try:\n    from .util import MU\nexcept ImportError:\n    MU = 1\n\n\nclass Point",
    ).replace("super().reset", "import elsewhere\n        super().reset"),
    "apart/elsewhere.py": "MOST = 1.0",
    "learn/mine.py": "from stable_baselines3 import PPO\n\n\nclass MyPPO(PPO):\n    pass\n",
}
EDITS = [
    ("my_lab/register.py", '"scale": 1', '"scale": 9'),
    ("my_lab/register.py", "arange(5_000)", "arange(5_001)"),
    ("my_lab/deep/point.py", "0.3", "0.4"),
    ("apart/elsewhere.py", "1.0", "2.0"),
]
OWN = ("my_lab", "mine", "elsewhere")
KEY = """
from headstart.experiments.config.schema import load
from headstart.experiments.running import cache
from headstart.experiments.running.plan import make_plan
import pandas, elsewhere

print(cache.key(make_plan(load("small.yaml")), 0))
"""


@pytest.fixture
def lab(here, monkeypatch):
    """Write code of one's own in three places; returns what gives the key with it, or one edit."""
    places = [here, *(here / folder for folder in ("apart", "learn"))]
    for name, text in LAB.items():
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).write_text(text)
    for place in places[1:]:
        monkeypatch.syspath_prepend(str(place))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, places)))

    def forget():
        for name in [name for name in sys.modules if name.partition(".")[0] in OWN]:
            del sys.modules[name]

    def found(edit=None, **source):
        forget()
        file, old, new = edit or ("my_lab/register.py", "1", "1")
        text = (here / file).read_text()
        assert old in text
        (here / file).write_text(text.replace(old, new))
        try:
            return key(source={**SMALL["source"], "world": "my_lab.register:Made-v0", **source})
        finally:
            (here / file).write_text(text)

    yield found
    forget()


def test_all_code_of_ones_own_behind_a_world_makes_its_key(here, lab, monkeypatch):
    monkeypatch.setenv("PYTHONHASHSEED", "1")
    base = lab()
    others = [lab(edit) for edit in EDITS]
    assert base == lab() is not None
    assert len({base, *others}) == 1 + len(EDITS)
    # Nor does it matter what else a process has loaded, or in which order sets are told.
    monkeypatch.setenv("PYTHONHASHSEED", "2")
    source = {**SMALL["source"], "world": "my_lab.register:Made-v0"}
    write_text(here / "small.yaml", dumps(build({**SMALL, "source": source}).resolved()))
    done = subprocess.run([sys.executable, "-c", KEY], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == (f"{base}\n", "")


def test_code_of_ones_own_behind_a_learner_makes_its_key(lab):
    learner = {"mine:MyPPO": SMALL["source"]["algorithm"]["ppo"]}
    base = lab(algorithm=learner)
    assert base is not None
    assert lab(("learn/mine.py", "pass", "gamma = 0"), algorithm=learner) != base


def test_values_are_told_apart_by_kind_and_content():
    same = [{"b": 1, "a": [1.0, {2, 3}]}, {"a": (1.0, {3, 2}), "b": 1}]
    assert canonical(same[0]) == canonical(same[1])
    apart = [{"m": {1: 2}}, {"m": {"1": 2}}, {"m": {1: 2.0}}, {"m": {1: date(2020, 1, 1)}}]
    apart += [{"m": math.inf}, {"m": None}, {"m": np.zeros(5_000)}, {"m": np.zeros((50, 100))}]
    assert len({canonical(value) for value in apart}) == len(apart)
    assert canonical(lambda: 0) == canonical(lambda: 0)


def test_libraries_that_a_world_loads_are_known_by_their_versions(here):
    found = source_code(make_plan(build(SMALL)))
    versions = {"gymnasium", "numpy"}
    assert {name: found.versions[name] for name in versions} == {
        name: version(name) for name in versions
    }
    assert list(found.files) == [str(here / "cached.py")]
    assert len(found.registered) == 1


@pytest.mark.bullet
def test_the_order_in_which_parameters_are_drawn_makes_the_key(here):
    drawn = {"gravity": "= uniform(9, 10)", "action_delay": "= uniform(0, 0.1)"}
    source = {**SMALL["source"], "world": "headstart/CartPoleSwingUp-v0"}
    one, other = (
        key(source={**source, "randomization": dict(items)})
        for items in (drawn.items(), reversed(drawn.items()))
    )
    assert one != other


def test_it_can_be_turned_off_and_lies_where_it_is_told_to(here, monkeypatch):
    assert cache_folder() == here / ".kept"
    monkeypatch.setenv("HEADSTART_CACHE", "off")
    assert cache_folder() is None
    execute("one")
    assert "reused_seconds" not in status(execute("two"))
    monkeypatch.delenv("HEADSTART_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(here / "xdg"))
    assert cache_folder() == here / "xdg" / "headstart"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path(os.path.expanduser("~/.cache/headstart"))
