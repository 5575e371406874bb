"""What compares methods: gains over scratch and their verdicts, total time, the source's side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from . import metrics
from .estimates import Curves, Entry, SourceSeeds, curves_of, entry, interval_entry
from .runs import Run, Trial
from .statistics import Comparison, by_source, compare, holm
from .verdict import GAINS, Verdict, judge, time_sentence

BASELINE = "scratch"
_METRIC = {"jump_start": "start", "early": "early", "asymptotic": "end", "area": "area"}


def add_gains(
    run: Run, target: str, curves: Mapping[str, Curves], methods: dict[str, Entry]
) -> None:
    """Fill in gains over scratch, ratios and verdicts of the methods that have scores."""
    judged = [name for name, curve in curves.items() if curve.scores is not None]
    if BASELINE not in judged:
        for name in judged:
            why = f"There is no finished trial of '{BASELINE}' to compare with."
            methods[name]["verdict"] = asdict(Verdict("no baseline", why))
        return
    base = methods[BASELINE]
    rivals = [name for name in judged if name != BASELINE]
    gains = {
        name: _gains(target, name, methods[name], base, source_seeds(run, name)) for name in rivals
    }
    tests = [(name, gain) for name in rivals for gain in GAINS]
    adjusted = dict(zip(tests, holm([gains[n][g].p for n, g in tests]), strict=True))
    for name in rivals:
        method = methods[name]
        method["gains"] = {
            gain: gain_entry(found, adjusted.get((name, gain)))
            for gain, found in gains[name].items()
        }
        # A gain over a scratch that still climbs is as unfinished as one of a method that does.
        method["gains"]["asymptotic"]["converged"] = _both(method["converged"], base["converged"])
        method["paired"] = len(method["gains"]["area"]["per_seed"])
        mine, its = (m["scores"]["area"]["per_seed"] for m in (method, base))
        shared = sorted(mine.keys() & its.keys())
        areas = [
            list(by_source({s: side[s] for s in shared}, source_seeds(run, name)).values())
            for side in (mine, its)
        ]
        method["forward_transfer"] = interval_entry(metrics.forward_transfer(*areas))
        method["transfer_ratio"] = interval_entry(metrics.transfer_ratio(*areas))
        verdict = judge(
            {g: gains[name][g] for g in GAINS},
            {g: adjusted[name, g] for g in GAINS},
            unit="seed" if source_seeds(run, name) is None else "source policy",
        )
        method["verdict"] = asdict(verdict)
        times = time_sentence(method["time_to_threshold"])
        still = "" if method["learns"] else " It does not learn in the target."
        limits = f"{still}{_lost(method)}{_unpaired(method, base)}"
        sentence = f"{verdict.sentence} {times}{limits}".strip()
        method["verdict"]["sentence"] = sentence
    said = f"The baseline. {time_sentence(base['time_to_threshold'])}{_lost(base)}"
    base["verdict"] = asdict(Verdict("baseline", said))


def add_total_time(run: Run, methods: dict[str, Entry]) -> None:
    """Fill in the times to threshold with the source's steps, and the break-even K*.

    The source's steps count in full, and shared out over the experiment's targets. Where the median
    seed of scratch does not reach the threshold, its time is at least the budget, and K* at most
    what the budget gives.
    """
    cost, targets = float(run.source_steps), len(run.experiment["targets"])
    base = methods.get(BASELINE, {}).get("time_to_threshold")
    for name, method in methods.items():
        time = method["time_to_threshold"]
        if time is None:
            continue
        steps = cost if uses_source(run, name) else 0.0
        mean, median = time["restricted_mean"]["estimate"], time["median"]
        method["total_time"] = {
            "source_steps": steps,
            "targets": targets,
            "in_full": _shifted(median, mean, steps, 1),
            "amortised": _shifted(median, mean, steps, targets),
            "break_even": None,
        }
        if not steps or base is None or np.isnan(median):
            continue
        censored = bool(np.isnan(base["median"]))
        scratch = base["horizon"] if censored else base["median"]
        targets_needed = metrics.break_even(steps, scratch, median)
        if not np.isnan(targets_needed):
            method["total_time"]["break_even"] = {"targets": targets_needed, "at_most": censored}


def uses_source(run: Run, method: str) -> bool:
    """Whether a method, by its label, begins from the source: as recorded, else all but scratch."""
    recorded = run.facts.get("methods", {}).get(method, {})
    return bool(recorded.get("needs_source", run.registered[method] != BASELINE))


def source_seeds(run: Run, method: str) -> SourceSeeds:
    """Return which source policies a method's seeds share; None where each has its own, or none."""
    return run.source_seeds if uses_source(run, method) else None


def method_curves(run: Run, target: str, method: str) -> Curves | None:
    """Return the curves of a method's finished trials on a target; None without any."""
    trials = run.done(target, method)
    return curves_of(trials, source_seeds(run, method)) if trials else None


def source_return(trial: Trial) -> float | None:
    """Return what a source policy scores in its source after training; None if it has not."""
    return trial.returns[-1] if trial.state == "done" else None


