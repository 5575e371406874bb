import json
import re

import gymnasium as gym
import numpy as np
import pytest
import torch
from headstart.agents.bundles import bundle
from headstart.agents.evaluation import EvaluationError
from headstart.agents.training import TrainingError, evaluation_steps, train


class Interrupted(Exception):
    pass


def run(learner, evaluate, *, steps, every, recorded=None, stop_at=None, **options):
    """Train and return the curve as {step: record}; raise Interrupted after step `stop_at`."""
    curve = dict(recorded or {})

    def on_evaluation(step, evaluation):
        assert step not in curve
        curve[step] = json.loads(json.dumps(evaluation.record(step)))
        if step == stop_at:
            raise Interrupted

    options.setdefault("seed", 5)
    grid = evaluation_steps(steps, every, learner.algorithm.rollout)
    try:
        train(
            learner,
            steps=steps,
            grid=grid,
            evaluate=evaluate,
            on_evaluation=on_evaluation,
            recorded=dict(curve),
            **options,
        )
    except Interrupted:
        assert stop_at is not None
    return curve


def same(first, second):
    """Whether two learners hold the same weights, moments and statistics, bit for bit."""
    tensors = all(torch.equal(a, second.tensors()[name]) for name, a in first.tensors().items())
    moments = bundle._moments(first), bundle._moments(second)
    assert moments[0].keys() == moments[1].keys()
    optimizers = all(torch.equal(a, moments[1][name]) for name, a in moments[0].items())
    rms = first.normalizer.obs_rms, second.normalizer.obs_rms
    statistics = np.array_equal(rms[0].mean, rms[1].mean) and rms[0].count == rms[1].count
    return tensors and optimizers and statistics


def test_evaluation_steps_by_hand():
    assert evaluation_steps(1000, 300, 128) == [0, 384, 640, 1024]  # 900 -> 1024, the end
    assert evaluation_steps(1000, 250, 1) == [0, 250, 500, 750, 1000]
    assert evaluation_steps(300, 10, 128) == [0, 128, 256, 384]
    assert evaluation_steps(128, 500, 128) == [0, 128]


@pytest.mark.parametrize(
    ("algorithm", "steps", "every"),
    [("ppo", 500, 150), ("sac", 90, 40), ("stable_baselines3:TD3", 90, 40)],
)
def test_evaluates_at_the_steps_computed_beforehand(learner, evaluate, algorithm, steps, every):
    one = learner(algorithm)
    curve = run(one, evaluate, steps=steps, every=every)
    assert list(curve) == evaluation_steps(steps, every, one.algorithm.rollout)
    assert one.steps == max(curve)


@pytest.mark.parametrize("algorithm", ["ppo", "sac"])
def test_step_0_is_the_untouched_policy(learner, evaluate, algorithm):
    expected = evaluate(learner(algorithm)).record(0)
    assert run(learner(algorithm), evaluate, steps=60, every=60)[0] == expected


@pytest.mark.parametrize(("algorithm", "steps"), [("ppo", 500), ("sac", 150)])
def test_evaluation_touches_no_training_stream(learner, evaluate, algorithm, steps):
    def drawing(one):
        np.random.random(7)  # noqa: NPY002
        torch.rand(7)
        return evaluate(one)

    often, never = learner(algorithm), learner(algorithm)
    run(often, drawing, steps=steps, every=50)
    train(never, steps=steps, seed=5, grid=[], evaluate=evaluate, on_evaluation=print)
    assert same(often, never)


def test_training_learns_something_and_depends_on_the_seed(learner, evaluate):
    one, other = learner("ppo"), learner("ppo")
    before = {name: tensor.clone() for name, tensor in one.tensors().items()}
    run(one, evaluate, steps=200, every=200, seed=1)
    run(other, evaluate, steps=200, every=200, seed=2)
    assert not any(torch.equal(before[name], tensor) for name, tensor in one.tensors().items())
    assert not same(one, other)


