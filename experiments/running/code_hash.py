"""The code that a plan's results are computed by: hashes of what is one's own, library versions.

A process of its own makes the worlds, imports the methods' and the learner's modules, and lists the
files of the modules that are then loaded (see `probing`). Files beside them change nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import gymnasium

from ...core.named import split_named
from ...envs.catalog import WORLDS
from ...envs.contract.probe import Finding
from ...envs.spec import WorldSpec
from ..config.schema import SOURCE
from .plan import Plan
from .probing import Code, CodeError, HungError, loaded_code, probe_answer

_CLASS = re.compile(r"([A-Za-z_][\w.]*):[A-Za-z_]\w*")


def source_code(plan: Plan) -> Code:
    """Return the code that a source policy of a plan is made by.

    Raises:
        CodeError: the world cannot be made in a process of its own, or takes too long.
    """
    named = [plan.algorithm.settings, plan.experiment.source.randomizer]
    return _code_of(plan, _code_order([plan.worlds[SOURCE]], _modules(named, plan)))


def run_code(plan: Plan) -> Code:
    """Return the code behind all results of a plan: its worlds, methods and learner.

    Raises:
        CodeError: see `source_code`.
    """
    return _code_of(plan, run_order(plan))


def run_order(plan: Plan) -> str:
    """Return what the probe is asked for the code behind all results of a plan.

    Raises:
        CodeError: the worlds' arguments are no plain data.
    """
    methods = [split_named(method, "method") for method in plan.experiment.methods]
    randomizer = plan.experiment.source.randomizer
    named = [plan.algorithm.settings, randomizer, methods, plan.experiment.callbacks]
    return _code_order(plan.examined.values(), _modules(named, plan))


def check_returning(plan: Plan) -> None:
    """Find out in another process whether worlds of others come back from a reset and some steps.

    Raises:
        HungError: one does not; `place` is the target, or the source.
    """
    specs = plan.examined
    if all(not spec.wrappers and _comes_along(spec) for spec in specs.values()):
        return
    try:
        run_code(plan)
    except HungError as error:
        order = _orders(specs.values())[int(error.place)]
        name = next(name for name, spec in specs.items() if _as_order(spec) == order)
        raise HungError(str(error), name) from None
    except CodeError:
        pass  # what is wrong with a world is said where it is made


def world_code(plan: Plan, name: str) -> dict[str, Any]:
    """Return the code behind a plan, as plain data, with the registration of one world alone.

    Raises:
        CodeError: see `source_code`.
    """
    code = run_code(plan)
    number = _orders(plan.examined.values()).index(_as_order(plan.worlds[name]))
    return {**code.as_json(), "registered": code.registered[number]}


def probe_findings(plan: Plan) -> dict[str, list[Finding]]:
    """Return what a short probe of the worlds finds, by target or `SOURCE`.

    Raises:
        CodeError: see `source_code`; `HungError` where one does not come back.
    """
    specs, foreign = plan.worlds, examined_worlds(plan)
    if not foreign:
        return {}
    examined = {name: _as_order(specs[name]) for name in dict.fromkeys((SOURCE, *foreign))}
    source = plan.experiment.source
    # Of a world without wrappers nothing hides the parameters.
    randomized = source.randomization if source.wrappers and source.bundle is None else {}
    asked = {"examined": examined, "randomized": randomized}
    order = _as_text({"worlds": [], "modules": [], **asked})
    answer = probe_answer(order, plan.main_module, plan.experiment.step_timeout)
    found = {
        name: [Finding(**finding) for finding in findings]
        for name, findings in answer["findings"].items()
    }
    return {name: findings for name, findings in found.items() if name in foreign}


def examined_worlds(plan: Plan) -> list[str]:
    """Return the targets, and `SOURCE`, whose worlds are probed before a run.

    headstart's own worlds, without wrappers, are left out: its tests hold them to the contract.
    """
    specs = plan.examined
    return [name for name in specs if specs[name].wrappers or specs[name].world not in WORLDS]


def _code_order(specs: Iterable[WorldSpec], modules: Sequence[str]) -> str:
    return _as_text({"worlds": _orders(specs), "modules": sorted(modules)})


def _code_of(plan: Plan, order: str) -> Code:
    return loaded_code(order, plan.main_module, plan.experiment.step_timeout)


def _orders(specs: Iterable[WorldSpec]) -> list[dict[str, Any]]:
    """Return the arguments of worlds, each different one once."""
    worlds: list[dict[str, Any]] = []
    for given in map(_as_order, specs):
        if given not in worlds:
            worlds.append(given)
    return worlds


def _comes_along(spec: WorldSpec) -> bool:
    """Whether a world is headstart's or Gymnasium's own."""
    known = gymnasium.registry.get(spec.world)
    entry = "" if known is None else str(known.entry_point)
    return spec.world in WORLDS or entry.startswith("gymnasium.envs.")


def _as_order(spec: WorldSpec) -> dict[str, Any]:
    return {**vars(spec), "kwargs": dict(spec.kwargs), "wrappers": list(spec.wrappers)}


def _as_text(order: Mapping[str, Any]) -> str:
    try:
        return json.dumps(order)
    except (TypeError, ValueError) as error:
        raise CodeError(f"its worlds cannot be told to another process: {error}") from None


def _modules(settings: Any, plan: Plan) -> list[str]:
    """Return the modules of the classes that an algorithm or a method is, or names.

    Those of worlds that exist once are among them: they are imported, and the worlds not made.
    """
    named = {plan.algorithm.name.partition(":")[0]} if ":" in plan.algorithm.name else set()
    for name in plan.single:
        spec = plan.worlds[name]
        named |= {spec.world.rpartition(":")[0]} - {""} | set(_named(list(spec.wrappers)))
    return sorted(named | set(_named(settings)))


def _named(settings: Any) -> Iterator[str]:
    """Yield the modules of the classes that plain data names as `package.module:Class`."""
    if isinstance(settings, Mapping):
        settings = [*settings.keys(), *settings.values()]
    if isinstance(settings, (list, tuple)):
        for value in settings:
            yield from _named(value)
    elif isinstance(settings, str) and (match := _CLASS.fullmatch(settings)):
        yield match[1]
