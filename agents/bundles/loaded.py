"""A bundle's policy for programs of one's own, by the interface of Stable-Baselines3."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3.common.utils import is_vectorized_observation

from ..learner import Array
from ..policies.acting import ActingPolicy
from . import bundle as bundles
from . import pretrained
from .spaces import Space


class LoadedPolicy:
    """Acts on raw observations of its world: normalizer, history and memory are inside.

    It has the `predict` of Stable-Baselines3's models, so what takes one of them to act takes this,
    such as `stable_baselines3.common.evaluation.evaluate_policy`.
    """

    def __init__(self, bundle: bundles.Bundle, device: str = "cpu") -> None:
        self.bundle = bundle
        self._learner = bundle.policy(device)

    @property
    def observation_space(self) -> Space:
        """The space of one observation, as the world gives it."""
        return self.bundle.observation_space

    @property
    def action_space(self) -> Space:
        """The space of one action."""
        return self.bundle.action_space

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: Array | None = None,
        deterministic: bool = False,
    ) -> tuple[Array, Any]:
        """Return actions, and what the policy remembers of the episodes.

        Args:
            observation: one, or a batch of shape (n, *observation shape); a dict of such for a
                Dict space.
            state: what the last call returned; None where episodes begin.
            episode_start: bool, shape (n,): where an episode begins.
            deterministic: whether actions are the most likely ones, without noise.

        Returns:
            Actions, of shape (*action shape) for one observation and (n, *action shape) for a
            batch; and the state to be given to the next call, None for a policy without memory.

        >>> from headstart import load_policy
        >>> from headstart.agents.bundles.pretrained import find_pretrained
        >>> policy = load_policy(find_pretrained("pretrained/nominal", "headstart/PandaReach-v0"))
        >>> observation = policy.observation_space.sample()
        >>> actions, state = policy.predict(observation, deterministic=True)
        >>> actions.shape == policy.action_space.shape
        True
        """
        batch, is_batch = self._batch(observation)
        remembers = self._learner.remembers
        acting = state if state is not None else ActingPolicy(self._learner, deterministic, False)
        acting.deterministic = deterministic
        if episode_start is not None:
            acting.reset(np.atleast_1d(np.asarray(episode_start, dtype=bool)))
        actions = acting.act(batch)
        return (actions if is_batch else actions[0]), (acting if remembers else None)

    def _batch(self, observation: Any) -> tuple[Any, bool]:
        """Return observations as a batch, and whether they were one."""
        space = self.observation_space
        if isinstance(observation, dict):
            parts = {key: np.asarray(value) for key, value in observation.items()}
            batched = [
                is_vectorized_observation(parts[key], part) for key, part in _parts(space).items()
            ]
            if any(batched):
                return parts, True
            return {key: value[None] for key, value in parts.items()}, False
        array = np.asarray(observation)
        is_batch = is_vectorized_observation(array, space)
        return (array if is_batch else array[None]), is_batch


def load_policy(
    directory: str | Path,
    *,
    world: str | None = None,
    device: str = "cpu",
    trust: Collection[str] = (),
) -> LoadedPolicy:
    """Return the policy of a bundle, to act by itself.

    Args:
        directory: a bundle, the folder of a source or trial that holds one, or `pretrained/KIND`.
        world: the world of a policy that ships with the package.
        device: PyTorch's device.
        trust: modules of your own that the bundle may name, as in `bundle.load`.

    Returns:
        The policy, whose `predict` takes raw observations as Stable-Baselines3's does.

    Raises:
        BundleError: there is none, or it is damaged, or names a module that is not trusted.

    >>> import gymnasium, headstart
    >>> policy = headstart.load_policy("pretrained/nominal", world="headstart/PandaReach-v0")
    >>> env = gymnasium.make("headstart/PandaReach-v0")
    >>> observation, _ = env.reset(seed=0)
    >>> action, state = policy.predict(observation, deterministic=True)
    >>> env.action_space.contains(action)
    True
    >>> env.close()
    """
    return LoadedPolicy(bundles.load(pretrained.locate(directory, world), trust), device)


def _parts(space: Space) -> dict[str, Space]:
    """Return the parts of a Dict space."""
    found: Any = space
    return dict(found.spaces)
