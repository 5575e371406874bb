"""What there is to know of worlds and methods, made from the registries: as tables of text.

The command line prints them and `docs/generate` writes them down.
"""

from __future__ import annotations

import dataclasses
import inspect
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from ....envs.adapters import Adapted, adapt_known, find_adapted
from ....envs.catalog import WORLDS
from ....envs.docstrings import bounds_text
from ....envs.parameters import Parameterized, find_parameterized
from ....envs.shifts import (
    SHIFT_LEVELS,
    UNMODELLED,
    families,
    in_band,
    measurements,
    shift_names,
    stored_anchors,
    unmodelled,
)
from ....envs.spec import WorldSpec
from ....envs.world import World

SHORT = 14
"""Characters of a cell that is not broken: a number, a unit, a range."""
MOST_PATHS = 12
GAP = 1
"""Blanks between columns, beside the one that the box has."""


@dataclasses.dataclass(frozen=True)
class Sheet:
    """A table as text, `rows` of one cell per column."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def __rich_console__(self, _: Console, options: ConsoleOptions) -> RenderResult:
        """Yield it as a table for a console as wide as this one.

        What is too long is broken, never cut: between words, as long as there is room for the
        longest. Names, in the first column, stay whole, as they are what one copies, and so does
        what is short.
        """
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, GAP, 0, 0))
        for column, width in zip(self.columns, self._widths(options.max_width), strict=True):
            table.add_column(column, overflow="fold", width=width)
        for row in self.rows:
            table.add_row(*(Text(cell) for cell in row))
        yield table

    def _widths(self, room: int) -> list[int]:
        """Return how wide each column is, of what its cells and their longest words ask for."""
        least, most = [], []
        for number, column in enumerate(self.columns):
            cells = [row[number] for row in self.rows]
            whole = max(map(len, cells), default=0)
            words = [len(word) for text in (column, *cells) for word in text.split()]
            kept = number == 0 or whole <= SHORT
            least.append(max([whole, *map(len, column.split())] if kept else words))
            most.append(least[-1] if kept else max(whole, len(column)))
        spare = max(0, room - (GAP + 1) * len(least) - sum(least))
        wanted = sum(most) - sum(least)
        share = min(1.0, spare / wanted) if wanted else 0.0
        return [low + int(share * (high - low)) for low, high in zip(least, most, strict=True)]


def describe_world(world_id: str) -> Iterator[Sheet | str]:
    """Yield what there is to know of a world, as tables and sentences.

    Raises:
        HeadstartError: an unknown id.
    """
    env = adapt_known(WorldSpec(world_id).make())
    try:
        inner = env.unwrapped
        if isinstance(inner, World):
            yield f"{world_id}: {WORLDS[world_id.removeprefix('headstart:')].about}."
            yield _time(inner)
            yield _channels(inner)
            if unmeasured := [one.name for one in inner.channels if not one.measured]:
                yield f"No sensor of a real robot gives it: {', '.join(unmeasured)}."
            yield from (_commands(inner), _rewards(inner))
        else:
            yield world_id
            yield f"observation: {env.observation_space}"
            yield f"action: {env.action_space}"
        if (parameterized := find_parameterized(env)) is not None:
            yield _parameters(parameterized)
            if live := [p.name for p in parameterized.parameters.values() if p.live]:
                yield (
                    "May change during an episode ('every step', 'at 2/s' in a randomization, "
                    "'after 1.5 s' in a shift): "
                    f"{', '.join(live)}."
                )
        else:
            yield (
                "It declares no parameters, so a shift is made of kwargs or wrappers; "
                "docs/custom-environment.md shows how to give it some."
            )
            yield from _by_path(Adapted(env))
        if (adapted := find_adapted(env)) is not None:
            yield (
                "headstart gives it these parameters; bounds that are guessed can be declared in "
                "an experiment's 'parameters' (docs/adapters.md)."
            )
            yield from _by_path(adapted)
        if shift_names(world_id):
            yield _families(world_id)
            yield _anchors(world_id)
            yield _shifts(world_id)
    finally:
        env.close()


def known_worlds_table() -> Sheet:
    """Return the worlds of headstart."""
    rows = [
        (world_id, entry.about, ", ".join(families(world_id))) for world_id, entry in WORLDS.items()
    ]
    return Sheet(("world", "about", "families of shifts"), rows)


def band(level: str) -> str:
    """Return the scores that a level promises, in words."""
    low, high = SHIFT_LEVELS[level]
    return f"{low:g} to {high:g}" if low > 0 else f"below {high:g}"


def exceptions() -> Sheet:
    """Return the levels that are out of their bands, and whether their intervals are too."""
    rows = []
    for world_id in WORLDS:
        for name, row in _levels(world_id).items():
            if in_band(name, row.score):
                continue
            level = name.partition("/")[2]
            (low, high), (least, most) = SHIFT_LEVELS[level], row.interval
            why = "reaches into the band" if least < high and most >= low else "does not reach it"
            extreme = "; at the family's extreme" if row.severity == 1.0 else ""
            score = f"{row.score:.3f} [{least:.2f}, {most:.2f}]"
            rows.append((world_id, name, band(level), score, why + extreme))
    return Sheet(("world", "shift", "band", "score [95 %]", "the interval"), rows)


def methods_table() -> Sheet:
    """Return the transfer methods with their settings and defaults."""
    from ....transfer.methods import METHODS

    rows = []
    for name, cls in METHODS.items():
        settings = ", ".join(f"{key}: {in_yaml(value)}" for key, value in defaults(cls).items())
        rows.append((name, (inspect.getdoc(cls) or "").split("\n")[0], settings))
    return Sheet(("method", "what it does", "settings and defaults"), rows)


def defaults(method: type[Any]) -> dict[str, Any]:
    """Return a method's settings with their defaults."""
    return {
        field.name: field.default
        if field.default_factory is dataclasses.MISSING
        else field.default_factory()
        for field in dataclasses.fields(method)
    }


