"""What `headstart.run` returns: a finished run, or a finished sweep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from rich.console import Console

from ...core.plain import to_json
from ...core.streams import Terminal
from ..measuring.results import Summary, SweepSummary
from .html.sweep import render_sweep
from .tables import terminal

Records = TypeVar("Records")


@dataclass(frozen=True)
class _Finished(Generic[Records]):
    """What a finished run and a finished sweep have in common."""

    directory: Path
    results: Records
    failed: Sequence[str]

    @property
    def summary(self) -> dict[str, Any]:
        """The results as plain data: what `summary.json` holds."""
        plain: dict[str, Any] = to_json(self.results)
        return plain


@dataclass(frozen=True)
class Result(_Finished[Summary]):
    """A finished run: what `headstart.run` returns.

    Attributes:
        directory: its run directory.
        results: what it showed, as records; see `experiments.measuring.results`.
        failed: the sources and trials without a usable curve.
    """

    def show(self, console: Console | None = None) -> None:
        """Print the tables."""
        (console or Terminal()).print(terminal.render_summary(self.results))


@dataclass(frozen=True)
class SweepResult(_Finished[SweepSummary]):
    """A finished sweep: what `headstart.run` returns of an experiment with a `sweep`.

    Attributes:
        directory: the sweep's directory, whose `points` hold run directories.
        results: what it showed, as records; see `experiments.measuring.results`.
        failed: the sources and trials without a usable curve.
    """

    def show(self, console: Console | None = None) -> None:
        """Print the tables."""
        (console or Terminal()).print(render_sweep(self.results))
