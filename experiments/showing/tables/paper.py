"""What a paper takes over from a run: its tables in LaTeX and Markdown, and its methods in words.

All of it is made from the run and its summary; what was not recorded is not said.
"""

from __future__ import annotations

import re
from collections.abc import Sequence, Sized
from dataclasses import dataclass

from ....core.errors import printable
from ...measuring.results import Gain, MethodSummary, Summary
from ...measuring.runs import Run
from ...measuring.verdict import GAINS
from .. import formats
from ..words.intervals import Bounded, interval_text
from ..words.methods_paragraph import methods_text

Cell = tuple[str, str]
"""What stands in a cell: an estimate, and below it an interval or nothing."""
ACROSS = {
    "IQM, step 0": ("start", "iqm"),
    "IQM, end": ("end", "iqm"),
    "IQM, area": ("area", "iqm"),
    "optimality gap, end": ("end", "optimality_gap"),
    "P(T > S), end": ("end", "probability"),
    "P(T > S), area": ("area", "probability"),
}
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


@dataclass(frozen=True)
class Table:
    """A table before it is set: a `label` for references, rows of cells under a header."""

    label: str
    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[Cell]]


def texts(run: Run, summary: Summary) -> dict[str, str]:
    """Return the files of a run's folder `tables` by name."""
    made = tables(summary)
    return {
        "results.md": "\n".join(markdown(table) for table in made),
        "results.tex": "% Needs \\usepackage{booktabs}.\n" + "\n".join(latex(t) for t in made),
        "methods.md": methods_text(run, summary),
    }


def tables(summary: Summary) -> list[Table]:
    """Return a table a target, and one over all targets where there are several with scores."""
    made = [paper_table(summary, name) for name in summary.targets]
    return [*made, across_table(summary)] if summary.across else made


def paper_table(summary: Summary, target: str) -> Table:
    """Return the results of one target: gains over scratch, or returns where it has no scores."""
    entry = summary.targets[target]
    label = f"tab:{summary.name}-{target}"
    brackets = formats.brackets(formats.share_sources(entry.methods.values()))
    budget = f", {formats.steps(entry.steps)} environment steps" if entry.steps else ""
    caption = f"Target {target} ({entry.world}{budget})."
    if not entry.scored:
        caption = f"{caption} {entry.headline}"
        rows = [[*_first(name, method), _verdict(method)] for name, method in entry.methods.items()]
        return Table(label, caption, ("method", "seeds", "return", "verdict"), rows)
    low, high = entry.anchors.random, entry.anchors.reference
    assert low is not None
    assert high is not None
    caption += (
        f" A score of 0 is a return of {formats.number(low.value)} ({low.origin}), 1 is "
        f"{formats.number(high.value)} ({high.origin}). Gains are differences of scores "
        f"from scratch; brackets are {brackets}. Return: at step 0 → at the end, the mean over "
        f"{entry.averaged}. "
        f"Reached: seeds that hold a score of {summary.threshold:g}; median time: Kaplan-Meier, "
        "in steps."
    )
    if summary.source.bundle:
        caption += f" {formats.ONE_POLICY}"
    if any(method.converged is False for method in entry.methods.values()):
        caption += f" {formats.UNFINISHED}"
    if any(formats.unpaired(method) for method in entry.methods.values()):
        caption += f" {formats.PAIRED}"
    header = ("method", "seeds", "return", *GAINS.values(), "reached", "median time", "verdict")
    rows = []
    for name, method in entry.methods.items():
        each = [_gain(getattr(method.gains, gain, None)) for gain in GAINS]
        rows.append([*_first(name, method), *each, *_time(method), _verdict(method)])
    return Table(label, caption, header, rows)


