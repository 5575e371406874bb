"""What a sweep says: metrics point by point, where a gain changes its sign, what each part bought.

A swept setting with one number a point (a budget, `worn-tyres/0.4`, `* 0.4`) gives curves, two give
a grid, other values a list. Left-out parameters are compared with the whole randomization.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..config.sweep import is_budget, untrained, zero_budgets
from .estimates import Entry, SourceSeeds
from .metrics import Floats
from .statistics import FEWEST_SEEDS, Interval, by_source, compare, half_widths, holm
from .verdict import GAINS, LEVEL, few_seeds, signed_entry

SCORES = {"start": "score at step 0", "end": "score at the end", "area": "area"}
ELSEWHERE = ("complete", "source_steps")
"""Facts of fairness that are no note of a sweep: one has its own, the other holds everywhere."""
_BETWEEN = 200
"""Places looked at between two neighbouring points for where a gain changes its sign."""
Points = Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]]
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
    told = isinstance(value, (int, str)) or (isinstance(value, float) and np.isfinite(value))
    return value if told else str(value)


@dataclass(frozen=True)
class Turn:
    """A place where a gain changes its sign, with a 95 % interval, and the sign after it."""

    place: Interval
    negative: bool


def turns(at: ArrayLike, gains: ArrayLike) -> list[Turn]:
    """Return where a gain turns negative or positive, in order; empty where it keeps its sign.

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
            found.append(Turn(Interval(estimate, None, None, n, "one seed"), negative))
            continue
        first, then = (above, below) if negative else (below, above)
        before, after = np.flatnonzero(first[: last + 1]), np.flatnonzero(then[last + 1 :])
        low = float(fine[before[-1]]) if before.size else None
        high = float(fine[last + 1 + after[0]]) if after.size else None
        found.append(Turn(Interval(estimate, low, high, n, "inverted t"), negative))
    return found


def summarize_sweep(name: str, points: Points, missing: Sequence[str] = ()) -> dict[str, Any]:
    """Return what a sweep shows, from its points' summaries; None stands for what was not run.

    `missing` are the points, in words, that have not been run: of a gain's sign at all points, and
    of what each parameter bought, nothing can then be said.
    """
    keys = list(points[0][0])
    axes = {key: list(dict.fromkeys(on_axis(values[key]) for values, _ in points)) for key in keys}
    left_out = len(keys) == 1 and any(str(v).startswith("without ") for v in axes[keys[0]])
    line = len(keys) == 1 and len(points) > 1
    at = numbers([_taken(keys[0], *point) for point in points]) if line else None
    if at is not None and len(set(at)) < len(at):  # budgets that are rounded up to the same
        at = numbers([values[keys[0]] for values, _ in points])
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
            target: _target(target, points, at, left_out=left_out, whole=not missing)
            for target in points[0][1]["targets"]
        },
    }
    unrun = f"{len(missing)} of {len(points) + len(missing)} points have not been run: "
    summary["notes"] = [f"{unrun}{'; '.join(missing)}."] if missing else []
    summary["notes"] += _notes(summary, points)
    summary["shared"] = any(
        method.get("source_seeds")
        for _, point in points
        for target in point["targets"].values()
        for method in target["methods"].values()
    )
    summary["caution"] = next((s["caution"] for _, s in points if s["caution"]), "")
    summary["headlines"] = [line for t in summary["targets"].values() for line in t["sentences"]]
    return summary


def _taken(key: str, values: Mapping[str, Any], summary: Mapping[str, Any]) -> Any:
    """Return the value of a point's only key; of a budget the steps that were taken of it.

    Training ends with a whole rollout, so that these may be more than were asked for.
    """
    value = values[key]
    if key == "source.steps":
        return summary["source"]["steps"] or value
    if not (is_budget(key) and value):
        return value
    taken = [summary["targets"][name]["steps"] for name in untrained([key], summary["targets"])]
    return next(filter(None, taken), value)


def _target(
    target: str, points: Points, at: list[float] | None, *, left_out: bool, whole: bool
) -> dict[str, Any]:
    methods, sentences = {}, []
    scales = [_scale(summary["targets"][target]) for _, summary in points]
    for name in points[0][1]["methods"]:
        each = [summary["targets"][target]["methods"].get(name) for _, summary in points]
        sharing = [entry.get("source_seeds") for entry in each if entry is not None]
        source_seeds = sharing[0] if sharing else None
        found: Entry = {
            "scores": {m: [_part(e, "scores", m) for e in each] for m in SCORES},
            "gains": {g: [_part(e, "gains", g) for e in each] for g in GAINS},
            "returns": {m: [_part(e, "returns", m) for e in each] for m in ("start", "end")},
            "turns": {},
            "bought": None,
        }
        if at is not None:
            found["turns"] = {
                gain: _turns(at, found["gains"][gain], scales, sharing) for gain in GAINS
            }
            if any(found["gains"]["area"]):
                unit = "seed" if source_seeds is None else "source policy"
                sentences.append(_turning(target, name, at, found, unit, whole=whole))
        if left_out:
            found["bought"] = _bought(target, name, points, found, source_seeds)
            if whole:
                sentences += _buying(target, name, found["bought"])
        methods[name] = found
    # One axis for all points: where one of them has no scores, returns are shown for all.
    scored = all(
        score is not None or entry is None
        for found in methods.values()
        for entry, score in zip(found["returns"]["end"], found["scores"]["end"], strict=True)
    )
    return {"scored": scored, "methods": methods, "sentences": sentences}


