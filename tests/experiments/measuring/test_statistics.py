"""Intervals and tests against tables, hand calculation and scipy's own tests."""

from __future__ import annotations

import math

import numpy as np
import pytest
from headstart.experiments.measuring import statistics
from headstart.experiments.measuring.statistics import Interval
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

samples = st.lists(st.floats(-100, 100), min_size=2, max_size=12)


def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.mark.parametrize(
    ("values", "t"),
    # Two-sided 95 % quantiles of Student's t from a table, for 1, 2, 4 and 9 degrees of freedom.
    [([1, 3], 12.706), ([1, 2, 3], 4.303), ([1, 2, 3, 4, 5], 2.776), (range(10), 2.262)],
)
def test_t_interval_from_a_table(values, t):
    values = list(values)
    n, mean = len(values), sum(values) / len(values)
    deviation = math.sqrt(sum((v - mean) ** 2 for v in values) / (n - 1))
    found = statistics.mean_interval(values)
    assert found is not None
    assert (found.n, found.kind) == (n, "t")
    assert found.estimate == pytest.approx(mean)
    assert found.low == pytest.approx(mean - t * deviation / math.sqrt(n), rel=1e-3)
    assert found.high == pytest.approx(mean + t * deviation / math.sqrt(n), rel=1e-3)


def test_paired_interval_by_hand():
    # Differences 1, 2, 3: mean 2, deviation 1, half width 4.303 / sqrt(3) = 2.484
    found = statistics.compare({0: 5, 1: 6, 2: 7}, {0: 4, 1: 4, 2: 4}, rng())
    assert found is not None
    assert found.difference.kind == "paired t"
    assert found.difference.low == pytest.approx(2 - 2.484, abs=1e-3)
    assert found.difference.high == pytest.approx(2 + 2.484, abs=1e-3)
    assert found.difference.side == "unclear"
    # t = 2 / (1 / sqrt(3)) = 3.464 with 2 degrees of freedom
    assert found.p == pytest.approx(2 * stats.t.sf(3.4641016, 2))
    assert found.per_seed == {0: 1, 1: 2, 2: 3}
    assert found.probability == 1
    assert found.bca is None  # fewer than 5 seeds


def test_welch_interval_by_hand():
    # a = 2, 4, 6: mean 4, variance 4; b = 1, 2: mean 1.5, variance 0.5
    # variances of the means 4/3 and 1/4, together 1.5833; standard error 1.2583
    # freedom = 1.5833^2 / ((4/3)^2 / 2 + 0.25^2 / 1) = 2.5069 / 0.95139 = 2.6350
    found = statistics.welch_interval([2, 4, 6], [1, 2])
    half = stats.t.ppf(0.975, 2.6350) * 1.2583
    assert (found.kind, found.n, found.estimate) == ("welch", 2, 2.5)
    assert found.low == pytest.approx(2.5 - half, rel=1e-3)
    assert found.high == pytest.approx(2.5 + half, rel=1e-3)


@given(samples, samples)
def test_welch_agrees_with_scipy(a, b):
    if np.ptp(a) < 1e-3 or np.ptp(b) < 1e-3:
        return
    ours = statistics.welch_interval(a, b)
    theirs = stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    assert ours.low == pytest.approx(theirs.low, rel=1e-6, abs=1e-6)
    assert ours.high == pytest.approx(theirs.high, rel=1e-6, abs=1e-6)


@given(samples)
def test_interval_excludes_zero_just_where_p_is_small(values):
    found = statistics.compare(
        dict(enumerate(values)), dict.fromkeys(range(len(values)), 0.0), rng()
    )
    assert found is not None
    if found.difference.kind == "constant":
        return
    assert found.p is not None
    if abs(found.p - 0.05) > 1e-9:
        assert (found.difference.side != "unclear") == (found.p < 0.05)


def test_one_seed_has_no_interval():
    assert statistics.mean_interval([]) is None
    assert statistics.mean_interval([3.0]) == Interval(3.0, None, None, 1, "one seed")
    found = statistics.compare({4: 1.0}, {4: 0.25}, rng())
    assert found is not None
    assert found.difference == Interval(0.75, None, None, 1, "one seed")
    assert found.p is None
    assert found.difference.side == "unclear"
    assert statistics.compare({}, {4: 0.25}, rng()) is None


