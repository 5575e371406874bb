"""Tables and methods for a paper: numbers by hand, and nothing that was not recorded."""

import re

import pytest
from headstart.experiments.measuring import load_run
from headstart.experiments.measuring.catalog import AGGREGATES
from headstart.experiments.showing.tables import paper
from headstart.experiments.showing.tables.rows import Cell, Column, ResultTable, target_table
from headstart.experiments.showing.words.methods_paragraph import methods_text
from headstart.experiments.showing.words.summary import summarize

from ...conftest import draw_curves

TARGET = "tired-arm"


def texts(root):
    run = load_run(root)
    return paper.texts(run, summarize(run))


def test_the_table_in_markdown_by_hand(tiny):
    lines = texts(tiny)["results.md"].splitlines()
    assert lines[:4] == [
        "| method | seeds | return | jump-start | asymptotic gain | area gain | reached "
        "| median time | verdict |",
        "| :-- | --: | --: | --: | --: | --: | --: | --: | :-- |",
        # scores of 0 and (0.8 + 0.4) / 2 are returns of -120 and -120 + 110 * 0.6
        "| scratch | 2 | -120 → -54 | – | – | – | 1/2 | 30 (1 s) | baseline |",
        # differences of seeds 0.5 and 0.7; 0.2 and 0.5; 0.255 and 0.67, half of it times 12.706
        # to the digits that half widths of 1.3, 1.9 and 2.6 support
        "| fine_tune | 2 | -54 → -15.5 | +0.6 [-0.7, +1.9] | +0.3 [-1.6, +2.3] "
        "| +0.5 [-2.2, +3.1] | 2/2 | 10 | no claim (2 seeds) |",
    ]
    assert (
        "A score of 0 is a return of -120 (random policy, measured by this run), 1 is" in lines[5]
    )


def test_the_table_in_latex_by_hand(tiny):
    text = texts(tiny)["results.tex"]
    lines = [line.strip() for line in text.splitlines()]
    assert r"\begin{tabular}{lrrrrrrrl}" in lines
    assert r"\label{tab:quickstart-tired-arm}" in lines
    assert (
        r"fine\_tune & $2$ & $-54$ & $+0.6$ & $+0.3$ & $+0.5$ & 2/2 & $10$ "
        r"& no claim \\" in lines
    )
    assert (
        r"&  & {\footnotesize $\to -15.5$} & {\footnotesize $[-0.7, +1.9]$} "
        r"& {\footnotesize $[-1.6, +2.3]$} & {\footnotesize $[-2.2, +3.1]$} "
        r"&  &  & {\footnotesize (2 seeds)} \\[3pt]" in lines
    )
    assert r"a return of $-$120 (random policy" in text
    assert r"PPO, 2,000,000 steps on this target" in text


def test_latex_is_whole_and_escaped(make_run):
    root = make_run(targets=("a_b%", "50#{x}"), failed=[("a_b%", "naive", 1)])
    text = texts(root)["results.tex"]
    assert text.count(r"\begin{table*}") == text.count(r"\end{table*}") == 3  # the last is of both
    for body in re.findall(r"\\midrule\n(.*?)\\bottomrule", text, re.DOTALL):
        columns = {len(re.findall(r"(?<!\\)&", row)) for row in body.splitlines() if "&" in row}
        assert len(columns) == 1
    plain = re.sub(r"\\[{}]", "", text)
    assert plain.count("{") == plain.count("}")
    assert (
        r"Target a\_b\% (headstart/PandaReach-v0, 60,000 environment steps or 40 min of robot time)"
        in text
    )
    assert r"\label{tab:quickstart-50--x-}" in text
    assert r"Target 50\#\{x\}" in text
    assert r"{\footnotesize of 3}" in text  # naive lost a seed
    assert r"$^{*}" not in text
    assert re.search(r"\$\+0\.\d\d\^\{\*\}\$", text)  # not converged
    assert "* not converged: the method" in text
    assert re.search(r"3/3 & \$\d+\{,\}000\$", text)  # a median time, its comma close


