"""Aggregates over targets: by hand, and as rliable has them."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from headstart.core.plain import to_json
from headstart.experiments.measuring import aggregates, load_run
from headstart.experiments.showing.tables.paper import across_table
from headstart.experiments.showing.words.summary import summarize as describe_run


def summarize(run):
    """Return the summary of a run as `summary.json` holds it."""
    return to_json(describe_run(run))


REFERENCE = json.loads(
    (Path(__file__).parent / "reference" / "rliable_reference.json").read_text(encoding="utf-8")
)


def rng():
    return np.random.default_rng(3)


def test_by_hand():
    # Eight trials; the middle four are 0.2, 0.3, 0.5, 0.8. Four fall short of 1 by 0.8, 0.7, 0.5,
    # 0.2, two by 1 and 2, and two reach it: 5.2 / 8.
    scores = np.array([[0.0, 0.2], [0.3, 0.5], [0.8, 1.0], [-1.0, 3.0]])
    assert aggregates.interquartile_mean(scores) == pytest.approx(0.45)
    assert aggregates.mean(scores) == pytest.approx(4.8 / 8)
    assert aggregates.optimality_gap(scores) == pytest.approx(5.2 / 8)
    assert aggregates.performance_profile(scores, [0.0, 0.5, 2.9]).tolist() == [6 / 8, 3 / 8, 1 / 8]
    # Target 1: of 4 pairs 1 above and 1 tied; target 2: all above.
    transfer, scratch = [[0.5, 1.0], [0.2, 2.0]], [[0.5, 0.0], [0.4, 0.0]]
    assert aggregates.probability_of_improvement(transfer, scratch) == pytest.approx(
        (1.5 / 4 + 1) / 2
    )


@pytest.mark.parametrize("case", REFERENCE["cases"], ids=lambda c: str(np.shape(c["transfer"])))
def test_as_rliable(case):
    transfer, scratch = case["transfer"], case["scratch"]
    near = {"rel": 0, "abs": 1e-9}
    assert aggregates.interquartile_mean(transfer) == pytest.approx(case["iqm"], **near)
    assert aggregates.mean(transfer) == pytest.approx(case["mean"], **near)
    assert aggregates.optimality_gap(transfer) == pytest.approx(case["optimality_gap"], **near)
    found = aggregates.probability_of_improvement(transfer, scratch)
    assert found == pytest.approx(case["probability"], **near)
    profile = aggregates.performance_profile(transfer, REFERENCE["levels"])
    assert profile == pytest.approx(case["profile"], **near)


def test_the_interval_of_a_mean_is_about_students():
    # One target: 1, 2 .. 10 have a deviation of 3.0277, so that t(9) = 2.2622 gives 2.1659.
    found, low, high = aggregates.seed_interval(
        aggregates.mean, [[x] for x in range(1, 11)], rng=rng()
    )
    assert found == 5.5
    assert (found - low, high - found) == (pytest.approx(2.1659, rel=0.05),) * 2


def test_a_seed_that_fails_widens_the_interval_to_its_side():
    # Of ten trials the middle six count: 4 zeros among them make 4/6. That many are drawn where one
    # of ten seeds is zero in 1.28 % of the resamples, 5 in 0.16 %, and an end leaves out 0.86 %.
    # Student's t times the standard error, 2.262 * 0.0579 = 0.131, would not reach there.
    scores = [[0.0]] + [[1.0]] * 9
    found, low, high = aggregates.seed_interval(aggregates.interquartile_mean, scores, rng=rng())
    assert (found, low) == (1.0, pytest.approx(4 / 6))
    assert high == pytest.approx(1.131, abs=0.02)


def test_seeds_are_resampled_whole_and_on_each_target_apart():
    # What a seed has on one target it lacks on the other: seeds do not differ at all. Resampled on
    # each target apart they do: 20 draws of 0 or 1, of which 4 or fewer are 1 in 0.59 % and 5 in
    # 1.48 % of the resamples, while an end leaves out 0.86 %.
    scores = [[0.0, 1.0], [1.0, 0.0]] * 5
    found = aggregates.seed_interval(aggregates.mean, scores, rng=rng())
    assert found == pytest.approx((0.5, 5 / 20, 15 / 20))


def test_few_seeds_have_the_range_of_what_each_has_by_itself():
    scores = [[0.1, 0.7], [0.4, 0.8], [0.8, 0.2]] * 3
    found = aggregates.seed_interval(aggregates.mean, scores, rng=rng())
    assert found == pytest.approx((0.5, 0.4, 0.6))
    # Together an interquartile mean leaves out more than of a seed alone: it is in the range too.
    found = aggregates.seed_interval(
        aggregates.interquartile_mean, [[0.9, 0.0, 0.0]] * 3, rng=rng()
    )
    assert found == pytest.approx((0.18, 0.18, 0.3))
    # Where ten seeds share two policies, the range of what all of one policy's have.
    scores = [[0.1, 0.7], [0.4, 0.8]] * 4 + [[0.8, 0.2]] * 2
    halves = [[0, 2, 4, 6, 8], [1, 3, 5, 7, 9]]
    found = aggregates.seed_interval(aggregates.mean, scores, rng=rng(), clusters=halves)
    # (4 * 0.4 + 0.5) / 5 and (4 * 0.6 + 0.5) / 5
    assert found == pytest.approx((0.5, 0.42, 0.58))


def test_source_policies_are_resampled_whole():
    # Ten policies of two seeds each: 10 draws of 0 or 1, of which none is 1 in 0.1 % and one in
    # 0.98 % of the resamples, while an end leaves out 0.86 %. Twenty seeds would end at 0.25.
    scores = [[0.0], [1.0]] * 10
    pairs = [[k, k + 10] for k in range(10)]
    found = aggregates.seed_interval(aggregates.mean, scores, rng=rng(), clusters=pairs)
    assert found == pytest.approx((0.5, 0.1, 0.9))
    # One lost a trial, and resamples are of up to 20 trials then.
    fewer = [*pairs[:9], [9]]
    found, low, high = aggregates.seed_interval(
        aggregates.mean, scores[:19], rng=rng(), clusters=fewer
    )
    assert found == pytest.approx(9 / 19)
    assert (low, high) == (pytest.approx(0.1, abs=0.02), pytest.approx(0.9, abs=0.03))
    _, low, _ = aggregates.seed_interval(
        aggregates.mean, scores, rng=rng(), clusters=[list(range(20))]
    )
    assert np.isnan(low)
    # Policies of one and of two seeds, which differ on either target but not on both together: as
    # wholes they all have a mean of 0.5, on each target apart they differ.
    scores = [[0.0, 1.0], [1.0, 0.0], [1.0, 0.0]] * 5
    uneven = [part for k in range(0, 15, 3) for part in ([k], [k + 1, k + 2])]
    found, low, high = aggregates.seed_interval(aggregates.mean, scores, rng=rng(), clusters=uneven)
    assert found == 0.5
    assert low < 0.35
    assert high > 0.65
    # Where seeds are all alike there is nothing to vary, whatever the targets are.
    clusters = [*([k] for k in range(10)), [10, 11]]
    found = aggregates.seed_interval(
        aggregates.mean, [[1.0, 0.0, 0.0, 0.0]] * 12, rng=rng(), clusters=clusters
    )
    assert found == pytest.approx((0.25, 0.25, 0.25))


def test_what_cannot_be_aggregated():
    with pytest.raises(ValueError, match="finite"):
        aggregates.mean([[1.0, math.nan]])
    with pytest.raises(ValueError, match="seeds, targets"):
        aggregates.seed_interval(aggregates.mean, [1.0, 2.0], rng=rng())
    found, low, high = aggregates.seed_interval(aggregates.mean, [[1.0, 2.0]], rng=rng())
    assert found == 1.5
    assert np.isnan([low, high]).all()


def test_a_profiles_band_by_hand():
    # Of each seed's two trials none, none, both and one are above 0.5: a share of 3/8 whose
    # variance over seeds is 0.6875 / 3 / 4, as that of 4.0909 independent trials. Drawn towards 4,
    # the seeds, by 1.7 / (3 + 1.7) of the way, in logarithms, they are 4.0578; z is 1.95996.
    scores = [[0.0, 0.2], [0.3, 0.5], [0.8, 1.0], [-1.0, 3.0]]
    share, low, high = aggregates.profile_interval(scores, [0.5])
    assert [share[0], low[0], high[0]] == pytest.approx([0.375, 0.09275, 0.77882], abs=1e-5)
    # All above, they count as four; as eight, so 6.2260, where one of two is above in every seed.
    share, low, high = aggregates.profile_interval(scores, [-1.5])
    assert [share[0], low[0], high[0]] == pytest.approx([1.0, 0.51011, 1.0], abs=1e-5)
    _, low, high = aggregates.profile_interval([[0.0, 1.0]] * 4, [0.5])
    assert [low[0], high[0]] == pytest.approx([0.19114, 0.80886], abs=1e-5)
    # Two source policies of two seeds each count as two seeds do.
    pairs = [[0, 1], [2, 3]]
    _, low, _ = aggregates.profile_interval(scores, [-1.5], clusters=pairs)
    assert low[0] == pytest.approx(1 / (1 + 1.95996**2 / 2), abs=1e-5)
    assert np.isnan(aggregates.profile_interval([[0.0, 1.0]], [0.5])[1]).all()


def test_the_interval_of_the_probability_of_improvement_by_hand():
    # Seeds beat 2/3, 1 and 1 of the others and are beaten by 1, 2/3 and 1 of them: together 5/3,
    # 5/3 and 2, whose variance over 3 is 1/81, as that of a share of 8/9 of 8 independent trials.
    # Drawn by 1.3 / (2 + 1.3) of the way towards 3, the seeds, they are 5.4361.
    transfer, scratch = [[1.0], [2.0], [3.0]], [[0.0], [1.5], [0.5]]
    found = aggregates.probability_interval(transfer, scratch)
    assert found == pytest.approx((8 / 9, 0.46936, 0.98637), abs=1e-5)
    # Where all are beaten they count as the seeds, or as the source policies that these share.
    transfer = [[4.0], [5.0], [6.0], [7.0]]
    found = aggregates.probability_interval(transfer, [[0.0]] * 4)
    assert found == pytest.approx((1.0, 4 / (4 + 1.95996**2), 1.0), abs=1e-5)
    found = aggregates.probability_interval(transfer, [[0.0]] * 4, clusters=[[0, 1], [2, 3]])
    assert found == pytest.approx((1.0, 2 / (2 + 1.95996**2), 1.0), abs=1e-5)
    assert np.isnan(aggregates.probability_interval([[1.0]], [[0.0]])[1])


def test_a_summary_over_targets(make_run):
    lost = [("tired-arm", "fine_tune", 3)]
    lost += [(target, "naive", 4) for target in ("tired-arm", "long-tool")]
    run = load_run(make_run(seeds=range(5), failed=lost))
    summary = summarize(run)
    found = summary["across"]
    assert found["targets"] == ["tired-arm", "long-tool"]
    fine = found["methods"]["fine_tune"]
    assert (fine["seeds"], fine["lost"]) == ([0, 1, 2, 4], [3])
    naive = found["methods"]["naive"]
    assert (naive["seeds"], naive["lost"]) == ([0, 1, 2, 3], [4])
    rows = {row["method"].top: row["seeds"] for row in across_table(describe_run(run)).rows}
    counts = {name: (cell.top, cell.below) for name, cell in rows.items()}
    assert (counts["scratch"], counts["naive"]) == (("5", ""), ("4", "of 5"))
    assert (fine["end"]["iqm"]["n"], fine["end"]["iqm"]["kind"]) == (4, "range")
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
    assert summarize(load_run(make_run(targets=("long-tool",))))["across"] is None
