"""Other environments: what has one meaning is taken as that, the rest is said in a line."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from headstart import HeadstartError, Parameter, ParameterSpace
from headstart.envs.adapters import Checked, FromZero, try_once, unsupported
from headstart.envs.parameters import ParameterError, find_parameterized, parameterized
from headstart.envs.spec import WorldSpec

BOX = spaces.Box(-5, 5, (2,), np.float32)


class Given(gymnasium.Env):
    """Gives what it is told to."""

    def __init__(self, observation=(0.0, 0.0), reward=1.0, space=BOX, action=None, ending=None):
        self.given, self.reward = observation, reward
        self.observation_space, self.action_space = space, action or spaces.Discrete(2)
        self.ending = (False, False, {}) if ending is None else ending
        self.taken = []

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.given, {}

    def step(self, action):
        self.taken.append(action)
        return (self.given, self.reward, *self.ending)


class Old(Given):
    """Has Gym's old interface."""

    def reset(self):
        return self.given


class Half(Given):
    """Returns an observation alone."""

    def reset(self, *, seed=None, options=None):
        return np.zeros(2, np.float32)


@pytest.mark.parametrize("reward", [np.array([-0.5]), np.float32(-0.5), [[-0.5]]])
def test_a_reward_of_one_number_is_that_number(reward):
    env = Checked(Given(reward=reward), "mine:My-v0")
    env.reset(seed=0)
    assert env.step(0)[1] == -0.5
    assert isinstance(env.step(0)[1], float)


@pytest.mark.parametrize("given", [[1.0, 2.0], np.array([1.0, 2.0]), (1.0, 2.0)])
def test_an_observation_of_the_declared_shape_is_taken(given):
    observation, _ = Checked(Given(given), "mine:My-v0").reset(seed=0)
    assert np.asarray(observation).tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda: Given(reward=np.array([1.0, 2.0])), r"step\(\) returned the reward array"),
        (lambda: Given(reward=None), "the reward None, expected a number"),
        (lambda: Given((0, 0, 0)), r"of shape \(3,\), declared is \(2,\)"),
        (lambda: Given(np.zeros((2, 1))), r"of shape \(2, 1\), declared is \(2,\)"),
        (lambda: Given({"x": 1}), "that is no array, declared is"),
        (lambda: Given(ending=(False, {})), r"step\(\) returned 4 values; that is Gym's old"),
        (Half, r"reset\(\) returned a ndarray; that is Gym's old interface"),
        (Old, r"reset\(\) takes no seed; that is Gym's old interface"),
    ],
)
def test_what_does_not_fit_is_said_with_world_and_method(made, said):
    with pytest.raises(HeadstartError, match=f"^world 'mine:My-v0': .*{said}"):
        try_once(Checked(made(), "mine:My-v0"))


def test_parts_of_a_dict_are_named():
    space = spaces.Dict({"pos": BOX, "gear": spaces.Discrete(3)})
    env = Checked(Given({"pos": [1.0, 2.0], "gear": 2}, space=space), "mine:My-v0")
    assert env.reset(seed=0)[0]["gear"] == 2
    wrong = Checked(Given({"pos": [1.0], "gear": 2}, space=space), "mine:My-v0")
    with pytest.raises(HeadstartError, match=r"observation 'pos' of shape \(1,\)"):
        wrong.reset(seed=0)
    with pytest.raises(HeadstartError, match=r"observation of \['pos'\], declared are"):
        Checked(Given({"pos": [1.0]}, space=space), "mine:My-v0").reset(seed=0)


@pytest.mark.parametrize(
    ("space", "what", "said"),
    [
        (spaces.Tuple([BOX, BOX]), "observation", "observation space Tuple is not supported"),
        (spaces.Dict({"a": spaces.Dict({"b": BOX})}), "observation", "'a' is a Dict inside a Dict"),
        (spaces.Dict({"a": spaces.Tuple([BOX])}), "observation", "'a' is a Tuple inside a Dict"),
        (spaces.Dict({"a": BOX}), "action", "action space Dict is not supported"),
        (spaces.Discrete(3, start=-1), "action", "does not begin at 0"),
        (spaces.Discrete(19, start=2), "observation", "does not begin at 0"),
        (spaces.MultiDiscrete([2, 3], start=[0, 1]), "action", "does not begin at 0"),
        (spaces.Dict({"a": spaces.Discrete(3, start=1)}), "observation", "does not begin at 0"),
        (None, "action", "declares no action space"),
        (spaces.Dict({"a": BOX, "b": spaces.Discrete(3)}), "observation", None),
        (spaces.MultiBinary(2), "action", None),
    ],
)
def test_spaces_that_cannot_be_served_are_named(space, what, said):
    found = unsupported(space, what)
    assert found is None if said is None else said in found


def test_discrete_spaces_that_begin_elsewhere_are_counted_from_zero():
    inner = Given(5, space=spaces.Discrete(6, start=2), action=spaces.Discrete(3, start=-1))
    env = FromZero(inner)
    assert (env.action_space, env.observation_space) == (spaces.Discrete(3), spaces.Discrete(6))
    assert env.reset(seed=0)[0] == 3
    env.step(0)
    env.step(2)
    assert inner.taken == [-1, 1]
    mixed = FromZero(Given({"a": 4}, space=spaces.Dict({"a": spaces.Discrete(3, start=2)})))
    assert mixed.reset(seed=0)[0] == {"a": 2}


def test_worlds_of_ours_are_not_wrapped_and_others_are():
    env = WorldSpec("Pendulum-v1").make()
    assert isinstance(env, Checked)
    env.close()


class Gravity(gymnasium.Wrapper):
    """Gives somebody else's world a parameter."""

    parameters = ParameterSpace([Parameter("g", "m/s^2", 10.0, 1.0, 20.0, "gravity")])

    def set_parameters(self, values):
        self.env.unwrapped.g = {**self.parameters.nominal(), **values}["g"]


class Mass(Gravity):
    """Gives it another one."""

    parameters = ParameterSpace([Parameter("m", "kg", 1.0, 0.5, 2.0, "mass")])

    def set_parameters(self, values):
        self.env.unwrapped.m = {**self.parameters.nominal(), **values}["m"]


def test_parameters_of_a_wrapper_are_found():
    spec = WorldSpec("Pendulum-v1", wrappers=[f"{__name__}:Gravity"], shift={"g": "= 14"})
    env = spec.make()
    assert env.unwrapped.g == 14
    assert list(parameterized(env, "a shift").parameters) == ["g"]
    env.close()
    both = Mass(Gravity(gymnasium.make("Pendulum-v1")))
    found = parameterized(both, "a shift")
    assert list(found.parameters) == ["g", "m"]
    found.set_parameters({"m": 2.0})
    assert (both.unwrapped.g, both.unwrapped.m) == (10, 2)
    said = r"'g' is declared twice: by wrapper '\S+:Gravity' and by wrapper '\S+:Gravity'"
    with pytest.raises(ParameterError, match=said):
        parameterized(Gravity(Gravity(gymnasium.make("Pendulum-v1"))), "a shift")


def test_members_called_parameters_that_mean_something_else_are_left_alone():
    env = gymnasium.make("Pendulum-v1")
    env.unwrapped.parameters = {"gain": 1.0}
    env.unwrapped.set_parameters = lambda values: None
    assert find_parameterized(env) is None
    with pytest.raises(ParameterError, match=r"has no parameters \(its `parameters` are a dict\)"):
        parameterized(env, "a shift")
