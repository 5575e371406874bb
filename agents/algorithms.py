"""Algorithms by name, with presets, as plain JSON-able settings that are checked before use."""

from __future__ import annotations

import inspect
import json
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Union

from pydantic import TypeAdapter, ValidationError
from sb3_contrib import RecurrentPPO
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import nn, optim

from ..core.classes import load_class
from ..core.errors import HeadstartError, nearest, shown
from ..core.named import NamedEntry, split_named
from .cores.off_policy import CoreSAC, CoreTD3, CoreTQC
from .cores.ppo import CorePPO
from .policies.asymmetric import (
    AsymmetricPolicy,
    AsymmetricRecurrentPolicy,
    AsymmetricSACPolicy,
    AsymmetricTD3Policy,
    AsymmetricTQCPolicy,
    TeacherPolicy,
)
from .policies.hindsight import hindsight_arguments
from .policies.history import History
from .presets import BASED_ON, PRESETS

ALGORITHMS: dict[str, type[BaseAlgorithm]] = {
    "ppo": CorePPO,
    "recurrent_ppo": RecurrentPPO,
    "sac": CoreSAC,
}

CORES: dict[str, type[BaseAlgorithm]] = {
    "stable_baselines3:PPO": CorePPO,
    "stable_baselines3:SAC": CoreSAC,
    "stable_baselines3:TD3": CoreTD3,
    "sb3_contrib:TQC": CoreTQC,
}
"""What is trained in place of a library's class: the same algorithm with hooks for methods."""

ASYMMETRIC: dict[type[BaseAlgorithm], type[BasePolicy]] = {
    RecurrentPPO: AsymmetricRecurrentPolicy,
    CorePPO: AsymmetricPolicy,
    CoreSAC: AsymmetricSACPolicy,
    CoreTD3: AsymmetricTD3Policy,
    CoreTQC: AsymmetricTQCPolicy,
}

OWN: dict[str, Any] = {"worlds": 1, "normalize": True, "normalize_reward": False}
"""Settings that are ours, with their defaults: parallel worlds per learner, and whether
observations and rewards pass through `VecNormalize`."""

SENSES: dict[str, Any] = {
    "history": int | dict[str, Any] | None,
    "critic_sees": str | list[str] | None,
    "critic_in_target": str | dict[str, float] | None,
    "policy_sees": dict[str, Any] | None,
}
"""Settings of what networks are given, with their types; experiments state them of the source."""

LATENT = 8
"""Numbers that a teacher's encoder makes of the parameters, unless told otherwise."""

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "leaky_relu": nn.LeakyReLU,
}

# Policy arguments that name a class as `package.module:Class`, and what the class must be.
_POLICY_CLASSES: dict[str, type] = {
    "features_extractor_class": BaseFeaturesExtractor,
    "optimizer_class": optim.Optimizer,
}
# Constructor arguments that the learner and the training loop set themselves, and buffers that
# a checkpoint could not hold exactly.
_RESERVED = {
    "self", "env", "seed", "device", "verbose", "tensorboard_log", "_init_setup_model",
    "optimize_memory_usage",
    "rollout_buffer_class", "rollout_buffer_kwargs",
}  # fmt: skip
# Hindsight goals: `her`, and how many of them.
_BUFFER: dict[str, Any] = {
    "replay_buffer_class": str | None,
    "replay_buffer_kwargs": dict[str, Any] | None,
}
_REFUSED = {
    "MaskablePPO": "action masks are not passed on in evaluation",
}
_AT_LEAST: dict[str, float] = {
    "worlds": 1, "n_steps": 1, "batch_size": 1, "n_epochs": 1, "buffer_size": 1,
    "learning_starts": 0, "learning_rate": 0, "gamma": 0, "gae_lambda": 0, "tau": 0,
    "action_noise": 0, "clip_range": 0, "max_grad_norm": 0,
}  # fmt: skip
_AT_MOST: dict[str, float] = {
    "gamma": 1, "gae_lambda": 1, "tau": 1,
    "worlds": 65_536, "n_steps": 10**7, "batch_size": 10**8, "n_epochs": 10**5,
    "buffer_size": 10**9,
}  # fmt: skip
# What no network has: a layer that wide, or that many of them.
_WIDEST, _DEEPEST = 65_536, 256
_LARGEST = 2**53


