"""Every command once, small; what goes wrong is one line and the right exit status."""

import hashlib
import json
import pickle
import re
import shutil
import sys
from pathlib import Path

import gymnasium
import pytest
from headstart.agents.bundles import bundle as bundles
from headstart.agents.bundles.pretrained import checksum
from headstart.agents.evaluation import evaluate
from headstart.envs.spec import WorldSpec
from headstart.experiments.cli import app
from headstart.experiments.cli.console import PIPE_WIDTH
from headstart.experiments.running import dry_run as previewing
from headstart.experiments.running.dry_run import Pace

pytestmark = pytest.mark.usefixtures("undrawn")

TINY_PPO = "{ppo: {worlds: 2, n_steps: 32, batch_size: 32, n_epochs: 1}}"
TINY = f"""
name: tiny
source: {{world: Pendulum-v1, algorithm: {TINY_PPO}, steps: 64}}
targets:
  heavy: {{kwargs: {{g: 14.0}}, steps: 64}}
methods: [scratch, zero_shot]
seeds: [0, 1]
evaluation: {{every: 64, episodes: 1, anchor_episodes: 4}}
"""
FALLS_OVER = """
import gymnasium
import numpy as np


class Broken(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float32)
    action_space = gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        return np.full(1, np.nan, np.float32), {}


gymnasium.register("Broken-v0", entry_point=Broken, disable_env_checker=True)
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working directory with the tiny experiment; what a command changes is undone."""
    (tmp_path / "tiny.yaml").write_text(TINY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    return tmp_path


@pytest.fixture
def call(piped, here, capsys, monkeypatch):
    """Run a command line in this process, as into a pipe; returns exit status and both outputs."""

    def run(*words):
        with pytest.raises(SystemExit) as ended:
            app.main(words)
        printed = capsys.readouterr()
        return ended.value.code, printed.out, printed.err

    return run


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory):
    """A bundle of a policy that learned for 64 steps, as `headstart pretrain` saves it."""
    out = tmp_path_factory.mktemp("pretrained") / "reach"
    words = ["pretrain", "headstart/PandaReach-v0", "--out", str(out), "--steps", "64"]
    words += ["--randomize", "payload_mass = uniform(0, 1)", "--randomize", "tool_length * 1.1"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [*sys.path])
        with pytest.raises(SystemExit) as ended:
            app.main(words)
    assert ended.value.code == 0
    return out


@pytest.fixture
def bundle(pretrained, here):
    """A copy of the bundle, to be damaged."""
    copy = here / "bundle"
    copy.mkdir()
    for path in pretrained.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    return copy


