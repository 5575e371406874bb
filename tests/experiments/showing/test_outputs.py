"""What a reader sees: table, figures, report and the files of a run."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pytest
from headstart.core.errors import HeadstartError
from headstart.core.plain import to_json
from headstart.experiments.measuring import load_run
from headstart.experiments.running.claims import claim
from headstart.experiments.showing import formats, outputs, status, writing
from headstart.experiments.showing.figures import aggregates, gains, kept, style, times
from headstart.experiments.showing.figures.run import draw_run
from headstart.experiments.showing.outputs import write_outputs
from headstart.experiments.showing.tables import terminal
from headstart.experiments.showing.words.summary import summarize
from rich.console import Console

from ..conftest import draw_curves, write_curve, write_trial
from ..measuring.test_attribution import write_record

pytestmark = pytest.mark.usefixtures("undrawn")

TARGET = "tired-arm"


def printed(summary: dict, width: int) -> str:
    console = Console(width=width, file=io.StringIO(), record=True, force_terminal=True)
    console.print(terminal.render_summary(summary))
    return console.export_text()


@pytest.fixture
def root(make_run):
    return make_run(targets=(TARGET,), failed=[(TARGET, "naive", 1)])


def test_write_leaves_the_whole_set_of_files(root, drawn):
    summary = write_outputs(root)
    names = {path.name for path in (root / "figures").iterdir()}
    kinds = ("curves", "gains", "times", "survival")
    assert names == {f"{kind}-{TARGET}.{form}" for kind in kinds for form in ("png", "svg")}
    assert {path.name for path in (root / "tables").iterdir()} == {
        "methods.md",
        "results.md",
        "results.tex",
    }
    assert json.loads((root / "summary.json").read_text()) == to_json(summary)
    # No temporary file is left.
    assert [path.name for path in root.rglob(".*")] == [".outputs.json"]
    assert (root / "report.html").stat().st_mode & 0o777 == 0o644


def test_results_csv_is_tidy_sorted_and_exact(root):
    write_outputs(root)
    with (root / "results.csv").open() as file:
        rows = list(csv.DictReader(file))
    columns = "target method seed step return success length episodes"
    assert list(rows[0]) == columns.split()
    assert len(rows) == (5 * 3 - 1) * 31  # methods, seeds, less one; evaluations
    keys = [(row["target"], row["method"], int(row["seed"]), int(row["step"])) for row in rows]
    assert keys == sorted(keys)
    path = root / "trials" / TARGET / "scratch" / "seed-0" / "evaluations.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    mine = [row for row in rows if row["target"] == TARGET and row["method"] == "scratch"]
    told = [float(row["return"]) for row in mine if row["seed"] == "0"]
    assert told == [line["return"] for line in lines]  # equal to the last bit


def test_writing_again_changes_nothing(root, drawn):
    write_outputs(root)
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    write_outputs(root)
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before


def test_what_has_not_changed_is_not_made_again(tiny, drawn, monkeypatch):
    first = write_outputs(tiny)
    with monkeypatch.context() as patch:
        patch.setattr(writing, "draw_run", None)  # would fail if it were called
        assert to_json(write_outputs(tiny)) == to_json(first)
        assert printed(write_outputs(tiny), 100) == printed(first, 100)
        # A figure that is gone, or a curve that is another, is.
        (tiny / "figures" / f"curves-{TARGET}.png").write_bytes(b"")
        with pytest.raises(TypeError):
            write_outputs(tiny)
    write_outputs(tiny)
    picture = tiny / "figures" / f"curves-{TARGET}.png"
    before = picture.read_bytes()
    write_curve(tiny, "scratch", 0, [0.0] * 11)
    assert to_json(write_outputs(tiny)) != to_json(first)
    assert picture.read_bytes() != before


def test_only_figures_that_show_something_else_are_drawn_anew(make_run, monkeypatch):
    run = make_run(seeds=(0, 1), methods=("scratch", "naive"))
    drawn = []

    def encoded(stem, figure):
        drawn.append(stem)
        return style.encoded(stem, figure)

    monkeypatch.setattr(kept, "encoded", encoded)
    write_outputs(run)
    every, kinds = sorted(drawn), ("curves", "gains", "survival", "times")
    of = {name: [f"{kind}-{name}" for kind in kinds] for name in (TARGET, "long-tool")}
    assert every == sorted([*of[TARGET], *of["long-tool"], "across", "profiles"])
    drawn.clear()
    path = run / "trials" / TARGET / "naive" / "seed-0"
    write_trial(path, np.linspace(0, 60_000, 31), np.linspace(-100, -11, 31))
    write_outputs(run)
    assert sorted(drawn) == sorted([*of[TARGET], "across", "profiles"])
    drawn.clear()
    # One that is damaged is drawn, and all are where the code that draws is another.
    (run / "figures" / "gains-long-tool.svg").write_bytes(b"")
    write_outputs(run)
    assert drawn == ["gains-long-tool"]
    drawn.clear()
    monkeypatch.setattr(outputs, "version", lambda name: "9")
    write_outputs(run)
    assert sorted(drawn) == every


def test_what_the_sources_drew_is_drawn(make_run):
    run = make_run(seeds=(0,), methods=("scratch",))
    write_record(run, lambda values, rng: values[0])
    write_outputs(run)
    assert {path.stem for path in (run / "figures").iterdir()} >= {"randomization", "success-map"}


def test_a_directory_that_cannot_be_written_is_one_clear_line(root):
    (root / "results.csv").mkdir()
    with pytest.raises(HeadstartError, match=r"cannot write .*results\.csv.: Is a directory"):
        write_outputs(root)
    assert not list(root.glob(".results*"))


@pytest.mark.parametrize("width", [100, 120])
def test_the_table_fits_and_says_it_all(root, width):
    shown = printed(summarize(load_run(root)), width)
    text = " ".join(shown.split())
    assert max(len(line.rstrip()) for line in shown.splitlines()) <= width
    assert "…" not in text
    for words in (
        "fine_tune",
        "no claim",
        "(3 seeds)",
        "3/3",
        "2 of 3 seeds",
        "* not converged",
    ):
        assert words in text
    assert "tired-arm/naive/seed-1 failed: TrainingError: NaN in the loss at step 14,336" in text
    assert "A sign of negative transfer, wholly below scratch: asymptotic gain" in text


@pytest.mark.parametrize(
    ("climbing", "scratch", "tuned", "gain"),
    [
        ([], "-54", "-15.5", "+0.3"),
        # Ends of climbing curves: (0.8 + 0.9 + 1) / 3 = 0.9, a return of -21.
        (["scratch"], "-21*", "-15.5", "+0.05*"),
        (["fine_tune"], "-54", "-21*", "+0.3*"),
        (["scratch", "fine_tune"], "-21*", "-21*", "+0.00*"),
    ],
)
def test_a_star_stands_where_a_method_or_its_scratch_has_not_converged(
    tiny, climbing, scratch, tuned, gain
):
    for method in climbing:
        for seed in (0, 1):
            write_curve(tiny, method, seed, [i / 10 for i in range(11)])
    summary = write_outputs(tiny)
    said = [formats.UNFINISHED] if climbing else []
    stars = sum(cell.endswith("*") for cell in (scratch, tuned, gain))
    text = printed(summary, 120)
    assert text.count("*") == stars + len(said)
    assert all(line in " ".join(text.split()) for line in said)
    html = (tiny / "report.html").read_text()
    assert "there are fewer than 10 seeds" in html
    assert f"→ {scratch}</small>" in html
    assert f"→ {tuned}</small>" in html
    assert re.search(rf">{re.escape(gain)}\s*<small>", html)
    page, _ = html.split("Tables in LaTeX")
    assert page.count(formats.UNFINISHED) == len(said)
    markdown = (tiny / "tables" / "results.md").read_text().replace("\\*", "*")
    assert f"→ {scratch} | – | – | – |" in markdown
    assert f"→ {tuned} |" in markdown
    # Where both climb, all seeds do so alike.
    assert f"| {gain} {'all equal' if len(climbing) == 2 else '['}" in markdown
    assert markdown.count("*") == stars + len(said)
    latex = (tiny / "tables" / "results.tex").read_text()
    assert latex.count("^{*}") == stars
    assert latex.count("* not converged") == len(said)


def test_seeds_that_scratch_lost_are_said_to_be_in_no_gain(make_run):
    root = make_run(seeds=range(4), targets=(TARGET,), failed=[(TARGET, "scratch", 3)])
    summary = write_outputs(root)
    tuned = summary.targets[TARGET].methods["fine_tune"]
    assert (len(tuned.seeds), tuned.paired, tuned.gains.area.n) == (4, 3, 3)
    said = "Gains are over 3 of its 4 seeds, as scratch has no usable curve on the others."
    assert said in tuned.verdict.sentence
    text = printed(summary, 120)
    assert text.count("3 paired") == 4  # all but scratch
    html = (root / "report.html").read_text()
    assert html.count('<small class="bad">4 seeds, 3 paired</small>') == 4
    assert '<b>fine_tune</b></td><td class="left">jump-start</td><td>3</td>' in html
    markdown = (root / "tables" / "results.md").read_text()
    assert "| fine_tune | 4 (3 paired) |" in markdown
    assert (
        "Paired: the seeds that scratch has too; from 2 on, gains are over these alone." in markdown
    )
    # No seed that both have: Welch's interval is over the seeds of either side.
    for seed in (1, 2):
        (root / "trials" / TARGET / "fine_tune" / f"seed-{seed}" / "status.json").unlink()
    (root / "trials" / TARGET / "scratch" / "seed-0" / "status.json").unlink()
    tuned = summarize(load_run(root)).targets[TARGET].methods["fine_tune"]
    assert tuned.gains.area.kind == "welch"
    said = "Gains are not paired, as scratch has a usable curve on 0 of its seeds."
    assert said in tuned.verdict.sentence


def test_negative_transfer_is_red(make_run):
    console = Console(width=110, file=io.StringIO(), force_terminal=True, color_system="standard")
    console.print(terminal.render_summary(summarize(load_run(make_run(seeds=range(6))))))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert re.search("\x1b\\[1;31mnegative", shown)
    assert re.search("\x1b\\[31mNegative transfer, wholly below scratch", shown)


def test_names_are_not_read_as_markup(make_run):
    text = printed(summarize(load_run(make_run(targets=("[red]x[/red]",)))), 100)
    assert "[red]x[/red]" in text


def test_figures_are_png_and_leave_no_state(root, drawn):
    run = load_run(root)
    summary = summarize(run)
    before = dict(mpl.rcParams)
    drawn = draw_run(run, summary)
    assert dict(mpl.rcParams) == before
    for name, image in drawn.items():
        if name.endswith(".svg"):
            assert f'width="{72 * style.WIDTH:g}pt"'.encode() in image
            continue
        assert image.startswith(b"\x89PNG")
        width = int.from_bytes(image[16:20], "big")
        assert width == style.WIDTH * style.DPI


def test_curves_show_every_seed_and_start_at_step_zero(root):
    run = load_run(root)
    axis = draw_curves(run, summarize(run), TARGET).axes[0]
    assert axis.get_xlim()[0] == 0
    # (5 methods * 3 seeds - 1 lost) thin lines, 5 means, the threshold
    assert len(axis.lines) == 14 + 5 + 1
    labels = axis.get_legend_handles_labels()[1]
    assert labels[2] == "naive (2 seeds)"


def test_survival_is_drawn_as_the_share_of_seeds_there(tiny):
    axis = times.draw_survival(TARGET, summarize(load_run(tiny)).targets[TARGET], 0.8).axes[0]
    _, scratch, waiting, tuned = axis.lines  # the first is one half
    # One of two from step 30 on, the other still waits at the end.
    assert scratch.get_xdata().tolist() == [0, 30, 100]
    # Half of times.APART below, and the other above: where both are, both are seen.
    assert scratch.get_ydata() == pytest.approx(np.array([0.0, 0.5, 0.5]) - 0.007)
    assert (waiting.get_xdata(), waiting.get_ydata()) == ([100], [pytest.approx(0.493)])
    assert tuned.get_xdata().tolist() == [0, 10, 30, 100]
    assert tuned.get_ydata() == pytest.approx(np.array([0.0, 0.5, 1.0, 1.0]) + 0.007)
    assert tuned.get_drawstyle() == "steps-post"
    assert tuned.get_markevery() == slice(1, -1)  # at 10 and 30 seeds arrive
    assert axis.get_legend_handles_labels()[1] == ["scratch (1/2)", "fine_tune (2/2)"]


def test_terms_are_drawn_where_there_are_any(tiny, tell_terms, drawn):
    for seed in (0, 1):
        tell_terms("fine_tune", seed, distance=-12 - seed, reached=2.5)
        tell_terms("scratch", seed, distance=-40)
    summary = write_outputs(tiny)
    axis = gains.draw_terms(TARGET, summary.targets[TARGET]).axes[0]
    assert [tick.get_text() for tick in axis.get_yticklabels()] == ["distance", "reached"]
    marks = [line.get_xdata() for line in axis.lines if line.get_marker() in style.MARKERS]
    assert [value for (value,) in marks] == [-40, -12.5, 2.5]
    spans = [tuple(line.get_xdata()) for line in axis.lines if line.get_marker() == "None"]
    assert (-13, -12) in spans
    assert axis.get_legend_handles_labels()[1] == ["scratch", "fine_tune"]
    html = (tiny / "report.html").read_text()
    assert (tiny / "figures" / f"terms-{TARGET}.svg").exists()
    assert "They do not add up to the return." in html
    assert "<td>-12.5<small>(-13 to -12)</small></td>" in html


def test_what_holds_over_targets_is_drawn_and_tabled(make_run, drawn):
    root = make_run(failed=[("long-tool", "naive", seed) for seed in range(3)])
    write_outputs(root)
    for stem in ("across", "profiles"):
        assert (root / "figures" / f"{stem}.png").exists()
        assert (root / "figures" / f"{stem}.svg").exists()
    html = (root / "report.html").read_text()
    assert "Over all targets" in html
    assert "no seed has a usable curve on every target" in html
    run = load_run(root)
    axes = aggregates.draw_aggregates(summarize(run).across).axes
    assert [tick.get_text() for tick in axes[0].get_yticklabels()] == [
        "scratch",
        "zero_shot",
        "fine_tune",
        "feature_reuse",
    ]
    # Scratch is what P(T > S) compares with: a line and a mark for each of the others, and 0.5.
    assert len(axes[3].lines) == 2 * 3 + 1


def test_methods_look_different_in_colour_and_in_grey():
    looks = [style.look(i) for i in range(20)]
    assert len({str(look) for look in looks}) == 20
    assert len({str(look[1:]) for look in looks[:7]}) == 7


def test_report_is_self_contained_and_complete(root):
    write_outputs(root)
    html = (root / "report.html").read_text()
    assert "<script" not in html
    sources = re.findall(r'(?:src|href)="([^"]{1,40})', html)
    assert all(source.startswith(("data:image/png;base64,", "#")) for source in sources)
    assert html.count("data:image/png;base64,") == 4
    for words in (
        "With 3 seeds this is no claim yet.",
        "headstart run experiments/studies/quickstart.yaml --jobs 2",
        "0123456789abcdef",
        "torch 2.13.0",
        "PPO, 2,000,000 steps on this target",
        "Traceback (most recent call last)",
        "<details>",
        "= uniform(0, 0.06)",
        "0.6 to 1.4",
        "+ 0.08",
        "At nominal in both: gravity",
        "same evaluation seeds for all methods",
        "For a paper",
        r"\begin{tabular}",
        "| method | seeds |",
        "The learner was PPO, with <code>n_steps</code> 64.",
    ):
        assert words in html, words


def test_report_escapes_what_comes_from_the_run(make_run):
    root = make_run(targets=("<b>x",), failed=[("<b>x", "naive", 0)])
    status = root / "trials" / "<b>x" / "naive" / "seed-0" / "status.json"
    told = json.loads(status.read_text())
    told["error"] = told["traceback"] = "<script>alert('x')</script>"
    status.write_text(json.dumps(told))
    write_outputs(root)
    html = (root / "report.html").read_text()
    assert "<script" not in html
    assert "<b>x" not in html
    assert "&lt;script&gt;" in html


@pytest.mark.parametrize(
    "settings",
    [
        {"seeds": (3,)},
        {"seeds": range(6), "anchors": False, "targets": (TARGET, "long-tool")},
        {"methods": ("naive", "fine_tune")},
        {"methods": ("scratch",)},
        {"failed": [(TARGET, "scratch", seed) for seed in range(3)]},
        {"failed": [(TARGET, "scratch", 0)], "seeds": (0,), "methods": ("scratch",)},
    ],
)
def test_whatever_a_run_holds_can_be_shown(make_run, settings, drawn):
    root = make_run(**({"targets": (TARGET,)} | settings))
    assert printed(write_outputs(root), 100)
    assert (root / "report.html").stat().st_size > 5_000


def test_a_target_without_a_scale_shows_returns_and_says_why(make_run):
    root = make_run()
    facts = json.loads((root / "facts.json").read_text())
    facts["anchors"][TARGET]["reference"] = {"return": -500.0, "origin": "stored"}
    (root / "facts.json").write_text(json.dumps(facts))
    text = printed(write_outputs(root), 100)
    assert "so there is no scale" in " ".join(text.split())
    assert (root / "figures" / "curves-tired-arm.png").exists()
    assert not (root / "figures" / "gains-tired-arm.png").exists()


def test_methods_go_by_their_labels(make_run):
    root = make_run(targets=(TARGET,))
    text = (root / "experiment.yaml").read_text()
    (root / "experiment.yaml").write_text(
        text.replace("- naive: {}", "- fine_tune:\n    label: naive\n    learning_rate: 0.1")
    )
    assert load_run(root).methods == ["scratch", "zero_shot", "naive", "fine_tune", "feature_reuse"]


def test_a_threshold_far_from_all_curves_leaves_them_their_room(root, drawn):
    run, summary = load_run(root), summarize(load_run(root))
    summary = replace(summary, threshold=50.0)
    # Matplotlib warns, which is an error here, where labels leave the axes no room.
    assert style.encoded("curves", draw_curves(run, summary, TARGET))


def shown(directory):
    table, more = status.overview(directory)
    console = Console(width=110, file=io.StringIO())
    console.print(table)
    return console.file.getvalue(), more


def test_status_tells_what_is_done_at_work_and_left(make_run):
    root = make_run(targets=(TARGET,), failed=[(TARGET, "naive", 1)])
    text, more = shown(root)
    assert not more
    assert "17 of 18 sources and trials done, 1 failed." in text
    assert "tired-arm/naive/seed-1 failed: TrainingError: NaN" in text
    place = root / "trials" / TARGET
    at_work = {"state": "running", "step": 15_000, "steps": 60_000, "seconds": 30.0}
    (place / "scratch" / "seed-2" / "status.json").write_text(json.dumps(at_work))
    (place / "fine_tune" / "seed-2" / "status.json").unlink()
    text, more = shown(root)
    assert not more
    assert "no process is at work: the same 'headstart run' goes on from here" in text
    # What was killed in the middle is not at work: (60,000 * 2 + 15,000) / 180,000 of it is done.
    assert re.search(r"scratch +2 +– +– +1 +75% ", text)
    assert re.search(r"fine_tune +2 +– +– +1 +67% ", text)
    with claim(root, f"trials/{TARGET}/scratch/seed-2"):
        text, more = shown(root)
    assert more
    assert re.search(r"scratch +2 +1 +– +– +75% ", text)
    assert "tired-arm/scratch/seed-2  step 15,000" in text
    # Left are 45,000 and 60,000 steps; 1,049,336 took 230 s (3 sources of 100,000, 11 whole trials
    # of 60,000, 15,000, and the 14,336 of the one that failed; 12.5 s each, and 30 s).
    assert "about 23 s left" in text
    # What came from the cache tells of no pace: 749,336 steps took 192.5 s.
    for seed in range(3):
        path = root / "source" / "randomized" / f"seed-{seed}" / "status.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"reused_seconds": 99.0}))
    with claim(root, f"trials/{TARGET}/scratch/seed-2"):
        assert "about 27 s left" in shown(root)[0]
