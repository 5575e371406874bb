"""A trained agent on disk: JSON, safetensors and plain npz, verified; nothing executable.

A bundle is a directory:

=====================  =========================================================================
manifest.json          format, and the size and sha256 of every other file
bundle.json            algorithm and settings, world, spaces, randomization, counters, versions;
                       the bundle that training began with, where there was one
policy.safetensors     all that is learned, by parameter name
optimizer.safetensors  the optimizers' moments as `optimizer/parameter/moment`
normalizer.npz         running mean, variance and count of observations and returns
replay_buffer.npz      the replay buffer, where it was asked for
method.json            what the callbacks of a method keep (see `Stateful`), in a checkpoint
method.npz             the arrays that they keep (see `Storing`), in a checkpoint
=====================  =========================================================================
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import safetensors.torch
import torch

from ...core.errors import HeadstartError, one_line, shown
from ...core.files import write_synced
from ...envs.privileged import Privileges
from ..algorithms import OWN, Algorithm
from ..learner import Array, Learner, MakeWorld, create
from ..policies.layers import actor_names
from . import contents as checked
from . import spaces
from .allocation import no_larger_than
from .limits import file_limit
from .placeholder import placeholder
from .replay import buffer_arrays, replay_arrays
from .sizes import check_memory, file_limit_of, light, seen_space
from .statistics import normalizer_arrays, running_statistics, set_statistics
from .storage import (
    BundleError,
    is_whole,
    parse_json,
    read_directory,
    write_directory,
    write_synced_json,
)
from .trust import check_classes, check_imported_world

__all__ = ["Bundle", "BundleError", "exists", "load", "save"]

_REQUIRED = ("bundle.json", "policy.safetensors", "optimizer.safetensors")
_OPTIONAL = ("normalizer.npz", "replay_buffer.npz", "method.json", "method.npz")
_LIBRARIES = ("headstart", "stable-baselines3", "torch", "gymnasium", "numpy")
_COUNTERS = (*checked.COUNTERS, "exploration_rate")


@dataclass(frozen=True)
class Bundle:
    """A verified bundle in memory; `load` makes one.

    `steps` are all environment steps that it was trained for, those of `start` included: the
    randomization, steps and checksum of the bundle that training began with, or None.
    `randomizer` is the entry of one that learns, and the state in which it drew last, or None.
    `privileges` are what critics saw of its world and the actor did not; `in_target`: whether it
    was trained in a target, where that is unknown.
    """

    directory: Path
    algorithm: Algorithm
    world_id: str
    randomization: dict[str, str]
    observation_space: spaces.Space
    action_space: spaces.Space
    steps: int
    versions: dict[str, str]
    start: dict[str, Any] | None
    privileges: Privileges | None
    in_target: bool
    trust: frozenset[str]
    randomizer: dict[str, Any] | None
    _counters: dict[str, Any] = field(repr=False)
    _contents: dict[str, bytes] = field(repr=False)

    def own_world(self) -> str:
        """Return the id of the bundle's world, to be made.

        Raises:
            BundleError: making it would import a module that the bundle was not trusted with.
        """
        check_imported_world(self.world_id, self.trust, f"bundle {self.directory}")
        return self.world_id

    def learner(
        self, make_world: MakeWorld, seed: int, device: str = "cpu", *, workers: int = 0
    ) -> Learner:
        """Return a learner in these worlds that goes on from where the bundle was saved.

        Raises BundleError when the world's spaces are not the bundle's.
        """
        check_memory(self.algorithm, self.observation_space, self.action_space)
        learner = create(
            self.algorithm,
            make_world,
            seed,
            device,
            check_spaces=self.check_spaces,
            workers=workers,
            privileges=self.privileges,
            in_target=self.in_target,
            making=self._no_larger(),
        )
        try:
            self.restore(learner)
        except BaseException:
            learner.close()
            raise
        return learner

    def policy(self, device: str = "cpu") -> Learner:
        """Return a learner that can only act, without any world, or room to learn."""
        stand_in = placeholder(self.observation_space, self.action_space)
        learner = create(
            light(self.algorithm),
            stand_in,
            0,
            device,
            privileges=self.privileges,
            making=self._no_larger(),
        )
        learner.algorithm = self.algorithm
        self.restore_weights(learner)
        self.restore_normalizer(learner)
        return learner

    def check_spaces(self, observation_space: spaces.Space, action_space: spaces.Space) -> None:
        """Raise BundleError, saying what differs, unless the policy fits these spaces."""
        for name, own, other in (
            ("observation", self.observation_space, observation_space),
            ("action", self.action_space, action_space),
        ):
            found = spaces.difference(own, other, bounds=name == "action")
            if found:
                raise BundleError(
                    f"bundle {self.directory} (from {self.world_id}) does not fit this world: "
                    f"{name} space: {found}"
                )

    def restore(self, learner: Learner) -> None:
        """Put a learner into the state in which the bundle was saved."""
        self.restore_weights(learner)
        self.restore_optimizers(learner)
        self.restore_normalizer(learner)
        self.restore_counters(learner)
        self.restore_replay_buffer(learner)
        self.restore_method(learner)

    def weights(self) -> dict[str, torch.Tensor]:
        """Return all that was learned, by parameter name."""
        return self._tensors("policy.safetensors")

    def restore_weights(self, learner: Learner) -> None:
        """Copy every learned tensor, target networks and SAC's temperature among them.

        Not those of critics that see nothing of what they saw here (`critic_in_target: nothing`):
        they begin anew.
        """
        self._check_senses(learner)
        saved, own = self.weights(), learner.tensors()
        for name in sorted(saved.keys() | own.keys()):
            ours = tuple(own[name].shape) if name in own else "missing"
            theirs = tuple(saved[name].shape) if name in saved else "missing"
            if ours != theirs:
                raise BundleError(
                    f"bundle {self.directory}: '{shown(name)}' is {theirs} in the bundle and "
                    f"{ours} in the learner{self._differing_versions()}"
                )
        with torch.no_grad():
            for name in own.keys() - self.left_out(learner):
                own[name].copy_(saved[name])

    def left_out(self, learner: Learner) -> frozenset[str]:
        """Return the names of what a learner does not take over: that of re-fitted critics."""
        if self.in_target or not learner.critic_is_refitted:
            return frozenset()
        policy = learner.model.policy
        names = {name for name, _ in policy.named_parameters()}
        return frozenset(names - actor_names(policy))

    def _check_senses(self, learner: Learner) -> None:
        saw, sees = self.algorithm.history, learner.algorithm.history
        if saw != sees:
            raise BundleError(
                f"bundle {self.directory}: its policy sees {saw or 'no history'}, the learner "
                f"{sees or 'no history'}"
            )
        if self.privileges != learner.privileges:
            raise BundleError(
                f"bundle {self.directory}: what its critics see and its actor does not is not that "
                "of the learner"
            )

    def restore_optimizers(self, learner: Learner) -> None:
        """Restore the optimizers' moments, by parameter name."""
        parameters, optimizers = learner.parameters(), learner.optimizers()
        for optimizer in optimizers.values():
            optimizer.state.clear()
        left_out = self.left_out(learner)
        for path, value in self._tensors("optimizer.safetensors").items():
            optimizer_name, name, key = path.split("/")
            if name in left_out:
                continue
            if optimizer_name not in optimizers or name not in parameters:
                raise BundleError(
                    f"bundle {self.directory}: optimizer.safetensors: '{path}' has no counterpart"
                )
            parameter = parameters[name]
            # Adam counts its steps on the CPU, whatever the device.
            value = value.to(parameter.device) if value.ndim else value
            optimizers[optimizer_name].state[parameter][key] = value.clone()

    def restore_normalizer(self, learner: Learner) -> None:
        """Restore the running statistics of observations and returns."""
        normalizer = learner.normalizer
        if normalizer is None:
            return
        arrays, own = self._arrays("normalizer.npz"), running_statistics(normalizer)
        shapes = {name: np.shape(statistics.mean) for name, statistics in own.items()}
        checked.check_statistics(self.directory / "normalizer.npz", arrays, shapes)
        set_statistics(normalizer, arrays)

    def restore_counters(self, learner: Learner) -> None:
        """Restore the counts of steps, updates and episodes."""
        for name, value in self._counters.items():
            setattr(learner.model, name, value)

    def restore_replay_buffer(self, learner: Learner) -> None:
        """Restore the replay buffer, where the bundle holds one."""
        buffer = getattr(learner.model, "replay_buffer", None)
        if buffer is None or "replay_buffer.npz" not in self._contents:
            return
        arrays, own = self._arrays("replay_buffer.npz"), buffer_arrays(buffer)
        path = self.directory / "replay_buffer.npz"
        size = checked.check_transitions(path, arrays, own)
        for name, array in own.items():
            array[:size] = arrays[name]
        buffer.full = bool(arrays["full"])
        buffer.pos = int(arrays["pos"])

    def restore_method(self, learner: Learner) -> None:
        """Restore what the callbacks of the learner's method keep, where the bundle holds it."""
        if "method.npz" in self._contents:
            try:
                learner.restore_stored(self._arrays("method.npz"))
            except (KeyError, ValueError) as error:
                raise BundleError(
                    f"{self.directory / 'method.npz'} is damaged: {error!r}"
                ) from error
        if "method.json" not in self._contents:
            return
        path = self.directory / "method.json"
        try:
            learner.restore_states(parse_json(path, self._contents["method.json"])["callbacks"])
        except HeadstartError:
            raise
        except Exception as error:  # whatever a callback makes of values that are not its own
            raise BundleError(f"{path} is damaged: {shown(one_line(error), 100)}") from error

    def _differing_versions(self) -> str:
        """Return, as the end of a message, what other versions the bundle was made with."""
        differing = [
            f"{name} {shown(self.versions.get(name, 'none'), 20)}, now {now}"
            for name, now in _versions().items()
            if self.versions.get(name) != now
        ]
        return f" (made with {'; '.join(differing[:2])})" if differing else ""

    def _no_larger(self) -> AbstractContextManager[None]:
        """Return a context in which networks are made no larger than the bundle's weights."""
        weights = self._contents["policy.safetensors"]
        return no_larger_than(len(weights), f"bundle {self.directory}")

    def _verify(self) -> None:
        """Raise BundleError where weights, moments or statistics are none that training leaves."""
        weights = self._tensors("policy.safetensors")
        path = self.directory / "optimizer.safetensors"
        checked.check_moments(path, self._tensors("optimizer.safetensors"), weights)
        for name in ("normalizer.npz", "replay_buffer.npz"):
            if name in self._contents:
                self._arrays(name)
        if "method.json" in self._contents:
            parse_json(self.directory / "method.json", self._contents["method.json"])
        if "normalizer.npz" in self._contents:
            self._verify_normalizer()

    def _verify_normalizer(self) -> None:
        """Check the normalizer's statistics against the spaces, as `restore_normalizer` does."""
        found = self._arrays("normalizer.npz")
        both = self.observation_space, self.action_space
        own: Any = seen_space(self.algorithm, *both, self.privileges)
        parts = dict(own.items()) if isinstance(own, gymnasium.spaces.Dict) else {"": own}
        shapes: dict[str, Any] = {"returns": ()}
        for key, part in parts.items():
            name = f"observation.{key}" if key else "observation"
            if f"{name}.mean" in found:
                shapes[name] = part.shape
        checked.check_statistics(self.directory / "normalizer.npz", found, shapes)

    def _tensors(self, name: str) -> dict[str, torch.Tensor]:
        most = checked.LARGEST_WEIGHT if name.startswith("policy") else checked.LARGEST_NUMBER
        return checked.tensors(self.directory / name, self._contents[name], most)

    def _arrays(self, name: str) -> dict[str, Array]:
        if name not in self._contents:
            raise BundleError(f"bundle {self.directory} has no {name}")
        return checked.arrays(self.directory / name, self._contents[name])


