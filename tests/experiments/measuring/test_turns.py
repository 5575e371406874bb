"""Where a gain changes its sign, with its interval, worked out by hand."""

import numpy as np
import pytest
from headstart.experiments.measuring.sweep import numbers, sign_changes
from scipy import stats


@pytest.mark.parametrize("rising", [False, True])
def test_where_a_gain_changes_its_sign(rising):
    # Means 0.3, 0.1, -0.3: a quarter of the way from the second point to the third.
    gains = np.array([[0.3] * 4, [0.1] * 4, [-0.3] * 4]) + np.array([-0.02, 0.02, -0.02, 0.02])
    (found,) = sign_changes([0.0, 1.0, 2.0], -gains if rising else gains)
    assert found.negative is not rising
    assert found.place.estimate == pytest.approx(1.25)
    # The spread is the same everywhere: the gain's interval is the mean plus or minus t s / 2.
    half = stats.t.ppf(0.975, 3) * np.std([-0.02, 0.02] * 2, ddof=1) / 2
    # 0.1 - 0.4 (x - 1) = half at the low end; the places looked at are 0.005 apart.
    assert found.place.low == pytest.approx(1.25 - half / 0.4, abs=0.005)
    assert found.place.high == pytest.approx(1.25 + half / 0.4, abs=0.005)
    assert found.place.kind == "inverted t"


def test_a_turn_has_an_end_only_where_the_points_show_one():
    wide = np.array([[0.1, 0.3, -0.1], [-0.1, 0.2, -0.4]])
    (found,) = sign_changes([0.0, 1.0], wide)
    assert found.place.estimate == pytest.approx(0.5)  # means 0.1 and -0.1
    assert found.place.low is None
    assert found.place.high is None
    assert sign_changes([0.0, 1.0], [[0.3, 0.2], [0.1, 0.2]]) == []
    assert sign_changes([0.0, 1.0], [[-0.3, -0.2], [-0.1, -0.2]]) == []
    assert sign_changes([0.0, 1.0], [[0.1], [-0.3]])[0].place.kind == "one seed"
    with pytest.raises(ValueError, match="increasing points"):
        sign_changes([1.0, 0.0], [[0.1], [-0.3]])


def test_every_change_of_sign_is_found_in_order():
    # Straight between -0.1, 0.3, 0.1, -0.1: a quarter of the way to 1, and halfway from 2 to 3.
    found = sign_changes([0.0, 1.0, 2.0, 3.0], [[-0.1, -0.1], [0.3, 0.3], [0.1, 0.1], [-0.1, -0.1]])
    assert [turn.place.estimate for turn in found] == pytest.approx([0.25, 2.5])
    assert [turn.negative for turn in found] == [False, True]
    # Seeds that agree: the interval is as wide as the places looked at are apart.
    assert found[0].place.low == pytest.approx(0.25, abs=0.0051)
    assert found[0].place.high == pytest.approx(0.25, abs=0.0051)


def test_values_that_stand_for_numbers():
    assert numbers([0, 1_000, 2.5]) == [0.0, 1_000.0, 2.5]
    assert numbers(["worn-tyres/0.2", "worn-tyres/1"]) == [0.2, 1.0]
    assert numbers(["* 0.5", "* 1"]) == [0.5, 1.0]
    assert numbers(["* 0.5", "+ 1"]) is None
    assert numbers(["worn-tyres/0.2", "slow-loop/0.2"]) is None
    assert numbers(["worn-tyres/mild", "worn-tyres/severe"]) is None
    assert numbers([True, False]) is None
