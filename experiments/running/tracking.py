"""Trials logged by Weights & Biases or MLflow: the scalars that TensorBoard has.

A trial is a run there. What it is called there, and what was logged last, is in the trial's
`track.json`: a trial that goes on from a checkpoint goes on in its run, and no point is
logged twice. A service that fails costs no trial: logging ends there, and the run says so.
"""

from __future__ import annotations

import importlib
import inspect
import os
import re
import sys
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from stable_baselines3.common.logger import KVWriter

from ...core.errors import HeadstartError, nearest, one_line, shown
from ...core.files import read_json, write_json
from ...core.named import NamedEntry, split_named
from .plan import Plan

FILE = "track.json"
TENSORBOARD = "tensorboard"


class Tracker(Protocol):
    """One run of a service."""

    id: str

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Log values at a step."""
        ...

    def close(self, failed: bool) -> None:
        """End the run."""
        ...


@dataclass(frozen=True)
class Tracked:
    """What a service is told of a trial: its names, and what it was made with."""

    experiment: str
    target: str
    method: str
    seed: str
    config: Mapping[str, Any]
    directory: Path

    @property
    def name(self) -> str:
        """What the run is called."""
        return f"{self.target}/{self.method}/{self.seed}"


class WandbTracker:
    """A run of Weights & Biases, in the mode that WANDB_MODE or `mode` says."""

    settings = ("project", "entity", "mode")

    def __init__(self, trial: Tracked, known: str | None, settings: Mapping[str, Any]) -> None:
        import wandb

        self._run = wandb.init(
            project=settings.get("project") or os.environ.get("WANDB_PROJECT") or "headstart",
            entity=settings.get("entity"),
            mode=settings.get("mode"),
            group=trial.experiment,
            name=trial.name,
            id=known or uuid.uuid4().hex[:12],
            resume="allow",
            tags=[trial.target, trial.method, trial.seed],
            config=dict(trial.config),
            dir=str(trial.directory),
            settings=wandb.Settings(silent=True, console="off"),
        )
        self.id = str(self._run.id)

    @staticmethod
    def check(settings: Mapping[str, Any]) -> None:
        """Raise HeadstartError where it would ask for a login, which workers cannot give."""
        import wandb

        mode = settings.get("mode") or os.environ.get("WANDB_MODE") or "online"
        if mode != "online":
            return
        # Older versions have no question that does not ask.
        asks = "prompt" not in inspect.signature(wandb.login).parameters
        if not (wandb.api.api_key if asks else wandb.login(prompt=False)):
            raise HeadstartError("wandb: run 'wandb login' first, or set WANDB_MODE=offline")

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Log values at a step."""
        self._run.log(dict(values), step=step)

    def close(self, failed: bool) -> None:
        """End the run."""
        self._run.finish(exit_code=int(failed))


