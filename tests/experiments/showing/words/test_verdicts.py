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
from headstart.experiments.showing.words.intervals import interval_text, signed_text
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


def headline_of(**methods):
    target = TargetSummary(
        None, 9, 9, None, None, Anchors(None, None), True, "", [], None,
        {"scratch": SCRATCH, **methods}, {},
    )  # fmt: skip
    return headline("icy", target)


def test_a_claimed_head_start_is_not_hidden_by_a_larger_area_that_says_nothing():
    noisy, tight = method(0.9, "no clear difference"), method(0.4, "head start")
    said = headline_of(zero_shot=noisy, fine_tune=tight)
    assert said.startswith("On icy, fine_tune gives a head start: ")
    # 0.7^5 is 0.168; of ten seeds or more nothing is added.
    assert said.endswith(
        " If it failed on 30% of seeds, 5 seeds would show none of that in 17% of experiments."
    )
    many = headline_of(fine_tune=method(0.4, "head start", 10))
    assert many.endswith(
        "it reaches 0.8 on 5 of 5 seeds (median 2,000 target steps), scratch on 2 of 5 seeds."
    )
    # What is ahead in part and wholly below in part gives none.
    said = headline_of(fine_tune=method(-0.3, "mixed"))
    assert said.startswith(
        "On icy no method is ahead of scratch over the whole budget; fine_tune comes closest: "
    )
    assert said.endswith("The verdict: mixed.")
    said = headline_of(mixed=method(0.5, "mixed"), tight=tight)
    assert said.startswith("On icy, tight gives a head start: ")
    said = headline_of(zero_shot=noisy)
    assert said.startswith("On icy, zero_shot is the furthest ahead: ")


def test_a_claim_that_rests_on_the_end_alone_names_the_end():
    jump, end = gain_of(0.0, "unclear", 1.0, 10), gain_of(0.3, n=10)
    ahead = method(0.05, "head start", 10)
    alone = gains_of(jump, end, gain_of(0.05, "unclear", 0.4, 10), converged=False)
    assert (
        "by +0.00 [-0.10, +0.10] at step 0, by +0.05 [-0.05, +0.15] over the whole budget and by "
        "+0.30 [+0.20, +0.40] at the end (not converged); it reaches"
    ) in headline_of(fine_tune=replace(ahead, gains=alone))
    # An area that holds as well is enough.
    both = gains_of(jump, end, gain_of(0.2, "above", 0.02, 10), converged=False)
    text = headline_of(fine_tune=replace(ahead, gains=both))
    assert "+0.20 [+0.10, +0.30] over the whole budget; it reaches" in text


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
