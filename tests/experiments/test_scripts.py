"""The scripts made to be copied are the studies of the same name, and run as they stand."""

import runpy
from pathlib import Path

import headstart
import pytest
from headstart.experiments import harness

FOLDER = Path(harness.__file__).parent
STUDIES = sorted(path.stem for path in (FOLDER / "studies").glob("*.yaml"))


@pytest.mark.parametrize("name", STUDIES)
def test_a_script_is_the_study_of_its_name(name):
    experiment = runpy.run_path(str(FOLDER / f"{name}.py"))["EXPERIMENT"]
    study = headstart.load(FOLDER / "studies" / f"{name}.yaml")
    assert headstart.Experiment(**experiment).resolved() == study.resolved()


@pytest.mark.parametrize("name", STUDIES)
def test_a_script_runs_its_experiment(name, monkeypatch, capsys):
    given = []

    class Shown(harness.Result):
        def show(self, console=None):
            print("the tables")

    def run(experiment):
        given.append(experiment)
        return Shown(Path("runs") / experiment["name"], {}, [])

    monkeypatch.setattr(harness, "run", run)
    script = runpy.run_path(str(FOLDER / f"{name}.py"), run_name="__main__")
    assert given == [script["EXPERIMENT"]]
    assert capsys.readouterr().out.splitlines()[:2] == [
        "the tables",
        f"report: runs/{name}/report.html",
    ]
