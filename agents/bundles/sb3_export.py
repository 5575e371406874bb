"""Bundles handed back to Stable-Baselines3: its own archive, and its own `VecNormalize`."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from stable_baselines3 import HerReplayBuffer
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.running_mean_std import RunningMeanStd
from stable_baselines3.common.save_util import recursive_getattr
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from ...core.errors import HeadstartError, one_line, shown
from ..algorithms import library_class
from ..learner import Learner
from ..policies.hindsight import HindsightBuffer
from .bundle import Bundle
from .placeholder import placeholder
from .sizes import light

BUFFER = ("replay_buffer_class", "replay_buffer_kwargs")
COUNTERS = ("num_timesteps", "_n_updates", "_episode_num", "_n_calls", "exploration_rate")


@dataclass(frozen=True)
class Exported:
    """The files that an export wrote, and the class that loads the archive."""

    archive: Path
    normalizer: Path | None
    cls: type[BaseAlgorithm]


def export_sb3(bundle: Bundle, path: str | Path) -> Exported:
    """Write a bundle's policy as an archive of Stable-Baselines3, which needs no headstart.

    The normalizer, if there is one, is written beside it, as `NAME_vecnormalize.pkl`, for
    `VecNormalize.load`. Weights, the optimizers' moments and counters are in the archive, the
    replay buffer is not.

    Args:
        bundle: the bundle.
        path: the archive, `model.zip`.

    Returns:
        What was written.

    Raises:
        HeadstartError: the policy is more than Stable-Baselines3 has a place for: it sees a
            history, or its networks are of classes of headstart.
    """
    path = Path(path)
    if path.suffix != ".zip":
        raise HeadstartError(f"'{path}': an archive of Stable-Baselines3 is named .zip")
    for what, there in (
        ("sees a history of frames", bundle.algorithm.history is not None),
        ("has critics that see more than its actor", bundle.privileges is not None),
    ):
        if there:
            raise HeadstartError(
                f"bundle {bundle.directory}: its policy {what}, for which an archive of "
                "Stable-Baselines3 has no place; --onnx exports it"
            )
    learner = bundle.policy()
    bundle.restore_optimizers(learner)
    bundle.restore_counters(learner)
    cls = library_class(bundle.algorithm.cls)
    model = _model(bundle, learner, cls)
    normalizer = path.with_name(f"{path.stem}_vecnormalize.pkl")
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}")
    model.save(fresh)
    os.replace(fresh, path)
    if learner.normalizer is not None:
        _library_normalizer(learner.normalizer).save(str(normalizer))
    learner.close()
    return Exported(path, normalizer if learner.normalizer is not None else None, cls)


def _model(bundle: Bundle, learner: Learner, cls: type[BaseAlgorithm]) -> BaseAlgorithm:
    """Return a model of the library's own class that is what the learner's is."""
    arguments = light(bundle.algorithm).arguments()
    for key, value in bundle.algorithm.arguments().items():
        if key not in ("buffer_size", "n_steps", "batch_size", "action_noise", *BUFFER):
            arguments[key] = value
    noise = learner.model.action_noise
    arguments["action_noise"] = noise
    if noise is None:
        del arguments["action_noise"]
    stand_in = placeholder(bundle.observation_space, bundle.action_space)
    arguments["policy"] = _policy(learner, cls)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = cls(env=DummyVecEnv([stand_in]), device="cpu", **arguments)
        model.set_parameters(learner.model.get_parameters(), exact_match=True)  # type: ignore[arg-type]
    except Exception as error:  # settings that only our classes take
        raise HeadstartError(
            f"bundle {bundle.directory}: its policy is not one of {cls.__name__}: "
            f"{shown(one_line(error), 150)}"
        ) from error
    with torch.no_grad():
        for name in learner.model._get_torch_save_params()[1]:
            recursive_getattr(model, name).copy_(recursive_getattr(learner.model, name))
    _complete(model, bundle, learner)
    return model


def _complete(model: BaseAlgorithm, bundle: Bundle, learner: Learner) -> None:
    """Give a model the counters, the settings and the buffer that were left out to make it."""
    for name in COUNTERS:
        if hasattr(learner.model, name):
            setattr(model, name, getattr(learner.model, name))
    for name in ("buffer_size", "n_steps", "batch_size"):
        if bundle.algorithm.accepts(name):
            setattr(model, name, bundle.algorithm.value(name))
    wanted = bundle.algorithm.arguments()
    if wanted.get("replay_buffer_class") is HindsightBuffer:
        vars(model).update(
            replay_buffer_class=HerReplayBuffer,
            replay_buffer_kwargs=wanted["replay_buffer_kwargs"],
        )
    model.n_envs = bundle.algorithm.worlds
    for optimizer in learner.optimizers():
        for group in recursive_getattr(model, optimizer).param_groups:
            group["fused"] = None  # a choice of speed, which is the reader's


def _policy(learner: Learner, cls: type[BaseAlgorithm]) -> Any:
    """Return the policy's name in the library, or a class of the user's own."""
    names = {kind: name for name, kind in cls.policy_aliases.items()}
    for base in type(learner.model.policy).__mro__:
        if base in names:
            return names[base]
    return type(learner.model.policy)


def _library_normalizer(own: VecNormalize) -> VecNormalize:
    """Return a normalizer's statistics as the library's own classes hold them."""
    stand_in = placeholder(own.venv.observation_space, own.action_space)
    found = VecNormalize(
        DummyVecEnv([stand_in]),
        training=False,
        norm_obs=own.norm_obs,
        norm_reward=own.norm_reward,
        clip_obs=own.clip_obs,
        clip_reward=own.clip_reward,
        gamma=own.gamma,
        epsilon=own.epsilon,
        norm_obs_keys=own.norm_obs_keys,
    )
    found.ret_rms = _plain(own.ret_rms)
    if own.norm_obs and isinstance(own.obs_rms, dict):
        found.obs_rms = {key: _plain(part) for key, part in own.obs_rms.items()}
    elif own.norm_obs:
        found.obs_rms = _plain(own.obs_rms)
    return found


def _plain(own: Any) -> Any:
    statistics = RunningMeanStd(shape=own.mean.shape)
    statistics.mean, statistics.var, statistics.count = own.mean, own.var, own.count
    return statistics
