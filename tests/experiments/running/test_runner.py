"""Whole experiments, small: the same numbers however they are run, and nothing lost."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from headstart.core.files import write_text
from headstart.experiments.api import run
from headstart.experiments.cli.app import main
from headstart.experiments.config.schema import ConfigError, build
from headstart.experiments.config.yaml_text import dumps, loads
from headstart.experiments.running import metadata
from headstart.experiments.running.metadata import computed_on
from headstart.experiments.running.unit import run_unit
from rich.console import Console
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

pytestmark = pytest.mark.usefixtures("undrawn")

# A world of one's own: drive a point to the origin; `push` shifts it, `fault` breaks it.
TOY = """
import os
import pathlib
import signal
import time

import gymnasium
import numpy as np


class Point(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-10.0, 10.0, (2,), np.float32)
    action_space = gymnasium.spaces.Box(-1.0, 1.0, (2,), np.float32)

    def __init__(self, push=0.0, fault=None):
        self.push, self.fault = push, fault

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        time.sleep(float(os.environ.get("LINGER", 0)))
        self.at, self.left = self.np_random.uniform(-1, 1, 2), 20
        return self.at.astype(np.float32), {}

    def step(self, action):
        if self.fault == "raise" and self.left == 3:
            raise RuntimeError("the motor\\nburnt out")
        if self.fault == "nan" and self.left == 3:
            self.at = self.at * np.nan
        if self.fault == "die" and self.left == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        self.at = np.clip(self.at + 0.3 * action + self.push, -5, 5)
        self.left -= 1
        near = bool(np.linalg.norm(self.at) < 0.2)
        done = self.left == 0
        info = {"success": near} if done else {}
        return self.at.astype(np.float32), -float(np.linalg.norm(self.at)), False, done, info


