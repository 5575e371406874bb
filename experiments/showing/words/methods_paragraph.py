"""The methods of a run in words that can go into a paper, with the numbers filled in.

Made from what the run recorded alone. Names from the run stand in backticks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ....core.named import split_named
from ...measuring import metrics
from ...measuring.catalog import JUDGED
from ...measuring.gains import BASELINE, uses_source
from ...measuring.results import Across, Anchors, Summary
from ...measuring.runs import Run
from ...measuring.settings import SourceSettings
from ...measuring.statistics import FEWEST_SEEDS, SURE_SEEDS
from ...measuring.verdict import counted
from .. import formats
from ..shift_table import outcome, shift_table

KINDS = {
    "paired t": "Student's t over differences paired by seed",
    "welch": "Welch's t where seeds are not shared",
    "constant": "of no width where all seeds are equal",
    "one seed": "none for a single {unit}",
}
"""The intervals of gains in words, by their kind."""


def methods_text(run: Run, summary: Summary) -> str:
    """Return the methods as Markdown, a paragraph each: source, targets, evaluation, numbers."""
    parts = (
        _source(run),
        _targets(run, summary),
        _compared(run),
        _evaluation(run, summary),
        _metrics(summary),
        " ".join(part for part in (_statistics(summary), _ranges(summary)) if part),
        _tools(run),
    )
    return "\n".join(f"{part}\n" for part in parts if part)


def _source(run: Run) -> str:
    source = run.source
    users = [name for name in run.methods if uses_source(run, name)]
    if not users:
        return f"No source policy was used. {_algorithm(run)}"
    steps = formats.steps(run.source_steps)
    world = _code(source.world) + _options(source)
    if source.bundle:
        sha = source.bundle_sha256
        said = f"All seeds started from one pretrained source policy, {_code(source.bundle)}"
        said += f" (sha256 {sha[:12]})" if sha else ""
        said += f", trained in {world} for {steps} environment steps."
    else:
        many, shared = len(run.seeds), run.source_seeds
        each = "one" if many == 1 else "one for each seed"
        if shared:
            each = f"{len(set(shared.values()))} of them, from which the seeds started in turn"
        said = f"Source policies were trained in {world} for {steps} environment steps, {each}."
    return f"{said} {_randomization(run)} {_algorithm(run)}"


def _randomization(run: Run) -> str:
    if not run.source.randomization:
        return "The source was not randomized."
    changes = _changes(run, run.source.world, run.source.randomization)
    return f"Drawn anew at every training episode were {changes}."


def _algorithm(run: Run) -> str:
    name, settings = _learner(run)
    if name is None:
        return ""
    said = f"The learner was {name.upper() if name.isalpha() else _code(name)}"
    return f"{said}, with {_settings(settings)}." if settings else f"{said}."


def _learner(run: Run) -> tuple[str | None, Mapping[str, Any]]:
    """Return the algorithm's name and settings, as far as they were recorded."""
    found = run.source.algorithm
    return (None, {}) if found is None else split_named(found, "algorithm")


def _targets(run: Run, summary: Summary) -> str:
    said = []
    for name, target in summary.targets.items():
        steps = formats.steps(target.steps or run.targets[name].steps)
        differs = shift_table(run, name)
        shift = {row.name: row.target for row in differs.parameters if row.target}
        what = [f"under the shift {_code(differs.shift)}"] if differs.shift else []
        what += [f"with {_changes(run, differs.world, shift)}"] if shift else []
        others = [
            f"{_code(row.name)} {row.target}" for row in differs.settings if row.name != "world"
        ]
        what += [f"made with {_list(others)}"] if others else []
        same = target.world == run.source.world and not run.source.randomization
        still = "as in the source" if same else "at nominal parameters"
        said.append(
            f"{_code(name)} is {_code(target.world)} {', '.join(what) or still}; "
            f"the budget of a trial was {steps} environment steps."
        )
    return f"{'Targets' if len(said) > 1 else 'Target'}: {' '.join(said)}"


