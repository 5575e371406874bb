"""Callbacks of a user's own: by name, exact over interruptions, their mistakes named."""

import json
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from headstart.agents.bundles import bundle
from headstart.agents.training import train
from headstart.agents.user_callbacks import _as_json, _from_json, make_callbacks
from headstart.core.errors import HeadstartError
from stable_baselines3.common.callbacks import BaseCallback, EveryNTimesteps

CHECKPOINT = "stable_baselines3.common.callbacks:CheckpointCallback"


class Counting(BaseCallback):
    """Keeps what callbacks keep, and sets its counts anew whenever a training starts."""

    def __init__(self, weight=2.0, fail_at=None, stop_at=None):
        super().__init__()
        self.weight, self.fail_at, self.stop_at = weight, fail_at, stop_at
        self.best = -np.inf
        self.rng = np.random.default_rng(3)
        self.file = sys.stderr

    def _on_training_start(self):
        self.rollouts, self.ends, self.seen = 0, [], {"sum": np.zeros(2), 3: (1, None)}

    def _on_rollout_start(self):
        self.rollouts += 1

    def _on_step(self):
        if self.num_timesteps == self.fail_at:
            raise OSError("no\nroom")
        if self.n_calls % 7 == 0:
            self.seen["sum"] = self.seen["sum"] + self.rng.random(2)
        self.best = max(self.best, float(np.max(self.locals["rewards"])))
        return self.num_timesteps != self.stop_at

    def _on_rollout_end(self):
        self.ends.append(self.num_timesteps)


def typed() -> EveryNTimesteps:
    return EveryNTimesteps(64, Counting())


def untyped():
    raise AssertionError("was called")


@pytest.fixture
def named(monkeypatch):
    module = types.ModuleType("mine")
    for one in (Counting, typed, untyped):
        setattr(module, one.__name__, one)
    monkeypatch.setitem(sys.modules, "mine", module)


def begin(learner, algorithm, entries=("mine:Counting",), folder=Path("trial")):
    one = learner(algorithm)
    one.callbacks += make_callbacks(entries, folder)
    return one


def go(one, evaluate, steps, **options):
    train(one, steps=steps, seed=5, grid=[], evaluate=evaluate, on_evaluation=print, **options)


@pytest.mark.parametrize(("algorithm", "steps", "every"), [("ppo", 640, 256), ("sac", 150, 60)])
def test_what_they_keep_goes_on_as_if_never_interrupted(
    learner, evaluate, tmp_path, named, algorithm, steps, every
):
    def save(step):
        if step == 2 * whole(every, whole_by):
            bundle.save(whole_one, tmp_path / "at", world_id="x", replay_buffer=True)

    whole_one = begin(learner, algorithm)
    whole_by = whole_one.algorithm.rollout
    go(whole_one, evaluate, steps, checkpoint_every=every, save_checkpoint=save)
    after = begin(learner, algorithm)
    bundle.load(tmp_path / "at").restore(after)
    go(after, evaluate, steps, checkpoint_every=every, save_checkpoint=lambda step: None)
    [first], [second] = whole_one.states(), after.states()
    assert json.dumps(first) == json.dumps(second)
    assert {"n_calls", "rollouts", "ends", "best", "rng", "seen"} <= set(first["attributes"])
    assert "file" not in first["attributes"]
    assert after.callbacks[0].inner.ends == whole_one.callbacks[0].inner.ends


def whole(every, rollout):
    return -(-every // rollout) * rollout


@pytest.mark.parametrize(
    "value",
    [1, "x", None, True, [1.5, np.inf], (1, "a"), {"a": (2, [3])}, np.arange(6.0).reshape(2, 3),
     np.float32(0.25), -np.inf],
)  # fmt: skip
def test_plain_data_is_the_same_after_json(value):
    again = _from_json(json.loads(json.dumps(_as_json(value), allow_nan=False)))
    assert type(again) is type(value)
    np.testing.assert_equal(again, value)


def test_a_mistake_in_training_says_whose_it_is(learner, evaluate, named):
    one = begin(learner, "ppo", [{"mine:Counting": {"fail_at": 64}}])
    with pytest.raises(HeadstartError, match=r"^callback mine:Counting: OSError: no room$"):
        go(one, evaluate, 128)
    one = begin(learner, "ppo", [{"mine:Counting": {"stop_at": 64}}])
    with pytest.raises(HeadstartError, match="mine:Counting ended the training at step 64: "):
        go(one, evaluate, 128)


def test_functions_that_say_so_make_them_and_the_folder_is_the_trials(named):
    settings = {"save_freq": 3, "save_path": "{trial}/models"}
    first, second = make_callbacks(["mine:typed", {CHECKPOINT: settings}], Path("a/b"))
    assert isinstance(first.inner, EveryNTimesteps)
    assert second.inner.save_path == "a/b/models"


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("Counting", "unknown callback 'Counting'; expected 'package.module:Class'"),
        ("mine:Countin", "'mine' has no 'Countin'; did you mean 'Counting'"),
        ("nowhere_at_all:X", "cannot import 'nowhere_at_all'"),
        ("collections:OrderedDict", "expected a subclass of Stable-Baselines3's BaseCallback"),
        ("mine:untyped", "or a function annotated to return one"),
        ("os:system", "expected a subclass"),
        ({"mine:Counting": {"wieght": 1}}, "unknown argument 'wieght' .* mean 'weight'"),
        (CHECKPOINT, "TypeError: .*missing 2 required positional arguments"),
    ],
)
def test_what_makes_no_callback_is_named(named, entry, message):
    with pytest.raises(HeadstartError, match=message):
        make_callbacks([entry], Path("trial"))
