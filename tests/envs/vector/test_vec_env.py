"""The vector environments: the trajectories of one process, and no way to be left hanging."""

import gc
import os
import signal
import subprocess
import sys
import time

import cloudpickle
import gymnasium as gym
import numpy as np
import psutil
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from headstart.core.errors import HeadstartError
from headstart.envs import ParameterError
from headstart.envs.vector.vec_env import ParallelVecEnv, ParallelVectorEnv
from headstart.transfer.randomization import UniformRandomization
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv

# Workers do not find test modules; what is defined in one goes to them whole.
cloudpickle.register_pickle_by_value(sys.modules[__name__])


class Walk(gym.Env):
    """A random walk whose episodes end either way; on demand it misbehaves at its third step."""

    observation_space = gym.spaces.Box(-np.inf, np.inf, (3,), np.float32)
    action_space = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)
    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012

    def __init__(self, fault=None, render_mode=None):
        self.fault, self.render_mode = fault, render_mode
        self.kept = []
        if fault == "constructor":
            raise ParameterError("no such parameter")

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.state = self.np_random.normal(size=3) + (options or {}).get("shift", 0.0)
        self.steps, self.length = 0, int(self.np_random.integers(3, 8))
        if self.fault == "reset":
            raise ZeroDivisionError("in a reset")
        return self.state, {"length": self.length}

    def step(self, action):
        self.kept.append(action)
        self.steps += 1
        if self.steps == 3 and self.fault == "step":
            raise ZeroDivisionError("in a step")
        while self.fault == "loop":
            pass
        self.state = self.state + self.np_random.normal(size=3) * action[0]
        over = self.steps == self.length
        return self.state, self.state[1] * 1e-3, over and self.length % 2 == 0, over, {}

    def render(self):
        return np.full((2, 2, 3), self.steps, np.uint8)


class Structured(gym.Wrapper):
    """The walk with a dict of observations, an info at every step, and a tuple of actions."""

    def __init__(self, env):
        super().__init__(env)
        spaces = {"half": gym.spaces.Discrete(2), "walk": env.observation_space}
        self.observation_space = gym.spaces.Dict(spaces)
        self.action_space = gym.spaces.Tuple([env.action_space, gym.spaces.Discrete(3)])

    def reset(self, **options):
        observation, info = self.env.reset(**options)
        return {"walk": observation, "half": 0}, info

    def step(self, action):
        observation, *rest, info = self.env.step(action[0])
        info = {"steps": self.unwrapped.steps, "chosen": int(action[1])}
        return {"walk": observation, "half": self.unwrapped.steps % 2}, *rest, info


def reach():
    world = gym.make("headstart/PandaReach-v0", max_episode_steps=12)
    return UniformRandomization(world, {"payload_mass": "= uniform(0, 1)"})


MAKES = {"walk": Walk, "structured": lambda: Structured(Walk()), "reach": reach}
MAKES["discrete"] = lambda: gym.make("CartPole-v1", disable_env_checker=True)


@pytest.fixture
def open_vector():
    """Make a vector environment; closed after the test."""
    made = []

    def make(make_world, count=3, workers=2, kind=ParallelVecEnv, **options):
        made.append(kind([make_world] * count, workers, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


def same(first, second):
    """Assert that two results are equal bit for bit, of the same types; wall time aside."""
    if isinstance(first, dict):
        assert list(first) == list(second) or set(first) == set(second)
        for key in set(first) - {"t"}:
            same(first[key], second[key])
    elif isinstance(first, list | tuple):
        assert len(first) == len(second)
        for one, other in zip(first, second, strict=True):
            same(one, other)
    elif isinstance(first, np.ndarray) and first.dtype == object:
        same(first.tolist(), second.tolist())
    elif isinstance(first, np.ndarray):
        assert first.dtype == second.dtype
        assert first.shape == second.shape
        assert first.tobytes() == second.tobytes()
    else:
        assert first == second


def steps(vector, count):
    vector.reset()
    for _ in range(count):
        vector.step(np.zeros((vector.num_envs, 2), np.float32))


def children():
    """The worker processes there are; other tests may have started processes of other kinds."""
    found = psutil.Process().children(recursive=True)
    return [child for child in found if "vector.worker" in " ".join(child.cmdline())]


def gone(processes, within=5.0):
    return not psutil.wait_procs(processes, timeout=within)[1]


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=pytest.mark.bullet) if n == "reach" else n for n in MAKES],
)
def test_gives_the_trajectories_of_one_process(open_vector, name):
    def monitored():
        return Monitor(reach())

    # The monitor's workers import torch, which takes seconds, so one world has it: a function that
    # only named it would be sent to the workers with it.
    make = monitored if name == "reach" else MAKES[name]
    ours, theirs = open_vector(make), DummyVecEnv([make] * 3)
    both = (ours, theirs)
    assert ours.metadata == theirs.metadata
    assert ours.observation_space == theirs.observation_space
    theirs.action_space.seed(1)
    ended = 0
    for episode in range(2):
        for one in both:
            one.seed(7 + episode)
            one.set_options({"shift": 1.5} if episode else None)
        same(ours.reset(), theirs.reset())
        same(ours.reset_infos, theirs.reset_infos)
        for _ in range(30):
            actions = [theirs.action_space.sample() for _ in range(3)]
            actions = actions if name == "structured" else np.array(actions)
            results = [one.step(actions) for one in both]
            same(*results)
            same(ours.reset_infos, theirs.reset_infos)
            ended += results[0][2].sum()
    assert ended >= 4
    if name == "walk":
        # Another dtype of actions than the space's reaches the worlds unchanged.
        same(*(one.step(np.full((3, 2), 0.1)) for one in both))
        assert ours.get_attr("kept")[0][-1].dtype == np.float64
        same(ours.get_attr("kept"), theirs.get_attr("kept"))
    theirs.close()


