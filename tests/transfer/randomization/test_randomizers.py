"""Randomizers on toys where the right answer is known, and what all of them keep to."""

import json
import math

import numpy as np
import pytest
from headstart.envs.changes import ChangeError
from headstart.envs.parameters import Parameter, ParameterSpace
from headstart.transfer.randomization import (
    RANDOMIZERS,
    EpisodeBudget,
    EpisodeOutcome,
    RandomizerError,
    Ranges,
    resolve_randomizer,
)
from headstart.transfer.randomization.fixed import Growth

SPACE = ParameterSpace(
    [
        Parameter("mass", "kg", 1.0, 0.01, 10.0, "mass"),
        Parameter("delay", "s", 0.0, 0.0, 2.0, "delay"),
    ]
)
# The nominal is central on the first axis, and at the lower end of the second.
RANGES = Ranges({"mass": "* uniform(0.5, 1.5)", "delay": "= uniform(0, 1)"}, SPACE)
BUDGET = EpisodeBudget(200_000, 100)


def started(entry, ranges=RANGES, budget=BUDGET):
    randomizer = resolve_randomizer(entry)
    randomizer.start(ranges, budget)
    return randomizer


def teach(randomizer, score, rollouts=200, episodes=10, budget=BUDGET):
    """Let episodes be judged by `score(unit)`; return the success rate of each rollout."""
    rates = []
    for rollout in range(rollouts):
        outcomes = []
        for episode in range(episodes):
            rng = np.random.default_rng([rollout, episode])
            draw = randomizer.sample(rng)
            value = score(np.array(randomizer.ranges.unit(draw.values)))
            outcomes.append(EpisodeOutcome(draw, value, bool(rng.random() < value)))
        randomizer.update(outcomes, (rollout + 1) * budget.steps // rollouts)
        rates.append(np.mean([outcome.success for outcome in outcomes]))
    return np.array(rates)


@pytest.mark.parametrize("name", RANDOMIZERS)
def test_a_state_is_plain_and_goes_on_exactly(name):
    ones = [started(name) for _ in range(3)]
    for one in ones[:2]:
        teach(one, lambda unit: float(unit.sum() < 0.9), rollouts=40)
    ones[2].load_state_dict(json.loads(json.dumps(ones[0].state_dict())))
    follower = started(name)
    follower.load_sampler(json.loads(json.dumps(ones[0].sampler())))
    rngs = [np.random.default_rng(5) for _ in range(4)]
    draws = [
        [o.sample(rng) for _ in range(5)] for o, rng in zip([*ones, follower], rngs, strict=True)
    ]
    assert draws[0] == draws[1] == draws[2] == draws[3]
    for one in ones[::2]:
        teach(one, lambda unit: float(unit.sum() < 0.9), rollouts=20)
    assert ones[0].state_dict() == ones[2].state_dict()


@pytest.mark.parametrize("name", RANDOMIZERS)
def test_draws_stay_in_the_ranges(name):
    one = started(name)
    teach(one, lambda unit: 1.0, rollouts=40)
    for seed in range(200):
        values = {**SPACE.nominal(), **one.sample(np.random.default_rng(seed)).values}
        assert 0.5 <= values["mass"] <= 1.5
        assert 0.0 <= values["delay"] <= 1.0


def test_axes_are_scaled_by_their_distribution():
    ranges = Ranges({"mass": "* loguniform(0.25, 4)", "delay": "= 0.5"}, SPACE)
    (axis,) = ranges.axes
    assert axis.value(0.5) == pytest.approx(1.0)
    assert axis.unit(2.0) == pytest.approx(0.75)
    assert axis.nominal == pytest.approx(0.5)
    assert ranges.values([0.5]) == {"mass": pytest.approx(1.0), "delay": 0.5}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("+ normal(0, 1)", "has no ends, and a range is needed; write truncnormal"),
        ("= choice(1, 2)", "draws single values"),
        ("= uniform(1, 1)", "is a single value"),
    ],
)
def test_what_has_no_range_cannot_be_adapted(change, said):
    with pytest.raises(ChangeError, match=said):
        started("adr", Ranges({"mass": change}, SPACE))
    assert started("uniform", Ranges({"mass": change}, SPACE)).sample(np.random.default_rng(0))


