"""What a sweep shows: metrics by point, where gains change sign, what each parameter contributes.

A swept setting with one number a point (a budget, `worn-tyres/0.4`, `* 0.4`) gives curves, two give
a grid, other values a list. Left-out parameters are compared with the whole randomization.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..config.sweep import is_budget, untrained, zero_budgets
from .catalog import END_RETURN, END_SCORE, JUDGED, METRICS, Metric
from .estimates import SourceSeeds
from .metrics import Floats
from .results import (
    Contribution,
    EndGain,
    Estimate,
    Gain,
    Gains,
    Levels,
    MethodSummary,
    Scores,
    SignChange,
    Summary,
    SweepSummary,
    SweptEnd,
    SweptMethod,
    SweptTarget,
    TargetSummary,
)
from .statistics import Comparison, Interval, by_source, compare, half_widths, holm

SCORES = tuple(m for m in METRICS if m.section == "scores" and m.name != "early")
RETURNS = tuple(m for m in METRICS if m.section == "returns")
_BETWEEN = 200
"""Places looked at between two neighbouring points for where a gain changes its sign."""
Points = Sequence[tuple[Mapping[str, Any], Summary]]
"""The swept values of each point that was run, and its run's summary."""


def numbers(values: Sequence[Any]) -> list[float] | None:
    """Return the numbers that swept values stand for; None unless all are of one kind.

    Numbers stand for themselves, `family/0.4` for a severity, `* 0.4`, `+ 0.4` and `= 0.4` for what
    follows; a family or operation must be the same throughout.
    """
    _, found = _read(values)
    return found


def quantity(key: str, values: Sequence[Any]) -> str:
    """Return what the swept values of a setting say in words, to stand at an axis."""
    kind, _ = _read(values)
    if kind.endswith("/"):
        return f"severity of {kind[:-1]}"
    return {"*": f"{key}, times its nominal", "+": f"{key}, added to its nominal"}.get(kind, key)


def _read(values: Sequence[Any]) -> tuple[str, list[float] | None]:
    """Return the family (`worn-tyres/`) or operation of swept values, and their numbers.

    Of plain numbers the kind is empty; so it is, without numbers, where not all are of one kind.
    """
    found, kinds = [], set()
    for value in values:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            found.append(float(value))
            kinds.add("")
            continue
        parts = re.fullmatch(r"([\w-]+/|[*+=])\s*([-+\d._eE]+)", str(value).strip())
        try:
            found.append(float(parts[2]) if parts else float("nan"))
        except ValueError:
            return "", None
        kinds.add(parts[1] if parts else str(value))
    if len(kinds) != 1 or not np.isfinite(found).all():
        return "", None
    return kinds.pop(), found


def on_axis(value: Any) -> Any:
    """Return what stands for a swept value in `axes`: itself, or text for mappings and the like."""
    plain = isinstance(value, (int, str)) or (isinstance(value, float) and np.isfinite(value))
    return value if plain else str(value)


@dataclass(frozen=True)
class Crossing:
    """A place where a gain changes its sign, with a 95 % interval, and the sign after it."""

    place: Interval
    negative: bool


def sign_changes(at: ArrayLike, gains: ArrayLike) -> list[Crossing]:
    """Return where a gain changes its sign, in order; empty where it keeps it.

    `at` is `(points,)`, strictly increasing, `gains` `(points, seeds)`, paired differences. Between
    points each seed's gain is taken as straight. The estimate is where the mean changes its sign;
    the interval holds the places about it whose own t interval of the gain holds 0 (the inversion
    of the pointwise test): it ends at the nearest place on either side where the gain is surely on
    that side's side of 0. An end that lies beyond the points is None.

    Raises:
        ValueError: arrays that do not go together.
    """
    x, values = np.asarray(at, dtype=np.float64), np.asarray(gains, dtype=np.float64)
    if x.ndim != 1 or values.ndim != 2 or len(values) != x.size or (np.diff(x) <= 0).any():
        raise ValueError("expected increasing points (points,) and gains (points, seeds)")
    fine = np.unique(np.concatenate([np.linspace(a, b, _BETWEEN + 1) for a, b in _pairs(x)]))
    between = np.array([np.interp(fine, x, seed) for seed in values.T]).T
    means = between.mean(axis=1)
    n = values.shape[1]
    half = half_widths(between) if n > 1 else np.zeros_like(means)
    above, below = means - half > 0, means + half < 0
    found = []
    for last in np.flatnonzero(np.diff(means < 0)).tolist():
        negative = bool(means[last + 1] < 0)
        # Exact on the straight piece between the two places.
        share = means[last] / (means[last] - means[last + 1])
        estimate = float(fine[last] + share * (fine[last + 1] - fine[last]))
        if n < 2:
            found.append(Crossing(Interval(estimate, None, None, n, "one seed"), negative))
            continue
        first, then = (above, below) if negative else (below, above)
        before, after = np.flatnonzero(first[: last + 1]), np.flatnonzero(then[last + 1 :])
        low = float(fine[before[-1]]) if before.size else None
        high = float(fine[last + 1 + after[0]]) if after.size else None
        found.append(Crossing(Interval(estimate, low, high, n, "inverted t"), negative))
    return found


