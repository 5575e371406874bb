"""Several experiments beside each other: their results, and where their settings differ.

Pure functions of runs and their summaries. A target is shared where two experiments call one by the
same name. Scores of a shared target can be compared only where their anchors are the same; where
they are not, returns are what is compared. `showing.words.comparison` says what is not fair in it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...core.named import split_named
from .catalog import JUDGED, judged
from .results import (
    Gain,
    Gains,
    Levels,
    MethodSummary,
    Summary,
    TargetSummary,
    TimeToThreshold,
    Verdict,
)
from .runs import Run, RunError, load_run

ABSENT = "–"
WORLD = ("world", "kwargs", "wrappers", "shift")
"""The settings of a target that make it another task."""


@dataclass(frozen=True)
class Member:
    """One experiment of a comparison, with the name that tells it apart from the others."""

    label: str
    run: Run
    summary: Summary

    def target(self, name: str) -> TargetSummary | None:
        """Return the summary of a target; None where it is not there or has no finished trial."""
        found = self.summary.targets.get(name)
        return found if found and found.evaluations else None


@dataclass(frozen=True)
class ScaledGain:
    """A gain over an experiment's own scratch, in the unit of a comparison's row."""

    estimate: float
    low: float | None
    high: float | None
    kind: str
    side: str
    converged: bool | None


@dataclass(frozen=True)
class Row:
    """A method on a target in one experiment, in the target's unit.

    Attributes:
        unit: `score` or `return`; `levels` and `gains` are in it.
        anchors: the returns at scores 0 and 1.
        seeds: how many have a usable curve, and `lost` how many have none.
        paired: how many seeds gains are over, where those are not all.
        returns: the levels in returns, whatever the unit.
        gains: those that make the verdict, by name.
    """

    target: str
    experiment: str
    member: Member
    world: str | None
    steps: int | None
    method: str
    unit: str
    anchors: tuple[float | None, float | None]
    threshold: float
    converged: bool | None
    seeds: int
    paired: int | None
    lost: int
    source_seeds: Mapping[int, int] | None
    returns: Levels | None
    levels: Levels | None
    gains: dict[str, ScaledGain | None]
    time: TimeToThreshold | None
    verdict: Verdict


@dataclass(frozen=True)
class Difference:
    """A setting whose values differ, in the order of the experiments."""

    setting: str
    values: list[str]


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
    return [load_run(directory) for directory in directories]


def members(runs: Sequence[Run], summaries: Sequence[Summary]) -> list[Member]:
    """Return the experiments with their names; where two share one, with their directories too."""
    names = Counter(summary.name for summary in summaries)
    return [
        Member(_label(run, summary.name, shared=names[summary.name] > 1), run, summary)
        for run, summary in zip(runs, summaries, strict=True)
    ]


def _label(run: Run, name: str, *, shared: bool) -> str:
    return f"{name} ({run.directory})" if shared else name


def targets_of(members: Sequence[Member]) -> dict[str, list[Member]]:
    """Return the experiments that have finished trials on each target, by its name."""
    names = dict.fromkeys(name for member in members for name in member.summary.targets)
    found = {name: [member for member in members if member.target(name)] for name in names}
    return {name: there for name, there in found.items() if there}


def unit_on(members: Sequence[Member], target: str) -> str:
    """Return what a target is compared in: `score` where its anchors are the same, or `return`."""
    found = [summary for member in members if (summary := member.target(target))]
    same = len({anchor_returns(summary) for summary in found}) == 1
    return "score" if same and all(summary.scored for summary in found) else "return"


def comparison_rows(members: Sequence[Member]) -> list[Row]:
    """Return a row for each target, experiment and method, in the target's unit."""
    rows = []
    for target, there in targets_of(members).items():
        unit = unit_on(there, target)
        for member in there:
            summary = member.summary.targets[target]
            rows += [
                _row(target, member, summary, name, method, unit)
                for name, method in summary.methods.items()
            ]
    return rows


def _row(
    target: str,
    member: Member,
    summary: TargetSummary,
    name: str,
    method: MethodSummary,
    unit: str,
) -> Row:
    return Row(
        target=target,
        experiment=member.label,
        member=member,
        world=summary.world,
        steps=summary.steps,
        method=name,
        unit=unit,
        anchors=anchor_returns(summary),
        threshold=member.summary.threshold,
        converged=method.converged,
        seeds=len(method.seeds),
        paired=None if method.paired == len(method.seeds) else method.paired,
        lost=len(method.failed),
        source_seeds=method.source_seeds,
        returns=method.returns,
        levels=method.scores if unit == "score" else method.returns,
        gains=_scaled_gains(method.gains, _scale(summary, unit)),
        time=method.time_to_threshold,
        verdict=method.verdict,
    )


def _scale(summary: TargetSummary, unit: str) -> float:
    """Return what a gain of a score of 1 is in the unit of a row."""
    if unit == "score" or not summary.scored:
        return 1.0
    random, reference = summary.anchors.scale
    return reference - random


def _scaled_gains(gains: Gains | None, by: float) -> dict[str, ScaledGain | None]:
    if gains is None:
        return {str(metric.name): None for metric in JUDGED}
    return {str(metric.name): _scaled(gain, by) for metric, gain in judged(gains).items()}


def _scaled(gain: Gain, by: float) -> ScaledGain:
    return ScaledGain(
        estimate=by * gain.estimate,
        low=None if gain.low is None else by * gain.low,
        high=None if gain.high is None else by * gain.high,
        kind=gain.kind,
        side=gain.side,
        converged=getattr(gain, "converged", None),
    )


def differing_settings(members: Sequence[Member]) -> list[Difference]:
    """Return the settings that differ, by their keys' path.

    What only some have stands as a whole, at the path where it begins.
    """
    resolved = [_by_name(member.run) for member in members]
    return [
        Difference(path, [as_text(value) for value in values])
        for path, values in differences(resolved)
    ]


def anchor_returns(target: TargetSummary) -> tuple[float | None, float | None]:
    """Return the returns at scores 0 and 1; None where one is not known."""
    random, reference = target.anchors.random, target.anchors.reference
    return (random.value if random else None), (reference.value if reference else None)


def task(member: Member, target: str) -> dict[str, Any]:
    """Return what makes a target the task that it is, defaults filled in."""
    found = vars(member.run.targets[target])
    return {key: found[key] or {} for key in WORLD}


def _by_name(run: Run) -> dict[str, Any]:
    """Return an experiment without its name, and with its methods by their labels."""
    named: dict[str, Any] = {}
    for label, entry in run.method_entries.items():
        name, given = split_named(entry, "method")
        own = {key: value for key, value in given.items() if key != "label"}
        named[label] = own if label == name.split(":")[-1] else {"method": name, **own}
    rest = {key: value for key, value in run.experiment.items() if key != "name"}
    return {**rest, "methods": named}


def differences(values: Sequence[Any], path: str = "") -> Iterator[tuple[str, list[Any]]]:
    """Yield where plain values differ, by key path, with each one's value there."""
    if all(value == values[0] for value in values[1:]):
        return
    if not all(isinstance(value, Mapping) for value in values):
        yield path, list(values)
        return
    for key in dict.fromkeys(key for value in values for key in value):
        inner = f"{path}.{key}" if path else str(key)
        yield from differences([value.get(key, ABSENT) for value in values], inner)


def as_text(value: Any) -> str:
    """Return a plain value as a reader writes it: text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