def test_a_schedule_grows_in_time():
    one = started({"schedule": {"grow": "linear(0, 1, 0.5)"}})
    one.update([], BUDGET.steps // 4)
    # Half way to the ends 0.5, 1.5 and 0, 1 from the nominals 1 and 0.
    assert one.spread().ends == {
        "mass": (pytest.approx(0.75), pytest.approx(1.25)),
        "delay": (0.0, pytest.approx(0.5)),
    }
    assert one.spread().entropy == pytest.approx(2 * math.log(0.5))
    one.update([], BUDGET.steps)
    assert one.spread().entropy == pytest.approx(0.0)
    assert Growth.parse(str(Growth(0.1, 1, 0.3))) == Growth(0.1, 1, 0.3)


def pinned(adr, side, axis, success, moves=0):
    draw = adr.sample(np.random.default_rng(0))._replace(tag=[side, axis, moves])
    return EpisodeOutcome(draw, float(success), success)


def test_adr_moves_an_end_when_its_queue_is_full():
    adr = started({"adr": {"queue": 4, "step": 0.1, "grow_at": 0.75, "shrink_at": 0.25}})
    upper_mass = [pinned(adr, 1, 0, s) for s in (True, True, False, True)]
    assert not adr.update(upper_mass[:3], 1)
    assert adr.update(upper_mass[3:], 2)
    # Three of four: a step of a tenth of the range 0.5 to 1.5.
    assert adr.spread().ends["mass"] == (1.0, pytest.approx(1.1))
    # Episodes from before the move tell nothing of the new end.
    assert not adr.update([pinned(adr, 1, 0, True) for _ in range(8)], 3)
    # Half of them: stays, and the queue is emptied.
    assert not adr.update([pinned(adr, 1, 0, s, 1) for s in (True, False, True, False)], 4)
    assert adr.update([pinned(adr, 1, 0, False, 1) for _ in range(4)], 5)
    assert adr.spread().ends["mass"] == (1.0, 1.0)
    # The nominal is never left out.
    assert not adr.update([pinned(adr, 1, 0, False, 2) for _ in range(4)], 6)


def test_adr_finds_how_far_the_policy_succeeds():
    adr = started({"adr": {"queue": 10, "step": 0.05}})
    teach(adr, lambda unit: float(abs(unit[0] - 0.5) <= 0.31 and unit[1] <= 0.62), rollouts=600)
    ends = adr.spread().ends
    # An end oscillates by a step around the place where success ends: 0.19, 0.81 and 0.62.
    assert ends["mass"][0] == pytest.approx(0.69, abs=0.06)
    assert ends["mass"][1] == pytest.approx(1.31, abs=0.06)
    assert ends["delay"] == (0.0, pytest.approx(0.62, abs=0.06))


def test_adr_pins_only_ends_that_can_move():
    adr = started({"adr": {"boundary": 1.0}})
    tags = {tuple(adr.sample(np.random.default_rng(seed)).tag) for seed in range(100)}
    assert tags == {(0, 0, 0), (1, 0, 0), (1, 1, 0)}


def test_doraemon_widens_while_success_stays():
    one = started({"doraemon": {"updates": 40}})
    first = one.spread().entropy
    # A success less likely the further from the nominal: over the whole square it is 0.25.
    rates = teach(one, lambda unit: float(abs(unit[0] - 0.5) < 0.25 and unit[1] < 0.5))
    assert first < -3.0
    assert one.spread().entropy > -1.3
    assert rates[-60:].mean() == pytest.approx(0.5, abs=0.12)


def test_doraemon_becomes_uniform_where_all_succeeds_and_waits_where_nothing_does():
    one, other = started("doraemon"), started("doraemon")
    teach(one, lambda unit: 1.0)
    assert one.spread().entropy == pytest.approx(0.0, abs=0.01)
    before = other.state_dict()["shapes"]
    teach(other, lambda unit: 0.0)
    assert other.state_dict()["shapes"] == before


def test_self_paced_goes_to_the_stated_distribution():
    ranges = Ranges({"mass": "= beta(2, 6, 0.5, 1.5)", "delay": "= uniform(0, 1)"}, SPACE)
    one = started("self_paced", ranges)
    teach(one, lambda unit: 1.0)
    (a, b), flat = one.state_dict()["shapes"]
    # The moments of 1,024 draws give the target's shapes.
    assert (a, b) == (pytest.approx(2, rel=0.2), pytest.approx(6, rel=0.2))
    assert flat == [pytest.approx(1, abs=0.02)] * 2


def test_alp_gmm_draws_where_scores_change():
    one = started({"alp_gmm": {"random": 0.0}})
    rng = np.random.default_rng(0)
    # Noise in a quarter of the square alone: scores differ from their neighbours' only there.
    teach(one, lambda unit: float(rng.random()) if (unit < 0.5).all() else 0.0, rollouts=60)
    units = [one.sample(np.random.default_rng(s)).unit for s in range(300)]
    assert np.mean([max(unit) < 0.55 for unit in units]) > 0.7


def test_hard_comes_back_to_low_scores():
    one = started({"hard": {"table": 50, "replay": 1.0, "staleness": 0.0}})
    teach(one, lambda unit: float(1 - unit[1]), rollouts=40)
    again = [one.sample(np.random.default_rng(s)) for s in range(200)]
    assert {draw.tag for draw in again} == {"again"}
    assert np.mean([draw.unit[1] for draw in again]) > 0.9


def test_hard_ranks_by_hand():
    one = started({"hard": {"table": 2, "temperature": 1.0, "staleness": 0.0}})
    draws = [one.sample(np.random.default_rng(s)) for s in range(3)]
    one.update([EpisodeOutcome(d, s, False) for d, s in zip(draws[:2], (0.9, 0.1), strict=True)], 1)
    # Ranks 2 and 1: chances 1/2 and 1 over 3/2.
    assert one.state_dict()["chances"] == [pytest.approx(1 / 3), pytest.approx(2 / 3)]
    one.update([EpisodeOutcome(draws[2], 0.5, False)], 2)
    assert one.state_dict()["scores"] == [0.5, 0.1]


def test_worst_keeps_the_lowest_of_so_many():
    one = started({"worst": {"of": 3, "rounds": 2}})
    draws = [one.sample(np.random.default_rng(s)) for s in range(7)]
    scores = (0.5, 0.2, 0.9, 0.8, 0.7, 0.3, 0.0)
    changed = one.update(
        [EpisodeOutcome(d, s, False) for d, s in zip(draws, scores, strict=True)], 1
    )
    assert changed
    assert one.sampler()["kept"] == [list(draws[1].unit), list(draws[5].unit)]


def test_a_mixture_hands_outcomes_to_who_drew():
    one = started({"mixture": {"of": ["uniform", {"adr": {"queue": 5}}], "weights": [1, 3]}})
    tags = [one.sample(np.random.default_rng(seed)).tag[0] for seed in range(400)]
    assert np.mean(tags) == pytest.approx(0.75, abs=0.07)
    teach(one, lambda unit: 1.0, rollouts=100)
    assert one.spread().entropy > -2


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("drr", "unknown randomizer 'drr'; did you mean 'adr'"),
        ({"adr": {"queu": 3}}, "unknown setting 'queu' of randomizer adr; did you mean 'queue'"),
        ({"adr": {"queue": 0}}, "queue = 0: Input should be greater than 0"),
        ({"adr": {"grow_at": 0.4}}, "shrink_at: 0.5 must be below grow_at, 0.4"),
        ({"doraemon": {"returns": [3, 1]}}, "1 means a score of 1 and must be above 3"),
        ({"schedule": {"grow": "slowly"}}, "expected linear"),
        ({"mixture": {"weights": [1]}}, "expected 2, one for each"),
        ("json:JSONDecoder", "expected a subclass of Randomizer"),
        ({"adr": {}, "hard": {}}, "expected a name such as 'adr'"),
    ],
)
def test_mistakes_are_named(entry, said):
    with pytest.raises(Exception, match=said) as raised:
        resolve_randomizer(entry)
    assert "\n" not in str(raised.value)


def test_a_budget_without_one_move_is_refused_with_its_number():
    # Three ends, queues of 240, half of the episodes pinned: 1,440 episodes for one move of each.
    entry = {"adr": {"queue": 240}}
    said = r"takes about 1,440 episodes, and 20,000 steps have about 200 \(of 100 steps"
    with pytest.raises(RandomizerError, match=said):
        started(entry, budget=EpisodeBudget(20_000, 100)).notes()
    (note,) = started(entry, budget=EpisodeBudget(100_000, 100)).notes()
    assert "takes about 1,440 episodes" in note
    (note,) = started(entry).notes()
    assert "with about 2,000 episodes the ranges can grow 7 % of the way at most" in note
    assert started("adr", budget=EpisodeBudget(2_000_000, 100)).notes() == []
    assert started("adr", budget=EpisodeBudget(10)).notes() == []
