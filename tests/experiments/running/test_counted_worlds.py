"""What interacts with the target before it is counted is found out."""

import gymnasium
import pytest
from headstart.core.files import write_text
from headstart.experiments.config.schema import build
from headstart.experiments.config.yaml_text import dumps
from headstart.experiments.running.unit import CountedWorlds, run_unit

METHOD = """
from dataclasses import dataclass
from typing import ClassVar

@dataclass(frozen=True)
class Peeps:
    name: ClassVar[str] = "peeps"
    trains: ClassVar[bool] = True
    needs_source: ClassVar[bool] = False
    steps: int = 0

    def start(self, problem):
        learner = problem.create(problem.algorithm)
        world = problem.make_world()
        world.reset(seed=0)
        for _ in range(self.steps):
            world.step(world.action_space.sample())
        world.close()
        return learner
"""


@pytest.mark.parametrize("steps", [0, 7])
def test_a_method_must_not_step_worlds_before_its_training(tmp_path, monkeypatch, steps):
    (tmp_path / "peeping.py").write_text(METHOD)
    monkeypatch.syspath_prepend(tmp_path)
    experiment = build(
        {
            "name": "peep",
            "source": {
                "world": "Pendulum-v1",
                "algorithm": {"ppo": {"worlds": 2, "n_steps": 16, "batch_size": 32}},
                "steps": 64,
            },
            "targets": {"heavy": {"kwargs": {"g": 14.0}, "steps": 64}},
            "methods": ["scratch", {"peeping:Peeps": {"steps": steps, "label": "peeps"}}],
            "seeds": [0],
            "evaluation": {"every": 32, "episodes": 1, "anchor_episodes": 4},
        }
    )
    run = tmp_path / "run"
    write_text(run / "experiment.yaml", dumps(experiment.resolved()))
    state, why = run_unit(run, "trials/heavy/peeps/seed-0", lambda *_: None)
    if steps == 0:
        assert (state, why) == ("done", None)
    else:
        assert state == "failed"
        assert "method peeps took 7 steps in the target in its `start`" in why


def test_worlds_are_counted_until_told_to_stop():
    worlds = CountedWorlds(lambda: gymnasium.make("Pendulum-v1"))
    one, other = worlds.make(), worlds.make()
    for world in (one, other, one):
        world.reset(seed=0)
        world.step(world.action_space.sample())
    assert worlds.stop() == 3
    one.step(one.action_space.sample())
    assert "step" not in vars(one)
    assert "step" not in vars(worlds.make())
    assert worlds.steps == 3
    one.close()
    other.close()
