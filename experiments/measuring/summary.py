"""The summary of a run: every metric with its interval, as plain JSON without NaN.

An entry of a metric over seeds is `{"per_seed": {seed: value}, "estimate", "low", "high", "n",
"kind"}` (see `statistics.Interval`); what does not exist is None, with the reason in `notes` where
it is not plain.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from importlib.metadata import version
from typing import Any

import numpy as np

from . import metrics
from .aggregates import summarize_across
from .equal_total import equal_total
from .estimates import Curves, Entry, ends, entry, last_terms, plain, within
from .fairness import fairness
from .gains import (
    BASELINE,
    add_gains,
    add_total_time,
    method_curves,
    retention,
    source_return,
    source_scale,
    source_seeds,
    zero_shot_gap,
)
from .runs import Run
from .statistics import FEWEST_SEEDS, by_source, caution, mean_interval
from .verdict import Verdict, headline

THRESHOLD = 0.8
"""The threshold of an experiment that names none."""
CLEAR = 3
"""Standard errors that a reference found by the experiment itself should lie above random."""


def summarize(run: Run) -> dict[str, Any]:
    """Return the summary of a run. Equal runs give equal summaries: the bootstrap is seeded."""
    threshold = float(run.experiment.get("evaluation", {}).get("threshold", THRESHOLD))
    targets = {name: _target(run, name, threshold) for name in run.experiment["targets"]}
    scale = source_scale(run)
    summary = {
        "name": run.experiment.get("name", run.directory.name),
        "baseline": BASELINE if BASELINE in run.methods else None,
        "methods": run.methods,
        "seeds": list(run.experiment["seeds"]),
        "threshold": threshold,
        "headlines": [target["headline"] for target in targets.values()],
        "notes": _caveats(run),
        "caution": _caution(targets),
        "fairness": fairness(run),
        "source": {
            "world": run.experiment["source"].get("world"),
            "steps": run.source_steps,
            "bundle": run.experiment["source"].get("bundle"),
            "anchors": dict(zip(("random", "reference", "origin"), scale, strict=True))
            if scale
            else None,
        },
        "sources": [
            {
                "source": trial.target,
                "seed": trial.seed,
                "state": trial.state,
                "start_return": trial.returns[0] if 0 in trial.steps else None,
                "end_return": source_return(trial),
                "seconds": trial.seconds,
                "reused": trial.status.get("reused_seconds") is not None,
            }
            for trial in run.sources
        ],
        "targets": targets,
        "across": summarize_across(
            targets,
            BASELINE,
            {name: source_seeds(run, name) for name in run.methods},
            run.experiment["seeds"],
        ),
        "failures": [
            {
                "unit": trial.unit,
                "target": trial.target,
                "method": trial.method,
                "seed": trial.seed,
                "state": trial.state,
                "error": trial.error,
                "traceback": trial.traceback,
            }
            for trial in run.failures
        ],
    }
    made: dict[str, Any] = plain(summary)
    return made


def _caveats(run: Run) -> list[str]:
    """Return what is to be known of the whole before its numbers are read."""
    notes = []
    if BASELINE not in run.methods:
        notes.append(f"'{BASELINE}' is not among the methods: no gains and no verdicts.")
    if bundle := run.experiment["source"].get("bundle"):
        notes.append(
            f"All seeds begin with one ready-made source policy ({bundle}): what is said holds for "
            "this policy, not for others trained as it was."
        )
    begun = (run.facts.get("versions") or {}).get("headstart")
    here = version("headstart")
    if begun and begun != here:
        notes.append(f"Run with headstart {begun}, reported with headstart {here}.")
    return notes


def _caution(targets: Mapping[str, Entry]) -> str:
    """Return what is to be said of intervals from the fewest seeds, or source policies."""
    each = [m for target in targets.values() for m in target["methods"].values() if m["returns"]]
    counts = {(m["returns"]["end"]["n"], bool(m["source_seeds"])) for m in each}
    few, policies = min((count for count in counts if count[0] > 1), default=(0, False))
    return caution(few, "source policies" if policies else "seeds")


def score_curves(curves: Curves, anchors: Mapping[str, Any]) -> Curves:
    """Return curves with scores on `anchors`, as a target's summary holds them."""
    random, reference = anchors["random"]["return"], anchors["reference"]["return"]
    scores = metrics.normalize(curves.returns, random=random, reference=reference)
    return replace(curves, scores=scores)


