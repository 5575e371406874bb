"""Distributions: draws, densities, entropies and divergences against hand-worked values."""

import math
import re

import numpy as np
import pytest
from headstart.envs.changes import (
    EVERY_STEP,
    Change,
    ChangeError,
    parse,
    read_changes,
    separate,
)
from headstart.envs.distributions import (
    Beta,
    Choice,
    LogNormal,
    Mixture,
    Normal,
    Triangular,
    Uniform,
    kl_divergence,
)
from headstart.envs.joint import MultivariateNormal
from headstart.envs.parameters import Parameter, ParameterSpace

SPACE = ParameterSpace(
    [
        Parameter("mass", "kg", 2.0, 0.5, 8.0, "mass"),
        Parameter("delay", "s", 0.0, 0.0, 0.2, "delay"),
        Parameter("wind", "N", 0.0, -5.0, 5.0, "wind", live=True),
    ]
)


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "posterior.csv"
    path.write_text("mass,delay\n1,0.1\n3,0.2\n3,0\n")
    return path


@pytest.mark.parametrize(
    "text",
    [
        "* lognormal(0, 0.2)",
        "= beta(2, 5, 0, 1)",
        "= triangular(0, 0.5, 2)",
        "= choice(1, 2; 0.25, 0.75)",
        "= mixture(0.2 * uniform(0, 1), 0.8 * choice(1, 2; 3, 1))",
        "+ normal(0, 1) every step",
        "+ uniform(-1, 1) at 2.5/s",
    ],
)
def test_text_round_trips(text):
    assert str(parse(text)) == text
    assert parse(str(parse(text))) == parse(text)


def test_joint_and_empirical_text_round_trips(table):
    one = parse("= multinormal(1, 2; 0.1, 0.2; 0.5)", joint=True)
    assert parse(str(one), joint=True) == one
    column = parse(f"= empirical({table}, mass)")
    assert parse(str(column)) == column
    assert column.value.values == (1.0, 3.0, 3.0)


@pytest.mark.parametrize(
    ("distribution", "value", "log_density", "entropy"),
    [
        # log(1 / 4) and log 4
        (Uniform(1, 5), 2.0, -math.log(4), math.log(4)),
        # -log(2 sqrt(2 pi)) at the mean; log(2 sqrt(2 pi e))
        (Normal(1, 2), 1.0, -1.6120857, 2.1120857),
        # density of the logarithm divided by the value; entropy of the Gaussian plus its mean
        (LogNormal(0.5, 1), 1.0, -0.9189385 - 0.125, 1.4189385 + 0.5),
        # 12 u (1 - u)^2 / width at u = 1/2 is 1.5 / 2
        (Beta(2, 3, 0, 2), 1.0, math.log(0.75), math.log(2) - 0.2349066),
        # twice the base's inverse at the mode; 1/2 + log(width / 2)
        (Triangular(0, 1, 4), 1.0, math.log(0.5), 0.5 + math.log(2)),
        (Choice((1, 2), (1, 3)), 2.0, math.log(0.75), 0.5623351),
        # one half of each: half of 1 on [0, 1], half of 1 on [3, 4]; log 2
        (Mixture((Uniform(0, 1), Uniform(3, 4)), (1, 1)), 3.5, -math.log(2), math.log(2)),
    ],
)
def test_densities_and_entropies(distribution, value, log_density, entropy):
    assert distribution.log_density(value) == pytest.approx(log_density, abs=1e-6)
    assert distribution.entropy() == pytest.approx(entropy, abs=1e-5)


@pytest.mark.parametrize(
    ("p", "q", "expected"),
    [
        (Uniform(0, 1), Uniform(0, 2), math.log(2)),
        (Uniform(0, 2), Uniform(0, 1), math.inf),
        # log(2) + (1 + 1) / 8 - 1/2
        (Normal(1, 1), Normal(0, 2), math.log(2) + 0.25 - 0.5),
        (Beta(1, 1, 0, 1), Uniform(0, 1), 0.0),
        (Choice((1, 2)), Choice((1, 2), (1, 3)), 0.5 * math.log(2) + 0.5 * math.log(2 / 3)),
    ],
)
def test_divergences(p, q, expected):
    assert kl_divergence(p, q) == pytest.approx(expected, abs=1e-6)


def test_a_divergence_needs_two_of_a_kind():
    with pytest.raises(ChangeError, match="only one has a density"):
        kl_divergence(Uniform(0, 1), Choice((0, 1)))


