"""Target worlds that count their steps while nobody else does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium

World = gymnasium.Env[Any, Any]


class CountedWorlds:
    """Makes worlds and counts what steps are taken in them until told to stop.

    A world steps as fast as ever afterwards: its own `step` is only covered while they are counted.
    """

    def __init__(self, make: Callable[[], World]) -> None:
        self._make = make
        self._counted: list[World] = []
        self._counting = True
        self.steps = 0

    def make(self) -> World:
        """Make a world."""
        world = self._make()
        if self._counting:
            step = world.step

            def counted(action: Any) -> Any:
                self.steps += 1
                return step(action)

            world.step = counted  # type: ignore[method-assign]
            self._counted.append(world)
        return world

    def stop(self) -> int:
        """Count no more, and return how many steps there were."""
        for world in self._counted:
            del world.step
        self._counted.clear()
        self._counting = False
        return self.steps