def _compared(run: Run) -> str:
    each = []
    for label, entry in run.method_entries.items():
        name = run.registered[label]
        given = {} if isinstance(entry, str) else dict(entry[name] or {})
        given.pop("label", None)
        about = [_code(name)] if label != name else []
        about += [_settings(given)] if given else []
        each.append(_code(label) + (f" ({', '.join(about)})" if about else ""))
    seeds = run.seeds
    said = f"Compared were {_list(each)}, each with the seed{'s' * (len(seeds) != 1)} "
    said += f"{_list([str(seed) for seed in seeds])}."
    recorded = run.method_facts
    without = [_code(n) for n in run.all_methods if n in recorded and not uses_source(run, n)]
    if without and len(without) < len(run.all_methods):
        said += f" Without a source policy: {_list(without)}."
    if run.longer:
        said += (
            f" {_list([_code(n) for n in run.longer])} had the source's steps in the target too."
        )
    if still := [_code(name) for name, facts in recorded.items() if not facts.get("trains", True)]:
        said += f" Not trained in the target: {_list(still)}."
    if lost := len(run.failures):
        every = len(run.trials) + len(run.sources)
        said += f" {lost} of {every} sources and trials have no usable curve and are in no number."
    return said


def _evaluation(run: Run, summary: Summary) -> str:
    episodes = {count for t in run.trials if t.state == "done" for count in t.episodes}
    if not episodes:
        return ""
    spacing = max(target.spacing or 0 for target in summary.targets.values())
    every = run.evaluation.every or spacing
    said = (
        "Policies were evaluated at step 0, before any update, and then every "
        f"{every:,} environment steps of the target"
    )
    if spacing > every:
        said += f" (at the next end of a rollout, at most {spacing:,} steps apart)"
    counts = " or ".join(str(count) for count in sorted(episodes))
    said += f", on {counts} episodes in a separate world with deterministic actions"
    if _learner(run)[1].get("normalize"):
        said += " and frozen normalizer statistics"
    first = run.evaluation.seed
    seeds = "" if first is None else f" ({first:,} to {first + max(episodes) - 1:,})"
    return f"{said}. The episodes' seeds{seeds} were the same for all methods and evaluations."


def _metrics(summary: Summary) -> str:
    scored = {name: target for name, target in summary.targets.items() if target.scored}
    said = [t.headline for t in summary.targets.values() if not t.scored]
    if not scored:
        return " ".join(said)
    anchors = [_anchors_text(name, target.anchors) for name, target in scored.items()]
    counts = sorted({target.evaluations for target in scored.values()})
    windows = " or ".join(map(formats.end_title, counts))
    of_scratch = f"a method's minus that of {_code(BASELINE)}"
    said += [
        "A score is (J - J_random) / (J_reference - J_random), not clipped, where J is the mean "
        f"return of an evaluation and the anchors J_random and J_reference are {_list(anchors)}.",
        f"Jump-start is the score at step 0, {of_scratch}; asymptotic gain the same of the mean "
        f"over the {windows} evaluations after step 0; area gain that of the area under the "
        "curve divided by the budget, by trapezoids (Taylor and Stone, 2009).",
        f"Time to threshold is the step of the first of {metrics.HOLD} evaluations in a row with "
        f"a score of at least {summary.threshold:g}; seeds that never get there are censored "
        "at the budget, and medians are those of Kaplan and Meier (1958).",
    ]
    return " ".join(said)


def _anchors_text(target: str, anchors: Anchors) -> str:
    """Return the anchors of a target with their origins."""
    random, reference = anchors.random, anchors.reference
    assert random is not None
    assert reference is not None
    return (
        f"{formats.number(random.value)} ({random.origin}) and "
        f"{formats.number(reference.value)} ({reference.origin}) on {_code(target)}"
    )


def _statistics(summary: Summary) -> str:
    gains = [
        metric.of(method)
        for target in summary.targets.values()
        for method in target.methods.values()
        if method.gains
        for metric in JUDGED
    ]
    if not gains:
        return ""
    kinds = {found.kind for found in gains}
    unit, each = "seed", "The unit is the seed."
    if any(m.source_seeds for t in summary.targets.values() for m in t.methods.values()):
        unit = "source policy"
        each = "The unit is the source policy: values of seeds that share one were averaged."
    used = [words.format(unit=unit) for kind, words in KINDS.items() if kind in kinds]
    said = [f"{each} Intervals of gains are 95 %: " + "; ".join(used) + "."]
    if any(found.bca for found in gains):
        said.append(
            "Beside them stand, unless gains are skewed, bias-corrected and accelerated bootstrap "
            "intervals (BCa)."
        )
    if any(found.p_holm is not None for found in gains):
        said.append("P values were adjusted after Holm (1979) over a target's methods and gains.")
    said.append(f"Nothing is claimed from fewer than {counted(FEWEST_SEEDS, unit)}.")
    if summary.across:
        said.append(_over_targets(summary.across))
    return " ".join(said)


