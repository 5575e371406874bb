"""Transitions of the source policy in source worlds, mixed into the learner's minibatches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.buffers import ReplayBuffer

from ....agents.bundles.replay import buffer_arrays
from ....agents.cores.off_policy import OffPolicyCore
from ....agents.learner import Array, Learner, MakeWorld, unnormalized_worlds
from ....agents.training import streams_kept
from ....core.errors import HeadstartError
from .schedules import Schedule

WORLDS = 4
"""Source worlds that are stepped together."""


class SourceReplay(Schedule):
    """Holds transitions of the source, and draws a share of each minibatch from them.

    The share falls linearly from `share` at the first target step to 0 at step `until`, so that
    what is wrong in the target about the source's worlds is forgotten ("What Matters for
    Sim-to-Online RL on Real Robots", arXiv 2602.20220; mixing in halves is RLPD's, 2302.02948).
    Observations and rewards are normalized by the learner's statistics, as its own are.

    The transitions are made before the first target step by the source policy, with its noise, in
    worlds of `make_source`; they count as source steps (`Learner.source_steps`). Of the worlds, the
    first takes the policy's actions alone, the last random ones in the share `random` of its steps,
    and those between in shares at equal distances: a critic that has seen what one policy does
    knows nothing of all other actions, and an actor that follows it there is led astray.

    Args:
        learner: Whose minibatches are mixed; off-policy.
        source: The source policy.
        make_source: Makes one source world.
        steps: The source steps to take.
        share: The share of a minibatch at first.
        until: The target step from which on there is none; None: the share stays.
        random: The share of uniformly random actions in the last source world.
        seed: Decides the worlds' episodes and the policy's noise.
    """

    def __init__(
        self,
        learner: Learner,
        source: Learner,
        make_source: MakeWorld | None,
        *,
        steps: int,
        share: float,
        until: float | None,
        random: float = 0.0,
        seed: int,
    ) -> None:
        super().__init__(learner)
        model = learner.model
        assert isinstance(model, OffPolicyCore)
        if make_source is None:
            raise HeadstartError("source replay needs source worlds, and there are none")
        self._core = model
        self.source, self.make_source = source, make_source
        self.share, self.until, self.seed = share, until, seed
        self.random = np.linspace(0.0, random, WORLDS)
        rows = -(-steps // WORLDS)
        own: Any = model.replay_buffer
        self.buffer: ReplayBuffer = type(own)(
            rows * WORLDS,
            own.observation_space,
            own.action_space,
            device=model.device,
            n_envs=WORLDS,
            **model.replay_buffer_kwargs,
        )
        model.hooks.batch = self.sample

    def arrays(self) -> dict[str, Array]:
        """Return the transitions, for a checkpoint."""
        return buffer_arrays(self.buffer)

    def restore_arrays(self, arrays: Mapping[str, Array]) -> None:
        """Go on with transitions that were kept: the source's worlds are not stepped again."""
        for name, array in self.arrays().items():
            array[...] = arrays[name]
        self._end_filling()

    def current_share(self) -> float:
        """Return the share of a minibatch that is the source's now."""
        if self.until is None:
            return self.share
        return self.share * max(0.0, 1 - self.learner.steps / self.until) if self.until else 0.0

    def sample(self, size: int) -> Any:
        """Draw a minibatch: `round(share * size)` transitions of the source, the rest own ones."""
        own, normalizer = self._core.replay_buffer, self._core._vec_normalize_env
        assert own is not None
        count = size if own.size() == 0 else round(self.current_share() * size)
        parts = []
        if count < size:
            parts.append(own.sample(size - count, env=normalizer))
        if count:
            parts.append(self.buffer.sample(count, env=normalizer))
        return parts[0] if len(parts) == 1 else _joined(parts)

    def _on_rollout_start(self) -> None:
        if not self.buffer.full:
            self.fill()
        self.logger.record("transfer/source_share", self.current_share())

    def fill(self) -> None:
        """Step the source worlds with the source policy until the buffer is full."""
        worlds = unnormalized_worlds(self.make_source, WORLDS)
        policy = self._core.policy
        try:
            with streams_kept():
                torch.manual_seed(self.seed)
                worlds.seed(self.seed)
                observations: Any = worlds.reset()
                worlds.action_space.seed(self.seed)
                rng = np.random.default_rng([self.seed, 4])
                acting = self.source.acting(deterministic=False)
                acting.reset(np.ones(WORLDS, dtype=bool))
                while not self.buffer.full:
                    actions = acting.act(observations)
                    for world in np.flatnonzero(rng.random(WORLDS) < self.random):
                        actions[world] = worlds.action_space.sample()
                    following, rewards, dones, infos = worlds.step(actions)
                    self.buffer.add(
                        observations,
                        _with_last(following, dones, infos),
                        policy.scale_action(actions),
                        rewards,
                        dones,
                        infos,
                    )
                    acting.reset(dones)
                    observations = following
        finally:
            worlds.close()
        self._end_filling()

    def _end_filling(self) -> None:
        self.buffer.full, self.buffer.pos = True, 0
        # The oldest transition follows the newest in the ring, and not in the world: no return over
        # several steps may reach over that.
        last = self.buffer.buffer_size - 1
        ends = 1 - self.buffer.dones[last]
        self.buffer.timeouts[last] = np.maximum(self.buffer.timeouts[last], ends)
        self.learner.source_steps = self.buffer.buffer_size * WORLDS


def _with_last(following: Any, dones: Array, infos: list[dict[str, Any]]) -> Any:
    """Return what followed, where an episode ended its last observation and not the next's."""
    if isinstance(following, dict):
        following = {key: value.copy() for key, value in following.items()}
    else:
        following = following.copy()
    for world in np.flatnonzero(dones):
        last = infos[world]["terminal_observation"]
        if isinstance(following, dict):
            for key, value in following.items():
                value[world] = last[key]
        else:
            following[world] = last
    return following


def _joined(parts: list[Any]) -> Any:
    """Return minibatches as one."""
    fields: list[Any] = []
    for values in zip(*parts, strict=True):
        if values[0] is None:
            fields.append(None)
        elif isinstance(values[0], dict):
            fields.append({key: torch.cat([one[key] for one in values]) for key in values[0]})
        else:
            fields.append(torch.cat(values))
    return type(parts[0])(*fields)
