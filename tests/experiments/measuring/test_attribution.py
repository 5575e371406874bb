"""Shares of parameters in the scores of training episodes, against known answers."""

import json

import numpy as np
import pytest
from headstart.experiments.measuring.attribution import attribute_scores, shapley_shares
from headstart.experiments.measuring.draws import RECORD, read_draws
from headstart.experiments.records import RunError
from headstart.experiments.showing.figures.randomization import draw_ranges, draw_success_map


def write_record(root, score, seed=0, episodes=600, names=("mass", "delay", "drag")):
    """Write a record of episodes with values in [0, 1] and scores by `score(values)`."""
    rng = np.random.default_rng(seed)
    folder = root / f"source/randomized/seed-{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for row in range(episodes // 10):
        draws = [dict(zip(names, rng.random(len(names)).tolist(), strict=True)) for _ in range(10)]
        scores = [float(score(np.array(list(draw.values())), rng)) for draw in draws]
        line = {
            "step": 100 * (row + 1),
            "ends": {name: [0.5 - row / 200, 0.5 + row / 200] for name in names},
            "entropy": -1.0 / (row + 1),
            "draws": draws,
            "scores": scores,
            "successes": [value > 0.5 for value in scores],
        }
        lines.append(json.dumps(line) + "\n")
    (folder / RECORD).write_text("".join(lines))


def test_shapley_values_by_hand():
    # Orthogonal columns: what each explains alone. 9 and 4 of a variance of 14.
    n = np.arange(16)
    one, two, rest = (np.where(n & bit, 1.0, -1.0) for bit in (1, 2, 4))
    shares = shapley_shares([one[:, None], two[:, None]], 3 * one + 2 * two + rest)
    assert shares == pytest.approx([9 / 14, 4 / 14])
    # Equal columns share what they explain.
    shares = shapley_shares([one[:, None], one[:, None]], 3 * one + rest)
    assert shares == pytest.approx([0.45, 0.45])


def test_shares_are_what_leaving_one_out_loses(tmp_path):
    # Independent uniform draws: variances 9/12 and 1/12 in the score, noise of 0.25.
    write_record(tmp_path, lambda v, rng: 3 * v[0] - v[1] + rng.normal(0, 0.5), episodes=4_000)
    (one,) = found = read_draws(tmp_path)
    first, second, third = attribute_scores(found)
    total = 10 / 12 + 0.25
    assert [a.name for a in (first, second, third)] == ["mass", "delay", "drag"]
    assert (first.share, second.share) == pytest.approx((0.75 / total, 1 / 12 / total), abs=0.03)
    assert third.share == pytest.approx(0.0, abs=0.01)
    # Leaving one out: the score's variance where the parameter stays in a narrow band of its range.
    for attribution in (first, second):
        values = one.values[attribution.name]
        kept = one.scores[np.abs(values - 0.5) < 0.05]
        lost = 1 - kept.var() / one.scores.var()
        assert attribution.share == pytest.approx(lost, abs=0.1)
    assert (first.effect, second.effect) == pytest.approx((2.4, -0.8), abs=0.15)


def test_a_trend_of_training_is_no_parameters(tmp_path):
    calls = iter(range(10_000))
    write_record(tmp_path, lambda v, rng: next(calls) / 100 + v[1], episodes=1_000)
    assert attribute_scores(read_draws(tmp_path))[0].name == "delay"


def test_few_episodes_attribute_nothing(tmp_path):
    write_record(tmp_path, lambda v, rng: v[0], episodes=100)
    assert attribute_scores(read_draws(tmp_path)) == []
    assert attribute_scores([]) == []


def test_seeds_are_read_in_order_and_drawn(tmp_path):
    for seed in (10, 2):
        write_record(tmp_path, lambda v, rng: v[0], seed)
    found = read_draws(tmp_path)
    assert [one.seed for one in found] == [2, 10]
    assert attribute_scores(found)[0].share_ends is not None
    steps, rates = found[0].success_rate(4)
    assert steps.tolist() == [800.0, 2300.0, 3800.0, 5300.0]
    assert rates == pytest.approx([0.5] * 4, abs=0.15)
    figure = draw_ranges(found, {"mass": {"unit": "kg", "nominal": 0.5}})
    titles = [axis.get_title(loc="left") or axis.get_title() for axis in figure.axes]
    assert titles[:5] == [
        "mass (kg)", "delay", "drag", "success rate of training episodes",
        "entropy (nats; 0: all of the ranges)",
    ]  # fmt: skip
    mesh = draw_success_map(found, ("mass", "delay"), {}).axes[0].collections[0].get_array()
    # Success is above 0.5 of the mass, whatever the delay.
    assert np.asarray(mesh)[:, :3].max() == 0.0
    assert np.asarray(mesh)[:, 5:].min() == 1.0


def test_a_damaged_record_is_named(tmp_path):
    write_record(tmp_path, lambda v, rng: v[0])
    (path,) = tmp_path.rglob(RECORD)
    path.write_text(path.read_text()[:-40])
    with pytest.raises(RunError, match="is damaged"):
        read_draws(tmp_path)
