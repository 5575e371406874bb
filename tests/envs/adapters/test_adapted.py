"""Named parameters of other packages' environments: set, read back, and mistakes named."""

import importlib.util
import re

import gymnasium as gym
import numpy as np
import pytest
from headstart.core.errors import HeadstartError
from headstart.envs.adapters import Adapted, adapt_env, adapt_known
from headstart.envs.adapters.signals import Signals
from headstart.envs.changes import ChangeError
from headstart.envs.parameters import Adjustable, ParameterError
from headstart.envs.spec import WorldSpec
from headstart.transfer.randomization import UniformRandomization

needs = {
    name: pytest.mark.skipif(importlib.util.find_spec(name) is None, reason=f"needs {name}")
    for name in ("mujoco", "panda_gym", "highway_env")
}


class Kite(gym.Env):
    """An environment with a setter of its own, an argument, and a number that reset undoes."""

    observation_space = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)
    action_space = gym.spaces.Box(-2.0, 2.0, (1,), np.float32)

    def __init__(self, wind=1.0):
        self.wind, self.length, self.drag = wind, 3.0, 0.5
        self.task = {}

    def set_task(self, task):
        self.task.update(task)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.drag = 0.5
        return self.np_random.uniform(-1, 1, 2).astype(np.float32), {}

    def step(self, action):
        return np.full(2, action[0] / 4, np.float32), 0.0, False, False, {}


@pytest.fixture
def kite():
    spec = gym.envs.registration.EnvSpec(
        "Kite-v0", Kite, kwargs={"wind": 1.0}, disable_env_checker=True, order_enforce=False
    )
    gym.registry["Kite-v0"] = spec
    yield lambda declared: Adapted(gym.make("Kite-v0"), declared)
    del gym.registry["Kite-v0"]


def in_force(world, shift, **options):
    env = WorldSpec(world, shift=shift, **options).make()
    parameters = env.reset(seed=0)[1]["parameters"]
    for _ in range(3):
        env.step(env.action_space.sample())
    return env, {name: parameters[name] for name in shift}


@pytest.mark.parametrize(
    ("world", "shift", "expected"),
    [
        ("CartPole-v1", {"masspole": "* 3", "action_delay": "= 0.04"}, (0.3, 0.04)),
        ("Pendulum-v1", {"g": "= 14", "l": "* 1.5"}, (14.0, 1.5)),
        ("Acrobot-v1", {"LINK_MASS_1": "+ 0.5"}, (1.5,)),
        ("MountainCarContinuous-v0", {"power": "* 2"}, (0.003,)),
        pytest.param(
            "Hopper-v5",
            {"body_mass[torso]": "= 5", "geom_friction[floor].0": "= 0.4", "gravity": "* 0.5"},
            (5.0, 0.4, -4.905),
            marks=needs["mujoco"],
        ),
        pytest.param(
            "panda_gym:PandaPush-v3",
            {"object_mass": "* 2", "bullet.lateral_friction[table]": "= 0.3"},
            (2.0, 0.3),
            marks=needs["panda_gym"],
        ),
        pytest.param(
            "highway_env:highway-fast-v0",
            {"vehicles_density": "* 1.5", "vehicles_count": "= 12"},
            (1.5, 12),
            marks=needs["highway_env"],
        ),
    ],
)
def test_a_shift_is_read_back(world, shift, expected):
    env, found = in_force(world, shift)
    assert tuple(found.values()) == pytest.approx(expected, rel=1e-5)
    env.close()


def test_nominally_an_adapted_environment_is_the_same():
    plain, adapted = gym.make("Pendulum-v1"), adapt_env(gym.make("Pendulum-v1"))
    assert (plain.reset(seed=3)[0] == adapted.reset(seed=3)[0]).all()
    for action in np.linspace(-2, 2, 20, dtype=np.float32):
        first, second = plain.step(action[None]), adapted.step(action[None])
        assert (first[0] == second[0]).all()
        assert first[1:4] == second[1:4]


def test_derived_numbers_follow():
    env, _ = in_force("CartPole-v1", {"masspole": "= 0.4", "length": "= 1"})
    inner = env.unwrapped
    assert inner.total_mass == pytest.approx(1.4)
    assert inner.polemass_length == pytest.approx(0.4)


