"""Result tables before they are set: rows of cells, written for terminal, LaTeX, Markdown, HTML.

A table is built once. What a writer makes of it is layout alone: Markdown and LaTeX have a column
for each key, a terminal and a page, which have less room, put some below others (`Column.under`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass, field

from ...measuring.catalog import AGGREGATES, JUDGED
from ...measuring.results import Gain, MethodSummary, Summary, TargetSummary
from ...measuring.verdict import HEAD_START, counted, is_claim
from .. import formats
from ..words.intervals import Bounded, decimals, interval_text, span


@dataclass(frozen=True)
class Cell:
    """What stands in a cell.

    Attributes:
        top: the estimate, or words.
        below: its interval, or nothing.
        more: what a page has besides.
        folded: what it says where it stands under another cell; else its top.
        tone: `good` for a gain or verdict that is claimed, `bad` for one wholly below 0.
    """

    top: str
    below: str = ""
    more: str = ""
    folded: str = ""
    tone: str = ""


EMPTY = Cell(formats.NONE)


@dataclass(frozen=True)
class Column:
    """A column: its head, what the head says below, and whether it holds words.

    `under` is the key of the column below whose cells its own stand where there is little room.
    """

    title: str
    detail: str = ""
    words: bool = False
    under: str = ""


@dataclass(frozen=True)
class ResultTable:
    """A table: columns by key, and rows of cells by key; `label` is for references to it."""

    label: str
    caption: str
    columns: Mapping[str, Column]
    rows: Sequence[Mapping[str, Cell]]
    looks: Sequence[int] = field(default_factory=list)

    def folded(self) -> tuple[list[Column], list[list[list[Cell]]]]:
        """Return the columns that others may stand under, and each row's cells, top to bottom."""
        heads = {key: column for key, column in self.columns.items() if not column.under}
        below = {key: [k for k, c in self.columns.items() if c.under == key] for key in heads}
        rows = [[[row[k] for k in (key, *below[key])] for key in heads] for row in self.rows]
        return list(heads.values()), rows

    def lines(self) -> Iterator[list[Cell]]:
        """Yield each row's cells in the order of all columns."""
        for row in self.rows:
            yield [row[key] for key in self.columns]


def target_table(summary: Summary, target: str) -> ResultTable:
    """Return the results of one target: gains over scratch, or returns where it has no scores."""
    entry = summary.targets[target]
    end = formats.end_title(entry.evaluations)
    columns = {
        "method": Column("method", words=True),
        "seeds": Column("seeds", under="method"),
        "return": Column("return", f"start → {end}"),
    }
    if entry.scored:
        details = {"jump_start": "[95 %]", "asymptotic": end, "area": "[95 %]"}
        columns |= {
            str(metric.name): Column(metric.title, details[str(metric.name)]) for metric in JUDGED
        }
        columns |= {
            "reached": Column("reached", f"{summary.threshold:g} at"),
            "time": Column("median time", under="reached"),
        }
    columns["verdict"] = Column("verdict", words=True)
    rows = [_row(name, method, entry) for name, method in entry.methods.items()]
    return ResultTable(
        f"tab:{summary.name}-{target}",
        _caption(summary, target),
        columns,
        [{key: row[key] for key in columns} for row in rows],
        list(range(len(rows))),
    )


def _row(name: str, method: MethodSummary, target: TargetSummary) -> dict[str, Cell]:
    """Return all cells of a method, whatever columns a table has."""
    gains = {str(metric.name): gain_cell(metric.of(method)) for metric in JUDGED}
    return {
        "method": Cell(name),
        "seeds": _seeds(method),
        "return": _return(method),
        **gains,
        **_times(method, target.period),
        "verdict": _verdict(method),
    }


def _seeds(method: MethodSummary) -> Cell:
    """Return over how many seeds a row is, and how many it lacks."""
    count = count_cell(method.seeds, method.failed)
    if not formats.unpaired(method):
        return count
    paired = f"{count.below} ({method.paired} paired)".strip()
    folded = f"{count.folded}, {method.paired} paired"
    return Cell(count.top, paired, folded=folded, tone="bad")


def count_cell(seeds: Sequence[int], lost: Sized) -> Cell:
    """Return a number of seeds, and out of how many where some were lost."""
    here, every = len(seeds), len(seeds) + len(lost)
    if not lost:
        return Cell(str(here), folded=counted(here, "seed"))
    return Cell(str(here), f"of {every}", folded=f"{here} of {every} seeds", tone="bad")


def _return(method: MethodSummary) -> Cell:
    levels, success = method.returns, method.success
    if levels is None:
        return EMPTY
    start, end = (formats.measured(level) for level in (levels.start, levels.end))
    more = ""
    if success is not None:
        more = f"success {success.start.estimate:.0%} → {success.end.estimate:.0%}"
    return Cell(start, f"→ {end}{formats.star(method)}", more)


def gain_cell(found: Gain | None) -> Cell:
    """Return a gain over its interval, in the digits that this supports."""
    if found is None:
        return EMPTY
    write = f"+.{decimals(found)}f"
    top = f"{found.estimate:{write}}{formats.star(found)}"
    return Cell(top, interval_text(found, write), tone=tone_of(found))


