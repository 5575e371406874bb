"""The points of a sweep: one experiment for each combination of its values."""

from __future__ import annotations

import copy
import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .overrides import check_target, put
from .schema import ConfigError, Experiment, build
from .source import adapt
from .sweep import LEAVE_ONE_OUT, zero_budgets


@dataclass(frozen=True)
class Point:
    """An experiment of a sweep: its folder, and what the swept keys are there."""

    folder: str
    values: Mapping[str, Any]
    experiment: Experiment


def points(experiment: Experiment, where: str = "experiment") -> list[Point]:
    """Return the points of a sweep, in the order of its values, the last key's running fastest.

    A target's budget of 0 is no point of its own: it is where the curves of the others begin.

    Raises:
        ConfigError: an experiment that is not valid at some point, or a key that leads nowhere.
    """
    found = []
    plain = experiment.resolved()
    plain.pop("sweep", None)
    rows = [row for row in swept_rows(experiment, where) if not zero_budgets(shown_values(row))]
    for number, row in enumerate(rows):
        data, values = copy.deepcopy(plain), shown_values(row)
        adapt(data["source"], {key: value for key, (_, value) in row.items()})
        for key, (_, value) in row.items():
            for path in _paths(experiment, key, where):
                put(data, path, copy.deepcopy(value), f"{where}: sweep.{key}")
        slug = "-".join(filter(None, (_slug(shown) for shown in values.values())))
        folder = f"{number:02d}-{slug}"[:60].rstrip("-.")
        data["name"] = f"{experiment.name}-{folder}"
        where_at = f"{where}: sweep, {named_values(values)}"
        found.append(Point(folder, values, build(data, where_at)))
    return found


def swept_rows(experiment: Experiment, where: str) -> list[dict[str, tuple[Any, Any]]]:
    """Return what is shown and what is set for each swept key, point by point, in their order."""
    columns = [_values(experiment, key, values, where) for key, values in experiment.sweep.items()]
    return [dict(zip(experiment.sweep, row, strict=True)) for row in itertools.product(*columns)]


def shown_values(row: Mapping[str, tuple[Any, Any]]) -> dict[str, Any]:
    """Return what is shown of a row of `swept_rows`, by swept key."""
    return {key: shown for key, (shown, _) in row.items()}


def named_values(values: Mapping[str, Any]) -> str:
    """Return a point's swept keys and values in one line."""
    return ", ".join(f"{key}: {value}" for key, value in values.items())


def _values(experiment: Experiment, key: str, values: Any, where: str) -> list[tuple[Any, Any]]:
    """Return what is shown and what is set for each value of a key."""
    if values != LEAVE_ONE_OUT:
        return [(value, value) for value in values]
    drawn = experiment.source.randomization
    if len(drawn) < 2:
        raise ConfigError(f"{where}: sweep.{key}: {LEAVE_ONE_OUT} needs a randomization of several")
    rest = [(f"without {name}", {k: v for k, v in drawn.items() if k != name}) for name in drawn]
    return [("all", dict(drawn)), *rest]


def _paths(experiment: Experiment, key: str, where: str) -> list[str]:
    """Return the paths that a key stands for: `targets.*` is every target."""
    parts = key.split(".")
    if parts[0] != "targets" or len(parts) < 2:
        return [key]
    names = list(experiment.targets) if parts[1] == "*" else [parts[1]]
    if parts[1] != "*":
        check_target(key, experiment.targets, f"{where}: sweep.{key}")
    return [".".join(["targets", name, *parts[2:]]) for name in names]


def _slug(value: Any) -> str:
    return re.sub(r"[^A-Za-z0-9.]+", "-", str(value)).strip("-.")