@needs["mujoco"]
def test_inertia_follows_mass_and_nominals_come_back():
    env = Adapted(gym.make("Hopper-v5"))
    model = env.unwrapped.model
    mass, inertia = model.body_mass.copy(), model.body_inertia.copy()
    env.set_parameters({"mass_scale": 2.0, "strength_scale": 0.5})
    env.reset(seed=0)
    assert model.body_mass == pytest.approx(2 * mass)
    assert model.body_inertia == pytest.approx(2 * inertia)
    assert model.actuator_gear[:, 0] == pytest.approx(np.full(3, 100.0))
    env.parameters["body_mass[leg]"]
    env.set_parameters({"body_mass[leg]": 9.0})
    env.reset(seed=0)
    leg = model.body("leg").id
    assert model.body_mass[leg] == 9.0
    assert model.body_inertia[leg] == pytest.approx(9.0 / mass[leg] * inertia[leg])
    env.set_parameters({})
    env.reset(seed=0)
    assert model.body_mass == pytest.approx(mass)
    assert model.body_inertia == pytest.approx(inertia)
    env.close()


def test_names_are_given_to_paths():
    declared = {"pole": {"path": "masspole", "low": 0.05, "high": 0.2, "unit": "kg"}}
    env = WorldSpec("CartPole-v1", parameters=declared, shift={"pole": "* 2"}).make()
    assert env.reset(seed=0)[1]["parameters"]["pole"] == 0.2
    # The hook is that of the preset of the same number.
    assert env.unwrapped.total_mass == pytest.approx(1.2)
    with pytest.raises(ChangeError, match=r"gives 0.3 kg, outside the bounds \[0.05, 0.2\]"):
        WorldSpec("CartPole-v1", parameters=declared, shift={"pole": "* 3"}).make()


def test_an_environment_is_made_anew_for_its_arguments(kite):
    env = kite({"wind": "kwargs.wind"})
    env.set_parameters({"wind": 2.0})
    first = [env.reset(seed=4)[0]]
    assert env.unwrapped.wind == 2.0
    env.set_parameters({"wind": 3.0})
    first.append(env.reset()[0])
    assert env.unwrapped.wind == 3.0
    env.set_parameters({"wind": 2.0})
    again = [env.reset(seed=4)[0]]
    env.set_parameters({"wind": 3.0})
    again.append(env.reset()[0])
    assert np.array_equal(first, again)


def test_a_setter_of_its_own_is_called(kite):
    env = kite({"height": {"path": "height", "setter": "set_task", "nominal": 10.0}})
    env.set_parameters({"height": 20.0})
    assert env.reset(seed=0)[1]["parameters"]["height"] == 20.0
    assert env.unwrapped.task == {"height": 20.0}


def test_what_a_reset_undoes_is_reported(kite):
    env = kite({"drag": "drag"})
    env.set_parameters({"drag": 0.7})
    said = "'drag' was set to 0.7, and the environment's reset puts it to 0.5"
    with pytest.raises(ParameterError, match=said):
        env.reset(seed=0)


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ({"x": "lenght"}, "has no 'lenght'; did you mean 'length'"),
        ({"x": {"path": "task"}}, "'task' is no number but a dict"),
        ({"x": {"low": 1}}, "its 'path' is missing"),
        ({"x": {"path": "length", "hgih": 1}}, "unknown key 'hgih'; did you mean 'high'"),
        ({"x": {"path": "kwargs.gust"}}, "say its 'nominal'"),
        ({"x": {"path": "h", "setter": "set_tsk", "nominal": 1}}, "did you mean 'set_task'"),
        ({"x": {"path": "length", "derived": "json:nothing"}}, "derived 'json:nothing'"),
        ({"x": 3}, "expected a path or a mapping"),
    ],
)
def test_mistakes_are_named(kite, declared, said):
    with pytest.raises(HeadstartError, match=re.escape(said)):
        kite(declared)


@needs["mujoco"]
@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("body_mass[tors]", "body_mass has no row 'tors'; did you mean 'torso'?"),
        ("bodymass[torso]", "did you mean 'body_mass'?"),
        ("geom_friction[floor]", "a row of geom_friction has 3 numbers"),
        ("body_mass", "needs a row: body_mass[torso]"),
        ("body_mass[99]", "has the rows 0 to 4"),
    ],
)
def test_paths_of_a_model_are_checked(path, said):
    with pytest.raises(ParameterError, match=re.escape(said)):
        WorldSpec("Hopper-v5", shift={path: "* 2"}).make()


