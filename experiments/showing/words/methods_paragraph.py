"""The methods of a run in words that can go into a paper, with the numbers filled in.

The words stand in `templates/methods.md`; this gathers what fills them in, from what the run
recorded alone. Names from the run stand in backticks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ....core.named import split_named
from ...measuring import metrics
from ...measuring.catalog import JUDGED
from ...measuring.gains import BASELINE, uses_source
from ...measuring.results import Anchors, Gain, Summary
from ...measuring.runs import Run
from ...measuring.settings import SourceSettings
from ...measuring.statistics import FEWEST_SEEDS, SURE_SEEDS
from ...measuring.verdict import counted
from .. import formats
from ..shift_table import outcome, shift_table
from ..templating import template_environment

TEMPLATES = Path(__file__).parent / "templates"
KINDS = {
    "paired t": "Student's t over differences paired by seed",
    "welch": "Welch's t where seeds are not shared",
    "constant": "of no width where all seeds are equal",
    "one seed": "none for a single {unit}",
}
"""The intervals of gains in words, by their kind."""


def methods_text(run: Run, summary: Summary) -> str:
    """Return the methods as Markdown, a paragraph each: source, targets, evaluation, numbers."""
    environment = template_environment(TEMPLATES, autoescape=False)  # Markdown
    environment.filters |= {
        "code": _code,
        "codes": lambda names: _list(map(_code, names)),
        "listed": lambda parts: _list(map(str, parts)),
        "steps": formats.steps,
        "settings": _settings,
        "changes": lambda changes, world: _changes(run, world, changes),
    }
    filled = environment.get_template("methods.md").render(
        run=run,
        **_source(run),
        targets=_targets(run, summary),
        **_compared(run),
        **_evaluation(run, summary),
        **_scores(summary),
        **_statistics(summary),
        **_tools(run),
    )
    # A sentence has a line of its own in the template, or more.
    paragraphs = (" ".join(part.split()) for part in filled.split("\n\n"))
    return "\n".join(f"{part}\n" for part in paragraphs if part)


def _source(run: Run) -> dict[str, Any]:
    algorithm = run.source.algorithm
    name, settings = (None, {}) if algorithm is None else split_named(algorithm, "algorithm")
    return {
        "users": [name for name in run.methods if uses_source(run, name)],
        "source_world": _code(run.source.world) + _options(run.source),
        "learner": name,
        "learner_settings": settings,
    }


def _targets(run: Run, summary: Summary) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "world": shift_table(run, name).world,
            "differs": _differences(run, name),
            "as_source": target.world == run.source.world and not run.source.randomization,
            "steps": target.steps or run.targets[name].steps,
        }
        for name, target in summary.targets.items()
    ]


def _differences(run: Run, target: str) -> list[str]:
    """Return how a target differs from its nominal world and from how the source's was made."""
    table = shift_table(run, target)
    shift = {row.name: row.target for row in table.parameters if row.target}
    others = [f"{_code(row.name)} {row.target}" for row in table.settings if row.name != "world"]
    found = [f"under the shift {_code(table.shift)}"] if table.shift else []
    found += [f"with {_changes(run, table.world, shift)}"] if shift else []
    found += [f"made with {_list(others)}"] if others else []
    return found


def _compared(run: Run) -> dict[str, Any]:
    each = []
    for label, entry in run.method_entries.items():
        name = run.registered[label]
        given = {} if isinstance(entry, str) else dict(entry[name] or {})
        given.pop("label", None)
        about = [_code(name)] if label != name else []
        about += [_settings(given)] if given else []
        each.append(_code(label) + (f" ({', '.join(about)})" if about else ""))
    recorded = run.method_facts
    return {
        "compared": each,
        "without": [n for n in run.all_methods if n in recorded and not uses_source(run, n)],
        "untrained": [name for name, facts in recorded.items() if not facts.get("trains", True)],
    }


def _evaluation(run: Run, summary: Summary) -> dict[str, Any]:
    spacing = max(target.spacing or 0 for target in summary.targets.values())
    return {
        "episodes": sorted({n for t in run.trials if t.state == "done" for n in t.episodes}),
        "every": run.evaluation.every or spacing,
        "spacing": spacing,
    }


def _scores(summary: Summary) -> dict[str, Any]:
    targets = summary.targets.items()
    counts = {target.evaluations for _, target in targets if target.scored}
    return {
        "unscored": [target.headline for _, target in targets if not target.scored],
        "anchors": [_anchors_text(name, one.anchors) for name, one in targets if one.scored],
        "windows": list(map(formats.end_title, sorted(counts))),
        "baseline": BASELINE,
        "hold": metrics.HOLD,
        "threshold": f"{summary.threshold:g}",
    }


def _anchors_text(target: str, anchors: Anchors) -> str:
    """Return the anchors of a target with their origins."""
    random, reference = anchors.random, anchors.reference
    assert random is not None
    assert reference is not None
    return (
        f"{formats.number(random.value)} ({random.origin}) and "
        f"{formats.number(reference.value)} ({reference.origin}) on {_code(target)}"
    )


def _statistics(summary: Summary) -> dict[str, Any]:
    methods = [m for target in summary.targets.values() for m in target.methods.values()]
    gains: list[Gain] = [
        metric.of(method) for method in methods if method.gains for metric in JUDGED
    ]
    unit = "source policy" if any(method.source_seeds for method in methods) else "seed"
    kinds = {gain.kind for gain in gains}
    across = summary.across.methods.values() if summary.across else ()
    shared = formats.share_sources(methods)
    return {
        "unit": unit,
        "gain_kinds": [words.format(unit=unit) for kind, words in KINDS.items() if kind in kinds],
        "bca": any(gain.bca for gain in gains),
        "adjusted": any(gain.p_holm is not None for gain in gains),
        "fewest_units": counted(FEWEST_SEEDS, unit),
        "over_targets": {method.end.iqm.kind for method in across if method},
        # What stands in place of intervals of levels from few seeds; see `notes.caution`.
        "ranges_of": ("source policies" if shared else "seeds") if summary.caution else None,
        "sure": SURE_SEEDS,
    }


def _tools(run: Run) -> dict[str, Any]:
    versions = {name: said for name, said in run.versions.items() if said != "not installed"}
    hardware = run.facts.get("hardware") or {}
    machine = [str(hardware["processor"])] if "processor" in hardware else []
    machine += [f"{hardware['cores']} cores"] if "cores" in hardware else []
    return {
        "headstart": versions.pop("headstart", ""),
        "libraries": [f"{name} {version}" for name, version in versions.items()],
        "commits": [commit.rstrip("+") for commit in run.commits],
        "uncommitted": bool(run.commits) and run.commits[-1].endswith("+"),
        "machine": machine,
    }


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
