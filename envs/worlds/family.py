"""A family of shifts: changes that lead from the nominal world to an extreme."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ..changes import Change, ChangeError, parse

Kind = Literal["dynamics", "actuation", "sensing", "kinematic", "task"]


@dataclass(frozen=True)
class Family:
    """Changes at severity 1, in the text form of `changes.py`, with their meaning.

    A change scales (`*`) or adds (`+`), so that every severity in between has a meaning.

    >>> family = Family("dynamics", "a wet floor", {"ground_friction": "* 0.25"})
    >>> family.at(0.5)
    {'ground_friction': '* 0.5'}
    """

    kind: Kind
    about: str
    extreme: Mapping[str, str]

    def at(self, severity: float) -> dict[str, str]:
        """Return the changes at a severity in [0, 1]: sums are linear, factors geometric.

        Numbers are rounded to 3 significant digits, as they are shown.

        Raises:
            ChangeError: a change at the extreme neither scales nor adds a number.
        """
        changes = {}
        for name, text in self.extreme.items():
            change = parse(text)
            if change.random or change.operation == "=":
                raise ChangeError(
                    f"{name}: '{text}': a family's change is '* number' or '+ number'"
                )
            value = float(change.value)  # type: ignore[arg-type]
            part = value**severity if change.operation == "*" else value * severity
            changes[name] = str(Change(change.operation, float(f"{part:.3g}")))
        return changes