@dataclass(frozen=True)
class Algorithm:
    """A learning algorithm and all its settings; everything in it is JSON.

    `name` is `ppo`, `sac`, or `package.module:Class` for any other Stable-Baselines3 or
    sb3-contrib class. `settings` are the class's constructor arguments and those of `OWN`;
    `action_noise` is the standard deviation of Gaussian noise on the action scaled to [-1, 1].
    """

    name: str
    settings: Mapping[str, Any]

    @property
    def cls(self) -> type[BaseAlgorithm]:
        """The Stable-Baselines3 class."""
        return _algorithm_class(self.name)

    @property
    def on_policy(self) -> bool:
        """Whether it learns from its latest rollout only (PPO), not from a replay buffer (SAC)."""
        return issubclass(self.cls, OnPolicyAlgorithm)

    @property
    def recurrent(self) -> bool:
        """Whether its networks carry a hidden state from step to step."""
        return issubclass(self.cls, RecurrentPPO)

    @property
    def privileged(self) -> str | list[str] | None:
        """Names of what its critics see and others do not, or of what its policy sees as well."""
        teacher = self.settings.get("policy_sees")
        names: Any = self.settings.get("critic_sees") if teacher is None else teacher["parameters"]
        return None if names is None else names

    @property
    def history(self) -> History | None:
        """How much of an episode its networks see at once; None: the present observation."""
        return History.read(self.settings.get("history"))

    @property
    def worlds(self) -> int:
        """Number of worlds stepped together."""
        return int(self.settings["worlds"])

    @property
    def rollout(self) -> int:
        """Environment steps between two updates, over all worlds."""
        key = "n_steps" if self.on_policy else "train_freq"
        each = self.value(key)
        if isinstance(each, (list, tuple)):
            each, unit = each
            if unit != "step":
                raise HeadstartError(
                    f"{self.name}: train_freq = {[each, unit]}: expected a number of steps, since "
                    "the evaluation steps are fixed beforehand"
                )
        return int(each) * self.worlds

    def accepts(self, key: str) -> bool:
        """Whether the algorithm has a setting of this name."""
        return key in OWN or key in SENSES or key in inspect.signature(self.cls.__init__).parameters

    def value(self, key: str) -> Any:
        """Return a setting, or the class's default where it is not set."""
        if key in self.settings or key in SENSES:
            return self.settings.get(key)
        return inspect.signature(self.cls.__init__).parameters[key].default

    def replace(self, **changes: Any) -> Algorithm:
        """Return the algorithm with some settings changed, checked as in `resolve`.

        A mapping among them (`policy_kwargs`) changes only the keys that it names.
        """
        return _checked(self.name, self.cls, _overlaid(self.settings, changes))

    def arguments(self) -> dict[str, Any]:
        """Return the constructor arguments, text forms turned into classes."""
        arguments = dict(self.settings)
        for key in (*OWN, *SENSES):
            arguments.pop(key, None)
        if ":" in str(arguments["policy"]):
            arguments["policy"] = load_class(
                arguments["policy"], BasePolicy, f"{self.name}: policy"
            )
        if isinstance(arguments.get("train_freq"), list):
            arguments["train_freq"] = tuple(arguments["train_freq"])
        if self.settings.get("critic_sees") is not None:
            arguments["policy"] = asymmetric_policy(self.cls)
        elif self.settings.get("policy_sees") is not None:
            arguments["policy"] = TeacherPolicy
            latent = self.settings["policy_sees"].get("latent", LATENT)
            given = {**(arguments.get("policy_kwargs") or {}), "latent": latent}
            arguments["policy_kwargs"] = given
        arguments["policy_kwargs"] = _policy_arguments(self.name, arguments.get("policy_kwargs"))
        buffer = {key: arguments.pop(key, None) for key in _BUFFER}
        return arguments | hindsight_arguments(buffer)


def resolve_algorithm(spec: NamedEntry, world_id: str) -> Algorithm:
    """Turn `"ppo"`, `{"ppo": {"n_steps": 64}}` or `"sb3_contrib:TQC"` into an `Algorithm`.

    The settings are the general preset, overlaid by the world's, overlaid by those given.
    Raises HeadstartError for an unknown algorithm or setting, or a value of the wrong kind.
    """
    name, given = split_named(spec, "algorithm", "a name such as 'ppo', or {ppo: {n_steps: 64}}")
    cls = _algorithm_class(name)
    name = next((short for short, known in ALGORITHMS.items() if known is cls), name)
    settings: dict[str, Any] = {"policy": None, **OWN}
    for layer in (*_presets(name, world_id), given):
        settings = _overlaid(settings, layer)
    return _checked(name, cls, settings)


def _presets(name: str, world_id: str) -> list[dict[str, Any]]:
    """Return the presets of an algorithm, those of what it is a kind of first."""
    names = [BASED_ON[name], name] if name in BASED_ON else [name]
    return [PRESETS.get((one, world), {}) for one in names for world in (None, world_id)]


