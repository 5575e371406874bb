"""PyBullet where it is installed; headstart's own worlds need it, and nothing else does.

PyBullet has no wheels for Python 3.12 and later, and compiles for some ten minutes there. So it is
an extra, `worlds`, on these, and `bullet` stands in for it until a world is made.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import IO, Any

from ..core.errors import HeadstartError


class MissingBulletError(HeadstartError):
    """A world needs PyBullet, and it is not installed."""

    def __init__(self) -> None:
        super().__init__(
            "headstart's own worlds need PyBullet, which is not installed: pip install "
            "'headstart[worlds]' (from Python 3.12 on it compiles, with a C++ compiler, for some "
            "ten minutes); other environments do not need it"
        )


class _Missing:
    """Stands for a module that is not there; whatever is asked of it says so."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)  # what Python itself looks for
        raise MissingBulletError


@contextmanager
def muted(stream: IO[str], number: int) -> Iterator[None]:
    """Discard what C code prints to a standard stream with this file descriptor."""
    stream.flush()
    kept, nowhere = os.dup(number), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, number)
    try:
        yield
    finally:
        os.dup2(kept, number)
        os.close(kept)
        os.close(nowhere)


bullet: Any
pybullet_data: Any
HAS_BULLET = True

# PyBullet announces its build time when it is imported.
with muted(sys.stderr, 2):
    try:
        bullet, pybullet_data = map(import_module, ("pybullet", "pybullet_data"))
    except ModuleNotFoundError:
        bullet = pybullet_data = _Missing()
        HAS_BULLET = False
