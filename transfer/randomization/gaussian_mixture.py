"""Mixtures of Gaussians with full covariances, fitted by expectation-maximisation."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

# Added to variances, so that points in a plane have a density.
FLOOR = 1e-5
ROUNDS = 60
TOLERANCE = 1e-3


@dataclass(frozen=True)
class GaussianMixture:
    """Components with `weights` (k,), `means` (k, n) and `covariances` (k, n, n)."""

    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray

    def log_densities(self, points: np.ndarray) -> np.ndarray:
        """Return the logarithms of weight times density, shape `(m, k)`, at points `(m, n)`."""
        size = points.shape[1]
        factors = np.linalg.cholesky(self.covariances)
        away = points[None] - self.means[:, None]
        scaled = np.linalg.solve(factors, away.transpose(0, 2, 1))
        volumes = np.log(np.diagonal(factors, axis1=1, axis2=2)).sum(axis=1)
        volumes += 0.5 * size * math.log(2 * math.pi)
        found: np.ndarray = np.log(self.weights) - 0.5 * (scaled**2).sum(axis=1).T - volumes
        return found

    def log_likelihood(self, points: np.ndarray) -> float:
        """Return the logarithm of the likelihood of points, summed over them."""
        return float(np.logaddexp.reduce(self.log_densities(points), axis=1).sum())

    def akaike(self, points: np.ndarray) -> float:
        """Return Akaike's information criterion; lower is better."""
        components, size = self.means.shape
        free = components * (1 + size + size * (size + 1) // 2) - 1
        return float(2 * free - 2 * self.log_likelihood(points))

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON data."""
        return {
            "weights": self.weights.tolist(),
            "means": self.means.tolist(),
            "covariances": self.covariances.tolist(),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> GaussianMixture:
        """Return the mixture of `to_json`."""
        return cls(*(np.array(data[key]) for key in ("weights", "means", "covariances")))


def fit_best(points: np.ndarray, most: int, rng: np.random.Generator) -> GaussianMixture:
    """Fit mixtures of 2 to `most` components to points, shape `(m, n)`; return the best by AIC."""
    counts = range(min(2, most), most + 1)
    # A covariance of n + 1 points at least.
    able = [k for k in counts if len(points) > k * (points.shape[1] + 1)] or [1]
    return min((fit_mixture(points, k, rng) for k in able), key=lambda one: one.akaike(points))


def fit_mixture(points: np.ndarray, components: int, rng: np.random.Generator) -> GaussianMixture:
    """Fit a mixture of so many components by expectation-maximisation from spread-out centres."""
    count, size = points.shape
    eye = FLOOR * np.eye(size)
    apart = ((points[:, None] - _centres(points, components, rng)[None]) ** 2).sum(axis=-1)
    shares = np.eye(components)[apart.argmin(axis=1)] + 1e-3
    shares /= shares.sum(axis=1, keepdims=True)
    before = -math.inf
    for _ in range(ROUNDS):
        sizes = shares.sum(axis=0) + 1e-10
        means = shares.T @ points / sizes[:, None]
        away = points[None] - means[:, None]
        products = (shares.T[:, :, None] * away).transpose(0, 2, 1) @ away
        covariances = products / sizes[:, None, None] + eye
        mixture = GaussianMixture(sizes / count, means, covariances)
        logs = mixture.log_densities(points)
        total = np.logaddexp.reduce(logs, axis=1)
        shares = np.exp(logs - total[:, None])
        if total.mean() - before < TOLERANCE:
            break
        before = float(total.mean())
    return mixture


def _centres(points: np.ndarray, components: int, rng: np.random.Generator) -> np.ndarray:
    """Return points that lie apart, each drawn by its squared distance from those before."""
    chosen = [points[int(rng.integers(len(points)))]]
    while len(chosen) < components:
        away = ((points[:, None] - np.array(chosen)[None]) ** 2).sum(axis=-1).min(axis=1) + 1e-12
        place = int(np.searchsorted(np.cumsum(away), rng.random() * away.sum()))
        chosen.append(points[min(place, len(points) - 1)])
    return np.array(chosen)