def test_what_is_not_known_is_suggested(kite):
    env = kite({})
    assert not env.known
    assert list(env.suggestions()) == ["drag", "length", "wind"]
    assert adapt_known(gym.make("Kite-v0")).has_wrapper_attr("parameters") is False
    assert adapt_known(gym.make("CartPole-v1")).has_wrapper_attr("parameters")


def test_an_adapted_environment_is_randomized():
    env = UniformRandomization(
        WorldSpec("CartPole-v1", parameters={}).make(), {"masspole": "* uniform(1, 5)"}
    )
    drawn = [env.reset(seed=seed)[1]["parameters"]["masspole"] for seed in range(5)]
    assert len(set(drawn)) == 5
    assert drawn == [env.reset(seed=seed)[1]["parameters"]["masspole"] for seed in range(5)]


BOX = gym.spaces.Box(-10.0, 10.0, (2,), np.float32)
STICK = gym.spaces.Box(-2.0, 2.0, (1,), np.float32)


def signals(period=0.1, actions=STICK, **values):
    one = Signals(BOX, actions, period)
    nominal = {p.name: p.nominal for p in one.parameters()}
    one.configure({**nominal, **values})
    return one, np.random.default_rng(0)


def test_actions_come_late_weak_and_slow():
    late, rng = signals(action_delay=0.15)
    late.reset(np.zeros(2, np.float32), rng)
    acts = [late.send(np.array([v], np.float32), rng)[0] for v in (1.0, 2.0, 0.0, 0.0)]
    # One step and a half ago; before the first there is the first.
    assert acts == pytest.approx([1.0, 1.0, 1.5, 1.0])
    weak, rng = signals(action_gain=0.5)
    weak.reset(np.zeros(2, np.float32), rng)
    assert weak.send(np.array([2.0], np.float32), rng)[0] == 1.0
    slow, rng = signals(action_lag=0.1)
    slow.reset(np.zeros(2, np.float32), rng)
    first, second = (slow.send(np.array([1.0], np.float32), rng)[0] for _ in range(2))
    # 1 - 1/e after one time constant, 1 - 1/e^2 after two.
    assert (first, second) == pytest.approx((0.632121, 0.864665), abs=1e-5)


def test_discrete_actions_come_whole_steps_late():
    late, rng = signals(actions=gym.spaces.Discrete(4), action_delay=0.2)
    late.reset(np.zeros(2, np.float32), rng)
    assert [late.send(action, rng) for action in (3, 1, 2, 0)] == [3, 3, 3, 1]


def test_observations_are_disturbed():
    seen, rng = signals(observation_noise=0.5, observation_bias=1.0)
    rows = np.array([seen.report(np.zeros(2, np.float32), rng) for _ in range(2_000)])
    assert rows.dtype == np.float32
    assert rows.mean() == pytest.approx(1.0, abs=0.05)
    assert rows.std() == pytest.approx(0.5, abs=0.03)
    late, rng = signals(observation_delay=0.1)
    late.reset(np.ones(2, np.float32), rng)
    assert [late.report(np.full(2, v, np.float32), rng)[0] for v in (2, 3, 4)] == [1, 2, 3]
    lost, rng = signals(observation_dropout=0.5)
    lost.reset(np.zeros(2, np.float32), rng)
    rows = np.array([lost.report(np.full(2, v, np.float32), rng) for v in range(1, 1_001)])
    repeated = np.diff(rows, axis=0) == 0
    assert repeated.mean() == pytest.approx(0.5, abs=0.05)


def test_noise_may_change_during_an_episode():
    env = adapt_env(gym.make("Pendulum-v1"))
    assert isinstance(env, Adjustable)
    assert env.period == 0.05
    env.reset(seed=0)
    env.adjust_parameters({"observation_bias": 2.0})
    assert env.step(np.zeros(1, np.float32))[0][0] > 0.9
    with pytest.raises(ParameterError, match="'m' is fixed during an episode"):
        env.adjust_parameters({"m": 2.0})
