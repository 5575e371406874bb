"""Critics see what is privileged, actors do not, and bundles know what it was."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from headstart.agents.algorithms import resolve_algorithm
from headstart.agents.bundles import bundle
from headstart.agents.evaluation import evaluate
from headstart.agents.learner import create
from headstart.agents.policies.asymmetric import CriticView
from headstart.agents.policies.layers import actor_names
from headstart.agents.training import train
from headstart.core.errors import HeadstartError
from headstart.envs.privileged import Privileges
from headstart.envs.spec import WorldSpec
from headstart.transfer.methods import Problem, resolve_method
from headstart.transfer.randomization import randomized

POLE = "headstart/CartPoleSwingUp-v0"
OFF_POLICY = {"learning_starts": 8, "batch_size": 8, "buffer_size": 100, "train_freq": 4}
SETTINGS = {
    "ppo": {"worlds": 2, "n_steps": 16, "batch_size": 16, "n_epochs": 2},
    "recurrent_ppo": {"worlds": 2, "n_steps": 16, "batch_size": 16, "n_epochs": 2},
    "sac": OFF_POLICY,
    "stable_baselines3:TD3": {**OFF_POLICY, "action_noise": 0.1},
    "sb3_contrib:TQC": OFF_POLICY,
}


def make():
    return randomized(WorldSpec(POLE).make(), {"pole_mass": "* uniform(0.5, 2)"})


def asymmetric(name, **settings):
    net = {"policy_kwargs": {"net_arch": [8]}, "critic_sees": ["pole_mass", "pole_velocity"]}
    return resolve_algorithm({name: {**SETTINGS[name], **net, **settings}}, POLE)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Bundles of policies that learned for a moment, one with a history."""
    found = {}
    for name in SETTINGS:
        one = create(asymmetric(name, **({"history": 3} if name == "ppo" else {})), make, 0)
        train(one, steps=64, seed=0, grid=[], evaluate=print, on_evaluation=print)
        directory = tmp_path_factory.mktemp("trained") / "bundle"
        bundle.save(one, directory, world_id=POLE)
        one.normalizer.training = False  # what tests look at changes nothing
        found[name] = one, bundle.load(directory)
    yield found
    for one, _ in found.values():
        one.close()


@pytest.mark.parametrize("name", SETTINGS)
def test_what_is_privileged_reaches_the_critic_and_never_the_actor(trained, name):
    one, _ = trained[name]
    policy = one.model.policy
    seen, _ = policy.obs_to_tensor(one.worlds.reset())
    other = {**seen, "privileged": seen["privileged"] + 3.0}
    assert not torch.equal(seen["privileged"], other["privileged"])
    if not one.algorithm.on_policy:
        actions = [policy._predict(part, deterministic=True) for part in (seen, other)]
        values = [policy.critic(part, actions[0])[0] for part in (seen, other)]
    elif name == "ppo":
        actions = [policy._predict(part, deterministic=True) for part in (seen, other)]
        values = [policy.predict_values(part) for part in (seen, other)]
    else:
        state = (torch.zeros(1, 2, 64), torch.zeros(1, 2, 64)), torch.ones(2)
        actions = [policy._predict(part, *state, deterministic=True)[0] for part in (seen, other)]
        values = [policy.predict_values(part, *state) for part in (seen, other)]
    assert torch.equal(*actions)
    assert not torch.equal(*values)


def test_critics_see_what_is_privileged_on_a_small_scale():
    box = gym.spaces.Box(-9, 9, (2,))
    space = gym.spaces.Dict({"observation": box, "privileged": gym.spaces.Box(-9, 9, (3,))})
    seen = {"observation": torch.ones(1, 2), "privileged": torch.tensor([[1.0, -2.0, 0.5]])}
    critic = CriticView(space)
    assert torch.allclose(critic(seen), torch.tensor([[1.0, 1.0, 0.1, -0.2, 0.05]]))
    # It stays with the network: a bundle keeps the scale that it learned with.
    assert "weight" in critic.state_dict()


