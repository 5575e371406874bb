"""SB3's vector of worlds and its normalizer, with the same numbers in less time."""

from __future__ import annotations

from typing import Any

import numpy as np
from stable_baselines3.common.running_mean_std import RunningMeanStd
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn

Array = np.ndarray[Any, Any]


class SerialVecEnv(DummyVecEnv):
    """SB3's `DummyVecEnv` without its deep copies of what worlds report.

    An info belongs to the step that returned it: a world that goes on changing one it has
    returned changes what was reported.
    """

    def step_wait(self) -> VecEnvStepReturn:
        """Step all worlds; one whose episode ends is reset."""
        rewards, dones, infos = self.buf_rews, self.buf_dones, []
        for number, world in enumerate(self.envs):
            step = world.step(self.actions[number])
            observation, rewards[number], terminated, truncated, info = step
            dones[number] = done = terminated or truncated
            info = {**info, "TimeLimit.truncated": truncated and not terminated}
            if done:
                info["terminal_observation"] = observation
                observation, self.reset_infos[number] = world.reset()
            self._save_obs(number, observation)
            infos.append(info)
        return self._obs_from_buf(), rewards.copy(), dones.copy(), infos

    def _obs_from_buf(self) -> VecEnvObs:
        buffers: dict[Any, Array] = self.buf_obs
        if None in buffers:
            return buffers[None].copy()
        return super()._obs_from_buf()


class Statistics(RunningMeanStd):
    """SB3's running mean and variance, with the mean of a batch worked out only once."""

    def update(self, arr: Array) -> None:
        """Take in a batch of shape (n, *shape)."""
        mean = np.add.reduce(arr, axis=0, keepdims=True, dtype=None) / len(arr)
        self.update_from_moments(mean[0], np.var(arr, axis=0, mean=mean), len(arr))


class Normalizer(VecNormalize):
    """SB3's `VecNormalize`, the same numbers, for observations that are one vector."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.ret_rms = Statistics(shape=())
        if self.norm_obs and isinstance(self.obs_rms, RunningMeanStd):
            self.obs_rms = Statistics(shape=self.observation_space.shape)

    def _normalize_obs(self, obs: Array, obs_rms: RunningMeanStd) -> Array:
        normalized = (obs - obs_rms.mean) / np.sqrt(obs_rms.var + self.epsilon)
        limit = self.clip_obs
        return np.minimum(np.maximum(normalized, -limit, out=normalized), limit, out=normalized)

    def normalize_obs(self, obs: Any) -> Any:
        """Return normalized observations; those that are dicts part by part."""
        if isinstance(obs, dict) or not self.norm_obs:
            return super().normalize_obs(obs)
        return self._normalize_obs(obs, self.obs_rms).astype(np.float32)  # type: ignore[arg-type]

    def get_original_obs(self) -> Any:
        """Return a copy of the latest observations, not normalized."""
        return super().get_original_obs() if isinstance(self.old_obs, dict) else self.old_obs.copy()
