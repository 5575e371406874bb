"""Notes: what a reader of a run's numbers must know besides them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version

from ...config.schema import SOURCE
from ...measuring import metrics
from ...measuring.gains import BASELINE, source_seeds
from ...measuring.results import Anchors, EqualTotal, MethodSummary, Summary, TargetSummary
from ...measuring.runs import Run
from ...measuring.statistics import SURE_SEEDS
from .intervals import signed_text, span
from .verdicts import few_seeds

CLEAR = 3
"""Standard errors that a reference found by the experiment itself should lie above random."""


def run_notes(run: Run) -> list[str]:
    """Return what is to be known of the whole run before its numbers are read."""
    notes = []
    if BASELINE not in run.methods:
        notes.append(f"'{BASELINE}' is not among the methods: no gains and no verdicts.")
    if run.source.bundle:
        notes.append(
            f"All seeds start from one pretrained source policy ({run.source.bundle}): the results "
            "hold for this policy, not for others trained in the same way."
        )
    notes += [f"The source's world: {finding}." for finding in run.findings(SOURCE)]
    then, now = run.versions.get("headstart"), version("headstart")
    if then and then != now:
        notes.append(f"Run with headstart {then}, reported with headstart {now}.")
    return notes


def caution(summary: Summary) -> str:
    """Return what is to be said of intervals from the fewest seeds, or source policies."""
    counts = {
        (method.returns.end.n, bool(method.source_seeds))
        for target in summary.targets.values()
        for method in target.methods.values()
        if method.returns is not None
    }
    n, policies = min((count for count in counts if count[0] > 1), default=(0, False))
    if not 2 <= n < SURE_SEEDS:
        return ""
    unit = "source policies" if policies else "seeds"
    return (
        f"Where there are fewer than {SURE_SEEDS} {unit}, a method's own scores, returns and times "
        "are shown with the range of these, not with an interval: if 30 % of seeds fail, no "
        "failure is seen in 17 % of experiments with 5 seeds, and an interval made from these "
        "would hold the mean too seldom. The same holds for intervals of gains where only one of "
        "the two methods fails: with 5 seeds 82 % of the time, not 95 %."
    )


def target_steps(run: Run, target: str) -> Sequence[int]:
    """Return the steps of the evaluations on a target, the same for all methods; else none."""
    for method in run.methods:
        for trial in run.done(target, method):
            return trial.steps
    return ()


def averaged(steps: Sequence[int]) -> str | None:
    """Return which evaluations, of those at `steps`, the asymptotic window holds."""
    if not steps:
        return None
    every = len(steps) - 1
    size = metrics.window(every)
    if size == 1:
        return f"the last of {every} evaluation{'s' * (every > 1)} after step 0"
    return f"the last {size} of {every} evaluations after step 0"


def target_notes(run: Run, name: str, target: TargetSummary) -> list[str]:
    """Return what a reader of a target's numbers must know besides them."""
    steps = target_steps(run, name)
    notes = [f"The world of '{name}': {finding}." for finding in run.findings(name)]
    if steps:
        notes += _on_the_end(steps)
        notes += _on_grid(steps) if target.scored else []
        notes += _on_methods(target.methods)
        notes += _on_success(run, name)
    if target.scored:
        notes += scale_notes(name, target.anchors)
    if run.targets[name].instances == 1:
        notes.append(_on_target_time(run, name, target.period))
    missing = [longer for longer in run.longer if longer not in target.equal_total]
    return notes + [
        f"No trial of {longer} has finished: nothing is compared at equal total steps."
        for longer in missing
    ]


def _on_the_end(steps: Sequence[int]) -> list[str]:
    """Return what values at the end are of, and whether those are few evaluations."""
    size = metrics.window(len(steps) - 1)
    if size >= metrics.SMALLEST_WINDOW:
        return [f"Values at the end are means over {averaged(steps)}."]
    those = "of a single evaluation," if size == 1 else f"means over {size} evaluations,"
    return [
        f"Values at the end are {those} {averaged(steps)}: a finer `evaluation.every` would make "
        "them surer."
    ]