@pytest.mark.parametrize("name", SETTINGS)
def test_bundles_act_without_what_is_privileged(trained, name):
    one, made = trained[name]
    nominal = (2 * (0.1 - 0.02) / (4.0 - 0.02) - 1,)  # 0.1 kg between its bounds
    seen = Privileges(("pole_mass",), (("pole_velocity", 1),), (), None, nominal)
    assert made.privileges == one.privileges == seen
    assert made.observation_space.shape == (5,)
    expected = evaluate(one.acting(), WorldSpec(POLE).make, [1, 2])
    found = evaluate(made.policy().acting(), WorldSpec(POLE).make, [1, 2])
    assert np.array_equal(found.returns, expected.returns)


def test_critics_see_true_values():
    """The parameter by its bounds, [0.02, 4] kg, and the channel without its delay."""
    one = create(asymmetric("ppo"), make, 0)
    one.worlds.reset()
    infos = one.worlds.unwrapped.reset_infos
    raw = one.normalizer.get_original_obs()["privileged"]
    worlds = [env.unwrapped for env in one.worlds.unwrapped.envs]
    for row, info, world in zip(raw, infos, worlds, strict=True):
        mass = info["parameters"]["pole_mass"]
        assert row[0] == pytest.approx(2 * (mass - 0.02) / 3.98 - 1, abs=1e-6)
        assert row[1] == pytest.approx(world.true_values()["pole_velocity"][0], abs=1e-6)
    assert raw[0, 0] != raw[1, 0]
    one.close()


def started(trained, method, name="ppo", **settings):
    made = trained[name][1]
    if settings:
        algorithm = made.algorithm.replace(**settings)
        made = bundle.Bundle(**{**vars(made), "algorithm": algorithm})
    target = WorldSpec(POLE, shift={"pole_mass": "= 1.0"}).make
    return resolve_method(method).start(Problem(made, made.algorithm, target, 3, 640))


@pytest.mark.parametrize(
    ("there", "mass"), [(None, 0.1), ("nominal", 0.1), ({"pole_mass": 0.5}, 0.5), ("nothing", None)]
)
def test_what_critics_see_in_a_target(trained, there, mass):
    one = started(trained, "naive", **({} if there is None else {"critic_in_target": there}))
    one.worlds.reset()
    raw = one.normalizer.get_original_obs()["privileged"][0]
    nominal = gym.make(POLE).unwrapped.parameters["pole_mass"].nominal
    assert nominal == 0.1
    if mass is None:
        assert raw.tolist() == [0, 0]
    else:
        assert raw[0] == pytest.approx(2 * (mass - 0.02) / 3.98 - 1, abs=1e-6)
    one.close()


@pytest.mark.parametrize("method", ["naive", "feature_reuse", {"fine_tune": {"preset": "careful"}}])
def test_critics_that_see_nothing_begin_anew(trained, method):
    source = trained["ppo"][1].weights()
    kept = started(trained, method)
    new = started(trained, method, critic_in_target="nothing")
    actor = actor_names(new.model.policy)
    first = "mlp_extractor.value_net.0.weight"
    assert torch.equal(kept.tensors()[first], source[first])
    assert not torch.equal(new.tensors()[first], source[first])
    name = "mlp_extractor.policy_net.0.weight"
    assert name in actor
    assert torch.equal(new.tensors()[name], source[name])
    assert not any(key.split("/")[1] not in actor for key in bundle._moments(new))
    kept.close()
    new.close()


def test_a_checkpoint_of_a_re_fitted_critic_is_restored_whole(trained, tmp_path):
    one = started(trained, "naive", critic_in_target="nothing")
    bundle.save(one, tmp_path / "b", world_id=POLE)
    other = started(trained, "naive", critic_in_target="nothing")
    with torch.no_grad():
        for tensor in other.parameters().values():
            tensor.zero_()
    bundle.load(tmp_path / "b").restore(other)
    assert all(torch.equal(a, other.tensors()[name]) for name, a in one.tensors().items())
    one.close()
    other.close()


