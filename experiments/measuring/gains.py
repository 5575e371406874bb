"""What compares methods: gains over scratch, total time, retention, and equal total steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from . import catalog, metrics
from .catalog import Metric
from .estimates import Curves, SourceSeeds, curves_of, estimate, levels
from .results import (
    BreakEven,
    EndGain,
    EqualTotal,
    Gain,
    Gains,
    InBoth,
    Levels,
    MethodSummary,
    Times,
    TotalTime,
    Verdict,
)
from .runs import Run, Trial
from .statistics import Comparison, by_source, compare, holm
from .verdict import judge

BASELINE = "scratch"


def add_gains(
    run: Run, target: str, curves: Mapping[str, Curves], methods: Mapping[str, MethodSummary]
) -> dict[str, MethodSummary]:
    """Return the methods with gains over scratch, ratios and verdicts where they have scores."""
    added = dict(methods)
    scored = [name for name, curve in curves.items() if curve.scores is not None]
    if BASELINE not in scored:
        for name in scored:
            added[name] = replace(methods[name], verdict=Verdict("no baseline"))
        return added
    base = methods[BASELINE]
    rivals = [name for name in scored if name != BASELINE]
    compared = {
        name: _compare_scores(target, name, methods[name], base, source_seeds(run, name))
        for name in rivals
    }
    adjusted = _adjust(compared)
    for name in rivals:
        added[name] = _with_gains(
            methods[name], base, compared[name], adjusted[name], source_seeds(run, name)
        )
    added[BASELINE] = replace(base, verdict=Verdict("baseline"))
    return added


def _adjust(
    compared: Mapping[str, Mapping[Metric, Comparison]],
) -> dict[str, dict[Metric, float | None]]:
    """Return p values by method and gain, after Holm's correction over all that make verdicts."""
    tests = [(name, gain) for name in compared for gain in catalog.JUDGED]
    corrected = holm([compared[name][gain].p for name, gain in tests])
    adjusted: dict[str, dict[Metric, float | None]] = {name: {} for name in compared}
    for (name, gain), p in zip(tests, corrected, strict=True):
        adjusted[name][gain] = p
    return adjusted


def _with_gains(
    method: MethodSummary,
    base: MethodSummary,
    compared: Mapping[Metric, Comparison],
    adjusted: Mapping[Metric, float | None],
    shared: SourceSeeds,
) -> MethodSummary:
    """Return a method's summary with all that rests on its comparison with scratch."""
    # A gain over a scratch that still climbs is as unfinished as one of a method that does.
    converged = _both(method.converged, base.converged)
    gains = Gains(
        jump_start=gain_of(compared[catalog.JUMP_START], adjusted[catalog.JUMP_START]),
        early=gain_of(compared[catalog.EARLY_GAIN], None),
        asymptotic=_end_gain(compared[catalog.END_GAIN], adjusted[catalog.END_GAIN], converged),
        area=gain_of(compared[catalog.AREA_GAIN], adjusted[catalog.AREA_GAIN]),
    )
    mine, theirs = _areas(method, base, shared)
    return replace(
        method,
        gains=gains,
        paired=len(gains.area.per_seed),
        forward_transfer=metrics.forward_transfer(mine, theirs),
        transfer_ratio=metrics.transfer_ratio(mine, theirs),
        verdict=judge(gains, unit_of(shared)),
    )


def unit_of(shared: SourceSeeds) -> str:
    """Return what intervals are over: seeds, or the source policies that they share."""
    return "seed" if shared is None else "source policy"


def _areas(
    method: MethodSummary, base: MethodSummary, shared: SourceSeeds
) -> tuple[list[float], list[float]]:
    """Return the areas of a method and of scratch on the seeds that both have."""
    assert method.scores is not None
    assert base.scores is not None
    mine, theirs = method.scores.area.per_seed, base.scores.area.per_seed
    seeds = sorted(mine.keys() & theirs.keys())
    one, other = ({seed: side[seed] for seed in seeds} for side in (mine, theirs))
    return list(by_source(one, shared).values()), list(by_source(other, shared).values())