def _part(method: Mapping[str, Any] | None, part: str, metric: str) -> Entry | None:
    if method is None or not method.get(part):
        return None
    found: Entry | None = method[part].get(metric)
    return {**found, "converged": method["converged"]} if found and metric == "end" else found


def _scale(target: Mapping[str, Any]) -> float:
    """Return how much return a gain of 1 is at a point."""
    if not target["scored"]:
        return 1.0
    anchors = target["anchors"]
    return float(anchors["reference"]["return"] - anchors["random"]["return"])


def _turns(
    at: list[float],
    gains: Sequence[Entry | None],
    scales: Sequence[float],
    sharing: Sequence[SourceSeeds],
) -> list[Entry] | None:
    """Return where a gain changes its sign, over the seeds that every point has; None without.

    Empty as well where it is surely on a side of 0 nowhere, so that its sign is chance. Points have
    their own scores each, of which 1 is another return at each: what lies between two points is
    found in returns, `scales` of them to a score of 1. `sharing` says, by point, which seeds share
    source policies; where that differs nothing is straight between points.
    """
    rows = [gain["per_seed"] for gain in gains if gain is not None]
    seeds = sorted(set.intersection(*(set(row) for row in rows))) if rows else []
    if len(rows) < len(at) or not seeds or any(shared != sharing[0] for shared in sharing):
        return None
    of_seeds = [{seed: row[seed] for seed in seeds} for row in rows]
    averaged = [list(by_source(row, sharing[0]).values()) for row in of_seeds]
    found = turns(at, np.array(averaged) * np.array(scales)[:, None])
    if all(turn.place.n > 1 and turn.place.low is turn.place.high is None for turn in found):
        return []
    return [{**asdict(turn.place), "negative": turn.negative} for turn in found]


def _turning(
    target: str, name: str, at: list[float], found: Entry, unit: str, *, whole: bool
) -> str:
    """Say where the area gain of a method is negative, and where it is not.

    Unless the sweep is `whole`, nothing is said of all points.
    """
    turned, gains = found["turns"]["area"], found["gains"]["area"]
    lead = f"On {target}, the area gain of {name}"
    if turned:
        first, *rest = turned
        said = f"{'turns negative at' if first['negative'] else 'is negative up to'} "
        said += ", then ".join(
            [
                _bounds(first),
                *(
                    f"turns {'negative' if turn['negative'] else 'positive'} at {_bounds(turn)}"
                    for turn in rest
                ),
            ]
        )
        if not (first["negative"] or rest):
            said += " and positive from there on"
        return f"{lead} {said}{few_seeds(first['n'], unit)}."
    each = [
        f"{'not known' if gain is None else signed_entry(gain)} at {_place(x)}"
        for x, gain in zip(at, gains, strict=True)
    ]
    known = [gain for gain in gains if gain is not None]
    estimates = [gain["estimate"] for gain in known]
    said = ", ".join(each) + few_seeds(min(gain["n"] for gain in known), unit)
    sign = "positive" if min(estimates) > 0 else "negative" if max(estimates) < 0 else None
    sure = sum(gain["side"] != "unclear" for gain in known)
    complete = whole and len(estimates) == len(at)
    if complete and not sure:
        return f"{lead} is nowhere surely above or below 0: {said}."
    if complete and sign is not None:
        count = "" if sure == len(at) else f", surely at {sure} of {len(at)}"
        return f"{lead} is {sign} at every point{count}: {said}."
    # Points without it, or whose seeds differ so that its sign does: nothing lies between them.
    return f"{lead} is {said}."


def _bounds(turn: Entry) -> str:
    """Return `0.41 [0.36, 0.44]`; an end that the points do not show is open."""
    low, high = ("open" if turn[end] is None else _place(turn[end]) for end in ("low", "high"))
    return f"{_place(turn['estimate'])} [{low}, {high}]"


