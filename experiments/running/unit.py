"""One unit of work in this process: train or take a source, measure an anchor, or run a trial."""

from __future__ import annotations

import shutil
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import gymnasium
from stable_baselines3.common.logger import KVWriter

from ...agents.bundles import bundle as bundles
from ...agents.bundles import pretrained
from ...agents.evaluation import Evaluation
from ...agents.learner import Learner, MakeWorld, create, useful_workers
from ...agents.session import Session
from ...agents.training import log_evaluation, tensorboard_logger
from ...agents.user_callbacks import make_callbacks
from ...core.cache import cache_folder
from ...core.errors import HeadstartError, one_line
from ...core.files import Records, read_json, write_json
from ...core.heartbeat import set_limit
from ...envs.spec import UnmadeError
from ...transfer.methods import Problem
from ...transfer.randomization.callback import RECORD, RandomizationCallback
from ...transfer.randomization.prepared import PreparedRandomization
from ..config.schema import SOURCE, load, method_label
from ..records import CURVE
from . import anchors, cache
from .claims import CLAIMED, ClaimLost
from .metadata import computed_on
from .one_instance import Instances, declared_period, in_one_world
from .plan import Plan, make_plan, stream
from .randomization import source_randomization
from .starts import START, keep_start
from .tracking import tracked

World = gymnasium.Env[Any, Any]

Progress = Callable[[int, int, float | None], None]
"""Called with the step, the steps in all, and the return that was just measured, if one was."""
# Each PyBullet client takes some 45 MB, so few worlds share the episodes.
EVALUATION_WORLDS = 4
ONCE = "; where only one may be open at a time, give its target instances: 1"


class Stop(Exception):
    """Raised by a `Progress`: the unit is to end here, as it is."""


def run_unit(
    run: Path,
    unit: str,
    progress: Progress,
    still_mine: Callable[[], None] = lambda: None,
    cores: int = 1,
    instances: Instances | None = None,
) -> tuple[str, str | None]:
    """Run a unit of the run directory `run`; a failure is recorded there, not raised.

    `still_mine` is called before anything is written; once it raises ClaimLost nothing more is.
    With several `cores` its training worlds are stepped by as many processes, with the same results
    bit for bit. `instances` holds the worlds that exist once; without it they are closed again.

    Returns the final state ("done", "failed", "stopped" where `progress` raised `Stop`, or
    "claimed" where another process took over) and, when failed or claimed, why in one line.
    """
    folder = run / unit
    started = time.monotonic()
    before = read_json(folder / "status.json") or {}
    if before.get("state") == "failed":
        # What failed may since have been fixed, so nothing of it is built upon.
        shutil.rmtree(folder)
        before = {}
    spent = before.get("seconds", 0.0)
    status: dict[str, Any] = {
        "state": "running",
        "step": 0,
        "steps": 0,
        "error": None,
        "traceback": None,
        "seconds": spent,
        "computed_on": before.get("computed_on", []),
        "source_return_before": None,
        "source_return_after": None,
    }

    def report(step: int, steps: int, value: float | None) -> None:
        still_mine()
        status.update(step=step, steps=steps, seconds=spent + time.monotonic() - started)
        write_json(folder / "status.json", status)
        progress(step, steps, value)

    kept = ExitStack()
    try:
        write_json(folder / "status.json", status)
        experiment = load(run / "experiment.yaml")
        set_limit(experiment.step_timeout)
        # A unit that goes on elsewhere has been computed on both.
        here = computed_on(experiment.device)
        status["computed_on"] = list(dict.fromkeys([*status["computed_on"], here]))
        kind, *rest = unit.split("/")
        # Only its own method is resolved: another's mistake is no concern of this unit.
        plan = make_plan(experiment, labels=rest[1:2] if kind == "trials" else ())
        held = instances if instances is not None else kept.enter_context(Instances())
        work = _Work(run, folder, plan, report, still_mine, cores, held)
        if kind == "source" and experiment.source.bundle is None:
            status.update(work.source(_seed(rest[-1])))
        elif kind == "source":
            work.ready_made(str(experiment.source.bundle))
        elif kind == "anchors":
            work.anchor(rest[0])
        else:
            target, label, seed = rest
            status.update(work.trial(target, label, _seed(seed)))
        status["state"] = "done"
        still_mine()
    except ClaimLost as error:
        return CLAIMED, str(error)
    except Stop:
        status["state"] = "stopped"
    except Exception as error:
        status.update(
            state="failed",
            error=one_line(error) + (ONCE if isinstance(error, UnmadeError) else ""),
            traceback=traceback.format_exc(),
        )
    finally:
        kept.close()
    status["seconds"] = spent + time.monotonic() - started
    try:
        write_json(folder / "status.json", status)
    except HeadstartError as error:
        return "failed", str(error)
    return status["state"], status["error"]


