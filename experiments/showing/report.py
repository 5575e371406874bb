"""The report: one HTML file that needs neither network nor script, and prints well."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2

from ...envs.changes import ChangeError, parse
from ...envs.errors import HeadstartError
from ...envs.parameters import Parameter
from ...envs.shifts import shift_changes
from ..measuring.loading import Run
from ..measuring.verdict import GAINS, signed_entry

TEMPLATES = Path(__file__).parent / "templates"
NONE = "–"


def build(
    run: Run,
    summary: Mapping[str, Any],
    figures: Mapping[str, bytes],
    videos: Mapping[str, tuple[bytes, Mapping[str, Any]]] | None = None,
) -> str:
    """Return the report as HTML.

    `figures` are images by file name, as `figures.draw` makes them; `videos` are mp4 by target with
    what they show, as `filming.videos` returns them. Everything that comes from the run is escaped.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Callable[..., str]] = {
        "number": number,
        "steps": steps,
        "signed": lambda entry: signed_entry(entry) if entry else NONE,
        "interval": interval,
        "share": lambda entry: f"{entry['estimate']:.0%}" if entry else NONE,
        "duration": duration,
        "p_value": p_value,
    }
    environment.filters.update(filters)
    return environment.get_template("report.html.j2").render(
        run=run,
        summary=summary,
        facts=run.facts,
        images={
            name: base64.b64encode(png).decode()
            for name, png in figures.items()
            if name.endswith(".png")
        },
        videos={
            name: (base64.b64encode(mp4).decode(), about)
            for name, (mp4, about) in (videos or {}).items()
        },
        compared={target: comparison(run, target) for target in summary["targets"]},
        gain_names=GAINS,
        seconds=sum(trial.seconds or 0.0 for trial in (*run.sources, *run.trials)),
    )


def comparison(run: Run, target: str) -> dict[str, Any]:
    """Return what differs between the source and a target, as rows of a table.

    `parameters` has a row for each parameter that the source randomizes or the target shifts: what
    it is written as, the range of the source and the value in the target. `others` are the
    parameters left at nominal. `shift` is the name of a named shift, else None. `settings` has a
    row for each keyword, wrapper or world that differs.
    """
    source = run.experiment["source"]
    there = run.experiment["targets"][target] or {}
    world = there.get("world") or source.get("world")
    known = run.facts.get("parameters", {}).get(world, {})
    drawn, shifted = source.get("randomization") or {}, there.get("shift") or {}
    name = shifted if isinstance(shifted, str) else None
    try:
        shifted = shift_changes(world, shifted)
    except HeadstartError:
        # The shift of another version: its name is all there is to show.
        shifted = {}
    named = [key for key in {**known, **drawn, **shifted} if key in drawn or key in shifted]
    rows = [_row(key, known.get(key), drawn.get(key), shifted.get(key)) for key in named]
    return {
        "world": world,
        "shift": name,
        "parameters": rows,
        "others": [key for key in known if key not in named],
        "settings": _settings(source, there),
    }


def number(value: float | None) -> str:
    """Return a number to 4 significant digits."""
    if value is None:
        return NONE
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"


def steps(value: float | None) -> str:
    """Return a count of steps."""
    return NONE if value is None else f"{value:,.0f}"


def interval(entry: Mapping[str, Any] | None) -> str:
    """Return `0.45 [0.30, 0.60]` of a summary's entry, without a sign."""
    if entry is None:
        return NONE
    if entry["low"] is None or entry["high"] is None:
        return f"{entry['estimate']:.3g} [{entry['kind']}]"
    return f"{entry['estimate']:.3g} [{entry['low']:.3g}, {entry['high']:.3g}]"


def p_value(p: float | None) -> str:
    """Return a p value to 2 significant digits, tiny ones as a bound."""
    if p is None:
        return NONE
    return f"{p:.2g}" if p >= 1e-4 else "< 0.0001"


def duration(seconds: float | None) -> str:
    """Return seconds as a reader says them."""
    if seconds is None:
        return NONE
    if seconds < 100:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def _row(
    name: str, declared: Mapping[str, Any] | None, drawn: Any, shifted: Any
) -> dict[str, str | None]:
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
    parameter = Parameter(
        name=name, **{key: declared[key] for key in ("unit", "nominal", "low", "high", "about")}
    )
    nominal = float(parameter.nominal)
    low, high = _range(drawn, parameter) or (nominal, nominal)
    value = (_range(shifted, parameter) or (nominal, nominal))[0]
    # A hair of tolerance, as 0.1 * 3 is not 0.3.
    slack = 1e-9 * max(abs(low), abs(high), abs(value))
    return row | {
        "unit": parameter.unit,
        "nominal": number(nominal),
        "about": parameter.about,
        "range": number(low) if low == high else f"{number(low)} to {number(high)}",
        "value": number(value),
        "inside": "yes" if low - slack <= value <= high + slack else "no",
    }


def _range(text: Any, parameter: Parameter) -> tuple[float, float] | None:
    """Return the range that a change gives a parameter; None where it has none that can be read."""
    if text is None:
        return None
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
