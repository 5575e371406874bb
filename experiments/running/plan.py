"""From an experiment to its units of work: sources, anchors and trials, and what needs what."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ...agents import learner
from ...agents.algorithms import SENSES, Algorithm, resolve
from ...agents.bundles import bundle as bundles
from ...agents.bundles import pretrained
from ...agents.bundles.placeholder import placeholder
from ...agents.bundles.sizes import check_memory
from ...agents.bundles.spaces import difference
from ...agents.learner import create
from ...agents.policies.history import HistoryLayout
from ...agents.training import streams_kept, whole
from ...core.errors import HeadstartError
from ...envs.adapters import try_once
from ...envs.changes import ChangeError
from ...envs.parameters import find_parameterized
from ...envs.privileged import PrivilegedWorld, Privileges
from ...envs.shifts import stored_anchors
from ...transfer.methods import METHODS, Method, check_budget
from ...transfer.methods import check as check_method
from ...transfer.methods import fits as check_networks
from ...transfer.methods import resolve as resolve_method
from ...transfer.randomization import RandomizerError
from ...transfer.randomization.prepared import PreparedRandomization, prepare_randomization
from ..config.method_entries import own_settings
from ..config.schema import SOURCE, ConfigError, Experiment, method_label, source_seed


@dataclass(frozen=True)
class Unit:
    """One piece of work; `path` is its folder in the run directory."""

    path: str
    steps: int
    needs: tuple[str, ...] = ()


def units(experiment: Experiment) -> list[Unit]:
    """Return all units, each after those it needs; the longest chains begin first."""
    source = experiment.source
    steps = source.steps if source.bundle is None else 0
    anchors = [
        Unit(f"anchors/{name}", 0)
        for name in (SOURCE, *experiment.targets)
        if known_anchors(experiment, name) is None
    ]
    found = methods(experiment)
    sources = [
        Unit(source_path(experiment, seed), steps)
        for seed in experiment.seeds[: experiment.source.policies]
        if any(method.needs_source for method in found.values())
    ]
    trials = [
        Unit(
            f"trials/{name}/{label}/seed-{seed}",
            budget(experiment, name, method) if method.trains else 0,
            (source_path(experiment, seed),) if method.needs_source else (),
        )
        for name, target in experiment.targets.items()
        for seed in experiment.seeds
        for label, method in found.items()
    ]
    return [*sources, *sorted(trials, key=lambda unit: -unit.steps), *anchors]


def budget(experiment: Experiment, target: str, method: Method) -> int:
    """Return the target steps of a method: the target's, and the source's where it adds them.

    Of the source's those that it takes, in whole rollouts.
    """
    steps = experiment.targets[target].steps
    if not adds_source_steps(method):
        return steps
    return steps + taken(experiment, experiment.source.steps)


def taken(experiment: Experiment, steps: int) -> int:
    """Return how many steps a budget takes, in whole rollouts."""
    return whole(steps, algorithm(experiment).rollout)


def adds_source_steps(method: Method) -> bool:
    """Whether a method trains in the target for the source's steps as well."""
    return bool(getattr(method, "adds_source_steps", False))


def source_path(experiment: Experiment, seed: int) -> str:
    """Return the folder of the source that `seed` begins from: its own, or one that it shares."""
    its = source_seed(experiment.seeds, experiment.source.policies, seed)
    return f"source/{experiment.source.name}/seed-{its}"


def methods(experiment: Experiment) -> dict[str, Method]:
    """Return the experiment's methods by label."""
    found = {}
    for entry in experiment.methods:
        name, plain, label = entry, entry, method_label(entry)
        if isinstance(entry, Mapping):
            [(name, settings)] = entry.items()
            plain = {name: own_settings(settings)}
        if label in METHODS and label != name:
            raise HeadstartError(
                f"method {name}: it would be called '{label}', which is another method; give it "
                "a 'label' of its own"
            )
        found[label] = resolve_method(plain)
    return found


def algorithm(experiment: Experiment) -> Algorithm:
    """Return the source's algorithm with all its settings: a bundle's are all there."""
    source = experiment.source
    if source.bundle is not None and isinstance(source.algorithm, Mapping):
        [(name, settings)] = source.algorithm.items()
        return Algorithm(name, {}).replace(**(settings or {}))
    stated = {key: getattr(source, key) for key in SENSES}
    given = {key: value for key, value in stated.items() if value is not None}
    resolved = resolve(source.algorithm, source.world)
    return resolved.replace(**given) if given else resolved