def _seed(folder: str) -> int:
    return int(folder.removeprefix("seed-"))


class CountedWorlds:
    """Makes target worlds and counts the steps taken in them until told to stop.

    A world steps as fast as ever afterwards: its own `step` is only covered while they are counted.
    """

    def __init__(self, make: Callable[[], World]) -> None:
        self._make = make
        self._counted: list[World] = []
        self._counting = True
        self.steps = 0

    def __getstate__(self) -> dict[str, Any]:
        """Count nothing in another process: nobody here would learn of it."""
        return {"_make": self._make, "_counted": [], "_counting": False, "steps": 0}

    def make(self) -> World:
        """Make a world."""
        world = self._make()
        if self._counting:
            step = world.step

            def counted(action: Any) -> Any:
                self.steps += 1
                return step(action)

            world.step = counted  # type: ignore[method-assign]
            self._counted.append(world)
        return world

    def stop(self) -> int:
        """Count no more, and return how many steps there were."""
        for world in self._counted:
            del world.step
        self._counted.clear()
        self._counting = False
        return self.steps


class _Work:
    """What the kinds of units share."""

    def __init__(
        self,
        run: Path,
        folder: Path,
        plan: Plan,
        report: Progress,
        still_mine: Callable[[], None],
        cores: int,
        instances: Instances,
    ) -> None:
        self.run, self.folder, self.plan = run, folder, plan
        # Processes that step the training worlds; this one does where a core is all there is.
        self.workers = cores if cores > 1 else 0
        self.instances = instances
        self.experiment, self.report, self.still_mine = plan.experiment, report, still_mine
        self.outputs: Sequence[KVWriter] = ()

    def source(self, seed: int) -> dict[str, float]:
        """Pretrain in the randomized source; evaluate in the source as it is, not randomized.

        A policy that was trained before, in whatever experiment, is taken in its place; returns
        how many seconds that took then.
        """
        source, begun = self.experiment.source, time.monotonic()
        name = cache.key(self.plan, seed) if cache_folder() else None
        if name and not bundles.exists(self.folder / "checkpoint"):
            kept = cache.fetch(name, self.folder)
            if kept is not None:
                row = Records(self.folder / CURVE).rows[-1]
                self.report(row["step"], source.steps, row["return"])
                return {"reused_seconds": kept["seconds"]}

        drawn = stream(seed, "source")
        learner = create(
            self.plan.algorithm,
            self._make_source,
            drawn,
            self.experiment.device,
            workers=useful_workers(self.workers, self.plan.algorithm.worlds),
        )
        if self._randomization is not None:
            learner.callbacks.append(self._randomization.callback(self.folder / RECORD))
        with self._session(learner, self.plan.worlds[SOURCE].make) as session:
            self._train(session, SOURCE, source.steps, self.plan.source_grid(), drawn)
        if name:
            cache.keep(name, self.folder, {"seconds": time.monotonic() - begun})
        return {}

    @cached_property
    def _make_source(self) -> MakeWorld:
        """What makes a source world as the source policy is trained in it.

        It is sent to other processes, so it holds nothing of this one.
        """
        spec, randomization = self.experiment.source.spec(), self._randomization

        def make() -> gymnasium.Env[Any, Any]:
            world = spec.make()
            return world if randomization is None else randomization.wrap(world)

        return make

    @cached_property
    def _randomization(self) -> PreparedRandomization | None:
        """The randomization of the source's worlds."""
        return source_randomization(self.plan)

    def ready_made(self, bundle: str) -> None:
        """Take a bundle as the source policy, and evaluate it in the source as it is."""
        source = self.experiment.source
        copied = self.folder / "bundle"
        place = pretrained.locate(bundle, source.world)
        pretrained.copy(place, copied, str(source.bundle_sha256))
        policy = bundles.load(copied, self.plan.trust).policy(self.experiment.device)
        with self._session(policy, self.plan.worlds[SOURCE].make) as session:
            record = session.evaluate().record(source.steps)
        records = Records(self.folder / CURVE)
        if not records.rows:
            records.append(record)
        log = tensorboard_logger(self.folder, 0)
        log_evaluation(log, source.steps, record)
        log.close()
        self.report(source.steps, source.steps, record["return"])

    def trial(self, target_name: str, label: str, trial_seed: int) -> dict[str, Any]:
        """Run a method on a target; returns what it decided, and its retention."""
        with tracked(self.plan, self.run, self.folder) as self.outputs:
            return self._trial(target_name, label, trial_seed)

    def _trial(self, target_name: str, label: str, trial_seed: int) -> dict[str, Any]:
        spec, method = self.plan.worlds[target_name], self.plan.methods[label]
        source = self.run / self.plan.source_path(trial_seed)
        seed = stream(trial_seed, f"target {target_name}")
        steps = self.plan.budgets[target_name, label]
        grid = self.plan.target_grid(target_name, label)
        single = target_name in self.plan.single
        make = partial(self.instances.lend, target_name, spec.make) if single else spec.make
        worlds = CountedWorlds(make)
        bundle = bundles.load(source / "bundle", self.plan.trust) if method.needs_source else None
        if bundle is not None and bundle.randomizer and self._randomization is not None:
            # Source worlds draw as they did at the end of the source's training.
            self._randomization.randomizer.load_sampler(bundle.randomizer["state"])
        learner = method.start(
            Problem(
                bundle=bundle,
                algorithm=self.plan.algorithm,
                make_world=worlds.make,
                seed=seed,
                steps=steps,
                device=self.experiment.device,
                make_source=self._make_source,
                workers=0 if single else self.workers,
                one_world=in_one_world if single else None,
                source_seed=stream(trial_seed, "students"),
                kept=source / "students",
            )
        )
        if method.trains:
            learner.callbacks += make_callbacks(self.experiment.callbacks, self.folder)
        with self._session(learner, make, 1 if single else EVALUATION_WORLDS) as session:
            apart = getattr(learner.worlds.unwrapped, "steps_taken", 0)
            if taken := worlds.stop() or apart or learner.steps:
                raise HeadstartError(
                    f"method {label} took {taken:,} steps in the target in its `start`, where they "
                    "do not count against the budget; let it interact in its learner's training"
                )
            if method.trains:
                self._train(session, target_name, steps, grid, seed)
            else:
                self._hold(session, target_name, steps, grid)
            period = declared_period(session.world) if single else None
        found: dict[str, Any] = {"decisions": learner.decisions} if learner.decisions else {}
        if period is not None:
            found["period"] = period
        if learner.source_steps:
            found["source_steps"] = learner.source_steps
        if not method.needs_source:
            return found
        with self._session(learner, self.plan.worlds[SOURCE].make) as session:
            after = session.evaluate()
        return found | {
            "source_return_before": Records(source / CURVE).rows[-1]["return"],
            "source_return_after": float(after.returns.mean()),
        }

    def anchor(self, name: str) -> None:
        """Measure what a policy of uniformly random actions gets."""
        record = anchors.measure_random(self.plan, name, EVALUATION_WORLDS)
        write_json(self.folder / anchors.RECORD, record)
        self.report(0, 0, record["return"])

    def _hold(self, session: Session, target: str, steps: int, grid: list[int]) -> None:
        """Record a policy that is not trained: the same evaluation at every step of the grid."""
        evaluation = session.evaluate()
        keep_start(self.folder / START, session, evaluation, again=self._is_first())
        record = evaluation.record(0)
        records = Records(self.folder / CURVE)
        log = tensorboard_logger(self.folder, 0, self.outputs)
        for step in grid:
            log_evaluation(log, step, record)
        log.close()
        if [row["step"] for row in records.rows] != grid[: len(records.rows)]:
            records.clear()
        for step in grid[len(records.rows) :]:
            records.append({**record, "step": step})
        self._save(session.learner, target, "bundle")
        self.report(steps, steps, record["return"])

    def _train(self, session: Session, world: str, steps: int, grid: list[int], seed: int) -> None:
        """Train from the last checkpoint, or the beginning, to the end, and save the bundle."""
        checkpoint = self.folder / "checkpoint"
        records = Records(self.folder / CURVE)
        begun = bundles.load(checkpoint, self.plan.trust) if bundles.exists(checkpoint) else None
        # What was evaluated before a checkpoint cannot be evaluated again: where that is not there,
        # all begins anew.
        due = sum(step < begun.steps for step in grid) if begun else 0
        held = [row["step"] for row in records.rows]
        if held != grid[: len(held)] or len(held) < due:
            records.clear()
            shutil.rmtree(checkpoint, ignore_errors=True)
        elif begun:
            begun.restore(session.learner)

        def announce(step: int, evaluation: Evaluation) -> None:
            record = evaluation.record(step)
            self.still_mine()
            if step == 0 and world != SOURCE:
                keep_start(self.folder / START, session, evaluation, again=self._is_first())
            records.append(record)
            self.report(step, steps, record["return"])

        def save_checkpoint(step: int) -> None:
            self._save(session.learner, world, "checkpoint", replay_buffer=True)
            self.report(step, steps, None)

        session.train(
            # Whatever its rollouts, it trains to where all are evaluated last.
            steps=max(grid),
            seed=seed,
            grid=grid,
            on_evaluation=announce,
            checkpoint_every=self.experiment.checkpoint,
            # Where evaluation and training take turns in one world, training begins an episode
            # after each evaluation, and what was measured is not measured again.
            checkpoints=grid if world in self.plan.single else (),
            save_checkpoint=save_checkpoint,
            recorded={row["step"]: row for row in records.rows},
            log_dir=self.folder,
            outputs=self.outputs,
        )
        self._save(session.learner.settle(), world, "bundle")
        shutil.rmtree(checkpoint, ignore_errors=True)

    def _is_first(self) -> bool:
        """Return whether this is the first method's trial of the first seed, in its target.

        Of a target that exists once none is: its time is too dear for a second evaluation.
        """
        experiment = self.experiment
        *_, target, label, folder = self.folder.parts
        first = method_label(experiment.methods[0])
        is_first = (label, _seed(folder)) == (first, experiment.seeds[0])
        return is_first and target not in self.plan.single

    def _session(
        self, learner: Learner, make: MakeWorld, worlds: int = EVALUATION_WORLDS
    ) -> Session:
        return Session(learner, make, self.experiment.evaluation.episode_seeds(), worlds)

    def _save(
        self, learner: Learner, world: str, name: str, *, replay_buffer: bool = False
    ) -> None:
        self.still_mine()
        bundles.save(
            learner,
            self.folder / name,
            world_id=self.plan.worlds[world].world,
            randomization=self.experiment.source.randomization if world == SOURCE else None,
            randomizer=self._randomizer(learner),
            replay_buffer=replay_buffer,
        )

    def _randomizer(self, learner: Learner) -> dict[str, Any] | None:
        """Return the randomizer of the source and what it has learned, for a bundle."""
        for callback in learner.callbacks:
            if isinstance(callback, RandomizationCallback) and callback.randomizer.adaptive:
                state = callback.randomizer.sampler()
                return {"entry": self.experiment.source.randomizer, "state": state}
        return None
