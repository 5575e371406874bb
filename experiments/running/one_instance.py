"""Worlds that exist once, such as a robot: opened once, lent to whoever steps them, closed always.

A process holds such a world from its first trial to its last. It is closed when the process ends,
whatever ends it but a signal that no process can catch, and when a trial in it fails.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import Any

import gymnasium

from ...agents.algorithms import Algorithm
from .claims import claim

World = gymnasium.Env[Any, Any]
Ready = bool | Callable[[str], bool]
"""Whether what exists once may move, or what asks so with a text."""
GRACE = 10.0
"""Seconds that a process has to close its worlds before it ends anyway."""


class Lent(gymnasium.Wrapper[Any, Any, Any, Any]):
    """A world that somebody else closes."""

    def __init__(self, env: World, on_reset: Callable[[], None]) -> None:
        super().__init__(env)
        self._on_reset = on_reset

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode: from here on it moves."""
        self._on_reset()
        return self.env.reset(seed=seed, options=options)

    def close(self) -> None:
        """Leave it open."""


class Instances:
    """The worlds that exist once and that this process holds; a context that closes them.

    Attributes:
        moved: whether one of them was reset since this was set to False.
    """

    def __init__(self) -> None:
        self.moved = False
        self._worlds: dict[str, World] = {}
        self._claims: dict[str, ExitStack] = {}

    def __enter__(self) -> Instances:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __bool__(self) -> bool:
        return bool(self._worlds)

    def reserve(self, run: Path, target: str) -> bool:
        """Claim a target for this process; return whether it is not another's.

        Raises:
            StoreError: the run directory cannot be written.
        """
        if target in self._claims:
            return True
        stack = ExitStack()
        if stack.enter_context(claim(run, instance_claim(target))) is None:
            return False
        self._claims[target] = stack
        return True

    def lend(self, target: str, make: Callable[[], World]) -> World:
        """Return a target's world, opened where it is not; closing it leaves it open."""
        if target not in self._worlds:
            _close_at_the_end()
            self._worlds[target] = make()
        return Lent(self._worlds[target], self._on_reset)

    def close(self) -> None:
        """Close all worlds, and give the targets back."""
        try:
            while self._worlds:
                self._worlds.popitem()[1].close()
        finally:
            while self._claims:
                self._claims.popitem()[1].close()

    def _on_reset(self) -> None:
        self.moved = True


def instance_claim(target: str) -> str:
    """Return the name of the claim of a target that exists once."""
    return f"instances/{target}"


def in_one_world(algorithm: Algorithm) -> Algorithm:
    """Return an algorithm that learns in a single world, from rollouts of as many steps.

    >>> from headstart.agents.algorithms import resolve_algorithm
    >>> many = resolve_algorithm({"ppo": {"worlds": 8, "n_steps": 64}}, "Pendulum-v1")
    >>> one = in_one_world(many)
    >>> one.worlds, one.value("n_steps"), one.rollout == many.rollout
    (1, 512, True)
    """
    if algorithm.worlds == 1:
        return algorithm
    steps = {"n_steps" if algorithm.on_policy else "train_freq": algorithm.rollout}
    return algorithm.replace(worlds=1, **steps)


def declared_period(world: World) -> float | None:
    """Return what a step takes on a robot, in seconds, as `metadata` or `dt` tell; else None."""
    inner = world.unwrapped
    told = (inner.metadata or {}).get("control_period", getattr(inner, "dt", None))
    return float(told) if isinstance(told, (int, float)) and told > 0 else None


def end_soon(instances: Instances) -> None:
    """End this process from any of its threads, once its worlds are closed."""
    if instances:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(GRACE)
    os._exit(0)


def _close_at_the_end() -> None:
    """Have a request to end this process close its worlds on the way out, once."""
    if threading.current_thread() is not threading.main_thread():
        return

    def leave(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_IGN)
        sys.exit(0)

    signal.signal(signal.SIGTERM, leave)
