"""What an adapted policy estimates of a world's parameters over episodes, beside what they are."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich import box
from rich.table import Table

from ...agents.bundles import bundle as bundles
from ...agents.bundles import pretrained
from ...agents.learner import Array, Learner
from ...agents.policies.adaptation import AdaptationView
from ...core.errors import HeadstartError
from ...envs.changes import parse
from ...envs.later import PARAMETERS, change_times
from ...envs.parameters import Parameter, parameterized
from ...envs.shifts import shift_changes
from ...envs.spec import WorldSpec
from .bundle_world import bundle_world


@dataclass(frozen=True)
class Episode:
    """One episode: `rewards` (steps,), and `true` and `estimated` (steps, parameters)."""

    rewards: Array
    true: Array
    estimated: Array


@dataclass(frozen=True)
class Estimates:
    """Episodes of a policy that estimates parameters, in their units.

    `explained` is the share of each parameter that the estimates explained in the source, R^2;
    `changes` are the steps with which parameters change; `period` is that of a step in seconds,
    None where it is not known. `unchanged` are the same episodes where nothing changes.
    """

    parameters: Sequence[Parameter]
    explained: Sequence[float]
    period: float | None
    changes: Sequence[int]
    episodes: Sequence[Episode]
    unchanged: Sequence[Episode]


def trace_estimates(
    name: str | Path,
    world_id: str | None,
    shift: str | Mapping[str, str],
    seeds: Sequence[int],
    trust: Collection[str] = (),
) -> Estimates:
    """Run a bundle's policy for an episode of each seed, and note what it estimates.

    Args:
        name: a bundle of the method `adapt`, as `evaluation_table` takes it.
        world_id: the world; None: where the bundle belongs, as in `evaluation_table`.
        shift: a named shift, or constant changes by parameter, some perhaps after a time.
        seeds: those of the episodes.
        trust: modules that the bundle may name.

    Raises:
        HeadstartError: a policy that estimates nothing, or a world that it does not fit.
    """
    bundle = bundles.load(pretrained.locate(name, world_id), trust)
    learner = bundle.policy()
    view = getattr(learner.model.policy, "features_extractor", None)
    if not isinstance(view, AdaptationView):
        raise HeadstartError(f"'{name}' estimates nothing: it is no policy of the method adapt")
    if not view.parameters_told:
        raise HeadstartError(f"'{name}' does not say what it estimates: run adapt again")
    its = bundle_world(bundle, world_id, trust).shifted(shift)
    if its.single:
        raise HeadstartError(
            f"target '{its.target}' exists once: nothing tells its true parameters, beside which "
            "estimates are drawn; name another world with --world"
        )
    spec = replace(its.spec, parameters=its.spec.parameters or {})
    world = spec.make()
    try:
        bundle.check_spaces(world.observation_space, world.action_space)
        layer = parameterized(world, "an estimate")
        known = [layer.parameters[one] for one in view.parameters_told]
        period = getattr(layer, "period", None)
        changes = change_times(world)
        episodes = [_episode(learner, view, world, known, seed) for seed in seeds]
    finally:
        world.close()
    unchanged = _unchanged(learner, view, spec, known, seeds) if changes else []
    explained = view.explained.tolist()
    return Estimates(known, explained, period, changes, episodes, unchanged)


def _unchanged(
    learner: Learner,
    view: AdaptationView,
    spec: WorldSpec,
    known: Sequence[Parameter],
    seeds: Sequence[int],
) -> list[Episode]:
    """Return the same episodes, without what changes during them."""
    changes = shift_changes(spec.world, spec.shift)
    lasting = {key: text for key, text in changes.items() if not parse(str(text)).after}
    world = replace(spec, shift=lasting).make()
    try:
        return [_episode(learner, view, world, known, seed) for seed in seeds]
    finally:
        world.close()


def _episode(
    learner: Learner, view: AdaptationView, world: Any, known: Sequence[Parameter], seed: int
) -> Episode:
    """Run one episode; an estimate is made before its step, of what was seen until then."""
    latents: list[torch.Tensor] = []
    hook = view.estimator.register_forward_hook(lambda *given: latents.append(given[-1]))
    policy = learner.acting()
    rewards: list[float] = []
    true: list[list[float]] = []
    estimated: list[Array] = []
    try:
        observation, info = world.reset(seed=seed)
        policy.reset(np.array([True]))
        now, ended = info[PARAMETERS], False
        while not ended:
            latents.clear()
            action = policy.act(observation[None])[0]
            with torch.no_grad():
                estimated.append(view.read(latents[-1])[0].numpy())
            observation, reward, terminated, truncated, info = world.step(action)
            now = info.get(PARAMETERS, now)
            true.append([now[one.name] for one in known])
            rewards.append(float(reward))
            ended = terminated or truncated
    finally:
        hook.remove()
    low, high = (np.array([getattr(one, end) for one in known]) for end in ("low", "high"))
    scaled = np.array(estimated, dtype=np.float64)
    return Episode(np.array(rewards), np.array(true), low + (scaled + 1) / 2 * (high - low))


def change_table(found: Estimates) -> Table:
    """Return the returns before and after the first change, with and without it."""
    first = found.changes[0]
    time = f"step {first}" if found.period is None else f"{first * found.period:g} s"
    table = Table(title=f"returns before and after {time}", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in (
        "",
        "before",
        "after",
        "a step before",
        "a step after",
        "episodes that get there",
    ):
        table.add_column(column, justify="right" if column else "left")
    for name, episodes in (("changed", found.episodes), ("not changed", found.unchanged)):
        parts = [(one.rewards[:first], one.rewards[first:]) for one in episodes]
        before, after = (np.concatenate([part[side] for part in parts]) for side in (0, 1))
        count = len(parts)
        table.add_row(
            name,
            f"{before.sum() / count:.3f}",
            f"{after.sum() / count:.3f}",
            f"{before.mean():.3f}",
            f"{after.mean():.3f}" if after.size else "–",
            f"{sum(part[1].size > 0 for part in parts)} of {count}",
        )
    return table
