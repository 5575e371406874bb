"""What was fair in a comparison and what was not, from what the run recorded."""

from __future__ import annotations

from typing import Any

from ..config.method_entries import tuned_with
from .gains import BASELINE, uses_source
from .runs import Run
from .statistics import FEWEST_SEEDS

ALWAYS_BESIDE = (BASELINE, "zero_shot", "naive")
"""The baselines that belong beside every method (metrics of transfer)."""
WITHOUT_SETTINGS = ("zero_shot", "naive")
"""Methods with nothing to tune, for runs that have not recorded which those are."""


FEWEST_EPISODES = 20
"""With fewer episodes the mean return of an evaluation depends too much on which they are."""


def fairness(run: Run) -> list[dict[str, Any]]:
    """Return facts on the comparison, `{"what": its name, "holds": bool, "text": one sentence}`."""
    facts = {
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
    return [{"what": what, **fact(run)} for what, fact in facts.items()]


def _budgets(run: Run) -> dict[str, Any]:
    spent, lacking = [], []
    for target in run.experiment["targets"]:
        ends = {t.steps[-1] for m in run.methods for t in run.done(target, m)}
        if ends:
            spent.append(f"{max(ends):,} steps on {target}")
        lacking += [f"{m} on {target}" for m in run.methods if not run.done(target, m)]
    if not spent:
        return _fact(False, "No trial has finished.")
    said = f"All methods had the same target budget: {', '.join(spent)}"
    none = f"; but no trial has finished of {', '.join(lacking)}" if lacking else ""
    return _fact(not lacking, f"{said}{none}.")


def _evaluations(run: Run) -> dict[str, Any]:
    episodes = {line["episodes"] for t in run.trials if t.state == "done" for line in t.evaluations}
    counts = " or ".join(str(n) for n in sorted(episodes))
    seed = run.experiment.get("evaluation", {}).get("seed")
    begin = "" if seed is None else f" (from {seed:,} on)"
    few = any(count < FEWEST_EPISODES for count in episodes)
    lack = f"; fewer than {FEWEST_EPISODES} make an evaluation a matter of luck" if few else ""
    return _fact(
        len(episodes) == 1 and not few,
        f"Every evaluation is {counts or 'no'} episodes of the deterministic policy in a separate "
        "world, at the same steps, from step 0 before any update, and with the same evaluation "
        f"seeds for all methods{begin}{lack}.",
    )


def _sources(run: Run) -> dict[str, Any]:
    bundle = run.experiment["source"].get("bundle")
    if bundle:
        return _fact(
            False,
            f"All seeds share one ready-made source policy ({bundle}), so the intervals hold the "
            "variation of learning in the target, not that between source policies.",
        )
    if not any(uses_source(run, name) for name in run.methods):
        return _fact(True, "No source policy was trained, as no method uses one.")
    done = [trial for trial in run.sources if trial.state == "done"]
    if shared := run.source_seeds:
        return _fact(
            {t.seed for t in done} >= set(shared.values()),
            f"{len(shared)} seeds begin in turn from {len(set(shared.values()))} source policies, "
            f"of which {len(done)} were trained; intervals of methods that use them are over "
            "source policies.",
        )
    enough = {t.seed for t in done} >= set(run.experiment["seeds"])
    each = "Each seed has a source policy of its own, so the seeds are independent"
    return _fact(enough, f"{each}: {len(done)} source{'s' * (len(done) != 1)} trained.")


def _source_steps(run: Run) -> dict[str, Any]:
    users = [name for name in run.methods if uses_source(run, name)]
    if not users:
        return _fact(True, "No method used a source.")
    targets = run.experiment["targets"]
    beside = [
        name
        for name in run.longer
        if all(
            (done := run.done(target, name)) and done[0].steps[-1] >= run.total_steps(target)
            for target in targets
        )
    ]
    return _fact(
        bool(beside),
        f"{', '.join(users)} had {run.source_steps:,} source steps that {BASELINE} had not; curves "
        "and times count target steps only, total time and break-even add the source's"
        + (f", and {', '.join(beside)} had at least as many in the target." if beside else "."),
    )


def tuning_budgets(run: Run) -> dict[str, str]:
    """Return in words, by method, what each that has settings was tuned with."""
    return {
        name: f"{tuned['trials']:,} trials, {tuned['steps']:,} target steps" if tuned else "none"
        for name, tuned in _tuned(run).items()
    }


def _tuned(run: Run) -> dict[str, Any]:
    found = {}
    for name, entry in zip(run.all_methods, run.experiment["methods"], strict=True):
        recorded = run.facts.get("methods", {}).get(name, {})
        if recorded.get("tunable", run.registered[name] not in WITHOUT_SETTINGS):
            found[name] = tuned_with(entry)
    return found


def _tuning(run: Run) -> dict[str, Any]:
    """Compare what the methods that have settings were tuned with."""
    budgets = _tuned(run)
    if not any(budgets.values()):
        return _fact(
            True,
            "No method was tuned: all have their default settings, but for those that the "
            "experiment states.",
        )
    groups: dict[str, list[str]] = {}
    for name, with_ in tuning_budgets(run).items():
        groups.setdefault(with_, []).append(name)
    told = [f"{', '.join(names)} with {with_}" for with_, names in groups.items()]
    if len(told) == 1:
        said = f"Every method that has settings was tuned with the same budget: {with_}"
    else:
        said = f"Methods were tuned with different budgets: {'; '.join(told)}"
    spent = [
        f"{name} {tuned['spent']:,}"
        for name, tuned in budgets.items()
        if tuned and tuned.get("spent") not in (None, tuned["steps"])
    ]
    said += f" (taken, as trials were stopped early: {', '.join(spent)})." if spent else "."
    reported = [
        f"{name} ({', '.join(map(str, both))})"
        for name, tuned in budgets.items()
        if tuned and (both := sorted({*tuned.get("seeds", ())} & {*run.experiment["seeds"]}))
    ]
    if reported:
        said += f" Tuned on seeds that are reported here, which flatters: {', '.join(reported)}."
    return _fact(len(told) == 1 and not reported, said)


def _baselines(run: Run) -> dict[str, Any]:
    targets = run.experiment["targets"]
    lacking = [
        name
        for name in ALWAYS_BESIDE
        if name not in run.methods or not all(run.done(target, name) for target in targets)
    ]
    there = ", ".join(ALWAYS_BESIDE)
    return _fact(
        not lacking,
        f"Baselines absent, or without a finished trial on a target: {', '.join(lacking)}."
        if lacking
        else f"The baselines {there} stand beside the others.",
    )


def _seeds(run: Run) -> dict[str, Any]:
    n, shared = len(run.experiment["seeds"]), run.source_seeds
    said, units, unit = f"{n} seed{'s' * (n != 1)}", n, ""
    if shared:
        units, unit = len(set(shared.values())), " source policies"
        said += f" from {units} source polic{'y' if units == 1 else 'ies'}"
    few = units < FEWEST_SEEDS
    lack = f": too few to claim anything, which takes {FEWEST_SEEDS}{unit}" if few else ""
    return _fact(not few, f"{said}{lack}.")


def _complete(run: Run) -> dict[str, Any]:
    lost = len(run.failures)
    return _fact(
        not lost,
        f"{lost} of {len(run.trials) + len(run.sources)} runs (sources and trials) have no usable "
        "curve; they are listed."
        if lost
        else "Every source and trial finished.",
    )


def _repeats(run: Run) -> dict[str, Any]:
    """Say whether the runs repeat bit for bit, from what they were computed on."""
    done = [trial for trial in (*run.sources, *run.trials) if trial.state == "done"]
    places = [trial.status.get("computed_on") or [] for trial in done]
    names = sorted({name for place in places for name in place})
    on = ", ".join(names)
    if not names or not all(places):
        said = "It is not recorded what every source and trial was computed on"
        return _fact(False, f"{said}, so not whether they repeat bit for bit.")
    if any(not name.startswith("cpu: ") for name in names):
        why = f"Computed on a GPU ({on}), whose sums are not always in one order"
        return _fact(False, f"{why}: these sources and trials do not repeat bit for bit.")
    if len(names) > 1:
        why = f"Computed on processors of different kinds ({on}), which round differently"
        return _fact(False, f"{why}: these sources and trials do not repeat bit for bit.")
    said = f"All sources and trials were computed on processors of one kind ({on})"
    return _fact(True, f"{said}, on which they repeat bit for bit with the same versions.")


def _code(run: Run) -> dict[str, Any]:
    """Tell whether all units were run with the same code; other versions a run refuses."""
    commits = run.commits
    if len(commits) > 1:
        return _fact(
            False,
            "Units were run with different commits of headstart, on which results may depend: "
            f"{', '.join(commits)}.",
        )
    at = f", git commit {commits[0]}" if commits else ""
    return _fact(True, f"Every unit was run with the same versions of all packages{at}.")


def _fact(holds: bool, text: str) -> dict[str, Any]:
    return {"holds": holds, "text": text}