gymnasium.registry.pop("Point-v0", None)
gymnasium.register("Point-v0", entry_point=Point)
"""
EXPERIMENT = {
    "name": "toy",
    "source": {
        "world": "toy:Point-v0",
        "algorithm": {"ppo": {"worlds": 4, "n_steps": 16, "batch_size": 64, "n_epochs": 4}},
        "steps": 256,
    },
    "targets": {"pushed": {"kwargs": {"push": 0.2}, "steps": 256}},
    "methods": ["scratch", "zero_shot", "fine_tune", {"feature_reuse": {"freeze": ["features"]}}],
    "seeds": [0, 1],
    "evaluation": {"every": 64, "episodes": 4, "anchor_episodes": 4},
    "checkpoint": 128,
}


@pytest.fixture
def here(tmp_path, monkeypatch):
    (tmp_path / "toy.py").write_text(TOY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "toy", raising=False)
    return tmp_path


def quiet():
    return Console(file=io.StringIO(), width=120)


def with_(**changes):
    return {**EXPERIMENT, **changes}


def command(*words):
    return [sys.executable, "-m", "headstart.experiments.cli", *words]


@pytest.fixture
def call(piped, here, capsys, monkeypatch):
    """Run a command line in this process; returns exit status and both outputs."""
    monkeypatch.setattr(sys, "path", [*sys.path])

    def call(*words):
        # A process of its own would import the world as it is by then.
        monkeypatch.delitem(sys.modules, "toy", raising=False)
        with pytest.raises(SystemExit) as ended:
            main(words)
        printed = capsys.readouterr()
        return ended.value.code, printed.out, printed.err

    return call


def test_one_process_or_two_give_the_same_results_and_a_finished_run_is_not_run_again(
    here, drawn, monkeypatch
):
    one = run(EXPERIMENT, out="one", jobs=1, console=quiet())
    Path("toy.yaml").write_text(dumps(EXPERIMENT))
    words = command("run", "toy.yaml", "--out", "two", "--jobs", "1")
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as other:
        two = run(EXPERIMENT, out="two", jobs=1, console=quiet())
        said, _ = other.communicate()
    assert other.returncode == 0, said
    assert not one.failed
    assert not two.failed
    # What was begun twice would have two logs.
    logs = Path("two").rglob("events*")
    assert len([log for log in logs if "summary-" not in log.name]) == 2 + 2 * 4
    assert not Path("two/.claims").exists()
    csv = Path("one/results.csv").read_bytes()
    assert csv == Path("two/results.csv").read_bytes()
    # 4 methods, 2 seeds, evaluations at 0, 64, ..., 256.
    lines = csv.decode().splitlines()
    assert lines[0] == "target,method,seed,step,return,success,length,episodes"
    assert len(lines) == 1 + 4 * 2 * 5
    # Nor are its figures drawn again for another command, or for a newer date of the same results.
    for path in Path("one").rglob("status.json"):
        path.touch()
    kept = [*Path("one").rglob("evaluations.jsonl"), *Path("one/figures").iterdir()]
    before = {p: p.stat().st_mtime_ns for p in [*kept, Path("one/report.html")]}
    monkeypatch.setattr(metadata, "command_line", lambda: "headstart run toy.yaml --jobs 7")
    again = run(EXPERIMENT, out="one", jobs=1, console=quiet())
    assert {p: p.stat().st_mtime_ns for p in before} == before
    assert again.summary == one.summary
    assert_run_directory(Path("one"))
    assert_tensorboard(Path("one"))


def assert_run_directory(directory):
    """The layout that others rely on."""
    for name in ("experiment.yaml", "facts.json", "results.csv", "summary.json", "report.html"):
        assert (directory / name).is_file(), name
    assert list((directory / "figures").glob("*.png"))
    for unit in ("source/nominal/seed-0", "trials/pushed/fine_tune/seed-1"):
        for name in ("bundle/manifest.json", "evaluations.jsonl", "status.json"):
            assert (directory / unit / name).is_file(), name
    resolved = loads((directory / "experiment.yaml").read_text())
    assert resolved["source"]["algorithm"]["ppo"]["gamma"] == 0.98
    assert resolved["targets"]["pushed"]["world"] is None
    status = json.loads((directory / "trials/pushed/fine_tune/seed-1/status.json").read_text())
    assert status["state"] == "done"
    assert isinstance(status["source_return_after"], float)
    assert status["computed_on"] == [computed_on("cpu")]


def assert_tensorboard(directory):
    """Transfer and scratch lie on the same axis of target steps, from step 0."""
    curves = {}
    for method in ("scratch", "zero_shot", "fine_tune"):
        folder = directory / f"trials/pushed/{method}/seed-0"
        events = EventAccumulator(str(folder)).Reload()
        curves[method] = [event.step for event in events.Scalars("eval/return")]
        rows = (folder / "evaluations.jsonl").read_text().splitlines()
        returns = [json.loads(row)["return"] for row in rows]
        assert [e.value for e in events.Scalars("eval/return")] == pytest.approx(returns)
    assert curves["scratch"] == curves["zero_shot"] == curves["fine_tune"]
    assert curves["scratch"] == list(range(0, 257, 64))


def test_scratch_may_have_the_source_s_steps_too(here):
    experiment = build(with_(methods=["scratch", "scratch_total"], seeds=[0]))
    write_text(Path("run/experiment.yaml"), dumps(experiment.resolved()))
    for method, steps in (("scratch", 256), ("scratch_total", 256 + 256)):
        unit = f"trials/pushed/{method}/seed-0"
        assert run_unit(Path("run"), unit, lambda *_: None) == ("done", None)
        rows = Path("run", unit, "evaluations.jsonl").read_text().splitlines()
        assert [json.loads(row)["step"] for row in rows] == list(range(0, steps + 1, 64))


def test_some_trials_alone_bring_the_sources_they_need(here, call):
    Path("toy.yaml").write_text(dumps(EXPERIMENT))
    _, listed, _ = call("run", "toy.yaml", "--list")
    assert listed.splitlines() == [
        f"pushed/{method}/{seed}"
        for seed in (0, 1)
        for method in ("scratch", "fine_tune", "feature_reuse")
    ] + ["pushed/zero_shot/0", "pushed/zero_shot/1"]
    result = run(EXPERIMENT, trials=["pushed/zero_shot/1"], jobs=1, console=quiet())
    assert not result.failed
    done = {p.parent.relative_to("runs/toy").as_posix() for p in Path("runs").rglob("status.json")}
    assert done == {"source/nominal/seed-1", "trials/pushed/zero_shot/seed-1"}
    with pytest.raises(ConfigError, match=r"no trial 'pushed/zero_shto/1'.* 'pushed/zero_shot/1'"):
        run(EXPERIMENT, trials=["pushed/zero_shto/1"], console=quiet())


def lines_of(path):
    return path.read_bytes().count(b"\n") if path.exists() else 0


def test_killed_in_the_middle_it_goes_on_to_the_same_results(here):
    small = with_(methods=["scratch", "fine_tune"], seeds=[0])
    whole = run(small, out="whole", jobs=2, console=quiet())
    assert not whole.failed
    Path("toy.yaml").write_text(dumps(small))
    words = command("run", "toy.yaml", "--out", "cut", "--jobs", "2")
    # Beyond a checkpoint (128 steps) in the source, and in the trial that needs none beside it,
    # both slowly: the kill may come late.
    slowly = {"env": {**os.environ, "LINGER": "0.05"}, "stdout": subprocess.DEVNULL}
    process = subprocess.Popen(words, start_new_session=True, **slowly)
    for begun in ("source/nominal/seed-0", "trials/pushed/scratch/seed-0"):
        while lines_of(Path("cut") / begun / "evaluations.jsonl") < 4:
            assert process.poll() is None
            time.sleep(0.001)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not Path("cut/results.csv").exists()
    cut = Path("cut/trials/pushed/scratch/seed-0/status.json")
    write_text(cut, json.dumps(json.loads(cut.read_text()) | {"computed_on": ["cpu: another"]}))
    assert not run(small, out="cut", jobs=2, console=quiet()).failed
    assert Path("cut/results.csv").read_bytes() == Path("whole/results.csv").read_bytes()
    for path in Path("whole").rglob("evaluations.jsonl"):
        other = Path("cut") / path.relative_to("whole")
        assert other.read_bytes() == path.read_bytes()
    assert json.loads(cut.read_text())["computed_on"] == ["cpu: another", computed_on("cpu")]


def until(curve, ended):
    """Wait until a curve has begun, or what writes it has ended."""
    while not curve.exists() and not ended():
        time.sleep(0.02)


ENDLESS = with_(source={**EXPERIMENT["source"], "steps": 10_000_000})


def test_an_interrupt_stops_at_once_and_says_how_to_go_on(here):
    Path("toy.yaml").write_text(dumps(ENDLESS))
    process = subprocess.Popen(
        command("run", "toy.yaml"),
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        # A shell lets its background jobs ignore interrupts, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    until(
        Path("runs/toy/source/nominal/seed-0/evaluations.jsonl"), lambda: process.poll() is not None
    )
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "the same command goes on" in said
    assert "Traceback" not in said


def test_a_termination_is_an_interrupt(here, call):
    Path("toy.yaml").write_text(dumps(ENDLESS))
    ended = threading.Event()

    def terminate():
        until(Path("runs/toy/source/nominal/seed-0/evaluations.jsonl"), ended.is_set)
        if not ended.is_set():
            os.kill(os.getpid(), signal.SIGTERM)

    watching = threading.Thread(target=terminate)
    watching.start()
    try:
        code, _, err = call("run", "toy.yaml", "--jobs", "1")
    finally:
        ended.set()
        watching.join()
    assert code == 130
    assert "the same command goes on" in err
    assert "Traceback" not in err


FAULTS = {
    "raise": "RuntimeError: the motor burnt out",
    "nan": "is not finite (NaN or infinite) at step 18",
    "die": "the worker process was killed by signal 9",
}


def test_a_failed_trial_is_listed_and_ends_no_other(here, call):
    targets = {"pushed": {"kwargs": {"push": 0.2}, "steps": 64}}
    targets |= {fault: {"kwargs": {"fault": fault}, "steps": 64} for fault in FAULTS}
    small = with_(targets=targets, methods=["fine_tune"], seeds=[0])
    Path("toy.yaml").write_text(dumps(small))
    code, out, err = call("run", "toy.yaml", "--jobs", "2")
    assert code == 1
    assert "Traceback" not in out + err
    for fault, said in FAULTS.items():
        failed = Path(f"runs/toy/trials/{fault}/fine_tune/seed-0/status.json")
        assert said in json.loads(failed.read_text())["error"]
        assert said.split(":")[0] in " ".join(out.split())
        assert said[:20] in Path("runs/toy/report.html").read_text()
    finished = Path("runs/toy/trials/pushed/fine_tune/seed-0/status.json")
    assert json.loads(finished.read_text())["state"] == "done"
    assert "pushed,fine_tune,0,64" in Path("runs/toy/results.csv").read_text()
    # Mended, the same command finishes what failed, once told that other code may go on.
    Path("toy.py").write_text(TOY.replace("self.left == 3", "False"))
    code, out, err = call("run", "toy.yaml", "--jobs", "2", "--keep")
    assert code == 0, out + err
    for fault in FAULTS:
        assert f"{fault},fine_tune,0,64" in Path("runs/toy/results.csv").read_text()


def test_what_fails_once_is_tried_again_and_gives_the_same(here):
    targets = {"pushed": {"kwargs": {"push": 0.2}, "steps": 64}}
    small = with_(targets=targets, methods=["scratch"])
    assert not run(small, out="whole", console=quiet()).failed
    # The first trial dies with its process, the second one raises: each once.
    once = TOY.replace("fault=None", "fault='once'").replace(
        "        self.at = np.clip(", "        break_once()\n        self.at = np.clip("
    )
    once += """
