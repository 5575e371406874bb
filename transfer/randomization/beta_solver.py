"""One step of a Beta distribution per parameter: wider, while it still succeeds, and not too far.

The optimisation of DORAEMON (Tiboni et al., 2311.01885) and of self-paced learning (Klink et al.,
JMLR 2021), in closed form: Betas that are independent have divergences in digamma functions.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

# Draws at 0 and 1 exactly have no density.
EDGE = 1e-6


@dataclass(frozen=True)
class Betas:
    """Independent Beta distributions on [0, 1]; `shapes` (n, 2) holds a and b of each."""

    shapes: np.ndarray

    def sample(self, rng: np.random.Generator) -> np.ndarray:
        """Draw a point, shape `(n,)`, kept off the edges."""
        drawn: np.ndarray = rng.beta(self.shapes[:, 0], self.shapes[:, 1])
        return np.asarray(np.clip(drawn, EDGE, 1 - EDGE))

    def log_density(self, units: np.ndarray) -> np.ndarray:
        """Return the logarithm of the density at points, shape `(m, n)`: shape `(m,)`."""
        a, b = self.shapes.T
        logs: np.ndarray = (a - 1) * np.log(units) + (b - 1) * np.log1p(-units)
        return np.asarray((logs - _special().betaln(a, b)).sum(axis=-1))

    def entropy(self) -> float:
        """Return the differential entropy in nats: 0 for the uniform one, negative otherwise."""
        return -divergence(self, Betas(np.ones_like(self.shapes)))

    def quantiles(self, share: float) -> np.ndarray:
        """Return the quantile of each."""
        found: np.ndarray = _special().betaincinv(self.shapes[:, 0], self.shapes[:, 1], share)
        return found


@dataclass(frozen=True)
class Batch:
    """Episodes: points `(m, n)`, the log densities under which they were drawn, and rewards.

    `values` (m,) are successes, or scores, of which the expectation is bounded.
    """

    units: np.ndarray
    drawn_at: np.ndarray
    values: np.ndarray

    @cached_property
    def logs(self) -> tuple[np.ndarray, np.ndarray]:
        """The logarithms of the points and of 1 less the points."""
        return np.log(self.units), np.log1p(-self.units)

    def weights(self, betas: Betas) -> np.ndarray:
        """Return the importance weight of each episode under another distribution."""
        return np.asarray(np.exp(betas.log_density(self.units) - self.drawn_at))

    def expected(self, betas: Betas) -> float:
        """Return the expected value under another distribution; not normalised, as in the paper."""
        return float((self.weights(betas) * self.values).mean())

    def effective_size(self, betas: Betas) -> float:
        """Return the number of equally weighted episodes that would tell as much."""
        weights = self.weights(betas)
        return float(weights.sum() ** 2 / (weights**2).sum())


def divergence(p: Betas, q: Betas) -> float:
    """Return the Kullback-Leibler divergence KL(p || q) in nats, summed over parameters."""
    special = _special()
    (a, b), (c, d) = p.shapes.T, q.shapes.T
    parts = special.betaln(c, d) - special.betaln(a, b)
    parts += (a - c) * special.psi(a) + (b - d) * special.psi(b)
    parts += (c - a + d - b) * special.psi(a + b)
    return float(parts.sum())


@dataclass(frozen=True)
class Step:
    """Bounds of one step.

    Args:
        target: the distribution to come near to; uniform maximises the entropy.
        level: the expected value that is kept, at least.
        trust: the greatest KL(old || new), in nats over all parameters.
        low: the least shape; 1 keeps Betas from having two peaks.
        high: the greatest shape.
    """

    target: Betas
    level: float
    trust: float
    low: float = 1.0
    high: float = 110.0

    def take(self, old: Betas, batch: Batch) -> Betas:
        """Return the next distribution.

        Where `old` does not keep the level: the one in reach that does best, and on from there if
        it keeps it.
        """
        begin = old
        if batch.expected(old) < self.level:
            begin = self._solve(old, old, batch, seek=True)
            if batch.expected(begin) < self.level:
                return begin
        return self._solve(old, begin, batch, seek=False)

    def _solve(self, old: Betas, begin: Betas, batch: Batch, *, seek: bool) -> Betas:
        """Minimise the divergence from the target, or, to `seek`, maximise the expected value."""
        from scipy.optimize import minimize

        shape = old.shapes.shape

        def betas(x: np.ndarray) -> Betas:
            # Rounding of exp(log(high)) may lead past the ends.
            return Betas(np.clip(np.exp(x.reshape(shape)), self.low, self.high))

        def trust(x: np.ndarray) -> float:
            return self.trust - divergence(old, betas(x))

        def trust_slope(x: np.ndarray) -> np.ndarray:
            new = betas(x)
            return np.asarray(-_slope_of_second(old, new) * new.shapes).ravel()

        def kept(x: np.ndarray) -> float:
            return batch.expected(betas(x)) - self.level

        def kept_slope(x: np.ndarray) -> np.ndarray:
            new = betas(x)
            return np.asarray(_slope_of_expected(batch, new) * new.shapes).ravel()

        def distance(x: np.ndarray) -> float:
            return divergence(betas(x), self.target)

        def distance_slope(x: np.ndarray) -> np.ndarray:
            new = betas(x)
            return np.asarray(_slope_of_first(new, self.target) * new.shapes).ravel()

        inside: dict[str, Any] = {"type": "ineq", "fun": trust, "jac": trust_slope}
        level: dict[str, Any] = {"type": "ineq", "fun": kept, "jac": kept_slope}
        aim: Any = (lambda x: -kept(x)) if seek else distance
        slope: Any = (lambda x: -kept_slope(x)) if seek else distance_slope
        constraints: Any = [inside] if seek else [inside, level]
        found = minimize(
            aim,
            np.log(begin.shapes).ravel(),
            jac=slope,
            bounds=[(np.log(self.low), np.log(self.high))] * begin.shapes.size,
            constraints=constraints,
            method="SLSQP",
            options={"maxiter": 200, "ftol": 1e-8},
        )
        new = betas(found.x) if np.isfinite(found.x).all() else begin
        # SLSQP may end slightly, or where it fails far, outside: the way back to `begin`, which is
        # inside, is halved until it is inside too.
        for _ in range(30):
            within = divergence(old, new) <= self.trust * (1 + 1e-3)
            if within and (seek or batch.expected(new) >= self.level - 1e-3):
                return new
            new = Betas(np.sqrt(new.shapes * begin.shapes))
        return begin


def _slope_of_first(p: Betas, q: Betas) -> np.ndarray:
    """Return the gradient of KL(p || q) by the shapes of p."""
    polygamma = _special().polygamma
    rest = (p.shapes - q.shapes).sum(axis=1, keepdims=True)
    joint = polygamma(1, p.shapes.sum(axis=1, keepdims=True))
    return np.asarray((p.shapes - q.shapes) * polygamma(1, p.shapes) - rest * joint)


def _slope_of_second(p: Betas, q: Betas) -> np.ndarray:
    """Return the gradient of KL(p || q) by the shapes of q: expected log u differ by it."""
    return np.asarray(_log_means(q) - _log_means(p))


def _slope_of_expected(batch: Batch, new: Betas) -> np.ndarray:
    """Return the gradient of the expected value by the shapes."""
    weighted = batch.weights(new) * batch.values / len(batch.values)
    logs = np.stack([weighted @ part for part in batch.logs], axis=1)
    return np.asarray(logs - weighted.sum() * _log_means(new))


def _log_means(betas: Betas) -> np.ndarray:
    """Return the expectations of log u and log (1 - u), shape `(n, 2)`."""
    psi = _special().psi
    return np.asarray(psi(betas.shapes) - psi(betas.shapes.sum(axis=1, keepdims=True)))


def _special() -> Any:
    from scipy import special

    return special