def save(
    learner: Learner,
    directory: str | Path,
    *,
    world_id: str,
    randomization: Mapping[str, str] | None = None,
    randomizer: Mapping[str, Any] | None = None,
    start: Mapping[str, Any] | None = None,
    replay_buffer: bool = False,
) -> None:
    """Save a learner to `directory`, replacing a bundle that is there only once this one is whole.

    `randomizer` is what drew inside the `randomization`, and what it had learned, where it learns.

    Raises OSError (disk full, no permission) with the earlier bundle, if any, untouched.
    """
    model = learner.model
    about = {
        "algorithm": {learner.algorithm.name: dict(learner.algorithm.settings)},
        "world_id": world_id,
        "randomization": dict(randomization or {}),
        "observation_space": spaces.space_to_json(learner.observation_space),
        "action_space": spaces.space_to_json(learner.worlds.action_space),
        "counters": {name: getattr(model, name) for name in _COUNTERS if hasattr(model, name)},
        "versions": _versions(),
        **({"randomizer": dict(randomizer)} if randomizer else {}),
        **({"start": dict(start)} if start else {}),
        **({"in_target": True} if learner.in_target and learner.privileges else {}),
        **({"privileges": asdict(learner.privileges)} if learner.privileges else {}),
    }

    def fill(path: Path) -> None:
        write_synced_json(path / "bundle.json", about)
        write_synced(path / "policy.safetensors", _packed(learner.tensors()))
        write_synced(path / "optimizer.safetensors", _packed(_moments(learner)))
        if learner.normalizer is not None:
            _write_arrays(path / "normalizer.npz", normalizer_arrays(learner.normalizer))
        buffer = getattr(model, "replay_buffer", None)
        if replay_buffer and buffer is not None:
            _write_arrays(path / "replay_buffer.npz", replay_arrays(buffer))
        if replay_buffer and (stored := learner.stored()):
            _write_arrays(path / "method.npz", stored)
        states = learner.states()
        if replay_buffer and any(state is not None for state in states):
            write_synced_json(path / "method.json", {"callbacks": states})

    write_directory(Path(directory), fill)


