"""The vocabulary of change: text and objects mean the same, and mistakes are named."""

import math
import re

import numpy as np
import pytest
from headstart.envs.changes import (
    Change,
    ChangeError,
    Choice,
    LogUniform,
    Normal,
    TruncatedNormal,
    Uniform,
    parse,
    read_changes,
    shifted,
)
from headstart.envs.parameters import Parameter, ParameterError, ParameterSpace
from hypothesis import given
from hypothesis import strategies as st

SPACE = ParameterSpace(
    [
        Parameter("mass", "kg", 2.0, 0.5, 8.0, "mass"),
        Parameter("delay", "s", 0.0, 0.0, 0.2, "delay"),
    ]
)
finite = st.floats(-1e6, 1e6, allow_nan=False)
positive = st.floats(1e-6, 1e6)
pairs = st.tuples(finite, finite).map(sorted)
distributions = st.one_of(
    pairs.map(lambda p: Uniform(*p)),
    st.tuples(positive, positive).map(sorted).map(lambda p: LogUniform(*p)),
    st.builds(Normal, finite, positive),
    st.tuples(finite, positive, finite, finite).map(
        lambda t: TruncatedNormal(t[0], t[1], min(t[0], *t[2:]), max(t[0], *t[2:]))
    ),
    st.lists(finite, min_size=1, max_size=5).map(lambda v: Choice(tuple(v))),
)


@given(st.sampled_from("=*+"), st.one_of(finite, distributions))
def test_text_and_objects_round_trip(operation, value):
    change = Change(operation, value)
    assert parse(str(change)) == change


@pytest.mark.parametrize(
    ("text", "change"),
    [
        ("= 0.06", Change("=", 0.06)),
        ("*0.4", Change("*", 0.4)),
        ("+ -1e-3", Change("+", -0.001)),
        ("* loguniform(0.5, 1.5)", Change("*", LogUniform(0.5, 1.5))),
        ("+ normal( 0 , .2)", Change("+", Normal(0, 0.2))),
        ("= truncnormal(1, 0.5, 0, 2)", Change("=", TruncatedNormal(1, 0.5, 0, 2))),
        ("= choice(1, 2.5, 4)", Change("=", Choice((1, 2.5, 4)))),
        ("= 10_000", Change("=", 10_000)),
    ],
)
def test_parse(text, change):
    assert parse(text) == change


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("0.4", "expected '=', '*' or '+'"),
        ("* unifrom(0, 1)", "did you mean 'uniform'"),
        ("= uniform(0)", "uniform takes (low, high)"),
        ("= uniform(2, 1)", "low 2 is above high 1"),
        ("= loguniform(0, 1)", "low must be above 0"),
        ("= normal(0, 0)", "std must be above 0"),
        ("= truncnormal(5, 1, 0, 2)", "mean must lie in"),
        ("= choice()", "at least one"),
        ("= uniform(a, 1)", "takes numbers, got 'a'"),
        ("= __import__('os')", "unknown distribution '__import__'"),
        ("= 1; rm", "cannot read"),
    ],
)
def test_parse_says_what_is_wrong(text, said):
    with pytest.raises(ChangeError, match=re.escape(said)):
        parse(text)


def test_a_bare_number_is_ambiguous_and_refused():
    with pytest.raises(ChangeError, match=r"'= 0.4', '\* 0.4' or '\+ 0.4'"):
        parse(0.4)


def test_operations_act_on_the_nominal():
    values = shifted({"mass": "* 0.5", "delay": "+ 0.1"}, SPACE)
    assert values == {"mass": 1.0, "delay": 0.1}
    assert shifted({"mass": "= 3"}, SPACE) == {"mass": 3.0}


def test_loguniform_has_the_median_of_its_geometric_mean():
    rng = np.random.default_rng(0)
    draws = [LogUniform(0.25, 4.0).sample(rng) for _ in range(4_000)]
    # Half of the draws lie below sqrt(0.25 * 4) = 1; 4,000 draws give a standard error of 0.008.
    assert abs(np.mean(np.array(draws) < 1.0) - 0.5) < 0.03
    assert min(draws) >= 0.25
    assert max(draws) <= 4.0


@given(st.integers(0, 2**32 - 1))
def test_normal_draws_stay_inside_the_hard_bounds(seed):
    change = read_changes({"mass": "+ normal(0, 5)"}, SPACE, random=True)["mass"]
    value = change.resolve(SPACE["mass"], np.random.default_rng(seed))
    assert 0.5 <= value <= 8.0


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"mas": "* 1"}, ParameterError, "did you mean 'mass'"),
        ({"mass": "* 5"}, ChangeError, "gives 10 kg, outside the bounds"),
        ({"mass": "* uniform(0.1, 1)"}, ChangeError, "gives 0.2 to 2 kg"),
        ({"delay": "* 2"}, ChangeError, "nominal of 0"),
        ({"mass": "heavy"}, ChangeError, "mass: cannot read 'heavy'"),
    ],
)
def test_changes_are_checked_against_their_parameters(changes, error, said):
    with pytest.raises(error, match=said):
        read_changes(changes, SPACE, random=True)


def test_a_shift_is_fixed():
    with pytest.raises(ChangeError, match="a shift is fixed"):
        shifted({"mass": "* uniform(0.5, 1)"}, SPACE)


@pytest.mark.parametrize("value", [math.nan, math.inf, 9.0, "a lot", None])
def test_values_that_a_parameter_cannot_take(value):
    with pytest.raises(ParameterError, match=r"'mass'.*\[0.5, 8\] kg"):
        SPACE.validate({"mass": value})


def test_an_unknown_parameter_changes_nothing_and_is_named():
    with pytest.raises(ParameterError, match="unknown parameter 'weight'; known: delay, mass"):
        SPACE.validate({"mass": 1.0, "weight": 2.0})


def test_a_nominal_outside_its_bounds_is_no_parameter():
    with pytest.raises(ParameterError, match="nominal 3 is outside"):
        Parameter("mass", "kg", 3.0, 0.0, 2.0, "mass")
