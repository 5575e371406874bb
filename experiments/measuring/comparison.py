"""Several experiments beside each other: their results, their settings, what is not fair in it.

Pure functions of runs and their summaries. A target is shared where two experiments call one by the
same name. Scores of a shared target can be compared only where their anchors are the same; where
they are not, returns are what is compared.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..config.schema import method_label
from .estimates import Entry
from .fairness import tuning_budgets
from .gains import uses_source
from .runs import Run, RunError, load
from .verdict import GAINS

ABSENT = "–"
EVALUATION = {
    "seed": "policies were evaluated on different episodes",
    "episodes": "returns are means over different numbers of episodes",
    "threshold": "times to threshold are times to different scores",
    "every": "times to threshold are resolved differently, and 'end' is a mean over another span",
}
"""What it means that a setting of the evaluation differs."""
WORLD = ("world", "kwargs", "wrappers", "shift")
"""The settings of a target that make it another task."""


@dataclass(frozen=True)
class Member:
    """One experiment of a comparison, with the name that tells it apart from the others."""

    label: str
    run: Run
    summary: Mapping[str, Any]

    def target(self, name: str) -> Mapping[str, Any] | None:
        """Return the summary of a target; None where it is not there or has no finished trial."""
        found: Mapping[str, Any] | None = self.summary["targets"].get(name)
        return found if found and found["evaluations"] else None


def load_apart(directories: Sequence[str | Path]) -> list[Run]:
    """Read run directories, each another one.

    Raises:
        RunError: one is given twice, is no run directory, or cannot be compared within itself.
    """
    seen: dict[Path, str | Path] = {}
    for directory in directories:
        place = Path(directory).resolve()
        if place in seen:
            also = "" if str(seen[place]) == str(directory) else f", also as '{seen[place]}'"
            raise RunError(f"'{directory}' is given twice{also}; a comparison is of different runs")
        seen[place] = directory
    return [load(directory) for directory in directories]


def members(runs: Sequence[Run], summaries: Sequence[Mapping[str, Any]]) -> list[Member]:
    """Return the experiments with their names; where two share one, with their directories too."""
    names = Counter(summary["name"] for summary in summaries)
    return [
        Member(
            f"{summary['name']} ({run.directory})"
            if names[summary["name"]] > 1
            else summary["name"],
            run,
            summary,
        )
        for run, summary in zip(runs, summaries, strict=True)
    ]


def targets(of: Sequence[Member]) -> dict[str, list[Member]]:
    """Return the experiments that have finished trials on each target, by its name."""
    names = dict.fromkeys(name for member in of for name in member.summary["targets"])
    found = {name: [member for member in of if member.target(name)] for name in names}
    return {name: there for name, there in found.items() if there}


def unit(of: Sequence[Member], target: str) -> str:
    """Return what a target is compared in: `score` where its anchors are the same, or `return`."""
    entries = [entry for member in of if (entry := member.target(target))]
    same = len({_anchors(entry) for entry in entries}) == 1
    return "score" if same and all(entry["scored"] for entry in entries) else "return"


def rows(of: Sequence[Member]) -> list[Entry]:
    """Return a row for each target, experiment and method, in the target's unit.

    `levels` has the entries `start` and `end`, `gains` those over the experiment's own scratch that
    make its verdict, each with `estimate`, `low`, `high`, `kind` and `converged`, or None; a gain
    in returns is that in scores times the distance of the anchors. `returns` has the raw levels,
    whatever the unit; `paired` is how many seeds gains are over, where those are not all.
    """
    found = []
    for target, there in targets(of).items():
        what = unit(there, target)
        for member in there:
            entry = member.summary["targets"][target]
            for name, method in entry["methods"].items():
                found.append(
                    {"target": target, "experiment": member.label, "member": member}
                    | {"world": entry["world"], "steps": entry["steps"], "method": name}
                    | {"unit": what, "anchors": _anchors(entry)}
                    | {"threshold": member.summary["threshold"]}
                    | _result(entry, method, what)
                )
    return found


def _result(entry: Mapping[str, Any], method: Mapping[str, Any], what: str) -> Entry:
    scale = 1.0
    if what == "return" and entry["scored"]:
        scale = entry["anchors"]["reference"]["return"] - entry["anchors"]["random"]["return"]
    gains = method["gains"] or {}
    return {
        "converged": method["converged"],
        "seeds": len(method["seeds"]),
        "paired": None if method["paired"] == len(method["seeds"]) else method["paired"],
        "lost": len(method["failed"]),
        "source_seeds": method["source_seeds"],
        "returns": method["returns"],
        "levels": method["scores" if what == "score" else "returns"],
        "gains": {gain: _scaled(gains.get(gain), scale) for gain in GAINS},
        "time": method["time_to_threshold"],
        "verdict": method["verdict"],
    }


def _scaled(entry: Mapping[str, Any] | None, by: float) -> Entry | None:
    if entry is None:
        return None
    values = {key: entry[key] for key in ("estimate", "low", "high")}
    scaled = {key: None if value is None else by * value for key, value in values.items()}
    kept = {key: entry[key] for key in ("kind", "side")}
    return {**scaled, **kept, "converged": entry.get("converged")}


def settings(of: Sequence[Member]) -> list[dict[str, Any]]:
    """Return the settings that differ, each `{"setting": key.path, "values": [text, ...]}`.

    Values are in the order of the experiments. What only some have stands as a whole, at the path
    where it begins.
    """
    resolved = [_by_name(member.run.experiment) for member in of]
    return [
        {"setting": path, "values": [_text(value) for value in values]}
        for path, values in _differing(resolved)
    ]


def warnings(of: Sequence[Member]) -> list[str]:
    """Return, a sentence each, why comparing these experiments is not fair."""
    shared = {name: there for name, there in targets(of).items() if len(there) > 1}
    said = []
    if not shared:
        said.append(
            "No two experiments have a target of the same name with finished trials: each stands "
            "by itself, and only gains over its own scratch can be read side by side."
        )
    for key, meaning in EVALUATION.items():
        values = {m.label: m.run.experiment.get("evaluation", {}).get(key) for m in of}
        said += _unequal(f"`evaluation.{key}`", values, meaning)
    for name, there in shared.items():
        said += _on_target(name, there)
    transferring = [m for m in of if any(uses_source(m.run, name) for name in m.run.methods)]
    said += _unequal(
        "the source policies' training",
        {
            m.label: f"{m.run.source_steps:,} steps"
            for m in transferring
            if any(trial.state == "done" for trial in m.run.sources)
        },
        "what was carried over took different amounts of it",
    )
    versions = [dict(m.run.facts.get("versions") or {}) for m in of]
    for package in dict.fromkeys(key for found in versions for key in found):
        values = {m.label: found.get(package) for m, found in zip(of, versions, strict=True)}
        said += _unequal(f"the version of {package}", values, "results may depend on it")
    budgets = {m.label: tuning_budgets(m.run) for m in of}
    for name in dict.fromkeys(name for found in budgets.values() for name in found):
        values = {label: found[name] for label, found in budgets.items() if name in found}
        meaning = "one was given more chances to find settings that suit it"
        said += _unequal(f"what {name} was tuned with", values, meaning)
    commits = {m.label: m.run.facts.get("git") for m in of}
    said += _unequal("headstart's git commit", commits, "results may depend on it")
    for member in of:
        if lost := len(member.summary["failures"]):
            every = len(member.run.sources) + len(member.run.trials)
            said.append(
                f"{lost} of {every} sources and trials of {member.label} have no usable curve."
            )
    return said


def _on_target(name: str, there: Sequence[Member]) -> list[str]:
    """Return what is not fair on a shared target."""
    said = []
    tasks = [_task(member, name) for member in there]
    for path, values in _differing(tasks, f"targets.{name}"):
        texts = dict(zip((m.label for m in there), map(_text, values), strict=True))
        said += _unequal(
            f"`{path}`", texts, "it is not the same target, so its returns are of two tasks"
        )
    entries = {member.label: member.summary["targets"][name] for member in there}
    unscored = [label for label, entry in entries.items() if not entry["scored"]]
    if unscored:
        said.append(
            f"{name} has no scores in {' and '.join(unscored)}: raw returns are what is compared."
        )
    else:
        said += _unequal(
            f"the scale of {name}",
            {label: _anchors(entry) for label, entry in entries.items()},
            "scores and times to a score cannot be compared, raw returns are; with the same "
            "`anchors` given in each experiment they could",
        )
    budgets = {label: entry["steps"] for label, entry in entries.items()}
    meaning = "ends and areas are over different numbers of steps"
    return said + _unequal(f"the budget on {name}", budgets, meaning)


def _unequal(what: str, values: Mapping[str, Any], meaning: str) -> list[str]:
    """Return a sentence where the values, by experiment, are not all the same."""
    groups: dict[Any, list[str]] = {}
    for label, value in values.items():
        groups.setdefault(value, []).append(label)
    if len(groups) < 2:
        return []
    each = "; ".join(f"{_spoken(value)} in {', '.join(ls)}" for value, ls in groups.items())
    return [f"{what[0].upper()}{what[1:]} differs ({each}): {meaning}."]


def _anchors(entry: Mapping[str, Any]) -> tuple[Any, ...]:
    anchors = entry["anchors"]
    return tuple((anchors[key] or {}).get("return") for key in ("random", "reference"))


def _task(member: Member, target: str) -> dict[str, Any]:
    """Return what makes a target the task that it is, defaults filled in."""
    given = member.run.experiment["targets"][target] or {}
    world = given.get("world") or member.run.experiment["source"].get("world")
    return {**{key: given.get(key) or {} for key in WORLD}, "world": world}


def _by_name(experiment: Mapping[str, Any]) -> dict[str, Any]:
    """Return an experiment without its name, and with its methods by their labels."""
    named: dict[str, Any] = {}
    for entry in experiment["methods"]:
        name, given = (entry, {}) if isinstance(entry, str) else next(iter(entry.items()))
        label = method_label(entry)
        own = {key: value for key, value in (given or {}).items() if key != "label"}
        named[label] = own if label == name.split(":")[-1] else {"method": name, **own}
    rest = {key: value for key, value in experiment.items() if key != "name"}
    return {**rest, "methods": named}


def _differing(values: Sequence[Any], path: str = "") -> Iterator[tuple[str, list[Any]]]:
    """Yield where plain values differ, by key path, with each one's value there."""
    if all(value == values[0] for value in values[1:]):
        return
    if not all(isinstance(value, Mapping) for value in values):
        yield path, list(values)
        return
    for key in dict.fromkeys(key for value in values for key in value):
        inner = f"{path}.{key}" if path else str(key)
        yield from _differing([value.get(key, ABSENT) for value in values], inner)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _spoken(value: Any) -> str:
    if value is None:
        return "not recorded"
    if isinstance(value, tuple):
        low, high = value
        return f"0 is a return of {low:.6g} and 1 of {high:.6g}"
    return f"{value:,}" if isinstance(value, int) else str(value)
