"""What an environment must hold for a transfer to be measured on it, checked one by one.

The checks run over every world of the catalog in the tests, and over anyone's environment by
`headstart check ENV`. An environment without parameters is not asked about them.
"""

from __future__ import annotations

import sysconfig
import traceback
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

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
    """What came of one property; `seen` is empty where it holds."""

    property: Property
    verdict: PropertyVerdict
    seen: str = ""


def examine(
    subject: Subject, properties: Iterable[Property] | None = None
) -> Iterator[PropertyOutcome]:
    """Check the properties (all of them, unless given) one after the other.

    A check that raises anything has failed, and the rest go on; of an environment that cannot
    even be started nothing more is asked.
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
    return " ".join(str(error).split())


def _where(error: Exception) -> str:
    """Return the last line of the environment's own code that the error passed through."""
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