def add_total_time(run: Run, methods: Mapping[str, MethodSummary]) -> dict[str, MethodSummary]:
    """Return the methods with their times to threshold when the source's steps count too.

    The source's steps count in full, and shared out over the experiment's targets. Where the median
    seed of scratch does not reach the threshold, its time is at least the budget, and the
    break-even K* at most what the budget gives. Steps that a method takes in source worlds itself
    are its own in every target, and no target shares them.
    """
    added = dict(methods)
    cost, targets = float(run.source_steps), len(run.targets)
    base = methods[BASELINE].time_to_threshold if BASELINE in methods else None
    for name, method in methods.items():
        time = method.time_to_threshold
        if time is None:
            continue
        steps = cost if uses_source(run, name) else 0.0
        taken = [trial.status.source_steps for trial in run.trials if trial.method == name]
        own = float(max(taken, default=0))
        mean = time.restricted_mean.estimate + own
        median = None if time.median is None else time.median + own
        break_even = None
        if steps and base is not None and median is not None:
            scratch = base.horizon if base.median is None else base.median
            needed = metrics.break_even(steps, scratch, median)
            if not np.isnan(needed):
                break_even = BreakEven(needed, at_most=base.median is None)
        total = TotalTime(
            source_steps=steps + own,
            targets=targets,
            in_full=_with_source(median, mean, steps, 1),
            amortised=_with_source(median, mean, steps, targets),
            break_even=break_even,
        )
        added[name] = replace(method, total_time=total)
    return added


def uses_source(run: Run, method: str) -> bool:
    """Return whether a method, by its label, uses a source policy.

    It is what the run recorded; where it did not, all but scratch do.
    """
    recorded = run.method_facts.get(method, {})
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
    stored = run.stored_anchors("source")
    if stored.random is None:
        return None
    low, reference = float(stored.random.value), stored.reference
    if reference is not None:
        high, origin = float(reference.value), reference.origin
    else:
        finals = [found for trial in run.sources if (found := source_return(trial)) is not None]
        if not finals:
            return None
        high, origin = float(np.mean(finals)), "mean of this experiment's own source policies"
    return (low, high, origin) if high > low else None


def retention_of(run: Run, target: str, method: str) -> InBoth | None:
    """Return returns and scores lost or kept back in the source; None where not measured."""
    measured = [
        (trial.seed, *trial.source_returns)
        for trial in run.done(target, method)
        if trial.source_returns is not None
    ]
    if not measured:
        return None
    seeds, before, after = (list(column) for column in zip(*measured, strict=True))
    shared, scale = run.source_seeds, source_scale(run)
    returns = estimate(seeds, metrics.retention(before, after), shared)
    if scale is None:
        return InBoth(returns, None)
    scored = [metrics.normalize(x, random=scale[0], reference=scale[1]) for x in (before, after)]
    return InBoth(returns, estimate(seeds, metrics.retention(*scored), shared))


def zero_shot_gap_of(run: Run, target: str, scale: tuple[float, float] | None) -> InBoth | None:
    """Return the source policies' drop from source to target; None where not measured.

    `scale` holds the target's anchors. Each world's score is on its own anchors.
    """
    shared = run.source_seeds
    trained = {t.seed: found for t in run.sources if (found := source_return(t)) is not None}
    policy_of = shared or {seed: seed for seed in trained}
    finals = {seed: trained[policy] for seed, policy in policy_of.items() if policy in trained}
    starts = {trial.seed: trial.returns[0] for trial in run.done(target, "zero_shot")}
    seeds = sorted(finals.keys() & starts.keys())
    if not seeds or len({trial.target for trial in run.sources}) > 1:
        return None
    there, here = [finals[seed] for seed in seeds], [starts[seed] for seed in seeds]
    returns = estimate(seeds, metrics.zero_shot_gap(there, here), shared)
    at_source = source_scale(run)
    if scale is None or at_source is None:
        return InBoth(returns, None)
    in_source = metrics.normalize(there, random=at_source[0], reference=at_source[1])
    in_target = metrics.normalize(here, random=scale[0], reference=scale[1])
    return InBoth(returns, estimate(seeds, metrics.zero_shot_gap(in_source, in_target), shared))


