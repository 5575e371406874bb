"""What is said in words: which method a headline names, and what an interval says."""

from dataclasses import replace

from headstart.experiments.measuring.results import (
    Anchors,
    EndGain,
    Gain,
    Gains,
    MethodSummary,
    TargetSummary,
    TimeToThreshold,
    Verdict,
)
from headstart.experiments.measuring.statistics import Interval
from headstart.experiments.showing.words.intervals import decimals, interval_text, signed_text
from headstart.experiments.showing.words.verdicts import headline


def gain_of(estimate, side="above", p=0.01, n=5):
    low, high = estimate - 0.1, estimate + 0.1
    return Gain({}, estimate, low, high, n, "paired t", side, None, p, p, 0.9)


def gains_of(jump_start, asymptotic, area, converged=None):
    ending = EndGain(**vars(asymptotic), converged=converged)
    return Gains(jump_start, early=jump_start, asymptotic=ending, area=area)


def time_of(reached=5, n=5, median=2_000.0):
    return TimeToThreshold(0.8, {}, reached, n, median, None, None, 9.0, 1.0)


def method(area, word, n=5):
    gain = gain_of(area, n=n)
    return MethodSummary(
        seeds=list(range(n)),
        source_seeds=None,
        failed=[],
        seconds={},
        time_to_threshold=time_of(),
        gains=gains_of(gain, gain, gain),
        verdict=Verdict(word, claim=True, basis="5 seeds"),
    )


SCRATCH = replace(method(0.0, "baseline"), gains=None, time_to_threshold=time_of(2, 5, None))


def headline_of(period=None, scratch=SCRATCH, **methods):
    target = TargetSummary(
        None, 9, 9, None, None, Anchors(None, None), True, "", [], None,
        {"scratch": scratch, **methods}, {}, period=period,
    )  # fmt: skip
    return headline("icy", target)


def few(found):
    """Return a method as from 3 seeds, of which nothing is claimed."""
    return replace(found, verdict=Verdict("no claim (3 seeds)", basis="3 seeds"))


def test_a_head_start_is_told_in_a_newcomers_sentence():
    slow = replace(SCRATCH, time_to_threshold=time_of(5, 5, 32_000.0))
    assert headline_of(scratch=slow, fine_tune=method(0.57, "head start", 10)) == (
        "On icy, fine_tune is ahead of learning from scratch: it starts 0.57 of the reachable "
        "score higher and holds 0.8 after 2,000 steps, where scratch takes 32,000 (medians)."
    )
    # 2,000 and 32,000 steps of 0.05 s: 100 s and 1,600 s.
    said = headline_of(0.05, slow, fine_tune=method(0.57, "head start", 10))
    assert "after 2,000 steps (1.7 min of robot time), where scratch takes 32,000 (27 min; " in said


def test_from_few_seeds_it_is_no_claim_yet():
    said = headline_of(fine_tune=few(method(0.4, "")))
    assert said == (
        "On icy, fine_tune looks ahead of learning from scratch: it starts 0.40 of the reachable "
        "score higher and holds 0.8 after 2,000 steps, which scratch does not on half of its seeds "
        "(median). With 3 seeds this is no claim yet."
    )
    behind = headline_of(fine_tune=few(method(-0.4, "")))
    assert behind.startswith("On icy, fine_tune is not clearly ahead of learning from scratch: it")
    assert "0.40 of the reachable score lower" in behind


