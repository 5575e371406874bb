"""Training worlds whose observations are histories."""

from __future__ import annotations

import numpy as np
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn

from .history import Frames, HistoryLayout


class HistoryWorlds(VecEnvWrapper):
    """A vector of worlds that gives the last observations and actions of each."""

    def __init__(self, worlds: VecEnv, layout: HistoryLayout) -> None:
        super().__init__(worlds, observation_space=layout.space)
        self.layout = layout
        self._frames = Frames(layout, worlds.num_envs)

    def reset(self) -> VecEnvObs:
        """Reset all worlds; their histories begin anew."""
        found: VecEnvObs = self._frames.see(self.venv.reset(), np.ones(self.num_envs, dtype=bool))
        return found

    def step_async(self, actions: np.ndarray) -> None:
        """Start a step of all worlds, and remember its actions."""
        self._frames.act(actions)
        self.venv.step_async(actions)

    def step_wait(self) -> VecEnvStepReturn:
        """Wait for the step; the history of a world whose episode ended begins anew."""
        observations, rewards, dones, infos = self.venv.step_wait()
        for world in np.flatnonzero(dones):
            info = infos[world]
            if "terminal_observation" in info:
                last = self._frames.after(int(world), info["terminal_observation"])
                info["terminal_observation"] = last
        return self._frames.see(observations, dones), rewards, dones, infos