def tone_of(found: Gain | None) -> str:
    """Return `bad` for a gain wholly below 0, `good` for one above it that may be claimed."""
    if found is None or found.side == "unclear":
        return ""
    return "bad" if found.side == "below" else "good" * is_claim(found)


def plain_cell(found: Bounded | None) -> Cell:
    """Return an estimate without a sign, over its interval."""
    if found is None:
        return EMPTY
    write = f".{decimals(found)}f"
    return Cell(f"{found.estimate:{write}}{formats.star(found)}", interval_text(found, write))


def _times(method: MethodSummary, period: float | None) -> dict[str, Cell]:
    time = method.time_to_threshold
    if time is None:
        return {"reached": EMPTY, "time": EMPTY}
    median = formats.steps(time.median)
    seconds = (time.median or 0.0) * (period or 0.0)
    robot = f"({span(seconds)})" if seconds >= 1 else ""
    return {
        "reached": Cell(f"{time.reached}/{time.n}"),
        "time": Cell(median, robot),
    }


def _verdict(method: MethodSummary) -> Cell:
    verdict = method.verdict
    claimed = verdict.claim and verdict.word == HEAD_START
    word, _, basis = verdict.word.partition(" (")
    below = f"({basis}" if basis else ""
    return Cell(word, below, tone="bad" if verdict.warning else "good" if claimed else "")


def _caption(summary: Summary, target: str) -> str:
    entry = summary.targets[target]
    budget = f", {formats.steps(entry.steps)} environment steps" if entry.steps else ""
    if entry.steps and entry.period:
        budget += f" or {span(entry.steps * entry.period)} of robot time"
    caption = f"Target {target} ({entry.world}{budget})."
    if not entry.scored:
        return f"{caption} {entry.headline}"
    low, high = entry.anchors.random, entry.anchors.reference
    assert low is not None
    assert high is not None
    brackets = formats.brackets(formats.share_sources(entry.methods.values()))
    caption += (
        f" A score of 0 is a return of {formats.number(low.value)} ({low.origin}), 1 is "
        f"{formats.number(high.value)} ({high.origin}). Gains are differences of scores "
        f"from scratch; brackets are {brackets}. Return: at step 0 → at the end, the mean over "
        f"{entry.averaged}. "
        f"Reached: seeds that hold a score of {summary.threshold:g}; median time: Kaplan-Meier, "
        f"in steps{' (robot time)' if entry.period else ''}."
    )
    if summary.source.bundle:
        caption += f" {formats.ONE_POLICY}"
    return caption + _marks(entry)


def _marks(entry: TargetSummary) -> str:
    """Return what the stars and the numbers of paired seeds in a table say."""
    methods = entry.methods.values()
    said = ""
    # Where one method still drifts its end is marked, so that there is a star.
    if any(method.converged is False for method in methods):
        said += f" {formats.UNFINISHED}"
    if any(formats.unpaired(method) for method in methods):
        said += f" {formats.PAIRED}"
    return said


def short_caption(summary: Summary, target: str) -> str:
    """Return what a reader of a target's table must know at once: its scale, and its marks."""
    entry = summary.targets[target]
    if not entry.scored:
        return entry.headline
    low, high = entry.anchors.random, entry.anchors.reference
    assert low is not None
    assert high is not None
    return (
        f"Score 0 = return {formats.brief(low.value)} ({low.origin}), "
        f"1 = {formats.brief(high.value)} ({high.origin}).{_marks(entry)}"
    )


def across_table(summary: Summary) -> ResultTable:
    """Return the aggregates over targets."""
    across = summary.across
    assert across is not None
    columns = {
        "method": Column("method", words=True),
        "seeds": Column("seeds", under="method"),
        **{one.title: Column(one.title) for one in AGGREGATES},
        "paired": Column("seeds in P"),
    }
    rows = []
    for name, method in across.methods.items():
        if method is None:
            none = Cell("0", folded="no seed has a usable curve on every target", tone="bad")
            row = dict.fromkeys(columns, EMPTY) | {"seeds": none}
        else:
            row = {one.title: plain_cell(one.of(method)) for one in AGGREGATES}
            row |= {"seeds": count_cell(method.seeds, method.lost)}
            row |= {"paired": Cell(str(method.paired or formats.NONE))}
        rows.append(row | {"method": Cell(name)})
    each = next(iter(summary.targets.values())).methods
    counts = [method.end.iqm.n for method in across.methods.values() if method]
    brackets = formats.brackets(formats.share_sources(each.values()), counts)
    caption = (
        f"Over the targets {', '.join(across.targets)}: interquartile means (IQM) of scores, "
        "optimality gap, and the probability that a trial beats one of scratch, as in rliable; "
        f"brackets are {brackets}. A seed counts where it has a usable curve on every target; in "
        "P, where scratch has it too."
    )
    return ResultTable(f"tab:{summary.name}-across", caption, columns, rows, list(range(len(rows))))
