"""The callback that hands outcomes to a randomizer, and what it learned to the worlds."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stable_baselines3.common.callbacks import BaseCallback

from ...core.errors import HeadstartError
from .base import EpisodeOutcome, Randomizer, Spread
from .signal import Signal
from .wrapper import DRAWN

STAGES = 50
"""How often, at most, it is looked up in a training where a randomizer draws."""
RECORD = "randomization.jsonl"
"""The file beside a training's curve that has all its draws."""


class RandomizationCallback(BaseCallback):
    """Updates a randomizer between rollouts; for any Stable-Baselines3 algorithm.

    The training worlds are in a `Randomization` of the same randomizer, and in a `Monitor`. Between
    rollouts the randomizer is told the episodes that ended, in the order of steps and worlds; what
    it draws then is sent to all worlds. `state` and `restore` are for a checkpoint.
    """

    def __init__(
        self, randomizer: Randomizer, signal: Signal | None = None, record: Path | None = None
    ) -> None:
        """Make the callback.

        Args:
            randomizer: started; the same that the worlds have copies of.
            signal: how episodes are judged; None only for a randomizer that learns nothing.
            record: the file to write draws and scores to, as JSON lines.

        Raises:
            HeadstartError: the randomizer learns from outcomes and there is no signal.
        """
        super().__init__()
        if randomizer.adaptive and signal is None:
            raise HeadstartError(f"{type(randomizer).__name__} learns from outcomes: give a signal")
        self.randomizer, self.signal = randomizer, signal
        self._record = None if record is None else _Record(record)
        self._outcomes: list[EpisodeOutcome] = []
        self._sent = False
        self._spread: Spread | None = None
        self._looked = -1

    def state(self) -> dict[str, Any]:
        """Return what the randomizer has learned, as plain JSON data."""
        rows = 0 if self._record is None else self._record.flush()
        spread = None if self._spread is None else [self._spread.ends, self._spread.entropy]
        return {
            "randomizer": self.randomizer.state_dict(),
            "rows": rows,
            "spread": spread,
            "looked": self._looked,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""
        self.randomizer.load_state_dict(state["randomizer"])
        self._sent = False
        if state["spread"] is not None:
            ends, entropy = state["spread"]
            self._spread = Spread(
                {name: (low, high) for name, (low, high) in ends.items()}, entropy
            )
        self._looked = int(state["looked"])
        if self._record is not None:
            self._record.cut(int(state["rows"]))

    def _on_step(self) -> bool:
        if not self.locals["dones"].any():
            return True
        for done, info in zip(self.locals["dones"], self.locals["infos"], strict=True):
            if done and DRAWN in info:
                total = float(info["episode"]["r"])
                judged = (0.0, False) if self.signal is None else self.signal.judge(total, info)
                self._outcomes.append(EpisodeOutcome(info[DRAWN], *judged))
        return True

    def _on_rollout_start(self) -> None:
        self._hand_on()

    def _on_training_end(self) -> None:
        self._hand_on()
        if self._record is not None:
            self._record.flush()

    def _hand_on(self) -> None:
        """Tell the randomizer what ended, and the worlds what it draws then."""
        outcomes, self._outcomes = self._outcomes, []
        changed = self.randomizer.update(outcomes, self.num_timesteps)
        if changed or not self._sent:
            self.training_env.env_method("follow_randomizer", self.randomizer.sampler())
            self._sent = True
        if outcomes:
            self._log(outcomes)

    def _spread_now(self) -> Spread:
        """Return where the randomizer draws, looked up rarely: some have to draw to know."""
        due = self.num_timesteps // max(1, self.randomizer.budget.steps // STAGES)
        if self._spread is None or due != self._looked:
            self._spread, self._looked = self.randomizer.spread(), due
        return self._spread

    def _log(self, outcomes: list[EpisodeOutcome]) -> None:
        spread = self._spread_now()
        if self.signal is not None:
            for outcome in outcomes:
                self.logger.record_mean("randomization/success", float(outcome.success))
                self.logger.record_mean("randomization/score", outcome.score)
        if spread.entropy is not None:
            self.logger.record("randomization/entropy", spread.entropy)
        for name, (low, high) in spread.ends.items():
            self.logger.record(f"randomization/{name}/low", low)
            self.logger.record(f"randomization/{name}/high", high)
        if self._record is not None:
            self._record.add(
                {
                    "step": self.num_timesteps,
                    "ends": {name: list(ends) for name, ends in spread.ends.items()},
                    "entropy": spread.entropy,
                    "draws": [one.draw.values for one in outcomes],
                    "scores": None if self.signal is None else [one.score for one in outcomes],
                    "successes": None if self.signal is None else [o.success for o in outcomes],
                }
            )


class _Record:
    """A file of JSON lines that is written at checkpoints, and cut back to one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._waiting: list[str] = []
        self._rows = 0
        self._begun = False

    def add(self, row: Mapping[str, Any]) -> None:
        """Keep a line to be written."""
        self._waiting.append(json.dumps(row, allow_nan=False) + "\n")

    def flush(self) -> int:
        """Write what waits, in a new file at first; return how many lines there are."""
        with open(self.path, "a" if self._begun else "w", encoding="utf-8") as file:
            file.writelines(self._waiting)
            file.flush()
            os.fsync(file.fileno())
        self._rows += len(self._waiting)
        self._waiting, self._begun = [], True
        return self._rows

    def cut(self, rows: int) -> None:
        """Drop all lines after the first so many, which a run that was cut short had written."""
        lines = self.path.read_text(encoding="utf-8").splitlines(True) if self.path.exists() else []
        if len(lines) < rows:
            raise HeadstartError(f"'{self.path}' has {len(lines)} lines of {rows}; was it edited?")
        self.path.write_text("".join(lines[:rows]), encoding="utf-8")
        self._rows, self._waiting, self._begun = rows, [], True
