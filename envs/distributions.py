"""The distributions that a change draws from, with their densities, entropies and divergences."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

import numpy as np

from ..core.errors import HeadstartError


class ChangeError(HeadstartError):
    """A change that cannot be read or cannot be applied to its parameter."""


@dataclass(frozen=True)
class Distribution:
    """The base class of the distributions.

    Raises:
        ChangeError: an argument is not a finite number, or the arguments contradict each other.
    """

    word: ClassVar[str]
    form: ClassVar[str] = ""
    """The arguments of the text form, where they are not the fields."""
    discrete: ClassVar[bool] = False
    """Whether it has probabilities in place of a density."""

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            values = value if isinstance(value, tuple) else (value,)
            for number in values:
                if isinstance(number, bool) or not isinstance(number, (int, float)):
                    raise ChangeError(f"{self.word}: {one.name} must be a number, got {number!r}")
                if not math.isfinite(number):
                    raise ChangeError(f"{self.word}: {one.name} must be finite")
        self._check()

    def _check(self) -> None:
        """Raise ChangeError if the arguments contradict each other."""

    @property
    def support(self) -> tuple[float, float]:
        """The lowest and the highest value that can be drawn."""
        raise NotImplementedError

    def sample(self, rng: np.random.Generator) -> float:
        """Draw one value."""
        raise NotImplementedError

    def probabilities(self) -> dict[float, float]:
        """Return the probability of each value, where `discrete`."""
        raise NotImplementedError

    def log_density(self, value: float) -> float:
        """Return the logarithm of the density at a value; of the probability where `discrete`."""
        return float(self._scipy().logpdf(value))

    def entropy(self) -> float:
        """Return the differential entropy in nats; Shannon's where `discrete`."""
        return float(self._scipy().entropy())

    def _scipy(self) -> Any:
        """Return the same distribution of scipy, which is imported only where it is needed."""
        raise NotImplementedError

    def __str__(self) -> str:
        return f"{self.word}({', '.join(text_of(getattr(self, f.name)) for f in fields(self))})"


@dataclass(frozen=True)
class Uniform(Distribution):
    """Uniform on [low, high]."""

    low: float
    high: float
    word: ClassVar[str] = "uniform"

    def _check(self) -> None:
        _ordered(self.word, self.low, self.high)

    @property
    def support(self) -> tuple[float, float]:
        """The bounds."""
        return self.low, self.high

    def sample(self, rng: np.random.Generator) -> float:
        """Draw one value."""
        return float(rng.uniform(self.low, self.high))

    def _scipy(self) -> Any:
        return _stats().uniform(self.low, self.high - self.low)


@dataclass(frozen=True)
class LogUniform(Distribution):
    """Uniform in the logarithm on [low, high], 0 < low: for scale factors."""

    low: float
    high: float
    word: ClassVar[str] = "loguniform"

    def _check(self) -> None:
        _ordered(self.word, self.low, self.high)
        if self.low <= 0:
            raise ChangeError(f"loguniform: low must be above 0, got {self.low:g}")

    @property
    def support(self) -> tuple[float, float]:
        """The bounds."""
        return self.low, self.high

    def sample(self, rng: np.random.Generator) -> float:
        """Draw one value."""
        drawn = math.exp(rng.uniform(math.log(self.low), math.log(self.high)))
        # exp(log(x)) may overshoot x by one rounding step.
        return min(max(drawn, self.low), self.high)

    def _scipy(self) -> Any:
        return _stats().loguniform(self.low, self.high)


@dataclass(frozen=True)
class Normal(Distribution):
    """Gaussian; a draw outside a parameter's hard bounds is drawn again."""

    mean: float
    std: float
    word: ClassVar[str] = "normal"

    def _check(self) -> None:
        _positive(self.word, std=self.std)

    @property
    def support(self) -> tuple[float, float]:
        """The whole line."""
        return -math.inf, math.inf

    def sample(self, rng: np.random.Generator) -> float:
        """Draw one value."""
        return float(rng.normal(self.mean, self.std))

    def _scipy(self) -> Any:
        return _stats().norm(self.mean, self.std)


@dataclass(frozen=True)
class TruncatedNormal(Distribution):
    """Gaussian restricted to [low, high] by drawing again."""

    mean: float
    std: float
    low: float
    high: float
    word: ClassVar[str] = "truncnormal"

    def _check(self) -> None:
        _positive(self.word, std=self.std)
        _ordered(self.word, self.low, self.high)
        if not self.low <= self.mean <= self.high:
            # Keeps the chance of a draw inside from vanishing, so drawing again ends soon.
            raise ChangeError(f"{self.word}: the mean must lie in [{self.low:g}, {self.high:g}]")

    @property
    def support(self) -> tuple[float, float]:
        """The bounds."""
        return self.low, self.high

    def sample(self, rng: np.random.Generator) -> float:
        """Draw one value."""
        while True:
            drawn = float(rng.normal(self.mean, self.std))
            if self.low <= drawn <= self.high:
                return drawn

    def _scipy(self) -> Any:
        low, high = (self.low - self.mean) / self.std, (self.high - self.mean) / self.std
        return _stats().truncnorm(low, high, self.mean, self.std)


