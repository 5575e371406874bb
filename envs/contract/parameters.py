"""Properties of parameters, so that a change of one does what it states."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from typing import Any

from ..parameters import Parameter
from .subject import (
    BrokenError,
    Moment,
    Noted,
    Subject,
    departs,
    far,
    property_check,
    put_in_force,
    trajectory,
    trajectory_difference,
)

SHORT_STEPS = 20  # steps that show whether a parameter is applied


@property_check(
    means="The report's table of source and target could not state what was changed.",
    fix='Give Parameter(name, unit, nominal, low, high, about); the unit of a factor is "1".',
)
def declared(subject: Subject) -> None:
    """Every parameter has a unit, a description and bounds that differ."""
    for name, parameter in subject.parameters.items():
        if not isinstance(parameter, Parameter) or parameter.name != name:
            raise BrokenError(f"parameters['{name}'] is {parameter!r}, no Parameter of that name")
        if not (parameter.unit and parameter.about):
            raise BrokenError(f"'{name}' has no {'description' if parameter.unit else 'unit'}")
        if not parameter.low < parameter.high:
            raise BrokenError(f"'{name}' can only be {parameter.low:g}")


@property_check(
    means="The source would differ from the target even where nothing was changed.",
    fix="Take the nominals from what the environment is built with; set_parameters({}) applies all "
    "of them.",
)
def nominal(subject: Subject) -> None:
    """With all parameters at their nominals it is the unmodified environment."""
    subject.compare()
    nominals = subject.parameters.nominal()
    steps = subject.size.trajectory
    with subject.fresh() as env:
        untouched = trajectory(env, steps)
    for what, values in (("set_parameters({})", {}), ("the nominals set", nominals)):
        difference = trajectory_difference(untouched, trajectory(subject.env, steps, values=values))
        if difference is not None:
            raise BrokenError(f"untouched and with {what}: {difference}")


@property_check(
    means="Randomizing or shifting it does nothing, and the report would claim a change.",
    fix="Read the value from where set_parameters puts it in every reset and step (not a constant "
    "or a copy made in __init__), or leave the parameter out.",
)
def effect(subject: Subject) -> None:
    """Every parameter has an effect."""
    subject.compare()
    short, long = 2 * SHORT_STEPS, 5 * subject.size.trajectory
    without = []

    @cache
    def at_nominals(steps: int, seed: int) -> list[Moment]:
        return trajectory(subject.env, steps, seed=seed, values={})

    def acts(values: Mapping[str, float], steps: int, seed: int) -> bool:
        if all(subject.parameters[name].nominal == value for name, value in values.items()):
            return False
        known = at_nominals(steps, seed)
        return departs(subject.env, known, steps, seed=seed, values=values)

    for parameter in subject.parameters.values():
        end = far(parameter)
        other = parameter.low + parameter.high - end
        tries = ((end, short, 3), (other, short, 3), (end, long, 4), (other, long, 5))
        if not any(acts({parameter.name: v}, n, s) for v, n, s in tries):
            without.append(f"'{parameter.name}' from {parameter.low:g} to {parameter.high:g}")
    put_in_force(subject.env, {})
    if without:
        raise BrokenError(f"no observation or reward changed with {', '.join(without)}")


@property_check(
    means="What an episode was run with cannot be read back.",
    fix='Return {"parameters": dict(self.values)} as reset\'s info, all parameters by name.',
)
def read_back(subject: Subject) -> None:
    """At reset, info["parameters"] holds the values in use."""
    nominals = subject.parameters.nominal()
    for parameter in subject.parameters.values():
        values = {parameter.name: far(parameter)}
        put_in_force(subject.env, values)
        _, info = subject.env.reset(seed=0)
        if "parameters" not in info:
            raise Noted('info at reset has no "parameters"')
        _same(info["parameters"], {**nominals, **values}, f"after set_parameters({values})")
    put_in_force(subject.env, {})


def _same(reported: Mapping[str, Any], expected: Mapping[str, float], when: str) -> None:
    """Raise BrokenError for the first parameter that is not reported as expected."""
    for name in dict.fromkeys((*expected, *reported)):
        both = name in reported and name in expected
        if not both or reported[name] != expected[name]:
            raise BrokenError(
                f"{when}: '{name}' is reported as {reported.get(name, 'nothing')}, "
                f"expected {expected.get(name, 'nothing')}"
            )


@property_check(
    means="An episode depends on the ones before it, and a method on what ran before it.",
    fix="self.values = {**self.parameters.nominal(), **self.parameters.validate(values)}, and "
    "apply all of self.values at every reset.",
)
def forgets(subject: Subject) -> None:
    """Parameters that set_parameters is not given return to their nominals."""
    subject.compare()
    values = {p.name: far(p) for p in subject.parameters.values()}
    names = list(values)
    with subject.fresh() as env:
        put_in_force(env, {})
        nominals = trajectory(env, SHORT_STEPS)
    for kept in (names[: len(names) // 2], names[len(names) // 2 :]):
        put_in_force(subject.env, values)
        subject.env.reset(seed=1)
        some = {name: values[name] for name in kept}
        after = trajectory(subject.env, SHORT_STEPS, values=some)
        with subject.fresh() as env:
            difference = trajectory_difference(trajectory(env, SHORT_STEPS, values=some), after)
        if difference is not None:
            raise BrokenError(
                f"{', '.join(kept) or 'nothing'} changed, in a new instance and after all had "
                f"been changed: {difference}"
            )
    difference = trajectory_difference(nominals, trajectory(subject.env, SHORT_STEPS, values={}))
    if difference is not None:
        raise BrokenError(f"nothing changed, in a new instance and after a change: {difference}")


@property_check(
    means="In the course of a training the environment drifts away from its parameters.",
    fix="Compute every value from the nominal that was kept when the environment was made, "
    "never from the present value (mass = nominal * factor, not mass *= factor).",
)
def no_compounding(subject: Subject) -> None:
    """Many resets, of random parameters where there are any, leave no trace."""
    subject.compare()
    env, count = subject.env, subject.size.resets
    one = next(subject.draws(1))
    before = trajectory(env, SHORT_STEPS, values={})
    changed = trajectory(env, SHORT_STEPS, values=one)
    done = 0
    draws = subject.draws(count, block=max(1, count // 4))
    for _, values in zip(subject.repeat(count), draws, strict=False):
        put_in_force(env, values)
        env.reset()
        done += 1
    for what, then, values in (("the nominals", before, {}), ("one change", changed, one)):
        difference = trajectory_difference(then, trajectory(env, SHORT_STEPS, values=values))
        if difference is not None:
            raise BrokenError(f"with {what}, before and after {done:,} resets: {difference}")
    put_in_force(env, {})


@property_check(
    means="A mistake in an experiment's file would run for hours as something else.",
    fix="Check all values before anything is changed: self.parameters.validate(values) does.",
)
def bad_parameters(subject: Subject) -> None:
    """An unknown parameter, a NaN and a value out of bounds are refused and change nothing."""
    subject.compare()
    parameters = subject.parameters
    env = subject.env
    first, *others = parameters.values()
    beyond = 1.0 + abs(first.high - first.low)
    name = first.name
    bad: list[dict[str, float]] = [
        {"no_such_parameter": 1.0},
        {name: first.high + beyond},
        {name: first.low - beyond},
        {name: math.nan},
        {**{p.name: far(p) for p in others}, name: math.nan},
    ]
    good = {name: far(first)}
    before = trajectory(env, SHORT_STEPS, values=good)
    for values in bad:
        try:
            put_in_force(env, values)
        except Exception:
            difference = trajectory_difference(before, trajectory(env, SHORT_STEPS))
            if difference is not None:
                raise BrokenError(f"{values} was refused but changed {difference}") from None
            continue
        raise BrokenError(f"{values} was taken; bounds [{first.low:g}, {first.high:g}]")
    put_in_force(env, {})
