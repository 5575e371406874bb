"""What is checked before anything runs: every world is made once, every network once."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...agents import learner
from ...agents.algorithms import Algorithm
from ...agents.bundles import bundle as bundles
from ...agents.bundles import pretrained
from ...agents.bundles.placeholder import placeholder
from ...agents.bundles.sizes import check_memory
from ...agents.bundles.spaces import difference
from ...agents.learner import create
from ...agents.policies.history import HistoryLayout
from ...agents.training import streams_kept
from ...agents.user_callbacks import make_callbacks
from ...core.errors import HeadstartError
from ...envs.adapters import try_once
from ...envs.parameters import find_parameterized
from ...envs.privileged import PrivilegedWorld, Privileges
from ...transfer.methods import check_budget, check_method, check_networks
from ..config.schema import SOURCE, ConfigError, Experiment
from .code_hash import check_returning
from .plan import Plan, located, make_plan, world_key
from .probing import HungError
from .randomization import source_randomization
from .tracking import check_track


def check_plan(experiment: Experiment, where: str = "experiment") -> Plan:
    """Resolve an experiment, make every world once, and check that the experiment can run.

    Returns:
        The plan, with the worlds' parameters.

    Raises:
        ConfigError: one line with the key's path and what is wrong there.
    """
    plan = make_plan(experiment, where)
    with located(where, "callbacks"), tempfile.TemporaryDirectory() as folder:
        make_callbacks(experiment.callbacks, Path(folder))
    with located(where, "track"):
        check_track(experiment.track)
    try:
        plan.main_module.packed()
        check_returning(plan)
    except HungError as error:
        raise ConfigError(f"{where}: {world_key(error.place)}: {error}") from None
    except HeadstartError as error:
        raise ConfigError(f"{where}: {error}") from None
    with located(where, "methods"):
        for method in plan.methods.values():
            check_method(method, plan.algorithm)
    parameters: dict[str, Any] = {}
    spaces, privileges = _check_source(plan, where, parameters)
    _check_fit(plan, where, spaces, privileges)
    for name in experiment.targets:
        if name not in plan.single:
            _check_target(plan, name, where, spaces, parameters)
    _check_rollouts(plan, where)
    return replace(plan, parameters=parameters)


def check_cluster(plan: Plan, where: str) -> None:
    """Raise ConfigError where a cluster's machines could not make what a script defines itself."""
    if plan.main_module:
        raise ConfigError(
            f"{where}: --cluster: {plan.main_module.names[0]} is defined by this script or "
            "notebook, which only worker processes of this machine are sent; define it in a module "
            "that the cluster's machines can import, and name it 'module:name'"
        )


def _check_source(
    plan: Plan, where: str, parameters: dict[str, Any]
) -> tuple[tuple[Any, Any], Privileges | None]:
    """Make the source world, add its parameters, and return its spaces and what critics see."""
    source = plan.experiment.source
    with located(where, "source"):
        world = plan.worlds[SOURCE].make()
        try_once(world)
    with located(where, "source.randomization", world):
        source_randomization(plan, world)
    if source.bundle is not None:
        with located(where, "source.bundle", world):
            _check_bundle(plan, world)
    parameters[source.world] = describe_parameters(world)
    with located(where, "source.critic_sees", world):
        privileges = _privileges(plan, world)
    spaces = world.observation_space, world.action_space
    world.close()
    return spaces, privileges


def _check_fit(
    plan: Plan, where: str, spaces: tuple[Any, Any], privileges: Privileges | None
) -> None:
    """Check that the algorithm takes the spaces, and that the methods go with its networks."""
    with located(where, "source.history"):
        if (history := plan.algorithm.history) is not None:
            HistoryLayout(history, *spaces)
    with located(where, "source.algorithm"), streams_kept():
        check_memory(plan.algorithm, *spaces)
        stand_in = create(_light(plan.algorithm), placeholder(*spaces), 0, privileges=privileges)
    try:
        with located(where, "methods"):
            for method in plan.methods.values():
                check_networks(method, stand_in)
                check_budget(method, plan.algorithm, plan.experiment.source.steps)
    finally:
        stand_in.close()


def _check_target(
    plan: Plan, name: str, where: str, spaces: tuple[Any, Any], parameters: dict[str, Any]
) -> None:
    """Make a target world, add its parameters, and check that the source's policies fit it."""
    spec = plan.worlds[name]
    with located(where, f"targets.{name}" + (".shift" if spec.shift else "")):
        world = spec.make()
        try_once(world)
    # Parameters that are named by a path are known in the worlds that use them.
    parameters[spec.world] = {**parameters.get(spec.world, {}), **describe_parameters(world)}
    theirs = world.observation_space, world.action_space
    world.close()
    pairs = zip(("observation", "action"), spaces, theirs, strict=True)
    differing = [
        f"{what} space: {problem}"
        for what, ours, other in pairs
        if (problem := difference(ours, other, bounds=what == "action"))
    ]
    carrying = [label for label, method in plan.methods.items() if method.needs_source]
    if differing and carrying:
        raise ConfigError(
            f"{where}: targets.{name}: {differing[0]}; so nothing can be carried over by "
            f"{', '.join(carrying)}"
        )


def _privileges(plan: Plan, world: Any) -> Privileges | None:
    """Return what critics see and policies do not, looked up in the source; None for nothing.

    Raises:
        HeadstartError: the world has not what is named, or does not tell it.
    """
    its = plan.algorithm
    if its.privileged is None:
        return None
    seen = Privileges.of(world, its.privileged)
    PrivilegedWorld(world, seen, its.settings.get("critic_in_target") or "nominal")
    PrivilegedWorld(world, seen).reset(seed=0)
    return seen


def _light(its: Algorithm) -> Algorithm:
    """Return the algorithm with room for next to nothing, to look at its networks."""
    return its.replace(buffer_size=its.worlds) if its.accepts("buffer_size") else its


def check_local_device(experiment: Experiment, where: str) -> None:
    """Raise ConfigError unless learners can be on the experiment's device on this machine."""
    with located(where, "device"):
        learner.check_device(experiment.device)


def _check_rollouts(plan: Plan, where: str) -> None:
    """Raise ConfigError where whole rollouts are twice what is asked for, or more."""
    experiment, its = plan.experiment, plan.algorithm
    source = experiment.source
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


def _check_bundle(plan: Plan, world: Any) -> None:
    """Raise HeadstartError unless the pretrained policy is whole, as stated, and fits `world`."""
    source = plan.experiment.source
    assert source.bundle is not None
    path = pretrained.locate(source.bundle, source.world)
    facts, bundle = pretrained.facts(path), bundles.load(path, source.trust)
    stated = (source.bundle_sha256, source.steps, source.randomization)
    if stated != (facts.sha256, facts.steps, facts.randomization):
        raise HeadstartError(
            f"'{source.bundle}' is not the bundle that is stated: sha256 {facts.sha256}, "
            f"{facts.steps:,} steps, randomization {facts.randomization or 'none'}"
        )
    if plan.algorithm != bundle.algorithm:
        raise HeadstartError(f"the algorithm stated is not that of '{source.bundle}'")
    bundle.check_spaces(world.observation_space, world.action_space)


def describe_parameters(world: Any) -> dict[str, dict[str, Any]]:
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