@dataclass(frozen=True)
class LogNormal(Distribution):
    """Exponential of a Gaussian with this mean and std: `lognormal(0, 0.2)` is a factor around 1.

    A draw outside a parameter's hard bounds is drawn again.
    """

    mean: float
    std: float
    word: ClassVar[str] = "lognormal"

    def _check(self) -> None:
        _positive(self.word, std=self.std)

    @property
    def support(self) -> tuple[float, float]:
        """All positive numbers."""
        return 0.0, math.inf

    def sample(self, rng: np.random.Generator) -> float:
        """Draw one value."""
        return float(rng.lognormal(self.mean, self.std))

    def _scipy(self) -> Any:
        return _stats().lognorm(self.std, scale=math.exp(self.mean))


@dataclass(frozen=True)
class Beta(Distribution):
    """Beta with shapes a and b, scaled to [low, high]; its mean is a / (a + b) of the way."""

    a: float
    b: float
    low: float
    high: float
    word: ClassVar[str] = "beta"

    def _check(self) -> None:
        _positive(self.word, a=self.a, b=self.b)
        _ordered(self.word, self.low, self.high)

    @property
    def support(self) -> tuple[float, float]:
        """The bounds."""
        return self.low, self.high

    def sample(self, rng: np.random.Generator) -> float:
        """Draw one value."""
        return self.low + (self.high - self.low) * float(rng.beta(self.a, self.b))

    def _scipy(self) -> Any:
        return _stats().beta(self.a, self.b, self.low, self.high - self.low)


@dataclass(frozen=True)
class Triangular(Distribution):
    """Density that rises linearly from low to mode and falls to high."""

    low: float
    mode: float
    high: float
    word: ClassVar[str] = "triangular"

    def _check(self) -> None:
        _ordered(self.word, self.low, self.high)
        if not self.low <= self.mode <= self.high:
            raise ChangeError(f"{self.word}: the mode must lie in [{self.low:g}, {self.high:g}]")

    @property
    def support(self) -> tuple[float, float]:
        """The bounds."""
        return self.low, self.high

    def sample(self, rng: np.random.Generator) -> float:
        """Draw one value."""
        if self.low == self.high:
            return float(self.low)
        return float(rng.triangular(self.low, self.mode, self.high))

    def _scipy(self) -> Any:
        width = self.high - self.low
        return _stats().triang((self.mode - self.low) / width, self.low, width)


@dataclass(frozen=True)
class Choice(Distribution):
    """One of the given values, each as likely, or with weights after a semicolon."""

    values: tuple[float, ...]
    weights: tuple[float, ...] = ()
    word: ClassVar[str] = "choice"
    form: ClassVar[str] = "a, b, ...; weights"
    discrete: ClassVar[bool] = True

    def _check(self) -> None:
        if not self.values:
            raise ChangeError("choice: needs at least one value")
        if self.weights:
            _weights(self.word, self.weights, len(self.values), "values")

    @property
    def support(self) -> tuple[float, float]:
        """The smallest and the largest value."""
        return min(self.values), max(self.values)

    def sample(self, rng: np.random.Generator) -> float:
        """Draw one value."""
        if not self.weights:
            return float(self.values[int(rng.integers(len(self.values)))])
        return float(self.values[_pick(self.weights, rng)])

    def probabilities(self) -> dict[float, float]:
        """Return the probability of each different value."""
        weights = self.weights or (1.0,) * len(self.values)
        found: dict[float, float] = {}
        for value, weight in zip(self.values, weights, strict=True):
            found[float(value)] = found.get(float(value), 0.0) + weight / sum(weights)
        return found

    def log_density(self, value: float) -> float:
        """Return the logarithm of a value's probability."""
        share = self.probabilities().get(float(value), 0.0)
        return math.log(share) if share else -math.inf

    def entropy(self) -> float:
        """Return Shannon's entropy in nats."""
        return -sum(p * math.log(p) for p in self.probabilities().values() if p)

    def __str__(self) -> str:
        weights = f"; {text_of(self.weights)}" if self.weights else ""
        return f"{self.word}({text_of(self.values)}{weights})"


