"""A target that exists once: opened once, closed always, moved only where that was asked for."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from headstart.core.files import read_json, write_json
from headstart.experiments.api import run
from headstart.experiments.config.schema import ConfigError, build
from headstart.experiments.measuring.runs import load_run
from headstart.experiments.running.checks import check_plan
from headstart.experiments.running.code_hash import run_code
from headstart.experiments.running.one_instance import Instances
from headstart.experiments.running.plan import Unit, make_plan
from headstart.experiments.running.pool import Pool
from headstart.experiments.running.runner import _ask_before_moving
from headstart.experiments.running.unit import run_unit
from headstart.experiments.showing.words.notes import target_notes
from rich.console import Console

pytestmark = pytest.mark.usefixtures("undrawn")

# A stand-in for hardware: it refuses a second instance, and writes down what happens to it.
ROBOT = """
import os, time, gymnasium, numpy as np
class Robot(gymnasium.Env):
    metadata = {"render_modes": [], "control_period": 0.1}
    def __init__(self, gain=0.2, hardware=False, fault=None, linger=0.0):
        self.gain, self.hardware, self.fault, self.linger = gain, hardware, fault, linger
        if hardware:
            os.close(os.open("port", os.O_CREAT | os.O_EXCL))
            self.note("open")
        self.observation_space = gymnasium.spaces.Box(-5, 5, (1,), np.float32)
        self.action_space = gymnasium.spaces.Box(-1, 1, (1,), np.float32)
    def note(self, what):
        if self.hardware:
            with open("log", "a") as file:
                file.write(f"{what} {os.getpid()}\\n")
    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.note("reset")
        self.x, self.t = float(self.np_random.uniform(-1, 1)), 0
        return np.array([self.x], np.float32), {}
    def step(self, a):
        time.sleep(self.linger)
        if self.fault == "step":
            raise RuntimeError("the motor burnt out")
        self.t += 1
        self.x = float(np.clip(self.x + self.gain * float(a[0]), -5, 5))
        return np.array([self.x], np.float32), -abs(self.x), False, self.t >= 20, {}
    def close(self):
        if self.hardware:
            os.unlink("port")
            self.note("close")
