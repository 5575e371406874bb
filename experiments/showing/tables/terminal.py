"""The result as a table for the terminal, per target, with a plain sentence on every method."""

from __future__ import annotations

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ...measuring.results import MethodSummary, Summary, TargetSummary, TimeToThreshold, Verdict
from ...measuring.statistics import SURE_SEEDS
from ...measuring.verdict import HEAD_START
from ..formats import UNFINISHED, brief, counts, end_title, star, unpaired
from ..words.intervals import Bounded, interval_text

ABOVE, BELOW, QUIET = "green", "bold red", "dim"


def render_summary(summary: Summary) -> Group:
    """Return the whole summary for a rich console: tables, sentences, failures, headlines."""
    parts: list[RenderableType] = []
    for name, target in summary.targets.items():
        parts += [target_table(name, target, summary.threshold), sentences(target), Text()]
    if summary.failures:
        parts += [failures(summary), Text()]
    parts += [Text(note, style="yellow") for note in summary.notes]
    parts += [Text(line, style="bold") for line in summary.headlines]
    return Group(*parts)


def target_table(name: str, target: TargetSummary, threshold: float) -> Table:
    """Return the table of one target: a row per method, estimates over intervals or ranges."""
    budget = f" · {target.steps:,} steps" if target.steps else ""
    table = Table(
        title=Text(f"{name} · {target.world}{budget}", style="bold"),
        caption=Text(_caption(target), style=QUIET),
        title_justify="left",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1),
        pad_edge=False,
        show_lines=False,
        leading=0,
    )
    end = end_title(target.evaluations)
    ranged = all(n < SURE_SEEDS for n in counts(target.methods.values()))
    table.add_column("method", no_wrap=True)
    for heading in (
        f"return,\n{end.partition(' of')[0]}",
        "jump-start\n[95 %]",
        f"asymptotic,\n{end}",
        f"time to {threshold:g}\nmedian",
        f"area\n{'range' if ranged else '[95 %]'}",
    ):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("verdict", min_width=10)
    for method, entry in target.methods.items():
        table.add_row(*_row(method, entry))
    return table


def sentences(target: TargetSummary) -> Group:
    """Return one paragraph a method in plain language, negative transfer in red."""
    lines = []
    for method, entry in target.methods.items():
        verdict = entry.verdict
        warning = f"{verdict.warning} " if verdict.warning else ""
        said = (warning, "red"), verdict.sentence
        lines.append(Text.assemble((f"{method}: ", "bold"), *said))
    for name, longer in target.equal_total.items():
        told = " ".join(longer.sentences) or f"{longer.steps:,} steps in the target."
        lines.append(Text.assemble((f"{name}: ", "bold"), told))
    return Group(*lines, *(Text(note, style=QUIET) for note in target.notes))


def failures(summary: Summary) -> Group:
    """Return the sources and trials without a usable curve, each with its reason."""
    lines = [Text(f"Without a usable curve ({len(summary.failures)}):", style=BELOW)]
    for failure in summary.failures:
        where = (f"  {failure.unit}", "bold")
        lines.append(Text.assemble(where, f" {failure.state}: {failure.error}"))
    return Group(*lines)


def _row(method: str, entry: MethodSummary) -> list[Text]:
    gains, verdict = entry.gains, entry.verdict
    seeds, lost = len(entry.seeds), len(entry.failed)
    name = Text(f"{method}\n", style="bold")
    if lost:
        name.append(f"{seeds} of {seeds + lost} seeds", style=BELOW)
    else:
        name.append(f"{seeds} seed{'s' * (seeds != 1)}", style=f"not bold {QUIET}")
    if unpaired(entry):
        name.append(f"\n{entry.paired} paired", style=BELOW)
    area = entry.scores.area if entry.scores else None
    return [
        name,
        _returns(entry),
        _interval(gains.jump_start if gains else None, sign="+"),
        _interval(gains.asymptotic if gains else None, sign="+"),
        _time(entry.time_to_threshold),
        _interval(area, side=gains.area.side if gains else None),
        Text(verdict.word, style=_style(verdict)),
    ]


def _returns(entry: MethodSummary) -> Text:
    returns = entry.returns
    if returns is None:
        return Text("–", style=QUIET)
    start, end = returns.start.estimate, returns.end.estimate
    return Text(f"{brief(start)}\n→ {brief(end)}{star(entry)}")


def _interval(
    entry: Bounded | None,
    *,
    sign: str = "",
    side: str | None = None,
) -> Text:
    """Return an estimate over its interval, coloured by the side of 0 that the gain lies on."""
    if entry is None:
        return Text("–", style=QUIET)
    style = {"above": ABOVE, "below": BELOW}.get(side or getattr(entry, "side", "") or "", "")
    text = Text(f"{entry.estimate:{sign}.2f}{star(entry)}\n", style=style)
    text_below = interval_text(entry, f"{sign}.2f")
    # Below the estimate, and in a narrow column, a range needs no parentheses.
    return text.append(text_below.strip("()"), style="" if text_below[0] in "[(" else QUIET)


def _time(time: TimeToThreshold | None) -> Text:
    if time is None:
        return Text("–", style=QUIET)
    median = "–" if time.median is None else f"{time.median:,.0f}"
    return Text(f"{time.reached}/{time.n} seeds\n{median}")


def _style(verdict: Verdict) -> str:
    if verdict.warning:
        return BELOW
    return f"bold {ABOVE}" if verdict.word == HEAD_START else ""


def _caption(target: TargetSummary) -> str:
    if not target.scored:
        return str(target.headline)
    random, reference = target.anchors.random, target.anchors.reference
    assert random is not None
    assert reference is not None
    text = (
        f"Score 0 = return {brief(random.value)} ({random.origin}), "
        f"1 = {brief(reference.value)} ({reference.origin})."
    )
    # Where one method still drifts its end is marked, so that there is a star.
    if any(method.converged is False for method in target.methods.values()):
        text += f" {UNFINISHED}"
    return text