@dataclass(frozen=True)
class Mixture(Distribution):
    """One of several distributions, with the chance written before it.

    `mixture(0.2 * uniform(0, 1), 0.8 * normal(0.4, 0.1))`; chances are scaled to sum to 1.
    """

    parts: tuple[Distribution, ...] = field()
    weights: tuple[float, ...] = field()
    word: ClassVar[str] = "mixture"
    form: ClassVar[str] = "0.2 * uniform(0, 1), ..."

    def __post_init__(self) -> None:
        if not self.parts:
            raise ChangeError("mixture: needs at least one distribution")
        _weights(self.word, self.weights, len(self.parts), "distributions")

    @property
    def support(self) -> tuple[float, float]:
        """From the lowest to the highest value of any part."""
        lows, highs = zip(*(part.support for part in self.parts), strict=True)
        return min(lows), max(highs)

    def sample(self, rng: np.random.Generator) -> float:
        """Draw one value."""
        return self.parts[_pick(self.weights, rng)].sample(rng)

    def log_density(self, value: float) -> float:
        """Return the logarithm of the density at a value."""
        if any(part.discrete for part in self.parts):
            raise ChangeError(f"'{self}' has no density: a part of it draws single values")
        logs = [
            math.log(w / sum(self.weights)) + part.log_density(value)
            for part, w in zip(self.parts, self.weights, strict=True)
            if w
        ]
        return float(np.logaddexp.reduce(logs))

    def entropy(self) -> float:
        """Return the differential entropy in nats, by quadrature."""
        return _expected(self, lambda value: -self.log_density(value))

    def __str__(self) -> str:
        parts = zip(self.weights, self.parts, strict=True)
        return f"{self.word}({', '.join(f'{text_of(w)} * {part}' for w, part in parts)})"


def kl_divergence(p: Distribution, q: Distribution) -> float:
    """Return the Kullback-Leibler divergence KL(p || q) in nats.

    Args:
        p: the distribution that the expectation is over.
        q: the other one; both discrete, or both with a density.

    Returns:
        A number >= 0; infinite where q cannot give what p draws.

    Raises:
        ChangeError: one has a density and the other has not.

    >>> round(kl_divergence(Uniform(0, 1), Uniform(0, 2)), 6) == round(math.log(2), 6)
    True
    """
    if p.discrete != q.discrete:
        raise ChangeError(f"no divergence between '{p}' and '{q}': only one has a density")
    if p.discrete:
        shares = p.probabilities()
        return sum(s * (math.log(s) - q.log_density(v)) for v, s in shares.items() if s)
    if isinstance(p, Normal) and isinstance(q, Normal):
        ratio = p.std / q.std
        return (ratio**2 + ((p.mean - q.mean) / q.std) ** 2 - 1) / 2 - math.log(ratio)
    if p.support[0] < q.support[0] or p.support[1] > q.support[1]:
        return math.inf
    return _expected(p, lambda value: p.log_density(value) - q.log_density(value))


def _expected(p: Distribution, function: Any) -> float:
    """Return the expectation of a function under a density, by quadrature over its quantiles."""
    from scipy.integrate import quad

    low, high = _finite_support(p)
    ends = sorted({e for part in getattr(p, "parts", (p,)) for e in _finite_support(part)})
    inner = [end for end in ends if low < end < high]

    def integrand(value: float) -> float:
        log = p.log_density(value)
        return math.exp(log) * function(value) if log > -700 else 0.0

    return float(quad(integrand, low, high, points=inner or None, limit=400)[0])


def _finite_support(p: Distribution) -> tuple[float, float]:
    """Return bounds outside of which less than 1e-12 of a distribution lies."""
    if isinstance(p, Mixture):
        lows, highs = zip(*map(_finite_support, p.parts), strict=True)
        return min(lows), max(highs)
    if all(map(math.isfinite, p.support)):
        return p.support
    frozen = p._scipy()
    return float(frozen.ppf(1e-13)), float(frozen.isf(1e-13))


def text_of(value: Any) -> str:
    """Return a number, several, or a distribution as text that reads back exactly."""
    if isinstance(value, Distribution):
        return str(value)
    if isinstance(value, tuple):
        return ", ".join(text_of(part) for part in value)
    return repr(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(value)


def _stats() -> Any:
    from scipy import stats

    return stats


def _pick(weights: tuple[float, ...], rng: np.random.Generator) -> int:
    """Draw a place with chances in proportion to weights."""
    ends = np.cumsum(weights)
    # A rounding step could lead past the end.
    return min(int(np.searchsorted(ends, rng.random() * ends[-1], side="right")), len(ends) - 1)


def _ordered(word: str, low: float, high: float) -> None:
    if low > high:
        raise ChangeError(f"{word}: low {low:g} is above high {high:g}")


def _positive(word: str, **values: float) -> None:
    for name, value in values.items():
        if value <= 0:
            raise ChangeError(f"{word}: {name} must be above 0, got {value:g}")


def _weights(word: str, weights: tuple[float, ...], count: int, of: str) -> None:
    if len(weights) != count:
        raise ChangeError(f"{word}: {len(weights)} weights for {count} {of}")
    if not all(math.isfinite(w) and w >= 0 for w in weights) or sum(weights) <= 0:
        raise ChangeError(f"{word}: weights are at least 0, and one is above")
