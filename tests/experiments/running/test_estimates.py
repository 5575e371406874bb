"""What an adapted policy estimates beside what is true: by hand, as a picture, refused."""

import numpy as np
import pytest
from headstart.agents.algorithms import resolve_algorithm
from headstart.agents.bundles import bundle
from headstart.agents.learner import create
from headstart.agents.training import train
from headstart.core.errors import HeadstartError
from headstart.envs.spec import WorldSpec
from headstart.experiments.running.estimates import change_table, trace_estimates
from headstart.experiments.showing.figures.estimates import estimate_pictures
from headstart.transfer.methods import Problem, resolve_method
from headstart.transfer.randomization import randomized

POLE = "headstart/CartPoleSwingUp-v0"
PPO = {"worlds": 2, "n_steps": 64, "batch_size": 64, "n_epochs": 1}
PPO["policy_kwargs"] = {"net_arch": [8]}
WEAK = {"motor_strength": "* 0.5 after 1 s"}


def source():
    changes = {"pole_mass": "* uniform(0.5, 2)", "motor_strength": "* uniform(0.5, 1.5)"}
    return randomized(WorldSpec(POLE).make(), changes)


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """Bundles of a teacher and of its student."""
    folder = tmp_path_factory.mktemp("bundles")
    sees = {"parameters": ["pole_mass", "motor_strength"], "latent": 2}
    one = create(resolve_algorithm({"ppo": {**PPO, "policy_sees": sees}}, POLE), source, 0)
    train(one, steps=128, seed=0, grid=[], evaluate=print, on_evaluation=print)
    bundle.save(one, folder / "teacher", world_id=POLE)
    one.close()
    teacher = bundle.load(folder / "teacher")
    target = WorldSpec(POLE).make
    problem = Problem(teacher, teacher.algorithm, target, 3, 640, make_source=source)
    student = resolve_method({"adapt": {"frames": 13, "source_steps": 2048}}).start(problem)
    view = student.model.policy.features_extractor
    view.probe[:] = 0
    view.probe[-1, 0] = -1.0  # says the lowest pole mass, 0.02 kg, whatever it sees
    view.explained[1] = 0.25
    bundle.save(student, folder / "student", world_id=POLE)
    student.close()
    return folder


def test_estimates_stand_beside_what_is_true(places):
    found = trace_estimates(places / "student", None, WEAK, [1, 2])
    assert [one.name for one in found.parameters] == ["pole_mass", "motor_strength"]
    assert (found.explained[1], found.changes, found.period) == (0.25, [25], pytest.approx(0.04))
    for one, other in zip(found.episodes, found.unchanged, strict=True):
        assert one.estimated[:, 0] == pytest.approx(0.02)
        assert one.true[:, 1].tolist() == [1.0] * 25 + [0.5] * (len(one.rewards) - 25)
        assert np.array_equal(one.rewards[:25], other.rewards[:25])
        assert not np.array_equal(one.rewards, other.rewards)
    table = change_table(found)
    assert list(table.columns[0].cells) == ["changed", "not changed"]
    before = np.mean([one.rewards[:25].sum() for one in found.episodes])
    assert list(table.columns[1].cells) == [f"{before:.3f}"] * 2
    assert list(table.columns[-1].cells) == ["2 of 2"] * 2
    pictures = estimate_pictures(found, "estimate")
    assert pictures["estimate.png"].startswith(b"\x89PNG")


def test_a_policy_that_estimates_nothing_is_refused(places):
    with pytest.raises(HeadstartError, match="estimates nothing: it is no policy of the method"):
        trace_estimates(places / "teacher", None, WEAK, [1])
