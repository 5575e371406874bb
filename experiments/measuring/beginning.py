"""What a sweep shows where a target's budget is 0: how the curves of another point begin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..config.sweep import untrained, zero_budgets
from .sweep import SCORES
from .verdict import GAINS


def at_the_start(values: Mapping[str, Any], summary: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a point's summary; where its budget in a target is 0, of what stood at step 0.

    `summary` is then that of a longer run, whose curves begin there.
    """
    targets = dict(summary["targets"])
    begun = untrained(zero_budgets(values), targets)
    if not begun:
        return summary
    for name in begun:
        methods = {m: _first(found) for m, found in targets[name]["methods"].items()}
        averaged = targets[name]["averaged"] and "the evaluation at step 0"
        targets[name] = {**targets[name], "averaged": averaged, "methods": methods}
    # What is told of the longer run is told where that stands.
    return {**summary, "targets": targets, "failures": [], "fairness": []}


def _first(method: Mapping[str, Any]) -> dict[str, Any]:
    """Return a method's entries with those at step 0 in place of those over the whole budget."""
    begun = {
        part: method[part] and dict.fromkeys(metrics, method[part][first])
        for part, metrics, first in (
            ("scores", SCORES, "start"),
            ("returns", ("start", "end"), "start"),
            ("gains", GAINS, "jump_start"),
        )
    }
    return {**method, **begun, "converged": None}