def fails(outcome, status, *parts):
    """Check that a command ended with `status` and one line that holds all `parts`."""
    code, _, err = outcome
    assert code == status
    assert err.startswith("headstart: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err
    for part in parts:
        assert part in err


def test_a_dry_run_counts_what_is_left_and_writes_nothing(call, here):
    code, out, _ = call("run", "tiny.yaml", "--dry-run")
    assert code == 0
    assert not (here / "runs").exists()
    # Two sources of 64 steps, of ten evaluations in between, at 0 and at the end that are one less
    # for each that shares its rollout of 64; scratch evaluates at 0 and 64; zero_shot once, and
    # once more in the source.
    assert re.search(r"source/nominal +2 +2 +64 +2 ", out)
    assert re.search(r"heavy/scratch +2 +2 +64 +2 ", out)
    assert re.search(r"heavy/zero_shot +2 +2 +0 +2 ", out)
    assert re.search(r"anchors +2 +2 +0 +4 ", out)
    assert "8 of 8 units and 256 training steps" in out
    assert call("run", "tiny.yaml", "--jobs", "1")[0] == 0
    assert "0 of 8 units and 0 training steps" in call("run", "tiny.yaml", "--dry-run")[1]
    assert "6 of 6 sources and trials done." in call("status", "runs/tiny")[1]


def test_a_dry_run_of_a_sweep_measures_the_pace_once(call, here, monkeypatch):
    measured = []
    monkeypatch.setattr(
        previewing, "measure_pace", lambda found: measured.append(found) or Pace(1, 1)
    )
    swept = "sweep={source.steps: [64, 128]}"
    code, out, _ = call("run", "tiny.yaml", "--dry-run", "--set", swept)
    assert code == 0
    assert len(measured) == 1
    # As above, and once more with sources of 128 steps.
    assert "All points: 16 of 16 units and 640 training steps to do" in " ".join(out.split())
    swept = "sweep={source.algorithm: [{ppo: {worlds: 2, n_steps: 32, batch_size: 32}}, sac]}"
    assert call("run", "tiny.yaml", "--dry-run", "--set", swept)[0] == 0
    assert len(measured) == 3


def test_the_schema_is_printed(call):
    assert json.loads(call("config", "schema")[1])["title"] == "Experiment"


def test_pretraining_goes_on_from_a_bundle(call, bundle, here):
    words = ["pretrain", "headstart/PandaReach-v0", "--start", str(bundle), "--out", "more"]
    fails(call(*words, "--steps", "1024"), 2, "has had 1,024 of them")
    fails(call(*words, "--steps", "2000", "--algorithm", "ppo"), 2, "its own algorithm")
    code, out, _ = call(*words, "--steps", "1030", "--randomize", "gravity = uniform(9, 10)")
    assert code == 0
    before, after = bundles.load(bundle), bundles.load(here / "more")
    assert (before.steps, after.steps) == (1024, 2048)
    assert after.start == {
        "randomization": before.randomization,
        "steps": 1024,
        "sha256": checksum(bundle),
    }
    assert before.start is None
    assert after.randomization == {"gravity": "= uniform(9, 10)"}
    # It began as it was left: the first line printed is what the bundle's policy gets.
    first = re.search(r"1,024 steps  return +(-?[0-9.]+)", out)
    make = WorldSpec(before.world_id).make
    returns = evaluate(before.policy().act, make, range(1_000_000, 1_000_020)).returns
    assert first is not None
    assert float(first[1]) == pytest.approx(returns.mean(), abs=2e-3)


def test_help_teaches(call):
    code, top, _ = call()
    assert code == 0
    assert call("--help")[1] == call("-h")[1] == top
    for command in ("run", "report", "envs", "describe", "methods", "pretrain", "evaluate"):
        assert command in top
        assert call(command, "--help")[0] == 0
    assert "headstart run my-experiment.yaml --out runs/try --set seeds=[0]" in call("run", "-h")[1]
    assert '--shift "payload_mass = 2"' in call("evaluate", "-h")[1]


def test_version(call):
    assert call("--version") == (0, "headstart 0.1.0\n", "")


def test_tables_of_worlds_and_methods(call):
    code, out, _ = call("envs")
    assert code == 0
    assert "headstart/PandaReach-v0" in out
    assert "headstart/RacecarTrack-v0" in out
    code, out, _ = call("methods")
    assert code == 0
    assert "unfreeze_at: null" in out
    assert "freeze: [features]" in out


@pytest.mark.parametrize("world", ["headstart/PandaReach-v0", "headstart/RacecarTrack-v0"])
def test_describe(call, world):
    code, out, _ = call("describe", world)
    assert code == 0
    parameters = gymnasium.make(world).unwrapped.parameters
    for name in parameters:  # none is cut or broken at a pipe's width
        assert name in out
    assert "…" not in out
    assert max(map(len, out.splitlines())) <= PIPE_WIDTH


def test_describe_a_world_of_someone_elses(call):
    code, out, _ = call("describe", "Pendulum-v1")
    assert code == 0
    assert "action: Box(-2.0, 2.0, (1,), float32)" in out
    assert "max_torque" in out
    assert "By its path can be varied: dt, max_speed" in out


def test_run_report_and_set(call, here, drawn):
    words = ("run", "tiny.yaml", "--jobs", "1", "--set", "seeds=[3]", "--out", "out")
    code, out, err = call(*words)
    assert (code, err) == (0, "")
    assert "jump-start" in out
    assert "report: out/report.html" in out
    assert {path.name for path in Path("out/trials/heavy/scratch").iterdir()} == {"seed-3"}
    report = Path("out/report.html").read_bytes()
    Path("out/report.html").unlink()
    code, out, err = call("report", "out")
    assert (code, err) == (0, "")
    assert "jump-start" in out
    assert Path("out/report.html").read_bytes() == report
    # The folder of a trial is as good as the bundle in it.
    code, out, _ = call("evaluate", "out/trials/heavy/scratch/seed-3", "--episodes", "1")
    assert code == 0
    assert "heavy (Pendulum-v1), not shifted, 1 episodes" in out
    fails(call("run", "tiny.yaml", "--out", "out"), 2, "another experiment: seeds is [3] there")


def test_report_of_several_runs_compares_them(call, make_run):
    run = make_run(seeds=(0,), targets=("tired-arm",), methods=("scratch", "fine_tune"))
    shutil.copytree(run, run.parent / "twin")
    code, out, err = call("report", "run", "twin")
    assert (code, err) == (0, "")
    assert re.search(
        r"tired-arm +quickstart \(twin\) +fine_tune +0.\d\d +\+0.\d\d no interval", out
    )
    assert "comparison: runs/comparison/comparison.html" in out
    assert Path("runs/comparison/comparison.csv").is_file()
    assert Path("twin/report.html").is_file()
    fails(call("report", "run", "./run", "--out", "both"), 2, "'run' is given twice")
    fails(call("report", "run", "both"), 2, "not a run directory")
    Path("swept").mkdir()
    Path("swept/sweep.yaml").write_text("name: swept\n")
    fails(call("report", "run", "swept"), 2, "'swept' is a sweep: report one alone, or compare")
    fails(call("report", "run", "--out", "both"), 2, "--out is for a comparison of several runs")
    assert not Path("both").exists()


def test_failed_trials_are_exit_status_1(call, here):
    # What breaks in the first step is refused, and what breaks later shows when it is at work.
    Path("wearing.py").write_text(
        "import gymnasium\n\n\nclass Wearing(gymnasium.Wrapper):\n"
        "    def __init__(self, env, steps=20):\n"
        "        super().__init__(env)\n        self.left = steps\n\n"
        "    def step(self, action):\n"
        "        self.left -= 1\n"
        "        if self.left < 0:\n            raise RuntimeError('worn out')\n"
        "        return super().step(action)\n"
    )
    target = "targets={heavy: {wrappers: ['wearing:Wearing'], steps: 64}}"
    words = ("run", "tiny.yaml", "--jobs", "1", "--set", target, "--set", "seeds=[0]")
    code, out, err = call(*words, "--set", "methods=[scratch]")
    assert code == 1
    assert "worn out" in out
    probed = "targets.heavy: the probe before the run ended early: RuntimeError: worn out"
    assert probed in " ".join(out.split())
    assert err == "2 units failed; the same command tries again\n"
    at_once = target.replace("'wearing:Wearing'", "{'wearing:Wearing': {steps: 0}}")
    words = ("run", "tiny.yaml", "--set", at_once, "--set", "methods=[scratch]", "--out", "once")
    fails(call(*words), 2, "targets.heavy: world 'Pendulum-v1' does not run", "worn out")
    assert not Path("once").exists()


def test_pretrain_and_evaluate(call, pretrained):
    about = json.loads((pretrained / "bundle.json").read_text())
    assert about["world_id"] == "headstart/PandaReach-v0"
    assert about["randomization"] == {"payload_mass": "= uniform(0, 1)", "tool_length": "* 1.1"}
    assert about["counters"]["num_timesteps"] >= 64

    words = ("evaluate", str(pretrained), "--episodes", "2")
    code, nominal, _ = call(*words)
    assert code == 0
    assert "success" in nominal
    code, shifted, _ = call(*words, "--shift", "payload_mass = 2", "--shift", "tool_length + 0.1")
    assert code == 0
    assert "payload_mass = 2, tool_length + 0.1" in shifted
    assert shifted.splitlines()[4:] != nominal.splitlines()[4:]
    assert call(*words)[1] == nominal


def test_bench_worlds(call):
    code, out, err = call("bench", "worlds", "headstart/Hoper-v0")
    assert (code, "did you mean 'headstart/Hopper-v0'?" in err) == (2, True)
    code, out, _ = call("bench", "worlds", "--steps", "20", "--repetitions", "1")
    assert code == 0
    assert "headstart/RacecarTrack-v0" in out


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["rnu"], ["no such command 'rnu'", "see headstart --help"]),
        (["run"], ["missing argument", "see headstart run --help"]),
        (["run", "tiny.yaml", "--jbos", "2"], ["no such option: --jbos", "--jobs"]),
        (["run", "tiny.yaml", "--jobs", "0"], ["invalid value for '--jobs'"]),
        (["run", "tiny.yaml", "--jobs", "two"], ["invalid value for '--jobs'"]),
        (["bench"], ["missing command", "see headstart bench --help"]),
        (["run", "quikstart"], ["no file 'quikstart'", "did you mean 'quickstart'?"]),
        (["run", "none.yaml"], ["cannot read 'none.yaml'"]),
        (["run", "tiny.yaml", "--set", "seed=[1]"], ["seed: unknown key", "'seeds'"]),
        (["run", "tiny.yaml", "--set", "seeds"], ["--set seeds: expected key.path=value"]),
        (["run", "tiny.yaml", "--set", "source.world=Pendulm-v1"], ["did you mean 'Pendulum-v1'"]),
        (["run", "tiny.yaml", "--set", "methods=[scrach]"], ["did you mean 'scratch'"]),
        (["describe", "headstart/PandaRech-v0"], ["did you mean 'headstart/PandaReach-v0'?"]),
        (["describe", "nothing_here:Any-v0"], ["cannot import 'nothing_here'"]),
        (["report", "."], ["no experiment.yaml, so this is not a run directory"]),
        (["report", "none"], ["none", "not a run directory"]),
        (["evaluate", "none"], ["no bundle at none"]),
        (["pretrain", "headstart/PandaRech-v0", "--out", "a"], ["did you mean"]),
        (["pretrain", "Pendulum-v1", "--out", "."], ["'.' exists already"]),
        (["pretrain", "Pendulum-v1", "--out", "a", "--algorithm", "poo"], ["did you mean 'ppo'?"]),
        (
            ["pretrain", "headstart/PandaReach-v0", "--out", "a", "--randomize", "payload = 1"],
            ["unknown parameter 'payload'; did you mean 'payload_mass'?"],
        ),
        (
            ["pretrain", "headstart/PandaReach-v0", "--out", "a", "--randomize", "payload_mass 1"],
            ["'payload_mass 1': expected a parameter and its change"],
        ),
    ],
)
def test_mistakes_are_one_line_and_exit_status_2(call, here, words, parts):
    fails(call(*words), 2, *parts)
    assert not Path("runs").exists()
    assert not Path("a").exists()


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["--shift", "weak-motor"], ["has no shift 'weak-motor'"]),
        (["--shift", "payload = 1"], ["unknown parameter 'payload'; did you mean 'payload_mass'?"]),
        (["--shift", "payload_mass = 100"], ["gives 100 kg, outside the bounds"]),
        (["--shift", "payload_mass = 1", "--shift", "long-tool/mild"], ["stands alone"]),
        (["--shift", "payload_mass = 1", "--shift", "payload_mass = 2"], ["changed twice"]),
        (["--world", "Pendulum-v1"], ["does not fit this world: observation space"]),
        (["--episodes", "0"], ["'--episodes'"]),
    ],
)
def test_mistakes_of_evaluate(call, pretrained, words, parts):
    fails(call("evaluate", str(pretrained), *words), 2, *parts)


