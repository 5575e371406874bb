"""What was fair in a comparison and what was not, from what the run recorded.

Each fact is found here with the values that it rests on; `showing.words.fairness` says it in a
sentence.
"""

from __future__ import annotations

from typing import Any

from ..config.method_entries import tuned_with
from .gains import BASELINE, uses_source
from .results import Fact
from .runs import Run
from .statistics import FEWEST_SEEDS

ALWAYS_BESIDE = (BASELINE, "zero_shot", "naive")
"""The baselines that belong beside every method (metrics of transfer)."""
WITHOUT_SETTINGS = ("zero_shot", "naive")
"""Methods with nothing to tune, for runs that have not recorded which those are."""
FEWEST_EPISODES = 20
"""With fewer episodes the mean return of an evaluation depends too much on which they are."""


def fairness(run: Run) -> list[Fact]:
    """Return the facts on a comparison, in the order in which they are reported."""
    return [
        _budgets(run),
        _evaluations(run),
        _sources(run),
        _source_steps(run),
        _tuning(run),
        _baselines(run),
        _seeds(run),
        _complete(run),
        _code(run),
        _repeats(run),
    ]


def _budgets(run: Run) -> Fact:
    spent, lacking = {}, []
    for target in run.targets:
        ends = {t.steps[-1] for m in run.methods for t in run.done(target, m)}
        if ends:
            spent[target] = max(ends)
        lacking += [f"{m} on {target}" for m in run.methods if not run.done(target, m)]
    return Fact("budgets", bool(spent) and not lacking, values={"spent": spent, "lacking": lacking})


def _evaluations(run: Run) -> Fact:
    episodes = {count for t in run.trials if t.state == "done" for count in t.episodes}
    few = any(count < FEWEST_EPISODES for count in episodes)
    return Fact(
        "evaluations",
        len(episodes) == 1 and not few,
        values={"episodes": sorted(episodes), "seed": run.evaluation.seed, "few": few},
    )


def _sources(run: Run) -> Fact:
    """Find out whether seeds have source policies of their own."""
    if run.source.bundle:
        return Fact("sources", False, values={"case": "bundle", "bundle": run.source.bundle})
    if not any(uses_source(run, name) for name in run.methods):
        return Fact("sources", True, values={"case": "unused"})
    trained = {trial.seed for trial in run.sources if trial.state == "done"}
    if shared := run.source_seeds:
        policies = set(shared.values())
        counts = {"seeds": len(shared), "policies": len(policies), "trained": len(trained)}
        return Fact("sources", trained >= policies, values={"case": "shared", **counts})
    enough = trained >= set(run.seeds)
    return Fact("sources", enough, values={"case": "independent", "trained": len(trained)})


def _source_steps(run: Run) -> Fact:
    """Find out whether anything had the source's steps in the target."""
    users = [name for name in run.methods if uses_source(run, name)]
    if not users:
        return Fact("source_steps", True, values={"users": users})
    beside = [
        name
        for name in run.longer
        if all(
            (done := run.done(target, name)) and done[0].steps[-1] >= run.total_steps(target)
            for target in run.targets
        )
    ]
    values = {"users": users, "steps": run.source_steps, "beside": beside}
    return Fact("source_steps", bool(beside), values=values)


def tuned_methods(run: Run) -> dict[str, dict[str, Any] | None]:
    """Return, by method that has settings, what it was tuned with; None where it was not."""
    found = {}
    for name, written in run.method_entries.items():
        recorded = run.method_facts.get(name, {})
        if recorded.get("tunable", run.registered[name] not in WITHOUT_SETTINGS):
            found[name] = tuned_with(written)
    return found


def tuned_alike(run: Run) -> bool:
    """Return whether every method that has settings was tuned with the same budget."""
    budgets = [
        (tuned["trials"], tuned["steps"]) if tuned else None
        for tuned in tuned_methods(run).values()
    ]
    return len(set(budgets)) <= 1


def _tuning(run: Run) -> Fact:
    """Compare what the methods that have settings were tuned with."""
    tuned = tuned_methods(run)
    reported = {
        name: both
        for name, about in tuned.items()
        if about and (both := sorted({*about.get("seeds", ())} & {*run.seeds}))
    }
    values = {"tuned": tuned, "reported": reported}
    return Fact("tuning", tuned_alike(run) and not reported, values=values)


def _baselines(run: Run) -> Fact:
    lacking = [
        name
        for name in ALWAYS_BESIDE
        if name not in run.methods or not all(run.done(target, name) for target in run.targets)
    ]
    return Fact("baselines", not lacking, values={"lacking": lacking, "all": ALWAYS_BESIDE})


def _seeds(run: Run) -> Fact:
    shared = run.source_seeds
    policies = len(set(shared.values())) if shared else None
    units = len(run.seeds) if policies is None else policies
    values = {"seeds": len(run.seeds), "policies": policies}
    return Fact("seeds", units >= FEWEST_SEEDS, values=values)


def _complete(run: Run) -> Fact:
    lost, every = len(run.failures), len(run.trials) + len(run.sources)
    return Fact("complete", not lost, values={"lost": lost, "every": every})


def _code(run: Run) -> Fact:
    """Find out whether all units were run with the same code; a run refuses other versions."""
    values = {"commits": run.commits, "changed": run.code_changes}
    return Fact("code", len(run.commits) <= 1 and not run.code_changes, values=values)


def _repeats(run: Run) -> Fact:
    """Find out whether the runs repeat bit for bit, from what they were computed on."""
    done = [trial for trial in (*run.sources, *run.trials) if trial.state == "done"]
    places = [trial.status.computed_on for trial in done]
    names = sorted({name for place in places for name in place})
    if not names or not all(places):
        case = "unknown"
    elif any(not name.startswith("cpu: ") for name in names):
        case = "gpu"
    elif len(names) > 1:
        case = "processors"
    else:
        case = "alike"
    return Fact("repeats", case == "alike", values={"case": case, "names": names})
