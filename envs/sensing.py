"""Noise, bias, delay and dropout, as declared properties of a channel.

Robots and tasks write what is physically true into named channels; what a policy gets is what the
channels *report*. The same holds for commands on their way to the motors. Delays are in seconds
and continuous: half a control step is a delay of half a control step.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .parameters import Parameter, ParameterError

# What a delay in control or physics steps may be off by before it counts as fractional: a delay
# of 0.05 s at 20 Hz must be one step, not one step and 1e-16 of the next.
ROUNDING = 1e-9


@dataclass(frozen=True)
class Channel:
    """A named, contiguous part of the observation.

    `low` and `high` bound the true values, in `unit`. `noise` is the standard deviation of
    additive white Gaussian noise, `bias` a constant offset (both in `unit`), `delay` is in
    seconds, `dropout` is the chance per element and step of reporting `dropped` instead; where
    that is None, what was reported last is reported again (an episode's first is never dropped).
    `goal` marks what is drawn at reset and kept for the episode, `angle` elements that wrap around,
    so that pi and -pi are the same. `measured` says whether a real robot has a sensor for it, or
    knows it by itself.
    """

    name: str
    size: int
    unit: str
    low: float | tuple[float, ...]
    high: float | tuple[float, ...]
    about: str
    noise: Parameter | None = None
    bias: Parameter | None = None
    delay: Parameter | None = None
    dropout: Parameter | None = None
    dropped: float | None = 0.0
    goal: bool = False
    angle: bool = False
    measured: bool = True

    def parameters(self) -> list[Parameter]:
        """Return the parameters that this channel declares."""
        return [p for p in (self.noise, self.bias, self.delay, self.dropout) if p is not None]


@dataclass(frozen=True)
class Command:
    """One element of the action: [-1, 1] maps linearly to [low, high] `unit`.

    `rest`, the middle of the range unless given, is held until an episode's first one arrives.
    """

    name: str
    unit: str
    low: float
    high: float
    about: str
    rest: float = math.nan

    def __post_init__(self) -> None:
        if math.isnan(self.rest):
            object.__setattr__(self, "rest", (self.high + self.low) / 2)


class Sensing:
    """All channels of a world: true values in, reported values out.

    `raw` and `report` map a channel's name to a view (float64, shape `(size,)`).
    """

    def __init__(self, channels: Sequence[Channel], period: float) -> None:
        """Lay out the channels; `period` is the control step in seconds."""
        self.channels = tuple(channels)
        self._period = period
        self._slices: dict[str, slice] = {}
        size = 0
        for channel in self.channels:
            if channel.name in self._slices:
                raise ParameterError(f"channel '{channel.name}' is declared twice")
            self._slices[channel.name] = slice(size, size + channel.size)
            size += channel.size
        self._raw, self._report = np.zeros(size), np.zeros(size)
        self.raw = {name: self._raw[s] for name, s in self._slices.items()}
        self.report = {name: self._report[s] for name, s in self._slices.items()}
        self._noise: np.ndarray | None = None
        self._bias: np.ndarray | None = None
        self._delays: list[tuple[slice, DelayLine]] = []
        self._dropouts: list[tuple[slice, float, float | None]] = []
        self._last, self._first = np.zeros(size), True

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the observation's bounds, float32, shape `(size,)` each.

        A channel with noise or bias can report anything, so it is unbounded.
        """
        low, high = np.zeros(self._raw.size, np.float32), np.zeros(self._raw.size, np.float32)
        for channel in self.channels:
            free = channel.noise is not None or channel.bias is not None
            low[self._slices[channel.name]] = -math.inf if free else channel.low
            high[self._slices[channel.name]] = math.inf if free else channel.high
        return low, high

    def configure(self, values: Mapping[str, float]) -> None:
        """Apply the channels' parameters."""
        self.disturb(values)
        self._delays, self._dropouts = [], []
        for channel in self.channels:
            where = self._slices[channel.name]
            if channel.delay is not None and values[channel.delay.name] > 0:
                delay = values[channel.delay.name] / self._period
                line = DelayLine(channel.size, delay, angle=channel.angle)
                self._delays.append((where, line))
            if channel.dropout is not None and values[channel.dropout.name] > 0:
                self._dropouts.append((where, values[channel.dropout.name], channel.dropped))

    def disturb(self, values: Mapping[str, float]) -> None:
        """Apply noise and bias alone, which may change during an episode."""
        noise, bias = np.zeros(self._raw.size), np.zeros(self._raw.size)
        for channel in self.channels:
            where = self._slices[channel.name]
            if channel.noise is not None:
                noise[where] = values[channel.noise.name]
            if channel.bias is not None:
                bias[where] = values[channel.bias.name]
        self._noise = noise if noise.any() else None
        self._bias = bias if bias.any() else None

    def reset(self) -> None:
        """Fill the delay lines with the true values: before the episode nothing moved."""
        for where, line in self._delays:
            line.fill(self._raw[where])
        self._first = True

    def read(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Return the values reported for this control step; call it once a step."""
        report = self._report
        report[:] = self._raw
        for where, line in self._delays:
            report[where] = line.push(self._raw[where])
        if self._bias is not None:
            report += self._bias
        if self._noise is not None:
            report += self._noise * rng.standard_normal(report.size)
        for where, chance, dropped in self._dropouts:
            values = report[where]
            lost = rng.random(values.size) < chance
            if dropped is not None:
                values[lost] = dropped
                continue
            if not self._first:
                values[lost] = self._last[where][lost]
            self._last[where] = values
        self._first = False
        return self.report

    def observation(self) -> np.ndarray:
        """Return a fresh float32 copy of everything reported, shape `(size,)`."""
        return self._report.astype(np.float32)


class DelayLine:
    """A signal sampled every control step and read `delay` steps later, interpolated."""

    def __init__(self, size: int, delay: float, *, angle: bool = False) -> None:
        """Hold a signal of `size` elements; `delay` is in control steps, any number >= 0.

        Between two steps an `angle` (rad) goes the shorter way around.
        """
        self._angle = angle
        self._back, self._fraction = _split(delay)
        self._history = np.zeros((self._back + 2, size))
        self._now = 0

    def fill(self, values: np.ndarray) -> None:
        """Set the whole past to `values`, shape `(size,)`."""
        self._history[:] = values

    def push(self, values: np.ndarray) -> np.ndarray:
        """Add this step's `values` and return the delayed ones, both of shape `(size,)`."""
        history, length = self._history, len(self._history)
        self._now = (self._now + 1) % length
        history[self._now] = values
        newer: np.ndarray = history[self._now - self._back]
        if self._fraction == 0.0:
            return newer
        # One step older than `newer` is, in a ring of back + 2 rows, the row after `now`.
        older: np.ndarray = history[(self._now + 1) % length]
        way = older - newer
        delayed: np.ndarray = newer + self._fraction * (_turned(way) if self._angle else way)
        return _turned(delayed) if self._angle else delayed


class Actuation:
    """Commands to the motors, delayed exactly to a fraction of a physics step.

    A command is held from one control step to the next. Each physics step gets the mean, over its
    own duration, of that held signal shifted by the delay: exact where the delay is a whole number
    of physics steps, continuous in between. `action` is the policy's last one, clipped to [-1, 1].
    """

    def __init__(self, commands: Sequence[Command], substeps: int) -> None:
        """Map actions to `commands`; a control step has `substeps` physics steps."""
        self.commands = tuple(commands)
        self._centre = [(c.high + c.low) / 2 for c in self.commands]
        self._half = [(c.high - c.low) / 2 for c in self.commands]
        self._rest = [c.rest for c in self.commands]
        self._substeps = substeps
        self._schedule: list[tuple[int, float, int]] = []
        self._past: list[list[float]] = []
        self.action = [0.0] * len(self.commands)
        self.configure(0.0)

    def configure(self, delay: float) -> None:
        """Set the delay, in physics steps (any number >= 0)."""
        schedule: list[tuple[int, float]] = []
        whole, fraction = _split(delay)
        for substep in range(self._substeps):
            # The step covers [substep - delay, substep - delay + 1): its first part of length
            # `fraction` lies in physics step `start`, the rest in the one after.
            start = substep - whole - (1 if fraction else 0)
            command, following = start // self._substeps, (start + 1) // self._substeps
            share = fraction if fraction and following != command else 1.0
            schedule.append((-command, share))
        self._schedule = [(*part, len(list(run))) for part, run in itertools.groupby(schedule)]
        self._past = [list(self._rest) for _ in range(max(back for back, _ in schedule) + 1)]

    def rest(self) -> list[float]:
        """Return the command until the first one arrives; the last action is zero then."""
        self.action = [0.0] * len(self._centre)
        return list(self._rest)

    def push(self, action: Iterable[float]) -> list[float]:
        """Clip the policy's action to [-1, 1] and return it in the commands' units.

        Raises:
            ValueError: the action is not of shape `(commands,)`, or not finite.
        """
        # A policy's own array needs no conversion, which costs as much as all else here.
        if not (isinstance(action, np.ndarray) and action.dtype.kind == "f"):
            action = np.asarray(action, dtype=np.float64)
        if action.shape != (len(self._centre),):
            raise ValueError(f"an action has shape ({len(self._centre)},), got {action.shape}")
        values: list[float] = action.tolist()
        # A sum is quick, but may be infinite where no part is.
        if not math.isfinite(sum(values)) and not all(map(math.isfinite, values)):
            raise ValueError(f"the action holds a NaN or an infinity: {values}")
        self.action = [-1.0 if v < -1.0 else 1.0 if v > 1.0 else v for v in values]
        command = [c + h * v for v, c, h in zip(self.action, self._centre, self._half, strict=True)]
        self._past.insert(0, command)
        self._past.pop()
        return command

    def spans(self) -> Iterator[tuple[list[float], int]]:
        """Yield the commands of this control step, each with its number of physics steps."""
        for back, share, steps in self._schedule:
            command = self._past[back]
            if share < 1.0:
                newer = self._past[back - 1]
                command = [
                    share * a + (1.0 - share) * b for a, b in zip(command, newer, strict=True)
                ]
            yield command, steps


def _turned(angles: np.ndarray) -> np.ndarray:
    """Return angles (rad) between -pi and pi; those inside stay exactly the same."""
    turned: np.ndarray = angles - 2 * math.pi * np.round(angles / (2 * math.pi))
    return turned


def _split(delay: float) -> tuple[int, float]:
    """Split a delay in steps into whole steps and a fraction in [0, 1)."""
    whole = math.floor(delay + ROUNDING)
    fraction = delay - whole
    return whole, fraction if fraction > ROUNDING else 0.0