def break_once():
    if not any(pathlib.Path("again").rglob("status.json")):
        return  # the world is probed before the first unit
    fault = "raise" if any(pathlib.Path("again").rglob("bundle")) else "die"
    try:
        os.close(os.open(f"broken-{fault}", os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return
    if fault == "raise":
        raise RuntimeError("the motor burnt out")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    Path("toy.py").write_text(once)
    said = io.StringIO()
    result = run(small, out="again", jobs=1, console=Console(file=said, width=200))
    assert Path("broken-raise").exists()
    assert Path("broken-die").exists()
    assert not result.failed
    assert said.getvalue().count("again ") == 2
    assert Path("again/results.csv").read_bytes() == Path("whole/results.csv").read_bytes()


def test_a_trial_whose_source_failed_is_not_run(here):
    broken = {**EXPERIMENT["source"], "kwargs": {"fault": "raise"}}
    targets = {"pushed": {"kwargs": {"push": 0.2}, "steps": 64}}
    result = run(
        with_(source=broken, targets=targets, methods=["scratch", "fine_tune"], seeds=[0]),
        console=quiet(),
    )
    assert "trials/pushed/fine_tune/seed-0" in result.failed
    assert "trials/pushed/scratch/seed-0" not in result.failed
    status = json.loads(Path("runs/toy/trials/pushed/fine_tune/seed-0/status.json").read_text())
    assert "it needs source/nominal/seed-0, which failed" in status["error"]


def test_another_experiment_in_the_same_directory_is_refused(here):
    small = with_(methods=["scratch"], seeds=[0])
    run(small, console=quiet())
    before = {p: p.read_bytes() for p in Path("runs/toy").rglob("*") if p.is_file()}
    other = with_(methods=["scratch"], seeds=[0], evaluation={"every": 128, "episodes": 4})
    with pytest.raises(ConfigError, match=r"another experiment: evaluation.every is 64 there"):
        run(other, console=quiet())
    assert {p: p.read_bytes() for p in Path("runs/toy").rglob("*") if p.is_file()} == before
    Path("mine").mkdir()
    Path("mine/thesis.txt").write_text("precious")
    with pytest.raises(ConfigError, match="is not empty and holds no experiment"):
        run(small, out="mine", console=quiet())
    assert set(os.listdir("mine")) - {".lock"} == {"thesis.txt"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"source": {"world": "toy:Piont-v0", "steps": 64}},
            "experiment: source: unknown world 'toy:Piont-v0'; did you mean 'Point-v0'?",
        ),
        (
            {"source": {"world": "tyo:Point-v0", "steps": 64}},
            "cannot import 'tyo', needed by world",
        ),
        (
            {"source": {"world": "toy:Point-v0", "steps": 64, "algorithm": "pppo"}},
            "source.algorithm: unknown algorithm 'pppo'; did you mean 'ppo'?",
        ),
        (
            {"source": {"world": "toy:Point-v0", "steps": 64, "algorithm": {"ppo": {"n_step": 1}}}},
            "unknown setting 'n_step' of ppo; did you mean 'n_steps'?",
        ),
        (
            {"source": {"world": "toy:Point-v0", "steps": 64, "randomization": {"a": "= 1"}}},
            "source.randomization: unknown parameter 'a'; the environment has no 'a'",
        ),
        ({"methods": ["fine_tuen"]}, "methods: unknown method 'fine_tuen'; did you mean"),
        (
            {"methods": [{"fine_tune": {"critic_step": 1}}]},
            "unknown setting 'critic_step' of method fine_tune; did you mean 'critic_steps'?",
        ),
        (
            {"methods": [{"fine_tune": {"fill_steps": 1}}]},
            "methods: method fine_tune: 'fill_steps' does not apply to ppo",
        ),
        (
            {"targets": {"t": {"kwargs": {"pusch": 1}, "steps": 64}}},
            "targets.t: world 'toy:Point-v0' does not take these kwargs",
        ),
        (
            {"targets": {"t": {"world": "Pendulum-v1", "steps": 64}}},
            "targets.t: observation space: shape (2,) in the source, (3,) here",
        ),
        (
            {"targets": {"t": {"wrappers": ["gymnasium.wrappers:TimeLimt"], "steps": 64}}},
            "did you mean 'TimeLimit'?",
        ),
        (
            {"targets": {"t": {"shift": {"mass": "* 2"}, "steps": 64}}},
            "targets.t.shift: unknown parameter 'mass'; the environment has no 'mass'; known: push",
        ),
        (
            {
                "source": {"world": "headstart/PandaReach-v0", "steps": 64},
                "targets": {"t": {"shift": {"payload": "* 2"}, "steps": 64}},
            },
            "targets.t.shift: unknown parameter 'payload'; did you mean 'payload_mass'?",
        ),
        (
            {
                "source": {"world": "headstart/PandaReach-v0", "steps": 64},
                "targets": {"t": {"shift": "weak-motor", "steps": 64}},
            },
            "has no shift 'weak-motor'; did you mean 'weak-motors'?",
        ),
        (
            {"source": {"world": "toy:Point-v0", "steps": 1_024}},
            "targets.pushed.steps: 256 is asked for, but ppo goes in whole rollouts of 1,024",
        ),
        (
            {"evaluation": {"every": 32, "episodes": 4}},
            "evaluation.every: 32 is asked for, but ppo goes in whole rollouts of 64 steps",
        ),
    ],
)
def test_what_cannot_run_is_refused_before_anything_is_written(here, changes, said):
    with pytest.raises(ConfigError, match=re.escape(said)) as caught:
        run(with_(**changes), console=quiet())
    assert "\n" not in str(caught.value)
    assert not Path("runs").exists()


