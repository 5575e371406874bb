"""Stable-Baselines3's own archives made into bundles: the only place where pickles are loaded."""

from __future__ import annotations

import base64
import pickle
import warnings
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.noise import ActionNoise, NormalActionNoise
from stable_baselines3.common.save_util import recursive_getattr
from stable_baselines3.common.type_aliases import TrainFreq

from ...core.errors import HeadstartError, one_line, shown
from ..algorithms import ACTIVATIONS, OWN, Algorithm, library_class, setting_types
from ..learner import Learner, create
from ..policies.hindsight import HER
from .archive import Archive, is_pickled, read_archive
from .bundle import Bundle, BundleError, load, save
from .placeholder import placeholder
from .sizes import light

SCHEDULES = ("learning_rate", "clip_range", "clip_range_vf")
"""Settings that may change with time in Stable-Baselines3, and are constant here."""


@dataclass(frozen=True)
class Imported:
    """A bundle made of an archive, and what had to be changed for it, a line each."""

    bundle: Bundle
    notes: list[str]


@dataclass(frozen=True)
class ZooFolder:
    """Where the parts of a trained agent of the RL Zoo lie, and what its folders say of it."""

    archive: Path
    normalizer: Path | None
    algorithm: str | None
    world_id: str | None


def zoo_layout(path: str | Path) -> ZooFolder:
    """Return what lies where in a folder of the RL Zoo; a file is an archive alone.

    The Zoo saves to `ALGORITHM/WORLD_1/`: `WORLD.zip` and `best_model.zip`, and in `WORLD/` the
    normalizer, `vecnormalize.pkl`.

    Raises:
        BundleError: there is no archive in the folder.
    """
    path = Path(path)
    if not path.is_dir():
        return ZooFolder(path, None, None, None)
    world = path.resolve().name.rpartition("_")[0]
    candidates = [path / f"{world}.zip", path / "best_model.zip", *sorted(path.glob("*.zip"))]
    archive = next((one for one in candidates if one.is_file()), None)
    if archive is None:
        raise BundleError(f"{path}: there is no .zip of Stable-Baselines3 in this folder")
    normalizer = next(iter(sorted(path.glob("*/vecnormalize.pkl"))), path / "vecnormalize.pkl")
    known = {"ppo": "ppo", "sac": "sac", "ppo_lstm": "recurrent_ppo"}
    return ZooFolder(
        archive,
        normalizer if normalizer.is_file() else None,
        known.get(path.resolve().parent.name),
        world or None,
    )


def import_sb3_zip(
    path: str | Path,
    directory: str | Path,
    *,
    world_id: str,
    algorithm: str | None = None,
    trust: bool = False,
    normalizer: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    modules: Collection[str] = (),
) -> Imported:
    """Make a bundle in `directory` from a model saved by Stable-Baselines3 2.0 or later.

    Args:
        path: the archive.
        directory: where the bundle goes.
        world_id: the world that the model was trained in; an archive does not say.
        algorithm: what the model is (`ppo`, `sac`, `package.module:Class`), where the archive does
            not say.
        trust: that both files are yours, or of someone whom you trust: they hold pickles, and
            loading a pickle can run any code.
        normalizer: the file of its `VecNormalize`, if it had one.
        settings: settings to put in place of the archive's, such as schedules.
        modules: packages of your own that the bundle may name, as in `bundle.load`.

    Returns:
        The bundle, and what was changed for it.

    Raises:
        BundleError: it is not trusted (nothing is opened then), or no such archive.
        HeadstartError: it holds what a bundle cannot state; names it.
    """
    if not trust:
        raise BundleError(
            f"{path}: an archive of Stable-Baselines3 holds pickles, which can run any code when "
            "loaded; import only what you or someone you trust has made, and say so: --trust-file "
            "(trust=True in Python)"
        )
    archive = read_archive(path)
    empty = Algorithm(algorithm or archive.algorithm(), {})
    given, notes = dict(settings or {}), list[str]()
    constants = {key: _constant(archive, key, given, notes) for key in SCHEDULES}
    model = _loaded(archive, empty, constants)
    statistics = None if normalizer is None else _statistics(Path(normalizer))
    kinds = [key for key in setting_types(empty.cls) if key not in OWN]
    found = {key: _setting(archive, model, key) for key in kinds if key not in SCHEDULES}
    found |= {key: value for key, value in constants.items() if key in kinds}
    resolved = empty.replace(
        **{key: value for key, value in found.items() if value is not None} | given,
        worlds=model.n_envs,
        normalize=statistics is not None and statistics.norm_obs,
        normalize_reward=statistics is not None and statistics.norm_reward,
    )
    stand_in = placeholder(model.observation_space, model.action_space)
    learner = create(light(resolved), stand_in, 0)
    learner.algorithm = resolved
    try:
        _copy_model(model, learner)
        if statistics is not None:
            _copy_statistics(statistics, learner)
        save(learner, directory, world_id=world_id)
    finally:
        learner.close()
    return Imported(load(directory, modules), notes)


