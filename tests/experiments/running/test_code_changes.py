"""A run whose code has changed says so, and asks what to do."""

import json

import pytest
from headstart.core.files import write_json
from headstart.experiments.config.schema import ConfigError, build
from headstart.experiments.running import code_changes
from headstart.experiments.running.code_changes import (
    clear_run,
    examine_worlds,
    note_changes,
    settle_code,
)
from headstart.experiments.running.code_hash import run_code, run_order
from headstart.experiments.running.plan import make_plan
from headstart.experiments.running.probing import Code, CodeError, changed_code
from rich.console import Console

pytestmark = pytest.mark.usefixtures("undrawn")

WORLD = """
import gymnasium, numpy as np
STEP = 0.2
class Edited(gymnasium.Env):
    def __init__(self, gain=1.0):
        self.gain = gain
        self.observation_space = gymnasium.spaces.Box(-5, 5, (1,), np.float32)
        self.action_space = gymnasium.spaces.Box(-1, 1, (1,), np.float32)
    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.x, self.t = 0.0, 0
        return np.array([self.x], np.float32), {}
    def step(self, a):
        self.t += 1
        self.x += STEP * self.gain * float(a[0])
        return np.array([self.x], np.float32), -abs(self.x), False, self.t >= 30, {}
gymnasium.register("EditedHere-v0", entry_point=Edited)
"""
EXPERIMENT = {
    "name": "edited",
    "source": {"world": "edited_here:EditedHere-v0", "steps": 512},
    "targets": {"half": {"kwargs": {"gain": 0.5}, "steps": 512}},
    "methods": ["scratch"],
    "seeds": [0],
    "evaluation": {"every": 256, "episodes": 3, "anchor_episodes": 4},
}


@pytest.fixture
def plan(tmp_path, monkeypatch):
    (tmp_path / "edited_here.py").write_text(WORLD)
    monkeypatch.chdir(tmp_path)
    return make_plan(build(EXPERIMENT))


def ran(directory, code):
    """Write what a run leaves of which one unit is done."""
    write_json(directory / "facts.json", {"code": code.as_json()})
    write_json(directory / "trials/half/scratch/seed-0/status.json", {"state": "done"})


def test_an_edited_world_is_noticed_and_what_lies_beside_it_is_not(plan, tmp_path):
    before, run = run_code(plan), tmp_path / "run"
    ran(run, before)
    (tmp_path / "notes.yaml").write_text("a: 1")
    (tmp_path / "other.py").write_text("a = 1")
    quiet = Console(quiet=True)
    settle_code(plan, run, keep=False, console=quiet)
    (tmp_path / "edited_here.py").write_text(WORLD.replace("0.2", "0.3"))
    with pytest.raises(ConfigError, match=r"changed since: edited_here\.py; --fresh .* --keep"):
        settle_code(plan, run, keep=False, console=quiet)
    settle_code(plan, run, keep=True, console=quiet)
    facts = json.loads((run / "facts.json").read_text())
    [change] = facts["code_changes"]
    assert change["changed"] == [str(tmp_path / "edited_here.py")]
    assert change["units"] == ["trials/half/scratch/seed-0"]
    # It is asked once for each change.
    settle_code(plan, run, keep=False, console=quiet)


def test_code_that_changes_while_units_are_computed_is_recorded(plan, tmp_path, monkeypatch):
    ran(tmp_path / "run", Code("a"))
    monkeypatch.setattr(code_changes, "run_code", lambda plan: Code("b"))
    console = Console(record=True, width=300)
    note_changes(plan, tmp_path / "run", console)
    assert "code changed while the run was at work" in console.export_text()
    facts = json.loads((tmp_path / "run/facts.json").read_text())
    assert facts["code_changes"][0]["changed"] == ["headstart itself"]


def test_the_code_of_a_custom_randomizer_counts():
    randomized = {"randomization": {"gain": "* uniform(0.5, 2)"}, "randomizer": "drawn_by:Mine"}
    source = {**EXPERIMENT["source"], **randomized}
    order = run_order(make_plan(build({**EXPERIMENT, "source": source})))
    assert json.loads(order)["modules"] == ["drawn_by"]