def test_attributes_methods_and_pictures(open_vector):
    def make():
        return gym.wrappers.TimeLimit(Walk(render_mode="rgb_array"), 5)

    ours, theirs = open_vector(make), DummyVecEnv([make] * 3)
    for one in (ours, theirs):
        one.seed(0)
        one.reset()
        one.step(np.zeros((3, 2), np.float32))
        one.set_attr("mark", 5, indices=[2, 0])
        assert one.get_attr("mark", indices=[2, 0, 2]) == [5, 5, 5]
        assert not one.has_attr("mark")
        assert one.has_attr("state")
        with pytest.raises(AttributeError, match="mark"):
            one.get_attr("mark", indices=1)
        with pytest.raises(IndexError):
            one.get_attr("mark", indices=3)
        with pytest.raises(TypeError, match="unexpected"):
            one.env_method("reset", unexpected=1)
        assert one.env_is_wrapped(gym.wrappers.TimeLimit) == [True] * 3
        assert one.env_is_wrapped(Structured, indices=0) == [False]
        assert one.render_mode == "rgb_array"
    same(ours.render(), theirs.render())
    assert ours.env_method("get_wrapper_attr", "steps", indices=-1) == [1]
    theirs.close()


@pytest.mark.parametrize("name", ["structured", "discrete"])
def test_the_gymnasium_view_gives_what_gymnasium_does(open_vector, name):
    make = MAKES[name]
    ours = open_vector(make, kind=ParallelVectorEnv)
    theirs = SyncVectorEnv([make] * 3, autoreset_mode=AutoresetMode.SAME_STEP)
    assert ours.observation_space == theirs.observation_space
    assert ours.action_space == theirs.action_space
    assert ours.metadata["autoreset_mode"] == AutoresetMode.SAME_STEP
    ours.action_space.seed(1)
    both = (ours, theirs)
    same(*(one.reset(seed=3) for one in both))
    ended = 0
    for _ in range(40):
        actions = ours.action_space.sample()
        results = [one.step(actions) for one in both]
        same(*results)
        assert results[0][0] in ours.observation_space
        ended += (results[0][2] | results[0][3]).sum()
    assert ended >= 3
    mask = np.array([False, True, False])
    same(*(one.reset(seed=[1, 2, 3], options={"reset_mask": mask}) for one in both))
    assert ours.get_attr("np_random_seed") == theirs.get_attr("np_random_seed")
    ours.set_attr("mark", [1, 2, 3])
    assert ours.call("get_wrapper_attr", "mark") == ours.call("mark") == (1, 2, 3)
    with pytest.raises(HeadstartError, match="expected 3 seeds and bool"):
        ours.reset(options={"reset_mask": mask[:2]})
    assert isinstance(gym.wrappers.vector.RecordEpisodeStatistics(ours).reset(seed=1), tuple)
    theirs.close()


def test_a_step_that_was_started_can_be_dropped(open_vector):
    one = open_vector(Walk)
    actions = np.ones((3, 2), np.float32)
    one.seed(0)
    first = one.reset()
    one.step_async(actions)
    with pytest.raises(HeadstartError, match="before the last one was waited for"):
        one.step_async(actions)
    one.seed(0)
    same(one.reset(), first)
    with pytest.raises(HeadstartError, match="no step was started"):
        one.step_wait()
    one.step_async(actions)
    one.close()
    with pytest.raises(HeadstartError, match="are closed"):
        one.step(actions)


@pytest.mark.parametrize("fault", ["step", "reset", "constructor"])
def test_an_error_in_a_world_is_told_with_its_traceback(open_vector, fault):
    def make():
        return Walk(fault)

    with pytest.raises(HeadstartError) as told:
        steps(open_vector(make), 3)
    if fault == "constructor":
        assert type(told.value) is ParameterError
        assert str(told.value) == "no such parameter"
    else:
        assert str(told.value) == f"world 0 raised ZeroDivisionError: in a {fault}"
    place = "__init__" if fault == "constructor" else fault
    assert f"in {place}\n" in str(told.value.__cause__)
    assert not children()


