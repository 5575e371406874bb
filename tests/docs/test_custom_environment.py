"""docs/custom-environment.md as it is read: its files are written, its commands run, small."""

import re
import shlex
import sys
from pathlib import Path

import gymnasium
import headstart
import pytest
from headstart.experiments import api
from headstart.experiments.cli import app
from headstart.experiments.config.schema import build
from headstart.experiments.config.yaml_text import loads
from headstart.experiments.running.checks import check_plan

PAGE = Path(__file__).parents[2] / "docs" / "custom-environment.md"
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S)
TINY = {
    "seeds": [0],
    "source.steps": 64,
    "source.algorithm": {"ppo": {"worlds": 2, "n_steps": 32, "batch_size": 32, "n_epochs": 1}},
    "evaluation": {"every": 64, "episodes": 2, "anchor_episodes": 4},
}


def block(first_line):
    """Return the block that begins with this comment."""
    (found,) = [text for _, text in BLOCKS if text.startswith(f"# {first_line}\n")]
    return found


def files():
    """Return the page's whole files by name."""
    first_lines = [text.split("\n")[0] for _, text in BLOCKS]
    names = [line[2:] for line in first_lines if re.fullmatch(r"# \w+\.(py|yaml)", line)]
    return {name: block(name) for name in names}


def commands():
    """Return the page's commands with the output that it shows of each."""
    shown = [text for kind, text in BLOCKS if kind == "console"]
    return {text.split("\n")[0].removeprefix("$ "): text.split("\n", 1)[1] for text in shown}


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A directory with the page's files, from which its modules can be imported."""
    for name, text in files().items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.delitem(sys.modules, "hover", raising=False)
    gymnasium.registry.pop("Hover-v0", None)


def call(command, capsys, *more):
    words = shlex.split(command)
    assert words[0] == "headstart"
    with pytest.raises(SystemExit) as ended:
        app.main([*words[1:], *more])
    printed = capsys.readouterr()
    assert ended.value.code == 0, printed.err
    assert printed.err == ""
    return printed.out


def tiny(name):
    """Return the --set options that make the experiment of a file a matter of seconds."""
    experiment = loads(block(name))
    settings = TINY | {f"targets.{target}.steps": 64 for target in experiment["targets"]}
    return [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]


def without_margins(text):
    return [line.rstrip() for line in text.splitlines() if line.strip()]


def test_the_page_has_what_is_tested_here():
    assert list(files()) == ["pendulum.yaml", "hover.py", "hover.yaml", "hover_sweep.py"]
    assert list(commands()) == [
        "headstart run pendulum.yaml",
        "headstart describe hover:Hover-v0",
        "headstart run hover.yaml",
        "headstart evaluate runs/hover/source/randomized/seed-0 --trust hover "
        '--shift "updraft = -2"',
    ]


def test_any_id_with_kwargs(here, capsys):
    out = call("headstart run pendulum.yaml", capsys, "--jobs", "1", *tiny("pendulum.yaml"))
    assert "heavy · Pendulum-v1" in out
    assert Path("runs/heavy-pendulum/report.html").is_file()


def test_wrappers(here):
    experiment = loads(block("pendulum.yaml"))
    experiment["targets"] = loads(block("pendulum.yaml: other targets"))
    assert list(experiment["targets"]) == ["late", "sticky"]
    checked = build(experiment)
    check_plan(checked)
    world = checked.targets["late"].spec(checked.source).make()
    assert "DelayObservation" in str(world)
    world.close()


def test_an_environment_with_parameters(here, capsys):
    describe = "headstart describe hover:Hover-v0"
    assert without_margins(call(describe, capsys)) == without_margins(commands()[describe])

    out = call("headstart run hover.yaml", capsys, "--jobs", "1", *tiny("hover.yaml"))
    (shown,) = [text for kind, text in BLOCKS if kind == "text"]
    words = r"[A-Za-z_]{5,}"
    headings = set(re.findall(words, "".join(shown.splitlines()[2:4])))
    # A budget as small as here has no scale of scores, so nothing that needs one is shown.
    assert {"method", "return", "verdict"} <= headings & set(re.findall(words, out))
    report = Path("runs/hover/report.html").read_text()
    for name in ("mass", "drag", "updraft"):  # source against target, with units
        assert name in report
    results = Path("runs/hover/results.csv").read_text().splitlines()
    column = results[0].split(",").index("success")
    assert all(float(line.split(",")[column]) in (0.0, 0.5, 1.0) for line in results[1:])

    *_, evaluate = commands()
    out = call(evaluate, capsys, "--episodes", "2")
    assert "updraft = -2" in out
    assert "success" in out


def test_the_environment_is_as_the_page_says(here):
    world = gymnasium.make("hover:Hover-v0").unwrapped
    assert isinstance(world, headstart.Parameterized)
    world.set_parameters({"updraft": 2.0})
    world.set_parameters({"mass": 1.5})
    _, info = world.reset(seed=0)
    assert info["parameters"] == {**world.parameters.nominal(), "mass": 1.5}
    with pytest.raises(headstart.HeadstartError, match="did you mean 'updraft'"):
        world.set_parameters({"updraught": 1.0})
    # Thrust 0 carries the nominal drone.
    world.set_parameters({})
    world.reset(seed=0)
    before = world.error
    world.step([0.0])
    assert world.error == before


def test_the_script(here, monkeypatch, capsys):
    class Checked(api.Result):
        def show(self, console=None):
            print("shown")

    def check(experiment):
        check_plan(build(experiment))
        return Checked(Path(), {}, [])

    monkeypatch.setattr(api, "run", check)
    exec(compile(block("hover_sweep.py"), "hover_sweep.py", "exec"), {})
    assert capsys.readouterr().out == "shown\n"


def test_anchors(here):
    experiment = loads(block("hover.yaml"))
    experiment["targets"]["updraft"] |= loads(block("hover.yaml: targets.updraft"))
    assert build(experiment).targets["updraft"].anchors.reference == -3.6
