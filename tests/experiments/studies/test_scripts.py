"""The scripts made to be copied are the studies of the same name, and run as they stand."""

import runpy
from pathlib import Path

import headstart
import pytest
from headstart.experiments import api
from headstart.experiments.config.points import points
from headstart.experiments.config.schema import load_all

FOLDER = Path(api.__file__).parent
FILES = {path.stem: path for path in (FOLDER / "studies").glob("*.yaml")}
# Sweeps, and several experiments in a file, are for the command line.
STUDIES = sorted(path.stem for path in (FOLDER / "studies").glob("*.py"))


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_study_is_whole(name):
    for experiment in load_all(FILES[name]):
        assert (len(points(experiment)) > 1) == bool(experiment.sweep)


@pytest.mark.parametrize("name", STUDIES)
def test_a_script_is_the_study_of_its_name(name):
    experiment = runpy.run_path(str(FOLDER / "studies" / f"{name}.py"))["EXPERIMENT"]
    study = headstart.load(FOLDER / "studies" / f"{name}.yaml")
    assert headstart.Experiment(**experiment).resolved() == study.resolved()


@pytest.mark.parametrize("name", STUDIES)
def test_a_script_runs_its_experiment(name, monkeypatch, capsys):
    given = []

    class Shown(api.Result):
        def show(self, console=None):
            print("the tables")

    def run(experiment):
        given.append(experiment)
        return Shown(Path("runs") / experiment["name"], {}, [])

    monkeypatch.setattr(api, "run", run)
    script = runpy.run_path(str(FOLDER / "studies" / f"{name}.py"), run_name="__main__")
    assert given == [script["EXPERIMENT"]]
    assert capsys.readouterr().out.splitlines()[:2] == [
        "the tables",
        f"report: runs/{name}/report.html",
    ]
