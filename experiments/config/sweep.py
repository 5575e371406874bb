"""What may stand under `sweep:`: keys, and the values that each of them takes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

LEAVE_ONE_OUT = "leave_one_out"


def is_budget(key: str) -> bool:
    """Return whether a swept key is the budget of a target, or of all (`targets.*.steps`)."""
    return re.fullmatch(r"targets\.[^.]+\.steps", key) is not None


def zero_budgets(values: Mapping[str, Any]) -> list[str]:
    """Return the swept budgets that are 0 at a point, which then needs no run of its own."""
    return [key for key, value in values.items() if is_budget(key) and value == 0]


def untrained(zeros: Iterable[str], targets: Iterable[str]) -> list[str]:
    """Return those of the targets whose budget the keys that are 0 are; `*` is all."""
    named = {key.split(".")[1] for key in zeros}
    return [target for target in targets if target in named or "*" in named]


def check_sweep(sweep: Mapping[str, Any]) -> None:
    """Raise ValueError, in one line, where a sweep is none."""
    if len(sweep) > 2:
        raise ValueError(f"one key is varied, or two for a grid, not {len(sweep)}")
    for key, values in sweep.items():
        if key in ("methods", "targets", "seeds"):
            raise ValueError(f"{key}: cannot be swept; list all of them in the experiment")
        if key in ("name", "video", "sweep"):
            raise ValueError(f"{key}: cannot be swept, as no result depends on it")
        if values == LEAVE_ONE_OUT:
            if key != "source.randomization" or len(sweep) > 1:
                raise ValueError(f"{LEAVE_ONE_OUT} is for 'source.randomization', alone")
            continue
        _check_values(key, values)
    if len(sweep) == 2 and _overlap(*sweep):
        raise ValueError(f"{' and '.join(sweep)} set the same in a target; sweep one of them")


def _check_values(key: str, values: Sequence[Any]) -> None:
    if len(values) < 2:
        raise ValueError(f"{key}: two values or more are needed to compare")
    if twice := [value for value in values if values.count(value) > 1]:
        raise ValueError(f"{key}: {twice[0]} is listed twice")
    if is_budget(key) and (wrong := [v for v in values if type(v) is not int or v < 0]):
        raise ValueError(f"{key}: expected whole numbers of steps from 0 on, got {wrong[0]!r}")


def _overlap(one: str, other: str) -> bool:
    """Whether two keys differ only in that one names a target and the other all of them."""
    first, second = one.split("."), other.split(".")
    every = "*" in (*first[1:2], *second[1:2])
    return every and first[0] == second[0] == "targets" and first[2:] == second[2:]
