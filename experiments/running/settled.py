"""What is kept of a finished run, so that it need not be found out anew that nothing is left to do.

That a run is finished follows from what was asked, from the code behind it and from the files that
its units left. To find it out takes the learning libraries, which take seconds to be imported. As
long as all that it was found out from is the same, so is the answer; else it is found out anew.

It is kept in the user's cache, and not in the run, as modules that it names are imported: a run
directory may be somebody else's.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...core.cache import cache_folder
from ...core.errors import HeadstartError
from ...core.files import read_json, write_json
from ...envs.changes import files_of
from ...envs.main_module import MainModule
from . import metadata
from .probing import HOUSE, changed_code, digest_files, loaded_code

if TYPE_CHECKING:
    from ..config.schema import Experiment

PARTS = ("core", "envs", "agents", "transfer", "experiments")
LEFT = (
    "experiment.yaml",
    "facts.json",
    "anchors/*/*.json",
    "source/*/*/*.json*",
    "source/*/*/bundle/*",
    "trials/*/*/*/*.json*",
)
"""The files of a run that say whether its units are done, and can be used."""


def say_done(done: int, units: int) -> str:
    """Return the line on what a run need not compute again."""
    return f"{done} of {units} units are done already; going on"


def digest_asked(data: Mapping[str, Any]) -> str:
    """Return a digest of an experiment's plain data, and of the headstart and libraries it is for.

    It is of all of headstart's files, as they decide what is read into the data.
    """
    asked = json.dumps([data, metadata.versions()], default=repr)
    return hashlib.sha256((asked + _digest_ours()).encode()).hexdigest()


@cache
def _digest_ours() -> str:
    """Return a digest of headstart's files, which a file of many experiments asks for as often."""
    parts = (path for part in PARTS for path in sorted((HOUSE / part).rglob("*")))
    ours = (path for path in parts if path.is_file() and "__pycache__" not in path.parts)
    return digest_files(HOUSE, ours)


def recall(asked: str, directory: Path) -> int | None:
    """Return how many units a run has if all are known to be done, None if that is to be found out.

    Args:
        asked: what `digest_asked` returns of the experiment.
        directory: the run directory.
    """
    place = _place(directory)
    if place is None:
        return None
    try:
        known = read_json(place) or {}
        if (known.get("asked"), known.get("left")) != (asked, _digest_left(directory)):
            return None
        facts = read_json(directory / "facts.json") or {}
        code = loaded_code(known["order"], MainModule(), known["step_timeout"])
        units: int = known["units"]
        return None if changed_code(facts["code"], code) else units
    # Whatever cannot be read, or does not come back, is said where it is found out.
    except (HeadstartError, OSError, KeyError):
        return None


def remember(asked: str, experiment: Experiment, directory: Path) -> None:
    """Keep what `recall` needs, if all of a run's units are done.

    Args:
        asked: what `digest_asked` returned of the experiment before it was run.
        experiment: the experiment.
        directory: its run directory.
    """
    place = _place(directory)
    if place is None or _depends_on_more(experiment):
        return
    from .code_hash import run_order
    from .plan import make_plan
    from .verify import finished

    plan = make_plan(experiment)
    if plan.main_module:
        return
    try:
        # Read before they are looked at: what is damaged from here on differs from what is kept.
        known = {"asked": asked, "left": _digest_left(directory), "units": len(plan.units)}
        known |= {"order": run_order(plan), "step_timeout": experiment.step_timeout}
        if all(finished(plan, directory, unit) for unit in plan.units):
            write_json(place, known)
    # That it cannot be kept costs time later, and nothing else.
    except (HeadstartError, OSError):
        return


def _depends_on_more(experiment: Experiment) -> bool:
    """Whether what a run checks depends on more than its text, its code and what its units left."""
    source = experiment.source
    return bool(
        experiment.sweep
        or experiment.video
        or experiment.track
        or experiment.device != "cpu"
        or files_of(source.randomization)
        or (source.bundle and not source.bundle.startswith("pretrained/"))
    )


def _place(directory: Path) -> Path | None:
    root = cache_folder()
    name = hashlib.sha256(str(directory.resolve()).encode()).hexdigest()
    return root / "finished" / f"{name}.json" if root else None


def _digest_left(directory: Path) -> str:
    found = (path for pattern in LEFT for path in sorted(directory.glob(pattern)))
    return digest_files(directory, (path for path in found if path.is_file()))
