"""What a sweep says: metrics point by point, where a gain turns negative, what each part bought.

A swept setting with one number a point (a budget, `worn-tyres/0.4`, `* 0.4`) gives curves, two give
a grid, other values a list. Left-out parameters are compared with the whole randomization.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .entries import Entry, SourceSeeds
from .metrics import Floats
from .statistics import FEWEST_SEEDS, Interval, by_source, compare, holm, mean_interval
from .verdict import GAINS, LEVEL, counted, signed_entry

SCORES = {"start": "score at step 0", "end": "score at the end", "area": "area"}
_BETWEEN = 200
"""Places looked at between two neighbouring points for where a gain turns negative."""
Points = Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]]
"""The swept values of each point that was run, and its run's summary."""


def numbers(values: Sequence[Any]) -> list[float] | None:
    """Return the numbers that swept values stand for; None unless all are of one kind.

    Numbers stand for themselves, `family/0.4` for a severity, `* 0.4`, `+ 0.4` and `= 0.4` for what
    follows; a family or operation must be the same throughout.
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
            return None
        kinds.add(parts[1] if parts else str(value))
    return found if len(kinds) == 1 and np.isfinite(found).all() else None


def quantity(key: str, values: Sequence[Any]) -> str:
    """Return what the swept values of a setting say in words, to stand at an axis."""
    kinds = {re.sub(r"\s*[-+\d._eE]+$", "", str(value).strip()) for value in values}
    kind = kinds.pop() if numbers(values) is not None and len(kinds) == 1 else ""
    if kind.endswith("/"):
        return f"severity of {kind[:-1]}"
    return {"*": f"{key}, times its nominal", "+": f"{key}, added to its nominal"}.get(kind, key)


def crossing(at: ArrayLike, gains: ArrayLike) -> Interval | None:
    """Return where a gain turns negative, with a 95 % interval; None where it does not.

    `at` is `(points,)`, strictly increasing, `gains` `(points, seeds)`, paired differences. Between
    points each seed's gain is taken as straight. The estimate is the first place where the mean
    falls below 0; the interval holds the places about it whose own t interval of the gain holds 0
    (the inversion of the pointwise test). An end that lies beyond the points is None.

    Raises:
        ValueError: arrays that do not go together.
    """
    x, values = np.asarray(at, dtype=np.float64), np.asarray(gains, dtype=np.float64)
    if x.ndim != 1 or values.ndim != 2 or len(values) != x.size or (np.diff(x) <= 0).any():
        raise ValueError("expected increasing points (points,) and gains (points, seeds)")
    fine = np.unique(np.concatenate([np.linspace(a, b, _BETWEEN + 1) for a, b in _pairs(x)]))
    between = np.array([np.interp(fine, x, seed) for seed in values.T]).T
    means = between.mean(axis=1)
    below = np.flatnonzero((means[1:] < 0) & (means[:-1] >= 0))
    if not below.size:
        return None
    first = int(below[0])
    # Exact on the straight piece between the two places.
    share = means[first] / (means[first] - means[first + 1])
    estimate = float(fine[first] + share * (fine[first + 1] - fine[first]))
    n = values.shape[1]
    if n < 2:
        return Interval(estimate, None, None, n, "one seed")
    intervals = [mean_interval(row) for row in between]
    above = np.array([i is not None and i.low is not None and i.low > 0 for i in intervals])
    under = np.array([i is not None and i.high is not None and i.high < 0 for i in intervals])
    before, after = np.flatnonzero(above[: first + 1]), np.flatnonzero(under[first:])
    low = float(fine[before[-1]]) if before.size else None
    high = float(fine[first + after[0]]) if after.size else None
    return Interval(estimate, low, high, n, "inverted t")


def summarize_sweep(name: str, points: Points) -> dict[str, Any]:
    """Return what a sweep shows, from its points' summaries; None stands for what was not run."""
    keys = list(points[0][0])
    axes = {
        key: list(dict.fromkeys(_hashable(values[key]) for values, _ in points)) for key in keys
    }
    left_out = len(keys) == 1 and str(axes[keys[0]][-1]).startswith("without ")
    line = len(keys) == 1 and len(points) > 1
    at = numbers([values[keys[0]] for values, _ in points]) if line else None
    if at is not None and (np.diff(at) <= 0).any():
        order = np.argsort(at, kind="stable")
        points, at = [points[i] for i in order], [at[i] for i in order]
        at = at if len(set(at)) == len(at) else None
    summary: dict[str, Any] = {
        "name": name,
        "keys": keys,
        "axes": axes,
        "labels": {key: quantity(key, axes[key]) for key in keys},
        "at": at,
        "kind": "leave_one_out" if left_out else "grid" if len(keys) == 2 else "line",
        "points": [dict(values) for values, _ in points],
        "baseline": points[0][1]["baseline"],
        "targets": {
            target: _target(target, points, at, left_out=left_out)
            for target in points[0][1]["targets"]
        },
        "notes": _notes(points, left_out=left_out),
    }
    summary["headlines"] = [line for t in summary["targets"].values() for line in t["sentences"]]
    return summary


