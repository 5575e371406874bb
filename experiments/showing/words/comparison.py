"""What is not fair in comparing several experiments, a sentence each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...measuring.comparison import Member, anchor_returns, as_text, differences, targets_of, task
from ...measuring.fairness import tuned_methods
from ...measuring.gains import uses_source
from .fairness import tuning_text

EVALUATION = {
    "seed": "policies were evaluated on different episodes",
    "episodes": "returns are means over different numbers of episodes",
    "threshold": "times to threshold are times to different scores",
    "every": "times to threshold are resolved differently, and 'end' is a mean over another span",
}
"""What it means that a setting of the evaluation differs."""


def unfair_comparison(members: Sequence[Member]) -> list[str]:
    """Return why comparing these experiments is not fair; nothing where it is."""
    shared = {name: there for name, there in targets_of(members).items() if len(there) > 1}
    reasons = []
    if not shared:
        reasons.append(
            "No two experiments have a target of the same name with finished trials: each is shown "
            "by itself, and only gains over its own scratch can be read side by side."
        )
    reasons += _on_evaluation(members)
    for name, there in shared.items():
        reasons += _on_target(name, there)
    return [*reasons, *_on_sources(members), *_on_code(members), *_on_failures(members)]


def _on_evaluation(members: Sequence[Member]) -> list[str]:
    reasons = []
    for key, meaning in EVALUATION.items():
        values = {m.label: m.run.experiment.get("evaluation", {}).get(key) for m in members}
        reasons += _unequal(f"`evaluation.{key}`", values, meaning)
    return reasons


def _on_target(name: str, there: Sequence[Member]) -> list[str]:
    """Return what is not fair on a shared target."""
    reasons = []
    tasks = [task(member, name) for member in there]
    for path, values in differences(tasks, f"targets.{name}"):
        texts = dict(zip((m.label for m in there), map(as_text, values), strict=True))
        reasons += _unequal(
            f"`{path}`", texts, "it is not the same target, so its returns are of two tasks"
        )
    summaries = {member.label: member.summary.targets[name] for member in there}
    unscored = [label for label, summary in summaries.items() if not summary.scored]
    if unscored:
        reasons.append(
            f"{name} has no scores in {' and '.join(unscored)}: raw returns are what is compared."
        )
    else:
        reasons += _unequal(
            f"the scale of {name}",
            {label: anchor_returns(summary) for label, summary in summaries.items()},
            "scores and times to a score cannot be compared, raw returns are; with the same "
            "`anchors` given in each experiment they could",
        )
    budgets = {label: summary.steps for label, summary in summaries.items()}
    meaning = "ends and areas are over different numbers of steps"
    return reasons + _unequal(f"the budget on {name}", budgets, meaning)


def _on_sources(members: Sequence[Member]) -> list[str]:
    transferring = [m for m in members if any(uses_source(m.run, name) for name in m.run.methods)]
    steps = {
        m.label: f"{m.run.source_steps:,} steps"
        for m in transferring
        if any(trial.state == "done" for trial in m.run.sources)
    }
    meaning = "what was carried over took different amounts of it"
    return _unequal("the source policies' training", steps, meaning)


def _on_code(members: Sequence[Member]) -> list[str]:
    """Return where versions, tuning and commits differ."""
    reasons = []
    versions = [dict(m.run.versions) for m in members]
    for package in dict.fromkeys(key for found in versions for key in found):
        values = {m.label: found.get(package) for m, found in zip(members, versions, strict=True)}
        reasons += _unequal(f"the version of {package}", values, "results may depend on it")
    budgets = {
        m.label: {name: tuning_text(tuned) for name, tuned in tuned_methods(m.run).items()}
        for m in members
    }
    for name in dict.fromkeys(name for found in budgets.values() for name in found):
        tuned = {label: found[name] for label, found in budgets.items() if name in found}
        meaning = "one was given more chances to find settings that suit it"
        reasons += _unequal(f"what {name} was tuned with", tuned, meaning)
    commits = {m.label: m.run.facts.get("git") for m in members}
    return reasons + _unequal("headstart's git commit", commits, "results may depend on it")


def _on_failures(members: Sequence[Member]) -> list[str]:
    reasons = []
    for member in members:
        if lost := len(member.summary.failures):
            every = len(member.run.sources) + len(member.run.trials)
            reasons.append(
                f"{lost} of {every} sources and trials of {member.label} have no usable curve."
            )
    return reasons


def _unequal(what: str, values: Mapping[str, Any], meaning: str) -> list[str]:
    """Return a sentence where the values, by experiment, are not all the same."""
    groups: dict[Any, list[str]] = {}
    for label, value in values.items():
        groups.setdefault(value, []).append(label)
    if len(groups) < 2:
        return []
    each = "; ".join(
        f"{_value_text(value)} in {', '.join(labels)}" for value, labels in groups.items()
    )
    return [f"{what[0].upper()}{what[1:]} differs ({each}): {meaning}."]


def _value_text(value: Any) -> str:
    if value is None:
        return "not recorded"
    if isinstance(value, tuple):
        low, high = value
        return f"0 is a return of {low:.6g} and 1 of {high:.6g}"
    return f"{value:,}" if isinstance(value, int) else str(value)
