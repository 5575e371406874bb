"""What PyBullet cannot do is said in one line."""

import sys

import numpy as np
import pytest
from headstart.envs import simulation
from headstart.envs.sensing import Actuation, Command
from headstart.envs.simulation import Simulation, SimulationError, read_model


@pytest.fixture
def physics():
    """An empty simulation."""
    made = Simulation(0.01, 10)
    yield made
    made.close()


@pytest.mark.parametrize("load", [Simulation.load, lambda _, name: read_model(name)])
def test_a_file_that_is_not_there(physics, load, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SimulationError, match=f"no file 'none.urdf': looked in {tmp_path} and "):
        load(physics, "none.urdf")
    with pytest.raises(SimulationError, match="no file '/'"):
        load(physics, "/")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("<robot", "cannot read '{path}': unclosed token"),
        (
            '<robot name="x"><link name="a"><collision><geometry>'
            '<mesh filename="none.obj"/></geometry></collision></link></robot>',
            "no mesh '.*none.obj'",
        ),
        ('<robot name="x"/>', "expected a URDF of links and joints"),
    ],
)
def test_a_file_that_pybullet_cannot_load(physics, text, why, tmp_path, capfd):
    path = tmp_path / "x.urdf"
    path.write_text(text)
    why = why.format(path=path)
    with pytest.raises(SimulationError, match=f"PyBullet cannot load '{path}': {why}"):
        physics.load(str(path))
    assert capfd.readouterr() == ("", "")


def test_no_client_is_left(monkeypatch):
    monkeypatch.setattr(simulation.bullet, "connect", lambda _: -1)
    with pytest.raises(SimulationError, match=r"no client left \(1,024 a process\); close some"):
        Simulation(0.01, 10)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems always have a display")
def test_a_window_without_a_display(monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(SimulationError, match="no display"):
        Simulation(0.01, 10, gui=True)


@pytest.mark.parametrize(
    ("action", "said"),
    [
        ([0.0], r"shape \(2,\), got \(1,\)"),
        (np.zeros((1, 2), np.float32), r"shape \(2,\), got \(1, 2\)"),
        (0.5, r"shape \(2,\), got \(\)"),
        ([0.0, np.nan], "a NaN or an infinity"),
        (np.array([np.inf, -np.inf], np.float32), "a NaN or an infinity"),
    ],
)
def test_actions_that_mean_nothing(action, said):
    command = Command("force", "N", -2.0, 4.0, "")
    actuation = Actuation([command, command], 4)
    with pytest.raises(ValueError, match=said):
        actuation.push(action)
    assert actuation.push([0, 2]) == [1.0, 4.0]
    assert actuation.push(np.array([-0.5, -1.5], np.float32)) == [-0.5, -2.0]
