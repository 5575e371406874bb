"""One agent at a time: pretrain a bundle, evaluate a bundle."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from rich import box
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from ...agents.algorithms import resolve_algorithm
from ...agents.bundles import bundle as bundles
from ...agents.bundles import pretrained
from ...agents.evaluation import Evaluation, Evaluator
from ...agents.learner import create
from ...agents.session import Session
from ...agents.training import evaluation_steps
from ...core.errors import HeadstartError
from ...core.streams import Terminal
from ...envs.spec import WorldSpec
from ...transfer.randomization import randomized
from .bundle_world import bundle_world
from .one_instance import Ready
from .progress import progress_bars

EPISODES = 20
FIRST_SEED = 1_000_000


def train_bundle(
    world_id: str,
    out: Path,
    steps: int,
    algorithm: str | Mapping[str, Mapping[str, Any]] | None = None,
    randomization: Mapping[str, str] | None = None,
    seed: int = 0,
    device: str = "cpu",
    console: Console | None = None,
    workers: int = 0,
    start: str | Path | None = None,
    trust: Collection[str] = (),
) -> None:
    """Train an agent in a world, evaluated where it is not randomized, and save its bundle.

    The training worlds are stepped by `workers` processes, or by this one if there are none.
    The algorithm is PPO unless told otherwise. With `start` (a name or folder as in
    `evaluation_table`) training goes on from that bundle, with its algorithm, and its steps count
    among `steps`. `trust`: modules that the bundle may name, as in `bundle.load`.

    Raises:
        HeadstartError: an unknown world, parameter or algorithm, `out` exists already, or a
            bundle to start with that does not fit, or that leaves no steps to train for.
    """
    if out.exists():
        raise HeadstartError(f"'{out}' exists already; choose another --out")
    console = console or Terminal()
    changes = dict(randomization or {})
    spec = WorldSpec(world_id, parameters={} if changes else None)
    begun = None if start is None else bundles.load(pretrained.locate(start, world_id), trust)
    if begun and algorithm is not None:
        raise HeadstartError("a start goes on with its own algorithm; name none beside it")
    if begun and steps <= begun.steps:
        raise HeadstartError(
            f"{steps:,} steps are none to train for: '{start}' has had {begun.steps:,} of them"
        )

    def make() -> gymnasium.Env[Any, Any]:
        return randomized(spec.make(), changes)

    make().close()
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent):
        pass  # that nothing can be saved there is known before the training
    if begun:
        learner = begun.learner(make, seed, device, workers=workers)
    else:
        recipe = resolve_algorithm(algorithm or "ppo", world_id)
        learner = create(recipe, make, seed, device, workers=workers)
    session = Session(learner, spec.make, range(FIRST_SEED, FIRST_SEED + EPISODES))
    bars = progress_bars(*Progress.get_default_columns(), console=console)
    with session, bars as progress:
        bar = progress.add_task(world_id, total=steps)

        def announce(step: int, evaluation: Evaluation) -> None:
            record = evaluation.record(step)
            success = record["success"]
            shown = "" if success is None else f"  success {100 * success:3.0f} %"
            progress.console.print(f"{step:>10,} steps  return {record['return']:9.3f}{shown}")

        session.train(
            steps=steps,
            seed=seed,
            grid=evaluation_steps(steps, max(1, steps // 10), learner.algorithm.rollout),
            on_evaluation=announce,
            on_rollout=lambda step: progress.update(bar, completed=min(step, steps)),
        )
        bundles.save(
            learner,
            out,
            world_id=world_id,
            randomization=changes,
            start=None if begun is None else _provenance(begun),
        )


def _provenance(bundle: bundles.Bundle) -> dict[str, Any]:
    return {
        "randomization": bundle.randomization,
        "steps": bundle.steps,
        "sha256": pretrained.checksum(bundle.directory),
    }


def evaluation_table(
    name: str | Path,
    world_id: str | None,
    shift: str | Mapping[str, str],
    episodes: int,
    seed: int,
    trust: Collection[str] = (),
    ready: Ready = False,
) -> Table:
    """Evaluate a bundle's policy and return a table of what it got.

    `name` is a bundle, the folder of a source or trial that holds one, or `pretrained/<kind>`.
    The world is `world_id`, or else where the bundle belongs: a trial's target, with all that its
    experiment says of it. `shift` is a named shift or maps parameters to constant changes; it
    stands in place of the target's. `trust`: modules that the bundle may name, as in
    `bundle.load`. `ready`: whether a target that exists once may move, or what
    is asked.

    Raises:
        HeadstartError: a damaged bundle, a world that it does not fit, or a target that exists once
            and is not ready.
    """
    bundle = bundles.load(pretrained.locate(name, world_id), trust)
    its = bundle_world(bundle, world_id, trust).shifted(shift)
    policy = bundle.policy()
    seeds = range(seed, seed + episodes)
    with its.opened(ready) as make:
        evaluator = Evaluator(make, seeds, 1) if its.single else Evaluator(make, seeds)
        try:
            world = evaluator.world
            bundle.check_spaces(world.observation_space, world.action_space)
            outcome = evaluator.evaluate(policy.acting())
        finally:
            evaluator.close()
    held = its.spec.shift
    shown = held if isinstance(held, str) else ", ".join(f"{k} {v}" for k, v in held.items())
    title = Text(f"{its.name}, {shown or 'not shifted'}, {episodes} episodes", style="bold")
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("", "mean", "std over episodes", "lowest", "highest"):
        table.add_column(column, justify="right" if column else "left")
    for name, values in (
        ("return", outcome.returns),
        ("success", outcome.successes),
        ("length (steps)", outcome.lengths),
    ):
        if values is not None:
            row = (np.mean(values), np.std(values), np.min(values), np.max(values))
            table.add_row(name, *(f"{number:.3f}" for number in row))
    return table
