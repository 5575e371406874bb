"""Reading a run directory: every trial that was asked for, with its curve or with why it has none.

What is wrong with one trial (it failed, was not run, holds NaN, has no evaluation at step 0, a line
cannot be read, its steps are not those of the others) makes that trial a failed one, listed with
the reason; the others stand. What leaves nothing to compare (no experiment) is an error.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from ..config.schema import SOURCE, method_label, source_seed
from ..config.yaml_text import YAMLError, loads
from ..records import COLUMNS, CURVE, check_curve, read_evaluations, reason
from ..records import RunError as RunError


@dataclass(frozen=True)
class Trial:
    """One method on one target with one seed (or one source with one seed).

    Attributes:
        target: name of the target; for a source its name.
        method: name of the method; `source` for a source.
        seed: the seed.
        state: `done`, `failed` (raised an error), `running` (not finished), `missing` (never
            begun) or `invalid` (finished, but its curve cannot be used).
        error: one line on why the state is not `done`.
        traceback: the traceback of a failed trial.
        seconds: wall time spent on it.
        status: what its status.json holds.
        evaluations: its evaluations in the order of their steps.
    """

    target: str
    method: str
    seed: int
    state: str
    error: str | None = None
    traceback: str | None = None
    seconds: float | None = None
    status: Mapping[str, Any] = field(default_factory=dict)
    evaluations: tuple[Mapping[str, Any], ...] = ()

    @property
    def key(self) -> tuple[str, str, int]:
        """What tells it from the others: target, method and seed."""
        return self.target, self.method, self.seed

    @property
    def unit(self) -> str:
        """What it is called where sources and trials are listed: `target/method/seed-k`."""
        names = (SOURCE, self.target) if self.method == SOURCE else (self.target, self.method)
        return "/".join((*names, f"seed-{self.seed}"))

    @property
    def steps(self) -> tuple[int, ...]:
        """The steps of its evaluations."""
        return tuple(line["step"] for line in self.evaluations)

    @property
    def returns(self) -> tuple[float, ...]:
        """The mean return of each evaluation."""
        return tuple(line["return"] for line in self.evaluations)


@dataclass(frozen=True)
class Run:
    """What a run directory holds.

    Attributes:
        directory: where it is.
        experiment: the resolved experiment.
        facts: commands, versions, hardware, parameters, anchors.
        trials: every trial of the experiment in its order, whatever its state.
        sources: the same for the sources.
    """

    directory: Path
    experiment: Mapping[str, Any]
    facts: Mapping[str, Any]
    trials: tuple[Trial, ...]
    sources: tuple[Trial, ...]

    @property
    def methods(self) -> list[str]:
        """The labels of the methods that share a target's budget, in the experiment's order."""
        return [label for label in self.all_methods if label not in self.longer]

    @property
    def longer(self) -> list[str]:
        """The labels of the methods that train for the source's steps as well."""
        facts = self.facts.get("methods", {})
        return [m for m in self.all_methods if facts.get(m, {}).get("adds_source_steps")]

    @property
    def all_methods(self) -> list[str]:
        """The labels of all methods, in the experiment's order."""
        return [method_label(entry) for entry in self.experiment["methods"]]

    @property
    def registered(self) -> dict[str, str]:
        """The names that the methods are registered under, by label."""
        names = (
            entry if isinstance(entry, str) else next(iter(entry))
            for entry in self.experiment["methods"]
        )
        return dict(zip(self.all_methods, names, strict=True))

    @property
    def commits(self) -> list[str]:
        """The git commits of headstart that units were run with, in their order, if recorded."""
        begun = self.facts.get("git")
        return list(self.facts.get("commits") or ([begun] if begun else []))

    @property
    def source_seeds(self) -> dict[int, int] | None:
        """The seed of the source policy by that of a trial; None where each has its own.

        None too where all share a ready-made one: a single policy tells nothing of others.
        """
        policies, seeds = self.experiment["source"].get("policies"), self.experiment["seeds"]
        if policies is None or policies >= len(seeds):
            return None
        return {int(seed): int(source_seed(seeds, policies, seed)) for seed in seeds}

    @property
    def source_steps(self) -> int:
        """The steps that the source policies took: whole rollouts, so often more than asked for."""
        taken = [trial.steps[-1] for trial in self.sources if trial.state == "done"]
        return max(taken, default=int(self.experiment["source"].get("steps") or 0))

    def total_steps(self, target: str) -> int:
        """Return the steps that methods with a source had in all: the source's and the target's."""
        ends = {trial.steps[-1] for name in self.methods for trial in self.done(target, name)}
        return self.source_steps + max(ends, default=0)

    @property
    def failures(self) -> list[Trial]:
        """Sources and trials that have no usable curve."""
        return [trial for trial in (*self.sources, *self.trials) if trial.state != "done"]

    @property
    def results(self) -> pd.DataFrame:
        """The curves of the trials that are done, tidy and sorted, with `COLUMNS`."""
        rows = [
            (trial.target, trial.method, trial.seed, *(line[column] for column in COLUMNS[3:]))
            for trial in self.trials
            if trial.state == "done"
            for line in trial.evaluations
        ]
        frame = pd.DataFrame(rows, columns=list(COLUMNS))
        return frame.sort_values(list(COLUMNS[:4]), ignore_index=True)

    def done(self, target: str, method: str) -> list[Trial]:
        """Return the finished trials of a method on a target, by seed."""
        wanted = [
            t for t in self.trials if (t.target, t.method, t.state) == (target, method, "done")
        ]
        return sorted(wanted, key=lambda trial: trial.seed)


