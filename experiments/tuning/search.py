"""A search as a whole: the method as it is, then trials in processes of their own, then the best.

runs/<experiment>-tune/<method>/
  journal.log         the study, unless it is stored elsewhere
  trial-0000/         the method as it is, with the sources and anchors of all trials
  trial-0001/ ...     a run directory for each trial
  tuning.csv          all trials
  best.yaml           the best, to be pasted into an experiment
"""

from __future__ import annotations

import base64
import json
import os
import queue
import threading
import uuid
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from optuna.study import Study
from optuna.trial import TrialState
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ...core.errors import HeadstartError, nearest
from ...core.files import StoreError, read_json, write_json
from ...core.streams import Terminal
from ...transfer.methods import METHODS
from ..config.schema import ConfigError, Experiment, build, method_label
from ..running.checks import check_plan
from ..running.plan import Plan
from ..running.progress import progress_bars
from ..running.runner import run_units
from ..running.workers.start import WorkerProcess
from ..showing.tables.registries import in_yaml
from . import results, space
from .study import TuningTask, open_study
from .trials import FIRST, TRIED, add_first, trial_folder

SEEDS, FIRST_SEED = 2, 100
"""How many seeds are tuned on unless told, and from which on they are looked for."""


@dataclass(frozen=True)
class Search:
    """A search that has ended: where it is, and what went wrong, if it did."""

    out: Path
    study: Study
    task: TuningTask
    errors: Sequence[str]

    @property
    def tried(self) -> int:
        """How many trials have been tried."""
        return sum(trial.state in TRIED for trial in self.study.get_trials(deepcopy=False))

    @property
    def elsewhere(self) -> list[int]:
        """The numbers of trials that other processes have started and not ended."""
        running = (TrialState.RUNNING,)
        return [t.number for t in self.study.get_trials(deepcopy=False, states=running)]


def task_of(
    experiment: Experiment,
    method: str,
    *,
    seeds: Sequence[int] | None = None,
    targets: Sequence[str] = (),
    ranges: Sequence[str] = (),
    seed: int = 0,
    where: str = "experiment",
) -> TuningTask:
    """Return what is to be tuned.

    Args:
        experiment: whose source, targets and evaluation it is; as one of its methods, or one that
            it does not list, `method` is tuned.
        method: the method's label, name, or `package.module:Class`.
        seeds: those to tune on, by default two that the experiment does not have.
        targets: those to tune on, by default all.
        ranges: `setting = distribution` texts, beside and before those that the method declares.
        seed: of the search.
        where: what errors begin with.

    Raises:
        ConfigError: seeds that are reported, or a target that is not there.
        HeadstartError: an unknown method or setting, or a range that cannot be read.
    """
    if experiment.sweep:
        raise ConfigError(f"{where}: sweep: settings are tuned at one point; take the sweep out")
    entries = {method_label(entry): entry for entry in experiment.methods}
    if method not in entries and method not in METHODS and ":" not in method:
        close = nearest(method, {*entries, *METHODS})
        raise HeadstartError(f"--method {method}: unknown{close}")
    for target in targets:
        if target not in experiment.targets:
            close = nearest(target, experiment.targets)
            raise ConfigError(f"{where}: --target {target}: unknown{close}")
    plain = experiment.resolved()
    plain["methods"] = [entries.get(method, method)]
    plain["seeds"] = _seeds(experiment.seeds, seeds)
    plain["source"].pop("policies", None)
    chosen = targets or experiment.targets
    plain["targets"] = {
        name: plain["targets"][name] for name in experiment.targets if name in chosen
    }
    task = TuningTask(build(plain, where), space.read(ranges), seed)
    # What the method declares is written down too: the study is bound to the ranges it began with.
    return TuningTask(task.experiment, task.space.texts, seed)


