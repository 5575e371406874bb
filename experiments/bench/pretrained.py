"""Pretrained policies: trained by the recipe, and what they get, on a card beside each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from rich.console import Console
from rich.table import Table

from ...agents.bundles import bundle as bundles
from ...agents.bundles import pretrained
from ...agents.bundles.bundle import Bundle
from ...agents.evaluation import Evaluation
from ...agents.evaluation import evaluate as evaluate_policy
from ...agents.presets import STEPS, training_steps
from ...agents.training import whole
from ...core.errors import HeadstartError, nearest
from ...core.files import write_json
from ...envs.catalog import WORLDS
from ...envs.shifts import measurements
from ...envs.spec import WorldSpec
from ...transfer.randomization import randomized
from ...transfer.randomization.recommended import RECOMMENDED, recommended, recommended_ranges
from ..running.metadata import hardware, versions
from ..running.pretrain import EPISODES, FIRST_SEED, train_bundle

SEED = 0
CHECKED = 2
"""Episodes whose exact returns stand on a card; the policy is given all of them in one batch."""

BATCH = 4


def train_bundles(
    worlds: Sequence[str] | None, kinds: Sequence[str] | None, out: Path, console: Console
) -> None:
    """Train the pretrained policies of these worlds and kinds (all by default) under `out`.

    Raises:
        HeadstartError: an unknown world or kind, or a bundle that is there already.
    """
    for world_id in _known(worlds, STEPS, "world") or STEPS:
        for kind in _known(kinds, pretrained.KINDS, "kind") or pretrained.KINDS:
            ranges = recommended(world_id) if kind == "randomized" else {}
            path = pretrained.pretrained_folder(out, world_id, kind)
            console.print(f"{world_id} {kind}", highlight=False)
            steps = training_steps(world_id, bool(ranges))
            start = None
            if kind == "randomized" and STEPS[world_id].goes_on:
                start = pretrained.pretrained_folder(out, world_id, "nominal")
                if not bundles.exists(start):
                    raise HeadstartError(f"'{path}' goes on from '{start}': train that first")
            train_bundle(world_id, path, steps, None, ranges, SEED, console=console, start=start)


def make_cards(
    worlds: Sequence[str] | None,
    kinds: Sequence[str] | None,
    root: Path | None,
    episodes: int,
    console: Console,
) -> Iterator[Path]:
    """Measure the bundles under `root` (those of headstart by default), yielding their cards.

    Raises:
        HeadstartError: none is there, or a damaged one.
    """
    for world_id, kind, path in _chosen(worlds, kinds, root):
        with console.status(f"{world_id} {kind}"):
            write_json(path / pretrained.CARD, card(path, world_id, kind, episodes))
        yield path / pretrained.CARD


def pretrained_table(
    worlds: Sequence[str] | None,
    kinds: Sequence[str] | None,
    root: Path | None,
    episodes: int,
    console: Console,
) -> Table:
    """Evaluate bundles in the worlds they come from, not randomized, and return a table.

    Raises:
        HeadstartError: none is there, or a damaged one.
    """
    table = Table("world", "kind", title=f"In the nominal source, {episodes} episodes each")
    for column in ("return", "std", "on the card", "success", "speed (m/s)"):
        table.add_column(column, justify="right")
    for world_id, kind, path in _chosen(worlds, kinds, root):
        with console.status(f"{world_id} {kind}"):
            row = measure_pretrained(bundles.load(path), world_id, {}, {}, episodes)
        known = pretrained.cards(path.parents[1]).get((world_id, kind))
        table.add_row(
            world_id,
            kind,
            f"{row['return']['mean']:.1f}",
            f"{row['return']['std']:.1f}",
            f"{known['nominal']['return']['mean']:.1f}" if known else "",
            "" if row["success"] is None else f"{100 * row['success']:.0f} %",
            "" if row["speed"] is None else f"{row['speed']:.2f}",
        )
    return table


def card(path: Path, world_id: str, kind: str, episodes: int = EPISODES) -> dict[str, Any]:
    """Return how the bundle at `path` was made, by the recipe, and what it gets.

    Raises:
        HeadstartError: the bundle is damaged, or of another world or kind.
    """
    bundle = bundles.load(path)
    if bundle.world_id != world_id or bool(bundle.randomization) != (kind == "randomized"):
        how = "randomized" if bundle.randomization else "nominal"
        raise HeadstartError(f"bundle {path} is of '{bundle.world_id}', {how}")
    checked = check_pretrained(bundle, range(FIRST_SEED, FIRST_SEED + CHECKED))
    ranges = recommended_ranges(world_id)
    return {
        "world": world_id,
        "kind": kind,
        "command": command(bundle, kind),
        "algorithm": bundle.algorithm.name,
        "steps": bundle.steps,
        "seed": SEED,
        "randomization": bundle.randomization,
        "sha256": pretrained.checksum(path),
        "trained_with": bundle.versions,
        "measured_with": versions(),
        "processor": hardware()["processor"],
        "first_seed": FIRST_SEED,
        "nominal": measure_pretrained(bundle, world_id, {}, {}, episodes),
        RECOMMENDED: measure_pretrained(bundle, world_id, {}, ranges, episodes) if ranges else None,
        "shifts": {
            name: {
                "changes": changes,
                **measure_pretrained(bundle, world_id, changes, {}, episodes),
            }
            for name, changes in _calibrated(measurements(world_id)).items()
        },
        "check": {"returns": checked.returns.tolist(), "lengths": checked.lengths.tolist()},
    }


def check_pretrained(bundle: Bundle, seeds: Sequence[int]) -> Evaluation:
    """Evaluate a bundle on a few episodes, all in one batch, so that numbers repeat exactly."""
    spec = WorldSpec(bundle.world_id)
    return evaluate_policy(bundle.policy().acting(), spec.make, seeds, worlds=len(seeds))


def command(bundle: Bundle, kind: str) -> str:
    """Return the command that trains a bundle anew."""
    world_id = bundle.world_id
    steps = training_steps(world_id, bool(bundle.randomization))
    rollout = bundle.algorithm.rollout
    if whole(steps, rollout) != bundle.steps:
        steps = bundle.steps
    words = [f"headstart pretrain {world_id}"]
    words.append(f"--out {pretrained.pretrained_folder(Path('pretrained'), world_id, kind)}")
    words.append(f"--steps {steps} --seed {SEED}")
    if bundle.start:
        words.append("--start pretrained/nominal")
    if bundle.randomization == recommended_ranges(world_id):
        words.append(f"--randomize {RECOMMENDED}")
    else:
        words += [f'--randomize "{name} {text}"' for name, text in bundle.randomization.items()]
    return " ".join(words)


def measure_pretrained(
    bundle: Bundle,
    world_id: str,
    shift: Mapping[str, str],
    ranges: Mapping[str, str],
    episodes: int,
) -> dict[str, Any]:
    """Return what a policy gets over fixed episodes of a shifted or randomized world.

    `return`: mean, standard deviation over the episodes and their number; `success`: their share,
    or None; `length` in steps; `speed` in m/s, None where the task is not to move on.
    """
    spec, tallies = WorldSpec(world_id, shift=dict(shift)), list[_Way]()

    def make() -> gymnasium.Env[Any, Any]:
        tallies.append(_Way(randomized(spec.make(), ranges)))
        return tallies[-1]

    seeds = range(FIRST_SEED, FIRST_SEED + episodes)
    outcome = evaluate_policy(bundle.policy().acting(), make, seeds, worlds=BATCH)
    seconds = sum(tally.seconds for tally in tallies)
    return {
        "return": {
            "mean": float(outcome.returns.mean()),
            "std": float(outcome.returns.std(ddof=1)),
            "n": episodes,
        },
        "success": None if outcome.successes is None else float(outcome.successes.mean()),
        "length": float(np.mean(outcome.lengths)),
        "speed": sum(tally.metres for tally in tallies) / seconds if seconds else None,
    }


class _Way(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Adds up the metres and seconds of all episodes, where the task is to move on."""

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        super().__init__(env)
        self._world: Any = env.unwrapped
        self._steps = 0
        self.metres = self.seconds = 0.0

    def reset(self, **options: Any) -> tuple[Any, dict[str, Any]]:
        """Start an episode."""
        self._steps = 0
        return super().reset(**options)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Take a step; at the end of an episode, take down what it made."""
        outcome = super().step(action)
        self._steps += 1
        covered = self._world.task.covered
        if covered is not None and (outcome[2] or outcome[3]):
            self.metres += covered
            self.seconds += self._steps * self._world.timing.period
        return outcome


def _calibrated(measured: Mapping[str, Any] | None) -> dict[str, Mapping[str, str]]:
    """Return the changes of every calibrated shift by name; empty where nothing is measured."""
    rows = (measured or {}).get("shifts") or {}
    return {name: row["changes"] for name, row in rows.items()}


def _chosen(
    worlds: Sequence[str] | None, kinds: Sequence[str] | None, root: Path | None
) -> list[tuple[str, str, Path]]:
    """Return world, kind and place of the bundles asked for."""
    worlds = _known(worlds, WORLDS, "world") or list(WORLDS)
    kinds = _known(kinds, pretrained.KINDS, "kind") or pretrained.KINDS
    root = root or pretrained.DATA
    found = [row for row in pretrained.listed(root) if row[0] in worlds and row[1] in kinds]
    if not found:
        raise HeadstartError(f"no bundle of {', '.join(worlds)} ({', '.join(kinds)}) in '{root}'")
    return found


def _known(
    names: Sequence[str] | None, known: Sequence[str] | Mapping[str, Any], what: str
) -> list[str]:
    """Return the names that were given, refusing one that is not known."""
    for name in names or []:
        if name not in known:
            raise HeadstartError(f"unknown {what} '{name}'{nearest(name, known)}")
    return list(names or [])