def trust(experiment: Experiment) -> frozenset[str]:
    """Return the packages that the bundles of a run may name: those that the experiment names."""
    named = {text.partition(":")[0].partition(".")[0] for text in _texts(experiment.resolved())}
    return frozenset(named | {*experiment.source.trust})


def _texts(data: Any) -> Iterator[str]:
    """Yield the texts of the form `package.module:Name` in plain data, keys among them."""
    if isinstance(data, Mapping):
        data = [*data.keys(), *data.values()]
    if isinstance(data, (list, tuple)):
        for part in data:
            yield from _texts(part)
    elif isinstance(data, str) and re.fullmatch(r"[A-Za-z_][\w.]*:\w\S*", data):
        yield data


def check(experiment: Experiment, where: str = "experiment") -> dict[str, Any]:
    """Build every world once and check that the experiment can run.

    Returns the worlds' parameters, by world id, for the report.

    Raises:
        ConfigError: one line with the key's path and what is wrong there.
    """
    with _at(where, "source.algorithm"):
        algorithm(experiment)
    with _at(where, "methods"):
        found = methods(experiment)
        for method in found.values():
            check_method(method, algorithm(experiment))
    parameters: dict[str, Any] = {}
    with _at(where, "source"):
        world = experiment.source.spec().make()
        try_once(world)
    with _at(where, "source.randomization", world):
        randomization(experiment, world)
    if experiment.source.bundle is not None:
        with _at(where, "source.bundle", world):
            _check_bundle(experiment, world)
    parameters[experiment.source.world] = describe(world)
    spaces = _spaces(world)
    with _at(where, "source.critic_sees", world):
        seen = _privileges(experiment, world)
    world.close()
    with _at(where, "source.history"):
        if (history := algorithm(experiment).history) is not None:
            HistoryLayout(history, *spaces)
    with _at(where, "source.algorithm"), streams_kept():
        check_memory(algorithm(experiment), *spaces)
        stand_in = create(_light(algorithm(experiment)), placeholder(*spaces), 0, privileges=seen)
    try:
        with _at(where, "methods"):
            for method in found.values():
                check_networks(method, stand_in)
                check_budget(method, algorithm(experiment), experiment.source.steps)
    finally:
        stand_in.close()
    for name, target in experiment.targets.items():
        spec = target.spec(experiment.source)
        with _at(where, f"targets.{name}" + (".shift" if target.shift else "")):
            world = spec.make()
            try_once(world)
        # A name that is a path is known where it is used.
        parameters[spec.world] = {**parameters.get(spec.world, {}), **describe(world)}
        pairs = zip(("observation", "action"), spaces, _spaces(world), strict=True)
        differing = [
            f"{what} space: {problem}"
            for what, ours, theirs in pairs
            if (problem := difference(ours, theirs, bounds=what == "action"))
        ]
        world.close()
        carrying = [label for label, method in found.items() if method.needs_source]
        if differing and carrying:
            raise ConfigError(
                f"{where}: targets.{name}: {differing[0]}; so nothing can be carried over by "
                f"{', '.join(carrying)}"
            )
    _check_rollouts(experiment, where)
    return parameters


def randomization(experiment: Experiment, world: Any = None) -> PreparedRandomization | None:
    """Return the source's randomization, ready for a training; None where nothing is randomized.

    Args:
        experiment: what says what is randomized, and how.
        world: the source's world, to look at; by default one is made for it.

    Raises:
        HeadstartError: a range or a randomizer that does not fit the world or the budget.
    """
    source = experiment.source
    if world is None:
        world = source.spec().make()
        try:
            return randomization(experiment, world)
        finally:
            world.close()
    return prepare_randomization(
        source.randomization,
        source.randomizer,
        world,
        world_id=source.world,
        steps=taken(experiment, source.steps),
        changed=bool(source.kwargs or source.wrappers),
    )


def randomization_notes(experiment: Experiment) -> Iterator[str]:
    """Yield what is to be known of the source's randomization before it is trained."""
    found = None if experiment.source.bundle else randomization(experiment)
    if found is None or not found.randomizer.adaptive:
        return
    yield f"source.randomizer: an episode is a success by {found.signal}."
    for note in found.notes:
        yield f"source.randomizer: {note}."


def _privileges(experiment: Experiment, world: Any) -> Privileges | None:
    """Return what critics see and policies do not, looked up in the source; None for nothing.

    Raises:
        HeadstartError: the world has not what is named, or does not tell it.
    """
    settings = algorithm(experiment).settings
    if settings.get("critic_sees") is None:
        return None
    seen = Privileges.of(world, settings["critic_sees"])
    PrivilegedWorld(world, seen, settings.get("critic_in_target") or "nominal")
    PrivilegedWorld(world, seen).reset(seed=0)
    return seen


