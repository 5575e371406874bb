"""The step of Beta distributions: its formulas against numbers, its bounds kept."""

import math

import numpy as np
import pytest
from headstart.envs.distributions import Beta, kl_divergence
from headstart.transfer.randomization.beta_solver import (
    Batch,
    Betas,
    Step,
    _slope_of_expected,
    _slope_of_first,
    _slope_of_second,
    divergence,
)
from headstart.transfer.randomization.gaussian_mixture import GaussianMixture, fit_best

OLD = Betas(np.array([[3.0, 5.0], [20.0, 10.0]]))
NEW = Betas(np.array([[2.0, 4.0], [10.0, 7.0]]))


def test_entropy_and_density_by_hand():
    two_three = Betas(np.array([[2.0, 3.0]]))
    # 12 u (1 - u)^2 at 1/2
    assert two_three.log_density(np.array([[0.5]])) == pytest.approx([math.log(1.5)])
    assert two_three.entropy() == pytest.approx(-0.2349066, abs=1e-6)
    assert Betas(np.ones((3, 2))).entropy() == 0.0


def test_the_divergence_is_that_of_quadrature():
    parts = [
        kl_divergence(Beta(*p, 0.0, 1.0), Beta(*q, 0.0, 1.0))
        for p, q in zip(OLD.shapes, NEW.shapes, strict=True)
    ]
    assert divergence(OLD, NEW) == pytest.approx(sum(parts), abs=1e-6)


def test_gradients_are_those_of_differences():
    rng = np.random.default_rng(0)
    units = np.array([OLD.sample(rng) for _ in range(50)])
    batch = Batch(units, OLD.log_density(units), rng.random(50))
    for slope, function in (
        (_slope_of_first(NEW, OLD), lambda one: divergence(one, OLD)),
        (_slope_of_second(OLD, NEW), lambda one: divergence(OLD, one)),
        (_slope_of_expected(batch, NEW), batch.expected),
    ):
        for place in np.ndindex(2, 2):
            nudge = np.zeros((2, 2))
            nudge[place] = 1e-5
            up, down = Betas(NEW.shapes + nudge), Betas(NEW.shapes - nudge)
            assert slope[place] == pytest.approx((function(up) - function(down)) / 2e-5, rel=1e-4)


def test_a_step_widens_within_its_bounds():
    rng = np.random.default_rng(1)
    units = np.array([OLD.sample(rng) for _ in range(400)])
    batch = Batch(units, OLD.log_density(units), (units[:, 0] < 0.5).astype(float))
    step = Step(Betas(np.ones((2, 2))), level=0.7, trust=0.3)
    new = step.take(OLD, batch)
    assert divergence(OLD, new) <= 0.3 * 1.001
    assert batch.expected(new) >= 0.7 - 1e-3
    assert new.entropy() > OLD.entropy() + 0.3


def test_below_its_level_a_step_goes_back_to_success():
    rng = np.random.default_rng(2)
    units = np.array([OLD.sample(rng) for _ in range(400)])
    batch = Batch(units, OLD.log_density(units), (units[:, 0] < 0.2).astype(float))
    before = batch.expected(OLD)
    new = Step(Betas(np.ones((2, 2))), level=0.9, trust=0.1).take(OLD, batch)
    assert before < batch.expected(new) < 0.9
    assert divergence(OLD, new) == pytest.approx(0.1, rel=0.01)


def test_equal_weights_count_in_full():
    units = np.array([[0.3, 0.4], [0.5, 0.6]])
    batch = Batch(units, OLD.log_density(units), np.ones(2))
    assert batch.effective_size(OLD) == pytest.approx(2.0)
    assert batch.expected(OLD) == pytest.approx(1.0)


def test_a_mixture_of_gaussians_finds_clusters():
    rng = np.random.default_rng(0)
    clusters = [rng.normal(m, s, (60, 2)) for m, s in (((0, 0), 0.1), ((1, 1), 0.2), ((0, 3), 0.1))]
    found = fit_best(np.concatenate(clusters), 3, np.random.default_rng(3))
    order = np.argsort(found.means.sum(axis=1))
    assert found.weights.shape == (3,)
    assert found.means[order] == pytest.approx(np.array([[0, 0], [1, 1], [0, 3]]), abs=0.1)
    # One standard Gaussian at its mean: -log(2 pi).
    one = GaussianMixture(np.ones(1), np.zeros((1, 2)), np.eye(2)[None])
    assert one.log_likelihood(np.zeros((1, 2))) == pytest.approx(-math.log(2 * math.pi))
    # Five free numbers: 2 * 5 + 2 log(2 pi)
    assert one.akaike(np.zeros((1, 2))) == pytest.approx(10 + 2 * math.log(2 * math.pi))
