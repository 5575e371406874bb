"""Distributions of several parameters together, for what is correlated."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .distributions import ChangeError, Distribution, Normal, text_of
from .empirical import Empirical, csv_columns


@dataclass(frozen=True)
class JointDistribution:
    """The base class of distributions over several parameters."""

    word: ClassVar[str]
    form: ClassVar[str]

    @property
    def size(self) -> int | None:
        """How many parameters it draws; None where that follows from their names."""
        raise NotImplementedError

    def check(self, names: tuple[str, ...]) -> None:
        """Raise ChangeError unless it draws these parameters."""
        if self.size is not None and self.size != len(names):
            raise ChangeError(f"{self.word} draws {self.size} values for {', '.join(names)}")

    def sample(self, names: tuple[str, ...], rng: np.random.Generator) -> tuple[float, ...]:
        """Draw one value for each name."""
        raise NotImplementedError

    def marginal(self, names: tuple[str, ...], place: int) -> Distribution:
        """Return the distribution of one of the parameters alone."""
        raise NotImplementedError


@dataclass(frozen=True)
class MultivariateNormal(JointDistribution):
    """Correlated Gaussian: means; stds; correlations (1 with 2, 1 with 3, ..., 2 with 3, ...).

    `"mass, friction": "* multinormal(1, 1; 0.1, 0.2; -0.5)"`. A draw that leaves the hard bounds of
    a parameter is drawn again.
    """

    means: tuple[float, ...]
    stds: tuple[float, ...]
    correlations: tuple[float, ...] = ()
    word: ClassVar[str] = "multinormal"
    form: ClassVar[str] = "means; stds; correlations"

    def __post_init__(self) -> None:
        count = len(self.means)
        pairs = count * (count - 1) // 2
        if count < 2 or len(self.stds) != count or len(self.correlations) not in (0, pairs):
            raise ChangeError(
                f"{self.word} takes (means; stds; correlations): of {count} parameters {count} "
                f"means, {count} stds and {pairs} correlations"
            )
        if not all(map(math.isfinite, (*self.means, *self.stds, *self.correlations))):
            raise ChangeError(f"{self.word}: its arguments must be finite")
        if min(self.stds) <= 0:
            raise ChangeError(f"{self.word}: stds must be above 0, got {min(self.stds):g}")
        try:
            object.__setattr__(self, "_factor", np.linalg.cholesky(self.covariance()))
        except np.linalg.LinAlgError:
            raise ChangeError(
                f"{self.word}: no distribution has these correlations together"
            ) from None

    @property
    def size(self) -> int:
        """How many parameters it draws."""
        return len(self.means)

    def covariance(self) -> np.ndarray:
        """Return the covariance matrix."""
        matrix = np.eye(self.size)
        if self.correlations:
            matrix[np.triu_indices(self.size, 1)] = self.correlations
            matrix = np.triu(matrix) + np.triu(matrix, 1).T
        found: np.ndarray = matrix * np.outer(self.stds, self.stds)
        return found

    def sample(self, names: tuple[str, ...], rng: np.random.Generator) -> tuple[float, ...]:
        """Draw one value for each name."""
        factor: np.ndarray = self._factor  # type: ignore[attr-defined]
        return tuple((np.array(self.means) + factor @ rng.standard_normal(self.size)).tolist())

    def marginal(self, names: tuple[str, ...], place: int) -> Distribution:
        """Return the Gaussian of one of the parameters alone."""
        return Normal(self.means[place], self.stds[place])

    def log_density(self, values: tuple[float, ...]) -> float:
        """Return the logarithm of the density at a point."""
        factor: np.ndarray = self._factor  # type: ignore[attr-defined]
        scaled = np.linalg.solve(factor, np.subtract(values, self.means))
        logs = float(np.log(np.diag(factor)).sum())
        return -0.5 * float(scaled @ scaled) - logs - 0.5 * self.size * math.log(2 * math.pi)

    def entropy(self) -> float:
        """Return the differential entropy in nats."""
        factor: np.ndarray = self._factor  # type: ignore[attr-defined]
        logs = float(np.log(np.diag(factor)).sum())
        return logs + 0.5 * self.size * math.log(2 * math.pi * math.e)

    def __str__(self) -> str:
        parts = [self.means, self.stds, *([self.correlations] if self.correlations else [])]
        return f"{self.word}({'; '.join(map(text_of, parts))})"


@dataclass(frozen=True)
class JointEmpirical(JointDistribution):
    """One row of a CSV file, such as posterior samples; columns are found by the parameters' names.

    `"mass, friction": "= empirical(posterior.csv)"`.
    """

    file: str
    word: ClassVar[str] = "empirical"
    form: ClassVar[str] = "file"

    @property
    def size(self) -> None:
        """None: it follows from the names."""
        return None

    def check(self, names: tuple[str, ...]) -> None:
        """Raise ChangeError unless the file has a column for each name."""
        for name in names:
            Empirical(self.file, name)

    def sample(self, names: tuple[str, ...], rng: np.random.Generator) -> tuple[float, ...]:
        """Draw one value for each name, all from one row."""
        columns = csv_columns(self.file)
        row = int(rng.integers(len(columns[names[0]])))
        return tuple(columns[name][row] for name in names)

    def marginal(self, names: tuple[str, ...], place: int) -> Distribution:
        """Return the distribution of one of the parameters alone."""
        return Empirical(self.file, names[place])

    def __str__(self) -> str:
        return f"{self.word}({self.file})"
