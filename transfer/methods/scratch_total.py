"""Learning in the target from nothing, with the source's steps as well: equal total steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .scratch import Scratch


@dataclass(frozen=True)
class ScratchTotal(Scratch):
    """As `scratch`, for as many target steps as source and target have together.

    What transfer is worth if a step in the target cost no more than one in the source.
    """

    name: ClassVar[str] = "scratch_total"
    adds_source_steps: ClassVar[bool] = True
