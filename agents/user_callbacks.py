"""Callbacks of a user's own in a training: made by name, exact over interruptions, whole budgets.

A checkpoint holds what such a callback keeps in attributes of plain data (numbers, text, lists,
dicts, arrays, generators), so that most go on exactly without a line of their own. One with
`state()` and `restore(state)` (see `learner.Stateful`) says itself what it keeps.
"""

from __future__ import annotations

import inspect
import math
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback

from ..core.classes import load_object
from ..core.errors import HeadstartError, nearest, one_line
from ..core.named import NamedEntry, split_named
from .learner import Stateful

FOLDER = "{trial}"
"""What stands in an argument for the folder of the trial."""
_OF_BASE = {"model", "locals", "globals", "parent", "verbose", "num_timesteps"}
_TAG = "kept"


class UserCallback(BaseCallback):
    """A user's callback as part of a learner: its state is in checkpoints, its errors are named.

    Args:
        path: what it is called, for messages.
        inner: the callback.
    """

    def __init__(self, path: str, inner: BaseCallback) -> None:
        super().__init__()
        self.path, self.inner = path, inner
        self._kept: Mapping[str, Any] | None = None
        self._begins_again = False

    def state(self) -> dict[str, Any]:
        """Return what the callback keeps, as plain JSON data."""
        if isinstance(self.inner, Stateful):
            return {"n_calls": self.inner.n_calls, "own": self.inner.state()}
        kept = {}
        for name, value in vars(self.inner).items():
            if name not in _OF_BASE:
                try:
                    kept[name] = _as_json(value)
                except TypeError:
                    continue  # such as an open file: it is as the callback makes it anew
        return {"attributes": kept}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what was kept, once training begins."""
        self._kept, self._begins_again = state, True

    def update_child_locals(self, locals_: dict[str, Any]) -> None:
        """Hand the training's variables on."""
        self.inner.update_locals(locals_)

    def _init_callback(self) -> None:
        model: BaseAlgorithm = self.model
        self._named(self.inner.init_callback, model)

    def _on_training_start(self) -> None:
        self._named(self.inner.on_training_start, self.locals, self.globals)
        if self._kept is None:
            return
        if "own" in self._kept and isinstance(self.inner, Stateful):
            self.inner.n_calls = self._kept["n_calls"]
            self._named(self.inner.restore, self._kept["own"])
        for name, value in self._kept.get("attributes", {}).items():
            setattr(self.inner, name, _from_json(value))
        self._kept = None

    def _on_rollout_start(self) -> None:
        # A checkpoint is saved after this was called for the rollout that now begins once more.
        if not self._begins_again:
            self._named(self.inner.on_rollout_start)
        self._begins_again = False

    def _on_step(self) -> bool:
        if not self._named(self.inner.on_step):
            raise HeadstartError(
                f"callback {self.path} ended the training at step {self.num_timesteps:,}: methods "
                "are compared over whole budgets, so that none may end early"
            )
        return True

    def _on_rollout_end(self) -> None:
        self._named(self.inner.on_rollout_end)

    def _on_training_end(self) -> None:
        self._named(self.inner.on_training_end)

    def _named(self, call: Any, *arguments: Any) -> Any:
        """Call a function of the callback; its errors say whose they are."""
        try:
            return call(*arguments)
        except HeadstartError:
            raise
        except Exception as error:  # whatever a foreign callback raises
            raise HeadstartError(f"callback {self.path}: {one_line(error)}") from error


def make_callbacks(entries: Sequence[NamedEntry], folder: Path) -> list[UserCallback]:
    """Make the callbacks of an experiment for one trial.

    Args:
        entries: each `package.module:Class`, or that with its arguments; in place of a class also
            a function that is annotated to return a callback.
        folder: the trial's, which stands for `{trial}` in arguments.

    Raises:
        HeadstartError: an unknown name or argument, what makes no callback, or an error of its own.

    >>> [made] = make_callbacks(
    ...     [{"stable_baselines3.common.callbacks:CheckpointCallback":
    ...         {"save_freq": 100, "save_path": "{trial}/models"}}], Path("trial"))
    >>> made.inner.save_path
    'trial/models'
    """
    return [_make(entry, folder) for entry in entries]


