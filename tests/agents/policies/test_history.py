"""A history is the last frames of the episode; training, evaluation and buffers agree on it."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from headstart.agents.algorithms import resolve_algorithm
from headstart.agents.bundles import bundle
from headstart.agents.evaluation import evaluate
from headstart.agents.learner import create
from headstart.agents.policies.history import Frames, History, HistoryLayout
from headstart.agents.policies.history_buffer import HistoryReplayBuffer
from headstart.core.errors import HeadstartError

BOX, ACTION = spaces.Box(-9, 9, (2,), np.float32), spaces.Box(-1, 1, (1,), np.float32)
YES, NO = np.array([True]), np.array([False])


def test_frames_by_hand():
    frames = Frames(HistoryLayout(History(3), BOX, ACTION), worlds=2)
    frames.act(np.array([[9.0], [9.0]]))  # before the episodes: forgotten
    first = frames.see(np.array([[1, 2], [5, 6]]), np.array([True, True]))
    assert first.tolist() == [[1, 2, 0] * 3, [5, 6, 0] * 3]
    frames.act(np.array([[0.5], [0.25]]))
    second = frames.see(np.array([[3, 4], [7, 8]]), np.array([False, True]))
    assert second.tolist() == [[1, 2, 0, 1, 2, 0, 3, 4, 0.5], [7, 8, 0] * 3]
    frames.act(np.array([[-1], [1]]))
    third = frames.see(np.array([[0, 0], [1, 1]]), np.array([False, False]))
    assert third.tolist() == [[1, 2, 0, 3, 4, 0.5, 0, 0, -1], [7, 8, 0, 7, 8, 0, 1, 1, 1]]
    assert first.tolist()[0] == [1, 2, 0] * 3  # what was given is not written over
    after = frames.after(0, np.array([9, 9]))
    assert after.tolist() == [3, 4, 0.5, 0, 0, -1, 9, 9, -1]


def test_spaces_by_hand():
    layout = HistoryLayout(History(2), BOX, spaces.Box(-2, 3, (1,)))
    assert layout.space == spaces.Box(
        np.array([-9, -9, -2] * 2), np.array([9, 9, 3] * 2), (6,), np.float32
    )
    assert HistoryLayout(History(2, actions=False), BOX, ACTION).space.shape == (4,)
    discrete = Frames(HistoryLayout(History(2), BOX, spaces.Discrete(3, start=1)), 1)
    assert discrete.see(np.zeros((1, 2)), YES).tolist() == [[0] * 10]
    discrete.act(np.array([2]))
    assert discrete.see(np.ones((1, 2)), NO).tolist() == [[0, 0, 0, 0, 0, 1, 1, 0, 1, 0]]
    # Where 0 is no action, the nearest that is one.
    offset = Frames(HistoryLayout(History(1), BOX, spaces.Box(2, 3, (1,))), 1)
    assert offset.see(np.zeros((1, 2)), YES).tolist() == [[0, 0, 2]]


@pytest.mark.parametrize("first", [True, False])
def test_pictures_stack_channels(first):
    shape = (3, 36, 36) if first else (36, 36, 3)
    layout = HistoryLayout(History(2), spaces.Box(0, 255, shape, np.uint8), ACTION)
    assert not layout.with_actions
    assert layout.space.shape == ((6, 36, 36) if first else (36, 36, 6))
    assert layout.space.dtype == np.uint8
    frames = Frames(layout, 1)
    one, two = np.full((1, *shape), 1, np.uint8), np.full((1, *shape), 2, np.uint8)
    frames.see(one, YES)
    seen = frames.see(two, NO)[0]
    channels = seen[:, 0, 0] if first else seen[0, 0]
    assert channels.tolist() == [1, 1, 1, 2, 2, 2]


def test_dicts_have_a_history_for_each_part():
    picture = spaces.Box(0, 255, (36, 36, 1), np.uint8)
    layout = HistoryLayout(History(2), spaces.Dict({"joints": BOX, "camera": picture}), ACTION)
    assert {key: part.shape for key, part in layout.space.items()} == {
        "camera": (36, 36, 2),
        "joints": (4,),
        "past_actions": (2,),
    }
    frames = Frames(layout, 1)
    seen = {"joints": np.array([[1.0, 2.0]]), "camera": np.zeros((1, 36, 36, 1), np.uint8)}
    frames.see(seen, YES)
    frames.act(np.array([[0.5]]))
    again = frames.see({**seen, "joints": np.array([[3.0, 4.0]])}, NO)
    assert again["joints"].tolist() == [[1, 2, 3, 4]]
    assert again["past_actions"].tolist() == [[0, 0.5]]


@pytest.mark.parametrize(
    ("history", "space", "action", "said"),
    [
        ({"frame": 5}, BOX, ACTION, "unknown key 'frame'; did you mean 'frames'?"),
        ("long", BOX, ACTION, "history = 'long': expected a number of frames"),
        (0, BOX, ACTION, "frames = 0: expected a whole number from 1 to"),
        ({"frames": 2, "actions": 1}, BOX, ACTION, "actions = 1: expected true or false"),
        (2, spaces.Text(5), ACTION, "expected vectors or pictures of a fixed shape"),
        (2, spaces.Sequence(BOX), ACTION, "expected vectors or pictures of a fixed shape"),
        (2, spaces.Dict({"a": spaces.Discrete(2)}), ACTION, "part 'a' of Discrete(2)"),
        (2, BOX, spaces.MultiBinary(2), "actions of MultiBinary(2): expected Box or Discrete"),
        (
            {"frames": 2, "actions": True},
            spaces.Box(0, 255, (36, 36, 3), np.uint8),
            ACTION,
            "pictures have no place for actions",
        ),
    ],
)
def test_mistakes_are_one_clear_line(history, space, action, said):
    with pytest.raises(HeadstartError) as caught:
        HistoryLayout(History.read(history), space, action)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_training_gives_the_histories_that_evaluation_sees(learner):
    """What the model was given in training is what a policy makes up of the same episodes."""
    one = learner("ppo", history=3)
    vector, given, plain = one.worlds, [], []
    frames = Frames(one.layout, 4)
    observations = vector.reset()
    begins, generator = np.ones(4, bool), np.random.default_rng(0)
    for _ in range(60):  # episodes end after 25 steps
        raw = one.normalizer.get_original_obs()
        plain.append(frames.see(raw[:, -4:-1], begins))
        given.append(raw)
        actions = generator.uniform(-2, 2, (4, 1)).astype(np.float32)
        frames.act(actions)
        observations, _, begins, infos = vector.step(actions)
        if begins.any():
            last = one.normalizer.unnormalize_obs(infos[0]["terminal_observation"][None])[0]
            # One step on: the frames before it are those that were given last.
            np.testing.assert_allclose(last[:8], raw[0, 4:], atol=1e-4)
            assert last[-1] == pytest.approx(actions[0, 0], abs=1e-5)
    assert observations.shape == (4, 12)
    np.testing.assert_array_equal(given, plain)


def test_a_buffer_holds_one_frame_a_step_and_gives_histories():
    """It gives what a buffer of whole histories would, also once it is full and goes around."""
    layout = HistoryLayout(History(3), BOX, ACTION)
    buffer = HistoryReplayBuffer(14, layout.space, ACTION, n_envs=2, layout=layout)
    assert buffer.frames[""].shape == (7, 2, 3)  # steps, worlds, an observation and an action
    assert buffer.observations.nbytes == 7 * 2 * 3 * 4
    frames, rng, whole = Frames(layout, 2), np.random.default_rng(1), {}
    history = frames.see(rng.normal(size=(2, 2)), np.ones(2, bool))
    for step in range(17):
        action = rng.uniform(-1, 1, (2, 1)).astype(np.float32)
        frames.act(action)
        done = np.array([step % 5 == 4, step % 7 == 6])
        seen = rng.normal(size=(2, 2))
        last = np.stack([frames.after(world, seen[world]) for world in range(2)])
        buffer.add(history, last, action, np.zeros(2), done, [{}, {}])
        whole[step % 7] = history, last
        history = (
            frames.see(rng.normal(size=(2, 2)), done) if done.any() else frames.see(seen, done)
        )
        for world in np.flatnonzero(~done):
            history[world] = last[world]
            frames._frames[""][world, -1] = last[world].reshape(3, 3)[-1]
    steps = np.array([(17 + i) % 7 for i in range(2, 7)])  # the oldest two have lost their past
    for world in range(2):
        worlds = np.full(len(steps), world)
        for stored, which in ((buffer.observations, 0), (buffer.next_observations, 1)):
            expected = [whole[step][which][world] for step in steps]
            np.testing.assert_array_equal(stored[steps, worlds, :], expected)
    oldest = buffer.observations[np.array([17 % 7]), np.array([0]), :]
    frame = whole[17 % 7][0][0].reshape(3, 3)[-1]
    assert oldest.reshape(3, 3).tolist() == [frame.tolist()] * 3


@pytest.mark.parametrize("algorithm", ["ppo", "recurrent_ppo", "sac"])
def test_a_history_is_in_the_bundle(learner, tmp_path, pendulum, algorithm):
    one = learner(algorithm, history={"frames": 4, "actions": True})
    assert one.model.observation_space.shape == (16,)
    assert one.observation_space.shape == (3,)
    bundle.save(one, tmp_path / "b", world_id="Pendulum-v1")
    made = bundle.load(tmp_path / "b")
    assert made.observation_space.shape == (3,)
    assert str(made.algorithm.history) == "a history of 4 frames with actions"
    expected = evaluate(one.acting(), pendulum, [1, 2])
    assert np.array_equal(
        evaluate(made.policy().acting(), pendulum, [1, 2]).returns, expected.returns
    )
    assert one.remembers
    with pytest.raises(HeadstartError, match=r"use acting\(\)"):
        one.act(np.zeros((1, 3), np.float32))


def test_a_policy_of_a_history_sees_what_it_did(learner, observations):
    """Fed by hand with the same history, the model chooses the same action."""
    one = learner("ppo", history=2)
    policy = one.acting()
    first = policy.act(observations[:1])
    second = policy.act(observations[1:2])
    history = np.concatenate([observations[0], [0], observations[1], first[0]])
    given = one.normalizer.normalize_obs(history[None].astype(np.float32))
    assert np.array_equal(one.model.predict(given, deterministic=True)[0], second)


class Pixels(gym.Env):
    observation_space = spaces.Dict(
        {"eye": spaces.Box(0, 255, (36, 36, 3), np.uint8), "joint": spaces.Box(-1, 1, (2,))}
    )
    action_space = ACTION

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return self._look(), {}

    def step(self, action):
        self.steps += 1
        return self._look(), 0.0, False, self.steps == 7, {}

    def _look(self):
        eye = self.np_random.integers(0, 255, (36, 36, 3), np.uint8)
        return {"eye": eye, "joint": self.np_random.uniform(-1, 1, 2).astype(np.float32)}


def test_sac_learns_from_histories_of_dicts_with_pictures():
    settings = {"learning_starts": 8, "batch_size": 4, "buffer_size": 30, "history": 2}
    algorithm = resolve_algorithm(
        {"sac": {**settings, "policy_kwargs": {"net_arch": [8]}}}, "Pixels-v0"
    )
    one = create(algorithm, Pixels, 0)
    one.model.learn(12)
    buffer = one.model.replay_buffer
    assert {key: frames.shape[2:] for key, frames in buffer.frames.items()} == {
        "eye": (3, 36, 36),
        "joint": (2,),
        "past_actions": (1,),
    }
    batch = buffer.sample(5)
    assert batch.observations["eye"].shape == (5, 6, 36, 36)
    seen = buffer.observations["eye"][np.array([5]), np.array([0]), :][0]
    np.testing.assert_array_equal(seen[:3], buffer.frames["eye"][4, 0])
    assert one.acting().act(
        {key: s.sample()[None] for key, s in Pixels.observation_space.items()}
    ).shape == (1, 1)
    one.close()


def test_a_bundle_of_another_history_is_refused(learner, tmp_path):
    bundle.save(learner("ppo", history=3), tmp_path / "b", world_id="Pendulum-v1")
    with pytest.raises(HeadstartError, match="sees a history of 3 frames, the learner no history"):
        bundle.load(tmp_path / "b").restore_weights(learner("ppo"))