@pytest.mark.parametrize(
    ("algorithm", "settings", "steps", "every", "stop_at"),
    [
        ("ppo", {}, 900, 128, 640),
        ("ppo", {"use_sde": True}, 640, 128, 512),
        ("recurrent_ppo", {"history": 2}, 640, 128, 512),
        ("ppo", {"history": 3}, 640, 128, 512),
        ("sac", {"history": 3}, 350, 50, 300),
        # The replay buffer of 200 is full and has begun anew by the checkpoint at 240.
        ("sac", {}, 350, 50, 300),
        ("sac", {"n_steps": 3, "normalize_reward": True}, 350, 50, 300),
        ("sb3_contrib:TQC", {}, 200, 50, 150),
        ("stable_baselines3:TD3", {"action_noise": 0.1}, 200, 50, 150),
    ],
)
def test_interrupted_and_continued_equals_uninterrupted(
    learner, evaluate, tmp_path, algorithm, settings, steps, every, stop_at
):
    every_checkpoint = 2 * every + 20

    def checkpointed(one, directory, **options):
        def save(step):
            bundle.save(one, directory, world_id="Pendulum-v1", replay_buffer=True)

        return run(
            one,
            evaluate,
            steps=steps,
            every=every,
            checkpoint_every=every_checkpoint,
            save_checkpoint=save,
            **options,
        )

    whole = learner(algorithm, **settings)
    expected = checkpointed(whole, tmp_path / "whole")

    stopped = checkpointed(learner(algorithm, **settings), tmp_path / "part", stop_at=stop_at)
    assert max(stopped) == stop_at
    continued = learner(algorithm, **settings)
    checkpoint = bundle.load(tmp_path / "part")
    assert 0 < checkpoint.steps <= stop_at
    checkpoint.restore(continued)
    curve = checkpointed(continued, tmp_path / "part", recorded=stopped)
    assert curve == expected
    assert same(continued, whole)

    # The same without what was recorded: the evaluations themselves come out the same.
    again = learner(algorithm, **settings)
    checkpoint.restore(again)
    rest = checkpointed(again, tmp_path / "again")
    assert rest == {step: record for step, record in expected.items() if step >= checkpoint.steps}


def test_without_the_replay_buffer_sac_cannot_go_on_exactly(learner, evaluate, tmp_path):
    """Shows that the test above can fail: what it restores is needed."""
    whole = learner("sac")
    options = {"steps": 300, "every": 50, "checkpoint_every": 120}

    def save(step):
        if step == 120:
            bundle.save(whole, tmp_path / "b", world_id="Pendulum-v1", replay_buffer=False)

    expected = run(whole, evaluate, save_checkpoint=save, **options)
    continued = learner("sac")
    bundle.load(tmp_path / "b").restore(continued)
    assert run(continued, evaluate, **options)[300] != expected[300]


class Broken(gym.Wrapper):
    """A world in which something breaks at its tenth step."""

    def __init__(self, env, what):
        super().__init__(env)
        self.what, self.count = what, 0

    def step(self, action):
        observation, reward, terminated, truncated, info = self.env.step(action)
        self.count += 1
        if self.count >= 10 and self.what == "observation":
            observation = np.full_like(observation, np.nan)
        if self.count >= 10 and self.what == "last observation":
            observation, terminated = np.full_like(observation, np.nan), True
        if self.count >= 10 and self.what == "reward":
            reward = float("inf")
        if self.count >= 10 and self.what == "loss":
            reward = 1e30
        return observation, reward, terminated, truncated, info


@pytest.mark.parametrize("algorithm", ["ppo", "sac"])
@pytest.mark.parametrize("what", ["observation", "last observation", "reward", "loss"])
@pytest.mark.filterwarnings("ignore:(overflow|invalid value) encountered:RuntimeWarning")
def test_numbers_that_are_not_finite_end_training(learner, evaluate, pendulum, algorithm, what):
    one = learner(algorithm, make_world=lambda: Broken(pendulum(), what), normalize_reward=False)
    with pytest.raises(TrainingError) as caught:
        run(one, evaluate, steps=400, every=400)
    message = str(caught.value)
    expected = "(loss|weights)" if what == "loss" else what.split()[-1]
    assert re.match(rf"{expected}.* (is|are) not finite .* at step \d+", message)
    if what != "loss":
        assert f"at step {10 * one.algorithm.worlds}" in message


def test_weights_that_are_not_finite_end_training(learner, evaluate):
    one = learner("ppo")
    with torch.no_grad():
        one.model.policy.action_net.bias.fill_(float("nan"))
    with pytest.raises(TrainingError, match=r"weights \(action_net.bias\) is not finite"):
        run(one, evaluate, steps=200, every=200)
    with pytest.raises(TrainingError, match=r"weights are not finite .* at step 0: action_net"):
        train(one, steps=200, seed=0, grid=[], evaluate=evaluate, on_evaluation=print)


def test_an_evaluation_that_fails_names_the_training_step(learner):
    def fail(one):
        raise EvaluationError("evaluation: reward is not finite")

    with pytest.raises(TrainingError, match=r"evaluation: reward .* \(after 0 training steps\)"):
        run(learner("ppo"), fail, steps=200, every=200)


def scalars(directory):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(directory), size_guidance={"scalars": 0})
    events.Reload()
    return {
        tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]
    }


class Terms(gym.Wrapper):
    """Says of an episode what a headstart world says; its mass is drawn anew for each."""

    def reset(self, **arguments):
        observation, info = self.env.reset(**arguments)
        info["parameters"] = {"mass": self.unwrapped.np_random.uniform(), "kind": "heavy"}
        return observation, info

    def step(self, action):
        observation, reward, terminated, truncated, info = self.env.step(action)
        if truncated:
            info |= {"success": True, "reward_terms": {"effort": -2.5}}
        return observation, reward, terminated, truncated, info


