"""A distribution given by samples: the numbers in a column of a CSV file."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np

from ..core.errors import nearest
from .distributions import ChangeError, Choice, Distribution


@dataclass(frozen=True)
class Empirical(Distribution):
    """One of the numbers in a column of a CSV file, each row as likely; needs no header."""

    file: str
    column: str = ""
    word: ClassVar[str] = "empirical"
    discrete: ClassVar[bool] = True

    def __post_init__(self) -> None:
        columns = csv_columns(self.file)
        if not self.column and len(columns) > 1:
            raise ChangeError(
                f"empirical: '{self.file}' has the columns {', '.join(columns)}: name one, as in "
                f"empirical({self.file}, {next(iter(columns))})"
            )
        name = self.column or next(iter(columns))
        if name not in columns:
            raise ChangeError(
                f"empirical: '{self.file}' has no column '{name}'{nearest(name, columns)}"
            )
        object.__setattr__(self, "_values", columns[name])

    @property
    def values(self) -> tuple[float, ...]:
        """The numbers, in the file's order."""
        return self._values  # type: ignore[attr-defined, no-any-return]

    @property
    def support(self) -> tuple[float, float]:
        """The smallest and the largest of the numbers."""
        return min(self.values), max(self.values)

    def sample(self, rng: np.random.Generator) -> float:
        """Draw one value."""
        return self.values[int(rng.integers(len(self.values)))]

    def probabilities(self) -> dict[float, float]:
        """Return each value's share of the rows."""
        return Choice(self.values).probabilities()

    def log_density(self, value: float) -> float:
        """Return the logarithm of a value's share of the rows."""
        return Choice(self.values).log_density(value)

    def entropy(self) -> float:
        """Return Shannon's entropy in nats."""
        return Choice(self.values).entropy()

    def __str__(self) -> str:
        return f"{self.word}({self.file}{', ' if self.column else ''}{self.column})"


@cache
def csv_columns(path: str) -> dict[str, tuple[float, ...]]:
    """Return the columns of numbers in a CSV file by name; "1", "2", ... where there is no header.

    Raises:
        ChangeError: the file cannot be read, is empty, or holds something other than numbers.
    """
    try:
        with open(path, newline="", encoding="utf-8") as file:
            rows = [row for row in csv.reader(file) if row]
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ChangeError(f"empirical: cannot read '{path}': {why}") from None
    if not rows:
        raise ChangeError(f"empirical: '{path}' is empty")
    names = [str(place + 1) for place in range(len(rows[0]))]
    if not all(map(_is_number, rows[0])):
        names, rows = [name.strip() for name in rows[0]], rows[1:]
    if not rows:
        raise ChangeError(f"empirical: '{path}' has a header and no numbers")
    for number, row in enumerate(rows, 1):
        if len(row) != len(names) or not all(map(_is_number, row)):
            raise ChangeError(f"empirical: '{path}': row {number} is no {len(names)} numbers")
    return {n: tuple(float(row[i]) for row in rows) for i, n in enumerate(names)}


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
