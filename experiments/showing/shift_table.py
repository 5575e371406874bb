"""What differs between the source and a target, as rows of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ...core.errors import HeadstartError
from ...envs.changes import ChangeError, parse
from ...envs.parameters import Parameter
from ...envs.shifts import shift_changes
from ..measuring.runs import Run
from ..measuring.settings import SourceSettings, TargetSettings
from .formats import number


@dataclass(frozen=True)
class ParameterRow:
    """A parameter that the source randomizes or the target shifts; None is what is not known.

    `source` and `target` are the changes as they are written, `range` what the source draws from,
    `value` what the target has, `inside` whether that lies in the range (`yes` or `no`).
    """

    name: str
    unit: str | None = None
    nominal: str | None = None
    about: str | None = None
    source: str | None = None
    range: str | None = None
    target: str | None = None
    value: str | None = None
    inside: str | None = None


@dataclass(frozen=True)
class SettingRow:
    """A keyword, a wrapper or the world, where source and target differ in it."""

    name: str
    source: str
    target: str


@dataclass(frozen=True)
class ShiftTable:
    """What differs between the source and a target.

    `shift` is the name of a named shift, else None. `others` are the parameters left at nominal in
    both. Where the source has another world, its ranges are of that world's nominals, and a
    parameter whose nominal differs has a row as well.
    """

    world: str | None
    shift: str | None
    parameters: list[ParameterRow]
    others: list[str]
    settings: list[SettingRow]


def shift_table(run: Run, target: str) -> ShiftTable:
    """Return what differs between the source of a run and a target, as rows of a table."""
    source, there = run.source, run.targets[target]
    known = run.parameter_facts.get(str(there.world), {})
    home = run.parameter_facts.get(str(source.world), {})
    drawn = source.randomization
    name = there.shift if isinstance(there.shift, str) else None
    try:
        shifted = shift_changes(str(there.world), there.shift)
    except HeadstartError:
        # The shift of another version: its name is all there is to show.
        shifted = {}
    named = [
        key
        for key in {**known, **drawn, **shifted}
        if key in drawn or key in shifted or _elsewhere(home.get(key), known.get(key))
    ]
    rows = [
        _row(key, home.get(key), known.get(key), drawn.get(key), shifted.get(key)) for key in named
    ]
    return ShiftTable(
        world=there.world,
        shift=name,
        parameters=rows,
        others=[key for key in known if key in home and key not in named],
        settings=_settings(source, there),
    )


def outcome(name: str, change: Any, declared: Mapping[str, Any] | None) -> str | None:
    """Return what a change makes of a parameter, as `0 to 0.06 s`; None where that is not known.

    `declared` is what the run recorded of the parameter.
    """
    if declared is None:
        return None
    parameter = _parameter(name, declared)
    found = _range(change, parameter)
    if found is None:
        return None
    return f"{_span(*found)}{'' if parameter.unit == '1' else f' {parameter.unit}'}"


def _elsewhere(here: Mapping[str, Any] | None, there: Mapping[str, Any] | None) -> bool:
    """Return whether a parameter that two worlds have is nominally another in each."""
    return here is not None and there is not None and here["nominal"] != there["nominal"]


def _row(
    name: str,
    home: Mapping[str, Any] | None,
    declared: Mapping[str, Any] | None,
    drawn: Any,
    shifted: Any,
) -> ParameterRow:
    """Return the row of a parameter that the source's world records as `home`, if it has it."""
    row = ParameterRow(
        name,
        source=None if drawn is None else str(drawn),
        target=None if shifted is None else str(shifted),
    )
    if declared is None:
        return row
    parameter = _parameter(name, declared)
    here = None if home is None else _range(drawn, _parameter(name, home))
    there = _range(shifted, parameter)
    return replace(
        row,
        unit=parameter.unit,
        nominal=number(parameter.nominal),
        about=parameter.about,
        range=None if here is None else _span(*here),
        value=None if there is None else _span(*there),
        inside=_inside(here, there),
    )


def _inside(here: tuple[float, float] | None, there: tuple[float, float] | None) -> str | None:
    """Return whether a range lies inside another, with a tolerance, as 0.1 * 3 is not 0.3."""
    if here is None or there is None:
        return None
    slack = 1e-9 * max(map(abs, (*here, *there)))
    inside = here[0] - slack <= there[0] and there[1] <= here[1] + slack
    return "yes" if inside else "no"


def _parameter(name: str, declared: Mapping[str, Any]) -> Parameter:
    keys = ("unit", "nominal", "low", "high", "about")
    return Parameter(name=name, **{key: declared[key] for key in keys})


def _span(low: float, high: float) -> str:
    return number(low) if low == high else f"{number(low)} to {number(high)}"


def _range(text: Any, parameter: Parameter) -> tuple[float, float] | None:
    """Return the range that a change, or none, gives a parameter; None where it cannot be read."""
    if text is None:
        return parameter.nominal, parameter.nominal
    try:
        return parse(str(text)).range(parameter)
    except ChangeError:
        return None


def _settings(source: SourceSettings, target: TargetSettings) -> list[SettingRow]:
    rows = []
    if target.world != source.world:
        rows.append(_setting("world", source.world, target.world))
    if list(source.wrappers) != list(target.wrappers):
        rows.append(_setting("wrappers", source.wrappers, target.wrappers))
    here, there = source.kwargs, target.kwargs
    rows += [
        _setting(key, here.get(key), there.get(key))
        for key in {**here, **there}
        if here.get(key) != there.get(key)
    ]
    return rows


def _setting(name: str, here: Any, there: Any) -> SettingRow:
    return SettingRow(name, _text(here), _text(there))


def _text(value: Any) -> str:
    if value is None:
        return "default"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(str(part) for part in value) or "none"
    return str(value)