def _on_grid(steps: Sequence[int]) -> list[str]:
    """Return what the grid of evaluations is too coarse for."""
    notes = []
    if steps[1] > metrics.EARLY * steps[-1]:
        notes.append(
            "'Early' is the evaluation at step 0 alone: the next is past 5 % of the budget."
        )
    if steps[1] > metrics.DIP * steps[-1]:
        notes.append("A dip cannot be seen: the second evaluation is past 20 % of the budget.")
    if len(steps) < metrics.HOLD:
        notes.append(
            f"No threshold can be reached: it has to be held for {metrics.HOLD} evaluations in a "
            f"row, and there are {len(steps)}."
        )
    elif len(steps) < 2 * metrics.HOLD:
        notes.append(
            f"A threshold counts as reached by step {steps[-metrics.HOLD]:,.0f} or not at all: it "
            f"has to be held for {metrics.HOLD} evaluations in a row, and there are {len(steps)}."
        )
    return notes


def _on_methods(methods: Mapping[str, MethodSummary]) -> list[str]:
    notes = []
    if drifting := [name for name, method in methods.items() if method.converged is False]:
        notes.append(
            f"Not converged: {', '.join(drifting)} (the slope over the last third of the curve has "
            "an interval that excludes 0), so the values at the end, and gains that rest on them, "
            "are those of this budget only."
        )
    if constant := [
        f"{name}, {gain.replace('_', '-')}"
        for name, method in methods.items()
        for gain, found in (vars(method.gains) if method.gains else {}).items()
        if found.kind == "constant"
    ]:
        notes.append(
            f"All seeds equal ({'; '.join(constant)}): the interval has no width, which says "
            "nothing about other seeds."
        )
    return notes


def _on_success(run: Run, target: str) -> list[str]:
    """Say where a world told of success in some episodes alone."""
    trials = [trial for trial in run.trials if trial.target == target]
    missing = sum(line.get("success_unreported", 0) for t in trials for line in t.evaluations)
    if not missing:
        return []
    every = sum(sum(trial.episodes) for trial in trials)
    return [
        f"The world reports success for some episodes only: the {missing:,} of {every:,} that "
        "ended without `success` or `is_success` in their info count as failures."
    ]


def _on_target_time(run: Run, name: str, period: float | None) -> str:
    """Return how long a target that exists once was used, resets left out."""
    used = [
        f"{steps:,} steps" + (f" ({span(steps * period)} of robot time)" if period else "")
        for steps in run.steps_taken(name)
    ]
    return f"In {name}, which exists once, training took {used[0]}, evaluation {used[1]}."


def scale_notes(target: str, anchors: Anchors) -> list[str]:
    """Say where scores rest on a difference that may be chance."""
    low, high = anchors.scale
    error = anchors.reference.error if anchors.reference else None
    if error is None or high - low > CLEAR * error:
        return []
    return [
        f"The reference of {target}, {high:.4g} with a standard error of {error:.2g}, is not "
        f"clearly above the random policy's {low:.4g}: differences between scores may be chance."
    ]


def describe_equal_total(run: Run, target: str, found: EqualTotal, *, others: bool) -> EqualTotal:
    """Return scratch with as many steps in all, with its comparisons in sentences.

    `others` says whether any other method has a finished trial.
    """
    total = run.total_steps(target)
    as_many = "as many as source and target had"
    if not others:
        as_many = "and no other method has a finished trial"
    elif total != found.steps:
        as_many = f"where source and target had {total:,}"
    sentences = []
    for name, gain in found.against.items():
        unit = "source policy" if source_seeds(run, name) else "seed"
        sentences.append(
            f"{name} ends at {signed_text(gain)} against scratch with {found.steps:,} steps in the "
            f"target, {as_many}{few_seeds(gain.n, unit)}."
        )
    return replace(found, as_many=as_many, sentences=sentences)