@pytest.mark.parametrize(
    ("algorithm", "steps", "every", "stop_at", "restored"),
    [("ppo", 768, 128, 640, 384), ("sac", 350, 50, 300, 250)],
)
def test_tensorboard_of_an_interrupted_run_is_that_of_an_uninterrupted_one(
    learner, evaluate, tmp_path, pendulum, algorithm, steps, every, stop_at, restored
):
    def train_in(folder, **options):
        one = learner(algorithm, make_world=lambda: Terms(pendulum()))

        def save(_):
            bundle.save(one, tmp_path / folder / "b", world_id="Pendulum-v1", replay_buffer=True)

        if bundle.exists(tmp_path / folder / "b"):
            bundle.load(tmp_path / folder / "b").restore(one)
            assert one.steps == restored
        options |= {"steps": steps, "every": every, "checkpoint_every": restored - 4}
        curve = run(
            one, evaluate, save_checkpoint=save, log_dir=tmp_path / folder / "log", **options
        )
        one.close()
        return curve

    whole = train_in("whole")
    curve = train_in("cut", recorded=train_in("cut", stop_at=stop_at))
    assert curve == whole

    logged, expected = scalars(tmp_path / "cut/log"), scalars(tmp_path / "whole/log")
    assert logged["eval/return"] == [
        (step, pytest.approx(record["return"])) for step, record in curve.items()
    ]
    assert [step for step, _ in logged["eval/length"]] == list(curve)
    assert "eval/success" not in logged
    assert logged.keys() == expected.keys()
    for tag in logged:
        at = [step for step, _ in logged[tag]]
        assert at == sorted(set(at)), tag
        if not tag.startswith("time/"):
            assert logged[tag] == expected[tag], tag
    assert {value for _, value in logged["reward/effort"]} == {-2.5}
    assert {value for _, value in logged["rollout/success_rate"]} == {1.0}
    assert {value for _, value in logged["rollout/ep_len_mean"]} == {25.0}
    assert "parameters/mass" in logged
    assert "parameters/kind" not in logged
    loss = {"ppo": "train/value_loss", "sac": "train/critic_loss"}[algorithm]
    # The losses of the last update are there, too.
    assert logged[loss][-1][0] == steps


def test_logged_parameters_are_those_of_the_episodes_that_ended(
    learner, evaluate, tmp_path, pendulum
):
    class Counted(gym.Wrapper):
        count = 0

        def reset(self, **arguments):
            observation, info = self.env.reset(**arguments)
            self.count += 1
            return observation, {**info, "parameters": {"count": self.count}}

    one = learner("ppo", make_world=lambda: Counted(pendulum()), worlds=1, n_steps=64)
    assert one.normalizer is not None  # what wraps the worlds must not hide them
    run(one, evaluate, steps=128, every=128, log_dir=tmp_path)
    one.close()
    # Episodes end at steps 25 and 50 of the first rollout, and at 75, 100 and 125 of the second.
    expected = [(64, (1 + 2) / 2), (128, (3 + 4 + 5) / 3)]
    assert scalars(tmp_path)["parameters/count"] == expected


@pytest.mark.parametrize("key", ["success", "is_success"])
def test_training_episodes_without_the_key_of_success_count_as_failures(
    learner, evaluate, tmp_path, pendulum, key
):
    class OnSecond(gym.Wrapper):
        count = 0

        def reset(self, **arguments):
            self.count += 1
            return self.env.reset(**arguments)

        def step(self, action):
            *given, info = self.env.step(action)
            return *given, {**info, key: True} if self.count % 4 == 2 else info

    one = learner("ppo", make_world=lambda: OnSecond(pendulum()), worlds=1, n_steps=128)
    run(one, evaluate, steps=128, every=128, log_dir=tmp_path)
    one.close()
    # Episodes end at 25, 50, 75, 100 and 125; the second alone tells of success.
    assert scalars(tmp_path)["rollout/success_rate"] == [(128, pytest.approx(1 / 5))]


def test_progress_is_reported_at_every_rollout(learner, evaluate):
    seen = []
    run(learner("ppo"), evaluate, steps=384, every=384, on_rollout=seen.append)
    assert seen == [0, 128, 256, 384]


def test_a_finished_learner_is_only_evaluated(learner, evaluate):
    one = learner("ppo")
    run(one, evaluate, steps=256, every=256)
    before = {name: tensor.clone() for name, tensor in one.tensors().items()}
    assert list(run(one, evaluate, steps=256, every=256)) == [256]
    assert all(torch.equal(before[name], tensor) for name, tensor in one.tensors().items())


def test_the_reset_at_a_checkpoint_ends_a_trajectory_without_a_terminal_state(learner, evaluate):
    """No n-step return may reach over the reset; episodes here are 25 steps long."""
    one = learner("sac")
    run(one, evaluate, steps=60, every=60, checkpoint_every=40)
    buffer = one.model.replay_buffer
    assert np.flatnonzero(buffer.timeouts[:60]).tolist() == [24, 39]
    assert np.flatnonzero(buffer.dones[:60]).tolist() == [24]
