"""Stable-Baselines3's own archives made into bundles: the only place where pickles are loaded."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.noise import ActionNoise, NormalActionNoise
from stable_baselines3.common.save_util import recursive_getattr
from stable_baselines3.common.type_aliases import TrainFreq
from stable_baselines3.common.utils import ConstantSchedule, FloatSchedule

from ...core.errors import HeadstartError
from ..algorithms import ACTIVATIONS, OWN, Algorithm, setting_types
from ..learner import Learner, create
from .bundle import Bundle, BundleError, load, save
from .placeholder import placeholder


def import_sb3_zip(
    path: str | Path,
    directory: str | Path,
    *,
    algorithm: str,
    world_id: str,
    trust: bool = False,
    normalizer: str | Path | None = None,
) -> Bundle:
    """Make a bundle in `directory` from a model saved by Stable-Baselines3.

    `algorithm` is what the model is (`ppo`, `sac`, `package.module:Class`); `normalizer` the file
    of its `VecNormalize`, if it had one. Both files hold pickles, and loading a pickle can run
    any code: raises BundleError without opening them unless `trust` says that they are yours.
    """
    if not trust:
        raise BundleError(
            f"{path}: a Stable-Baselines3 archive holds pickles, which can run any code when "
            "loaded; say trust=True only for a file whose origin you trust"
        )
    empty = Algorithm(algorithm, {})
    model = empty.cls.load(path, device="cpu")
    statistics = None
    if normalizer is not None:
        with Path(normalizer).open("rb") as file:
            statistics = pickle.load(file)
    settings = {key: _setting(model, key) for key in setting_types(empty.cls) if key not in OWN}
    settings = {key: value for key, value in settings.items() if value is not None}
    resolved = empty.replace(
        **settings,
        worlds=model.n_envs,
        normalize=statistics is not None and statistics.norm_obs,
        normalize_reward=statistics is not None and statistics.norm_reward,
    )
    stand_in = placeholder(model.observation_space, model.action_space)
    learner = create(resolved, stand_in, 0)
    _copy_model(model, learner)
    if statistics is not None:
        _copy_statistics(statistics, learner)
    save(learner, directory, world_id=world_id)
    learner.close()
    return load(directory)


def _setting(model: BaseAlgorithm, key: str) -> Any:
    """Return one constructor argument of a loaded model as a setting; None for its default."""
    if key == "policy":
        # A core's names for policies, and those of the class that it stands for.
        names = {
            cls: name
            for base in type(model).__mro__
            for name, cls in vars(base).get("policy_aliases", {}).items()
        }
        return names.get(model.policy_class, _path(model.policy_class))
    value = getattr(model, key, None)
    if isinstance(value, FloatSchedule):
        if not isinstance(value.value_schedule, ConstantSchedule):
            raise HeadstartError(f"{key} changes with time: schedules cannot be imported")
        return value(1.0)
    if isinstance(value, TrainFreq):
        return [value.frequency, value.unit.value]
    if key == "action_noise" and value is not None:
        return _deviation(value)
    if key == "policy_kwargs":
        # SAC puts `use_sde` in here itself.
        return {name: _named(part) for name, part in (value or {}).items() if name != "use_sde"}
    if callable(value):
        raise HeadstartError(f"{key} = {value!r}: schedules cannot be imported")
    return value


def _deviation(noise: ActionNoise) -> float:
    """Return the standard deviation of Gaussian noise that is the same for all actions."""
    if type(noise) is NormalActionNoise:
        deviations = np.unique(vars(noise)["_sigma"])
        if deviations.size == 1 and not np.any(vars(noise)["_mu"]):
            return float(deviations[0])
    raise HeadstartError(
        f"action_noise = {noise!r}: only Gaussian noise can be imported, of mean 0 and the same "
        "deviation for all actions"
    )


def _named(value: Any) -> Any:
    """Return a class by the name that settings have for it."""
    names = {cls: name for name, cls in ACTIVATIONS.items()}
    return names.get(value, _path(value)) if isinstance(value, type) else value


def _path(cls: type) -> str:
    return f"{cls.__module__}:{cls.__name__}"


def _copy_model(model: BaseAlgorithm, learner: Learner) -> None:
    learner.model.set_parameters(model.get_parameters(), exact_match=True)  # type: ignore[arg-type]
    with torch.no_grad():
        for name in model._get_torch_save_params()[1]:
            recursive_getattr(learner.model, name).copy_(recursive_getattr(model, name))
    for name in ("num_timesteps", "_n_updates", "_episode_num"):
        setattr(learner.model, name, getattr(model, name))


def _copy_statistics(statistics: Any, learner: Learner) -> None:
    normalizer = learner.normalizer
    if normalizer is None:
        return
    for name in ("clip_obs", "clip_reward", "epsilon", "norm_obs_keys"):
        theirs, ours = getattr(statistics, name), getattr(normalizer, name)
        if theirs != ours:
            raise HeadstartError(
                f"VecNormalize with {name} = {theirs!r}: only {ours!r} is supported"
            )
    normalizer.ret_rms = statistics.ret_rms
    if statistics.norm_obs:
        normalizer.obs_rms = statistics.obs_rms
