"""The summary of a run: every metric with its interval, as records (see `results`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from . import metrics
from .aggregates import summarize_across
from .estimates import Curves, estimate, last_terms, levels, within
from .fairness import fairness
from .gains import (
    BASELINE,
    add_gains,
    add_total_time,
    equal_total,
    method_curves,
    retention_of,
    source_return,
    source_scale,
    source_seeds,
    zero_shot_gap_of,
)
from .results import (
    Anchor,
    Anchors,
    Decision,
    Dip,
    Estimate,
    FailedSeed,
    FailedUnit,
    Levels,
    MethodSummary,
    Scores,
    SourceAnchors,
    SourcePolicy,
    SourceSummary,
    Summary,
    Survival,
    TargetSummary,
    TimeToThreshold,
    Verdict,
)
from .runs import Run, Trial
from .statistics import FEWEST_SEEDS, by_source, mean_interval

THRESHOLD = 0.8
"""The threshold of an experiment that names none."""


def measure_run(run: Run) -> Summary:
    """Return the summary of a run, without words (see `showing.words.summary.describe_summary`).

    Equal runs give equal summaries: the bootstrap is seeded.
    """
    given = run.evaluation.threshold
    threshold = THRESHOLD if given is None else float(given)
    targets = {name: _target(run, name, threshold) for name in run.targets}
    across = summarize_across(
        targets, BASELINE, {name: source_seeds(run, name) for name in run.methods}, run.seeds
    )
    return Summary(
        name=run.name,
        baseline=BASELINE if BASELINE in run.methods else None,
        methods=run.methods,
        seeds=run.seeds,
        threshold=threshold,
        headlines=[],
        notes=[],
        caution="",
        fairness=fairness(run),
        source=_source(run),
        sources=[_source_policy(trial) for trial in run.sources],
        targets=targets,
        across=across,
        failures=[_failed_unit(trial) for trial in run.failures],
    )


def _source(run: Run) -> SourceSummary:
    scale = source_scale(run)
    anchors = None if scale is None else SourceAnchors(*scale)
    return SourceSummary(run.source.world, run.source_steps, run.source.bundle, anchors)


def _source_policy(trial: Trial) -> SourcePolicy:
    return SourcePolicy(
        source=trial.target,
        seed=trial.seed,
        state=trial.state,
        start_return=trial.returns[0] if 0 in trial.steps else None,
        end_return=source_return(trial),
        seconds=trial.seconds,
        reused=trial.status.reused_seconds is not None,
    )


def _failed_unit(trial: Trial) -> FailedUnit:
    return FailedUnit(
        unit=trial.unit,
        target=trial.target,
        method=trial.method,
        seed=trial.seed,
        state=trial.state,
        error=trial.error,
        traceback=trial.traceback,
    )


def score_curves(curves: Curves, anchors: Anchors) -> Curves:
    """Return curves with scores on `anchors`, as a target's summary holds them."""
    random, reference = anchors.scale
    scores = metrics.normalize(curves.returns, random=random, reference=reference)
    return replace(curves, scores=scores)


def _target(run: Run, target: str, threshold: float) -> TargetSummary:
    curves = _finished(run, target, run.methods)
    longer = _finished(run, target, run.longer)
    anchors = _anchors(run, target, curves | longer)
    noise = _noise(run, target)
    scored = bool(curves | longer) and _has_scale(anchors, noise)
    if scored:
        curves = {name: score_curves(curve, anchors) for name, curve in curves.items()}
        longer = {name: score_curves(curve, anchors) for name, curve in longer.items()}
    methods = {
        name: _method(run, target, name, curves.get(name), threshold) for name in run.methods
    }
    methods = add_gains(run, target, curves, methods)
    methods = add_total_time(run, methods)
    steps = next(iter(curves.values())).steps if curves else np.zeros(0)
    return TargetSummary(
        world=run.targets[target].world,
        steps=int(steps[-1]) if steps.size else None,
        evaluations=steps.size,
        averaged=None,
        spacing=int(np.diff(steps).max()) if steps.size else None,
        anchors=anchors,
        scored=scored,
        headline="",
        notes=[],
        zero_shot_gap=zero_shot_gap_of(run, target, anchors.scale if scored else None),
        methods=methods,
        equal_total={
            name: equal_total(run, target, curve, methods) for name, curve in longer.items()
        },
        noise=noise,
        period=run.period(target),
    )


def _finished(run: Run, target: str, methods: list[str]) -> dict[str, Curves]:
    """Return the curves of the methods that have finished trials on a target."""
    found = {name: method_curves(run, target, name) for name in methods}
    return {name: curves for name, curves in found.items() if curves is not None}


def _anchors(run: Run, target: str, curves: Mapping[str, Curves]) -> Anchors:
    """Return the anchors of a target as recorded; else the reference is the best method's end."""
    stored = run.stored_anchors(target)
    if stored.reference is not None or not curves:
        return stored
    return replace(stored, reference=_own_reference(curves))


def _own_reference(curves: Mapping[str, Curves]) -> Anchor:
    """Return the best end among an experiment's own methods, with its standard error."""
    finals = {n: float(metrics.asymptote(c.mean(c.returns)[None])[0]) for n, c in curves.items()}
    best = max(finals, key=lambda name: finals[name])
    reached = metrics.asymptote(curves[best].returns).tolist()
    per_seed = dict(zip(curves[best].seeds, reached, strict=True))
    independent = list(by_source(per_seed, curves[best].source_seeds).values())
    error = None
    if len(independent) > 1:
        error = float(np.std(independent, ddof=1) / np.sqrt(len(independent)))
    origin = f"best asymptotic mean among this experiment's own methods ({best})"
    return Anchor(finals[best], origin, {"error": error})


