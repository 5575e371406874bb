"""Reading a run directory: every trial that was asked for, with its curve or with why it has none.

What is wrong with one trial (it failed, was not run, holds NaN, has no evaluation at step 0, a line
cannot be read, its steps are not those of the others) makes that trial a failed one, listed with
the reason; the others stand. What leaves nothing to compare (no experiment) is an error.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

from ...core.named import split_named
from ...core.plain import from_json
from ...envs.catalog import control_period
from ..config.schema import SOURCE, method_label, source_seed
from ..config.yaml_text import YAMLError, loads
from ..records import COLUMNS, CURVE, check_curve, read_evaluations, reason
from ..records import RunError as RunError
from .results import Anchors
from .settings import EvaluationSettings, SourceSettings, TargetSettings


@dataclass(frozen=True)
class Status:
    """What a source's or trial's status.json says of it; what it lacks is None.

    Attributes:
        state: `done`, `failed`, `running` or `stopped`.
        step: the step that it has reached, of `steps` in all.
        error: one line on why it failed.
        traceback: the traceback, where it failed.
        seconds: wall time spent on it.
        computed_on: the processors that it was computed on.
        reused_seconds: what training had taken, of a source policy that was taken from the cache.
        source_returns: the returns in the source before and after transfer, where measured.
        source_steps: steps in source worlds that a method took beside the source's training.
        decisions: what a method decided by itself in training, by step.
    """

    state: str = "None"
    step: int | None = None
    steps: int | None = None
    error: str | None = None
    traceback: str | None = None
    seconds: float | None = None
    computed_on: tuple[str, ...] = ()
    reused_seconds: float | None = None
    source_returns: tuple[float, float] | None = None
    source_steps: int = 0
    decisions: tuple[tuple[int, str], ...] = ()

    @classmethod
    def read(cls, written: Mapping[str, Any]) -> Status:
        """Return the status that a mapping holds, as status.json is written."""
        before, after = written.get("source_return_before"), written.get("source_return_after")
        measured = None if before is None or after is None else (float(before), float(after))
        return cls(
            state=str(written.get("state")),
            step=written.get("step"),
            steps=written.get("steps"),
            error=written.get("error"),
            traceback=written.get("traceback"),
            seconds=written.get("seconds"),
            computed_on=tuple(written.get("computed_on") or ()),
            reused_seconds=written.get("reused_seconds"),
            source_returns=measured,
            source_steps=int(written.get("source_steps") or 0),
            decisions=tuple(
                (int(one["step"]), str(one["decision"])) for one in written.get("decisions") or ()
            ),
        )


@dataclass(frozen=True)
class Trial:
    """One method on one target with one seed (or one source with one seed).

    Attributes:
        target: name of the target; for a source its name.
        method: name of the method; `source` for a source.
        seed: the seed.
        state: `done`, `failed` (raised an error), `running` (not finished), `missing` (never
            started) or `invalid` (finished, but its curve cannot be used).
        error: one line on why the state is not `done`.
        status: what its status.json says.
        evaluations: its evaluations in the order of their steps.
    """

    target: str
    method: str
    seed: int
    state: str
    error: str | None = None
    status: Status = Status()
    evaluations: tuple[Mapping[str, Any], ...] = ()

    @property
    def key(self) -> tuple[str, str, int]:
        """What distinguishes it from the others: target, method and seed."""
        return self.target, self.method, self.seed

    @property
    def unit(self) -> str:
        """Its name where sources and trials are listed: `target/method/seed-k`."""
        names = (SOURCE, self.target) if self.method == SOURCE else (self.target, self.method)
        return "/".join((*names, f"seed-{self.seed}"))

    @property
    def traceback(self) -> str | None:
        """The traceback of a failed trial."""
        return self.status.traceback if self.state == "failed" else None

    @property
    def seconds(self) -> float | None:
        """Wall time spent on it."""
        return self.status.seconds

    @property
    def source_returns(self) -> tuple[float, float] | None:
        """The returns in the source before and after transfer; None where not measured."""
        return self.status.source_returns

    @property
    def steps(self) -> tuple[int, ...]:
        """The steps of its evaluations."""
        return tuple(line["step"] for line in self.evaluations)

    @property
    def success(self) -> tuple[float | None, ...]:
        """The success rate of each evaluation; None where the world told of none."""
        return tuple(line["success"] for line in self.evaluations)

    @property
    def episodes(self) -> tuple[int, ...]:
        """The number of episodes of each evaluation."""
        return tuple(line["episodes"] for line in self.evaluations)

    @property
    def returns(self) -> tuple[float, ...]:
        """The mean return of each evaluation."""
        return tuple(line["return"] for line in self.evaluations)


@dataclass(frozen=True)
class Run:
    """What a run directory holds.

    Attributes:
        directory: where it is.
        experiment: the resolved experiment, as it is written; `source`, `targets` and `evaluation`
            are its typed parts.
        facts: commands, versions, hardware, parameters, anchors, as they are written.
        trials: every trial of the experiment in its order, whatever its state.
        sources: the same for the sources.
    """

    directory: Path
    experiment: Mapping[str, Any]
    facts: Mapping[str, Any]
    trials: tuple[Trial, ...]
    sources: tuple[Trial, ...]

    @property
    def name(self) -> str:
        """The name of the experiment."""
        return str(self.experiment.get("name", self.directory.name))

    @property
    def seeds(self) -> list[int]:
        """The seeds of the trials."""
        return list(self.experiment["seeds"])

    @property
    def source(self) -> SourceSettings:
        """What is trained first."""
        return SourceSettings.read(self.experiment["source"])

    @property
    def targets(self) -> dict[str, TargetSettings]:
        """The targets by name."""
        return {
            name: TargetSettings.read(written, self.source)
            for name, written in self.experiment["targets"].items()
        }

    @property
    def evaluation(self) -> EvaluationSettings:
        """How trials are evaluated."""
        return EvaluationSettings.read(self.experiment.get("evaluation", {}))

    @property
    def methods(self) -> list[str]:
        """The labels of the methods that share a target's budget, in the experiment's order."""
        return [label for label in self.all_methods if label not in self.longer]

    @property
    def longer(self) -> list[str]:
        """The labels of the methods that train for the source's steps as well."""
        facts = self.method_facts
        return [m for m in self.all_methods if facts.get(m, {}).get("adds_source_steps")]

    @property
    def method_entries(self) -> dict[str, Any]:
        """What the experiment says of each method, by label."""
        return {method_label(entry): entry for entry in self.experiment["methods"]}

    @property
    def all_methods(self) -> list[str]:
        """The labels of all methods, in the experiment's order."""
        return list(self.method_entries)

    @property
    def registered(self) -> dict[str, str]:
        """The names that the methods are registered under, by label."""
        return {
            label: split_named(entry, "method")[0] for label, entry in self.method_entries.items()
        }

    @property
    def method_facts(self) -> Mapping[str, Mapping[str, Any]]:
        """What was recorded of each method, by label."""
        found: Mapping[str, Mapping[str, Any]] = self.facts.get("methods", {})
        return found

    @property
    def parameter_facts(self) -> Mapping[str, Mapping[str, Mapping[str, Any]]]:
        """What was recorded of each world's parameters, by world and name."""
        found: Mapping[str, Mapping[str, Mapping[str, Any]]] = self.facts.get("parameters", {})
        return found

    @property
    def versions(self) -> Mapping[str, str]:
        """The versions of packages that were recorded."""
        return self.facts.get("versions") or {}

    def period(self, target: str) -> float | None:
        """Return what a step in a target takes on a robot, in seconds; None where not known.

        It is that of worlds that divide time into control steps; see `control_period`.
        """
        world = self.targets[target].world
        recorded = self.facts.get("periods", {}).get(world)
        return control_period(str(world)) if recorded is None else float(recorded)

    def steps_taken(self, target: str) -> tuple[int, int]:
        """Return the steps of all trials in a target so far, of training and of evaluation."""
        training = evaluation = 0
        for trial in self.trials:
            if trial.target != target or not trial.evaluations:
                continue
            lines = trial.evaluations
            if self.method_facts.get(trial.method, {}).get("trains", True):
                training += lines[-1]["step"]
            else:
                lines = lines[:1]  # one evaluation, recorded at every step of the grid
            evaluation += round(sum(line["length"] * line["episodes"] for line in lines))
        return training, evaluation

    def stored_anchors(self, name: str) -> Anchors:
        """Return the anchors of a target, or of the source, as far as they are recorded."""
        found = self.facts.get("anchors", {}).get(name) or {}
        known = {key: found.get(key) or None for key in ("random", "reference")}
        return from_json(Anchors, known)

    def findings(self, name: str) -> list[str]:
        """Return what the probe of a target's world, or of the source's, found before the run."""
        return list((self.facts.get("findings") or {}).get(name, ()))

    @property
    def code_changes(self) -> list[str]:
        """The files and packages that changed while or after units were computed, each once."""
        changes = self.facts.get("code_changes") or []
        return list(dict.fromkeys(name for change in changes for name in change["changed"]))

    @property
    def commits(self) -> list[str]:
        """The git commits of headstart that units were run with, in their order, if recorded."""
        first = self.facts.get("git")
        return list(self.facts.get("commits") or ([first] if first else []))

    @property
    def source_seeds(self) -> dict[int, int] | None:
        """The seed of the source policy by that of a trial; None where each has its own.

        None too where all share a pretrained one: a single policy says nothing of others.
        """
        policies = self.source.policies
        if policies is None or policies >= len(self.seeds):
            return None
        return {int(seed): int(source_seed(self.seeds, policies, seed)) for seed in self.seeds}

    @property
    def source_steps(self) -> int:
        """The steps that the source policies took: whole rollouts, so often more than asked for."""
        taken = [trial.steps[-1] for trial in self.sources if trial.state == "done"]
        return max(taken, default=int(self.source.steps or 0))

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
        import pandas as pd

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
        found = [
            t for t in self.trials if (t.target, t.method, t.state) == (target, method, "done")
        ]
        return sorted(found, key=lambda trial: trial.seed)


