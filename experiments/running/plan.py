"""An experiment resolved once: its algorithm, methods, worlds, budgets and units of work."""

from __future__ import annotations

import re
import zlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from ...agents.algorithms import SENSES, Algorithm, resolve_algorithm
from ...agents.training import evaluation_steps, whole
from ...core.errors import HeadstartError
from ...core.named import split_named
from ...envs.changes import ChangeError
from ...envs.main_module import MainModule, find_main
from ...envs.shifts import stored_anchors
from ...envs.spec import WorldSpec
from ...transfer.methods import METHODS, Method, resolve_method
from ...transfer.randomization import RandomizerError
from ..config.method_entries import own_settings
from ..config.schema import SOURCE, ConfigError, Experiment, method_label, source_seed


@dataclass(frozen=True)
class Unit:
    """One piece of work; `path` is its folder in the run directory.

    `instance` is its target where that exists once, so that other units wait for it.
    """

    path: str
    steps: int
    needs: tuple[str, ...] = ()
    instance: str | None = None

    @property
    def is_trial(self) -> bool:
        """Whether it is a method on a target, not a source policy or an anchor."""
        return self.path.startswith("trials/")

    @property
    def trial_name(self) -> str:
        """A trial's `target/method/seed`."""
        return self.path.removeprefix("trials/").replace("/seed-", "/")


@dataclass(frozen=True)
class Plan:
    """What an experiment comes to, made by `make_plan` and handed on.

    Attributes:
        experiment: the configuration.
        algorithm: the source's algorithm with all its settings.
        methods: the transfer methods by label.
        worlds: the world of each target and of the source (`SOURCE`).
        budgets: environment steps in the target, by target and method label.
        units: all units of work, each after those it needs; the longest chains come first.
        parameters: the worlds' parameters by world id, once they have been looked at by
            `checks.check_plan`; else empty.
    """

    experiment: Experiment
    algorithm: Algorithm
    methods: Mapping[str, Method]
    worlds: Mapping[str, WorldSpec]
    budgets: Mapping[tuple[str, str], int]
    units: tuple[Unit, ...]
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def whole_steps(self, steps: int) -> int:
        """Return how many steps a budget takes, in whole rollouts."""
        return whole(steps, self.algorithm.rollout)

    def target_grid(self, target: str, label: str) -> list[int]:
        """Return the steps at which a method is evaluated on a target."""
        every = self.experiment.evaluation.every
        return evaluation_steps(self.budgets[target, label], every, self.algorithm.rollout)

    def source_grid(self) -> list[int]:
        """Return the steps at which a source policy is evaluated."""
        experiment = self.experiment
        return evaluation_steps(
            experiment.source.steps, experiment.source_every, self.algorithm.rollout
        )

    def source_path(self, seed: int) -> str:
        """Return the folder of the source policy that `seed` uses: its own, or a shared one."""
        return _source_path(self.experiment, seed)

    @property
    def single(self) -> frozenset[str]:
        """The targets whose worlds exist once."""
        targets = self.experiment.targets.items()
        return frozenset(name for name, target in targets if target.instances == 1)

    @property
    def examined(self) -> dict[str, WorldSpec]:
        """The worlds that may be made to look at them: those that exist once may not."""
        return {name: spec for name, spec in self.worlds.items() if name not in self.single}

    @property
    def trust(self) -> frozenset[str]:
        """The packages that the bundles of a run may name: those that the experiment names."""
        experiment = self.experiment
        named = {text.partition(":")[0].partition(".")[0] for text in _texts(experiment.resolved())}
        return frozenset(named | {*experiment.source.trust})

    @cached_property
    def main_module(self) -> MainModule:
        """What workers need of the script or notebook that this process runs, if anything."""
        worlds = [spec.world for spec in self.worlds.values()]
        return find_main(worlds, _texts(self.experiment.resolved()))

    def stored_anchors(self, name: str) -> dict[str, Any] | None:
        """Return the anchors of a target, or of the source, with their origins.

        They are given in the experiment, or stored with the world; else None.
        """
        return _known_anchors(self.experiment, name)


def make_plan(
    experiment: Experiment, where: str = "experiment", labels: Collection[str] | None = None
) -> Plan:
    """Resolve an experiment; no world is made.

    Args:
        experiment: the configuration.
        where: what errors begin with.
        labels: the methods that are resolved, by default all. A process that runs one method
            must not depend on the others, which may not even be importable there.

    Raises:
        ConfigError: an unknown algorithm, method or setting.
    """
    with located(where, "source.algorithm"):
        algorithm = _algorithm(experiment)
    with located(where, "methods"):
        methods = _methods(experiment, labels)
    source = experiment.source
    worlds = {name: target.spec(source) for name, target in experiment.targets.items()}
    budgets = {
        (name, label): _budget(experiment, name, method, algorithm)
        for name in experiment.targets
        for label, method in methods.items()
    }
    return Plan(
        experiment,
        algorithm,
        methods,
        {SOURCE: source.spec(), **worlds},
        budgets,
        tuple(_units(experiment, methods, budgets)),
    )