def _noise(run: Run, target: str) -> float | None:
    """Return the noise of an evaluation on a target; None where it has a single episode.

    The standard error of its mean return over episodes, as the median over the last evaluations of
    all finished trials.
    """
    errors = []
    for trial in run.trials:
        if (trial.target, trial.state) == (target, "done"):
            returns = trial.evaluations[-1].get("returns") or ()
            if len(returns) > 1:
                errors.append(np.std(returns, ddof=1) / np.sqrt(len(returns)))
    return float(np.median(errors)) if errors else None


def _has_scale(anchors: Anchors, noise: float | None) -> bool:
    """Return whether the reference lies above the random policy, so that there are scores.

    By more than the noise of an evaluation: scores would else be differences of chance.
    """
    if anchors.random is None or anchors.reference is None:
        return False
    low, high = anchors.scale
    return high - low > max(1e-9 * max(abs(low), abs(high)), noise or 0.0)


def _method(
    run: Run, target: str, name: str, curves: Curves | None, threshold: float
) -> MethodSummary:
    failed = [t for t in run.failures if (t.target, t.method) == (target, name)]
    found = MethodSummary(
        seeds=curves.seeds if curves else [],
        source_seeds=source_seeds(run, name),
        failed=[FailedSeed(t.seed, t.state, t.error) for t in failed],
        seconds={t.seed: t.seconds for t in run.done(target, name)},
        decisions={
            t.seed: [Decision(*one) for one in t.status.decisions]
            for t in run.done(target, name)
            if t.status.decisions
        },
    )
    if curves is None:
        return replace(found, verdict=Verdict("no finished trial"))
    found = replace(
        found,
        returns=levels(curves.seeds, curves.returns, curves.source_seeds),
        success=_shares(curves, curves.success),
        failure=_shares(
            curves, None if curves.success is None else metrics.failure_rate(curves.success)
        ),
        retention=retention_of(run, target, name),
        terms=last_terms(run.done(target, name), curves.source_seeds),
    )
    if curves.scores is None:
        return replace(found, verdict=Verdict("not scored"))
    return _with_scores(found, curves, curves.scores, threshold)


def _with_scores(
    method: MethodSummary, curves: Curves, scores: metrics.Floats, threshold: float
) -> MethodSummary:
    seeds, steps, shared = curves.seeds, curves.steps, curves.source_seeds
    both = levels(seeds, scores, shared)
    drift = None
    if steps.size > 2:
        drift = estimate(seeds, metrics.drift(steps, scores), shared, mean_interval)
    return replace(
        method,
        scores=Scores(
            start=both.start,
            end=both.end,
            early=estimate(seeds, metrics.early(steps, scores), shared),
            area=estimate(seeds, metrics.area(steps, scores), shared),
        ),
        learns=bool((curves.returns != curves.returns[:, :1]).any()),
        converged=_converged(drift),
        drift=drift,
        dip=_dip(curves, scores),
        time_to_threshold=_time_to_threshold(curves, scores, threshold),
    )


def _shares(curves: Curves, shares: metrics.Floats | None) -> Levels | None:
    """Return success or failure rates at the start and the end; None where there are none."""
    if shares is None:
        return None
    found = levels(curves.seeds, shares, curves.source_seeds)
    return Levels(within(found.start, 0.0, 1.0), within(found.end, 0.0, 1.0))


def _converged(drift: Estimate | None) -> bool | None:
    """Return whether a method has converged, from the slope over the last third of its curve.

    It has not where the interval of the slope excludes 0. An interval of few seeds is wide, so that
    from fewer than make a claim 0 in it says nothing: None. So does a curve of one evaluation.
    """
    if drift is None or drift.low is None or drift.high is None:
        return None
    flat = bool(drift.low <= 0 <= drift.high)
    return None if flat and drift.n < FEWEST_SEEDS else flat


def _dip(curves: Curves, scores: metrics.Floats) -> Dip | None:
    """Return the dip after the start; None where no other evaluation is near enough to show it."""
    seeds, steps = curves.seeds, curves.steps
    if steps[1] > metrics.DIP * steps[-1]:
        return None
    depth, recovery = metrics.dip(steps, scores)
    found = within(estimate(seeds, depth, curves.source_seeds), 0.0)
    recovered = {
        seed: None if np.isnan(step) else float(step)
        for seed, step in zip(seeds, recovery, strict=True)
    }
    return Dip(**vars(found), recovery=recovered)


def _time_to_threshold(curves: Curves, scores: metrics.Floats, threshold: float) -> TimeToThreshold:
    seeds, steps = curves.seeds, curves.steps
    times, reached = metrics.time_to_threshold(steps, scores, threshold)
    at, waiting = metrics.survival(times, reached, steps[-1])
    median = metrics.median_time(times, reached)
    return TimeToThreshold(
        threshold=threshold,
        per_seed={
            seed: float(time) if there else None
            for seed, time, there in zip(seeds, times, reached, strict=True)
        },
        reached=int(reached.sum()),
        n=len(seeds),
        median=None if np.isnan(median) else float(median),
        # All seeds were watched to the budget: what never got there counts with the whole of it.
        restricted_mean=within(estimate(seeds, times, curves.source_seeds), 0.0, steps[-1]),
        survival=Survival(at.tolist(), waiting.tolist()),
        horizon=float(steps[-1]),
        resolution=float(np.diff(steps).max()),
    )