def _target(run: Run, target: str, threshold: float) -> dict[str, Any]:
    found = {name: method_curves(run, target, name) for name in run.methods}
    curves = {name: curve for name, curve in found.items() if curve is not None}
    longer = {name: method_curves(run, target, name) for name in run.longer}
    totals = {name: curve for name, curve in longer.items() if curve is not None}
    anchors, unscored = _anchors(run, target, curves | totals)
    if unscored is None:
        curves = {name: score_curves(curve, anchors) for name, curve in curves.items()}
    methods = {
        name: _method(run, target, name, curves.get(name), threshold) for name in run.methods
    }
    add_gains(run, target, curves, methods)
    add_total_time(run, methods)
    steps = next(iter(curves.values())).steps if curves else np.zeros(0)
    settings = run.experiment["targets"][target] or {}
    scale = None if unscored else (anchors["random"]["return"], anchors["reference"]["return"])
    return {
        "world": settings.get("world") or run.experiment["source"].get("world"),
        "steps": steps[-1] if steps.size else None,
        "evaluations": steps.size,
        "averaged": _averaged(steps) if steps.size else None,
        "spacing": np.diff(steps).max() if steps.size else None,
        "anchors": anchors,
        "scored": unscored is None,
        "headline": unscored or headline(target, methods),
        "notes": _notes(steps, methods, scored=unscored is None)
        + ([] if unscored else _doubts(target, anchors))
        + [
            f"No trial of {name} has finished: nothing is compared at equal total steps."
            for name in longer
            if name not in totals
        ],
        "zero_shot_gap": zero_shot_gap(run, target, scale),
        "methods": methods,
        "equal_total": {
            name: equal_total(
                run, target, curve if unscored else score_curves(curve, anchors), methods
            )
            for name, curve in totals.items()
        },
    }


def _doubts(target: str, anchors: Mapping[str, Any]) -> list[str]:
    """Say where scores stand on a difference that may be chance."""
    low, high = anchors["random"]["return"], anchors["reference"]["return"]
    error = anchors["reference"].get("error")
    if error is None or high - low > CLEAR * error:
        return []
    return [
        f"The reference of {target}, {high:.4g} with a standard error of {error:.2g}, is not "
        f"clearly above the random policy's {low:.4g}: differences between scores may be chance."
    ]


def _anchors(
    run: Run, target: str, curves: Mapping[str, Curves]
) -> tuple[dict[str, Any], str | None]:
    """Return the anchors of a target with their origins, and why it has no scores (or None)."""
    stored = run.facts.get("anchors", {}).get(target) or {}
    random, reference = stored.get("random"), stored.get("reference")
    if reference is None and curves:
        finals = {
            n: float(metrics.asymptote(c.mean(c.returns)[None])[0]) for n, c in curves.items()
        }
        best = max(finals, key=lambda name: finals[name])
        origin = f"best asymptotic mean among this experiment's own methods ({best})"
        reached = metrics.asymptote(curves[best].returns).tolist()
        each = dict(zip(curves[best].seeds, reached, strict=True))
        own = list(by_source(each, curves[best].source_seeds).values())
        error = float(np.std(own, ddof=1) / np.sqrt(len(own))) if len(own) > 1 else None
        reference = {"return": finals[best], "origin": origin, "error": error}
    anchors = {"random": random, "reference": reference}
    if not curves:
        return anchors, f"On {target} no trial has finished."
    if random is None or reference is None:
        return anchors, f"{target} has no scores: no return of the random policy is recorded."
    low, high = float(random["return"]), float(reference["return"])
    if not high - low > 1e-9 * max(abs(low), abs(high)):
        return anchors, (
            f"{target} has no scores: the reference return {high:.4g} ({reference['origin']}) is "
            f"not above the random policy's {low:.4g}, so there is no scale; raw returns stand."
        )
    return anchors, None


def _method(run: Run, target: str, name: str, curves: Curves | None, threshold: float) -> Entry:
    failed = [t for t in run.failures if (t.target, t.method) == (target, name)]
    method: Entry = {
        "seeds": curves.seeds if curves else [],
        "source_seeds": source_seeds(run, name),
        "failed": [{"seed": t.seed, "state": t.state, "error": t.error} for t in failed],
        "seconds": {t.seed: t.seconds for t in run.done(target, name)},
        **dict.fromkeys(
            ("returns", "success", "failure", "retention", "scores", "learns", "converged")
        ),
        **dict.fromkeys(("drift", "dip", "time_to_threshold", "total_time", "gains", "paired")),
        **dict.fromkeys(("forward_transfer", "transfer_ratio", "terms")),
    }
    if curves is None:
        said = f"No seed has a usable curve ({'; '.join(sorted({str(t.error) for t in failed}))})."
        return method | {"verdict": asdict(Verdict("no finished trial", said))}
    seeds, steps, shared = curves.seeds, curves.steps, curves.source_seeds
    method["returns"] = ends(seeds, curves.returns, shared)
    method["retention"] = retention(run, target, name)
    method["terms"] = last_terms(run.done(target, name), shared)
    if curves.success is not None:
        shares = {"success": curves.success, "failure": metrics.failure_rate(curves.success)}
        for what, values in shares.items():
            found = ends(seeds, values, shared)
            method[what] = {when: within(share, 0.0, 1.0) for when, share in found.items()}
    if curves.scores is None:
        said = "The target has no scale to score on; raw returns stand."
        return method | {"verdict": asdict(Verdict("not scored", said))}
    drift = entry(seeds, metrics.drift(steps, curves.scores), shared, mean_interval)
    return method | {
        "scores": {
            **ends(seeds, curves.scores, shared),
            "early": entry(seeds, metrics.early(steps, curves.scores), shared),
            "area": entry(seeds, metrics.area(steps, curves.scores), shared),
        },
        "learns": bool((curves.returns != curves.returns[:, :1]).any()),
        "converged": _converged(drift),
        "drift": drift,
        "dip": _dip(curves, curves.scores),
        "time_to_threshold": _time(curves, curves.scores, threshold),
    }