def _ranges(summary: Summary) -> str:
    """Return what stands in place of intervals of levels from few seeds; see `notes.caution`."""
    if not summary.caution:
        return ""
    methods = [m for target in summary.targets.values() for m in target.methods.values()]
    unit = "source policies" if formats.share_sources(methods) else "seeds"
    return (
        f"Of fewer than {SURE_SEEDS} {unit} a method's own scores, returns and times are given "
        "with their range."
    )


def _over_targets(across: Across) -> str:
    kinds = {method.end.iqm.kind for method in across.methods.values() if method}
    said = (
        "Over targets: interquartile means, optimality gaps and probabilities of improvement "
        "(Agarwal et al., 2021). "
    )
    if "bootstrap" in kinds:
        said += (
            "Intervals of the former take the outer ends of a bootstrap's expanded percentiles "
            "over seeds (Hesterberg, 2015), all targets of one together and each target apart, and "
            "of Student's t times its standard error. "
        )
    if "range" in kinds:
        said += "Ranges of the former are of what each seed, or source policy, has by itself. "
    return (
        f"{said}Intervals of the probabilities are Wilson's (1927), of as many independent trials "
        "as vary as much."
    )


def _tools(run: Run) -> str:
    versions = {
        name: version for name, version in run.versions.items() if version != "not installed"
    }
    said = f"Computed with headstart {versions.pop('headstart', '')}".rstrip()
    if commits := run.commits:
        changed = ", with changes not committed" if commits[-1].endswith("+") else ""
        named = _list([commit.rstrip("+") for commit in commits])
        said += f" (git commit{'s' * (len(commits) > 1)} {named}{changed})"
    if versions:
        said += f", {_list([f'{name} {version}' for name, version in versions.items()])}"
    hardware = run.facts.get("hardware") or {}
    on = [str(hardware["processor"])] if "processor" in hardware else []
    on += [f"{hardware['cores']} cores"] if "cores" in hardware else []
    return f"{said}; on {', '.join(on)}." if on else f"{said}."


def _changes(run: Run, world: str | None, changes: Mapping[str, Any]) -> str:
    """Return changes with what they make of their parameters, as far as those were recorded."""
    known = run.parameter_facts.get(str(world), {})
    each = []
    for name, change in changes.items():
        made = outcome(name, change, known.get(name))
        told = made is None or str(change).endswith(f" {made}")
        each.append(_code(f"{name} {change}") + ("" if told else f" ({made})"))
    return _list(each)


def _options(settings: SourceSettings) -> str:
    """Return the keyword arguments and wrappers that a world was made with."""
    made = [f"{_code(key)} {value}" for key, value in settings.kwargs.items()]
    made += [_code(str(wrapper)) for wrapper in settings.wrappers]
    return f" (with {_list(made)})" if made else ""


def _settings(settings: Mapping[str, Any]) -> str:
    """Return settings in one line, nested ones by their path."""
    flat: dict[str, Any] = {}

    def spread(values: Mapping[str, Any], path: str) -> None:
        for key, value in values.items():
            if isinstance(value, Mapping) and value:
                spread(value, f"{path}{key}.")
            else:
                flat[f"{path}{key}"] = value

    spread(settings, "")
    return _list([f"{_code(key)} {_value(value)}" for key, value in flat.items()])


def _value(value: Any) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    return f"{value:,}" if isinstance(value, int) else str(value)


def _code(name: Any) -> str:
    return f"`{name}`"


def _list(parts: Iterable[str]) -> str:
    """Return `a, b and c`."""
    *before, last = parts
    return f"{', '.join(before)} and {last}" if before else last
