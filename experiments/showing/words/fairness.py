"""What was fair in a comparison and what was not, a sentence each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ...measuring.fairness import FEWEST_EPISODES
from ...measuring.gains import BASELINE
from ...measuring.results import Fact
from ...measuring.statistics import FEWEST_SEEDS


def describe_fact(fact: Fact) -> Fact:
    """Return a fact with its sentence."""
    return replace(fact, text=_SENTENCES[fact.what](**fact.values))


def tuning_text(tuned: Mapping[str, Any] | None) -> str:
    """Return what a method was tuned with."""
    if not tuned:
        return "none"
    return f"{tuned['trials']:,} trials, {tuned['steps']:,} target steps"


def _budgets(spent: Mapping[str, int], lacking: list[str]) -> str:
    if not spent:
        return "No trial has finished."
    each = ", ".join(f"{steps:,} steps on {target}" for target, steps in spent.items())
    none = f"; but no trial has finished of {', '.join(lacking)}" if lacking else ""
    return f"All methods had the same target budget: {each}{none}."


def _evaluations(episodes: list[int], seed: int | None, few: bool) -> str:
    counts = " or ".join(map(str, episodes)) or "no"
    first = "" if seed is None else f" (from {seed:,} on)"
    lack = f"; fewer than {FEWEST_EPISODES} make an evaluation a matter of luck" if few else ""
    return (
        f"Every evaluation is {counts} episodes of the deterministic policy in a separate world, "
        "at the same steps, from step 0 before any update, and with the same evaluation seeds for "
        f"all methods{first}{lack}."
    )


def _sources(
    case: str, bundle: str = "", seeds: int = 0, policies: int = 0, trained: int = 0
) -> str:
    if case == "bundle":
        return (
            f"All seeds share one pretrained source policy ({bundle}), so the intervals "
            "hold the variation of learning in the target, not that between source policies."
        )
    if case == "unused":
        return "No source policy was trained, as no method uses one."
    if case == "shared":
        return (
            f"{seeds} seeds start in turn from {policies} source policies, "
            f"of which {trained} were trained; intervals of methods that use them are over "
            "source policies."
        )
    sources = f"{trained} source{'s' * (trained != 1)} trained"
    return f"Each seed has its own source policy, so the seeds are independent: {sources}."


def _source_steps(users: list[str], steps: int = 0, beside: list[str] | None = None) -> str:
    if not users:
        return "No method used a source."
    same = f", and {', '.join(beside)} had at least as many in the target" if beside else ""
    return (
        f"{', '.join(users)} had {steps:,} source steps that {BASELINE} did not have; curves and "
        f"times count target steps only, total time and break-even add the source's{same}."
    )


def _tuning(
    tuned: Mapping[str, Mapping[str, Any] | None], reported: Mapping[str, list[int]]
) -> str:
    if not any(tuned.values()):
        return (
            "No method was tuned: all have their default settings, except those that the "
            "experiment states."
        )
    groups: dict[str, list[str]] = {}
    for name, about in tuned.items():
        groups.setdefault(tuning_text(about), []).append(name)
    each = [f"{', '.join(names)} with {budget}" for budget, names in groups.items()]
    if len(groups) == 1:
        (budget,) = groups
        text = f"Every method that has settings was tuned with the same budget: {budget}"
    else:
        text = f"Methods were tuned with different budgets: {'; '.join(each)}"
    text += _taken(tuned)
    if reported:
        on = ", ".join(f"{name} ({', '.join(map(str, both))})" for name, both in reported.items())
        text += f" Tuned on seeds that are reported here, which flatters: {on}."
    return text


def _taken(tuned: Mapping[str, Mapping[str, Any] | None]) -> str:
    """Return the steps that tuning took, where trials were stopped early."""
    taken = [
        f"{name} {about['spent']:,}"
        for name, about in tuned.items()
        if about and about.get("spent") not in (None, about["steps"])
    ]
    return f" (taken, as trials were stopped early: {', '.join(taken)})." if taken else "."


def _baselines(lacking: list[str], all: tuple[str, ...]) -> str:
    if lacking:
        return f"Baselines absent, or without a finished trial on a target: {', '.join(lacking)}."
    return f"The baselines {', '.join(all)} are beside the others."


def _seeds(seeds: int, policies: int | None) -> str:
    text, units, unit = f"{seeds} seed{'s' * (seeds != 1)}", seeds, ""
    if policies is not None:
        units, unit = policies, " source policies"
        text += f" from {policies} source polic{'y' if policies == 1 else 'ies'}"
    few = units < FEWEST_SEEDS
    return f"{text}{f': too few for a claim, which takes {FEWEST_SEEDS}{unit}' if few else ''}."


def _complete(lost: int, every: int) -> str:
    if not lost:
        return "Every source and trial finished."
    return f"{lost} of {every} runs (sources and trials) have no usable curve; they are listed."


def _code(commits: list[str], changed: Sequence[str] = ()) -> str:
    if changed:
        return (
            "Units may be of different code, on which results may depend: changed since some were "
            f"computed: {', '.join(changed)}."
        )
    if len(commits) > 1:
        return (
            "Units were run with different commits of headstart, on which results may depend: "
            f"{', '.join(commits)}."
        )
    at = f", git commit {commits[0]}" if commits else ""
    return f"Every unit was run with the same versions of all packages{at}."


def _repeats(case: str, names: list[str]) -> str:
    on = ", ".join(names)
    return {
        "unknown": "It is not recorded what every source and trial was computed on, so not "
        "whether they repeat bit for bit.",
        "gpu": f"Computed on a GPU ({on}), whose sums are not always in one order: these sources "
        "and trials do not repeat bit for bit.",
        "processors": f"Computed on processors of different kinds ({on}), which round "
        "differently: these sources and trials do not repeat bit for bit.",
        "alike": f"All sources and trials were computed on processors of one kind ({on}), on "
        "which they repeat bit for bit with the same versions.",
    }[case]


_SENTENCES: Mapping[str, Callable[..., str]] = {
    "budgets": _budgets,
    "evaluations": _evaluations,
    "sources": _sources,
    "source_steps": _source_steps,
    "tuning": _tuning,
    "baselines": _baselines,
    "seeds": _seeds,
    "complete": _complete,
    "code": _code,
    "repeats": _repeats,
}