def across_table(summary: Summary) -> Table:
    """Return the aggregates over targets."""
    across = summary.across
    assert across is not None
    rows: list[list[Cell]] = []
    for name, method in across.methods.items():
        if method is None:
            rows.append([(name, ""), ("0", ""), *[(formats.NONE, "")] * len(ACROSS)])
            continue
        found = [_plain(getattr(getattr(method, metric), kind)) for metric, kind in ACROSS.values()]
        rows.append([(name, ""), _counted(method.seeds, method.lost), *found])
    each = next(iter(summary.targets.values())).methods
    counts = [method.end.iqm.n for method in across.methods.values() if method]
    brackets = formats.brackets(formats.share_sources(each.values()), counts)
    caption = (
        f"Over the targets {', '.join(across.targets)}: interquartile means (IQM) of scores, "
        "optimality gap, and the probability that a trial beats one of scratch, as in rliable; "
        f"brackets are {brackets}."
    )
    return Table(f"tab:{summary.name}-across", caption, ("method", "seeds", *ACROSS), rows)


def markdown(table: Table) -> str:
    """Return a table in Markdown, its caption below."""
    return f"{pipes(table.header, table.rows)}\n{_mark(table.caption)}\n"


def pipes(
    header: Sequence[str], rows: Sequence[Sequence[Cell]], words: Sequence[str] = WORDS
) -> str:
    """Return a Markdown table, the columns of `words` to the left and the others to the right."""
    lines = [list(header), [":--" if name in words else "--:" for name in header]]
    lines += [[" ".join(part for part in cell if part) for cell in row] for row in rows]
    return "".join(f"| {' | '.join(map(_mark, line))} |\n" for line in lines)


def latex(table: Table) -> str:
    """Return a table in LaTeX with booktabs; intervals stand below their estimates."""
    columns = "".join("l" if name in WORDS else "r" for name in table.header)
    body = []
    for row in table.rows:
        body.append(" & ".join(_tex(top) for top, _ in row) + r" \\")
        if any(below for _, below in row):
            body.append(" & ".join(_small(below) for _, below in row) + r" \\[3pt]")
    lines = [
        r"\begin{table*}[t]",
        r"  \centering\small",
        rf"  \caption{{{_escape(table.caption)}}}",
        rf"  \label{{{re.sub(r'[^A-Za-z0-9.:-]', '-', table.label)}}}",
        rf"  \begin{{tabular}}{{{columns}}}",
        r"    \toprule",
        f"    {' & '.join(map(_escape, table.header))} \\\\",
        r"    \midrule",
        *(f"    {line}" for line in body),
        r"    \bottomrule",
        r"  \end{tabular}",
        r"\end{table*}",
    ]
    return "\n".join(lines) + "\n"


def _first(name: str, method: MethodSummary) -> list[Cell]:
    """Return the cells that every table begins with: method, seeds, return."""
    counted = _counted(method.seeds, method.failed)
    if formats.unpaired(method):
        counted = counted[0], f"{counted[1]} ({method.paired} paired)".strip()
    if method.returns is None:
        return [(name, ""), counted, (formats.NONE, "")]
    start, end = (
        formats.number(level.estimate) for level in (method.returns.start, method.returns.end)
    )
    return [(name, ""), counted, (start, f"→ {end}{formats.star(method)}")]


def _counted(seeds: Sequence[int], lost: Sized) -> Cell:
    return str(len(seeds)), f"of {len(seeds) + len(lost)}" if lost else ""


def _gain(found: Gain | None) -> Cell:
    if found is None:
        return formats.NONE, ""
    return f"{found.estimate:+.2f}{formats.star(found)}", interval_text(found, "+.2f")


def _plain(found: Bounded | None) -> Cell:
    return (
        (formats.NONE, "")
        if found is None
        else (f"{found.estimate:.2f}", interval_text(found, ".2f"))
    )


def _time(method: MethodSummary) -> list[Cell]:
    time = method.time_to_threshold
    if time is None:
        return [(formats.NONE, "")] * 2
    return [(f"{time.reached}/{time.n}", ""), (formats.steps(time.median), "")]


def _verdict(method: MethodSummary) -> Cell:
    return method.verdict.word, ""


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
