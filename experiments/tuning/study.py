"""A study: what is tuned, and the Optuna study that holds its trials, in a file or a database."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from filelock import FileLock
from optuna.distributions import BaseDistribution
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler, TPESampler
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from ...core.errors import HeadstartError
from ...core.named import split_named
from ..config.method_entries import own_settings
from ..config.schema import Experiment, build, method_label
from ..config.yaml_text import dumps, loads
from ..running.plan import Plan, make_plan, stream
from ..running.runner import first_difference
from .space import Space, space

PRUNE_AFTER = 5
"""Whole trials that a median is worth something of."""
WARM_UP = 0.5
"""The share of a trial's first curve in which it is not stopped: beginnings are noise."""
TASK, SCALES = "task", "scales"
_JOURNAL = b'{"op_code":'


@dataclass(frozen=True)
class TuningTask:
    """What is tuned: an experiment of one method, on the seeds to tune on, and its ranges."""

    experiment: Experiment
    search: Mapping[str, str]
    seed: int

    @classmethod
    def of(cls, study: Study) -> TuningTask:
        """Return the task that a study holds."""
        plain = _task(study)
        return cls(build(plain["experiment"], "the study"), plain["search"], plain["seed"])

    def plain(self) -> dict[str, Any]:
        """Return it as plain data."""
        resolved = self.experiment.resolved()
        return {"experiment": resolved, "search": dict(self.search), "seed": self.seed}

    @property
    def name(self) -> str:
        """The method's name in the registry, or its path."""
        return split_named(self.experiment.methods[0], "method")[0]

    @property
    def label(self) -> str:
        """What the method is called in folders and tables."""
        return method_label(self.experiment.methods[0])

    @property
    def study(self) -> str:
        """The study's name in its storage."""
        return f"{self.experiment.name}/{self.label}"

    @cached_property
    def plan(self) -> Plan:
        """The experiment, resolved."""
        return make_plan(self.experiment)

    @cached_property
    def space(self) -> Space:
        """The ranges that are searched."""
        _, settings = split_named(self.experiment.methods[0], "method")
        return space(self.name, own_settings(settings), self.plan.algorithm, self.search)

    @cached_property
    def units(self) -> list[str]:
        """The target and seed pairs that a trial trains on, by their paths, in this order."""
        return [
            f"trials/{target}/{self.label}/seed-{seed}"
            for seed in self.experiment.seeds
            for target in self.experiment.targets
        ]

    @cached_property
    def grids(self) -> list[list[int]]:
        """The steps at which each of the units is evaluated."""
        return [
            self.plan.target_grid(target, self.label)
            for _ in self.experiment.seeds
            for target in self.experiment.targets
        ]

    @property
    def budgets(self) -> list[int]:
        """The target steps of each of the units."""
        return [grid[-1] for grid in self.grids]

    @property
    def evaluations(self) -> int:
        """How many evaluations a whole trial has, those at step 0 left out."""
        return sum(len(grid) - 1 for grid in self.grids)


def open_study(storage: str, task: TuningTask | None = None, name: str = "") -> Study:
    """Return the study of a task, begun if it is not there; or the one of this name.

    Raises:
        HeadstartError: the storage cannot be opened, or holds a study of another task.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        opened = _storage(storage)
        if task is None:
            study = optuna.load_study(study_name=name, storage=opened)
        else:
            study = optuna.create_study(
                study_name=task.study, storage=opened, direction="maximize", load_if_exists=True
            )
    # Drivers of databases raise what they like, and none of it is headstart's.
    except Exception as error:
        said = str(error).strip().partition("\n")[0] or type(error).__name__
        raise HeadstartError(f"cannot open the storage '{storage}': {said}") from None
    if task is not None:
        if TASK not in study.user_attrs:
            # As text: the JSON of a storage has no numbers as keys, no dates and no infinity.
            study.set_user_attr(TASK, dumps(task.plain()))
        elif differing := first_difference(_task(study), task.plain()):
            raise HeadstartError(
                f"'{storage}' holds another study '{study.study_name}': {differing}; choose "
                "another --out, or another --storage"
            )
    task = TuningTask.of(study)
    study.sampler = Sampler(task.seed)
    study.pruner = CurvePruner(1 + int(WARM_UP * (len(task.grids[0]) - 1)))
    return study


def _task(study: Study) -> dict[str, Any]:
    """Return what a study holds of its task; those of before held it as JSON."""
    held = study.user_attrs[TASK]
    plain: dict[str, Any] = loads(held) if isinstance(held, str) else held
    return plain


def _storage(where: str) -> BaseStorage:
    if "://" in where:
        # Several processes may write at once, and sqlite lets them wait for five seconds only.
        patient = {"connect_args": {"timeout": 60}} if where.startswith("sqlite:") else None
        return RDBStorage(where, engine_kwargs=patient)
    path = Path(where)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"there is no directory '{path.parent}'")
    if path.exists() and (begin := path.read_bytes()[: len(_JOURNAL)]) != _JOURNAL[: len(begin)]:
        raise ValueError("it is a file of something else")
    return JournalStorage(JournalFileBackend(where, lock_obj=_JournalLock(where)))


class _JournalLock(JournalFileOpenLock):
    """A lock that the system frees when its owner dies, in place of one that must grow stale."""

    def __init__(self, journal: str) -> None:
        super().__init__(journal)
        self._journal = journal
        self._held = FileLock(f"{journal}.lock")

    def acquire(self) -> bool:
        """Wait for the lock; cut off what a writer that was killed left of its last line."""
        self._held.acquire()
        with open(self._journal, "ab+") as file:
            size = end = file.tell()
            while end:
                begin = max(end - 4096, 0)
                file.seek(begin)
                found = file.read(end - begin).rfind(b"\n")
                if found >= 0:
                    end = begin + found + 1
                    break
                end = begin
            if end < size:
                os.truncate(self._journal, end)
        return True

    def release(self) -> None:
        """Free the lock."""
        self._held.release()


class Sampler(BaseSampler):
    """Optuna's TPE with a random stream for each trial.

    So the same trials before give the same suggestion, whichever process asks, and a search that
    was interrupted goes on as if it had not been.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._tpe = TPESampler(seed=seed)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Begin the trial's own stream."""
        self._tpe = TPESampler(seed=stream(self.seed, f"trial {trial.number}"))

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return what is drawn together."""
        return self._tpe.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Draw it."""
        return self._tpe.sample_relative(study, trial, search_space)

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Draw one parameter on its own."""
        return self._tpe.sample_independent(study, trial, param_name, param_distribution)


class CurvePruner(BasePruner):
    """Stops a trial whose value so far is below the median of the whole trials at that point.

    Optuna's median pruner looks at the best value that a trial has reported, and so keeps one that
    begins well and then loses what it had: what fine-tuning must be kept from.
    """

    def __init__(self, first: int) -> None:
        """Stop no trial before its evaluation number `first`."""
        self.first = first

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Return whether the trial is to be stopped after its last report."""
        step = trial.last_step
        whole = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        if step is None or step < self.first or len(whole) < PRUNE_AFTER:
            return False
        theirs = [t.intermediate_values[step] for t in whole if step in t.intermediate_values]
        return bool(theirs) and trial.intermediate_values[step] < float(np.median(theirs))
