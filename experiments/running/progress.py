"""What one sees of a run at work: a bar for the whole and for each unit, a line for each ended."""

from __future__ import annotations

import io
import time
from typing import Any

from rich.console import Console
from rich.progress import Progress, ProgressColumn, TaskID

from .plan import Unit

REDRAWN = 0.3
"""Seconds from one drawing of a notebook's bars to the next, at least."""
AS_CELL = '<pre style="line-height: 1.2; margin: 0">{code}</pre>'


def progress_bars(*columns: ProgressColumn, console: Console) -> Progress:
    """Return bars that vanish at their end, for a terminal or for a cell of a notebook."""
    kind = CellProgress if console.is_jupyter else Progress
    return kind(*columns, console=console, transient=True)


class CellProgress(Progress):
    """Bars in one output of a notebook's cell, drawn anew in its place; they need no widgets."""

    def start(self) -> None:
        """Show the bars."""
        from IPython.display import HTML, display

        self._as_html = HTML
        self._output = display(HTML(""), display_id=True)
        self._drawn = 0.0
        self.refresh()

    def stop(self) -> None:
        """Take the bars away."""
        self._output.update(self._as_html(""))

    def refresh(self) -> None:
        """Draw the bars, unless they have just been drawn."""
        if self.disable or not hasattr(self, "_drawn") or time.monotonic() < self._drawn + REDRAWN:
            return
        self._drawn = time.monotonic()
        page = Console(record=True, file=io.StringIO(), width=100, force_jupyter=False)
        page.print(self.get_renderable())
        drawn = page.export_html(inline_styles=True, code_format=AS_CELL)
        self._output.update(self._as_html(drawn))

    def update(self, task_id: TaskID, **changes: Any) -> None:
        """Change a bar, and draw it."""
        super().update(task_id, **changes)
        self.refresh()

    def advance(self, task_id: TaskID, advance: float = 1) -> None:
        """Move a bar on, and draw it."""
        super().advance(task_id, advance)
        self.refresh()


class Display:
    """Bars and lines in a rich `Progress`."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress = progress
        self._whole = progress.add_task("all units", total=total, note="")
        self._bars: dict[str, TaskID] = {}

    def begin(self, unit: Unit) -> None:
        """Show that a unit begins."""
        self._bars[unit.path] = self._progress.add_task(unit.path, total=unit.steps or 1, note="")

    def advance(self, unit: Unit, message: dict[str, Any]) -> None:
        """Show how far a unit is, and its last return."""
        bar, value = self._bars[unit.path], message["value"]
        self._progress.update(bar, completed=min(message["step"], unit.steps))
        if value is not None:
            self._progress.update(bar, note=f"return {value:.4g}")

    def wait(self, unit: Unit, holder: str | None) -> None:
        """Show that another process is at work on a unit."""
        self._progress.update(self._bars[unit.path], note=f"waits for {holder}")

    def take_back(self, unit: Unit) -> None:
        """Show a unit no longer as waited for."""
        self._remove(unit)

    def retry(self, unit: Unit, error: str | None) -> None:
        """Show that a unit failed and is tried once more."""
        self._remove(unit)
        self._say("[yellow]again[/]   ", unit, error)

    def end(self, unit: Unit, state: str, error: str | None) -> None:
        """Show how a unit ended."""
        taken = self._remove(unit)
        self._progress.advance(self._whole)
        if state == "done":
            # A cell has its bars alone, as it would be as long as the run.
            if self._progress.console.is_jupyter:
                return
            self._progress.console.print(f"[green]done[/]    {unit.path}  {taken:.0f} s")
        else:
            self._say("[red]failed[/]  ", unit, error)

    def _remove(self, unit: Unit) -> float:
        """Take away a unit's bar, and return the seconds that it stood there."""
        bar = self._bars.pop(unit.path, None)
        if bar is None:
            return 0.0
        taken = self._progress.tasks[self._progress.task_ids.index(bar)].elapsed
        self._progress.remove_task(bar)
        return taken or 0.0

    def _say(self, lead: str, unit: Unit, error: str | None) -> None:
        self._progress.console.print(f"{lead}{unit.path}  ", end="")
        self._progress.console.print(error, markup=False, highlight=False)