def test_equal_seeds_give_no_evidence_from_spread():
    # Equal differences leave only their signs: p = 2 * (1/2)^5 = 1/16, not 0.
    found = statistics.compare(dict.fromkeys(range(5), 0.5), dict.fromkeys(range(5), 0.25), rng())
    assert found is not None
    assert found.difference == Interval(0.25, 0.25, 0.25, 5, "constant")
    assert found.p == 1 / 16
    assert found.bca is None
    same = statistics.compare({0: 0.5, 1: 0.7}, {0: 0.5, 1: 0.7}, rng())
    assert same is not None
    assert same.p == 1


def test_rounding_does_not_pass_for_spread():
    found = statistics.mean_interval([0.1 + 0.2, 0.3, 0.3])
    assert found is not None
    assert found.kind == "constant"


def test_seeds_that_are_not_shared_are_compared_by_welch():
    found = statistics.compare({0: 2, 1: 4, 2: 6}, {7: 1, 8: 2}, rng())
    assert found is not None
    assert found.difference == statistics.welch_interval([2, 4, 6], [1, 2])
    assert found.p == pytest.approx(stats.ttest_ind([2, 4, 6], [1, 2], equal_var=False).pvalue)
    assert found.per_seed == {}


def test_only_shared_seeds_enter_a_paired_difference():
    found = statistics.compare({0: 1, 1: 2, 9: 100}, {0: 0, 1: 0, 5: -100}, rng())
    assert found is not None
    assert found.difference.n == 2
    assert found.difference.estimate == 1.5
    assert found.probability == pytest.approx(1.0)


def test_bca_is_given_from_30_seeds_on_and_repeats_itself():
    values = np.linspace(0.1, 0.9, 30)
    found = statistics.bca_interval(values, rng())
    assert found is not None
    assert found == statistics.bca_interval(values, rng())
    # Without skew it is about Student's: 2.045 * 0.2429 / sqrt(30) = 0.0907 either way.
    assert (found.low, found.high) == (
        pytest.approx(0.5 - 0.0907, abs=0.006),
        pytest.approx(0.5 + 0.0907, abs=0.006),
    )
    assert statistics.bca_interval(values[:29], rng()) is None
    assert statistics.bca_interval([0.3] * 30, rng()) is None


def test_bca_leans_with_the_skew():
    found = statistics.bca_interval([0.0] * 20 + [1, 1, 2, 2, 3, 3, 4, 4, 5, 5], rng())
    assert found is not None
    assert found.low is not None
    assert found.high is not None
    assert found.high - found.estimate > found.estimate - found.low
    # Three of 30 at 1: a share of 0.1, with a skewness of 0.8 / 0.3 = 2.67.
    assert statistics.bca_interval([0.0] * 27 + [1.0] * 3, rng()) is None


def test_a_level_has_an_interval_from_ten_seeds_on_and_a_range_before():
    nine = statistics.level_interval(range(1, 10))
    assert (nine.estimate, nine.low, nine.high, nine.n, nine.kind) == (5, 1, 9, 9, "range")
    ten = statistics.level_interval(range(1, 11))
    # Deviation 3.0277, over sqrt(10) 0.9574, times t(9) = 2.2622.
    assert (ten.low, ten.high) == pytest.approx((5.5 - 2.1659, 5.5 + 2.1659), abs=1e-3)
    assert ten.kind == "t"
    assert statistics.level_interval([0.4]).kind == "one seed"
    assert statistics.level_interval([0.4, 0.4]).kind == "constant"
    assert statistics.level_interval([]) is None


def test_the_expanded_tail_by_hand():
    # 5 seeds: t(4) = 2.776, times sqrt(5 / 4) is 3.104, beyond which a normal has 0.096 %.
    assert statistics.expanded_tail(5) == pytest.approx(0.00096, abs=1e-5)
    # 30 seeds: 2.045 * sqrt(30 / 29) = 2.080; 1.88 %.
    assert statistics.expanded_tail(30) == pytest.approx(0.01876, abs=1e-4)


def test_fieller_by_hand():
    # a = 2, 4 and b = 1, 1: the denominator has no spread, so the ratio is the t interval of a:
    # 3 +- 12.706 * 1
    found = statistics.ratio_interval([2, 4], [1, 1])
    assert found.kind == "fieller"
    assert found.estimate == 3
    assert (found.low, found.high) == pytest.approx((3 - 12.706, 3 + 12.706), abs=1e-3)


def test_fieller_bounds_are_where_the_t_test_is_at_its_level():
    a, b = np.array([1.9, 2.3, 2.0, 2.6, 2.1]), np.array([1.0, 1.3, 0.9, 1.2, 1.1])
    found = statistics.ratio_interval(a, b)
    for bound in (found.low, found.high):
        assert bound is not None
        assert stats.ttest_1samp(a - bound * b, 0).pvalue == pytest.approx(0.05)