@pytest.mark.parametrize(
    ("distribution", "mean"),
    [
        (LogNormal(0, 0.5), math.exp(0.125)),
        (Beta(2, 6, 1, 3), 1.5),
        (Triangular(0, 1, 5), 2.0),
        (Choice((0, 4), (3, 1)), 1.0),
        (Mixture((Uniform(0, 1), Uniform(10, 11)), (3, 1)), 3.0),
    ],
)
def test_draws_have_the_mean_of_the_distribution(distribution, mean):
    rng = np.random.default_rng(0)
    draws = np.array([distribution.sample(rng) for _ in range(4_000)])
    assert abs(draws.mean() - mean) < 4 * draws.std() / math.sqrt(4_000)


def test_correlated_parameters_are_drawn_together():
    change = read_changes({"mass, wind": "= multinormal(4, 0; 0.5, 1; -0.8)"}, SPACE, random=True)
    [(key, one)] = change.items()
    rng = np.random.default_rng(0)
    pair = SPACE["mass"], SPACE["wind"]
    draws = np.array([one.resolve_together(pair, rng) for _ in range(3_000)])
    assert key == "mass, wind"
    assert np.corrcoef(draws.T)[0, 1] == pytest.approx(-0.8, abs=0.03)
    assert draws.mean(axis=0) == pytest.approx([4, 0], abs=0.08)
    # At the mean: -log(2 pi) - log(0.5 * 1 * sqrt(1 - 0.64)) = -1.837877 + 1.203973
    assert one.value.log_density((4, 0)) == pytest.approx(-0.633904, abs=1e-6)
    assert one.value.entropy() == pytest.approx(1.633904, abs=1e-6)


def test_rows_of_a_file_stay_together(table):
    changes = read_changes({"mass, delay": f"= empirical({table})"}, SPACE, random=True)
    [change] = changes.values()
    rng = np.random.default_rng(1)
    pair = SPACE["mass"], SPACE["delay"]
    draws = {change.resolve_together(pair, rng) for _ in range(50)}
    assert draws == {(1.0, 0.1), (3.0, 0.2), (3.0, 0.0)}
    assert str(separate(changes)["delay"]) == f"= empirical({table}, delay)"


def test_a_rate_is_for_parameters_that_may_change():
    read = read_changes({"wind": "= normal(0, 1) every step"}, SPACE, random=True)
    assert read["wind"] == Change("=", Normal(0, 1), EVERY_STEP)
    with pytest.raises(ChangeError, match=r"mass: .* it is fixed; .* may change then: wind"):
        read_changes({"mass": "= uniform(1, 2) at 1/s"}, SPACE, random=True)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"mass": "= beta(0, 1, 1, 2)"}, "a must be above 0"),
        ({"mass": "= triangular(1, 3, 2)"}, "the mode must lie in"),
        ({"mass": "= choice(1, 2; 1)"}, "1 weights for 2 values"),
        ({"mass": "= mixture(uniform(1, 2))"}, "mixture takes (0.2 * uniform(0, 1)"),
        ({"mass": "= multinormal(1, 2; 1, 1)"}, "needs several parameters in one key"),
        ({"mass, delay": "= uniform(1, 2)"}, "expected a distribution of several parameters"),
        ({"mass, delay": "= multinormal(1; 2)"}, "takes (means; stds; correlations)"),
        ({"mass, wind": "= multinormal(1, 2; 1, 1; 2)"}, "no distribution has these correlations"),
        ({"mass": "= 1", "mass, wind": "= multinormal(1, 0; 1, 1)"}, "'mass' is changed already"),
        ({"mass": "= empirical(nowhere.csv)"}, "cannot read 'nowhere.csv'"),
        ({"mass": "= 2 every step"}, "a constant stays as it is"),
    ],
)
def test_mistakes_are_named(changes, said):
    with pytest.raises(ChangeError, match=re.escape(said)):
        read_changes(changes, SPACE, random=True)


def test_a_column_has_to_be_named_right(table):
    with pytest.raises(ChangeError, match="did you mean 'mass'"):
        parse(f"= empirical({table}, mas)")
    with pytest.raises(ChangeError, match="name one, as in"):
        parse(f"= empirical({table})")
    table.write_text("mass\nheavy\n")
    with pytest.raises(ChangeError, match="row 1 is no 1 numbers"):
        parse(f"= empirical({table.parent}/./posterior.csv)")


def test_multivariate_normals_know_their_covariance():
    one = MultivariateNormal((0, 0, 0), (1, 2, 3), (0.5, 0, -0.5))
    assert one.covariance().tolist() == [[1, 1, 0], [1, 4, -3], [0, -3, 9]]