gymnasium.registry.pop("Robot-v0", None)
gymnasium.register("Robot-v0", entry_point=Robot, max_episode_steps=50)
"""
PPO = {"ppo": {"worlds": 4, "n_steps": 16, "batch_size": 32, "n_epochs": 1}}


@pytest.fixture
def experiment(tmp_path, monkeypatch):
    (tmp_path / "robot_here.py").write_text(ROBOT)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "robot_here", raising=False)

    def make(methods=("scratch",), algorithm=PPO, **kwargs):
        robot = {"kwargs": {"hardware": True, **kwargs}, "instances": 1, "steps": 128}
        return build(
            {
                "name": "robot",
                "source": {"world": "robot_here:Robot-v0", "algorithm": algorithm, "steps": 128},
                "targets": {"robot": robot},
                "methods": list(methods),
                "seeds": [0],
                "evaluation": {"every": 64, "episodes": 3, "anchor_episodes": 4},
            }
        )

    return make


def begin(experiment, directory):
    """Write what units need, and return the plan."""
    from headstart.experiments.config.yaml_text import dumps

    directory.mkdir()
    (directory / "experiment.yaml").write_text(dumps(experiment.resolved()))
    return make_plan(experiment)


def happened():
    return [line.split()[0] for line in Path("log").read_text().splitlines()]


def quiet():
    return Console(file=io.StringIO(), width=300)


@pytest.mark.parametrize(
    "algorithm",
    [PPO, {"sac": {"worlds": 2, "train_freq": 8, "batch_size": 16, "learning_starts": 16}}],
)
def test_training_and_evaluation_take_turns_in_one_instance(experiment, tmp_path, algorithm):
    its = experiment(algorithm=algorithm)
    begin(its, tmp_path / "run")
    unit = "trials/robot/scratch/seed-0"
    assert run_unit(tmp_path / "run", unit, lambda *_: None) == ("done", None)
    log = happened()
    assert (log[0], log[-1]) == ("open", "close")
    assert (log.count("open"), log.count("close")) == (1, 1)
    rows = (tmp_path / "run" / unit / "evaluations.jsonl").read_text().splitlines()
    assert [json.loads(row)["step"] for row in rows] == [0, 64, 128]
    assert read_json(tmp_path / "run" / unit / "status.json")["period"] == 0.1


def test_it_is_in_no_check_and_no_probe_and_has_no_measured_anchor(experiment):
    plan = check_plan(experiment())
    assert set(run_code(plan).files) >= {str(Path("robot_here.py").resolve())}
    assert [unit.path for unit in plan.units if unit.path.startswith("anchors")] == [
        "anchors/source"
    ]
    assert not Path("log").exists()


def test_it_is_closed_after_an_error(experiment, tmp_path):
    begin(experiment(fault="step"), tmp_path / "run")
    state, error = run_unit(tmp_path / "run", "trials/robot/scratch/seed-0", lambda *_: None)
    assert (state, error) == ("failed", "RuntimeError: the motor burnt out")
    assert happened() == ["open", "reset", "close"]


def test_a_second_instance_says_how_to_have_one(experiment, tmp_path):
    its = experiment()
    robot = its.targets["robot"].model_copy(update={"instances": None})
    begin(its.model_copy(update={"targets": {"robot": robot}}), tmp_path / "run")
    _, error = run_unit(tmp_path / "run", "trials/robot/scratch/seed-0", lambda *_: None)
    assert error.startswith("HeadstartError: cannot make world 'robot_here:Robot-v0'") or error
    assert error.endswith("; where only one may be open at a time, give its target instances: 1")


def test_other_processes_wait_for_a_target_that_exists_once(tmp_path):
    with Instances() as mine, Instances() as others:
        assert mine.reserve(tmp_path, "robot")
        assert mine.reserve(tmp_path, "robot")
        assert not others.reserve(tmp_path, "robot")
        mine.close()
        assert others.reserve(tmp_path, "robot")


class Hand:
    """A worker that does as it is told in `answers`, at once."""

    def __init__(self, number, answers, given):
        self.number, self.unit, self.answers, self.given = number, None, answers, given

    def give(self, unit, cores):
        self.unit = unit
        self.given.append((self.number, unit.path))
        failed = "broken" in unit.path
        answer = {"unit": unit.path, "state": "failed" if failed else "done", "error": "burnt"}
        self.answers.put((self, {**answer, "moved": failed and "unmoved" not in unit.path}))

    def hung(self, seconds):
        return None

    def stop(self):
        pass


def work_through(tmp_path, units, jobs=2):
    given = []
    pool = Pool(
        tmp_path, units, set(), jobs, quiet(), lambda number, _, to: Hand(number, to, given)
    )
    return given, pool.run()


def test_its_trials_are_one_worker_s(tmp_path):
    units = [Unit(f"trials/robot/m/seed-{seed}", 10, (), "robot") for seed in range(4)]
    others = [Unit(f"trials/other/m/seed-{seed}", 10) for seed in range(4)]
    given, failed = work_through(tmp_path, [*units, *others])
    assert not failed
    assert len({number for number, path in given if "robot" in path}) == 1
    assert len(given) == 8


def test_what_failed_after_it_moved_is_not_tried_again_and_nothing_else_moves_it(tmp_path):
    units = [Unit(f"trials/robot/{name}", 10, (), "robot") for name in ("broken", "b", "c")]
    given, failed = work_through(tmp_path, [*units, Unit("trials/other/m", 10)])
    assert sorted(path for _, path in given) == ["trials/other/m", "trials/robot/broken"]
    assert sorted(failed) == ["trials/robot/b", "trials/robot/broken", "trials/robot/c"]
    assert read_json(tmp_path / "trials/robot/c/status.json")["error"] == (
        "not run: trials/robot/broken failed after robot, which exists once, had moved; look at "
        "it, and go on with --ready"
    )


def test_what_failed_before_it_moved_takes_no_other_trial_down(tmp_path):
    units = [Unit(f"trials/robot/{name}", 10, (), "robot") for name in ("broken-unmoved", "b")]
    given, failed = work_through(tmp_path, units)
    assert [path for _, path in given] == ["trials/robot/broken-unmoved", "trials/robot/b"]
    assert failed == ["trials/robot/broken-unmoved"]


def test_going_on_asks_before_it_moves_anything(tmp_path):
    units = [Unit(f"trials/robot/{name}", 10, (), "robot") for name in "ab"]
    _ask_before_moving(tmp_path, units, False, "f.yaml")  # it has not begun
    write_json(tmp_path / "trials/robot/a/status.json", {"state": "running"})
    will = "targets.robot exists once, and moves: 2 trials left"
    asked = []
    said = rf"f.yaml: {will}; once it is safe, go on with --ready \(ready=True in Python\)"
    for ready in (False, lambda text: bool(asked.append(text))):
        with pytest.raises(ConfigError, match=said):
            _ask_before_moving(tmp_path, units, ready, "f.yaml")
    assert asked == [will]
    _ask_before_moving(tmp_path, units, True, "f.yaml")
    _ask_before_moving(tmp_path, units, lambda text: True, "f.yaml")
    _ask_before_moving(tmp_path, [], False, "f.yaml")  # nothing is left


def test_a_robot_is_on_no_cluster(experiment):
    with pytest.raises(ConfigError, match=r"targets.robot.instances: .* leave out --cluster"):
        run(experiment(), cluster="local", console=quiet())


@pytest.mark.slow
def test_a_whole_run_opens_it_once_and_tells_its_time(experiment):
    result = run(experiment(("zero_shot", "fine_tune", "scratch")), jobs=2, console=quiet())
    assert not result.failed
    log = [line.split() for line in Path("log").read_text().splitlines()]
    assert [what for what, _ in log].count("open") == 1
    assert log[-1][0] == "close"
    assert len({process for _, process in log}) == 1
    its = load_run(result.directory)
    # Three evaluations of two methods and one of the third: 7 times 3 episodes of 20 steps.
    assert its.steps_taken("robot") == (256, 420)
    notes = target_notes(its, "robot", result.results.targets["robot"])
    assert any(
        note.startswith("In robot, which exists once, training took 256 steps (26 s of robot time)")
        for note in notes
    ), notes


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_it_is_closed_when_a_run_is_stopped(experiment, tmp_path, how):
    from headstart.experiments.config.yaml_text import dumps

    Path("robot.yaml").write_text(dumps(experiment(linger=0.05).resolved()))
    words = [sys.executable, "-m", "headstart.experiments.cli", "run", "robot.yaml", "--jobs", "1"]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        until = time.monotonic() + 100
        while not Path("log").exists() and time.monotonic() < until:
            time.sleep(0.1)
        time.sleep(1.0)
        os.kill(process.pid, how)
    until = time.monotonic() + 20
    while Path("port").exists() and time.monotonic() < until:
        time.sleep(0.1)
    assert happened()[-1] == "close"
    again = subprocess.run(words, capture_output=True, text=True, input="")
    assert again.returncode == 2
    assert "targets.robot exists once, and moves: 1 trial left; once it is safe" in again.stderr
