"""Aggregates over targets: by hand, and as rliable has them."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from headstart.experiments.measuring import across, load, summarize

REFERENCE = json.loads(
    (Path(__file__).parent / "reference" / "rliable_reference.json").read_text(encoding="utf-8")
)


def rng():
    return np.random.default_rng(3)


def test_by_hand():
    # Eight trials; the middle four are 0.2, 0.3, 0.5, 0.8. Four fall short of 1 by 0.8, 0.7, 0.5,
    # 0.2, two by 1 and 2, and two reach it: 5.2 / 8.
    scores = np.array([[0.0, 0.2], [0.3, 0.5], [0.8, 1.0], [-1.0, 3.0]])
    assert across.interquartile_mean(scores) == pytest.approx(0.45)
    assert across.mean(scores) == pytest.approx(4.8 / 8)
    assert across.optimality_gap(scores) == pytest.approx(5.2 / 8)
    assert across.performance_profile(scores, [0.0, 0.5, 2.9]).tolist() == [6 / 8, 3 / 8, 1 / 8]
    # Target 1: of 4 pairs 1 above and 1 tied; target 2: all above.
    transfer, scratch = [[0.5, 1.0], [0.2, 2.0]], [[0.5, 0.0], [0.4, 0.0]]
    assert across.probability_of_improvement(transfer, scratch) == pytest.approx((1.5 / 4 + 1) / 2)


@pytest.mark.parametrize("case", REFERENCE["cases"], ids=lambda c: str(np.shape(c["transfer"])))
def test_as_rliable(case):
    transfer, scratch = case["transfer"], case["scratch"]
    near = {"rel": 0, "abs": 1e-9}
    assert across.interquartile_mean(transfer) == pytest.approx(case["iqm"], **near)
    assert across.mean(transfer) == pytest.approx(case["mean"], **near)
    assert across.optimality_gap(transfer) == pytest.approx(case["optimality_gap"], **near)
    found = across.probability_of_improvement(transfer, scratch)
    assert found == pytest.approx(case["probability"], **near)
    profile = across.performance_profile(transfer, REFERENCE["levels"])
    assert profile == pytest.approx(case["profile"], **near)


def test_the_interval_of_a_mean_is_about_students():
    # One target: 1, 2, 3, 4, 5 have a deviation of 1.5811, so that t(4) = 2.776 gives 1.963.
    found, low, high = across.seed_interval(across.mean, [[1], [2], [3], [4], [5]], rng=rng())
    assert found == 3
    assert (found - low, high - found) == (pytest.approx(1.963, rel=0.05),) * 2


def test_a_seed_that_fails_widens_the_interval_to_its_side():
    # Of ten trials the middle six count: 4 zeros among them make 4/6. That many are drawn where one
    # of ten seeds is zero in 1.28 % of the resamples, 5 in 0.16 %, and an end leaves out 0.86 %.
    # Student's t times the standard error, 2.262 * 0.0579 = 0.131, would not reach there.
    scores = [[0.0]] + [[1.0]] * 9
    found, low, high = across.seed_interval(across.interquartile_mean, scores, rng=rng())
    assert (found, low) == (1.0, pytest.approx(4 / 6))
    assert high == pytest.approx(1.131, abs=0.02)


def test_seeds_are_resampled_whole_and_on_each_target_apart():
    # What a seed loses on one target it gains on the other: seeds do not differ at all. Resampled
    # on each target apart they do: the ends are the lowest of both columns, and the highest.
    scores = [[0.1, 0.9], [0.4, 0.6], [0.8, 0.2]]
    found, low, high = across.seed_interval(across.mean, scores, rng=rng())
    assert (found, low, high) == pytest.approx((0.5, 0.15, 0.85), abs=1e-4)


def test_source_policies_are_resampled_whole():
    # Two policies of two seeds each: resamples are (0, 0), (0, 1), (1, 0) or (1, 1), so means of 0,
    # 0.5 and 1 with a deviation of 0.3536; times sqrt(2) and t(1) = 12.706 that is 6.353.
    scores = [[0.0], [1.0], [0.0], [1.0]]
    found, low, high = across.seed_interval(
        across.mean, scores, rng=rng(), clusters=[[0, 2], [1, 3]]
    )
    assert (found, high - found) == (0.5, pytest.approx(6.353, rel=0.05))
    # One lost a trial, and resamples are of 2, 3 or 4 trials then: means of 0, 2/3, 2/3 and 1, of
    # which the deviation is 0.3632, so that sqrt(2) * 12.706 * 0.3632 = 6.527.
    found, low, high = across.seed_interval(
        across.mean, scores[1:], rng=rng(), clusters=[[1], [0, 2]]
    )
    assert (found, found - low) == (pytest.approx(2 / 3), pytest.approx(6.527, rel=0.05))
    _, low, _ = across.seed_interval(across.mean, scores, rng=rng(), clusters=[[0, 1, 2, 3]])
    assert np.isnan(low)
    # Policies of one and of two seeds, which differ on either target but not on both together: as
    # wholes they all have a mean of 0.5, on each target apart all trials may be 0, or 1.
    scores = [[0.0, 1.0], [1.0, 0.0], [0.0, 1.0]]
    found = across.seed_interval(across.mean, scores, rng=rng(), clusters=[[1], [0, 2]])
    assert found == pytest.approx((0.5, 0.0, 1.0))
    # Where seeds are all alike there is nothing to vary, whatever the targets are.
    found = across.seed_interval(
        across.mean, [[1.0, 0.0, 0.0, 0.0]] * 6, rng=rng(), clusters=[[0], [1], [2], [3], [4, 5]]
    )
    assert found == pytest.approx((0.25, 0.25, 0.25))


def test_what_cannot_be_aggregated():
    with pytest.raises(ValueError, match="finite"):
        across.mean([[1.0, math.nan]])
    with pytest.raises(ValueError, match="seeds, targets"):
        across.seed_interval(across.mean, [1.0, 2.0], rng=rng())
    found, low, high = across.seed_interval(across.mean, [[1.0, 2.0]], rng=rng())
    assert found == 1.5
    assert np.isnan([low, high]).all()


def test_a_profiles_band_by_hand():
    # Of each seed's two trials none, none, both and one are above 0.5: a share of 3/8 whose
    # variance over seeds is 0.6875 / 3 / 4, as that of 4.0909 independent trials. Drawn towards 4,
    # the seeds, by 2 / (3 + 2) of the way, in logarithms, they are 4.0543; z is 1.95996.
    scores = [[0.0, 0.2], [0.3, 0.5], [0.8, 1.0], [-1.0, 3.0]]
    share, low, high = across.profile_interval(scores, [0.5])
    assert [share[0], low[0], high[0]] == pytest.approx([0.375, 0.09270, 0.77893], abs=1e-5)
    # All above, they count as four; as eight, so 6.0629, where one of two is above in every seed.
    share, low, high = across.profile_interval(scores, [-1.5])
    assert [share[0], low[0], high[0]] == pytest.approx([1.0, 0.51011, 1.0], abs=1e-5)
    _, low, high = across.profile_interval([[0.0, 1.0]] * 4, [0.5])
    assert [low[0], high[0]] == pytest.approx([0.18861, 0.81139], abs=1e-5)
    # Two source policies of two seeds each count as two seeds do.
    pairs = [[0, 1], [2, 3]]
    _, low, _ = across.profile_interval(scores, [-1.5], clusters=pairs)
    assert low[0] == pytest.approx(1 / (1 + 1.95996**2 / 2), abs=1e-5)
    assert np.isnan(across.profile_interval([[0.0, 1.0]], [0.5])[1]).all()


def test_the_interval_of_the_probability_of_improvement_by_hand():
    # Seeds beat 2/3, 1 and 1 of the others and are beaten by 1, 2/3 and 1 of them: together 5/3,
    # 5/3 and 2, whose variance over 3 is 1/81, as that of a share of 8/9 of 8 independent trials.
    # Drawn half way towards 3, the seeds, they are sqrt(24).
    transfer, scratch = [[1.0], [2.0], [3.0]], [[0.0], [1.5], [0.5]]
    found = across.probability_interval(transfer, scratch)
    assert found == pytest.approx((8 / 9, 0.44849, 0.98745), abs=1e-5)
    # Where all are beaten they count as the seeds, or as the source policies that these share.
    transfer = [[4.0], [5.0], [6.0], [7.0]]
    found = across.probability_interval(transfer, [[0.0]] * 4)
    assert found == pytest.approx((1.0, 4 / (4 + 1.95996**2), 1.0), abs=1e-5)
    found = across.probability_interval(transfer, [[0.0]] * 4, clusters=[[0, 1], [2, 3]])
    assert found == pytest.approx((1.0, 2 / (2 + 1.95996**2), 1.0), abs=1e-5)
    assert np.isnan(across.probability_interval([[1.0]], [[0.0]])[1])


def test_a_summary_over_targets(make_run):
    lost = [("tired-arm", "fine_tune", 3)]
    run = load(make_run(seeds=range(5), failed=lost))
    summary = summarize(run)
    found = summary["across"]
    assert found["targets"] == ["tired-arm", "long-tool"]
    fine = found["methods"]["fine_tune"]
    assert (fine["seeds"], fine["lost"]) == ([0, 1, 2, 4], [3])
    assert fine["end"]["iqm"]["n"] == 4
    each = [
        [
            target["methods"]["fine_tune"]["scores"]["end"]["per_seed"][str(seed)]
            for seed in (0, 1, 2, 4)
        ]
        for target in summary["targets"].values()
    ]
    assert fine["end"]["iqm"]["estimate"] == pytest.approx(np.sort(np.ravel(each))[2:6].mean())
    assert fine["end"]["iqm"]["low"] < fine["end"]["iqm"]["estimate"] < fine["end"]["iqm"]["high"]
    # It starts far above scratch on every seed, and ends above most of them.
    assert fine["start"]["probability"]["estimate"] == 1
    assert 0.5 < fine["end"]["probability"]["estimate"] <= 1
    assert found["methods"]["scratch"]["end"]["probability"] is None
    shares = fine["profile"]["share"]
    assert shares == sorted(shares, reverse=True)
    assert (shares[0], shares[-1]) == (1, 0)
    assert all(
        low <= s <= high
        for low, s, high in zip(
            *(fine["profile"][k] for k in ("low", "share", "high")), strict=True
        )
    )
    assert summarize(run)["across"] == found


def test_one_target_has_nothing_across(make_run):
    assert summarize(load(make_run(targets=("long-tool",))))["across"] is None
