"""How severe each named shift is: nominal policies evaluated, as they are, along every family.

Levels are found on one set of episodes and measured on another, so that the scores shown were not
chosen for being what they are. The measured table is checked in as `envs/shifts.json`; `headstart
bench shifts` makes it anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from ...agents.bundles import bundle as bundles
from ...agents.evaluation import Evaluator
from ...agents.policies.base import Act
from ...core.errors import HeadstartError, nearest
from ...core.files import read_json, write_json
from ...envs.catalog import WORLDS
from ...envs.shifts import UNMODELLED, families, in_band, measurements, unmodelled
from ...envs.spec import WorldSpec
from ...envs.worlds.family import Family
from ..measuring.statistics import mean_interval
from ..running.metadata import versions

SEARCH_SEED, FIRST_SEED = 4_000_000, 3_000_000
"""The first seed of the episodes that levels are found on, and of those they are measured on.

Neither are those of experiments and cards, from 1,000,000 on.
"""
SEARCHED = ("search_seed", "search_episodes")
WORLDS_AT_ONCE = 10
GRID = (0.25, 0.5, 0.75, 1.0)
AIMS = {"mild": 0.875, "moderate": 0.6, "severe": 0.25}
"""The score looked for at each level: the middle of its band, or well below it."""
CLOSE = {"mild": 0.04, "moderate": 0.1, "severe": 0.1}
HALVINGS = 6


class Calibration:
    """Nominal policies of one world, and what they get at any severity of any family."""

    def __init__(
        self, world_id: str, policies: Sequence[Path], episodes: int, first_seed: int
    ) -> None:
        """Load the bundles `policies`; each is evaluated over `episodes` with seeds in a row.

        Raises:
            HeadstartError: a bundle is missing, damaged or of another world.
        """
        self.world_id = world_id
        self.seeds = range(first_seed, first_seed + episodes)
        self.bundles = [bundles.load(path) for path in policies]
        for bundle in self.bundles:
            if bundle.world_id != world_id or bundle.randomization:
                raise HeadstartError(f"'{bundle.directory}' was not trained in nominal {world_id}")
        self._policies = [bundle.policy() for bundle in self.bundles]
        self.nominal = self._measure({})

    def measure(self, changes: Mapping[str, str]) -> dict[str, Any]:
        """Return the random policy's and the policies' returns under a shift, and their score."""
        row = self._measure(changes)
        best = np.mean(self.nominal["returns"])
        scale = best - row["random"]
        scores = (np.array(row.pop("episode_returns")) - row["random"]) / scale
        # Each policy is one draw; of a single one the episodes are all that varies.
        units = scores.mean(axis=1) if len(scores) > 1 else scores[0]
        interval = mean_interval(units)
        assert interval is not None
        return {**row, "score": float(scores.mean()), "interval": [interval.low, interval.high]}

    def levels(self, family: Family) -> dict[str, float]:
        """Find the severity of each level of a family.

        A coarse grid of severities is measured first; each level then lies between the last grid
        point above its aim and the first one below, found by halving.
        """
        known = {0.0: 1.0}

        def score(severity: float) -> float:
            if severity not in known:
                known[severity] = self.measure(family.at(severity))["score"]
            return known[severity]

        for severity in GRID:
            if score(severity) < AIMS["severe"]:
                break
        found = {}
        for level, aim in AIMS.items():
            severity = _where(score, sorted(known), aim, CLOSE[level])
            if severity > 0.0:
                found[level] = severity
        return found

    def _measure(self, changes: Mapping[str, str]) -> dict[str, Any]:
        spec = WorldSpec(self.world_id, shift=dict(changes))
        evaluator = Evaluator(spec.make, self.seeds, worlds=WORLDS_AT_ONCE)
        try:
            outcomes = [evaluator.evaluate(policy.acting()) for policy in self._policies]
            random = evaluator.evaluate(self._random())
        finally:
            evaluator.close()
        successes = [o.successes.mean() for o in outcomes if o.successes is not None]
        return {
            "random": float(random.returns.mean()),
            "returns": [float(outcome.returns.mean()) for outcome in outcomes],
            "success": float(np.mean(successes)) if successes else None,
            "episode_returns": [outcome.returns.tolist() for outcome in outcomes],
        }

    def _random(self) -> Act:
        """Return a policy of uniformly random actions, anew from the same seed."""
        rng = np.random.default_rng(self.seeds[0])
        shape = self.bundles[0].action_space.shape or ()
        return lambda observations: rng.uniform(-1, 1, (len(observations), *shape))


def _where(score: Any, known: Sequence[float], aim: float, close: float) -> float:
    """Return the severity at which `score` is about `aim`; the greatest one if it stays above."""
    crossing = next((severity for severity in known if score(severity) < aim), None)
    if crossing is None:
        return known[-1]
    low = max((severity for severity in known if severity < crossing), default=0.0)
    high = crossing
    for _ in range(HALVINGS):
        if abs(score(high) - aim) <= close:
            break
        middle = round(0.5 * (low + high), 3)
        if middle in (low, high):
            break
        if score(middle) >= aim:
            low = middle
        else:
            high = middle
    return min((s for s in (low, high) if s > 0.0), key=lambda s: abs(score(s) - aim))


def calibrate(
    world_id: str,
    policies: Sequence[Path],
    episodes: int,
    progress: Progress,
    only: Sequence[str] = (),
    earlier: Mapping[str, Any] | None = None,
    keep: bool = False,
) -> dict[str, Any]:
    """Return a world's entry of `envs/shifts.json`: see `headstart.envs.shifts.measurements`.

    With `only`, the other families' rows are those of the `earlier` entry; with `keep`, levels stay
    where they are there, and are measured anew.

    Raises:
        HeadstartError: an unknown family in `only`, an earlier entry that was measured otherwise,
            so that the two do not go together, or none to `keep` levels of.
    """
    found = families(world_id)
    earlier = earlier or {}
    there: Mapping[str, Any] = earlier.get("shifts", {})
    _check_families(world_id, only)
    if keep:
        _check_levels(world_id, only or list(found), there)
    report = Calibration(world_id, policies, episodes, FIRST_SEED)
    entry = _entry(report)
    if only:
        _check_same_conditions(world_id, entry, earlier)
    search = None if keep else Calibration(world_id, policies, episodes, SEARCH_SEED)
    bar = progress.add_task(world_id, total=len(found) + 1)
    rows: dict[str, Any] = {}
    for name, family in found.items():
        levels: dict[str, Any] = _of_family(name, there)
        if only and name not in only:
            rows |= levels
        else:
            if search is not None:
                levels = _searched_levels(search, name, family)
            rows |= _measured_levels(report, family, levels)
        progress.advance(bar)
    if unmodelled(world_id):
        changes = dict(unmodelled(world_id))
        rows[UNMODELLED] = {"changes": changes, **report.measure(changes)}
    return {**entry, "shifts": rows}


def _check_families(world_id: str, names: Sequence[str]) -> None:
    """Raise HeadstartError for a name that is no family of the world."""
    found = families(world_id)
    for name in names:
        if name not in found:
            raise HeadstartError(f"'{world_id}' has no family '{name}'{nearest(name, found)}")


def _check_levels(world_id: str, names: Sequence[str], there: Mapping[str, Any]) -> None:
    """Raise HeadstartError for a family without levels that could be kept."""
    for name in names:
        if not _of_family(name, there):
            raise HeadstartError(
                f"'{world_id}' has no levels of '{name}' to keep: measure it without --keep first"
            )


def _check_same_conditions(
    world_id: str, entry: Mapping[str, Any], earlier: Mapping[str, Any]
) -> None:
    """Raise HeadstartError where an earlier entry was measured otherwise than this one."""
    for key, value in entry.items():
        if earlier.get(key) != value:
            raise HeadstartError(
                f"'{world_id}' was measured with other {key}: measure all of its families"
            )


def _of_family(name: str, rows: Mapping[str, Any]) -> dict[str, Any]:
    """Return the rows of one family's levels."""
    return {key: row for key, row in rows.items() if key.startswith(f"{name}/")}