@pytest.mark.parametrize(
    ("number", "said", "limit"),
    [
        (signal.SIGKILL, r"worker 1 \(worlds 1 to 2\) was killed by SIGKILL", 1.5),
        (signal.SIGSTOP, r"worker 1 \(worlds 1 to 2\) has not answered for 0.5 s", 5.0),
    ],
)
def test_a_worker_that_dies_or_hangs_is_noticed(open_vector, number, said, limit):
    one = open_vector(Walk, timeout=0.5)
    one.reset()
    workers = children()
    assert len(workers) == 2
    workers[1].send_signal(number)
    begun = time.monotonic()
    with pytest.raises(HeadstartError, match=said):
        one.step(np.zeros((3, 2), np.float32))
    assert time.monotonic() - begun < limit
    assert gone(workers, within=0.0)
    one.close()


def test_an_interrupted_wait_ends_the_workers(open_vector):
    one = open_vector(lambda: Walk("loop"), timeout=30.0)
    one.reset()
    signal.signal(signal.SIGALRM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    with pytest.raises(KeyboardInterrupt):
        one.step(np.zeros((3, 2), np.float32))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    assert not children()


@pytest.mark.parametrize(
    ("makes", "workers", "said"),
    [
        ([], 1, "at least one world"),
        ([Walk], 0, "0 workers"),
        ([Walk, lambda: Structured(Walk())], 2, "world 1 has the spaces Dict"),
        ([lambda: 3], 1, "world 0 is a int: expected a gymnasium.Env"),
    ],
)
def test_what_cannot_be_is_refused(makes, workers, said):
    with pytest.raises(HeadstartError, match=said):
        ParallelVecEnv(makes, workers)
    assert not children()


def test_observations_without_a_fixed_shape_are_refused():
    def make():
        world = Walk()
        world.observation_space = gym.spaces.Text(5)
        return world

    with pytest.raises(HeadstartError, match=r"Text\(.*expected Box"):
        ParallelVecEnv([make])


def test_as_many_workers_as_cores_have_one_each():
    cores = psutil.Process().cpu_affinity()
    if not 2 <= len(cores) <= 8:
        pytest.skip("for machines of 2 to 8 cores")

    def allowed(workers):
        before = {child.pid for child in psutil.Process().children()}
        vector = ParallelVecEnv([Walk] * len(cores), workers)
        started = [c for c in psutil.Process().children() if c.pid not in before]
        found = sorted(child.cpu_affinity() for child in started)
        vector.close()
        return found

    assert allowed(len(cores)) == [[core] for core in sorted(cores)]
    assert allowed(len(cores) - 1) == [cores] * (len(cores) - 1)


def test_nothing_is_left_behind():
    def used():
        places = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")]
        # The listing's own descriptor is gone by now.
        files = {os.readlink(place) for place in places if os.path.lexists(place)}
        return files | set(os.listdir("/dev/shm"))

    before = used()
    one = ParallelVecEnv([Walk] * 4)
    one.reset()
    assert one.step(np.zeros((4, 2), np.float32))[0].shape == (4, 3)
    one.close()
    one.close()
    # What earlier tests have left to the collector may go in the meantime.
    assert used() <= before
    assert not children()
    # One that is forgotten is closed too.
    one = ParallelVecEnv([Walk])
    workers = children()
    del one
    gc.collect()
    assert gone(workers, within=0.0)
    assert used() <= before


SCRIPT = """
import gymnasium, psutil, os, sys, time
from headstart.envs.vector import ParallelVectorEnv

class Slow(gymnasium.Env):
    observation_space = gymnasium.spaces.Discrete(3)
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        return 1, {}

    def step(self, action):
        while action:
            pass
        return 2, 0.5, False, False, {}

gymnasium.register("Slow-v0", entry_point=Slow)
worlds = ParallelVectorEnv([lambda: gymnasium.make("Slow-v0")] * 2, workers=2)
assert worlds.reset()[0].tolist() == [1, 1]
print(*(child.pid for child in psutil.Process().children()), flush=True)
if os.fork() == 0:
    # Keeps the other ends of the workers' pipes open after its parent's death.
    time.sleep(8)
    os._exit(0)
worlds._pool.step_async([1, 0])
print("stepping", flush=True)
time.sleep(60)
"""


def test_workers_of_a_script_without_a_guard_leave_when_it_is_killed(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    with subprocess.Popen(
        [sys.executable, str(tmp_path / "script.py")], stdout=subprocess.PIPE, text=True
    ) as process:
        workers = [psutil.Process(int(pid)) for pid in process.stdout.readline().split()]
        assert process.stdout.readline() == "stepping\n"
        forked = [c for c in psutil.Process(process.pid).children() if c not in workers]
        process.kill()
        assert len(workers) == 2
        assert gone(workers)
        for child in forked:
            child.kill()