def _converged(drift: Entry) -> bool | None:
    """Return whether a method has converged, from the slope over the asymptotic window.

    It has not where the interval of the slope excludes 0. An interval of few seeds is wide, so that
    from fewer than make a claim 0 in it says nothing: None.
    """
    if drift["low"] is None:
        return None
    flat = bool(drift["low"] <= 0 <= drift["high"])
    return None if flat and drift["n"] < FEWEST_SEEDS else flat


def _dip(curves: Curves, scores: metrics.Floats) -> Entry | None:
    """Return the dip after the start; None where no other evaluation is near enough to show it."""
    seeds, steps = curves.seeds, curves.steps
    if steps[1] > metrics.DIP * steps[-1]:
        return None
    depth, recovery = metrics.dip(steps, scores)
    found = within(entry(seeds, depth, curves.source_seeds), 0.0)
    return found | {"recovery": dict(zip(seeds, recovery, strict=True))}


def _time(curves: Curves, scores: metrics.Floats, threshold: float) -> Entry:
    seeds, steps = curves.seeds, curves.steps
    times, reached = metrics.time_to_threshold(steps, scores, threshold)
    at, waiting = metrics.survival(times, reached, steps[-1])
    arrived = {s: t if there else None for s, t, there in zip(seeds, times, reached, strict=True)}
    return {
        "threshold": threshold,
        "per_seed": arrived,
        "reached": reached.sum(),
        "n": len(seeds),
        "median": metrics.median_time(times, reached),
        # All seeds were watched to the budget: what never got there counts with the whole of it.
        "restricted_mean": within(entry(seeds, times, curves.source_seeds), 0.0, steps[-1]),
        "survival": {"steps": at.tolist(), "share": waiting.tolist()},
        "horizon": steps[-1],
        "resolution": np.diff(steps).max(),
    }


def _averaged(steps: metrics.Floats) -> str:
    """Return which evaluations, of those at `steps`, the asymptotic window holds."""
    size = metrics.window(steps.size)
    if size == steps.size:
        return f"all {size} evaluations"
    share = (steps[-1] - steps[-size]) / steps[-1]
    return f"the last {size} of {steps.size} evaluations ({share:.0%} of the budget)"


def _notes(steps: metrics.Floats, methods: Mapping[str, Entry], *, scored: bool) -> list[str]:
    """Return what a reader of the target's numbers must know besides them."""
    if not steps.size:
        return []
    notes = [f"Asymptotic values, and what is said of the end, are means over {_averaged(steps)}."]
    if scored and steps[1] > metrics.EARLY * steps[-1]:
        notes.append(
            "'Early' is the evaluation at step 0 alone: the next is past 5 % of the budget."
        )
    if scored and steps[1] > metrics.DIP * steps[-1]:
        notes.append("A dip cannot be seen: the second evaluation is past 20 % of the budget.")
    if scored and steps.size < metrics.HOLD:
        notes.append(
            f"No threshold can be reached: it is to be held for {metrics.HOLD} evaluations in a "
            f"row, and there are {steps.size}."
        )
    elif scored and steps.size < 2 * metrics.HOLD:
        notes.append(
            f"A threshold counts as reached by step {steps[-metrics.HOLD]:,.0f} or not at all: it "
            f"is to be held for {metrics.HOLD} evaluations in a row, and there are {steps.size}."
        )
    if drifting := [name for name, method in methods.items() if method["converged"] is False]:
        notes.append(
            f"Not converged: {', '.join(drifting)} (the slope over that window has an interval "
            "that excludes 0), so the asymptotic values, and gains that rest on them, are those of "
            "this budget only."
        )
    if constant := [
        f"{name}, {gain.replace('_', '-')}"
        for name, method in methods.items()
        for gain, found in (method["gains"] or {}).items()
        if found["kind"] == "constant"
    ]:
        notes.append(
            f"All seeds equal ({'; '.join(constant)}): the interval has no width, which says "
            "nothing about other seeds."
        )
    return notes