class MlflowTracker:
    """A run of MLflow, in the store that MLFLOW_TRACKING_URI or `uri` says."""

    settings = ("uri", "experiment")

    def __init__(self, trial: Tracked, known: str | None, settings: Mapping[str, Any]) -> None:
        from mlflow import MlflowClient

        self._client = MlflowClient(tracking_uri=settings.get("uri"))
        if known is not None:
            self._client.update_run(known, status="RUNNING")
            self.id = known
            return
        number = _experiment_id(self._client, settings.get("experiment") or trial.experiment)
        tags = {
            "group": trial.experiment,
            "target": trial.target,
            "method": trial.method,
            "seed": trial.seed,
        }
        run = self._client.create_run(number, run_name=trial.name, tags=tags)
        self.id = str(run.info.run_id)
        for name, value in trial.config.items():
            self._client.log_param(self.id, name, shown(value, 400))

    @staticmethod
    def check(settings: Mapping[str, Any]) -> None:
        """Raise HeadstartError where the store cannot be used."""
        from mlflow import MlflowClient

        try:
            MlflowClient(tracking_uri=settings.get("uri")).search_experiments(max_results=1)
        except Exception as error:  # whatever a store that cannot be reached raises
            raise HeadstartError(f"mlflow: {shown(one_line(error), 180)}") from None

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Log values at a step."""
        from mlflow.entities import Metric

        now = int(1000 * time.time())
        metrics = [
            # Names of parameters may have characters that MLflow refuses.
            Metric(re.sub(r"[^\w./ -]", "_", name), value, now, step)
            for name, value in values.items()
        ]
        self._client.log_batch(self.id, metrics=metrics)

    def close(self, failed: bool) -> None:
        """End the run."""
        self._client.set_terminated(self.id, "FAILED" if failed else "FINISHED")


TRACKERS: dict[str, Any] = {"wandb": WandbTracker, "mlflow": MlflowTracker}


def check_track(entry: NamedEntry | None) -> None:
    """Check that trials can be logged where an experiment says.

    Raises:
        HeadstartError: an unknown service or setting, or one that is not installed or logged in.
    """
    if entry is None:
        return
    name, settings = split_named(entry, "tracker", "wandb, mlflow, or {wandb: {project: ...}}")
    if name not in TRACKERS:
        raise HeadstartError(f"unknown tracker '{name}'{nearest(name, TRACKERS)}")
    kind = TRACKERS[name]
    for key, value in settings.items():
        if key not in kind.settings:
            raise HeadstartError(f"unknown setting '{key}' of {name}{nearest(key, kind.settings)}")
        if not isinstance(value, str):
            raise HeadstartError(f"{name}: {key}: expected a text, got {value!r}")
    try:
        importlib.import_module(name)
    except ImportError:
        raise HeadstartError(
            f"'{name}' needs the extra '{name}': pip install 'headstart[{name}]'"
        ) from None
    kind.check(settings)


class TrackedLog(KVWriter):
    """Sends a log's scalars to a run of a service, those that were sent before left out."""

    def __init__(self, place: Path, service: str, begin: Any) -> None:
        """Open the run, the one that `place` names or a new one, by `begin(id or None)`."""
        self._place = place
        known: dict[str, Any] = read_json(place) or {}
        if known.get("service") != service:
            known = {"service": service, "id": None, "step": -1, "names": [], "error": None}
        self._record = known
        self._until, self._names = int(known["step"]), frozenset(known["names"])
        self._tracker: Tracker | None = None
        with self._told():
            self._tracker = begin(known["id"])
            self._write(id=self._tracker.id, error=None)

    def write(
        self, key_values: dict[str, Any], key_excluded: dict[str, tuple[str, ...]], step: int = 0
    ) -> None:
        """Send the scalars of a step."""
        values = {
            name: float(value)
            for name, value in key_values.items()
            if isinstance(value, (int, float, np.number))
            and TENSORBOARD not in (key_excluded.get(name) or ())
            # Of the last step, evaluations may have been logged and losses not.
            and not (step == self._until and name in self._names)
        }
        if self._tracker is None or step < self._until or not values:
            return
        with self._told():
            same = self._record["names"] if step == self._record["step"] else []
            self._write(step=step, names=[*same, *values])
            self._tracker.log(values, step)

    def close(self) -> None:
        """Leave the run open: it ends with its trial, by `end`."""

    def end(self, failed: bool) -> None:
        """End the run."""
        with self._told():
            if self._tracker is not None:
                self._tracker.close(failed)

    def _write(self, **changes: Any) -> None:
        self._record.update(changes)
        write_json(self._place, self._record)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Have what a service raises end the logging, and not the trial."""
        try:
            yield
        except Exception as error:  # whatever a service raises
            self._tracker = None
            print(f"{self._record['service']}: {one_line(error)}", file=sys.stderr)
            self._write(error=shown(one_line(error), 200))


@contextmanager
def tracked(plan: Plan, run: Path, folder: Path) -> Iterator[Sequence[TrackedLog]]:
    """Yield what logs a trial where its experiment says, nothing where it says nothing."""
    experiment = plan.experiment
    if experiment.track is None:
        yield ()
        return
    service, settings = split_named(experiment.track, "tracker")
    target, method, seed = folder.parts[-3:]
    config = {
        "source": experiment.source.world,
        "world": plan.worlds[target].world,
        "algorithm": plan.algorithm.name,
        "steps": plan.budgets[target, method],
        "settings": repr(plan.methods[method]),
    }
    trial = Tracked(experiment.name, target, method, seed, config, run)
    log = TrackedLog(
        folder / FILE, service, lambda known: TRACKERS[service](trial, known, settings)
    )
    failed = True
    try:
        yield (log,)
        failed = False
    finally:
        log.end(failed)


def untracked(plan: Plan, directory: Path) -> list[str]:
    """Return, for messages, what of a run a service has not got, and why."""
    if plan.experiment.track is None:
        return []
    found: dict[str, int] = {}
    for unit in plan.units:
        known = (read_json(directory / unit.path / FILE) or {}) if unit.is_trial else {}
        if known.get("error"):
            said = f"{known['service']}: {known['error']}"
            found[said] = found.get(said, 0) + 1
    return [f"{count} trials not logged to their end: {said}" for said, count in found.items()]


def _experiment_id(client: Any, name: str) -> str:
    """Return the id of MLflow's experiment of a name, made where there is none."""
    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name))
        except Exception:  # another worker may have been first
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    return str(found.experiment_id)
