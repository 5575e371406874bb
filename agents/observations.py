"""How observations reach a network: scaled vectors, pictures by channel, the policy that fits."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from stable_baselines3.common.preprocessing import is_image_space, is_image_space_channels_first
from stable_baselines3.common.vec_env import VecEnv, VecTransposeImage

from .algorithms import Algorithm
from .bundles.spaces import Space
from .cores.worlds import Normalizer

SMALLEST_IMAGE = 36
"""Pixels that the sides of an image have at least for SB3's convolutions."""
_OF_DICTS = {"MlpPolicy": "MultiInputPolicy", "MlpLstmPolicy": "MultiInputLstmPolicy"}
OF_IMAGES = {"MlpPolicy": "CnnPolicy", "MlpLstmPolicy": "CnnLstmPolicy"}


def fitting_policy(policy: Any, space: Space, *, stated: bool) -> Any:
    """Return the policy that fits observations, where the one for vectors was named."""
    if isinstance(space, gym.spaces.Dict):
        return _OF_DICTS.get(policy, policy)
    # Convolutions need pictures of some size.
    if not stated and is_image_space(space) and sorted(space.shape or ())[1] >= SMALLEST_IMAGE:
        return OF_IMAGES.get(policy, policy)
    return policy


def normalized(vector: VecEnv, algorithm: Algorithm) -> VecEnv:
    """Wrap worlds in `VecNormalize` as the settings say; only continuous vectors are scaled."""
    space = vector.observation_space
    parts: dict[str, Space] = dict(space.items()) if isinstance(space, gym.spaces.Dict) else {}
    keys = [key for key, part in parts.items() if _is_vector(part)]
    observations = algorithm.settings["normalize"] and (bool(keys) or _is_vector(space))
    rewards = algorithm.settings["normalize_reward"]
    if not (observations or rewards):
        return vector
    if any(map(is_channels_last, parts.values() or [space])):
        # SB3 would do so on top, and then off-policy algorithms miss what was not normalized.
        vector = VecTransposeImage(vector)
    return Normalizer(
        vector,
        norm_obs=observations,
        norm_reward=rewards,
        gamma=algorithm.settings.get("gamma", 0.99),
        norm_obs_keys=keys or None,
    )


def _is_vector(space: Space) -> bool:
    is_box = isinstance(space, gym.spaces.Box)
    return is_box and np.issubdtype(space.dtype, np.floating) and not is_image_space(space)


def is_channels_last(space: Space) -> bool:
    """Return whether a space is of pictures whose last axis is the channels."""
    if not isinstance(space, gym.spaces.Box) or not is_image_space(space):
        return False
    return not is_image_space_channels_first(space)


def channels_first(space: Any) -> Any:
    """Return a space as SB3's networks are given it: channels of pictures first."""
    if isinstance(space, gym.spaces.Dict):
        return gym.spaces.Dict([(key, channels_first(part)) for key, part in space.items()])
    return VecTransposeImage.transpose_space(space) if is_channels_last(space) else space