def load(directory: str | Path) -> Run:
    """Read a run directory.

    Raises:
        RunError: it is no run directory, or what it holds cannot be read.
    """
    root = Path(directory)
    experiment = _mapping(root / "experiment.yaml", loads)
    facts = _mapping(root / "facts.json", json.loads)
    for key in ("source", "targets", "methods", "seeds"):
        if key not in experiment:
            raise RunError(f"{root / 'experiment.yaml'}: '{key}' is missing")
    try:
        labels = [method_label(entry) for entry in experiment["methods"]]
    except (TypeError, ValueError, AttributeError) as error:
        raise RunError(f"{root / 'experiment.yaml'}: methods: {reason(error)}") from None
    seeds = [int(seed) for seed in experiment["seeds"]]
    trials = tuple(
        _trial(root / "trials" / target / method / f"seed-{seed}", target, method, seed)
        for target in experiment["targets"]
        for method in labels
        for seed in seeds
    )
    ready_made = bool(experiment["source"].get("bundle"))
    names = {path.name for path in (root / "source").glob("*") if path.is_dir()}
    if any(about.get("needs_source") for about in facts.get("methods", {}).values()):
        # Before the first of them begins there is no folder to tell of them.
        names.add("randomized" if experiment["source"].get("randomization") else "nominal")
    sources = tuple(
        _trial(root / "source" / name / f"seed-{seed}", name, SOURCE, seed, ready_made)
        for name in sorted(names)
        for seed in seeds[: experiment["source"].get("policies")]
    )
    run = Run(root, experiment, facts, trials, sources)
    checked: dict[tuple[str, str, int], Trial] = {}
    for target in experiment["targets"]:
        for methods in (run.methods, *([name] for name in run.longer)):
            done = [trial for name in methods for trial in run.done(target, name)]
            checked |= _on_same_steps(done)
    return replace(run, trials=tuple(checked.get(trial.key, trial) for trial in trials))


def _trial(path: Path, target: str, method: str, seed: int, ready_made: bool = False) -> Trial:
    if not (path / "status.json").is_file():
        return Trial(target, method, seed, "missing", "has not been run")
    try:
        status = _mapping(path / "status.json", json.loads)
    except RunError as error:
        return Trial(target, method, seed, "invalid", str(error))
    state, seconds = str(status.get("state")), status.get("seconds")
    if state == "failed":
        said = str(status.get("error") or "no reason recorded").strip()
        trace = status.get("traceback")
        return Trial(target, method, seed, state, said, trace, seconds, status)
    if state != "done":
        said = f"not finished: at step {status.get('step')} of {status.get('steps')}"
        return Trial(target, method, seed, "running", said, None, seconds, status)
    try:
        evaluations = tuple(read_evaluations(path / CURVE))
        if not (ready_made and evaluations):
            check_curve(evaluations, path / CURVE)
    except RunError as error:
        return Trial(target, method, seed, "invalid", str(error), None, seconds, status)
    return Trial(target, method, seed, "done", None, None, seconds, status, evaluations)


def _on_same_steps(trials: list[Trial]) -> dict[tuple[str, str, int], Trial]:
    """Return those of finished trials that were evaluated at other steps than most, as invalid."""
    counts = Counter(trial.steps for trial in trials)
    usual = max(counts, key=lambda steps: (counts[steps], len(steps)), default=())
    return {
        trial.key: replace(
            trial,
            state="invalid",
            evaluations=(),
            error=f"has {len(trial.steps)} evaluations up to step {trial.steps[-1]:,} where others "
            f"of its target have {len(usual)} up to step {usual[-1]:,}; the same 'headstart run' "
            "runs those anew that are not whole",
        )
        for trial in trials
        if trial.steps != usual
    }


def _mapping(path: Path, parse: Any) -> dict[str, Any]:
    try:
        found = parse(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise RunError(f"{path.parent}: no {path.name}, so this is not a run directory") from None
    except (OSError, ValueError, YAMLError) as error:
        raise RunError(f"{path}: cannot be read ({reason(error)})") from None
    if not isinstance(found, dict):
        raise RunError(f"{path}: expected a mapping, found {type(found).__name__}")
    return found
