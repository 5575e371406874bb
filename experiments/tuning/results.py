"""What a study found: a table of its trials, the same as CSV, and the best as YAML."""

from __future__ import annotations

import csv
import io
import shlex
from pathlib import Path
from typing import Any

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from ...core.files import write_text
from ..config.method_entries import Tuned
from ..config.yaml_text import dumps
from ..running import metadata
from ..showing.tables.registries import Sheet, in_yaml
from .space import short
from .study import TuningTask
from .trials import ERROR, SETTINGS, STEPS, TRIED

SHOWN = 10
_ENDED = (*TRIED, TrialState.FAIL)


def ended(study: Study) -> list[FrozenTrial]:
    """Return the trials that have ended, the best first; what was stopped follows the whole."""
    trials = study.get_trials(deepcopy=False, states=_ENDED)

    def rank(trial: FrozenTrial) -> tuple[int, float, int]:
        worse = float("-inf") if trial.value is None else trial.value
        return _ENDED.index(trial.state), -worse, trial.number

    return sorted(trials, key=rank)


def tuned(study: Study, task: TuningTask) -> Tuned:
    """Return what the best settings were found with."""
    trials = ended(study)
    tried = sum(trial.state in TRIED for trial in trials)
    return Tuned(
        trials=tried,
        steps=tried * sum(task.budgets),
        spent=sum(trial.user_attrs.get(STEPS, 0) for trial in trials),
        seeds=task.experiment.seeds,
    )


def write_search(study: Study, task: TuningTask, out: Path) -> None:
    """Write `tuning.csv` and `best.yaml`.

    Raises:
        StoreError: a file cannot be written.
    """
    write_text(out / "tuning.csv", _csv(study, task))
    write_text(out / "best.yaml", _best(study, task))


def sheet(study: Study, task: TuningTask) -> Sheet:
    """Return the best trials, and the method as it is, as a table."""
    names = [found.name for found in task.space.ranges]
    trials = ended(study)
    shown = [trial for rank, trial in enumerate(trials) if rank < SHOWN or trial.number == 0]
    rows = [
        (
            f"{trial.number}{' (as it is)' if trial.number == 0 else ''}",
            trial.state.name.lower(),
            "–" if trial.value is None else f"{trial.value:.3f}",
            *(in_yaml(trial.user_attrs.get(SETTINGS, {}).get(name)) for name in names),
        )
        for trial in shown
    ]
    return Sheet(("trial", "state", "value", *map(short, names)), rows)


def verdict(study: Study, task: TuningTask) -> str:
    """Say in words what the search was worth."""
    best, first = ended(study)[0], study.get_trials(deepcopy=False)[0]
    spent = tuned(study, task)
    pruned = sum(trial.state == TrialState.PRUNED for trial in study.get_trials(deepcopy=False))
    assert best.value is not None
    assert first.value is not None
    won = (
        "no trial was better than the method as it is"
        if best.number == first.number
        else f"the best, trial {best.number}, is {best.value:.3f} where the method as it is has "
        f"{first.value:.3f}"
    )
    return (
        f"{spent.trials} trials ({pruned} stopped early), {spent.spent:,} of {spent.steps:,} "
        f"target steps: {won}, by the seeds tuned on; what it is worth on others, a run with "
        "best.yaml shows."
    )


def _csv(study: Study, task: TuningTask) -> str:
    names = [found.name for found in task.space.ranges]
    written = io.StringIO()
    table = csv.writer(written, lineterminator="\n")
    table.writerow(("trial", "state", "value", "steps", *names, "error"))
    for trial in sorted(ended(study), key=lambda trial: trial.number):
        known: dict[str, Any] = trial.user_attrs
        value = "" if trial.value is None else repr(trial.value)
        settings = [in_yaml(known.get(SETTINGS, {}).get(name)) for name in names]
        row = (trial.number, trial.state.name.lower(), value, known.get(STEPS, 0), *settings)
        table.writerow((*row, known.get(ERROR, "")))
    return written.getvalue()


def _best(study: Study, task: TuningTask) -> str:
    """Return the best settings as an experiment's `methods`, with how they were found."""
    best, first = ended(study)[0], study.get_trials(deepcopy=False)[0]
    entry: dict[str, Any] = task.space.settings(best.user_attrs[SETTINGS])
    if task.label != task.name.split(":")[-1]:
        entry["label"] = task.label
    entry["tuned"] = tuned(study, task).model_dump()
    targets = ", ".join(task.experiment.targets)
    seeds = ", ".join(map(str, task.experiment.seeds))
    comments = (
        f"Trial {best.number} of study '{study.study_name}': {best.value:.4f}, where the method "
        f"as it is has {first.value:.4f}",
        f"(mean area under the curve over targets {targets} and seeds {seeds}).",
        f"Found by: {metadata.command_line()}",
        f"Ranges: {shlex.join(f'{name} {text}' for name, text in task.search.items())}",
    )
    # Lists and innermost mappings on one line each, as one would write them.
    plain = dumps({"methods": [{task.name: entry}]}, width=100, flow=None)
    return "".join(f"# {line}\n" for line in comments) + plain
