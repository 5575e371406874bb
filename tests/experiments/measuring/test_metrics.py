"""Metrics against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from headstart.experiments.measuring import metrics
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

finite = st.floats(-1e3, 1e3)


def test_normalized_score_is_unclipped():
    # (J + 100) / (20 + 100): -100 -> 0, 20 -> 1, -40 -> 60/120, 80 -> 180/120, -160 -> -60/120
    scores = metrics.normalize([-100, 20, -40, 80, -160], random=-100, reference=20)
    assert scores.tolist() == [0, 1, 0.5, 1.5, -0.5]


@pytest.mark.parametrize("reference", [-100.0, -101.0, float("nan")])
def test_normalized_score_needs_a_reference_above_random(reference):
    with pytest.raises(ValueError, match="must be above the random policy"):
        metrics.normalize([0.0], random=-100.0, reference=reference)


def test_start_is_the_value_before_any_update():
    assert metrics.start([[0.2, 0.9], [0.4, 0.8]]).tolist() == [0.2, 0.4]


def test_early_is_the_mean_over_the_first_twentieth_of_the_budget():
    steps = np.arange(0, 101, 2)  # T = 100, 5 % = 5: steps 0, 2 and 4
    scores = np.zeros((1, steps.size))
    scores[0, :4] = [0.1, 0.2, 0.6, 9.0]
    assert metrics.early(steps, scores) == pytest.approx([0.3])  # (0.1 + 0.2 + 0.6) / 3
    # With the next evaluation beyond 5 % it is s(0) alone.
    assert metrics.early([0, 50, 100], [[0.1, 0.5, 0.9]]) == pytest.approx([0.1])


@pytest.mark.parametrize(
    ("evaluations", "size"),
    # a third of it: 1/3, 2/3, 3/3, 5/3, 9/3; from 9 on 3; from 31 on a tenth, rounded up
    [(1, 1), (2, 1), (3, 1), (5, 1), (6, 2), (8, 2), (9, 3), (30, 3), (31, 4), (40, 4), (100, 10)],
)
def test_asymptotic_window_is_a_tenth_at_least_three_and_at_most_a_third(evaluations, size):
    assert metrics.window(evaluations) == size


@given(st.integers(1, 500))
def test_the_window_is_never_more_than_a_third_of_the_curve(evaluations):
    assert metrics.window(evaluations) == 1 or 3 * metrics.window(evaluations) <= evaluations


def test_a_curve_of_step_0_alone_has_no_end():
    with pytest.raises(ValueError, match="without an evaluation after step 0"):
        metrics.asymptote([[0.3]])


@pytest.mark.parametrize(
    ("curve", "end"),
    [
        ([7, 1], 1),  # never step 0, even of two
        ([7, 1, 2], 2),
        ([7, 1, 2, 4], 4),
        ([-948, -240, -189, -191, -193], -193),  # 4 after step 0: a third is 1
        ([7, 1, 2, 3, 4, 6], 6),
        ([7, 0, 0, 0, 0, 0, 0, 1, 2, 6], 3),  # 9 after step 0: the last 3
        ([7, *[0] * 36, 1, 2, 3, 6], 3),  # 40 after step 0: the last 4
    ],
)
def test_asymptote_is_the_mean_over_the_window(curve, end):
    assert metrics.asymptote([curve]).tolist() == [end]


def test_drift_is_the_gain_of_the_fitted_line_over_the_last_third():
    steps = [0, *range(10, 160, 10)]
    # 15 after step 0, of which the last 5: steps 110..150, centred -20..20, sum of squares 1000.
    # Straight line of 0.01 per step: 0.01 * 40 = 0.4.
    # 0, 0, 0, 0, 1: slope = 20 * 1 / 1000 = 0.02 per step, over 40 steps 0.8.
    scores = [[9, *[5] * 10, 0.1, 0.2, 0.3, 0.4, 0.5], [9, *[5] * 10, 0, 0, 0, 0, 1]]
    assert metrics.drift(steps, scores) == pytest.approx([0.4, 0.8])
    # Of 2 or 3 after step 0 the last two.
    assert metrics.drift([0, 10, 20], [[9, 1, 4]]) == pytest.approx([3])
    assert metrics.drift([0, 10, 20, 30], [[9, 7, 1, 4]]) == pytest.approx([3])
    with pytest.raises(ValueError, match="2 evaluations after step 0"):
        metrics.drift([0, 10], [[0, 1]])


@given(st.floats(-10, 10), st.integers(3, 40))
def test_drift_of_a_constant_curve_is_exactly_zero(value, evaluations):
    assert metrics.drift(np.arange(evaluations) * 7, np.full((2, evaluations), value)).tolist() == [
        0,
        0,
    ]


def test_dip_and_recovery():
    steps = [0, 10, 20, 30, 100]  # T = 100: the dip is looked for up to step 20
    scores = [
        [0.5, 0.2, 0.3, 0.6, 0.0],  # depth 0.5 - 0.2, back at or above 0.5 at step 30
        [0.5, 0.6, 0.7, 0.8, 0.9],  # no dip
        [0.5, 0.4, 0.1, 0.2, 0.3],  # depth 0.4, never back
    ]
    depth, recovery = metrics.dip(steps, scores)
    assert depth == pytest.approx([0.3, 0, 0.4])
    assert recovery[:2].tolist() == [30, 0]
    assert np.isnan(recovery[2])


def test_area_by_trapezoids():
    # Uneven steps: (0 + 1)/2 * 20 + (1 + 0.5)/2 * 80 = 10 + 60 = 70; over T = 100: 0.7
    assert metrics.area([0, 20, 100], [[0, 1, 0.5], [1, 1, 1]]) == pytest.approx([0.7, 1])


def test_forward_transfer_and_its_limits():
    # AUC_T = 0.9, AUC_S = 0.6: (0.9 - 0.6) / (1 - 0.6) = 0.75, equal on both seeds
    found = metrics.forward_transfer([0.9, 0.9], [0.6, 0.6])
    assert found is not None
    assert found.estimate == pytest.approx(0.75)
    # Means, not the mean of ratios: T = (0.9, 0.7), S = (0.5, 0.7): 0.2 / 0.4
    found = metrics.forward_transfer([0.9, 0.7], [0.5, 0.7])
    assert found is not None
    assert found.estimate == pytest.approx(0.5)
    assert metrics.forward_transfer([0.97, 0.99], [0.96, 0.96]) is None
    assert metrics.forward_transfer([0.97], [0.95]) is not None


def test_transfer_ratio_and_its_limits():
    found = metrics.transfer_ratio([0.9, 0.7], [0.5, 0.3])  # 0.8 / 0.4
    assert found is not None
    assert found.estimate == pytest.approx(2)
    assert metrics.transfer_ratio([0.9], [0.0]) is None
    assert metrics.transfer_ratio([0.9], [-0.1]) is None


def test_time_to_threshold_needs_three_in_a_row():
    steps = [0, 10, 20, 30, 40, 50]
    scores = [
        [0.1, 0.9, 0.1, 0.8, 0.8, 0.8],  # the single 0.9 does not count; held from 30 on
        [0.8, 0.8, 0.8, 0.1, 0.1, 0.1],  # held from 0 on, whatever comes later
        [0.1, 0.1, 0.1, 0.1, 0.9, 0.9],  # two in a row at the end: not held, censored at 50
        [0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
    ]
    times, reached = metrics.time_to_threshold(steps, scores, 0.8)
    assert times.tolist() == [30, 0, 50, 50]
    assert reached.tolist() == [True, True, False, False]


def test_time_to_threshold_of_a_curve_shorter_than_the_hold():
    times, reached = metrics.time_to_threshold([0, 10], [[1, 1]], 0.8)
    assert times.tolist() == [10]
    assert not reached.any()


@pytest.mark.parametrize(
    ("times", "reached", "median"),
    [
        # survival 2/3, 1/3 after 10, 20
        ([10, 20, 30], [1, 1, 1], 20),
        # exactly one half after 20: the first time by which half are there
        ([10, 20, 30, 40], [1, 1, 1, 1], 20),
        # 2/3, then 1/3 after 20; the third never
        ([10, 20, 90], [1, 1, 0], 20),
        # 2/3 after 10 and no further
        ([10, 90, 90], [1, 0, 0], None),
        ([90, 90], [0, 0], None),
        # censored early at 15: 3/4 after 10, then of 2 left one goes at 20: 3/4 * 1/2 = 3/8
        ([10, 15, 20, 30], [1, 0, 1, 1], 20),
        # 3/4 * 2/3 = 1/2 but for rounding
        ([10, 20, 90, 90], [1, 1, 0, 0], 20),
        ([0, 0, 0], [1, 1, 1], 0),
    ],
)
def test_kaplan_meier_median(times, reached, median):
    found = metrics.median_time(times, np.array(reached, dtype=bool))
    assert np.isnan(found) if median is None else found == median


@pytest.mark.parametrize(
    ("times", "reached", "horizon", "steps", "share"),
    [
        # One of three there at 10, one at 20, one never
        ([10, 20, 90], [1, 1, 0], 90, [0, 10, 20, 90], [1, 2 / 3, 1 / 3, 1 / 3]),
        # One of four at 10; one unknown from 15 on; of the two left one at 20, one at 30
        (
            [10, 15, 20, 30],
            [1, 0, 1, 1],
            40,
            [0, 10, 15, 20, 30, 40],
            [1, 3 / 4, 3 / 4, 3 / 8, 0, 0],
        ),
        # Looked at up to 20 alone; what happens at 20 has happened
        ([10, 15, 20, 30], [1, 0, 1, 1], 20, [0, 10, 15, 20], [1, 3 / 4, 3 / 4, 3 / 8]),
        # There from the start: the share falls at step 0
        ([0, 50], [1, 0], 50, [0, 0, 50], [1, 1 / 2, 1 / 2]),
        ([50, 50], [0, 0], 50, [0, 50], [1, 1]),
        # Nothing has happened up to 40
        ([50, 50], [1, 1], 40, [0, 40], [1, 1]),
    ],
)
def test_survival_as_a_step_function(times, reached, horizon, steps, share):
    found = metrics.survival(times, np.array(reached, dtype=bool), horizon)
    assert found[0].tolist() == steps
    assert found[1] == pytest.approx(np.array(share))


def test_total_time_and_break_even():
    assert metrics.total_time([4_000, 6_000], 100_000).tolist() == [104_000, 106_000]
    assert metrics.total_time([4_000], 100_000, targets=4).tolist() == [29_000]
    # 100,000 / (30,000 - 5,000) = 4 targets
    assert metrics.break_even(100_000, 30_000, 5_000) == 4
    assert np.isnan(metrics.break_even(100_000, 5_000, 5_000))


def test_retention_gap_and_failure():
    assert metrics.retention([0.9, 0.8], [0.4, 0.9]) == pytest.approx([-0.5, 0.1])
    assert metrics.zero_shot_gap([0.9, 0.8], [0.4, 0.9]) == pytest.approx([0.5, -0.1])
    assert metrics.failure_rate([1.0, 0.75]).tolist() == [0, 0.25]


@given(hnp.arrays(float, (3, 21), elements=finite), finite)
def test_moving_all_scores_moves_levels_and_leaves_shapes(scores, by):
    steps = np.arange(21) * 50
    for metric in (
        lambda s: metrics.start(s),
        lambda s: metrics.asymptote(s),
        lambda s: metrics.early(steps, s),
        lambda s: metrics.area(steps, s),
    ):
        assert metric(scores + by) == pytest.approx(metric(scores) + by, abs=1e-6)
    assert metrics.drift(steps, scores + by) == pytest.approx(
        metrics.drift(steps, scores), abs=1e-6
    )
    depth = metrics.dip(steps, scores)[0]
    assert metrics.dip(steps, scores + by)[0] == pytest.approx(depth, abs=1e-6)
    assert (depth >= 0).all()


@given(hnp.arrays(float, (2, 15), elements=finite), finite, finite)
def test_a_lower_threshold_is_never_reached_later(scores, one, other):
    steps = np.arange(15)
    low, high = sorted((one, other))
    sooner = metrics.time_to_threshold(steps, scores, low)
    later = metrics.time_to_threshold(steps, scores, high)
    assert (sooner[0] <= later[0]).all()
    assert (sooner[1] >= later[1]).all()


@pytest.mark.parametrize(
    ("steps", "scores", "said"),
    [
        ([0, 10], [[0.1, np.nan]], "finite"),
        ([0, 10], [0.1, 0.2], r"\(seeds, evaluations\)"),
        ([0, 10, 20], [[0.1, 0.2]], "3 steps"),
        ([5, 10], [[0.1, 0.2]], "begin at 0"),
        ([0, 10, 10], [[0.1, 0.2, 0.3]], "increase"),
        ([0], [[0.1]], "at least 2"),
    ],
)
def test_curves_that_cannot_be_measured_are_refused(steps, scores, said):
    with pytest.raises(ValueError, match=said):
        metrics.area(steps, scores)
