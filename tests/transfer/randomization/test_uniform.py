"""Uniform randomization: any world with parameters, drawn anew at every reset, reproducibly."""

import gymnasium
import numpy as np
import pytest
from headstart.envs import Parameter, ParameterError, ParameterSpace
from headstart.envs.changes import ChangeError, Choice, Normal, Uniform, parse
from headstart.transfer.randomization import UniformRandomization


class Spring(gymnasium.Env):
    """A user's own parameterized world, no relative of ours."""

    observation_space = gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float32)
    action_space = gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float32)
    parameters = ParameterSpace(
        [
            Parameter("stiffness", "N/m", 4.0, 1.0, 9.0, "stiffness"),
            Parameter("damping", "N s/m", 0.5, 0.0, 2.0, "damping"),
        ]
    )

    def __init__(self):
        self.values = self.parameters.nominal()

    def set_parameters(self, values):
        self.values = {**self.parameters.nominal(), **self.parameters.validate(values)}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        start = self.np_random.uniform(-1, 1, 1).astype(np.float32)
        return start, {"parameters": dict(self.values)}


def draws(changes, seed, count):
    world = UniformRandomization(Spring(), changes)
    found = [world.reset(seed=seed)[1]["parameters"]]
    return found + [world.reset()[1]["parameters"] for _ in range(count - 1)]


def test_every_reset_draws_anew_and_the_seed_decides_all_of_it():
    changes = {"stiffness": "* uniform(0.5, 2)"}
    first = draws(changes, 7, 50)
    assert first == draws(changes, 7, 50)
    assert first != draws(changes, 8, 50)
    stiffness = [values["stiffness"] for values in first]
    assert len(set(stiffness)) == 50
    assert min(stiffness) >= 2.0
    assert max(stiffness) <= 8.0
    assert {values["damping"] for values in first} == {0.5}


class Worn(gymnasium.Wrapper):
    parameters = ParameterSpace([Parameter("wear", "", 1.0, 0.0, 1.0, "wear", live=True)])

    def set_parameters(self, values):
        pass


def test_the_wrapper_that_cannot_change_during_an_episode_is_named():
    said = r"^wrapper '\S+:Worn' cannot change parameters during an episode"
    with pytest.raises(ParameterError, match=said):
        UniformRandomization(Worn(Spring()), {"wear": "= uniform(0, 1) every step"})


def test_text_and_objects_draw_the_same():
    text = {"stiffness": "+ normal(0, 1)", "damping": "= choice(0, 1, 2)"}
    objects = {name: parse(change) for name, change in text.items()}
    assert draws(text, 3, 20) == draws(objects, 3, 20)
    assert parse("+ normal(0, 1)").value == Normal(0, 1)
    assert parse("= choice(0, 1, 2)").value == Choice((0, 1, 2))
    assert parse("= uniform(0, 1)").value == Uniform(0, 1)


def test_draws_come_from_a_stream_of_their_own():
    plain = Spring()
    randomized = UniformRandomization(Spring(), {"stiffness": "* uniform(0.5, 2)"})
    starts = [plain.reset(seed=5)[0], plain.reset()[0]]
    assert [randomized.reset(seed=5)[0], randomized.reset()[0]] == starts


def test_the_mean_is_that_of_the_distribution():
    values = [v["damping"] for v in draws({"damping": "= uniform(0, 2)"}, 0, 2_000)]
    # Mean 1, standard deviation 2 / sqrt(12); 4 standard errors.
    assert abs(np.mean(values) - 1.0) < 4 * 2 / np.sqrt(12 * 2_000)


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"stifness": "* 2"}, ParameterError, "did you mean 'stiffness'"),
        ({"stiffness": "* uniform(0.1, 1)"}, ChangeError, "outside the bounds"),
        ({"damping": "uniform(0, 1)"}, ChangeError, "cannot read"),
    ],
)
def test_mistakes_are_named(changes, error, said):
    with pytest.raises(error, match=said):
        UniformRandomization(Spring(), changes)


def test_a_world_without_parameters_is_refused():
    world = gymnasium.make("Pendulum-v1")
    with pytest.raises(ParameterError, match="'Pendulum-v1' has no parameters"):
        UniformRandomization(world, {"mass": "* 2"})
    world.close()


def test_our_worlds_report_what_was_drawn():
    world = UniformRandomization(
        gymnasium.make("headstart/PandaReach-v0"), {"payload_mass": "= uniform(1, 2)"}
    )
    seen = [world.reset(seed=seed)[1]["parameters"]["payload_mass"] for seed in range(5)]
    again = [world.reset(seed=seed)[1]["parameters"]["payload_mass"] for seed in range(5)]
    world.close()
    assert seen == again
    assert len(set(seen)) == 5
    assert all(1 <= value <= 2 for value in seen)
