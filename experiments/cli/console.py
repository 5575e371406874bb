"""Where commands print: results to standard output, errors to standard error."""

from __future__ import annotations

import os

from rich.console import Console

from ...core.streams import Terminal

# What a pipe or a file is taken to hold in a line: rich's 80 columns cut the wider tables.
PIPE_WIDTH = 110


def _console(*, stderr: bool = False) -> Console:
    console = Terminal(stderr=stderr)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = PIPE_WIDTH
    return console


console = _console()
errors = _console(stderr=True)
