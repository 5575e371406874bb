"""Trials of a study: the next one that nobody is at work on, run in a folder of its own.

The folder is a run directory: `headstart report` and TensorBoard read it. The sources are those of
the first trial, the method as it is without tuning.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from ...agents.evaluation import EvaluationError
from ...agents.training import TrainingError
from ...core.files import StoreError, lock, read_json, write_json, write_text
from ..config.yaml_text import dumps, loads
from ..records import CURVE, read_evaluations
from ..running.unit import Stop, run_unit
from .objective import Curve, Scale, reports, scale, value
from .study import SCALES, TuningTask

Tell = Callable[..., None]
SETTINGS, STEPS, ERROR = "settings", "steps", "error"
"""What is kept of a trial beside its value: what it tried, its target steps, what went wrong."""
TRIED = (TrialState.COMPLETE, TrialState.PRUNED)
"""The states of trials that count: what was tried and found good or not."""
FAILURES = 3
"""Failed trials in a row after which it is not the settings that are at fault."""
# Not finite numbers are what bad settings lead to: their trial is stopped, and has not failed.
_DIVERGED = tuple(f"{error.__name__}:" for error in (TrainingError, EvaluationError))


def trial_folder(number: int) -> str:
    """Return what a trial's folder is called."""
    return f"trial-{number:04d}"


FIRST = trial_folder(0)


def curves(task: TuningTask, directory: Path) -> list[Curve]:
    """Return the curves that a trial has so far, in the order of the task's units."""
    found: list[Curve] = []
    for unit in task.units:
        path = directory / unit / CURVE
        if not path.exists():
            break
        rows = read_evaluations(path)
        found.append(([row["step"] for row in rows], [row["return"] for row in rows]))
    return found


def add_first(study: Study, task: TuningTask, out: Path) -> None:
    """Put the method as it is without tuning into the study, as its first trial, and the scales."""
    if study.get_trials(deepcopy=False):
        return
    found, targets, scales = curves(task, out / FIRST), task.experiment.targets, []
    for number, name in enumerate(targets):
        returns = np.concatenate([heights for _, heights in found[number :: len(targets)]])
        known = task.plan.stored_anchors(name)
        if known is not None:
            random, reference = known["random"]["return"], known["reference"]["return"]
        else:
            measured = read_json(out / FIRST / "anchors" / name / "random.json") or {}
            random, reference = measured["return"], None
        scales.append(scale(random, reference, returns))
    study.set_user_attr(SCALES, scales)
    space = task.space
    inside = {r.name: r for r in space.ranges if r.parameter() is not None}
    values = reports(found, _scales(study, task), task.budgets)
    study.add_trial(
        create_trial(
            value=values[len(values)],
            params={name: found.parameter() for name, found in inside.items()},
            distributions={name: found.distribution() for name, found in inside.items()},
            intermediate_values=values,
            user_attrs={SETTINGS: space.defaults(), STEPS: sum(task.budgets)},
        )
    )


def _scales(study: Study, task: TuningTask) -> list[Scale]:
    """Return the scale of each of the task's units."""
    found = [(float(low), float(high)) for low, high in study.user_attrs[SCALES]]
    return found * len(task.experiment.seeds)