def summarize_sweep(name: str, points: Points, missing: Sequence[str] = ()) -> SweepSummary:
    """Return what a sweep shows, without words, from its points' summaries.

    Args:
        name: of the sweep.
        points: the points that were run.
        missing: those, in words, that have not been run: of a gain's sign at all points, and of
            what each parameter contributes, nothing can then be said.
    """
    keys = list(points[0][0])
    axes = {key: list(dict.fromkeys(on_axis(values[key]) for values, _ in points)) for key in keys}
    left_out = len(keys) == 1 and any(str(v).startswith("without ") for v in axes[keys[0]])
    points, at = _in_order(keys, points)
    first = points[0][1]
    return SweepSummary(
        name=name,
        keys=keys,
        axes=axes,
        labels={key: quantity(key, axes[key]) for key in keys},
        at=at,
        kind="leave_one_out" if left_out else "grid" if len(keys) == 2 else "line",
        points=[dict(values) for values, _ in points],
        baseline=first.baseline,
        targets={
            target: _target(target, points, at, left_out=left_out) for target in first.targets
        },
        notes=[],
        shared=any(
            method.source_seeds
            for _, summary in points
            for target in summary.targets.values()
            for method in target.methods.values()
        ),
        caution="",
        headlines=[],
    )


def _in_order(keys: Sequence[str], points: Points) -> tuple[Points, list[float] | None]:
    """Return the points in the order of their numbers, and these; None where there are none."""
    if len(keys) != 1 or len(points) < 2:
        return points, None
    at = numbers([_taken(keys[0], *point) for point in points])
    if at is not None and len(set(at)) < len(at):  # budgets that are rounded up to the same
        at = numbers([values[keys[0]] for values, _ in points])
    if at is None or (np.diff(at) > 0).all():
        return points, at
    order = np.argsort(at, kind="stable")
    at = [at[i] for i in order]
    return [points[i] for i in order], at if len(set(at)) == len(at) else None


def _taken(key: str, values: Mapping[str, Any], summary: Summary) -> Any:
    """Return the value of a point's only key; of a budget the steps that were taken of it.

    Training ends with a whole rollout, so that these may be more than were asked for.
    """
    value = values[key]
    if key == "source.steps":
        return summary.source.steps or value
    if not (is_budget(key) and value):
        return value
    taken = [summary.targets[name].steps for name in untrained([key], summary.targets)]
    return next(filter(None, taken), value)


def _target(target: str, points: Points, at: list[float] | None, *, left_out: bool) -> SweptTarget:
    summaries = [summary.targets[target] for _, summary in points]
    methods = {
        name: _method(target, name, points, summaries, at, left_out=left_out)
        for name in points[0][1].methods
    }
    # One axis for all points: where one of them has no scores, returns are shown for all.
    scored = all(
        score is not None or level is None
        for found in methods.values()
        for level, score in zip(END_RETURN.along(found), END_SCORE.along(found), strict=True)
    )
    return SweptTarget(scored, methods, sentences=[])


def _method(
    target: str,
    name: str,
    points: Points,
    summaries: Sequence[TargetSummary],
    at: list[float] | None,
    *,
    left_out: bool,
) -> SweptMethod:
    each = [summary.methods.get(name) for summary in summaries]
    sharing = [method.source_seeds for method in each if method is not None]
    gains = {str(metric.name): [_gain_at(method, metric) for method in each] for metric in JUDGED}
    scores, returns = (
        {str(metric.name): [_level_at(method, metric) for method in each] for metric in metrics}
        for metrics in (SCORES, RETURNS)
    )
    scales = [_scale(summary) for summary in summaries]
    return SweptMethod(
        scores=scores,
        gains=gains,
        returns=returns,
        sign_changes={}
        if at is None
        else {gain: _sign_changes(at, found, scales, sharing) for gain, found in gains.items()},
        contributions=_contributions(target, name, points, returns, sharing[0] if sharing else None)
        if left_out
        else None,
    )


def _level_at(method: MethodSummary | None, metric: Metric) -> Estimate | None:
    """Return a method's score or return at a point; at the end, with whether it has converged."""
    found: Estimate | None = metric.of(method) if method is not None else None
    if found is None or metric.name != "end":
        return found
    assert method is not None
    return SweptEnd(**vars(found), converged=method.converged)