def in_yaml(value: Any) -> str:
    """Write a plain value as it may stand in an experiment's YAML."""
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}: {in_yaml(part)}' for key, part in value.items())}}}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(in_yaml(part) for part in value)}]"
    return value if isinstance(value, str) else json.dumps(value)


def _time(world: World) -> str:
    timing, steps = world.timing, world.task.episode_steps
    return (
        f"A control step takes {timing.period:.3g} s ({timing.substeps} physics steps); an episode "
        f"has at most {steps} of them ({steps * timing.period:.3g} s). Until a delayed first "
        "command arrives, what an action sets is at rest."
    )


def _channels(world: World) -> Sheet:
    rows = [
        (
            channel.name,
            str(channel.size),
            channel.unit,
            f"{bounds_text(channel.low)} .. {bounds_text(channel.high)}",
            channel.about,
            ", ".join(parameter.name for parameter in channel.parameters()),
        )
        for channel in world.channels
    ]
    columns = ("observation", "size", "unit", "true range", "about", "disturbed by")
    return Sheet(columns, rows)


def _commands(world: World) -> Sheet:
    rows = [
        (c.name, c.unit, f"{c.low:g}", f"{c.high:g}", f"{c.rest:.3g}", c.about)
        for c in world.robot.commands
    ]
    return Sheet(("action", "unit", "-1 means", "+1 means", "at rest", "about"), rows)


def _rewards(world: World) -> Sheet:
    rows = [(name, f"{weight:g}") for name, weight in world.task.weights.items()]
    return Sheet(("reward term", "weight"), rows)


def _parameters(world: Parameterized) -> Sheet:
    rows = [
        (p.name, p.unit, f"{p.nominal:g}", f"{p.low:g}", f"{p.high:g}", p.about)
        for p in world.parameters.values()
    ]
    return Sheet(("parameter", "unit", "nominal", "low", "high", "about"), rows)