def test_markdown_keeps_what_it_would_read_as_its_own(make_run):
    columns = {"method": Column("method", words=True), "seeds": Column("seeds")}
    table = ResultTable("", "1 < 2 * `x`", columns, [{"method": Cell("a|b"), "seeds": Cell("3*")}])
    assert paper.markdown(table) == (
        "| method | seeds |\n| :-- | --: |\n| a\\|b | 3\\* |\n\n1 \\< 2 \\* \\`x\\`\n"
    )


def test_over_targets_there_is_a_table_more(make_run):
    failed = [("long-tool", "naive", seed) for seed in range(3)]
    summary = summarize(load_run(make_run(failed=failed)))
    table = paper.across_table(summary)
    assert [column.title for column in table.columns.values()][2:] == [
        *(aggregate.title for aggregate in AGGREGATES),
        "seeds in P",
    ]
    rows = {row["method"].top: row for row in table.rows}
    naive = [rows["naive"][key].top for key in table.columns]
    assert naive == ["naive", "0", *["–"] * 9]
    end = summary.across.methods["fine_tune"].end.iqm
    shown = Cell(f"{end.estimate:.2f}", f"({end.low:.2f} to {end.high:.2f})")
    assert rows["fine_tune"]["IQM, end"] == shown
    assert rows["scratch"]["P(T > S), end"].top == "–"  # it is what others are against


def test_a_range_is_said_where_seeds_share_few_source_policies(make_run):
    run = load_run(make_run(seeds=range(12), policies=3))
    summary = summarize(run)
    kinds = {n: m.end.iqm.kind for n, m in summary.across.methods.items()}
    assert (kinds["scratch"], kinds["fine_tune"]) == ("bootstrap", "range")
    text = methods_text(run, summary)
    assert "Intervals of the former take the outer ends of a bootstrap's" in text
    assert "Ranges of the former are of what each seed, or source policy, has by itself." in text
    mark = "parentheses hold the lowest and the highest of fewer than 10"
    assert mark in paper.across_table(summary).caption
    # It holds gains alone, which have intervals.
    assert mark not in target_table(summary, TARGET).caption
    title = draw_curves(run, summary, TARGET).axes[0].get_title()
    assert title == "tired-arm: mean, each seed, 95 % interval, or range of few"


def test_a_target_without_scores_has_its_returns(make_run):
    root = make_run(targets=(TARGET,))
    run = load_run(root)
    run.facts["anchors"][TARGET] = {"random": None, "reference": None}
    summary = summarize(run)
    table = paper.target_table(summary, TARGET)
    assert list(table.columns) == ["method", "seeds", "return", "verdict"]
    assert "no return of the random policy is recorded" in table.caption
    assert "no return of the random policy is recorded" in methods_text(run, summary)


def test_the_methods_say_what_was_recorded(make_run):
    text = texts(make_run(failed=[(TARGET, "naive", 1)]))["methods.md"]
    for words in (
        "trained in `headstart/PandaReach-v0` for 100,000 environment steps, one for each seed.",
        "were `action_delay = uniform(0, 0.06)` (0 to 0.06 s) and `motor_strength * "
        "loguniform(0.6, 1.4)` (0.6 to 1.4).",
        "The learner was PPO, with `n_steps` 64.",
        "`tired-arm` is `headstart/PandaReach-v0` with `action_delay = 0.04` (0.04 s) and "
        "`tool_length + 0.08` (0.18 m); the budget of a trial was 60,000 environment steps.",
        "Compared were `scratch`, `zero_shot`, `naive`, `fine_tune` and `feature_reuse`, each with "
        "the seeds 0, 1 and 2.",
        "1 of 33 sources and trials have no usable curve",
        "then every 2,000 environment steps of the target, on 20 episodes",
        "-120 (random policy, measured by this run) and -10 (PPO, 2,000,000 steps on this target) "
        "on `tired-arm`",
        "over the last 3 of 30 evaluations after step 0",
        "3 evaluations in a row with a score of at least 0.8",
        "95 %: Student's t over differences paired by seed.",
        "(Agarwal et al., 2021)",
        "headstart 0.1.0 (git commit 0123456789abcdef), torch 2.13.0; on x86_64, 2 cores.",
    ):
        assert words in text, words
    # 3 seeds have no BCa interval and none is unpaired; nothing is said of what is not on record.
    for words in (
        "BCa",
        "Welch",
        "rollout",
        "normalizer",
        "Without a source",
        "None",
        "not instal",
    ):
        assert words not in text, words


