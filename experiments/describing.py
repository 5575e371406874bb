"""Tables of worlds and methods, made from the registries."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator
from typing import Any

from rich.table import Table

from ..envs.catalog import WORLDS
from ..envs.making import WorldSpec
from ..envs.parameters import Parameterized
from ..envs.shifts import SHIFTS
from ..envs.world import World
from ..transfer.methods import METHODS


def describe_world(world_id: str) -> Iterator[Table | str]:
    """Yield what there is to know of a world, as tables and lines.

    Raises:
        HeadstartError: an unknown id.
    """
    env = WorldSpec(world_id).make()
    try:
        inner = env.unwrapped
        if world_id in WORLDS:
            yield f"[bold]{world_id}[/]: {WORLDS[world_id].about}"
        if isinstance(inner, World):
            yield _channels(inner)
            yield _commands(inner)
            yield _rewards(inner)
        else:
            yield f"observation: {env.observation_space}"
            yield f"action: {env.action_space}"
        if isinstance(inner, Parameterized):
            yield _parameters(inner)
        else:
            yield "no parameters; shift it by kwargs or wrappers"
        if world_id in SHIFTS:
            yield _shifts(world_id)
    finally:
        env.close()


def methods_table() -> Table:
    """Return the transfer methods with their settings and defaults."""
    table = Table("method", "what it does", "settings")
    for name, cls in METHODS.items():
        fields: tuple[Any, ...] = dataclasses.fields(cls) if dataclasses.is_dataclass(cls) else ()
        settings = ", ".join(f"{field.name}={field.default}" for field in fields)
        about = (inspect.getdoc(cls) or "").split("\n")[0]
        table.add_row(name, about, settings)
    return table


def _channels(world: World) -> Table:
    table = Table("observation", "elements", "unit", "true range", "about", "declared", title="")
    for channel in world.channels:
        declared = ", ".join(parameter.name for parameter in channel.parameters())
        low, high = (_bound(end) for end in (channel.low, channel.high))
        size = str(channel.size)
        table.add_row(channel.name, size, channel.unit, f"{low}..{high}", channel.about, declared)
    return table


def _commands(world: World) -> Table:
    table = Table("action", "unit", "-1 means", "+1 means", "about")
    for c in world.robot.commands:
        table.add_row(c.name, c.unit, f"{c.low:g}", f"{c.high:g}", c.about)
    return table


def _rewards(world: World) -> Table:
    table = Table("reward term", "weight")
    for name, weight in world.task.weights.items():
        table.add_row(name, f"{weight:g}")
    return table


def _parameters(world: Parameterized) -> Table:
    table = Table("parameter", "unit", "nominal", "low", "high", "about")
    for p in world.parameters.values():
        table.add_row(p.name, p.unit, f"{p.nominal:g}", f"{p.low:g}", f"{p.high:g}", p.about)
    return table


def _shifts(world_id: str) -> Table:
    table = Table("shift", "changes", "about")
    for name, shift in SHIFTS[world_id].items():
        changes = ", ".join(f"{key} {value}" for key, value in shift.changes.items())
        table.add_row(name, changes, shift.about)
    return table


def _bound(end: float | tuple[float, ...]) -> str:
    ends = (end,) if isinstance(end, (int, float)) else end
    return "/".join(f"{value:.3g}" for value in dict.fromkeys(ends))
