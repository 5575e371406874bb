"""What a script or a notebook defines itself, for the worker processes that it starts.

Worlds that are registered in `__main__`, and classes that an experiment names as `__main__:Name`,
are in no file that a worker could import. The user's own process sends them by cloudpickle to its
own workers, through a pipe. They are never read from a file.
"""

from __future__ import annotations

import dataclasses
import io
import sys
import types
from collections import ChainMap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import entry_points
from typing import Any, ClassVar

import cloudpickle
import gymnasium
from gymnasium.envs.registration import EnvSpec

from ..core.code_digest import MAIN, UnknownContentError, digest_main
from ..core.errors import HeadstartError, shown, single_line


@dataclass(frozen=True)
class MainModule:
    """What of `__main__` workers are to have.

    Attributes:
        objects: what is named as `__main__:Name`, by its name.
        specs: how worlds are registered that no worker would know.
        digests: what its code is told apart by, by name; see `core.code_digest`.
        unknown: why its code cannot be told apart from another; None where it can.
    """

    objects: Mapping[str, Any] = field(default_factory=dict)
    specs: tuple[EnvSpec, ...] = ()
    digests: Mapping[str, str] = field(default_factory=dict)
    unknown: str | None = None

    def __bool__(self) -> bool:
        """Whether there is anything to send."""
        return bool(self.objects or self.specs)

    @property
    def names(self) -> list[str]:
        """What it consists of, for messages."""
        return [*(f"world '{spec.id}'" for spec in self.specs), *(f"'{n}'" for n in self.objects)]

    def packed(self) -> bytes:
        """Return all of it pickled.

        Raises:
            HeadstartError: something cannot be pickled.
        """
        for name, part in zip(self.names, [*self.specs, *self.objects.values()], strict=True):
            try:
                _dumps(part)
            except Exception as error:  # whatever an object raises that cannot be sent
                raise HeadstartError(
                    f"{name} of this script or notebook cannot be sent to worker processes "
                    f"({shown(single_line(str(error)), 120)}); define it in a module of its own"
                ) from None
        return _dumps(self)


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    """Keeps the one object that says of a dataclass's field that it has no default."""

    dispatch_table: ClassVar[ChainMap[Any, Any]] = ChainMap(
        {dataclasses._MISSING_TYPE: lambda _: "MISSING"}, cloudpickle.Pickler.dispatch_table
    )


def _dumps(value: Any) -> bytes:
    file = io.BytesIO()
    _Pickler(file).dump(value)
    return file.getvalue()


OWN = __name__.partition(".")[0]
_taken: list[bytes] = []


def find_main(worlds: Iterable[str], paths: Iterable[str]) -> MainModule:
    """Return what workers need of this process's `__main__`.

    Args:
        worlds: Gymnasium ids.
        paths: texts of the form `package.module:Name`.

    Returns:
        What is found; nothing where all of it can be imported. In a worker: what it was sent.
    """
    if _taken:
        found: MainModule = cloudpickle.loads(_taken[0])
        return found
    main = vars(sys.modules[MAIN])
    names = [path.partition(":")[2] for path in paths if path.startswith(f"{MAIN}:")]
    objects = {name: main[name] for name in dict.fromkeys(names) if name in main}
    split = [world.rpartition(":") for world in worlds]
    ids = dict.fromkeys(name for module, _, name in split if module in ("", MAIN))
    specs = tuple(gymnasium.registry[name] for name in ids if _is_sent(name))
    if not objects and not specs:
        return MainModule()
    parts = {spec.id: [spec.entry_point, spec.kwargs, spec.additional_wrappers] for spec in specs}
    try:
        return MainModule(objects, specs, digest_main({**parts, **objects}))
    except UnknownContentError as error:
        return MainModule(objects, specs, unknown=f"in this script or notebook: {error}")


def take_main(packed: bytes) -> None:
    """Have this process's `__main__` be what its owner sent.

    Raises:
        HeadstartError: a module that the owner has is missing here.
    """
    # What else is in this process's own `__main__` stays as it is.
    module = types.ModuleType(MAIN)
    sys.modules[MAIN] = module
    try:
        found: MainModule = cloudpickle.loads(packed)
    except Exception as error:  # whatever the modules raise that are imported
        raise HeadstartError(
            "what this script or notebook defines cannot be used by worker processes: "
            f"{type(error).__name__}: {shown(single_line(str(error)), 160)}"
        ) from None
    vars(module).update(found.objects)
    for spec in found.specs:
        gymnasium.registry[spec.id] = spec
    _taken[:] = [packed]


def taken_main() -> bytes | None:
    """Return what this process was sent; None in a process that was sent nothing."""
    return _taken[0] if _taken else None


def _is_sent(name: str) -> bool:
    """Return whether a world is registered in a way that no other process would know of."""
    spec = gymnasium.registry.get(name)
    if spec is None:
        return False
    if not isinstance(spec.entry_point, str):
        return spec.entry_point is None or spec.entry_point.__module__.partition(".")[0] != OWN
    return spec.entry_point.partition(":")[0].partition(".")[0] not in _known_everywhere()


@cache
def _known_everywhere() -> set[str]:
    """Return the packages whose worlds Gymnasium registers whenever it is imported."""
    plugins = entry_points(group="gymnasium.envs")
    return {OWN, "gymnasium", *(plugin.module.partition(".")[0] for plugin in plugins)}