def test_a_channel_that_no_robot_measures_is_taken_from_the_actor():
    env = gym.make("headstart/Hopper-v0")
    sizes = {channel.name: channel.size for channel in env.unwrapped.channels}
    seen = Privileges.of(env, ["velocity", "pitch"])
    assert seen.hidden == ("velocity",)
    assert len(seen.kept) == sum(sizes.values()) - 2
    space = seen.space(env.observation_space)
    assert (space["observation"].shape[0], space["privileged"].shape[0]) == (len(seen.kept), 3)
    every = Privileges.of(env, "state")
    assert every.hidden == ("height", "velocity")
    assert every.size == sum(sizes.values())
    assert Privileges.of(env, "parameters").parameters == tuple(env.unwrapped.parameters)
    env.close()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"critic_sees": ["pole_mas"]}, "has no 'pole_mas'; did you mean 'pole_mass'?"),
        ({"critic_sees": "parameter"}, "has no 'parameter'; did you mean 'parameters'?"),
        ({"critic_in_target": "nothin"}, "critic_in_target: 'nothin'; did you mean 'nothing'?"),
        ({"critic_sees": None, "critic_in_target": "nominal"}, "say first what critics see"),
        ({"policy": "CnnPolicy"}, "leave 'policy' out"),
    ],
)
def test_mistakes_are_one_clear_line(settings, said):
    with pytest.raises(HeadstartError) as caught:
        create(asymmetric("ppo", **settings), make, 0)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_other_algorithms_and_worlds_are_refused():
    with pytest.raises(HeadstartError, match="expected ppo, recurrent_ppo, sac, stable_b"):
        resolve_algorithm({"stable_baselines3:A2C": {"critic_sees": "parameters"}}, POLE)
    with pytest.raises(HeadstartError, match="this world has no 'parameters'"):
        create(asymmetric("ppo", critic_sees="parameters"), lambda: gym.make("Pendulum-v1"), 0)


def test_an_unmeasured_channel_is_unknown_in_a_target():
    algorithm = asymmetric("ppo", critic_sees=["velocity"])
    hopper = WorldSpec("headstart/Hopper-v0").make
    with pytest.raises(HeadstartError, match="nothing measures 'velocity' in a target: say"):
        create(algorithm, hopper, 0, in_target=True)
    one = create(algorithm.replace(critic_in_target="nothing"), hopper, 0, in_target=True)
    assert one.worlds.reset()["observation"].shape[1] + 2 == hopper().observation_space.shape[0]
    one.close()


def trained_on(one, directory, stop=False):
    """Train to 128 steps with a checkpoint at 64, or to that one only."""

    def save(step):
        bundle.save(one, directory, world_id=POLE, replay_buffer=True)
        if stop and step == 64:
            raise InterruptedError

    options = {"grid": [], "evaluate": print, "on_evaluation": print, "checkpoint_every": 64}
    train(one, steps=128, seed=0, save_checkpoint=save, **options)
    found = {name: tensor.clone() for name, tensor in one.tensors().items()}
    one.close()
    return found


@pytest.mark.parametrize("name", ["ppo", "sac"])
def test_an_interrupted_training_goes_on_exactly(tmp_path, name):
    algorithm = asymmetric(name, history=2)
    expected = trained_on(create(algorithm, make, 0), tmp_path / "whole")
    with pytest.raises(InterruptedError):
        trained_on(create(algorithm, make, 0), tmp_path / "part", stop=True)
    again = create(algorithm, make, 1)
    bundle.load(tmp_path / "part").restore(again)
    found = trained_on(again, tmp_path / "part")
    assert all(torch.equal(tensor, found[name]) for name, tensor in expected.items())
