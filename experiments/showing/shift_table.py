"""What differs between the source and a target, as rows of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...core.errors import HeadstartError
from ...envs.changes import ChangeError, parse
from ...envs.parameters import Parameter
from ...envs.shifts import shift_changes
from ..measuring.runs import Run
from .formats import number


def contrast(run: Run, target: str) -> dict[str, Any]:
    """Return what differs between the source and a target, as rows of a table.

    `parameters` has a row for each parameter that the source randomizes or the target shifts: what
    it is written as, the range of the source and the value in the target. `others` are the
    parameters left at nominal in both. `shift` is the name of a named shift, else None. `settings`
    has a row for each keyword, wrapper or world that differs. Where the source has another world,
    its range is of that world's nominal, and a parameter whose nominal differs has a row as well.
    """
    source = run.experiment["source"]
    there = run.experiment["targets"][target] or {}
    world = there.get("world") or source.get("world")
    recorded = run.facts.get("parameters", {})
    known, home = recorded.get(world, {}), recorded.get(source.get("world"), {})
    drawn, shifted = source.get("randomization") or {}, there.get("shift") or {}
    name = shifted if isinstance(shifted, str) else None
    try:
        shifted = shift_changes(world, shifted)
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
    return {
        "world": world,
        "shift": name,
        "parameters": rows,
        "others": [key for key in known if key in home and key not in named],
        "settings": _settings(source, there),
    }


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
) -> dict[str, str | None]:
    """Return the row of a parameter that the source's world records as `home`, if it has it."""
    row: dict[str, str | None] = {
        "name": name,
        "unit": None,
        "nominal": None,
        "about": None,
        "source": None if drawn is None else str(drawn),
        "range": None,
        "target": None if shifted is None else str(shifted),
        "value": None,
        "inside": None,
    }
    if declared is None:
        return row
    parameter = _parameter(name, declared)
    row |= {
        "unit": parameter.unit,
        "nominal": number(parameter.nominal),
        "about": parameter.about,
    }
    here = None if home is None else _range(drawn, _parameter(name, home))
    there = _range(shifted, parameter)
    row |= {
        "range": None if here is None else _span(*here),
        "value": None if there is None else _span(*there),
    }
    if here is None or there is None:
        return row
    # A hair of tolerance, as 0.1 * 3 is not 0.3.
    slack = 1e-9 * max(map(abs, (*here, *there)))
    inside = here[0] - slack <= there[0] and there[1] <= here[1] + slack
    return row | {"inside": "yes" if inside else "no"}


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


def _settings(source: Mapping[str, Any], target: Mapping[str, Any]) -> list[dict[str, str]]:
    rows = []
    if target.get("world") not in (None, source.get("world")):
        rows.append({"name": "world", "source": source["world"], "target": target["world"]})
    here, there = source.get("wrappers") or [], target.get("wrappers") or []
    if here != there:
        rows.append({"name": "wrappers", "source": _text(here), "target": _text(there)})
    here, there = source.get("kwargs") or {}, target.get("kwargs") or {}
    rows += [
        {"name": key, "source": _text(here.get(key)), "target": _text(there.get(key))}
        for key in {**here, **there}
        if here.get(key) != there.get(key)
    ]
    return rows


def _text(value: Any) -> str:
    if value is None:
        return "default"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(str(part) for part in value) or "none"
    return str(value)
