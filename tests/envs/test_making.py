"""Worlds that cannot be made are refused in one line that says which and why."""

import gymnasium
import pytest
from headstart.envs.errors import HeadstartError
from headstart.envs.making import WorldSpec


class Broken(gymnasium.Env):
    """An environment whose model is not there."""

    def __init__(self, fault: str = "no file") -> None:
        if fault == "type":
            raise TypeError("'NoneType' object is not\nsubscriptable")
        raise FileNotFoundError("nowhere/robot.urdf")


@pytest.fixture
def broken():
    gymnasium.register("Broken-v0", Broken)
    gymnasium.register("Typed-v0", Broken, kwargs={"fault": "type"})
    yield
    del gymnasium.registry["Broken-v0"], gymnasium.registry["Typed-v0"]


@pytest.mark.parametrize(
    ("world", "kwargs", "said"),
    [
        # Gymnasium would take the latest version, of which no anchors and presets are known.
        (
            "headstart/CartPoleSwingUp",
            {},
            "unknown world 'headstart/CartPoleSwingUp'; did you mean "
            "'headstart/CartPoleSwingUp-v0'?",
        ),
        ("two words", {}, "unknown world 'two words'; 'headstart envs' lists ours"),
        ("nowhere.at.all:Any-v0", {}, "cannot import 'nowhere', wanted by world"),
        (
            "broken_module:Any-v0",
            {},
            "cannot import 'broken_module', wanted by world 'broken_module:Any-v0' "
            "(ValueError: not today)",
        ),
        ("Broken-v0", {}, "cannot make world 'Broken-v0': FileNotFoundError: nowhere/robot.urdf"),
        (
            "Typed-v0",
            {},
            "cannot make world 'Typed-v0': TypeError: 'NoneType' object is not subscriptable",
        ),
        ("Broken-v0", {"mass": 1}, "world 'Broken-v0' does not take these kwargs: "),
    ],
)
def test_a_world_that_cannot_be_made_is_named(broken, tmp_path, monkeypatch, world, kwargs, said):
    (tmp_path / "broken_module.py").write_text("raise ValueError('not\\ntoday')\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(HeadstartError) as caught:
        WorldSpec(world, kwargs).make()
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)


def test_a_module_before_a_world_that_comes_along_changes_nothing():
    env = WorldSpec("headstart:headstart/CartPoleSwingUp-v0").make()
    assert env.spec.id == "headstart/CartPoleSwingUp-v0"
    env.close()