def load_run(directory: str | Path) -> Run:
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
    run = Run(root, experiment, facts, (), ())
    try:
        labels = run.all_methods
    except (TypeError, ValueError, AttributeError) as error:
        raise RunError(f"{root / 'experiment.yaml'}: methods: {reason(error)}") from None
    seeds = [int(seed) for seed in run.seeds]
    trials = tuple(
        _trial(root / "trials" / target / method / f"seed-{seed}", target, method, seed)
        for target in run.targets
        for method in labels
        for seed in seeds
    )
    pretrained = bool(run.source.bundle)
    names = {path.name for path in (root / "source").glob("*") if path.is_dir()}
    if any(about.get("needs_source") for about in facts.get("methods", {}).values()):
        # Before the first of them starts there is no folder that names them.
        names.add("randomized" if run.source.randomization else "nominal")
    sources = tuple(
        _trial(root / "source" / name / f"seed-{seed}", name, SOURCE, seed, pretrained)
        for name in sorted(names)
        for seed in seeds[: run.source.policies]
    )
    run = replace(run, trials=trials, sources=sources)
    checked: dict[tuple[str, str, int], Trial] = {}
    for target in run.targets:
        for methods in (run.methods, *([name] for name in run.longer)):
            done = [trial for name in methods for trial in run.done(target, name)]
            checked |= _on_same_steps(done)
    return replace(run, trials=tuple(_told(run, checked)))


