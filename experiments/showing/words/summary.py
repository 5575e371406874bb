"""The words of a run's summary: headlines, verdicts, notes, facts."""

from __future__ import annotations

from dataclasses import replace

from ...measuring.gains import BASELINE
from ...measuring.results import Summary, TargetSummary
from ...measuring.runs import Run
from ...measuring.summary import measure_run
from .fairness import describe_fact
from .notes import averaged, caution, describe_equal_total, run_notes, target_notes, target_steps
from .verdicts import describe_method, headline


def summarize(run: Run) -> Summary:
    """Return the summary of a run with its words: what `summary.json` holds."""
    return describe_summary(run, measure_run(run))


def describe_summary(run: Run, summary: Summary) -> Summary:
    """Return a summary with headlines, verdicts, notes and facts in sentences."""
    targets = {name: _target(run, name, found) for name, found in summary.targets.items()}
    return replace(
        summary,
        headlines=[target.headline for target in targets.values()],
        notes=run_notes(run),
        caution=caution(summary),
        fairness=[describe_fact(fact) for fact in summary.fairness],
        targets=targets,
    )


def _target(run: Run, name: str, target: TargetSummary) -> TargetSummary:
    base = target.methods.get(BASELINE)
    methods = {label: describe_method(method, base) for label, method in target.methods.items()}
    others = any(method.returns is not None for method in methods.values())
    found = replace(
        target,
        averaged=averaged(target_steps(run, name)),
        methods=methods,
        notes=target_notes(run, name, target),
        equal_total={
            label: describe_equal_total(run, name, longer, others=others)
            for label, longer in target.equal_total.items()
        },
    )
    return replace(found, headline=headline(name, found))