def _by_path(adapted: Adapted) -> Iterator[str]:
    """Say which numbers of an environment can be varied beside those that have names."""
    paths = list(itertools.islice(adapted.suggestions(), MOST_PATHS + 1))
    if paths:
        more = ", ..." if len(paths) > MOST_PATHS else ""
        yield f"By its path can be varied: {', '.join(paths[:MOST_PATHS])}{more}."


def _anchors(world_id: str) -> str:
    """Say where the scores of a world's shifts come from."""
    measured, anchors = measurements(world_id), stored_anchors(world_id, {})
    if measured is None or anchors is None:
        return "Its shifts are not measured yet: headstart bench shifts does."
    count, first = measured["episodes"], measured["first_seed"]
    trained = ", ".join(f"{policy['steps']:,} steps" for policy in measured["policies"])
    over = "episodes" if len(measured["policies"]) == 1 else "policies"
    return (
        f"Scores: 1 is the return of the nominal policy ({trained}) in the nominal world, "
        f"{anchors['reference']:.1f}; 0 is that of random actions under the very shift (in the "
        f"nominal world {anchors['random']:.1f}). All over {count} episodes, seeds {first:,} on; "
        "return and success rate are the policy's (its rate is nominally "
        f"{_percent(measured['nominal']['success'])}), ± is half the 95 % interval over {over}, * "
        "marks a level out of its band. Levels were found on other episodes; between them a family "
        "is named by its severity, as in slow-loop/0.3. An experiment on one of these shifts, or "
        "on the world itself, takes these returns as its anchors, unless it gives others."
    )


def _families(world_id: str) -> Sheet:
    measured = _levels(world_id)
    rows: list[tuple[str, str, str, str, str]] = []
    for name, family in families(world_id).items():
        found = [measured.get(f"{name}/{level}") for level in SHIFT_LEVELS]
        levels = ", ".join(f"{row.severity:.3g}" for row in found if row)
        rows.append((name, family.kind, family.about, _changes(family.extreme), levels))
    if unmodelled(world_id):
        about = "off by a fifth, in what no recommended randomization holds"
        rows.append((UNMODELLED, "", about, "", ""))
    return Sheet(("family of shifts", "kind", "about", "at severity 1", "levels at"), rows)


@dataclasses.dataclass(frozen=True)
class _Level:
    """What was measured of a shift; see `envs.shifts.measurements`."""

    score: float
    interval: tuple[float, float]
    returns: Sequence[float]
    success: float
    changes: Mapping[str, Any]
    severity: float | None = None


def _levels(world_id: str) -> Mapping[str, _Level]:
    """Return what was measured of a world's shifts, by name; nothing where it was not."""
    written: Mapping[str, Any] = (measurements(world_id) or {}).get("shifts", {})
    names = {field.name for field in dataclasses.fields(_Level)}
    return {
        shift: _Level(**{key: value for key, value in row.items() if key in names})
        for shift, row in written.items()
    }


def _changes(changes: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {change}" for name, change in changes.items())


def _shifts(world_id: str) -> Sheet:
    """Return each family at its levels, and what a nominal policy keeps there, zero-shot."""
    measured = _levels(world_id)
    rows = []
    for name in shift_names(world_id):
        family = families(world_id).get(name.partition("/")[0])
        row = measured.get(name)
        extreme = family.extreme if family else unmodelled(world_id)
        found = ("", "", "not measured")
        if row:
            outside = "" if in_band(name, row.score) else " *"
            mean = sum(row.returns) / len(row.returns)
            # Student's t is as wide either way.
            low, high = row.interval
            score = f"{row.score:.2f} ± {(high - low) / 2:.2f}{outside}"
            found = (f"{mean:.1f}", _percent(row.success), score)
        rows.append((name, _changes(row.changes if row else extreme), *found))
    return Sheet(("shift", "changes", "return", "success", "score"), rows)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