def stream(seed: int, label: str) -> int:
    """Derive a seed for one purpose from a trial's seed, in [0, 2^31)."""
    words = np.random.SeedSequence([seed, zlib.crc32(label.encode())]).generate_state(1)
    return int(words[0] >> 1)


def world_key(name: str) -> str:
    """Return the key of the experiment's file that a world stands at.

    >>> world_key("icy"), world_key(SOURCE)
    ('targets.icy', 'source')
    """
    return name if name == SOURCE else f"targets.{name}"


def adds_source_steps(method: Method) -> bool:
    """Return whether a method trains in the target for the source's steps as well."""
    return bool(getattr(method, "adds_source_steps", False))


def _texts(data: Any) -> Iterator[str]:
    """Yield the texts of the form `package.module:Name` in plain data, keys among them."""
    if isinstance(data, Mapping):
        data = [*data.keys(), *data.values()]
    if isinstance(data, (list, tuple)):
        for part in data:
            yield from _texts(part)
    elif isinstance(data, str) and re.fullmatch(r"[A-Za-z_][\w.]*:\w\S*", data):
        yield data


def _algorithm(experiment: Experiment) -> Algorithm:
    """Return the source's algorithm; that of a bundle has all its settings already."""
    source = experiment.source
    if source.bundle is not None and isinstance(source.algorithm, Mapping):
        name, settings = split_named(source.algorithm, "algorithm")
        return Algorithm(name, {}).replace(**settings)
    stated = {key: getattr(source, key) for key in SENSES}
    given = {key: value for key, value in stated.items() if value is not None}
    resolved = resolve_algorithm(source.algorithm, source.world)
    return resolved.replace(**given) if given else resolved


def _methods(experiment: Experiment, labels: Collection[str] | None) -> dict[str, Method]:
    """Return the experiment's methods by label."""
    found = {}
    for entry in experiment.methods:
        label = method_label(entry)
        name, settings = split_named(entry, "method")
        if label in METHODS and label != name:
            raise HeadstartError(
                f"method {name}: it would be called '{label}', which is another method; give it "
                "a 'label' of its own"
            )
        if labels is None or label in labels:
            found[label] = resolve_method({name: own_settings(settings)})
    return found


def _budget(experiment: Experiment, target: str, method: Method, algorithm: Algorithm) -> int:
    """Return the target steps of a method: the target's, and the source's where it adds them.

    Of the source's those that it takes, in whole rollouts.
    """
    steps = experiment.targets[target].steps
    if not adds_source_steps(method):
        return steps
    return steps + whole(experiment.source.steps, algorithm.rollout)


def _units(
    experiment: Experiment,
    methods: Mapping[str, Method],
    budgets: Mapping[tuple[str, str], int],
) -> list[Unit]:
    source = experiment.source
    steps = source.steps if source.bundle is None else 0
    anchors = [
        Unit(f"anchors/{name}", 0)
        for name in (SOURCE, *experiment.targets)
        if _known_anchors(experiment, name) is None
        and (name == SOURCE or experiment.targets[name].instances is None)
    ]
    sources = [
        Unit(_source_path(experiment, seed), steps)
        for seed in experiment.seeds[: source.policies]
        if any(method.needs_source for method in methods.values())
    ]
    trials = [
        Unit(
            f"trials/{name}/{label}/seed-{seed}",
            budgets[name, label] if method.trains else 0,
            (_source_path(experiment, seed),) if method.needs_source else (),
            name if experiment.targets[name].instances else None,
        )
        for name in experiment.targets
        for seed in experiment.seeds
        for label, method in methods.items()
    ]
    return [*sources, *sorted(trials, key=lambda unit: -unit.steps), *anchors]


def _source_path(experiment: Experiment, seed: int) -> str:
    its = source_seed(experiment.seeds, experiment.source.policies, seed)
    return f"source/{experiment.source.name}/seed-{its}"


def _known_anchors(experiment: Experiment, name: str) -> dict[str, Any] | None:
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


@contextmanager
def located(where: str, key: str, world: Any = None) -> Iterator[None]:
    """Turn errors met inside into a ConfigError that begins with file and key; close `world`."""
    try:
        yield
    except RandomizerError as error:
        _close(world)
        raise ConfigError(f"{where}: source.randomizer: {error}") from None
    except ChangeError as error:
        _close(world)
        raise ConfigError(f"{where}: {key}.{error}") from None
    except HeadstartError as error:
        _close(world)
        raise ConfigError(f"{where}: {key}: {error}") from None
    except BaseException:
        _close(world)
        raise


def _close(world: Any) -> None:
    if world is not None:
        world.close()