def _gain_at(method: MethodSummary | None, metric: Metric) -> Gain | None:
    found: Gain | None = metric.of(method) if method is not None else None
    return found


def _scale(target: TargetSummary) -> float:
    """Return how much return a gain of 1 is at a point."""
    if not target.scored:
        return 1.0
    random, reference = target.anchors.scale
    return reference - random


def _sign_changes(
    at: list[float],
    gains: Sequence[Gain | None],
    scales: Sequence[float],
    sharing: Sequence[SourceSeeds],
) -> list[SignChange] | None:
    """Return where a gain changes its sign, over the seeds that every point has; None without.

    Empty as well where it is surely on a side of 0 nowhere, so that its sign is chance. Points have
    their own scores each, of which 1 is another return at each: what lies between two points is
    found in returns, `scales` of them to a score of 1. `sharing` says, by point, which seeds share
    source policies; where that differs nothing is straight between points.
    """
    rows = [gain.per_seed for gain in gains if gain is not None]
    seeds = sorted(set.intersection(*(set(row) for row in rows))) if rows else []
    if len(rows) < len(at) or not seeds or any(shared != sharing[0] for shared in sharing):
        return None
    of_seeds = [{seed: row[seed] for seed in seeds} for row in rows]
    averaged = [list(by_source(row, sharing[0]).values()) for row in of_seeds]
    found = sign_changes(at, np.array(averaged) * np.array(scales)[:, None])
    if all(one.place.n > 1 and one.place.low is one.place.high is None for one in found):
        return []
    return [SignChange(**vars(one.place), negative=one.negative) for one in found]


def _contributions(
    target: str,
    name: str,
    points: Points,
    returns: Mapping[str, Sequence[Estimate | None]],
    source_seeds: SourceSeeds,
) -> dict[str, dict[str, Contribution]]:
    """Return, by parameter, the return with all randomized minus that without it, per metric."""
    found: dict[str, dict[str, Contribution]] = {}
    for metric, levels in returns.items():
        named = [str(next(iter(values.values()))) for values, _ in points]
        whole = dict(zip(named, levels, strict=True)).get("all")
        compared: dict[str, Comparison | None] = {}
        for point, level in zip(named, levels, strict=True):
            if whole is None or level is None or point == "all":
                continue
            parameter = point.removeprefix("without ")
            rng = np.random.default_rng(list(f"{target}/{name}/{metric}/{parameter}".encode()))
            compared[parameter] = compare(whole.per_seed, level.per_seed, rng, source_seeds)
        adjusted = holm([c.p if c else None for c in compared.values()])
        for (parameter, comparison), p in zip(compared.items(), adjusted, strict=True):
            if comparison is not None:
                found.setdefault(parameter, {})[metric] = _contribution(comparison, p)
    return found


def _contribution(comparison: Comparison, p_holm: float | None) -> Contribution:
    difference = comparison.difference
    return Contribution(
        **vars(difference),
        per_seed=comparison.per_seed,
        side=difference.side,
        p_holm=p_holm,
    )


def at_the_start(values: Mapping[str, Any], summary: Summary) -> Summary:
    """Return a point's summary; where its budget in a target is 0, of what stood at step 0.

    `summary` is then that of a longer run, whose curves begin there.
    """
    untouched = untrained(zero_budgets(values), summary.targets)
    if not untouched:
        return summary
    targets = dict(summary.targets)
    for name in untouched:
        target = targets[name]
        methods = {label: _only_start(method) for label, method in target.methods.items()}
        averaged = target.averaged and "the evaluation at step 0"
        targets[name] = replace(target, averaged=averaged, methods=methods)
    # What is reported of the longer run is reported where that stands.
    return replace(summary, targets=targets, failures=[], fairness=[])


def _only_start(method: MethodSummary) -> MethodSummary:
    """Return a method's estimates at step 0 in place of those over the whole budget."""
    scores, returns, gains = method.scores, method.returns, method.gains
    if scores is not None:
        scores = Scores(scores.start, scores.start, scores.start, scores.start)
    if returns is not None:
        returns = Levels(returns.start, returns.start)
    if gains is not None:
        first = gains.jump_start
        end = EndGain(**vars(first), converged=None)
        gains = Gains(jump_start=first, early=first, asymptotic=end, area=first)
    return replace(method, scores=scores, returns=returns, gains=gains, converged=None)


def _pairs(x: Floats) -> list[tuple[float, float]]:
    return list(zip(x[:-1].tolist(), x[1:].tolist(), strict=True))
