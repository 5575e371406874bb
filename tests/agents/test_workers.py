"""Training with worlds in worker processes is the same training, bit for bit."""

import gymnasium as gym
import pytest
import torch
from headstart.agents.bundles import bundle
from headstart.agents.learner import create
from headstart.agents.training import train
from headstart.core.errors import HeadstartError
from headstart.transfer.randomization import randomized


def reach() -> gym.Env:
    world = gym.make("headstart/PandaReach-v0", max_episode_steps=20)
    return randomized(world, {"payload_mass": "= uniform(0, 1)"})


def trained(learner, steps, save=None):
    unasked = {"evaluate": lambda _: None, "on_evaluation": lambda *_: None}
    saving = {"checkpoint_every": 100, "save_checkpoint": save}
    train(learner, steps=steps, seed=5, grid=[], **saving, **unasked)
    return learner.tensors(), learner.normalizer.obs_rms


def same(first, second):
    tensors = all(torch.equal(tensor, second[0][name]) for name, tensor in first[0].items())
    return tensors and (first[1].mean == second[1].mean).all() and first[1].count == second[1].count


# Each worker is a process that imports torch.
@pytest.mark.parametrize(("algorithm", "workers"), [("ppo", 3), ("sac", 2)])
def test_the_number_of_workers_changes_nothing(small, tmp_path, algorithm, workers):
    settings = {"worlds": 4, "normalize_reward": True}
    one = create(small(algorithm, **settings), reach, 0)
    many = create(small(algorithm, **settings), reach, 0, workers=workers)
    expected = trained(one, 300)
    half = tmp_path / "half"

    def save(step):
        if not half.exists():
            bundle.save(many, half, world_id="headstart/PandaReach-v0", replay_buffer=True)

    assert same(expected, trained(many, 300, save))
    # What workers had begun goes on without any.
    resumed = bundle.load(half).learner(reach, 0)
    assert 0 < resumed.steps < many.steps
    assert same(expected, trained(resumed, 300))
    for learner in (one, many, resumed):
        learner.close()


def test_fewer_than_no_workers_are_refused(small, pendulum):
    with pytest.raises(HeadstartError, match="-1 workers"):
        create(small("ppo"), pendulum, 0, workers=-1)
