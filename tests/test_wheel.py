"""The wheel, installed away from the checkout: nothing is missing in it, nothing else is in it."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXPERIMENT = """
name: tiny
source:
  world: headstart/PandaReach-v0
  randomization: {payload_mass: "= uniform(0, 1)"}
  algorithm: {ppo: {worlds: 2, n_steps: 32, batch_size: 32, n_epochs: 1}}
  steps: 64
targets:
  loaded: {shift: {payload_mass: "= 2"}, steps: 64}
methods: [scratch, fine_tune]
seeds: [0]
evaluation: {every: 64, episodes: 2}
"""


def call(*words, **options):
    """Run a program that knows nothing of the checkout or of this environment's settings."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    done = subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, env=clean, **options
    )
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from a copy of the checkout as git would hold it."""
    ignored = [line.rstrip("/") for line in (ROOT / ".gitignore").read_text().split()]
    checkout, out = tmp_path_factory.mktemp("from") / "checkout", tmp_path_factory.mktemp("wheel")
    shutil.copytree(ROOT, checkout, ignore=shutil.ignore_patterns(".git", *ignored))
    call(sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", out, cwd=checkout)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """A fresh environment with the wheel, and the dependencies of the one at hand beside it."""
    environment = tmp_path_factory.mktemp("away") / "venv"
    # The pip at hand installs into it: a pip of its own takes seconds to be put there.
    call(sys.executable, "-m", "venv", "--without-pip", environment)
    python = environment / "bin" / "python"
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    packages = Path(call(python, "-c", code).strip())
    before = set(os.listdir(packages))
    pip = (sys.executable, "-m", "pip", "--python", python)
    call(*pip, "install", "--no-deps", "--no-index", "--no-compile", wheel)
    added = {name for name in set(os.listdir(packages)) - before if name != "__pycache__"}
    assert {name.split("-")[0] for name in added} == {"headstart"}
    # A .pth file adds the folder alone: what is hooked into it (the editable checkout) stays out.
    at_hand = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (packages / "dependencies.pth").write_text("\n".join(sorted(at_hand)) + "\n")
    return environment


def test_what_is_in_the_wheel(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"headstart"}
    folders = ("core", "envs", "agents", "transfer", "experiments")
    there = {
        f"headstart/{path.relative_to(ROOT).as_posix()}"
        for folder in folders
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".py", ".yaml", ".j2", ".css", ".json", ".npz", ".safetensors")
        and "results" not in path.parts
    }
    assert there <= set(names)
    assert {"headstart/__init__.py", "headstart/py.typed"} <= set(names)
    assert "headstart/experiments/studies/quickstart.yaml" in names
    assert "headstart/experiments/showing/html/templates/report.html.j2" in names
    assert not [name for name in names if {"tests", "docs"} & set(name.split("/"))]


@pytest.mark.bullet
def test_the_command_line_and_an_experiment_away_from_the_checkout(installed, tmp_path):
    headstart = installed / "bin" / "headstart"
    where = call(
        installed / "bin" / "python",
        "-c",
        "import headstart; print(headstart.__file__)",
        cwd=tmp_path,
    )
    assert Path(where.strip()).is_relative_to(installed)
    assert "pretrain" in call(headstart, "--help", cwd=tmp_path)
    assert "headstart/RacecarTrack-v0" in call(headstart, "envs", cwd=tmp_path)
    assert "payload_mass" in call(headstart, "describe", "headstart/PandaReach-v0", cwd=tmp_path)
    assert "feature_reuse" in call(headstart, "methods", cwd=tmp_path)

    (tmp_path / "tiny.yaml").write_text(EXPERIMENT)
    printed = call(headstart, "run", "tiny.yaml", "--jobs", "1", cwd=tmp_path)
    assert "jump-start" in printed
    run = tmp_path / "runs" / "tiny"
    assert "<svg" in (report := (run / "report.html").read_text()) or "data:image/png" in report
    assert (
        "fine_tune"
        in json.loads((run / "summary.json").read_text())["targets"]["loaded"]["methods"]
    )
