"""Returns of random actions, which mean a score of 0: measured, and kept across experiments.

They are measured until they are narrow enough, or all of `evaluation.anchor_episodes` are run. What
was measured lies beside the source policies of the cache, under the hash of all that it depends on,
so that another run of the same world need not measure it again.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from scipy.special import stdtrit

from ...agents.evaluation import Evaluator
from ...core.cache import cache_folder
from ...core.errors import HeadstartError
from ...core.files import StoreError, read_json, write_json
from . import metadata
from .claims import claim
from .code_hash import world_code
from .code_probe import canonical
from .plan import Plan, Unit, stream
from .probing import CodeError

FIRST, MORE = 20, 10
"""Episodes before the first look at the interval, and from one look to the next."""
NARROW = 0.02
"""Half the width of the 95 % interval, as a share of the mean, at which no more are run."""
RECORD = "random.json"


def measure_random(plan: Plan, name: str, worlds: int) -> dict[str, Any]:
    """Measure what uniformly random actions get in a world of a plan.

    Args:
        plan: the run's plan.
        name: a target, or the source.
        worlds: how many worlds share the episodes, at most.

    Returns:
        The mean `return`, the `returns` of all `episodes`, and half the width of the 95 % interval
        of their mean, `half_width`, which is None of one episode.

    Raises:
        EvaluationError: a number that is not finite, or an episode that does not end.
    """
    evaluation = plan.experiment.evaluation
    seeds = range(evaluation.seed, evaluation.seed + evaluation.anchor_episodes)
    evaluator = Evaluator(plan.worlds[name].make, seeds, worlds)
    space = evaluator.world.action_space
    space.seed(stream(evaluation.seed, "random policy"))
    returns: list[float] = []
    try:
        for part in looks(seeds):
            found = evaluator.evaluate(
                lambda _: np.stack([space.sample() for _ in range(evaluator.worlds)]), part
            )
            returns += found.returns.tolist()
            half = half_width(returns)
            if half is not None and half <= NARROW * abs(float(np.mean(returns))):
                break
    finally:
        evaluator.close()
    return {
        "return": float(np.mean(returns)),
        "returns": returns,
        "episodes": len(returns),
        "half_width": half_width(returns),
    }


def looks(seeds: Sequence[int]) -> list[Sequence[int]]:
    """Return the episodes between two looks at the interval; a short rest joins those before it.

    >>> [len(part) for part in looks(range(45))]
    [20, 10, 15]
    """
    starts = [0, *range(FIRST, len(seeds) - MORE + 1, MORE)]
    ends = [*starts[1:], len(seeds)]
    return [seeds[start:end] for start, end in zip(starts, ends, strict=True)]


def half_width(returns: Sequence[float]) -> float | None:
    """Return half the width of the 95 % t-interval of a mean; None of one number.

    >>> round(half_width([1.0, 2.0, 3.0]), 3)  # 4.303 * 1 / sqrt(3)
    2.484
    """
    count = len(returns)
    if count < 2:
        return None
    factor = stdtrit(count - 1, 0.975)
    return float(factor * np.std(returns, ddof=1) / math.sqrt(count))


def anchor_key(plan: Plan, name: str) -> str | None:
    """Return the hash of all that a measured anchor depends on; None where it cannot be known."""
    spec, evaluation = plan.worlds[name], plan.experiment.evaluation
    try:
        code = world_code(plan, name)
    except CodeError:
        return None
    content = {
        "world": [spec.world, spec.kwargs, spec.wrappers, spec.shift, spec.parameters],
        "seed": evaluation.seed,
        "episodes": evaluation.anchor_episodes,
        "versions": metadata.versions(),
        "hardware": _here(),
        "code": code,
    }
    return hashlib.sha256(canonical(content).encode()).hexdigest()


def take_anchors(plan: Plan, run: Path, todo: Sequence[Unit], console: Console) -> set[str]:
    """Take from the cache the anchors that are there, and say which.

    Returns:
        The paths of the units that need not be run any more.
    """
    taken = set()
    for unit in todo:
        kept = _fetch(plan, unit)
        if kept is None:
            continue
        with claim(run, unit.path) as mine:
            if mine is None:
                continue
            write_json(run / unit.path / RECORD, {**kept["record"], "kept": True})
            write_json(run / unit.path / "status.json", kept["status"])
        taken.add(unit.path)
    if taken:
        names = ", ".join(path.partition("/")[2] for path in sorted(taken))
        said = f"anchors from the cache, not measured again: {names}"
        console.print(said, highlight=False, soft_wrap=True)
    return taken


def keep_anchors(plan: Plan, run: Path, units: Sequence[Unit]) -> None:
    """Put the anchors that units measured on this machine into the cache, if there is room."""
    for unit in units:
        try:
            status = read_json(run / unit.path / "status.json") or {}
            record = read_json(run / unit.path / RECORD)
        except StoreError:
            continue
        place = _place(plan, unit)
        if place is None or record is None or record.get("kept"):
            continue
        if status.get("state") != "done" or status.get("computed_on") != [_here()[1]]:
            continue
        # That it cannot be kept costs time later, and nothing else.
        try:
            write_json(place, {"record": record, "status": status})
        except (OSError, HeadstartError):
            continue


def is_anchor(unit: Unit) -> bool:
    """Whether a unit measures an anchor."""
    return unit.path.startswith("anchors/")


def _fetch(plan: Plan, unit: Unit) -> dict[str, Any] | None:
    place = _place(plan, unit) if is_anchor(unit) else None
    if place is None:
        return None
    try:
        kept = read_json(place)
        sound = kept is not None and math.isfinite(kept["record"]["return"]) and kept["status"]
    except (StoreError, KeyError, TypeError):
        return None
    return kept if sound else None


def _place(plan: Plan, unit: Unit) -> Path | None:
    """Return where in the cache an anchor lies; None where it is off."""
    root = cache_folder()
    name = anchor_key(plan, unit.path.partition("/")[2]) if root else None
    return root / "anchors" / name[:2] / f"{name}.json" if root and name else None


def _here() -> list[str]:
    """Return what an anchor is computed on: worlds are stepped by the processor."""
    return [str(metadata.hardware()["system"]), metadata.computed_on("cpu")]
