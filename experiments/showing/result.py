"""What `headstart.run` returns: a finished run, or a finished sweep."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from rich.console import Console, RenderableType

from ...core.errors import nearest
from ...core.plain import to_json
from ...core.streams import Terminal
from ..measuring.results import Summary, SweepSummary
from ..records import RunError
from .tables import terminal

if TYPE_CHECKING:
    from typing import Self

    import pandas as pd

    from .html.cell import Pictures

Records = TypeVar("Records", Summary, SweepSummary)
NAMED = 3
"""How many units that failed a message names."""


@dataclass(frozen=True)
class _Finished(Generic[Records]):
    """What a finished run and a finished sweep have in common; `_drawn` are a target's figures."""

    directory: Path
    results: Records
    failed: Sequence[str]
    _drawn: ClassVar[str]

    @property
    def summary(self) -> dict[str, Any]:
        """The results as plain data: what `summary.json` holds."""
        plain: dict[str, Any] = to_json(self.results)
        return plain

    def check(self) -> Self:
        """Return this, or raise where anything failed.

        Raises:
            RunError: a source or trial has no usable curve; the message names the first of them.
        """
        if self.failed:
            rest = len(self.failed) - NAMED
            named = ", ".join(self.failed[:NAMED]) + (f" and {rest} more" if rest > 0 else "")
            raise RunError(f"'{self.directory}': failed: {named}; the same call tries again")
        return self

    def show(self, console: Console | None = None) -> None:
        """Print the tables."""
        (console or Terminal()).print(self._rendered())

    def curves(self, target: str | None = None) -> Pictures:
        """Return the learning curves, or of a sweep what is drawn over its values.

        A notebook shows them.

        Args:
            target: the target, by default all of them.

        Raises:
            RunError: there is no such target.
        """
        from .html.cell import Pictures

        known = list(self.results.targets)
        if target is not None and target not in known:
            raise RunError(f"no target '{target}'{nearest(target, known)}")
        patterns = [
            self._drawn.format(glob.escape(name)) for name in known if target in (None, name)
        ]
        folder = self.directory / "figures"
        return Pictures([path for pattern in patterns for path in sorted(folder.glob(pattern))])

    def _rendered(self) -> RenderableType:
        raise NotImplementedError


@dataclass(frozen=True)
class Result(_Finished[Summary]):
    """A finished run: what `headstart.run` returns. A notebook shows its tables.

    Attributes:
        directory: its run directory.
        results: what it showed, as records; see `experiments.measuring.results`.
        failed: the sources and trials without a usable curve.
    """

    _drawn = "curves-{}.png"

    def frame(self) -> pd.DataFrame:
        """Return the curves of all finished trials as a tidy table, a row for each evaluation.

        Its columns are those of `results.csv` (target, method, seed, step, return, success, length,
        episodes) and `score`, which is NaN on targets without a scale.
        """
        from ..measuring.runs import load_run

        found = load_run(self.directory).results
        found["score"] = float("nan")
        for name, target in self.results.targets.items():
            if target.scored:
                low, high = target.anchors.scale
                its = found["target"] == name
                found.loc[its, "score"] = (found.loc[its, "return"] - low) / (high - low)
        return found

    def _rendered(self) -> RenderableType:
        return terminal.render_summary(self.results)

    def _repr_html_(self) -> str:
        from .html.cell import run_cell

        return run_cell(self.results, self.failed, self.directory / "report.html")


@dataclass(frozen=True)
class SweepResult(_Finished[SweepSummary]):
    """A finished sweep: what `headstart.run` returns of an experiment with a `sweep`.

    Attributes:
        directory: the sweep's directory, whose `points` hold run directories.
        results: what it showed, as records; see `experiments.measuring.results`.
        failed: the sources and trials without a usable curve.
    """

    _drawn = "*-{}.png"

    def frame(self) -> pd.DataFrame:
        """Return the sweep as a tidy table: that of `sweep.csv`, a row for each metric."""
        import pandas as pd

        from .html.sweep import sweep_rows

        return pd.DataFrame(list(sweep_rows(self.results)))

    def _rendered(self) -> RenderableType:
        from .html.sweep import render_sweep

        return render_sweep(self.results)

    def _repr_html_(self) -> str:
        from .html.cell import sweep_cell

        return sweep_cell(self.results, self.failed, self.directory / "report.html")