def _told(run: Run, checked: Mapping[tuple[str, str, int], Trial]) -> Iterator[Trial]:
    """Yield the trials, with success 0 where no episode of an evaluation told of it but others did.

    Some worlds set the key on success alone: what is missing there is a failure.
    """
    found = [checked.get(trial.key, trial) for trial in run.trials]
    telling = {t.target for t in found if any(rate is not None for rate in t.success)}
    for trial in found:
        lines = trial.evaluations
        if trial.target in telling:
            lines = tuple(map(_with_success, lines))
        yield replace(trial, evaluations=lines)


def _with_success(line: Mapping[str, Any]) -> Mapping[str, Any]:
    if line["success"] is not None:
        return line
    return {**line, "success": 0.0, "success_unreported": line["episodes"]}


def _trial(path: Path, target: str, method: str, seed: int, pretrained: bool = False) -> Trial:
    if not (path / "status.json").is_file():
        return Trial(target, method, seed, "missing", "has not been run")
    try:
        status = Status.read(_mapping(path / "status.json", json.loads))
    except RunError as error:
        return Trial(target, method, seed, "invalid", str(error))
    if status.state == "failed":
        why = str(status.error or "no reason recorded").strip()
        return Trial(target, method, seed, "failed", why, status)
    if status.state != "done":
        why = f"not finished: at step {status.step} of {status.steps}"
        return Trial(target, method, seed, "running", why, status)
    try:
        evaluations = tuple(read_evaluations(path / CURVE))
        if not (pretrained and evaluations):
            check_curve(evaluations, path / CURVE)
    except RunError as error:
        return Trial(target, method, seed, "invalid", str(error), status)
    return Trial(target, method, seed, "done", None, status, evaluations)


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
