"""The signal of success: what an episode's return, or the world, says of how it went."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gymnasium

from ...envs.shifts import stored_anchors
from .base import Adaptive, Randomizer, RandomizerError

PROBE_STEPS = 2_000


@dataclass(frozen=True)
class Signal:
    """How an episode is judged.

    Args:
        returns: the returns that mean a score of 0 and of 1; None to take the world's own success.
        threshold: the score from which an episode is a success.

    >>> Signal((0.0, 200.0), 0.8).judge(170.0, {})
    (0.85, True)
    """

    returns: tuple[float, float] | None
    threshold: float = 0.8

    def judge(self, total: float, info: Mapping[str, Any]) -> tuple[float, bool]:
        """Return the score of an episode and whether it is a success.

        Args:
            total: its return.
            info: its last info.
        """
        if self.returns is not None:
            zero, one = self.returns
            score = (total - zero) / (one - zero)
            return score, score >= self.threshold
        success = bool(own_success(info))
        return float(success), success

    def __str__(self) -> str:
        if self.returns is None:
            return "the world's own success"
        return f"a score of {self.threshold:g}, a return of {self._bound():.5g}"

    def _bound(self) -> float:
        assert self.returns is not None
        zero, one = self.returns
        return zero + self.threshold * (one - zero)


def own_success(info: Mapping[str, Any]) -> Any:
    """Return what a world says of success at an episode's end; None if nothing."""
    return info.get("success", info.get("is_success"))


def signal_of(
    randomizer: Randomizer, world_id: str, env: gymnasium.Env[Any, Any], *, changed: bool = False
) -> Signal | None:
    """Return the signal of success of a randomizer in a world.

    Args:
        randomizer: its settings `returns` and `threshold` come first.
        world_id: the world's id; stored anchors are the second choice.
        env: the world; its own success is the third, found by an episode of random actions.
        changed: whether keywords or wrappers make stored anchors those of another world.

    Returns:
        The signal; None for a randomizer that needs none, in a world that has none.

    Raises:
        RandomizerError: the randomizer needs one, and there is none.
    """
    threshold = randomizer.threshold if isinstance(randomizer, Adaptive) else 0.8
    if isinstance(randomizer, Adaptive) and randomizer.returns is not None:
        return Signal(randomizer.returns, threshold)
    stored = None if changed else stored_anchors(world_id, {})
    if stored is not None:
        return Signal((stored["random"], stored["reference"]), threshold)
    if not randomizer.adaptive:
        return Signal(None) if _tells_success(env) else None
    if _tells_success(env):
        return Signal(None)
    name = randomizer.name or type(randomizer).__name__
    raise RandomizerError(
        f"{name} needs to know which episodes succeed, and '{world_id}' has no stored returns "
        "(0 random actions, 1 solved) and reports no success; give the returns that mean 0 and 1, "
        "as in {" + name + ": {returns: [20, 500]}}"
    )


def _tells_success(env: gymnasium.Env[Any, Any]) -> bool:
    """Return whether the last info of an episode of random actions has a success."""
    env.action_space.seed(0)
    env.reset(seed=0)
    for _ in range(PROBE_STEPS):
        *_, terminated, truncated, info = env.step(env.action_space.sample())
        if terminated or truncated:
            return own_success(info) is not None
    return False