def equal_total(
    run: Run, target: str, longer: Curves, methods: Mapping[str, MethodSummary]
) -> EqualTotal:
    """Return how scratch with the source's steps as well ends, and the others above it.

    A method's end is that of the target's budget; scratch_total's is that of the target's budget
    and the source's steps together, all of them in the target. Its curve is on steps of its own, so
    it is beside the other methods and not among them.

    Args:
        run: the run.
        target: the target.
        longer: the curves of scratch_total on it, with scores where the target has them.
        methods: the other methods; those that use the source are compared, paired by seed, with p
            values after Holm's correction over them.
    """
    scores: Levels | None = None
    against: dict[str, Gain] = {}
    if longer.scores is not None:
        scores = levels(longer.seeds, longer.scores)
        against = _against(run, target, scores, methods)
    return EqualTotal(
        as_many="",
        seeds=longer.seeds,
        lost=len(run.seeds) - len(longer.seeds),
        steps=int(longer.steps[-1]),
        returns=levels(longer.seeds, longer.returns),
        scores=scores,
        against=against,
        sentences=[],
    )


def _against(
    run: Run, target: str, longer: Levels, methods: Mapping[str, MethodSummary]
) -> dict[str, Gain]:
    compared: dict[str, Comparison] = {}
    for name, method in methods.items():
        if method.scores is None or not uses_source(run, name):
            continue
        rng = np.random.default_rng(list(f"{target}/{name}/equal total".encode()))
        comparison = compare(
            method.scores.end.per_seed, longer.end.per_seed, rng, source_seeds(run, name)
        )
        assert comparison is not None  # both sides have finished trials
        compared[name] = comparison
    adjusted = holm([comparison.p for comparison in compared.values()])
    return {
        name: gain_of(comparison, p)
        for (name, comparison), p in zip(compared.items(), adjusted, strict=True)
    }


def _compare_scores(
    target: str, name: str, method: MethodSummary, base: MethodSummary, shared: SourceSeeds
) -> dict[Metric, Comparison]:
    found: dict[Metric, Comparison] = {}
    for gain in catalog.GAINS:
        # A stream of its own, so that adding a method leaves the others' intervals alone.
        rng = np.random.default_rng(list(f"{target}/{name}/{gain.name}".encode()))
        score = str(gain.difference_of)
        mine, theirs = (getattr(side.scores, score).per_seed for side in (method, base))
        comparison = compare(mine, theirs, rng, shared)
        assert comparison is not None  # both sides have finished trials
        found[gain] = comparison
    return found


def gain_of(found: Comparison, adjusted: float | None) -> Gain:
    """Return a comparison as a gain, with its p value after Holm's correction."""
    difference = found.difference
    return Gain(
        per_seed=found.per_seed,
        **vars(difference),
        side=difference.side,
        bca=found.bca,
        p=found.p,
        p_holm=adjusted,
        probability=found.probability,
    )


def _end_gain(found: Comparison, adjusted: float | None, converged: bool | None) -> EndGain:
    return EndGain(**vars(gain_of(found, adjusted)), converged=converged)


def _with_source(median: float | None, mean: float, steps: float, targets: int) -> Times:
    known = np.nan if median is None else median
    whole, restricted = metrics.total_time([known, mean], steps, targets).tolist()
    return Times(median=None if median is None else whole, restricted_mean=restricted)


def _both(one: bool | None, other: bool | None) -> bool | None:
    """Return whether both hold; None where one is not known and the other does not fail."""
    if one is False or other is False:
        return False
    return None if None in (one, other) else True
