"""What a run would do, and how long it would take: `headstart run ... --dry-run`."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gymnasium
from rich import box
from rich.table import Table

from ...agents.bundles import bundle as bundles
from ...agents.bundles import pretrained
from ...agents.learner import create
from ...agents.session import Session
from ...agents.training import evaluation_steps
from ...core.cache import cache_folder
from ...core.errors import HeadstartError
from ...core.files import read_json
from ..config.schema import SOURCE, Experiment
from . import cache
from .checks import check_plan
from .plan import Plan, Unit
from .randomization import randomization_notes, source_randomization
from .runner import wanted
from .unit import EVALUATION_WORLDS
from .verify import finished

ROLLOUTS = 2
OFF_POLICY_STEPS = 400
EPISODES = 4


@dataclass(frozen=True)
class Pace:
    """Seconds of one core: per training step, updates among it, and per evaluation episode."""

    step: float
    episode: float


@dataclass(frozen=True)
class WorkLeft:
    """What is left to do: units of all units, their training steps, and how many seconds it takes.

    Points of a sweep run one after another, so that their seconds add up.
    """

    left: int = 0
    units: int = 0
    steps: int = 0
    seconds: float = 0.0

    def __add__(self, other: WorkLeft) -> WorkLeft:
        """Return both together."""
        return WorkLeft(
            self.left + other.left,
            self.units + other.units,
            self.steps + other.steps,
            self.seconds + other.seconds,
        )

    def __str__(self) -> str:
        """Say how much it is, and how long it takes."""
        minutes = round(self.seconds / 60)
        return (
            f"{self.left} of {self.units} units and {self.steps:,} training steps to do: "
            f"{f'about {minutes} min' if minutes else 'less than a minute'}"
        )


@dataclass
class Known:
    """What points of a sweep share: paces by what they follow from, and keys of source policies.

    `work` is what is left to do at the points seen so far.
    """

    paces: dict[str, Pace] = field(default_factory=dict)
    sources: set[str] = field(default_factory=set)
    work: WorkLeft = WorkLeft()


@dataclass(frozen=True)
class Line:
    """Units that are alike: how many, how many are left, and what one of them takes.

    `begun` are the steps, of all that are left, that need not be trained again.
    """

    name: str
    units: int
    left: int
    steps: int
    episodes: int
    begun: int

    @property
    def todo(self) -> int:
        """The training steps that are left."""
        return self.left * self.steps - self.begun

    def seconds(self, pace: Pace) -> float:
        """Return the seconds that what is left takes one core."""
        whole = self.steps * pace.step + self.episodes * pace.episode
        share = self.todo / (self.left * self.steps) if self.left and self.steps else 1.0
        return self.left * whole * share


def unit_lines(
    plan: Plan,
    units: Iterable[Unit],
    done: Collection[str],
    begun: Mapping[str, int],
) -> list[Line]:
    """Return what units consist of; `done` are the paths of those that need not be run.

    `begun` has the steps of the checkpoints, by path, of those that go on from one.
    """
    groups: dict[str, list[Unit]] = {}
    for unit in units:
        kind, *rest = unit.path.split("/")
        name = "anchors" if kind == "anchors" else "/".join([kind, *rest][:-1])
        groups.setdefault(name, []).append(unit)
    return [
        Line(
            name.removeprefix("trials/"),
            len(alike),
            sum(unit.path not in done for unit in alike),
            plan.whole_steps(alike[0].steps),
            _episodes(plan, name, alike[0]),
            sum(begun.get(unit.path, 0) for unit in alike),
        )
        for name, alike in groups.items()
    ]


def _done(plan: Plan, directory: Path, unit: Unit) -> bool:
    """Whether a run would leave a unit as it is."""
    try:
        return finished(plan, directory, unit)
    except HeadstartError:
        return False


def _kept(plan: Plan, directory: Path, unit: Unit, sources: set[str]) -> bool:
    """Whether a source policy that is not started yet would be taken from the cache.

    There it is by then, if it is one of `sources`; one that would be trained is added to them.
    """
    if not unit.path.startswith("source/") or plan.experiment.source.bundle is not None:
        return False
    seed = int(unit.path.rpartition("-")[2])
    key = cache.key(plan, seed) if cache_folder() else None
    planned = key in sources
    if key is not None:
        sources.add(key)
    return not bundles.exists(directory / unit.path / "checkpoint") and (
        planned or cache.holds(key)
    )


def _begun(directory: Path, unit: Unit) -> int:
    """Return the steps of the checkpoint that a unit would go on from, if there is one."""
    try:
        if (read_json(directory / unit.path / "status.json") or {}).get("state") == "failed":
            return 0  # begins anew
        return pretrained.facts(directory / unit.path / "checkpoint").steps
    except HeadstartError:
        return 0


def _episodes(plan: Plan, name: str, unit: Unit) -> int:
    """Return how many evaluation episodes a unit takes."""
    if name == "anchors":
        return plan.experiment.evaluation.anchor_episodes
    experiment, rollout = plan.experiment, plan.algorithm.rollout
    every = experiment.source_every if name.startswith("source") else experiment.evaluation.every
    count = len(evaluation_steps(unit.steps, every, rollout)) if unit.steps else 1
    # What comes from the source is evaluated there once more, for its retention.
    return (count + bool(unit.needs)) * experiment.evaluation.episodes


def measure_pace(plan: Plan) -> Pace:
    """Train and evaluate in the source for some seconds, and return the pace."""
    algorithm, spec = plan.algorithm, plan.worlds[SOURCE]

    randomization = source_randomization(plan)

    def make() -> gymnasium.Env[Any, Any]:
        return spec.make() if randomization is None else randomization.wrap(spec.make())

    steps = (ROLLOUTS + 1) * algorithm.rollout
    if not algorithm.on_policy:
        # The warm-up, and two rollouts at least after the one that ends it.
        learning = max(OFF_POLICY_STEPS, 3 * algorithm.rollout)
        steps = int(algorithm.value("learning_starts")) + learning
    times: list[tuple[int, float]] = []
    seeds = plan.experiment.evaluation.episode_seeds()[:EPISODES]
    learner = create(algorithm, make, 0, plan.experiment.device)
    if randomization is not None:
        learner.callbacks.append(randomization.callback())
    with Session(learner, spec.make, seeds, EVALUATION_WORLDS) as session:
        session.train(
            steps=steps,
            seed=0,
            grid=[],
            on_rollout=lambda step: times.append((step, time.perf_counter())),
        )
        # From rollout to rollout there is one update; the first rollout warms up.
        first = next(at for at in times if at[0] > 0)
        if not algorithm.on_policy:
            first = next(at for at in times if at[0] > algorithm.value("learning_starts"))
        last = times[-1]
        begun = time.perf_counter()
        session.evaluate()
        episode = (time.perf_counter() - begun) / len(seeds)
    return Pace((last[1] - first[1]) / (last[0] - first[0]), episode)


def preview_units(
    experiment: Experiment,
    directory: Path,
    jobs: int,
    where: str = "experiment",
    trials: Sequence[str] = (),
    known: Known | None = None,
) -> Iterator[Table | str]:
    """Yield what a run in `directory` would do and how long it would take, doing none of it.

    `trials` are patterns of those that are to run, with their sources, by default all; `known`
    holds what points of a sweep share, and is added to.

    Raises:
        ConfigError: the experiment cannot run.
    """
    plan = check_plan(experiment, where)
    units = wanted(plan, trials)
    done = {unit.path for unit in units if _done(plan, directory, unit)}
    known = known or Known()
    kept = {
        unit.path
        for unit in units
        if unit.path not in done and _kept(plan, directory, unit, known.sources)
    }
    begun = {u.path: _begun(directory, u) for u in units if u.path not in done | kept}
    found = unit_lines(plan, units, done | kept, begun)
    source = experiment.source.model_dump(mode="json", exclude={"steps", "policies"})
    key = json.dumps([source, experiment.device])
    if key not in known.paces:
        known.paces[key] = measure_pace(plan)
    pace = known.paces[key]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("what", "units", "left", "steps each", "episodes each", "core minutes left"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for line in found:
        table.add_row(
            line.name,
            str(line.units),
            str(line.left),
            f"{line.steps:,}",
            f"{line.episodes:,}",
            f"{line.seconds(pace) / 60:.1f}",
        )
    yield table
    yield from randomization_notes(plan)
    if kept:
        yield f"{len(kept)} of the source policies will be in the cache and need not be trained."
    left = sum(line.left for line in found)
    # The source policies come first, and what is left over at the end has cores to itself.
    processes = max(1, min(jobs, left))
    work = WorkLeft(
        left,
        sum(line.units for line in found),
        sum(line.todo for line in found),
        sum(line.seconds(pace) for line in found) / processes,
    )
    known.work += work
    yield (
        f"In {directory}: {work} on {processes} process{'es' * (processes != 1)}, "
        f"{1 / pace.step:,.0f} steps/s. Longer, where episodes get longer with training. Nothing "
        "was run or written."
    )