def _place(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 999.5 else f"{value:.3g}"


def _bought(
    target: str, name: str, points: Points, found: Entry, source_seeds: SourceSeeds
) -> dict[str, dict[str, Entry]]:
    """Return, by parameter, the return with all randomized minus that without it, per metric."""
    bought: dict[str, dict[str, Entry]] = {}
    for metric, entries in found["returns"].items():
        named = [str(next(iter(values.values()))) for values, _ in points]
        whole = dict(zip(named, entries, strict=True)).get("all")
        compared = {}
        for point, entry in zip(named, entries, strict=True):
            if whole is None or entry is None or point == "all":
                continue
            parameter = point.removeprefix("without ")
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
    if entry["estimate"] <= 0:
        none = all(e["high"] is not None and e["high"] <= 0 for e in ends.values())
        surely = "" if none and min(e["n"] for e in ends.values()) >= FEWEST_SEEDS else " surely"
        return [
            f"On {target}, no parameter's randomization{surely} raised the return of {name} at the "
            "end."
        ]
    sure = entry["p_holm"] is not None and entry["p_holm"] <= LEVEL and entry["n"] >= FEWEST_SEEDS
    low, high = entry["low"], entry["high"]
    interval = "no interval" if low is None else f"{_place(low)}, {_place(high)}"
    return [
        f"On {target}, {name} owes most to randomizing {best}: without it its return at the end is "
        f"{_place(entry['estimate'])} lower [{interval}]{'' if sure else ', which is not certain'}."
    ]


def _notes(swept: Mapping[str, Any], points: Points) -> list[str]:
    """Return what a reader of a sweep's numbers must know besides them."""
    scored = [target for target, found in swept["targets"].items() if found["scored"]]
    unscored = [target for target in swept["targets"] if target not in scored]
    found = _averaged(list(swept["targets"]), points)
    own = [
        ((anchors.get("reference") or {}).get("origin") or "").startswith("best asympt")
        for _, summary in points
        for anchors in (summary["targets"][target]["anchors"] for target in scored)
    ]
    if unscored:
        found.append(
            f"Not every point has scores on {', '.join(unscored)}: returns are what is shown, and "
            "each point's report says why."
        )
    if any(own) and swept["kind"] != "leave_one_out":
        where = "at each point" if all(own) else "at points without anchors of their own"
        if any(zero_budgets(values) for values, _ in points):
            where += " (at a budget of 0, of the run whose start it shows)"
        found.append(
            f"A score of 1 is, {where}, the best that any method reached there: scores say "
            "who is ahead at a point, not that one point is as hard as another."
        )
    if any(turns for target in swept["targets"].values() for turns in _all_turns(target)):
        found.append(
            "Where a gain turns is read from straight lines between points: its interval (open: "
            "the points show no end) holds the variation of seeds, not how the gain may bend "
            "there, which only closer points show."
        )
    failures = sum(len(summary["failures"]) for _, summary in points)
    if failures:
        found.append(
            f"{failures} sources and trials have no usable curve; see the points' reports."
        )
    return found + _unfair([summary for _, summary in points if _compares(summary)])


def _all_turns(target: Mapping[str, Any]) -> Iterator[Entry]:
    """Yield the places where a gain of any method on a target turns."""
    for method in target["methods"].values():
        for turned in method["turns"].values():
            yield from turned or []


def _compares(summary: Mapping[str, Any]) -> bool:
    """Return whether something was compared at a point, so that it may have been unfair there.

    What is told of the run whose start a budget of 0 shows is told where that run stands.
    """
    finished = any(target["averaged"] for target in summary["targets"].values())
    return finished and bool(summary["fairness"])


def _unfair(summaries: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what was not fair in comparing methods, and in how many points' runs."""
    counts = Counter(
        fact["text"]
        for summary in summaries
        for fact in summary["fairness"]
        if not fact["holds"] and fact["what"] not in ELSEWHERE
    )
    every = len(summaries)
    return [
        text if count == every else f"At {count} of {every} points that were run: {text}"
        for text, count in counts.items()
    ]


def _averaged(targets: Sequence[str], points: Points) -> list[str]:
    """Say which evaluations the end averages; where that differs, at how many points on what."""
    where: dict[str, Counter[str]] = {}
    for _, summary in points:
        for target in targets:
            if text := summary["targets"][target]["averaged"]:
                where.setdefault(text, Counter())[target] += 1
    if len(where) < 2:
        return [f"The end is a mean over {text}." for text in where]
    each = []
    for text, counts in where.items():
        at = ", ".join(f"{target}: {n} of {len(points)} points" for target, n in counts.items())
        each.append(f"{text} ({at})")
    return [f"The end is a mean over {'; over '.join(each)}."]


def _pairs(x: Floats) -> list[tuple[float, float]]:
    return list(zip(x[:-1].tolist(), x[1:].tolist(), strict=True))
