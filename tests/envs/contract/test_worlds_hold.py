"""What every world of the catalog must hold; a new world is tested without an edit here."""

from dataclasses import replace
from functools import partial

import gymnasium
import numpy as np
import pytest
from headstart.core.errors import HeadstartError
from headstart.envs import WORLDS, ParameterError
from headstart.envs.contract.examine import PROPERTIES, QUICK, THOROUGH, Subject, examine
from headstart.envs.contract.subject import trajectory, trajectory_difference

properties = pytest.mark.parametrize("asked", PROPERTIES, ids=lambda asked: asked.name)


# What takes memory, or leaves a trace, does so at every reset: a third of the resets shows it, and
# `test_holds_thoroughly` tries many more.
SHORT = replace(QUICK, resets=100)


def of_the_catalog(world_id, size):
    subject = Subject(partial(gymnasium.make, world_id), foreign=False, size=size)
    yield subject
    subject.close()


@pytest.fixture(scope="module", params=list(WORLDS))
def subject(request):
    yield from of_the_catalog(request.param, SHORT)


@pytest.fixture(scope="module", params=list(WORLDS))
def thorough(request):
    yield from of_the_catalog(request.param, THOROUGH)


@pytest.fixture
def world(subject):
    """The instance that the checks share, at its nominals."""
    env = subject.env.unwrapped
    env.set_parameters({})
    return env


@properties
def test_holds(subject, asked):
    (outcome,) = examine(subject, [asked])
    assert (outcome.verdict, outcome.seen) == ("holds", "")


@pytest.mark.slow
@pytest.mark.timeout(1_800)
@properties
def test_holds_thoroughly(thorough, asked):
    (outcome,) = examine(thorough, [asked])
    assert (outcome.verdict, outcome.seen) == ("holds", "")


def test_has_enough_parameters(world):
    assert len(world.parameters) >= 12


def test_observations_are_of_ordinary_size(subject):
    for moment in subject.recording.moments:
        assert np.all(np.abs(moment.values["observation"]) < 1e3), moment.when


def test_info_says_parameters_success_and_reward_terms(world):
    shifted = next(iter(world.parameters.values()))
    world.set_parameters({shifted.name: shifted.high})
    _, info = world.reset(seed=0)
    assert info == {
        "parameters": {**world.parameters.nominal(), shifted.name: shifted.high},
        "success": False,
    }
    total, done = 0.0, False
    while not done:
        _, reward, terminated, truncated, info = world.step(world.action_space.low)
        total += reward
        done = terminated or truncated
        assert done or info == {}
    assert set(info) == {"parameters", "success", "reward_terms"}
    assert info["reward_terms"].keys() == world.task.weights.keys()
    assert sum(info["reward_terms"].values()) == pytest.approx(total)


def test_a_bad_parameter_is_named(world):
    name, parameter = next(iter(world.parameters.items()))
    for values in ({"no_such": 1.0}, {name: parameter.high + 1.0}, {name: float("nan")}):
        with pytest.raises(ParameterError, match=r"no_such|outside its bounds"):
            world.set_parameters(values)
    with pytest.raises(ParameterError, match=r"expected values by parameter.*got \[1, 2\]"):
        world.set_parameters([1, 2])


def test_a_world_steps_only_between_a_reset_and_its_close(subject):
    world = subject.make().unwrapped
    action = np.zeros(world.action_space.shape, np.float32)
    with pytest.raises(HeadstartError, match=r"call reset\(\) first"):
        world.step(action)
    world.reset(seed=0)
    world.step(action)
    world.close()
    for call in (partial(world.step, action), world.reset):
        with pytest.raises(HeadstartError, match="the world is closed"):
            call()


@pytest.mark.parametrize("size", [-1, 0, 1])
def test_bad_actions_are_a_value_error(world, size):
    world.reset(seed=0)
    action = np.full(world.action_space.shape[0] + size, np.nan if size == 0 else 0.0)
    with pytest.raises(ValueError, match="action"):
        world.step(action)


def test_renders_pictures_that_move_and_simulates_the_same_when_it_does(subject, world):
    seen = subject.make(render_mode="rgb_array").unwrapped
    assert trajectory_difference(trajectory(seen, 60), trajectory(world, 60)) is None
    seen.reset(seed=1)
    before = seen.render()
    for _ in range(15):
        seen.step(seen.action_space.high)
    after = seen.render()
    seen.close()
    assert before.shape == (360, 480, 3)
    assert before.dtype == np.uint8
    assert np.std(before) > 5
    assert np.mean(before != after) > 1e-3
    assert world.render() is None


def test_unknown_worlds_and_render_modes_are_named():
    from headstart.envs import build
    from headstart.envs.spec import WorldSpec

    with pytest.raises(HeadstartError, match="did you mean 'headstart/PandaReach-v0'"):
        build("headstart/PandaRaech-v0")
    with pytest.raises(HeadstartError, match="did you mean 'headstart/PandaReach-v0'"):
        WorldSpec("headstart/PandaRaech-v0").make()
    with pytest.raises(HeadstartError, match="did you mean 'rgb_array'"):
        build("headstart/PandaReach-v0", render_mode="rgb_aray")