def test_a_method_of_ones_own_by_its_path(here):
    Path("mine.py").write_text(
        "from dataclasses import dataclass\n"
        "from typing import ClassVar\n"
        "from headstart.transfer.methods.scratch import Scratch\n\n\n"
        "@dataclass(frozen=True)\n"
        "class Mine(Scratch):\n"
        "    boldness: float = 1.0\n"
    )
    own = with_(methods=["scratch", {"mine:Mine": {"boldness": 2.0, "label": "bold"}}], seeds=[0])
    result = run(own, console=quiet())
    assert not result.failed
    assert Path("runs/toy/trials/pushed/bold/seed-0/bundle").is_dir()
    assert set(result.summary["targets"]["pushed"]["methods"]) == {"scratch", "bold"}


def test_a_world_beside_the_script_is_found_from_any_directory(here):
    Path("elsewhere").mkdir()
    small = with_(methods=["scratch"], seeds=[0])
    Path("script.py").write_text(
        f"import headstart\nresult = headstart.run({small!r})\nassert not result.failed\n"
        # What takes a second or two to be imported, and is not needed.
        "import sys\nassert not {'torch._dynamo', 'scipy.stats'} & sys.modules.keys()\n"
    )
    subprocess.run([sys.executable, "../script.py"], cwd="elsewhere", check=True)
    assert Path("elsewhere/runs/toy/report.html").is_file()