def _constant(
    archive: Archive, key: str, given: Mapping[str, Any], notes: list[str]
) -> float | None:
    """Return the constant that a setting is, or what its schedule begins with; adds a note then."""
    if key in given:
        return float(given[key])
    if key not in archive.data or archive.data[key] is None:
        return None
    known = archive.constant(key)
    if known is not None:
        return known
    how = f"give a number: --set {key}=0.0003"
    if archive.of_another_python:
        raise HeadstartError(
            f"{archive.path}: {key} is a schedule of Python {archive.python.split()[0]}, which "
            f"cannot be run here; {how}"
        )
    schedule = _unpickled(archive, key, how)
    try:
        first, last = (float(schedule(left)) for left in (1.0, 0.0))
    except Exception as error:  # a schedule is anyone's function
        raise HeadstartError(
            f"{archive.path}: {key} is a schedule that fails ({shown(one_line(error))}); {how}"
        ) from None
    if first != last:
        notes.append(
            f"{key} is a schedule, from {first:g} to {last:g}: imported as {first:g}; --set "
            f"{key}=NUMBER for another"
        )
    return first


def _unpickled(archive: Archive, key: str, how: str) -> Any:
    try:
        return pickle.loads(base64.b64decode(archive.data[key][":serialized:"]))
    except Exception as error:  # most often a module that is not installed
        raise HeadstartError(
            f"{archive.path}: {key} is a schedule that cannot be loaded ({shown(one_line(error))})"
            f"; {how}"
        ) from None


def _loaded(
    archive: Archive, algorithm: Algorithm, constants: Mapping[str, float | None]
) -> BaseAlgorithm:
    """Return the archive's model: schedules as constants, and no room for transitions."""
    rate = constants.get("learning_rate") or 0.0
    replaced: dict[str, Any] = {key: constants[key] for key in SCHEDULES if key in archive.data}
    replaced |= {"lr_schedule": lambda _: rate, "_last_obs": None, "_last_original_obs": None}
    replaced |= {"ep_info_buffer": None, "ep_success_buffer": None}
    if "buffer_size" in archive.data:
        replaced |= {"buffer_size": 1, "replay_buffer_class": None, "replay_buffer_kwargs": {}}
        # An exploration schedule follows from settings that are plain.
        replaced |= {"exploration_schedule": None, "optimize_memory_usage": False}
    cls = library_class(algorithm.cls)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return cls.load(archive.path, device="cpu", custom_objects=replaced)
    except Exception as error:  # whatever a pickle of another version ends in
        raise HeadstartError(
            f"{archive.path}: cannot be loaded as {algorithm.name} (made with Stable-Baselines3 "
            f"{archive.version or 'of an unknown version'}): {shown(one_line(error), 120)}"
        ) from error


def _statistics(path: Path) -> Any:
    try:
        found = pickle.loads(path.read_bytes())
        vars(found)["norm_obs"], vars(found)["ret_rms"]
    except OSError as error:
        raise BundleError(f"{path} cannot be read: {error.strerror}") from None
    except Exception as error:  # whatever a damaged pickle ends in
        raise BundleError(f"{path} is no VecNormalize: {shown(one_line(error), 120)}") from None
    return found


def _setting(archive: Archive, model: BaseAlgorithm, key: str) -> Any:
    """Return one constructor argument of a model as a setting; None for its default."""
    if key == "policy":
        names = {cls: name for name, cls in model.policy_aliases.items()}
        return names.get(model.policy_class, _path(model.policy_class))
    if key == "buffer_size":
        return archive.plain(key)
    if key == "replay_buffer_class":
        return HER if archive.uses_her else None
    if key == "replay_buffer_kwargs":
        return _goals(archive) if archive.uses_her else None
    value = getattr(model, key, None)
    if isinstance(value, TrainFreq):
        return [value.frequency, value.unit.value]
    if key == "action_noise" and value is not None:
        return _deviation(value)
    if key == "policy_kwargs":
        # SAC puts `use_sde` in here itself.
        return {name: _named(part) for name, part in (value or {}).items() if name != "use_sde"}
    if callable(value) or is_pickled(value):
        raise HeadstartError(f"{key} = {shown(value)}: functions cannot be imported")
    return value


def _goals(archive: Archive) -> dict[str, Any]:
    """Return how goals are set in hindsight, as far as that is not Stable-Baselines3's default."""
    given = archive.plain("replay_buffer_kwargs")
    known = ("n_sampled_goal", "goal_selection_strategy")
    return {key: given[key] for key in known if key in (given or {})}


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
    for name in ("num_timesteps", "_n_updates", "_episode_num", "exploration_rate"):
        if hasattr(model, name):
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