def _seeds(reported: Collection[int], asked: Sequence[int] | None) -> list[int]:
    """Return the seeds to tune on, none of them among those reported."""
    if asked is None:
        return list(islice((seed for seed in count(FIRST_SEED) if seed not in reported), SEEDS))
    both = [seed for seed in asked if seed in reported]
    if both:
        raise ConfigError(
            f"--seeds: {both[0]} is a seed of the experiment; tuned on the seeds that are "
            "reported, a method would look better than it is"
        )
    return list(asked)


def search_settings(
    task: TuningTask,
    *,
    out: str | Path | None = None,
    storage: str | None = None,
    trials: int = 20,
    jobs: int = 1,
    console: Console | None = None,
    where: str = "experiment",
) -> Search:
    """Search until `trials` have been tried, going on with those of an earlier call.

    Args:
        task: see `task_of`.
        out: the directory, by default `runs/<experiment>-tune/<method>`.
        storage: a database's URL, or a journal's file, by default `journal.log` in `out`.
        trials: how many are tried, the method as it is among them, stopped ones too.
        jobs: processes that run trials. With one, the same task gives the same trials.
        console: where progress is shown.
        where: what errors begin with.

    Raises:
        ConfigError: the experiment cannot be run, or `out` holds another.
        HeadstartError: the storage cannot be opened, or holds another study.
        StoreError: `out` cannot be written.
    """
    console = console or Terminal()
    plan = check_plan(task.experiment, where)
    if plan.single:
        raise ConfigError(
            f"{where}: targets.{min(plan.single)}.instances: a search would run many trials in "
            "what exists once; search in a simulation of it"
        )
    out = Path(out or Path("runs") / f"{task.experiment.name}-tune" / task.label)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"cannot write to '{out}': {error.strerror}") from None
    place = storage or str(out / "journal.log")
    if "://" not in place:
        place = str(Path(place).resolve())
    study = open_study(place, task)
    failed = _first(task, plan, out, study, jobs, console, where)
    if failed:
        return Search(out, study, task, failed)
    alone = Path(place).is_relative_to(out.resolve())
    order = {"storage": place, "study": study.study_name, "goal": trials, "alone": alone}
    search = Search(out, study, task, _Processes(study, task, out, order, console).run(jobs))
    results.write_search(search.study, task, out)
    return search


def _bind(out: Path, study: Study) -> None:
    """Bind the directory to its study: another's trials would go by the same numbers."""
    if "id" not in study.user_attrs:
        study.set_user_attr("id", uuid.uuid4().hex)
    mine = {"study": study.study_name, "id": study.user_attrs["id"]}
    there = read_json(out / "study.json")
    if there is None:
        write_json(out / "study.json", mine)
    elif there != mine:
        raise StoreError(
            f"'{out}' holds trials of another study ('{there.get('study')}'); name its --storage, "
            "or choose another --out"
        )


def _first(
    task: TuningTask,
    plan: Plan,
    out: Path,
    study: Study,
    jobs: int,
    console: Console,
    where: str,
) -> list[str]:
    """Run the method as it is, with its sources and anchors; returns what failed."""
    guard = FileLock(out / ".first")
    try:
        guard.acquire(timeout=0)
    except Timeout:
        console.print("another process runs the first trial; waiting for it")
        guard.acquire()
    try:
        _bind(out, study)
        failed = run_units(plan, out / FIRST, jobs=jobs, console=console, where=where)
        if not failed:
            add_first(study, task, out)
    finally:
        guard.release()
    return [f"{out / FIRST / path}: {_error(out / FIRST / path)}" for path in failed]


def _error(unit: Path) -> str:
    return str((read_json(unit / "status.json") or {}).get("error"))