def _searched_levels(search: Calibration, name: str, family: Family) -> dict[str, Any]:
    """Return rows with the severity found for each level, and what it was found on."""
    found_on = dict(zip(SEARCHED, (search.seeds.start, len(search.seeds)), strict=True))
    return {
        f"{name}/{level}": {"severity": severity, **found_on}
        for level, severity in search.levels(family).items()
    }


def _measured_levels(
    report: Calibration, family: Family, levels: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the rows of a family's levels, measured at their severities."""
    rows = {}
    for key, level in levels.items():
        kept = {what: level[what] for what in ("severity", *SEARCHED)}
        changes = family.at(level["severity"])
        rows[key] = {**kept, "changes": changes, **report.measure(changes)}
    return rows


def _entry(report: Calibration) -> dict[str, Any]:
    """Return what was measured how, and what the nominal world gives."""
    return {
        "policies": [
            {"algorithm": {b.algorithm.name: dict(b.algorithm.settings)}, "steps": b.steps}
            for b in report.bundles
        ],
        "episodes": len(report.seeds),
        "first_seed": FIRST_SEED,
        "versions": versions(),
        "nominal": {k: v for k, v in report.nominal.items() if k != "episode_returns"},
    }


def calibrate_all(
    world_ids: Sequence[str] | None,
    policies: Sequence[Path],
    episodes: int,
    out: Path | None,
    console: Console,
    only: Sequence[str] = (),
    keep: bool = False,
) -> Iterator[Table]:
    """Calibrate several worlds (all with a policy by default), yielding a table each.

    `policies` are bundles trained in the (one) nominal world; by default the shipped one. What is
    measured is merged into the JSON file `out`, if one is given. With `only`, just these families
    are measured; with `keep`, no levels are looked for. What is not measured, or looked for, is as
    it stands in `out`, or else in the table of headstart.

    Raises:
        HeadstartError: an unknown world, or one without policy or families.
    """
    from ...agents.bundles import pretrained

    for world_id in world_ids or [w for w in WORLDS if families(w)]:
        if not families(world_id):
            known = [world for world in WORLDS if families(world)]
            raise HeadstartError(f"no shifts of '{world_id}'{nearest(world_id, known)}")
        chosen = list(policies) or [pretrained.find_pretrained("pretrained/nominal", world_id)]
        with Progress(console=console, transient=True) as progress:
            written = (read_json(out) or {}).get(world_id) if out is not None else None
            earlier = written or measurements(world_id)
            measured = calibrate(world_id, chosen, episodes, progress, only, earlier, keep)
        if out is not None:
            write_json(out, {**(read_json(out) or {}), world_id: measured})
        yield shifts_table(world_id, measured)


def shifts_table(world_id: str, measured: Mapping[str, Any]) -> Table:
    """Return the table of a world's shifts: zero-shot scores of nominal policies.

    A score of 0 is random actions on that shift, 1 what the policies get in the nominal world.
    """
    count, episodes = len(measured["policies"]), measured["episodes"]
    who = "policy" if count == 1 else "policies"
    title = f"{world_id}: {count} nominal {who}, zero-shot, {episodes} episodes"
    table = Table("shift", "changes", "return", "score", "95 %", "success", "in band", title=title)
    rows = {"nominal": {**measured["nominal"], "changes": {}, "score": 1.0}, **measured["shifts"]}
    for name, row in rows.items():
        ends = row.get("interval")
        table.add_row(
            name,
            ", ".join(f"{key} {change}" for key, change in row["changes"].items()),
            f"{np.mean(row['returns']):.1f}",
            f"{row['score']:.2f}",
            f"[{ends[0]:.2f}, {ends[1]:.2f}]" if ends else "",
            "" if row["success"] is None else f"{100 * row['success']:.0f} %",
            ""
            if name in ("nominal", UNMODELLED)
            else "yes"
            if in_band(name, row["score"])
            else "no",
        )
    return table
