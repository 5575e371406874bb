"""Benchmark of learning: our presets beside RL Zoo's published settings, on the same world.

Time is that of one core spent in training (`time.process_time`, evaluations apart), so that what
else the machine does hardly matters.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from ...agents.algorithms import Algorithm, resolve_algorithm
from ...agents.evaluation import Evaluation
from ...agents.learner import create
from ...agents.session import Session
from ...agents.training import evaluation_steps
from ...core.errors import HeadstartError, nearest
from ...core.files import StoreError, read_json, write_json
from ...envs.spec import WorldSpec
from ..measuring.statistics import level_interval, mean_interval
from ..running.metadata import hardware, versions
from ..showing.words.intervals import interval_text

FIRST_SEED = 1_000_000
EPISODES = 5

_BULLET = {
    "worlds": 16,
    "batch_size": 128,
    "n_steps": 512,
    "gamma": 0.99,
    "gae_lambda": 0.9,
    "n_epochs": 20,
    "ent_coef": 0.0,
    "sde_sample_freq": 4,
    "max_grad_norm": 0.5,
    "vf_coef": 0.5,
    "learning_rate": 3e-5,
    "use_sde": True,
    "clip_range": 0.4,
    "normalize_reward": True,
    "policy_kwargs": {
        "log_std_init": -2,
        "ortho_init": False,
        "activation_fn": "relu",
        "net_arch": {"pi": [256, 256], "vf": [256, 256]},
    },
}
ZOO: dict[str, tuple[dict[str, Any], float]] = {
    "headstart/Hopper-v0": (_BULLET, 2_000.0),
    "headstart/HalfCheetah-v0": (_BULLET, 1_500.0),
}
"""RL Zoo's `hyperparams/ppo.yml` for the PyBullet Gym world of the same robot (Hopper's clip range,
which falls linearly there, is held at its start), and the return that counts as learned."""


class _SpentError(Exception):
    """The time that a training may take is spent."""


@dataclass(frozen=True)
class Curve:
    """One training: core seconds, steps and mean return at each evaluation."""

    settings: str
    seed: int
    seconds: list[float]
    steps: list[int]
    returns: list[float]

    @property
    def last_return(self) -> float:
        """The mean of the last three evaluations."""
        return float(np.mean(self.returns[-3:]))

    def seconds_to(self, threshold: float) -> float | None:
        """Return the core seconds to the first evaluation at or above `threshold`, if any."""
        pairs = zip(self.seconds, self.returns, strict=True)
        return next((seconds for seconds, value in pairs if value >= threshold), None)


def learn(
    name: str, algorithm: Algorithm, world_id: str, seed: int, steps: int, limit: float
) -> Curve:
    """Train for `steps` steps or `limit` core seconds, whichever comes first."""
    spec = WorldSpec(world_id)
    learner = create(algorithm, spec.make, seed)
    curve = Curve(name, seed, [], [], [])
    begun = time.process_time()
    session = Session(learner, spec.make, range(FIRST_SEED, FIRST_SEED + EPISODES))

    def announce(step: int, evaluation: Evaluation) -> None:
        curve.seconds.append(time.process_time() - begun - session.evaluation_seconds)
        curve.steps.append(step)
        curve.returns.append(float(evaluation.returns.mean()))
        if curve.seconds[-1] >= limit:
            raise _SpentError

    with session, suppress(_SpentError):
        session.train(
            steps=steps,
            seed=seed,
            grid=evaluation_steps(steps, steps // 24, algorithm.rollout),
            on_evaluation=announce,
        )
    return curve


def compare_settings(
    world_id: str,
    seeds: Sequence[int],
    steps: int,
    factor: float,
    console: Console,
    out: Path | None = None,
) -> dict[str, Any]:
    """Train with both settings from each seed; the peer's may take `factor` times our time.

    With `out` every training is written there as it ends, and what the file already holds of the
    same comparison is not trained again.

    Raises:
        HeadstartError: there are no published settings for the world.
        StoreError: `out` holds another comparison, or cannot be read or written.
    """
    if world_id not in ZOO:
        raise HeadstartError(f"RL Zoo has no settings for '{world_id}'{nearest(world_id, ZOO)}")
    zoo, threshold = ZOO[world_id]
    algorithms = {
        "headstart": resolve_algorithm("ppo", world_id),
        "RL Zoo": resolve_algorithm({"ppo": zoo}, world_id),
    }
    what: dict[str, Any] = {"threshold": threshold, "steps": steps, "factor": factor}
    what["settings"] = {name: dict(one.settings) for name, one in algorithms.items()}
    # Core seconds of two processors cannot stand beside each other.
    what |= {"versions": versions(), "hardware": hardware()}
    written = (read_json(out) or {}) if out is not None else {}
    measured = written.setdefault(world_id, {**what, "curves": []})
    if other := [key for key, value in what.items() if measured.get(key) != value]:
        raise StoreError(
            f"'{out}' holds a comparison of {world_id} with other {', '.join(other)}; "
            "move it, or write another file"
        )

    def once(name: str, seed: int, steps: int, limit: float) -> Curve:
        for row in measured["curves"]:
            if (row["settings"], row["seed"]) == (name, seed):
                return Curve(**row)
        curve = learn(name, algorithms[name], world_id, seed, steps, limit)
        measured["curves"].append(asdict(curve))
        if out is not None:
            write_json(out, written)
        return curve

    curves: list[Curve] = []
    with Progress(console=console, transient=True) as progress:
        bar = progress.add_task(world_id, total=2 * len(seeds))
        for seed in seeds:
            ours = once("headstart", seed, steps, np.inf)
            progress.advance(bar)
            # Published settings need more steps; time is what ends theirs.
            limit = factor * ours.seconds[-1]
            curves += [ours, once("RL Zoo", seed, 20 * steps, limit)]
            progress.advance(bar)
    return {**what, "world": world_id, "curves": [asdict(curve) for curve in curves]}


def training_table(measured: Mapping[str, Any]) -> Table:
    """Return the table of `headstart bench training` of one world."""
    threshold = measured["threshold"]
    curves = [Curve(**curve) for curve in measured["curves"]]
    title = (
        f"{measured['world']}: PPO to a return of {threshold:,.0f} "
        f"(one core, {len(curves) // 2} seeds)"
    )
    table = Table("settings", "steps/s", "reached", "core s to it", "last return", title=title)
    for name in ("headstart", "RL Zoo"):
        mine = [curve for curve in curves if curve.settings == name]
        rate = statistics.median(curve.steps[-1] / curve.seconds[-1] for curve in mine)
        times = [curve.seconds_to(threshold) for curve in mine]
        reached = [seconds for seconds in times if seconds is not None]
        last = level_interval([curve.last_return for curve in mine])
        assert last is not None  # there are seeds
        shown = f"{statistics.median(reached):.0f}" if 2 * len(reached) > len(mine) else ""
        table.add_row(
            name,
            f"{rate:,.0f}",
            f"{len(reached)}/{len(mine)}",
            shown or f"> {min(curve.seconds[-1] for curve in mine):.0f}",
            f"{last.estimate:,.0f} {interval_text(last, ',.0f')}",
        )
    table.caption = f"{_ratio(curves, threshold)}. {_last_returns(curves)}"
    return table


def _ratio(curves: Sequence[Curve], threshold: float) -> str:
    """Say how many times sooner ours gets there, seed by seed; a lower bound where theirs ends."""
    ratios, bounds = [], 0
    for ours, theirs in zip(curves[::2], curves[1::2], strict=True):
        mine, other = ours.seconds_to(threshold), theirs.seconds_to(threshold)
        if mine is None:
            return f"headstart's settings did not reach it with seed {ours.seed}"
        bounds += other is None
        ratios.append((theirs.seconds[-1] if other is None else other) / mine)
    least = f" (lower bounds for {bounds} of {len(ratios)})" if bounds else ""
    text = ", ".join(f"{ratio:.1f}" for ratio in ratios)
    mean = mean_interval(ratios)
    assert mean is not None  # there are seeds
    said = f"mean {mean.estimate:.1f} {interval_text(mean, '.1f')}"
    return f"times sooner, by seed: {text}{least}; {said}"


def _last_returns(curves: Sequence[Curve]) -> str:
    """Say by how much our last returns are higher, paired by seed."""
    ours, theirs = (np.array([c.last_return for c in curves[which::2]]) for which in (0, 1))
    gain = mean_interval(ours - theirs, kind="paired t")
    assert gain is not None  # there are seeds
    return f"Last return higher by {gain.estimate:,.0f} {interval_text(gain, ',.0f')}"


def compare_all(
    world_ids: Sequence[str] | None,
    seeds: Sequence[int],
    steps: int,
    factor: float,
    out: Path | None,
    console: Console,
) -> list[Table]:
    """Compare on several worlds (by default all with published settings)."""
    return [
        training_table(compare_settings(world_id, seeds, steps, factor, console, out))
        for world_id in world_ids or ZOO
    ]
