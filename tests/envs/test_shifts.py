"""Families of shifts: what a severity means, which names there are, and what is checked in."""

import pytest
from headstart.core.errors import HeadstartError
from headstart.envs import WORLDS
from headstart.envs.changes import ChangeError, read_changes
from headstart.envs.shifts import (
    SHIFT_LEVELS,
    Family,
    families,
    in_band,
    measurements,
    shift_changes,
    shift_names,
    stored_anchors,
    unmodelled,
)
from headstart.envs.spec import WorldSpec

HOPPER = "headstart/Hopper-v0"


def test_severity_is_linear_in_sums_and_geometric_in_factors():
    family = Family("dynamics", "", {"a": "* 0.25", "b": "+ 0.3", "c": "+ -2"})
    assert family.at(0.5) == {"a": "* 0.5", "b": "+ 0.15", "c": "+ -1"}
    assert family.at(1.0) == {"a": "* 0.25", "b": "+ 0.3", "c": "+ -2"}
    assert family.at(0.0) == {"a": "* 1", "b": "+ 0", "c": "+ 0"}
    assert family.at(1 / 3)["a"] == "* 0.63"


@pytest.mark.parametrize("change", ["= 3", "* uniform(1, 2)"])
def test_a_family_scales_or_adds_numbers(change):
    with pytest.raises(ChangeError, match=r"a: .* change is"):
        Family("dynamics", "", {"a": change}).at(0.5)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("slipery/mild", "no shift 'slipery'; did you mean 'slippery'"),
        ("slippery", "needs a level: slippery/mild, slippery/moderate, slippery/severe, or"),
        ("slippery/midl", "no level 'midl'; did you mean 'mild'"),
        ("slippery/1.5", "a severity lies between 0 and 1"),
        ("unmodeled", "did you mean 'unmodelled'"),
    ],
)
def test_unknown_names_are_answered_with_the_nearest(name, said):
    with pytest.raises(HeadstartError, match=said):
        shift_changes(HOPPER, name)


def test_a_level_that_is_not_calibrated_says_so(monkeypatch):
    monkeypatch.setattr("headstart.envs.shifts.measurements", lambda world: None)
    with pytest.raises(
        HeadstartError, match=r"not calibrated; give a severity, as in slippery/0\.5"
    ):
        shift_changes(HOPPER, "slippery/mild")


def test_names_and_severities_lead_to_changes():
    assert shift_changes(HOPPER, "slippery/1") == WORLDS[HOPPER].families["slippery"].extreme
    assert shift_changes(HOPPER, "unmodelled") == WORLDS[HOPPER].unmodelled
    assert shift_changes(HOPPER, {"payload": "+ 1"}) == {"payload": "+ 1"}
    assert {"slippery/mild", "slippery/severe", "unmodelled"} < set(shift_names(HOPPER))
    assert shift_names("Pendulum-v1") == []


@pytest.mark.parametrize("world_id", list(WORLDS))
def test_every_world_has_families_within_its_bounds_and_an_unmodelled_shift(world_id):
    kinds = {family.kind for family in families(world_id).values()}
    assert {"dynamics", "actuation", "sensing"} <= kinds
    env = WorldSpec(world_id).make()
    space = env.unwrapped.parameters
    env.close()
    for family in families(world_id).values():
        for severity in (0.0, 0.5, 1.0):
            read_changes(family.at(severity), space, random=False)
    hidden = unmodelled(world_id)
    read_changes(hidden, space, random=False)
    read_changes(WORLDS[world_id].ranges, space, random=True)
    assert len(hidden) >= 3
    assert not hidden.keys() & WORLDS[world_id].ranges.keys()
    for name, change in hidden.items():
        parameter = space[name]
        value = read_changes({name: change}, space, random=False)[name].resolve(parameter)
        whole = abs(parameter.nominal) or parameter.high
        assert abs(value - parameter.nominal) == pytest.approx(0.2 * whole, rel=0.15), name


@pytest.mark.parametrize("world_id", [w for w in WORLDS if measurements(w)])
def test_measured_levels_are_what_their_names_promise(world_id):
    measured = measurements(world_id)
    for name, row in measured["shifts"].items():
        family, _, level = name.partition("/")
        low, high = row["interval"]
        assert low <= row["score"] <= high
        if level:
            assert level in SHIFT_LEVELS
            assert row["changes"] == families(world_id)[family].at(row["severity"])
            assert row["changes"] == shift_changes(world_id, name)
            least, most = SHIFT_LEVELS[level]
            # There may be no more harm in it; and on other episodes than it was found on, a level
            # may be a little off.
            extreme = row["severity"] == 1.0 and row["score"] >= most
            near = max(least, low) <= min(most, high)
            assert extreme or near, f"{name} of {world_id} is out of its band"


def test_anchors_are_stored_for_every_level_and_the_world_itself(monkeypatch):
    rows = {"slippery/mild": {"random": 3.0}, "unmodelled": {"random": 4.0}}
    nominal = {"random": 1.0, "returns": [10.0, 30.0]}
    monkeypatch.setattr(
        "headstart.envs.shifts.measurements",
        lambda world: {"nominal": nominal, "shifts": rows} if world == HOPPER else None,
    )
    assert stored_anchors(HOPPER, {}) == {"random": 1.0, "reference": 20.0}
    assert stored_anchors(HOPPER, "slippery/mild") == {"random": 3.0, "reference": 20.0}
    assert stored_anchors(HOPPER, "unmodelled") == {"random": 4.0, "reference": 20.0}
    assert stored_anchors(HOPPER, "slippery/0.5") is None
    assert stored_anchors(HOPPER, {"payload": "+ 1"}) is None
    assert stored_anchors("Pendulum-v1", {}) is None


def test_bands():
    assert in_band("x/mild", 0.8)
    assert not in_band("x/mild", 0.95)
    assert in_band("x/moderate", 0.4)
    assert not in_band("x/severe", 0.4)
    assert in_band("x/severe", -0.3)
    assert in_band("unmodelled", 1.2)