def _overlaid(settings: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with changes laid over them, mappings among them key by key."""
    overlaid = dict(settings)
    for key, value in changes.items():
        merge = isinstance(value, Mapping) and isinstance(overlaid.get(key), Mapping)
        overlaid[key] = {**overlaid[key], **value} if merge else value
    return overlaid


def library_class(cls: type[BaseAlgorithm]) -> type[BaseAlgorithm]:
    """Return the class of Stable-Baselines3 or sb3-contrib that a class is or derives from.

    >>> library_class(CorePPO)
    <class 'stable_baselines3.ppo.ppo.PPO'>
    """
    libraries = ("stable_baselines3", "sb3_contrib")
    return next(base for base in cls.__mro__ if base.__module__.split(".")[0] in libraries)


def _algorithm_class(name: str) -> type[BaseAlgorithm]:
    """Return the class behind an algorithm's name."""
    if name in ALGORITHMS:
        return ALGORITHMS[name]
    if ":" not in name:
        hint = nearest(name, ALGORITHMS)
        raise HeadstartError(
            f"unknown algorithm '{name}'{hint} (others as 'package.module:Class', for example "
            "'sb3_contrib:TQC')"
        )
    if name in CORES:
        return CORES[name]
    cls = load_class(name, BaseAlgorithm, "algorithm")  # type: ignore[type-abstract]
    if not issubclass(cls, (OnPolicyAlgorithm, OffPolicyAlgorithm)):
        raise HeadstartError(f"algorithm '{name}': expected an on- or off-policy SB3 algorithm")
    for base in cls.__mro__:
        if base.__name__ in _REFUSED:
            raise HeadstartError(f"algorithm '{name}' is not supported: {_REFUSED[base.__name__]}")
    return cls


def _checked(name: str, cls: type[BaseAlgorithm], settings: Mapping[str, Any]) -> Algorithm:
    """Check every setting's name, type and range; return the algorithm in plain JSON types."""
    kinds = {**setting_types(cls), **SENSES}
    if settings.get("policy") is None:
        settings = {**settings, "policy": _policy_name(cls)}
    checked = {}
    for key, value in settings.items():
        if key not in kinds:
            raise HeadstartError(f"unknown setting '{shown(key)}' of {name}{nearest(key, kinds)}")
        try:
            checked[key] = TypeAdapter(kinds[key]).validate_python(value)
        except ValidationError:
            raise HeadstartError(
                f"{name}: {key} = {shown(repr(value))}: expected {_text(kinds[key])}"
            ) from None
        low, high = _AT_LEAST.get(key), _AT_MOST.get(key)
        number = checked[key]
        if isinstance(number, (int, float)) and (
            (low is not None and not number >= low) or (high is not None and not number <= high)
        ):
            limits = f"at least {low}"
            if high is not None and (low is None or number > low):
                limits = f"between {low} and {high}" if high == 1 else f"at most {high:,}"
            raise HeadstartError(f"{name}: {key} = {shown(value)}: expected a number {limits}")
        _check_sizes(f"{name}: {key}", number, _WIDEST if key == "policy_kwargs" else _LARGEST)
    try:
        plain = json.loads(json.dumps(checked, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise HeadstartError(f"{name}: settings must be plain JSON values: {error}") from None
    algorithm = Algorithm(name, plain)
    algorithm.arguments()
    History.read(plain.get("history"))
    _check_critic(algorithm)
    _check_teacher(algorithm)
    return algorithm


def _check_critic(algorithm: Algorithm) -> None:
    """Raise HeadstartError where critics cannot see more than the actor, or not in that way."""
    sees, there = (algorithm.settings.get(f"critic_{key}") for key in ("sees", "in_target"))
    if sees is not None and asymmetric_policy(algorithm.cls) is None:
        raise HeadstartError(
            f"critic_sees: {algorithm.name} is not supported: expected ppo, recurrent_ppo, sac, "
            "stable_baselines3:TD3 or sb3_contrib:TQC"
        )
    if sees is not None and algorithm.settings["policy"] != _policy_name(algorithm.cls):
        raise HeadstartError("critic_sees: it comes with policies of its own: leave 'policy' out")
    if sees is None and there is not None:
        raise HeadstartError("critic_in_target: say first what critics see in the source")
    if isinstance(there, str) and there not in ("nominal", "nothing"):
        hint = nearest(there, ("nominal", "nothing"))
        raise HeadstartError(f"critic_in_target: '{there}'{hint}, or values by parameter")


def _check_teacher(algorithm: Algorithm) -> None:
    """Raise HeadstartError where a policy cannot see parameters, or not in that way."""
    sees = algorithm.settings.get("policy_sees")
    if sees is None:
        return
    for key in sees:
        if key not in ("parameters", "latent"):
            hint = nearest(str(key), ("parameters", "latent"))
            raise HeadstartError(f"policy_sees: unknown key '{key}'{hint}")
    names, latent = sees.get("parameters"), sees.get("latent", LATENT)
    is_list = isinstance(names, list) and all(isinstance(name, str) for name in names)
    if not (names == "parameters" or (is_list and names)):
        raise HeadstartError("policy_sees: parameters: expected 'parameters', or a list of names")
    if not isinstance(latent, int) or isinstance(latent, bool) or latent < 1:
        raise HeadstartError(f"policy_sees: latent = {latent!r}: expected a whole number from 1 on")
    if isinstance(names, list) and latent > len(names):
        raise HeadstartError(
            f"policy_sees: a latent of {latent} numbers is larger than the {len(names)} "
            f"parameters; expected {len(names)} at most"
        )
    if not issubclass(algorithm.cls, CorePPO):
        raise HeadstartError(f"policy_sees: {algorithm.name} is not supported: expected ppo")
    if algorithm.settings.get("critic_sees") is not None or algorithm.history is not None:
        raise HeadstartError(
            "policy_sees: its critic sees the same, and it needs no history: leave out critic_sees "
            "and history"
        )


def asymmetric_policy(cls: type[BaseAlgorithm]) -> type[BasePolicy] | None:
    """Return the policy of a class whose critics see more than its actor, where there is one."""
    return next((policy for base, policy in ASYMMETRIC.items() if issubclass(cls, base)), None)


def _policy_name(cls: type[BaseAlgorithm]) -> str:
    """Return the policy of a class for vectors: the first it names, where that has another name."""
    names = list(cls.policy_aliases)
    return "MlpPolicy" if "MlpPolicy" in names or not names else names[0]


def _check_sizes(where: str, value: Any, most: int) -> None:
    """Refuse whole numbers beyond `most`, and lists that are too long, anywhere in a setting."""
    if isinstance(value, (Mapping, list, tuple)):
        if len(value) > _DEEPEST:
            raise HeadstartError(f"{where} has {len(value):,} entries, expected at most {_DEEPEST}")
        for part in value.values() if isinstance(value, Mapping) else value:
            _check_sizes(where, part, most)
    elif isinstance(value, int) and abs(value) > most:
        raise HeadstartError(f"{where}: {shown(value)}: expected at most {most:,}")


def setting_types(cls: type[BaseAlgorithm]) -> dict[str, Any]:
    """Return the type of every setting of an algorithm that a text file can state."""
    kinds: dict[str, Any] = {"policy": str, "worlds": int, "normalize": bool}
    kinds["normalize_reward"] = bool
    for key, parameter in inspect.signature(cls.__init__).parameters.items():
        if key == "action_noise":
            kinds[key] = float | None
        elif key in _BUFFER:
            kinds[key] = _BUFFER[key]
        elif key not in _RESERVED and key not in kinds:
            plain = _plain(parameter.annotation)
            if plain is not None:
                kinds[key] = plain
    return kinds


def _plain(hint: Any) -> Any:
    """Return the part of a type hint that JSON can state (drops schedules and objects), or None.

    A hint that is not there or only a text says nothing: anything goes.
    """
    if hint is inspect.Parameter.empty or isinstance(hint, str):
        return Any
    if typing.get_origin(hint) in (Union, types.UnionType):
        members = [member for member in map(_plain, typing.get_args(hint)) if member is not None]
        return Union[tuple(members)] if members else None  # noqa: UP007
    allowed = (int, float, str, bool, dict, list, tuple, type(None))
    return hint if hint is Any or (typing.get_origin(hint) or hint) in allowed else None


def _text(kind: Any) -> str:
    """Return a type as a person would write it."""
    members = typing.get_args(kind) if typing.get_origin(kind) in (Union, types.UnionType) else ()
    if members:
        return " or ".join(_text(member) for member in members)
    if kind is type(None):
        return "null"
    return kind.__name__ if isinstance(kind, type) else str(kind).replace("typing.", "")


def _policy_arguments(name: str, given: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return `policy_kwargs` with activation functions and classes in place of their names."""
    arguments = dict(given or {})
    activation = arguments.get("activation_fn")
    if isinstance(activation, str):
        if activation not in ACTIVATIONS:
            raise HeadstartError(
                f"{name}: unknown activation_fn '{activation}'{nearest(activation, ACTIVATIONS)}"
            )
        arguments["activation_fn"] = ACTIVATIONS[activation]
    for key, base in _POLICY_CLASSES.items():
        if isinstance(arguments.get(key), str):
            arguments[key] = load_class(arguments[key], base, f"{name}: {key}")
    return arguments