def _make(entry: NamedEntry, folder: Path) -> UserCallback:
    path, settings = split_named(entry, "callback", "'package.module:Class' or {that: {...}}")
    if ":" not in path:
        raise HeadstartError(f"unknown callback '{path}'; expected 'package.module:Class'")
    found = load_object(path, "callback")
    if not _makes_callbacks(found):
        raise HeadstartError(
            f"callback '{path}': expected a subclass of Stable-Baselines3's BaseCallback, or a "
            "function annotated to return one"
        )
    parameters = inspect.signature(found).parameters
    if not any(one.kind is one.VAR_KEYWORD for one in parameters.values()):
        for name in settings:
            if name not in parameters:
                raise HeadstartError(
                    f"unknown argument '{name}' of callback {path}{nearest(name, parameters)}"
                )
    try:
        made = found(**_placed(settings, folder))
    except HeadstartError:
        raise
    except Exception as error:  # whatever a foreign callback raises
        raise HeadstartError(f"callback {path}: {one_line(error)}") from error
    if not isinstance(made, BaseCallback):
        raise HeadstartError(f"callback '{path}' returned a {type(made).__name__}, no callback")
    return UserCallback(path, made)


def _makes_callbacks(found: Any) -> bool:
    """Return whether an object was made to make callbacks, so that a file may name it."""
    if isinstance(found, type):
        return issubclass(found, BaseCallback)
    if not inspect.isfunction(found):
        return False
    try:
        returned = typing.get_type_hints(found).get("return")
    except Exception:  # annotations may name what is not there
        return False
    return isinstance(returned, type) and issubclass(returned, BaseCallback)


def _placed(value: Any, folder: Path) -> Any:
    """Return arguments with the trial's folder in place of its name."""
    if isinstance(value, str):
        return value.replace(FOLDER, str(folder))
    if isinstance(value, Mapping):
        return {key: _placed(part, folder) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_placed(part, folder) for part in value]
    return value


def _as_json(value: Any) -> Any:
    """Return plain data as JSON that `_from_json` makes the same again; TypeError for the rest."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return float(value)
    if isinstance(value, list):
        return [_as_json(part) for part in value]
    return {_TAG: _tagged(value)}


def _tagged(value: Any) -> list[Any]:
    if isinstance(value, float):
        return ["float", repr(float(value))]
    if isinstance(value, tuple):
        return ["tuple", [_as_json(part) for part in value]]
    if isinstance(value, dict):
        return ["dict", [[_as_json(key), _as_json(part)] for key, part in value.items()]]
    if isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind in "biuf":
        return ["array", value.dtype.str, list(value.shape), value.tobytes().hex()]
    if isinstance(value, np.random.Generator):
        state = dict(value.bit_generator.state)
        return ["generator", _as_json(state)]
    raise TypeError(f"{type(value).__name__} is no plain data")


def _from_json(value: Any) -> Any:
    if isinstance(value, list):
        return [_from_json(part) for part in value]
    if not isinstance(value, dict):
        return value
    kind, *rest = value[_TAG]
    if kind == "float":
        return float(rest[0])
    if kind == "tuple":
        return tuple(_from_json(part) for part in rest[0])
    if kind == "dict":
        return {_from_json(key): _from_json(part) for key, part in rest[0]}
    if kind == "generator":
        state = _from_json(rest[0])
        made = np.random.Generator(getattr(np.random, state["bit_generator"])())
        made.bit_generator.state = state
        return made
    dtype, shape, data = rest
    return np.frombuffer(bytes.fromhex(data), np.dtype(dtype)).reshape(shape)[()].copy()