class _Processes:
    """Processes that run trials, and what one sees of them."""

    def __init__(
        self, study: Study, task: TuningTask, out: Path, order: dict[str, Any], console: Console
    ) -> None:
        self.study, self.task, self.out, self.console = study, task, out, console
        self.order = {**order, "out": str(out.resolve())}
        if main := task.plan.main_module:
            self.order["main"] = base64.b64encode(main.packed()).decode()
        self._answers: queue.SimpleQueue[tuple[int, dict[str, Any] | None]] = queue.SimpleQueue()

    def run(self, jobs: int) -> list[str]:
        """Run trials in as many processes as are of use; returns what ended one before its time."""
        tried = sum(trial.state in TRIED for trial in self.study.get_trials(deepcopy=False))
        jobs = min(jobs, self.order["goal"] - tried)
        if jobs <= 0:
            return []
        processes = [self._start(number) for number in range(1, jobs + 1)]
        try:
            return self._watch(processes, tried)
        finally:
            for process, listener in processes:
                process.stop(listener)

    def _start(self, number: int) -> tuple[WorkerProcess, threading.Thread]:
        log = self.out / "logs" / f"process-{os.getpid()}-{number}.log"
        log.parent.mkdir(exist_ok=True)
        process = WorkerProcess("headstart.experiments.tuning.worker", log)
        with suppress(BrokenPipeError):
            print(json.dumps(self.order), file=process.stdin, flush=True)
        listener = threading.Thread(target=self._listen, args=(number, process), daemon=True)
        listener.start()
        return process, listener

    def _listen(self, number: int, process: WorkerProcess) -> None:
        for line in process.stdout:
            self._answers.put((number, json.loads(line)))
        self._answers.put((number, None))

    def _watch(
        self, processes: Sequence[tuple[WorkerProcess, threading.Thread]], tried: int
    ) -> list[str]:
        """Show what the processes do until all have ended; returns what ended one too early."""
        errors: list[str] = []
        ended: set[int] = set()
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}"),
        )
        with progress_bars(*columns, console=self.console) as progress:
            display = _Display(progress, self.order["goal"], tried, self.task.evaluations)
            left = len(processes)
            while left:
                number, message = self._answers.get()
                if message is None:
                    left -= 1
                    if number not in ended:
                        code = processes[number - 1][0].wait()
                        errors.append(
                            f"a process ended with exit status {code} in the middle (its output: "
                            f"{self.out / 'logs'})"
                        )
                elif "ending" in message:
                    ended.add(number)
                    if message["ending"]:
                        errors.append(message["ending"])
                else:
                    display.show(message)
        return errors


class _Display:
    """A bar for all trials, one for each at work, and a line for each that ended."""

    def __init__(self, progress: Progress, goal: int, tried: int, evaluations: int) -> None:
        self._progress, self._evaluations = progress, evaluations
        self._whole = progress.add_task("all trials", total=goal, completed=tried, note="")
        self._bars: dict[int, Any] = {}
        self._settings: dict[int, str] = {}

    def show(self, message: dict[str, Any]) -> None:
        """Show what a trial's process told."""
        number = message["trial"]
        if "settings" in message:
            self._settings[number] = ", ".join(
                f"{space.short(name)} {in_yaml(value)}"
                for name, value in message["settings"].items()
            )
            self._bars[number] = self._progress.add_task(
                trial_folder(number), total=self._evaluations, note=""
            )
        elif "done" in message:
            note = f"value {message['value']:.3f}"
            self._progress.update(self._bars[number], completed=message["done"], note=note)
        else:
            self._end(number, message["state"], message["value"], message["error"])

    def _end(self, number: int, state: str, value: float | None, error: str | None) -> None:
        self._progress.remove_task(self._bars.pop(number))
        if state != "failed":
            self._progress.advance(self._whole)
        style = {"complete": "green", "pruned": "yellow", "failed": "red"}[state]
        shown = "     –" if value is None else f"{value:6.3f}"
        console = self._progress.console
        console.print(
            f"[{style}]{state:8}[/] {trial_folder(number)} {shown}  ", end="", highlight=False
        )
        said = self._settings[number] + (f"  ({error})" if error else "")
        console.print(said, markup=False, highlight=False)