def source_scale(run: Run) -> tuple[float, float, str] | None:
    """Return the anchors of the source world and the reference's origin; None without a scale."""
    stored = run.facts.get("anchors", {}).get("source") or {}
    if not stored.get("random"):
        return None
    low, reference = float(stored["random"]["return"]), stored.get("reference")
    if reference:
        high, origin = float(reference["return"]), str(reference["origin"])
    else:
        finals = [found for trial in run.sources if (found := source_return(trial)) is not None]
        if not finals:
            return None
        high, origin = float(np.mean(finals)), "mean of this experiment's own source policies"
    return (low, high, origin) if high > low else None


def retention(run: Run, target: str, method: str) -> Entry | None:
    """Return returns and scores lost or kept back in the source; None where not measured."""
    kept = [
        (t.seed, t.status["source_return_before"], t.status["source_return_after"])
        for t in run.done(target, method)
        if t.status.get("source_return_before") is not None
        and t.status.get("source_return_after") is not None
    ]
    if not kept:
        return None
    seeds, before, after = (list(column) for column in zip(*kept, strict=True))
    scale = source_scale(run)
    shared = run.source_seeds
    found: Entry = {
        "returns": entry(seeds, metrics.retention(before, after), shared),
        "scores": None,
    }
    if scale:
        scored = [
            metrics.normalize(x, random=scale[0], reference=scale[1]) for x in (before, after)
        ]
        found["scores"] = entry(seeds, metrics.retention(*scored), shared)
    return found


def zero_shot_gap(
    run: Run, target: str, scale: tuple[float, float] | None
) -> dict[str, Entry | None] | None:
    """Return the source policies' drop from source to target; None where not measured.

    `scale` holds the target's anchors. Each world's score is on its own anchors.
    """
    shared = run.source_seeds
    trained = {t.seed: found for t in run.sources if (found := source_return(t)) is not None}
    its = shared or {seed: seed for seed in trained}
    finals = {seed: trained[source] for seed, source in its.items() if source in trained}
    starts = {trial.seed: trial.returns[0] for trial in run.done(target, "zero_shot")}
    seeds = sorted(finals.keys() & starts.keys())
    if not seeds or len({trial.target for trial in run.sources}) > 1:
        return None
    there, here = [finals[seed] for seed in seeds], [starts[seed] for seed in seeds]
    at_source = source_scale(run)
    gap: dict[str, Entry | None] = {
        "returns": entry(seeds, metrics.zero_shot_gap(there, here), shared),
        "scores": None,
    }
    if scale and at_source:
        in_source = metrics.normalize(there, random=at_source[0], reference=at_source[1])
        in_target = metrics.normalize(here, random=scale[0], reference=scale[1])
        gap["scores"] = entry(seeds, metrics.zero_shot_gap(in_source, in_target), shared)
    return gap


def _gains(
    target: str, name: str, method: Entry, base: Entry, shared: SourceSeeds
) -> dict[str, Comparison]:
    found: dict[str, Comparison] = {}
    for gain, metric in _METRIC.items():
        # A stream of its own, so that adding a method leaves the others' intervals alone.
        rng = np.random.default_rng(list(f"{target}/{name}/{gain}".encode()))
        mine, its = method["scores"][metric]["per_seed"], base["scores"][metric]["per_seed"]
        comparison = compare(mine, its, rng, shared)
        assert comparison is not None  # both sides have finished trials
        found[gain] = comparison
    return found


def gain_entry(found: Comparison, adjusted: float | None) -> Entry:
    """Return a comparison with its p value after Holm's correction as a plain mapping."""
    return {
        "per_seed": found.per_seed,
        **asdict(found.difference),
        "side": found.difference.side,
        "bca": interval_entry(found.bca),
        "p": found.p,
        "p_holm": adjusted,
        "probability": found.probability,
    }


def _shifted(median: float, mean: float, steps: float, targets: int) -> Entry:
    median, mean = metrics.total_time([median, mean], steps, targets).tolist()
    return {"median": median, "restricted_mean": mean}


def _both(one: bool | None, other: bool | None) -> bool | None:
    """Return whether both hold; None where one is not known and the other does not fail."""
    if one is False or other is False:
        return False
    return None if None in (one, other) else True


def _lost(method: Mapping[str, Any]) -> str:
    """Return a sentence on seeds without a usable curve, which could hide the worst ones."""
    lost = len(method["failed"])
    if not lost:
        return ""
    every = lost + len(method["seeds"])
    return f" Without a usable curve, and so in none of these numbers: {lost} of {every} seeds."


def _unpaired(method: Mapping[str, Any], base: Mapping[str, Any]) -> str:
    """Return a sentence on seeds of a method that its gains leave out, as scratch lost them."""
    paired, mine, its = method["paired"], len(method["seeds"]), len(base["seeds"])
    if paired == mine:
        return ""
    if paired < 2 <= min(mine, its) or not paired:
        return f" Gains are not paired, as {BASELINE} has a usable curve on {paired} of its seeds."
    return (
        f" Gains are over {paired} of its {mine} seeds, as {BASELINE} has no usable curve on the "
        "others."
    )