def test_of_libraries_the_versions_are_told():
    before = Code("a", {"/x.py": "1"}, {"mujoco": "3.1", "gymnasium": "1.0"}).as_json()
    now = Code("a", {"/y.py": "1"}, {"mujoco": "3.2", "gymnasium": "1.0"})
    assert changed_code(before, now) == ["/x.py", "/y.py", "mujoco 3.1 -> 3.2"]
    assert changed_code(now.as_json(), now) == []


def test_where_code_cannot_be_listed_it_is_said(plan, tmp_path, monkeypatch):
    def fail(plan):
        raise CodeError("a process that makes its worlds failed: no license")

    monkeypatch.setattr(code_changes, "run_code", fail)
    console = Console(record=True, width=300)
    settle_code(plan, tmp_path, keep=False, console=console)
    assert "would not be noticed: a process that makes its worlds failed" in console.export_text()


HIDES = """
import gymnasium
class Undone(gymnasium.Wrapper):
    def reset(self, **given):
        self.env.unwrapped.set_parameters({})
        return super().reset(**given)
class Blind(gymnasium.ObservationWrapper):
    def observation(self, observation):
        return observation
"""
HIDDEN = "wrapper 'hides:Undone' hides %s: it changed no observation and no reward"


@pytest.mark.bullet
@pytest.mark.parametrize("wrapper", ["Undone", "Blind"])
def test_what_a_wrapper_hides_is_not_randomized(tmp_path, monkeypatch, wrapper):
    (tmp_path / "hides.py").write_text(HIDES)
    monkeypatch.chdir(tmp_path)
    source = {
        "world": "headstart/CartPoleSwingUp-v0",
        "wrappers": ["hides:Blind", f"hides:{wrapper}"],
        "randomization": {"pole_mass": "* uniform(0.5, 2)"},
        "steps": 512,
    }
    plan = make_plan(build({**EXPERIMENT, "source": source, "targets": {"a": {"steps": 512}}}))
    console = Console(record=True, width=300)
    if wrapper == "Undone":
        with pytest.raises(ConfigError, match=HIDDEN % "the randomized 'pole_mass'"):
            examine_worlds(plan, tmp_path, console, "experiment")
    else:
        examine_worlds(plan, tmp_path, console, "experiment")
        assert console.export_text() == ""


@pytest.mark.bullet
def test_a_shift_that_a_wrapper_hides_names_the_wrapper(tmp_path, monkeypatch):
    (tmp_path / "hides.py").write_text(HIDES)
    monkeypatch.chdir(tmp_path)
    target = {"wrappers": ["hides:Undone", "hides:Blind"], "shift": {"pole_mass": "* 2"}}
    source = {"world": "headstart/CartPoleSwingUp-v0", "steps": 512}
    targets = {"a": {**target, "steps": 512}}
    plan = make_plan(build({**EXPERIMENT, "source": source, "targets": targets}))
    console = Console(record=True, width=300)
    examine_worlds(plan, tmp_path, console, "experiment")
    said = HIDDEN % "the shift of 'pole_mass' (* 2)"
    assert console.export_text().startswith(f"targets.a: {said} in")


def test_fresh_deletes_what_a_run_made_and_nothing_else(tmp_path):
    ran(tmp_path, Code("a"))
    (tmp_path / "thesis.txt").write_text("precious")
    clear_run(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_world_that_breaks_in_the_probe_is_noted_and_the_others_are_probed(tmp_path, monkeypatch):
    breaks = "        self.t += 1\n        assert self.gain > 0 or self.t < 10, 'worn out'\n"
    chance = "        self.x += np.random.rand() * (self.gain > 1)\n"
    changed = WORLD.replace("        self.t += 1\n", breaks + chance)
    (tmp_path / "worn.py").write_text(changed)
    monkeypatch.chdir(tmp_path)
    targets = {name: {"kwargs": {"gain": g}, "steps": 512} for name, g in (("a", -1), ("b", 2))}
    source = {**EXPERIMENT["source"], "world": "worn:EditedHere-v0"}
    plan = make_plan(build({**EXPERIMENT, "source": source, "targets": targets}))
    console = Console(record=True, width=300)
    examine_worlds(plan, tmp_path, console, "experiment")
    found = json.loads((tmp_path / "facts.json").read_text())["findings"]
    assert found.keys() == {"a", "b"}
    assert found["a"] == ["the probe before the run ended early: AssertionError: worn out"]
    assert "two different episodes" in found["b"][0]
    assert "targets.a: the probe before the run ended early" in console.export_text()