def _light(its: Algorithm) -> Algorithm:
    """Return the algorithm with room for next to nothing, to look at its networks."""
    return its.replace(buffer_size=its.worlds) if its.accepts("buffer_size") else its


def check_device(experiment: Experiment, where: str) -> None:
    """Raise ConfigError unless learners can be on the device that is asked for, here."""
    with _at(where, "device"):
        learner.check_device(experiment.device)


def _check_rollouts(experiment: Experiment, where: str) -> None:
    """Raise ConfigError where whole rollouts are twice what is asked for, or more."""
    its, source = algorithm(experiment), experiment.source
    asked = {f"targets.{name}.steps": t.steps for name, t in experiment.targets.items()}
    asked["evaluation.every"] = experiment.evaluation.every
    if source.bundle is None:
        asked["source.steps"] = source.steps
    for key, steps in asked.items():
        if 2 * steps <= its.rollout:
            raise ConfigError(
                f"{where}: {key}: {steps:,} is asked for, but {its.name} goes in whole rollouts of "
                f"{its.rollout:,} steps (all worlds together); ask for {its.rollout:,} or more, or "
                "shorten the rollouts in source.algorithm"
            )


def _check_bundle(experiment: Experiment, world: Any) -> None:
    """Raise HeadstartError unless the ready-made policy is whole, as stated, and fits `world`."""
    source = experiment.source
    assert source.bundle is not None
    path = pretrained.locate(source.bundle, source.world)
    facts, bundle = pretrained.facts(path), bundles.load(path, source.trust)
    stated = (source.bundle_sha256, source.steps, source.randomization)
    if stated != (facts.sha256, facts.steps, facts.randomization):
        raise HeadstartError(
            f"'{source.bundle}' is not the bundle that is stated: sha256 {facts.sha256}, "
            f"{facts.steps:,} steps, randomization {facts.randomization or 'none'}"
        )
    if algorithm(experiment) != bundle.algorithm:
        raise HeadstartError(f"the algorithm stated is not that of '{source.bundle}'")
    bundle.check_spaces(world.observation_space, world.action_space)


def describe(world: Any) -> dict[str, dict[str, Any]]:
    """Return a world's parameters as plain data; empty if it has none."""
    inner = find_parameterized(world)
    if inner is None:
        return {}
    return {
        p.name: {
            "unit": p.unit,
            "nominal": p.nominal,
            "low": p.low,
            "high": p.high,
            "about": p.about,
        }
        for p in inner.parameters.values()
    }


def known_anchors(experiment: Experiment, name: str) -> dict[str, Any] | None:
    """Return the anchors of a target, or of the source, with their origins.

    They are given in the experiment, or stored with the world; else None.
    """
    its = None if name == SOURCE else experiment.targets[name]
    if its is not None and its.anchors is not None:
        given = "given in the experiment"
        return {key: _anchor(value, given) for key, value in its.anchors.model_dump().items()}
    spec = experiment.source.spec() if its is None else its.spec(experiment.source)
    # What else was changed may change returns, too.
    found = None if spec.kwargs or spec.wrappers else stored_anchors(spec.world, spec.shift)
    if found is None:
        return None
    where = f"on {spec.shift}" if spec.shift else "there"
    return {
        "random": _anchor(found["random"], f"stored with the world: random actions {where}"),
        "reference": _anchor(
            found["reference"], "stored with the world: its nominal policy, not shifted"
        ),
    }


def _anchor(value: float, origin: str) -> dict[str, Any]:
    return {"return": value, "origin": origin}


def _spaces(world: Any) -> tuple[Any, Any]:
    return world.observation_space, world.action_space


class _at:
    """Turns errors met inside into a ConfigError that begins with file and key."""

    def __init__(self, where: str, key: str, world: Any = None) -> None:
        self.where, self.prefix, self.world = where, f"{where}: {key}", world

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if error is None:
            return
        if self.world is not None:
            self.world.close()
        if isinstance(error, RandomizerError):
            raise ConfigError(f"{self.where}: source.randomizer: {error}") from None
        if isinstance(error, ChangeError):
            raise ConfigError(f"{self.prefix}.{error}") from None
        if isinstance(error, HeadstartError):
            raise ConfigError(f"{self.prefix}: {error}") from None