@dataclass(frozen=True)
class Work:
    """What a process does for a study: trials in `out`, until `goal` have been tried.

    `alone`: whether no other directory holds trials of the study. `tell` is called with what
    happens: `trial`, with `settings` when it begins, `done` and `value` after an evaluation, and
    `state`, `value` and `error` when it ends.
    """

    study: Study
    task: TuningTask
    out: Path
    goal: int
    alone: bool
    tell: Tell

    def run(self) -> str | None:
        """Run trials until none is left to begin; returns why it ended before that, if it did."""
        failures = 0
        while (claimed := self._claim()) is not None:
            trial, held = claimed
            try:
                error = self._run(trial)
            finally:
                held.release()
            failures = failures + 1 if error else 0
            if failures == FAILURES:
                return f"{FAILURES} trials in a row failed, the last with {error}"
        return None

    def _claim(self) -> tuple[Trial, FileLock] | None:
        """Return a trial that was interrupted, or else a new one, with its folder's lock."""
        with FileLock(self.out / ".claim"):
            for found in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
                held = self._free(found)
                if held is not None:
                    trial = Trial(self.study, found._trial_id)
                    self._suggest(trial)
                    return trial, held
            states = (*TRIED, TrialState.RUNNING)
            if len(self.study.get_trials(deepcopy=False, states=states)) >= self.goal:
                return None
            trial = self.study.ask()
            self._suggest(trial)
            return trial, lock(self.out / trial_folder(trial.number))

    def _free(self, trial: FrozenTrial) -> FileLock | None:
        """Return the lock of a running trial's folder, unless a living process holds it."""
        directory = self.out / trial_folder(trial.number)
        if not self.alone and not directory.is_dir():
            return None  # another machine's
        try:
            held = lock(directory)
        except StoreError:
            return None
        # Its process may just have ended it.
        if self.study.get_trials(deepcopy=False)[trial.number].state != TrialState.RUNNING:
            held.release()
            return None
        return held

    def _suggest(self, trial: Trial) -> None:
        """Let a trial have its settings; one that had them already keeps them."""
        trial.set_user_attr(SETTINGS, self.task.space.suggest(trial))

    def _run(self, trial: Trial) -> str | None:
        """Run a trial to its end, which the study is told of; returns why it failed, if it did."""
        directory = self.out / trial_folder(trial.number)
        settings = trial.user_attrs[SETTINGS]
        self.tell(trial=trial.number, settings=settings)
        self._prepare(directory, settings)
        report = self._reporter(trial, directory)
        try:
            report()  # what was evaluated, but not reported any more before an interruption
        except Stop:
            return self._end(trial, directory, "stopped", None)
        state, error = "done", None
        for unit in self.task.units:
            if (read_json(directory / unit / "status.json") or {}).get("state") == "done":
                continue
            state, error = run_unit(directory, unit, report)
            if state == "failed" and not str(error).startswith(_DIVERGED):
                state, error = run_unit(directory, unit, report)
            if state != "done":
                break
        return self._end(trial, directory, state, error)

    def _end(self, trial: Trial, directory: Path, state: str, error: str | None) -> str | None:
        found = curves(self.task, directory)
        trial.set_user_attr(STEPS, int(sum(steps[-1] for steps, _ in found if len(steps))))
        if error is not None:
            trial.set_user_attr(ERROR, error)
        # They may hold replay buffers, and nothing goes on from them.
        for checkpoint in directory.glob("trials/*/*/*/checkpoint"):
            shutil.rmtree(checkpoint, ignore_errors=True)
        if state == "done":
            whole = value(found, _scales(self.study, self.task), self.task.budgets)
            self.study.tell(trial, whole)
            self.tell(trial=trial.number, state="complete", value=whole, error=None)
            return None
        if state == "stopped" or str(error).startswith(_DIVERGED):
            told = self.study.tell(trial, state=TrialState.PRUNED)
            self.tell(trial=trial.number, state="pruned", value=told.value, error=error)
            return None
        self.study.tell(trial, state=TrialState.FAIL)
        self.tell(trial=trial.number, state="failed", value=None, error=error)
        return error

    def _reporter(self, trial: Trial, directory: Path) -> Callable[..., None]:
        """Return what a trial's units are to call after each evaluation.

        It reports the evaluations that are new, and raises Stop where the trial is to end.
        """
        scales, budgets = _scales(self.study, self.task), self.task.budgets
        known = self.study.get_trials(deepcopy=False)[trial.number]
        last = max(known.intermediate_values, default=0)

        def report(*_: float) -> None:
            nonlocal last
            for count, so_far in reports(
                curves(self.task, directory), scales, budgets, last
            ).items():
                self.tell(trial=trial.number, done=count, value=so_far)
                trial.report(so_far, count)
                last = count
                if count < self.task.evaluations and trial.should_prune():
                    raise Stop

        return report

    def _prepare(self, directory: Path, settings: Mapping[str, Any]) -> None:
        """Make a run directory of the trial's folder, or leave the one that it is."""
        if (directory / "experiment.yaml").exists():
            return
        first = self.out / FIRST
        # A method that needs no source has none.
        if (first / "source").is_dir() and not (directory / "source").is_symlink():
            (directory / "source").symlink_to(Path("..") / FIRST / "source")
        write_json(directory / "facts.json", read_json(first / "facts.json") or {})
        resolved = loads((first / "experiment.yaml").read_text(encoding="utf-8"))
        own = self.task.space.settings(settings)
        resolved["methods"] = [{self.task.name: {**own, "label": self.task.label}}]
        write_text(directory / "experiment.yaml", dumps(resolved))