def test_a_ratio_over_a_denominator_that_may_be_zero_is_unbounded():
    found = statistics.ratio_interval([1, 2, 3], [-1, 1, 0.5])
    assert found.kind == "unbounded"
    assert found.low is None
    with pytest.raises(ValueError, match="mean is 0"):
        statistics.ratio_interval([1, 2], [-1, 1])
    assert statistics.ratio_interval([3], [2]) == Interval(1.5, None, None, 1, "one seed")


def test_probability_of_improvement():
    # Pairs (3,1) (3,3) (0,1) (0,3): one win, one tie, two losses: 1.5 / 4
    assert statistics.probability_of_improvement([3, 0], [1, 3]) == 0.375


@given(samples, samples)
def test_probability_of_improvement_is_mann_whitney(a, b):
    u = stats.mannwhitneyu(a, b, method="asymptotic").statistic
    found = statistics.probability_of_improvement(a, b)
    assert found == pytest.approx(u / (len(a) * len(b)))
    assert found + statistics.probability_of_improvement(b, a) == pytest.approx(1)


def test_holm_by_hand():
    # Ordered 0.01, 0.02, 0.03, 0.04 times 4, 3, 2, 1: 0.04, 0.06, 0.06, 0.04, made monotone
    assert statistics.holm([0.04, 0.01, None, 0.03, 0.02]) == pytest.approx(
        [0.06, 0.04, None, 0.06, 0.06]
    )
    assert statistics.holm([0.6, 0.7]) == [1.0, 1.0]
    assert statistics.holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=10))
def test_holm_never_lowers_a_p_value_and_keeps_the_order(p_values):
    adjusted = statistics.holm(p_values)
    assert all(a is not None and a >= p for a, p in zip(adjusted, p_values, strict=True))
    pairs = sorted(zip(p_values, adjusted, strict=True))
    assert [a for _, a in pairs] == sorted(a for _, a in pairs)


def test_nan_is_refused():
    with pytest.raises(ValueError, match="finite"):
        statistics.mean_interval([0.1, float("nan")])


def test_seeds_that_share_a_source_policy_are_one_by_hand():
    transfer = {0: 1.0, 1: 2.0, 2: 3.0, 3: 4.0, 4: 2.0, 5: 3.0}
    scratch = dict.fromkeys(range(6), 0.0)
    shared = {0: 0, 1: 1, 2: 2, 3: 0, 4: 1, 5: 2}
    # Means by policy: (1 + 4) / 2, (2 + 2) / 2, (3 + 3) / 2; mean 2.5, deviation 0.5,
    # and t(2) = 4.303 times 0.5 / sqrt(3) is 1.242.
    assert statistics.by_source(transfer, shared) == {0: 2.5, 1: 2.0, 2: 3.0}
    found = statistics.compare(transfer, scratch, rng(), shared)
    assert found is not None
    assert (found.difference.n, found.difference.kind) == (3, "paired t")
    assert found.difference.estimate == 2.5
    assert found.difference.low == pytest.approx(2.5 - 1.242, abs=1e-3)
    assert found.per_seed == transfer
    # t = 2.5 / (0.5 / sqrt(3)) = 8.66 with 2 degrees of freedom.
    assert found.p == pytest.approx(0.01307, abs=1e-4)
    # Policies whose seeds are not those of scratch: Welch's over 2 means, 2.5 and 2, and 2 seeds.
    apart = statistics.compare({0: 1.0, 1: 2.0, 3: 4.0}, {7: 0.0, 8: 1.0}, rng(), shared)
    assert apart is not None
    assert (apart.difference.estimate, apart.difference.kind) == (1.75, "welch")


def test_intervals_by_source_cover_where_those_by_seed_do_not():
    # 4 policies, of deviation 1, with 5 seeds each, of deviation 0.3; the truth is 0.
    draw, held = rng(), {True: 0, False: 0}
    shared = {seed: seed % 4 for seed in range(20)}
    for _ in range(300):
        policies = draw.normal(size=4)
        values = {seed: policies[source] + 0.3 * draw.normal() for seed, source in shared.items()}
        for by_source in held:
            found = statistics.compare(
                values, dict.fromkeys(values, 0.0), draw, shared if by_source else None
            )
            assert found is not None
            held[by_source] += found.difference.low <= 0 <= found.difference.high
    assert held[True] / 300 == pytest.approx(0.95, abs=0.03)
    assert held[False] / 300 < 0.75