@pytest.mark.parametrize("name", ["bundle.json", "policy.safetensors", "normalizer.npz"])
def test_an_altered_bundle_is_refused(call, bundle, name):
    data = bytearray((bundle / name).read_bytes())
    data[len(data) // 2] ^= 1
    (bundle / name).write_bytes(data)
    fails(call("evaluate", "bundle"), 2, name, "altered")
    (bundle / name).write_bytes(data[:-1])
    fails(call("evaluate", "bundle"), 2, name, "truncated")
    (bundle / name).unlink()
    fails(call("evaluate", "bundle"), 2, name, "missing")


FILES = (
    "manifest.json",
    "bundle.json",
    "policy.safetensors",
    "optimizer.safetensors",
    "normalizer.npz",
)


class Payload:
    """Unpickling it writes a file."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return Path.write_text, (self.marker, "executed")


@pytest.mark.parametrize("listed", [False, True])
@pytest.mark.parametrize("name", FILES)
def test_a_pickle_in_place_of_a_bundle_file_executes_nothing(call, bundle, name, listed):
    marker = bundle.parent / "executed"
    data = pickle.dumps(Payload(marker))
    (bundle / name).write_bytes(data)
    if listed and name != "manifest.json":  # as someone would who means harm
        manifest = json.loads((bundle / "manifest.json").read_text())
        manifest["files"][name] = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        (bundle / "manifest.json").write_text(json.dumps(manifest))
    outcome = call("evaluate", "bundle", "--episodes", "1")
    assert not marker.exists()
    fails(outcome, 2, name)


def test_what_a_world_does_wrong_is_exit_status_1_and_no_internal_error(call, here):
    Path("falls_over.py").write_text(FALLS_OVER)
    outcome = call("pretrain", "falls_over:Broken-v0", "--out", "a", "--steps", "64")
    fails(outcome, 1, "observation is not finite")
    assert "internal" not in outcome[2]


def test_debug_shows_where(call):
    for words in (("--debug", "evaluate", "none"), ("evaluate", "none", "--debug")):
        code, _, err = call(*words)
        assert code == 2
        assert "Traceback" in err
        assert "in evaluation_table" in err
        assert err.splitlines()[-1] == "headstart: no bundle at none"


def test_an_error_of_ours_is_exit_status_1(call, monkeypatch):
    def bug(world_id):
        raise ZeroDivisionError("oh")

    monkeypatch.setattr("headstart.experiments.showing.tables.registries.describe_world", bug)
    fails(call("describe", "Pendulum-v1"), 1, "ZeroDivisionError: oh (internal error;", "--debug")


def test_a_full_disk_is_said(call, monkeypatch, here):
    def full(*_, **__):
        raise OSError(28, "No space left on device", "a/policy.safetensors")

    monkeypatch.setattr("headstart.agents.bundles.bundle.save", full)
    words = ("pretrain", "Pendulum-v1", "--out", "a", "--steps", "64")
    fails(call(*words), 2, "a/policy.safetensors: No space left on device")


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("headstart describe headstart/Racecar", {"headstart/RacecarTrack-v0"}),
        ("headstart evaluate pre", {"pretrained/nominal", "pretrained/randomized"}),
        ("headstart evaluate pretrained/nominal --world headstart/H", {"headstart/Hopper-v0"}),
        ("headstart run x.yaml --dry", {"--dry-run"}),
    ],
)
def test_the_shell_completes_commands_worlds_and_policies(typed, offered, monkeypatch, capsys):
    monkeypatch.setenv("_HEADSTART_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", typed)
    monkeypatch.setenv("COMP_CWORD", str(len(typed.split()) - 1))
    with pytest.raises(SystemExit):
        app.app(prog_name="headstart")
    found = set(capsys.readouterr().out.split())
    assert offered <= found
    assert all(typed.split()[-1] in name for name in found)
