"""What `headstart.run` returns: a finished run, or a finished sweep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from ...core.plain import to_json
from ...core.streams import Terminal
from ..measuring.results import Summary, SweepSummary
from .html.sweep import render_sweep
from .tables import terminal


@dataclass(frozen=True)
class Result:
    """A finished run: where it is, what it showed, and the units that failed."""

    directory: Path
    results: Summary
    failed: Sequence[str]

    @property
    def summary(self) -> dict[str, Any]:
        """The results as plain data: what `summary.json` holds."""
        plain: dict[str, Any] = to_json(self.results)
        return plain

    def show(self, console: Console | None = None) -> None:
        """Print the tables."""
        (console or Terminal()).print(terminal.render_summary(self.results))


@dataclass(frozen=True)
class SweepResult:
    """A finished sweep: where it is, what it showed, and the units that failed."""

    directory: Path
    results: SweepSummary
    failed: Sequence[str]

    @property
    def summary(self) -> dict[str, Any]:
        """The results as plain data: what `summary.json` holds."""
        plain: dict[str, Any] = to_json(self.results)
        return plain

    def show(self, console: Console | None = None) -> None:
        """Print the tables."""
        (console or Terminal()).print(render_sweep(self.results))
