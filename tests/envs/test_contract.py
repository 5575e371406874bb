"""What every world of the catalog must hold; a new world is tested without an edit here."""

import hashlib
import subprocess
import sys

import gymnasium
import numpy as np
import psutil
import pytest
from gymnasium.utils.env_checker import check_env as check_gymnasium
from headstart.envs import WORLDS, ParameterError
from headstart.envs.errors import HeadstartError
from stable_baselines3.common.env_checker import check_env as check_sb3

worlds = pytest.mark.parametrize("world_id", list(WORLDS))


@pytest.fixture
def world(world_id):
    env = gymnasium.make(world_id).unwrapped
    yield env
    env.close()


def actions_of(world, count, seed=0):
    shape = (count, *world.action_space.shape)
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


def trajectory(world, seed, steps=60, actions_seed=0):
    """Observations, rewards and ends of some steps, as bytes; goes on over an end."""
    observation, _ = world.reset(seed=seed)
    parts = [observation.tobytes()]
    for action in actions_of(world, steps, actions_seed):
        observation, reward, terminated, truncated, _ = world.step(action)
        parts += [observation.tobytes(), np.float64(reward).tobytes()]
        if terminated or truncated:
            parts.append(world.reset()[0].tobytes())
    return b"".join(parts)


def corners(world, count, seed=0):
    """Parameter values at random corners of the box of bounds, and then inside it."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        where = rng.random(len(world.parameters))
        if number % 2 == 0:
            where = np.round(where)
        yield {
            p.name: p.low + w * (p.high - p.low)
            for p, w in zip(world.parameters.values(), where, strict=True)
        }


@worlds
@pytest.mark.filterwarnings("ignore:.*Box observation space m.*infinity:UserWarning")
def test_passes_the_checkers_of_gymnasium_and_sb3(world):
    check_gymnasium(world, skip_render_check=True)
    check_sb3(world, skip_render_check=True)


@worlds
def test_has_enough_parameters_each_with_a_unit_and_bounds(world):
    assert len(world.parameters) >= 12
    for parameter in world.parameters.values():
        assert parameter.unit
        assert parameter.about
        assert parameter.low < parameter.high


@worlds
def test_the_same_seed_gives_the_same_trajectory_whatever_happened_before(world):
    first = trajectory(world, seed=3)
    for values in corners(world, 4):
        world.set_parameters(values)
        trajectory(world, seed=5, steps=30, actions_seed=1)
    world.set_parameters({})
    assert trajectory(world, seed=3) == first
    assert trajectory(world, seed=4) != first


@worlds
def test_the_same_seed_gives_the_same_trajectory_in_another_process(world, world_id):
    script = (
        f"import sys; sys.path.insert(0, {str(__file__).rsplit('/', 1)[0]!r})\n"
        "import gymnasium, hashlib, headstart.envs\n"
        "from test_contract import trajectory\n"
        f"world = gymnasium.make({world_id!r}).unwrapped\n"
        "print(hashlib.sha256(trajectory(world, seed=3)).hexdigest())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    there = done.stdout.split()
    assert hashlib.sha256(trajectory(world, seed=3)).hexdigest() in there


@worlds
def test_two_worlds_in_one_process_do_not_disturb_each_other(world, world_id):
    alone = trajectory(world, seed=3)
    other = gymnasium.make(world_id).unwrapped
    other.set_parameters(next(corners(other, 1)))
    observation, _ = world.reset(seed=3)
    parts = [observation.tobytes()]
    other.reset(seed=9)
    for action in actions_of(world, 60):
        observation, reward, terminated, truncated, _ = world.step(action)
        parts += [observation.tobytes(), np.float64(reward).tobytes()]
        if terminated or truncated:
            parts.append(world.reset()[0].tobytes())
        if any(other.step(-action)[2:4]):
            other.reset()
    other.close()
    assert b"".join(parts) == alone


@worlds
def test_every_parameter_has_an_effect(world):
    nominal = trajectory(world, seed=3, steps=40)
    for parameter in world.parameters.values():
        far = max((parameter.low, parameter.high), key=lambda v: abs(v - parameter.nominal))
        world.set_parameters({parameter.name: far})
        assert trajectory(world, seed=3, steps=40) != nominal, parameter.name
    world.set_parameters(world.parameters.nominal())
    assert trajectory(world, seed=3, steps=40) == nominal


@worlds
def test_nothing_compounds_over_a_thousand_random_resets(world):
    nominal = trajectory(world, seed=3, steps=20)
    for values in corners(world, 1_000):
        world.set_parameters(values)
        world.reset()
    world.set_parameters({})
    assert trajectory(world, seed=3, steps=20) == nominal


@worlds
def test_memory_and_clients_do_not_grow_over_2000_resets(world):
    process = psutil.Process()
    draws = list(corners(world, 20))

    def resets(count):
        for number in range(count):
            world.set_parameters(draws[number % len(draws)])
            world.reset()
            world.step(world.action_space.low)

    client = world.simulation.client
    resets(200)
    before = process.memory_info().rss
    resets(2_000)
    assert process.memory_info().rss - before < 5 * 2**20
    assert world.simulation.client == client


@worlds
def test_numbers_stay_finite_over_the_whole_box_of_bounds(world):
    for values in corners(world, 20):
        world.set_parameters(values)
        world.reset(seed=1)
        for action in actions_of(world, 100):
            observation, reward, terminated, truncated, _ = world.step(np.sign(action))
            assert np.all(np.isfinite(observation)), values
            assert np.isfinite(reward), values
            assert np.all(np.abs(observation) < 1e3), values
            if terminated or truncated:
                world.reset()


@worlds
def test_no_observation_element_is_constant_and_none_shares_memory(world):
    seen = [world.reset(seed=0)[0]]
    for action in actions_of(world, 300):
        observation, _, terminated, truncated, _ = world.step(action)
        assert not any(np.shares_memory(observation, earlier) for earlier in seen[-2:])
        seen.append(observation)
        if terminated or truncated:
            seen.append(world.reset()[0])
    assert np.all(np.std(seen, axis=0) > 0)


@worlds
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


@worlds
def test_a_bad_parameter_changes_nothing(world):
    name = next(iter(world.parameters))
    high = world.parameters[name].high
    world.set_parameters({name: high})
    for values in ({"no_such": 1.0}, {name: high + 1.0}, {name: float("nan")}):
        with pytest.raises(ParameterError, match=r"no_such|outside its bounds"):
            world.set_parameters(values)
    assert world.reset()[1]["parameters"][name] == high


@worlds
@pytest.mark.parametrize("size", [-1, 0, 1])
def test_bad_actions_are_refused(world, size):
    world.reset(seed=0)
    action = np.full(world.action_space.shape[0] + size, np.nan if size == 0 else 0.0)
    with pytest.raises(ValueError, match="action"):
        world.step(action)


@worlds
def test_close_twice(world):
    world.close()
    world.close()


@worlds
def test_renders_pictures_that_move_and_simulates_the_same_when_it_does(world, world_id):
    seen = gymnasium.make(world_id, render_mode="rgb_array").unwrapped
    assert trajectory(seen, seed=3) == trajectory(world, seed=3)
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
    from headstart.envs.making import WorldSpec

    with pytest.raises(HeadstartError, match="did you mean 'headstart/PandaReach-v0'"):
        build("headstart/PandaRaech-v0")
    with pytest.raises(HeadstartError, match="did you mean 'headstart/PandaReach-v0'"):
        WorldSpec("headstart/PandaRaech-v0").make()
    with pytest.raises(HeadstartError, match="did you mean 'rgb_array'"):
        build("headstart/PandaReach-v0", render_mode="rgb_aray")