def test_a_claimed_head_start_is_not_hidden_by_a_larger_area_that_says_nothing():
    noisy, tight = method(0.9, "no clear difference"), method(0.4, "head start")
    said = headline_of(zero_shot=noisy, fine_tune=tight)
    assert said.startswith("On icy, fine_tune is ahead of learning from scratch: ")
    # 0.7^5 is 0.168; of ten seeds or more nothing is added.
    assert said.endswith(
        " If it failed on 30% of seeds, 5 seeds would show none of that in 17% of experiments."
    )
    # What is ahead in part and wholly below in part is not clearly ahead.
    said = headline_of(fine_tune=method(-0.3, "mixed"), zero_shot=method(-0.4, "mixed"))
    assert said.startswith(
        "On icy, no method is clearly ahead of learning from scratch; fine_tune comes closest: it "
    )
    said = headline_of(mixed=method(0.5, "mixed"), tight=tight)
    assert said.startswith("On icy, tight is ahead of learning from scratch: ")
    assert headline_of(zero_shot=noisy).startswith("On icy, zero_shot is not clearly ahead of")


def test_times_that_are_not_reached_or_equal_are_told_so():
    ahead = method(0.4, "head start", 10)
    never = replace(ahead, time_to_threshold=time_of(1, 10, None))
    at_once = replace(ahead, time_to_threshold=time_of(10, 10, 0.0))
    slow = replace(SCRATCH, time_to_threshold=time_of(10, 10, 2_000.0))
    for mine, theirs, said in (
        (never, slow, "does not hold 0.8 on half of its seeds, where scratch does after 2,000"),
        (never, SCRATCH, "higher and ends 0.40 of the reachable score higher."),
        (at_once, slow, "holds 0.8 from the start, where scratch takes 2,000 (medians)."),
        (ahead, slow, "holds 0.8 after 2,000 steps, as scratch does (medians)."),
        (ahead, replace(SCRATCH, time_to_threshold=time_of(10, 10, 0.0)),
         "holds 0.8 after 2,000 steps, where scratch does from the start (medians)."),
    ):  # fmt: skip
        assert said in headline_of(scratch=theirs, fine_tune=mine)


def test_a_claim_that_rests_on_the_end_alone_names_the_end():
    jump, end = gain_of(0.0, "unclear", 1.0, 10), gain_of(0.3, n=10)
    ahead = method(0.05, "head start", 10)
    alone = gains_of(jump, end, gain_of(0.05, "unclear", 0.4, 10), converged=False)
    said = headline_of(fine_tune=replace(ahead, gains=alone))
    assert "it starts where scratch does, holds 0.8" in said
    assert said.endswith("and ends 0.30 of the reachable score higher (not converged).")
    # An area that holds as well is enough.
    both = gains_of(jump, end, gain_of(0.2, "above", 0.02, 10), converged=False)
    assert "ends" not in headline_of(fine_tune=replace(ahead, gains=both))


def test_digits_are_those_that_an_interval_supports():
    # Half widths of 0.15, 1.5, 15 and 0.0015: two digits of each, at most two decimals.
    halves = (0.15, 1.5, 15.0, 0.0015)
    found = [Interval(0.456, 0.456 - half, 0.456 + half, 5, "t") for half in halves]
    assert [decimals(one) for one in found] == [2, 1, 0, 2]
    assert signed_text(found[1]) == "+0.5 [-1.0, +2.0]"


def test_an_interval_of_no_width_is_none():
    found = Interval(0.3, 0.25, 0.5, 5, "t")
    assert interval_text(found, ".2f") == "[0.25, 0.50]"
    assert interval_text(found, "+.1f") == "[+0.2, +0.5]"
    assert interval_text(replace(found, high=0.25), ".2f") == "all equal"
    assert interval_text(replace(found, low=None), ".2f") == "no interval"


def test_a_range_is_distinguished_from_an_interval():
    found = Interval(0.3, 0.25, 0.5, 5, "range")
    assert interval_text(found, ".2f") == "(0.25 to 0.50)"
    assert interval_text(found, lambda value: f"{100 * value:.0f} %") == "(25 % to 50 %)"
    assert signed_text(found) == "+0.30 (+0.25 to +0.50)"
    assert signed_text(replace(found, kind="t")) == "+0.30 [+0.25, +0.50]"
    assert signed_text(replace(found, low=None)) == "+0.30 [no interval]"
