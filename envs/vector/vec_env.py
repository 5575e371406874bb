"""Vector environments for SB3 and Gymnasium, stepped by a few worker processes.

The trajectories are those of SB3's `DummyVecEnv` and Gymnasium's `SyncVectorEnv`, bit for bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector.utils import batch_space, iterate
from stable_baselines3.common.vec_env.base_vec_env import (
    VecEnv,
    VecEnvIndices,
    VecEnvObs,
    VecEnvStepReturn,
)

from ...core.errors import HeadstartError
from ...core.heartbeat import limit
from .pool import WorkerPool
from .worker import Make


class ParallelVecEnv(VecEnv):
    """An SB3 vector environment, in place of `DummyVecEnv` or `SubprocVecEnv`.

    Observations of shape `(worlds, *observation shape)`, or a dict or tuple of such; rewards
    float32 and dones bool of shape `(worlds,)`. Observation spaces are Box, Discrete,
    MultiDiscrete, MultiBinary, or a Dict or Tuple of such; any action space is supported.

    >>> make = lambda: gymnasium.make("Pendulum-v1")
    >>> env = ParallelVecEnv([make] * 4, workers=1)
    >>> env.seed(0)
    [0, 1, 2, 3]
    >>> observations = env.reset()
    >>> observations, rewards, dones, infos = env.step(np.zeros((4, 1)))
    >>> observations.shape, rewards.shape
    ((4, 3), (4,))
    >>> env.close()
    """

    def __init__(
        self, env_fns: Sequence[Make], workers: int = 2, timeout: float | None = None
    ) -> None:
        """Make the worlds.

        Args:
            env_fns: a function for each world that makes it. They are sent to the workers by
                cloudpickle, so lambdas and functions of the main script are supported.
            workers: the number of processes.
            timeout: how many seconds a worker may take to answer; by default 60, or what the
                experiment gives as `step_timeout`.

        Raises:
            HeadstartError: no worlds, fewer than one worker, worlds that cannot be made or differ
                in their spaces. Later, from any method: a world fails in a step or reset, or a
                worker dies or does not answer; all worlds are closed then.
        """
        self._pool = WorkerPool(env_fns, workers, limit() if timeout is None else timeout)
        try:
            super().__init__(len(env_fns), self._pool.observation_space, self._pool.action_space)
        except BaseException:
            self._pool.close()
            raise
        self.metadata = self._pool.metadata
        self.steps_taken = 0

    def reset(self) -> VecEnvObs:
        """Reset all worlds, by the seeds and options set before; return observations."""
        options = [each or None for each in self._options]
        infos = self._pool.reset(self._seeds, options, range(self.num_envs))
        self.reset_infos = [infos[world] for world in range(self.num_envs)]
        self._reset_seeds()
        self._reset_options()
        observations: VecEnvObs = self._pool.observations()
        return observations

    def step_async(self, actions: np.ndarray) -> None:
        """Start a step of all worlds."""
        self._pool.step_async(actions)

    def step_wait(self) -> VecEnvStepReturn:
        """Wait for the step; a world whose episode ended has been reset."""
        news = self._pool.step_wait()
        self.steps_taken += self.num_envs
        shared = self._pool.shared
        dones = shared.terminated | shared.truncated
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        for world, (info, final, reset_info) in news.items():
            infos[world] = info
            if reset_info is not None:
                info["terminal_observation"] = final
                self.reset_infos[world] = reset_info
        cut = (shared.truncated & ~shared.terminated).tolist()
        for info, truncated in zip(infos, cut, strict=True):
            info["TimeLimit.truncated"] = truncated
        return self._pool.observations(), shared.rewards.astype(np.float32), dones, infos

    def close(self) -> None:
        """Close the worlds and end the workers; may be called again."""
        self._pool.close()

    def get_images(self) -> Sequence[np.ndarray | None]:
        """Return every world's picture, uint8 `(height, width, 3)`."""
        return self._ask("render", None)

    def has_attr(self, attr_name: str) -> bool:
        """Return whether every world has the attribute."""
        return all(self._ask("has", None, attr_name))

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """Return an attribute of worlds; it must be possible to pickle."""
        return self._ask("get", indices, attr_name)

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Set an attribute of the outermost wrapper of worlds."""
        self._ask("set", indices, attr_name, value)

    def env_method(
        self, method_name: str, *method_args: Any, indices: VecEnvIndices = None, **kwargs: Any
    ) -> list[Any]:
        """Call a method of worlds and return the results."""
        return self._ask("call", indices, method_name, method_args, kwargs)

    def env_is_wrapped(
        self, wrapper_class: type[gymnasium.Wrapper[Any, Any, Any, Any]], indices: Any = None
    ) -> list[bool]:
        """Return whether each world is wrapped in a class."""
        return self._ask("is_wrapped", indices, wrapper_class)

    def _ask(self, operation: str, indices: VecEnvIndices, *arguments: Any) -> list[Any]:
        numbers = [range(self.num_envs)[index] for index in self._get_indices(indices)]
        answers = self._pool.ask(operation, dict.fromkeys(numbers, arguments))
        return [answers[number] for number in numbers]


class ParallelVectorEnv(gymnasium.vector.VectorEnv[Any, Any, Any]):
    """A Gymnasium vector environment, in place of `AsyncVectorEnv`.

    A world whose episode ends is reset in the same step: the last observation and info are
    `infos["final_obs"]` and `infos["final_info"]` (`AutoresetMode.SAME_STEP`). Rewards are
    float64; spaces are as in `ParallelVecEnv`.

    >>> make = lambda: gymnasium.make("Pendulum-v1")
    >>> env = ParallelVectorEnv([make] * 4, workers=1)
    >>> observations, infos = env.reset(seed=0)
    >>> observations, rewards, terminated, truncated, infos = env.step(np.zeros((4, 1)))
    >>> observations.shape, rewards.shape
    ((4, 3), (4,))
    >>> env.close()
    """

    def __init__(
        self, env_fns: Sequence[Make], workers: int = 2, timeout: float | None = None
    ) -> None:
        """Make the worlds; arguments and errors as in `ParallelVecEnv`."""
        self._pool = WorkerPool(env_fns, workers, limit() if timeout is None else timeout)
        self.num_envs = len(env_fns)
        self.single_observation_space = self._pool.observation_space
        self.single_action_space = self._pool.action_space
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        mode = gymnasium.vector.AutoresetMode.SAME_STEP
        self.metadata = {**self._pool.metadata, "autoreset_mode": mode}
        self.spec = self._pool.spec
        self.render_mode = self.get_attr("render_mode")[0]

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: Any = None
    ) -> tuple[Any, dict[str, Any]]:
        """Reset all worlds, or some.

        Args:
            seed: world k gets `seed + k`, or the k-th of a sequence.
            options: for every world; a bool array "reset_mask" selects those to reset.

        Raises:
            HeadstartError: seeds or a mask of another number than the worlds.
        """
        seeds: Sequence[int | None]
        if seed is None or isinstance(seed, int):
            seeds = [None if seed is None else seed + world for world in range(self.num_envs)]
        else:
            seeds = seed
        options = None if options is None else dict(options)
        mask = np.asarray((options or {}).pop("reset_mask", [True] * self.num_envs))
        if len(seeds) != self.num_envs or mask.shape != (self.num_envs,) or mask.dtype != bool:
            raise HeadstartError(
                f"{len(seeds)} seeds and a reset_mask of {mask.dtype} {mask.shape}: expected "
                f"{self.num_envs} seeds and bool ({self.num_envs},)"
            )
        chosen = np.flatnonzero(mask).tolist()
        infos: dict[str, Any] = {}
        for world, info in self._pool.reset(seeds, [options] * self.num_envs, chosen).items():
            infos = self._add_info(infos, info, world)
        return self._pool.observations(), infos

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Step all worlds; a world whose episode ended has been reset."""
        if not isinstance(actions, np.ndarray):
            actions = list(iterate(self.action_space, actions))
        self._pool.step_async(actions)
        infos: dict[str, Any] = {}
        for world, (info, final, reset_info) in self._pool.step_wait().items():
            if reset_info is not None:
                ended = {"final_obs": final, "final_info": info}
                infos = self._add_info(infos, ended, world)
                info = reset_info
            infos = self._add_info(infos, info, world)
        shared = self._pool.shared
        numbers = (shared.rewards, shared.terminated, shared.truncated)
        rewards, terminated, truncated = (array.copy() for array in numbers)
        return self._pool.observations(), rewards, terminated, truncated, infos

    def render(self) -> tuple[Any, ...]:
        """Return every world's picture."""
        return self._ask("render")

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Call a method of every world and return the results."""
        return self._ask("call_or_get", name, args, kwargs)

    def get_attr(self, name: str) -> tuple[Any, ...]:
        """Return an attribute of every world; it must be possible to pickle."""
        return self._ask("get", name)

    def set_attr(self, name: str, values: Any) -> None:
        """Set an attribute of every world: a list or tuple holds one value for each."""
        each = values if isinstance(values, list | tuple) else [values] * self.num_envs
        if len(each) != self.num_envs:
            raise HeadstartError(f"{len(each)} values of '{name}' for {self.num_envs} worlds")
        self._pool.ask("set_wrapper", {world: (name, value) for world, value in enumerate(each)})

    def close_extras(self, **kwargs: Any) -> None:
        """End the workers."""
        self._pool.close()

    def _ask(self, operation: str, *arguments: Any) -> tuple[Any, ...]:
        answers = self._pool.ask(operation, dict.fromkeys(range(self.num_envs), arguments))
        return tuple(answers.values())
