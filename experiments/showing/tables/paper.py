"""What a paper takes over from a run: its tables in LaTeX and Markdown, and its methods in words.

All of it is made from the run and its summary; what was not recorded is not said.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ....core.errors import printable
from ...measuring.results import Summary
from ...measuring.runs import Run
from ..words.methods_paragraph import methods_text
from .rows import Cell, ResultTable, across_table, target_table

WORDS = ("experiment", "method", "verdict")
"""The columns that hold words, not numbers."""
_NUMBER = re.compile(r"(→ )?([-+]?[\d.,]+|\[[-+\d., ]+\])(\*?)")
_ESCAPES = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        "–": "--",
        "→": r"$\to$",
        **{mark: f"\\{mark}" for mark in "&%$#_{}"},
    }
)


def texts(run: Run, summary: Summary) -> dict[str, str]:
    """Return the files of a run's folder `tables` by name."""
    made = tables(summary)
    return {
        "results.md": "\n".join(markdown(table) for table in made),
        "results.tex": "% Needs \\usepackage{booktabs}.\n" + "\n".join(latex(t) for t in made),
        "methods.md": methods_text(run, summary),
    }


def tables(summary: Summary) -> list[ResultTable]:
    """Return a table a target, and one over all targets where there are several with scores."""
    made = [target_table(summary, name) for name in summary.targets]
    return [*made, across_table(summary)] if summary.across else made


def markdown(table: ResultTable) -> str:
    """Return a table in Markdown, its caption below."""
    header = [column.title for column in table.columns.values()]
    words = [column.title for column in table.columns.values() if column.words]
    return f"{pipes(header, list(table.lines()), words)}\n{_mark(table.caption)}\n"


def pipes(
    header: Sequence[str], rows: Sequence[Sequence[Cell]], words: Sequence[str] = WORDS
) -> str:
    """Return a Markdown table, the columns of `words` to the left and the others to the right."""
    lines = [list(header), [":--" if name in words else "--:" for name in header]]
    lines += [
        [" ".join(part for part in (cell.top, cell.below) if part) for cell in row] for row in rows
    ]
    return "".join(f"| {' | '.join(map(_mark, line))} |\n" for line in lines)


def latex(table: ResultTable) -> str:
    """Return a table in LaTeX with booktabs; intervals stand below their estimates."""
    columns = "".join("l" if column.words else "r" for column in table.columns.values())
    header = " & ".join(_escape(column.title) for column in table.columns.values())
    body = []
    for row in table.lines():
        body.append(" & ".join(_tex(cell.top) for cell in row) + r" \\")
        if any(cell.below for cell in row):
            body.append(" & ".join(_small(cell.below) for cell in row) + r" \\[3pt]")
    lines = [
        r"\begin{table*}[t]",
        r"  \centering\small",
        rf"  \caption{{{_escape(table.caption)}}}",
        rf"  \label{{{re.sub(r'[^A-Za-z0-9.:-]', '-', table.label)}}}",
        rf"  \begin{{tabular}}{{{columns}}}",
        r"    \toprule",
        rf"    {header} \\",
        r"    \midrule",
        *(f"    {line}" for line in body),
        r"    \bottomrule",
        r"  \end{tabular}",
        r"\end{table*}",
    ]
    return "\n".join(lines) + "\n"


def _mark(text: str) -> str:
    """Return text with what Markdown would read as its own escaped."""
    return re.sub(r"([\\|*<>`])", r"\\\1", printable(text))


def _tex(text: str) -> str:
    """Return the text of a cell in LaTeX, numbers and intervals as mathematics."""
    found = _NUMBER.fullmatch(text)
    if not found:
        return _escape(text)
    arrow, number, star = found.groups()
    # A comma between digits would else be set as one between numbers.
    digits = re.sub(r",(?=\d)", "{,}", number)
    return "$" + (r"\to " if arrow else "") + digits + ("^{*}" if star else "") + "$"


def _small(text: str) -> str:
    return f"{{\\footnotesize {_tex(text)}}}" if text else ""


def _escape(text: str) -> str:
    # A hyphen before a number is its sign.
    return re.sub(r"(?<![\w-])-(?=[\d.])", "$-$", printable(text).translate(_ESCAPES))
