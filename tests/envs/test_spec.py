"""Worlds that cannot be made are refused in one line that says which and why."""

import re

import gymnasium
import pytest
from headstart.core.errors import HeadstartError
from headstart.envs.spec import WorldSpec


class Broken(gymnasium.Env):
    """An environment whose model is not there."""

    def __init__(self, fault: str = "no file") -> None:
        if fault == "type":
            raise TypeError("'NoneType' object is not\nsubscriptable")
        raise FileNotFoundError("nowhere/robot.urdf")


@pytest.fixture
def broken():
    gymnasium.register("NoFile-v0", Broken)
    gymnasium.register("Typed-v0", Broken, kwargs={"fault": "type"})
    yield
    del gymnasium.registry["NoFile-v0"], gymnasium.registry["Typed-v0"]


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
        ("nowhere.at.all:Any-v0", {}, "cannot import 'nowhere', needed by world"),
        (
            "broken_module:Any-v0",
            {},
            "cannot import 'broken_module', needed by world 'broken_module:Any-v0' "
            "(ValueError: not today)",
        ),
        ("NoFile-v0", {}, "cannot make world 'NoFile-v0': FileNotFoundError: nowhere/robot.urdf"),
        (
            "Typed-v0",
            {},
            "cannot make world 'Typed-v0': TypeError: 'NoneType' object is not subscriptable",
        ),
        ("NoFile-v0", {"mass": 1}, "world 'NoFile-v0' does not take these kwargs: "),
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


class Wrapped(gymnasium.Wrapper):
    def __init__(self, env, k=1):
        if k < 1:
            raise ValueError("k must be at least 1")
        super().__init__(env)


@pytest.mark.parametrize(
    ("wrapper", "said"),
    [
        ({}, "wrapper {}: expected 'package.module:Class' or that with its kwargs"),
        ({f"{__name__}:Wrapped": {"k": 0}}, "ValueError: k must be at least 1"),
        ({f"{__name__}:Wrapped": {"l": 0}}, "unexpected keyword argument 'l'"),
        ("broken_module:Any", "cannot import 'broken_module': ValueError: not today"),
    ],
)
def test_a_wrapper_that_cannot_be_put_on_is_named(tmp_path, monkeypatch, wrapper, said):
    (tmp_path / "broken_module.py").write_text("raise ValueError('not\\ntoday')\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(HeadstartError, match=re.escape(said)) as caught:
        WorldSpec("Pendulum-v1", wrappers=[wrapper]).make()
    assert str(caught.value).startswith("wrapper ")
    assert "\n" not in str(caught.value)
