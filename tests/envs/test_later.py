"""Parameters that change in the midst of an episode: when, to what, and what is refused."""

import gymnasium
import numpy as np
import pytest
from headstart.agents.cores.worlds import SerialVecEnv
from headstart.core.errors import HeadstartError
from headstart.envs.changes import parse, read_changes, shifted, shifted_later
from headstart.envs.later import LaterChanges, change_times
from headstart.envs.parameters import Parameter, ParameterSpace
from headstart.envs.privileged import PrivilegedWorld, Privileges
from headstart.envs.spec import WorldSpec
from headstart.envs.vector.vec_env import ParallelVecEnv

POLE = "headstart/CartPoleSwingUp-v0"
WEAK = {"pole_mass": "* 2", "motor_strength": "* 0.2 after 0.1 s"}
SPACE = ParameterSpace(
    [
        Parameter("wind", "N", 0.0, -9.0, 9.0, "wind", live=True),
        Parameter("mass", "kg", 2.0, 0.5, 8.0, "mass"),
    ]
)


def rolled(shift, steps=8):
    world = WorldSpec(POLE, shift=shift).make()
    observation, info = world.reset(seed=3)
    seen, told = [observation], [info]
    for _ in range(steps):
        observation, *_, info = world.step(np.array([0.7], np.float32))
        seen.append(observation)
        told.append(info)
    world.close()
    return np.stack(seen), told


def test_a_shift_with_a_time_is_read_apart_from_what_holds_from_the_start():
    changes = {"wind": "+ 2 after 1.5 s", "mass": "* 2"}
    assert shifted(changes, SPACE) == {"mass": 4.0}
    assert shifted_later(changes, SPACE) == {1.5: {"wind": 2.0}}
    assert str(parse("*0.4  after 1.50 s")) == "* 0.4 after 1.5 s"


def test_it_changes_with_the_first_step_at_its_time_and_not_before():
    seen, told = rolled(WEAK)
    before, _ = rolled({"pole_mass": "* 2"})
    # Steps of 0.04 s begin at 0, 0.04, 0.08, 0.12: the fourth is the first from 0.1 s on.
    assert np.array_equal(seen[:4], before[:4])
    assert not np.array_equal(seen[4], before[4])
    assert [bool(info) for info in told[:6]] == [True, False, False, False, True, False]
    assert told[0]["parameters"]["motor_strength"] == 1.0
    assert told[4]["parameters"]["motor_strength"] == 0.2
    assert told[4]["parameters"]["pole_mass"] == told[0]["parameters"]["pole_mass"]


def test_each_episode_begins_without_the_change_and_is_the_same_again():
    world = WorldSpec(POLE, shift=WEAK).make()
    found = []
    for _ in range(2):
        world.reset(seed=3)
        found.append([world.step(np.array([0.7], np.float32))[0] for _ in range(6)])
    assert np.array_equal(*found)
    assert change_times(world) == [3]
    world.close()


def test_worlds_in_processes_change_as_those_in_this_one_do():
    make = WorldSpec(POLE, shift=WEAK).make
    found = []
    for worlds in (SerialVecEnv([make] * 3), ParallelVecEnv([make] * 3, 2)):
        worlds.seed(5)
        seen = [worlds.reset()]
        seen += [worlds.step(np.full((3, 1), 0.5, np.float32))[0] for _ in range(6)]
        found.append(np.stack(seen))
        worlds.close()
    assert np.array_equal(*found)


def test_what_is_privileged_follows_the_change_in_a_source_alone():
    for there, expected in ((None, True), ("nominal", False)):
        world = WorldSpec(POLE, shift=WEAK).make()
        seen = PrivilegedWorld(world, Privileges.of(world, "motor_strength"), there)
        first, _ = seen.reset(seed=0)
        for _ in range(4):
            last, *_ = seen.step(np.zeros(1, np.float32))
        assert (last["privileged"] < first["privileged"]).all() == expected
        seen.close()


@pytest.mark.parametrize(
    ("shift", "said"),
    [
        (
            {"pole_mass": "* 2 after 1 s"},
            "pole_mass: '* 2 after 1 s' would change it during",
        ),
        (
            {"motor_strength": "* 0.5 after 99 s"},
            "motor_strength: 'after 99 s' never comes: ",
        ),
        ({"motor_strength": "* 0.5 after -1 s"}, "a change holds from 0 s of an"),
        ({"motor_strength": "* uniform(0.5, 1) after 1 s"}, "only a constant may be set"),
    ],
)
def test_what_cannot_change_then_is_refused_in_a_line(shift, said):
    with pytest.raises(HeadstartError, match=said.replace("*", r"\*")) as caught:
        WorldSpec(POLE, shift=shift).make()
    assert "\n" not in str(caught.value)


def test_a_randomization_has_no_times():
    with pytest.raises(HeadstartError, match="wind: '= 2 after 1 s' is for shifts"):
        read_changes({"wind": "= 2 after 1 s"}, SPACE, random=True)


class Fixed(gymnasium.Wrapper):
    parameters = SPACE

    def set_parameters(self, values):
        pass


class Windy(Fixed):
    period, wind = 0.05, None

    def adjust_parameters(self, values):
        self.wind = values["wind"]


def test_the_wrapper_that_cannot_change_its_parameters_is_named():
    said = r"^wrapper '\S+:Fixed' cannot change parameters during an episode"
    for world in ("Pendulum-v1", POLE):
        with pytest.raises(HeadstartError, match=said):
            LaterChanges(Fixed(gymnasium.make(world)), {1.0: {"wind": 2.0}})


def test_a_wrapper_that_can_change_its_parameters_goes_with_the_world_s():
    wrapper = Windy(gymnasium.make(POLE))
    world = LaterChanges(wrapper, {0.0: {"wind": 2.0}, 0.001: {"motor_strength": 0.5}})
    world.reset(seed=0)
    for _ in range(2):
        world.step(world.action_space.sample())
    assert wrapper.wind == 2.0
    assert wrapper.unwrapped._adjusted == {"motor_strength": 0.5}
    world.close()