def exists(directory: str | Path) -> bool:
    """Return whether a bundle was ever completely saved to `directory`."""
    return is_whole(Path(directory))


def load(directory: str | Path, trust: Collection[str] = ()) -> Bundle:
    """Read a bundle and verify every file in it.

    Nothing in a bundle is ever unpickled or run, and no module that it names is imported but those
    of Stable-Baselines3, sb3-contrib, torch and headstart.

    Args:
        directory: where it lies.
        trust: modules or packages of your own that the bundle may name, as `["my_package"]`.

    Raises:
        BundleError: there is none, or a file is missing, truncated, altered or not what its name
            says, or it names a module that is not trusted.
    """
    directory = Path(directory)

    def limit(name: str, read: Mapping[str, bytes]) -> int:
        """Return how large a file may be, by what bundle.json says of what it holds."""
        if name == "bundle.json":
            return file_limit(name)
        return file_limit_of(name, directory, _described(directory, read, trust))

    contents = read_directory(directory, _REQUIRED, _OPTIONAL, limit)
    found = Bundle(
        directory=directory,
        trust=frozenset(trust),
        _contents=contents,
        **_described(directory, contents, trust),
    )
    found._verify()
    return found


def _described(
    directory: Path, contents: Mapping[str, bytes], trust: Collection[str]
) -> dict[str, Any]:
    """Return what bundle.json says, as fields of a bundle.

    Raises:
        BundleError: it is damaged, or names a module that is not trusted.
    """
    path = directory / "bundle.json"
    about = parse_json(path, contents["bundle.json"])
    try:
        ((name, settings),) = about["algorithm"].items()
        check_classes(str(name), settings, trust, f"bundle {directory}")
        counters = checked.check_counters(path, about["counters"])
        return {
            "algorithm": Algorithm(str(name), OWN).replace(**settings),
            "world_id": str(about["world_id"]),
            "randomization": {str(k): str(v) for k, v in about["randomization"].items()},
            "observation_space": spaces.space_from_json(about["observation_space"]),
            "action_space": spaces.space_from_json(about["action_space"]),
            "steps": int(counters["num_timesteps"]),
            "versions": {str(k): str(v) for k, v in about["versions"].items()},
            "start": dict(about["start"]) if "start" in about else None,
            "randomizer": dict(about["randomizer"]) if "randomizer" in about else None,
            "privileges": Privileges.from_json(seen) if (seen := about.get("privileges")) else None,
            "in_target": bool(about.get("in_target", False)),
            "_counters": counters,
        }
    except BundleError:
        raise
    except HeadstartError as error:
        raise BundleError(f"{path}: {shown(error, 200)}") from error
    except Exception as error:  # whatever is made of values of the wrong kind
        raise BundleError(f"{path} is damaged: {shown(one_line(error), 150)}") from error


def _moments(learner: Learner) -> dict[str, torch.Tensor]:
    """Return every optimizer's state as `optimizer/parameter/moment`."""
    names = {id(tensor): name for name, tensor in learner.parameters().items()}
    return {
        f"{optimizer_name}/{names[id(parameter)]}/{key}": torch.as_tensor(value)
        for optimizer_name, optimizer in learner.optimizers().items()
        for parameter, state in optimizer.state.items()
        for key, value in state.items()
        if value is not None
    }


def _packed(tensors: Mapping[str, torch.Tensor]) -> bytes:
    own = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    return bytes(safetensors.torch.save(own))


def _write_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    with path.open("wb") as file:
        np.savez(file, **arrays)
        file.flush()
        os.fsync(file.fileno())


def _versions() -> dict[str, str]:
    return {name: version(name) for name in _LIBRARIES}
