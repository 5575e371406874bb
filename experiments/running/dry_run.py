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
from ...agents.evaluation import Evaluator
from ...agents.learner import create
from ...agents.training import evaluation_steps, train
from ...core.errors import HeadstartError
from ...core.files import read_json
from ..config.schema import Experiment
from . import cache, plan
from .plan import Unit
from .runner import wanted
from .unit import ANCHOR_EPISODES, EVALUATION_WORLDS
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
class Work:
    """What is left to do: units of all units, their training steps, and how many seconds it takes.

    Points of a sweep run one after another, so that their seconds add up.
    """

    left: int = 0
    units: int = 0
    steps: int = 0
    seconds: float = 0.0

    def __add__(self, other: Work) -> Work:
        """Return both together."""
        return Work(
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
    work: Work = Work()


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


def lines(
    experiment: Experiment,
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
            plan.taken(experiment, alike[0].steps),
            _episodes(experiment, name, alike[0]),
            sum(begun.get(unit.path, 0) for unit in alike),
        )
        for name, alike in groups.items()
    ]


def _done(experiment: Experiment, directory: Path, unit: Unit) -> bool:
    """Whether a run would leave a unit as it is."""
    try:
        return finished(experiment, directory, unit)
    except HeadstartError:
        return False


def _kept(experiment: Experiment, directory: Path, unit: Unit, sources: set[str]) -> bool:
    """Whether a source policy that is not begun yet would be taken from the cache.

    There it is by then, if it is one of `sources`; one that would be trained is added to them.
    """
    if not unit.path.startswith("source/") or experiment.source.bundle is not None:
        return False
    seed = int(unit.path.rpartition("-")[2])
    key = cache.key(experiment, seed) if cache.folder() else None
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


def _episodes(experiment: Experiment, name: str, unit: Unit) -> int:
    """Return how many evaluation episodes a unit takes."""
    if name == "anchors":
        return ANCHOR_EPISODES
    each, rollout = experiment.evaluation.episodes, plan.algorithm(experiment).rollout
    every = experiment.source_every if name.startswith("source") else experiment.evaluation.every
    count = len(evaluation_steps(unit.steps, every, rollout)) if unit.steps else 1
    # What comes from the source is evaluated there once more, for its retention.
    return (count + bool(unit.needs)) * each


def measure(experiment: Experiment) -> Pace:
    """Train and evaluate in the source for some seconds, and return the pace."""
    source, algorithm = experiment.source, plan.algorithm(experiment)
    spec = source.spec()

    randomization = plan.randomization(experiment)

    def make() -> gymnasium.Env[Any, Any]:
        return spec.make() if randomization is None else randomization.wrap(spec.make())

    steps = (ROLLOUTS + 1) * algorithm.rollout
    if not algorithm.on_policy:
        # The warm-up, and two rollouts at least after the one that ends it.
        learning = max(OFF_POLICY_STEPS, 3 * algorithm.rollout)
        steps = int(algorithm.value("learning_starts")) + learning
    times: list[tuple[int, float]] = []
    learner = create(algorithm, make, 0, experiment.device)
    if randomization is not None:
        learner.callbacks.append(randomization.callback())
    try:
        train(
            learner,
            steps=steps,
            seed=0,
            grid=[],
            evaluate=lambda _: None,  # type: ignore[arg-type, return-value]
            on_evaluation=lambda *_: None,
            on_rollout=lambda step: times.append((step, time.perf_counter())),
        )
        # From rollout to rollout there is one update; the first rollout warms up.
        first = next(at for at in times if at[0] > 0)
        if not algorithm.on_policy:
            first = next(at for at in times if at[0] > algorithm.value("learning_starts"))
        last = times[-1]
        seeds = experiment.evaluation.episode_seeds()[:EPISODES]
        evaluator = Evaluator(spec.make, seeds, EVALUATION_WORLDS)
        begun = time.perf_counter()
        try:
            evaluator.evaluate(learner.acting())
        finally:
            evaluator.close()
        episode = (time.perf_counter() - begun) / len(seeds)
    finally:
        learner.close()
    return Pace((last[1] - first[1]) / (last[0] - first[0]), episode)


def preview(
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
    plan.check(experiment, where)
    units = wanted(experiment, trials)
    done = {unit.path for unit in units if _done(experiment, directory, unit)}
    known = known or Known()
    kept = {
        unit.path
        for unit in units
        if unit.path not in done and _kept(experiment, directory, unit, known.sources)
    }
    begun = {u.path: _begun(directory, u) for u in units if u.path not in done | kept}
    found = lines(experiment, units, done | kept, begun)
    source = experiment.source.model_dump(mode="json", exclude={"steps", "policies"})
    key = json.dumps([source, experiment.device])
    if key not in known.paces:
        known.paces[key] = measure(experiment)
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
    yield from plan.randomization_notes(experiment)
    if kept:
        yield f"{len(kept)} of the source policies will be in the cache and need not be trained."
    left = sum(line.left for line in found)
    # The source policies come first, and what is left over at the end has cores to itself.
    processes = max(1, min(jobs, left))
    work = Work(
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