def _target(
    target: str, points: Points, at: list[float] | None, *, left_out: bool
) -> dict[str, Any]:
    methods, sentences = {}, []
    for name in points[0][1]["methods"]:
        each = [summary["targets"][target]["methods"].get(name) for _, summary in points]
        source_seeds = (each[0] or {}).get("source_seeds")
        found: Entry = {
            "scores": {m: [_part(e, "scores", m) for e in each] for m in SCORES},
            "gains": {g: [_part(e, "gains", g) for e in each] for g in GAINS},
            "returns": {m: [_part(e, "returns", m) for e in each] for m in ("start", "end")},
            "turns": {},
            "bought": None,
        }
        if at is not None:
            found["turns"] = {gain: _turn(at, found["gains"][gain], source_seeds) for gain in GAINS}
            if found["gains"]["area"][0] is not None:
                unit = "seed" if source_seeds is None else "source policy"
                sentences.append(_turning(target, name, at, found, unit))
        if left_out:
            found["bought"] = _bought(target, name, points, found, source_seeds)
            sentences += _buying(target, name, found["bought"])
        methods[name] = found
    return {"methods": methods, "sentences": sentences}


def _part(method: Mapping[str, Any] | None, part: str, metric: str) -> Entry | None:
    inner = (method or {}).get(part) or {}
    return inner.get(metric)


def _turn(
    at: list[float], gains: Sequence[Entry | None], source_seeds: SourceSeeds
) -> Entry | None:
    """Return where a gain turns negative, over the seeds that every point has."""
    rows = [gain["per_seed"] for gain in gains if gain is not None]
    if len(rows) < len(at):
        return None
    seeds = sorted(set.intersection(*(set(row) for row in rows)))
    if not seeds:
        return None
    of_seeds = [{seed: row[seed] for seed in seeds} for row in rows]
    found = crossing(at, [list(by_source(row, source_seeds).values()) for row in of_seeds])
    return None if found is None else asdict(found)


def _turning(target: str, name: str, at: list[float], found: Entry, unit: str) -> str:
    """Say where the area gain of a method turns negative."""
    turn, gains = found["turns"]["area"], found["gains"]["area"]
    lead = f"On {target}, the area gain of {name}"
    if turn is not None:
        low = f"{turn['low']:.3g}" if turn["low"] is not None else f"below {at[0]:.3g}"
        high = f"{turn['high']:.3g}" if turn["high"] is not None else f"beyond {at[-1]:.3g}"
        n = turn["n"]
        few = "" if n >= FEWEST_SEEDS else f"; from {counted(n, unit)} no claim is made"
        return f"{lead} turns negative at {turn['estimate']:.3g} [{low}, {high}]{few}."
    last = gains[-1]
    if last is None:
        return f"{lead} is not known at {at[-1]:.3g}."
    ends = f"{signed_entry(gains[0])} at {at[0]:.3g} and {signed_entry(last)} at {at[-1]:.3g}"
    if gains[0]["estimate"] < 0:
        return f"{lead} is negative from the first point on: {ends}."
    return f"{lead} does not turn negative: {ends}."


def _bought(
    target: str, name: str, points: Points, found: Entry, source_seeds: SourceSeeds
) -> dict[str, dict[str, Entry]]:
    """Return, by parameter, the return with all randomized minus that without it, per metric."""
    bought: dict[str, dict[str, Entry]] = {}
    for metric, entries in found["returns"].items():
        whole = entries[0]
        compared = {}
        for (values, _), entry in zip(points[1:], entries[1:], strict=True):
            if whole is None or entry is None:
                continue
            parameter = str(next(iter(values.values()))).removeprefix("without ")
            rng = np.random.default_rng(list(f"{target}/{name}/{metric}/{parameter}".encode()))
            compared[parameter] = compare(whole["per_seed"], entry["per_seed"], rng, source_seeds)
        adjusted = holm([c.p if c else None for c in compared.values()])
        for (parameter, comparison), p in zip(compared.items(), adjusted, strict=True):
            if comparison is None:
                continue
            bought.setdefault(parameter, {})[metric] = {
                **asdict(comparison.difference),
                "per_seed": comparison.per_seed,
                "side": comparison.difference.side,
                "p_holm": p,
            }
    return bought


def _buying(target: str, name: str, bought: Mapping[str, Mapping[str, Entry]]) -> list[str]:
    """Say which parameter's randomization bought the most return at the end."""
    ends = {parameter: found["end"] for parameter, found in bought.items() if "end" in found}
    if not ends or all(entry["estimate"] == 0 for entry in ends.values()):
        return []
    best = max(ends, key=lambda parameter: float(ends[parameter]["estimate"]))
    entry = ends[best]
    sure = entry["p_holm"] is not None and entry["p_holm"] <= LEVEL and entry["n"] >= FEWEST_SEEDS
    interval = "no interval" if entry["low"] is None else f"{entry['low']:.3g}, {entry['high']:.3g}"
    return [
        f"On {target}, {name} owes most to randomizing {best}: without it its return at the end is "
        f"{entry['estimate']:.3g} lower [{interval}]{'' if sure else ', which is not certain'}."
    ]


def _notes(points: Points, *, left_out: bool) -> list[str]:
    found = []
    own = any(
        ((target["anchors"].get("reference") or {}).get("origin") or "").startswith("best asympt")
        for _, summary in points
        for target in summary["targets"].values()
    )
    if own and not left_out:
        found.append(
            "A score of 1 is, at each point, the best that any method reached there: scores say "
            "who is ahead at a point, not that one point is as hard as another."
        )
    failures = sum(len(summary["failures"]) for _, summary in points)
    if failures:
        found.append(
            f"{failures} sources and trials have no usable curve; see the points' reports."
        )
    return found


def _pairs(x: Floats) -> list[tuple[float, float]]:
    return list(zip(x[:-1].tolist(), x[1:].tolist(), strict=True))


def _hashable(value: Any) -> Any:
    return value if isinstance(value, (int, float, str)) else str(value)
