"""The check of an environment for the properties that a measurement needs.

The tests run it over every world of the catalog, and `headstart check ENV` over any environment.
Properties of parameters do not apply to an environment without parameters.
"""

from __future__ import annotations

import sysconfig
import traceback
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ...core.errors import single_line
from ..spec import UnmadeError
from . import episodes, parameters, seeds  # noqa: F401  (registers)
from .subject import (
    PROPERTIES,
    QUICK,
    THOROUGH,
    BrokenError,
    NotApplicable,
    Noted,
    Property,
    Size,
    Subject,
)

__all__ = [
    "PROPERTIES",
    "QUICK",
    "THOROUGH",
    "Property",
    "PropertyOutcome",
    "Size",
    "Subject",
    "examine",
]

CONTRACT = Path(__file__).parent
PropertyVerdict = Literal["holds", "does not hold", "to note", "not applicable"]


@dataclass(frozen=True)
class PropertyOutcome:
    """The result for one property.

    Args:
        property: what was checked.
        verdict: "holds", "does not hold", "to note" or "not applicable".
        seen: what was observed, or why it is not applicable; empty where it holds.

    >>> [starts] = [p for p in PROPERTIES if p.name == "starts"]
    >>> PropertyOutcome(starts, "holds").seen
    ''
    """

    property: Property
    verdict: PropertyVerdict
    seen: str = ""


def examine(
    subject: Subject, properties: Iterable[Property] | None = None
) -> Iterator[PropertyOutcome]:
    """Check properties of an environment, one after the other.

    A check that raises any error has failed, and the next one follows. Where the environment does
    not even start, no other property is applicable.

    Args:
        subject: the environment, and how much is tried.
        properties: what to check; all `PROPERTIES` by default.

    Yields:
        The outcome of each property, in order.

    >>> import gymnasium
    >>> subject = Subject(lambda: gymnasium.make("Pendulum-v1"))
    >>> names = ("starts", "same_seed", "nominal")
    >>> for outcome in examine(subject, [p for p in PROPERTIES if p.name in names]):
    ...     print(outcome.property.name, "-", outcome.verdict)
    starts - holds
    nominal - not applicable
    same_seed - holds
    >>> subject.close()
    """
    started = True
    for asked in PROPERTIES if properties is None else properties:
        if not started:
            yield PropertyOutcome(asked, "not applicable", "it does not start")
            continue
        outcome = _outcome(subject, asked)
        started = asked.name != "starts" or outcome.verdict == "holds"
        yield outcome


def _outcome(subject: Subject, asked: Property) -> PropertyOutcome:
    verdict: PropertyVerdict
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            asked.check(subject)
    except NotApplicable as reason:
        return PropertyOutcome(asked, "not applicable", _line(reason))
    except Noted as note:
        return PropertyOutcome(asked, "to note", _line(note))
    except BrokenError as error:
        subject.close()
        verdict = "to note" if asked.advisory and subject.foreign else "does not hold"
        return PropertyOutcome(asked, verdict, _line(error))
    except Exception as raised:
        subject.close()
        cause = raised.__cause__ if isinstance(raised, UnmadeError) else None
        fault = cause if isinstance(cause, Exception) else raised
        seen = f"{type(fault).__name__}: {_line(fault)} ({_where(fault)})"
        return PropertyOutcome(asked, "does not hold", seen)
    return PropertyOutcome(asked, "holds")


def _line(error: Exception) -> str:
    return single_line(str(error))


def _where(error: Exception) -> str:
    """Return the last line of the environment's code that the error passed through."""
    frames = traceback.extract_tb(error.__traceback__)
    libraries = tuple(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib"))
    own = [
        frame
        for frame in frames
        if not frame.filename.startswith(libraries)
        and not Path(frame.filename).is_relative_to(CONTRACT)
    ]
    last = (own or frames)[-1]
    return f"{Path(last.filename).name}:{last.lineno}"
