"""What a source's training drew, and how those episodes went: read from its record."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..records import RunError

RECORD = "randomization.jsonl"


@dataclass(frozen=True)
class TrainingDraws:
    """The draws of one source's training.

    `steps` (m,) are those of the updates; `ends` (m, 2) by parameter are the values between which
    it drew then, `entropy` (m,) that over the unit cube, NaN where it is not known. Of each
    episode: its step `at` (n,), its `values` (n,) by parameter, and, unless the world has no signal
    of success, its `scores` (n,) and `successes` (n,).
    """

    seed: int
    steps: np.ndarray
    ends: Mapping[str, np.ndarray]
    entropy: np.ndarray
    at: np.ndarray
    values: Mapping[str, np.ndarray]
    scores: np.ndarray | None
    successes: np.ndarray | None

    @property
    def varied(self) -> list[str]:
        """The parameters that differ between episodes."""
        return [name for name, values in self.values.items() if np.ptp(values) > 0]

    def success_rate(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Return steps and success rates of so many stretches of training, equal in episodes."""
        assert self.successes is not None
        parts = np.array_split(np.arange(self.at.size), min(count, self.at.size))
        steps = np.array([self.at[part].mean() for part in parts])
        return steps, np.array([self.successes[part].mean() for part in parts])


def read_draws(run: Path) -> list[TrainingDraws]:
    """Return the draws of every source of a run that has a record, by seed.

    Raises:
        RunError: a record is damaged.
    """
    found = []
    for path in run.glob(f"source/*/seed-*/{RECORD}"):
        seed = int(path.parent.name.removeprefix("seed-"))
        try:
            rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
            if rows:
                found.append(_draws(seed, rows))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RunError(f"{path} is damaged: {error!r}") from None
    return sorted(found, key=lambda one: one.seed)


def _draws(seed: int, rows: list[dict[str, object]]) -> TrainingDraws:
    draws = [draw for row in rows for draw in _list(row["draws"])]
    judged = all(row["scores"] is not None for row in rows)
    at = [row["step"] for row in rows for _ in _list(row["draws"])]
    entropy = [np.nan if row["entropy"] is None else row["entropy"] for row in rows]
    names = list(rows[0]["ends"])  # type: ignore[call-overload]
    return TrainingDraws(
        seed=seed,
        steps=np.array([row["step"] for row in rows], dtype=float),
        ends={n: np.array([row["ends"][n] for row in rows]) for n in names},  # type: ignore[index]
        entropy=np.array(entropy, dtype=float),
        at=np.array(at, dtype=float),
        values={name: np.array([draw[name] for draw in draws]) for name in draws[0]},
        scores=_column(rows, "scores") if judged else None,
        successes=_column(rows, "successes") if judged else None,
    )


def _column(rows: list[dict[str, object]], key: str) -> np.ndarray:
    return np.array([value for row in rows for value in _list(row[key])], dtype=float)


def _list(value: object) -> list[dict[str, float]]:
    assert isinstance(value, list)
    return value