def test_the_methods_of_other_runs(make_run):
    run = load_run(make_run(seeds=range(30), targets=(TARGET,)))
    source = run.experiment["source"]
    source |= {"bundle": "pretrained/nominal", "bundle_sha256": "0123456789abcdef" * 4}
    source |= {"randomization": {}, "algorithm": "my.module:Learner"}
    run.experiment["methods"][3] = {"fine_tune": {"label": "fine_tune", "learning_rate": 0.001}}
    source |= {"kwargs": {"g": 10.0}, "wrappers": ["my.module:Wrap"]}
    shift = {"motor_strength": "* 0.7"}
    run.experiment["targets"][TARGET] |= {"shift": shift, "kwargs": {"g": 14.0}}
    run.experiment["evaluation"] |= {"every": 1_500, "seed": 1_000_000}
    run.facts["git"] = "abc+"
    run.facts["methods"] = {
        name: {"needs_source": name != "scratch", "trains": name != "zero_shot"}
        for name in run.methods
    }
    text = methods_text(run, summarize(run))
    for words in (
        "from one pretrained source policy, `pretrained/nominal` (sha256 0123456789ab), trained in "
        "`headstart/PandaReach-v0` (with `g` 10.0 and `my.module:Wrap`) for 100,000 environment",
        "The source was not randomized. The learner was `my.module:Learner`.",
        "is `headstart/PandaReach-v0` with `motor_strength * 0.7`, made with `wrappers` none and "
        "`g` 14.0; the budget",
        "`fine_tune` (`learning_rate` 0.001)",
        "Without a source policy: `scratch`. Not trained in the target: `zero_shot`.",
        "every 1,500 environment steps of the target (at the next end of a rollout, at most 2,000",
        "The episodes' seeds (1,000,000 to 1,000,019) were the same",
        "bootstrap intervals (BCa)",
        "(git commit abc, with changes not committed)",
    ):
        assert words in text, words
    assert "Agarwal" not in text  # there is one target alone


def test_the_methods_name_named_shifts_and_targets_like_the_source(make_run):
    run = load_run(make_run())
    run.experiment["targets"][TARGET]["shift"] = "of-another-version"
    run.experiment["targets"]["long-tool"]["shift"] = {}
    text = methods_text(run, summarize(run))
    assert "is `headstart/PandaReach-v0` under the shift `of-another-version`; the budget" in text
    # The source is randomized.
    assert "`long-tool` is `headstart/PandaReach-v0` at nominal parameters; the budget" in text
    run.experiment["source"]["randomization"] = {}
    text = methods_text(run, summarize(run))
    assert "`long-tool` is `headstart/PandaReach-v0` as in the source; the budget" in text


@pytest.mark.parametrize(
    "settings",
    [
        {"methods": ("scratch",)},
        {"seeds": (0,), "methods": ("scratch",), "failed": [(TARGET, "scratch", 0)]},
    ],
)
def test_whatever_a_run_holds_can_be_written_up(make_run, settings):
    found = texts(make_run(targets=(TARGET,), **settings))
    assert "scratch" in found["results.tex"]
    assert "No source policy was used." in found["methods.md"]
    assert "Intervals" not in found["methods.md"]
