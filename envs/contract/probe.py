"""A short probe of an environment, before a run: are its returns those of seeds and policy alone?

The checks of the contract take minutes and say how to fix a world; these take seconds, and find
what would make the numbers of a run wrong without a word.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Literal

from .subject import Env, actions, trajectory, trajectory_difference

Make = Callable[[], Env]
FindingKind = Literal["seed", "state", "instances", "effect", "endless", "raises"]
STEPS = 40
"""Steps of the trajectories that are compared."""
LONG_STEPS = 400
"""Steps within which a change of the world must show."""
EPISODE_STEPS = 100_000
"""Steps after which an evaluation takes an episode never to end."""
HOPELESS_STEPS = 5_000
"""Steps after which an episode of random actions without a limit is taken never to end."""
EPISODE_SECONDS = 4.0
"""Seconds that an episode of random actions is followed for."""


@dataclass(frozen=True)
class Finding:
    """What a probe found; `kind` says what it touches, `text` what was seen, in one line.

    `fatal`: whether nothing that is measured in the world can be compared.
    """

    kind: FindingKind
    text: str
    fatal: bool = False


def probe_world(make: Make) -> list[Finding]:
    """Return what is wrong with the seeds, the resets and the episodes of an environment.

    Args:
        make: makes one instance; three are made, two of them at a time.
    """
    with ExitStack() as opened:
        first = _open(make, opened)
        expected = trajectory(first, STEPS)
        with ExitStack() as for_now:
            difference = trajectory_difference(expected, trajectory(_open(make, for_now), STEPS))
        if difference is not None:
            return [
                Finding(
                    "seed",
                    "the same seed and actions gave two different episodes in two instances "
                    f"({difference}): returns differ by chance that no seed decides",
                ),
                *_endless(first),
            ]
        found = []
        if (difference := _after_others(first, expected)) is not None:
            found.append(
                Finding(
                    "state",
                    "an episode depends on those before it: the same seed and actions gave another "
                    f"one after others ({difference}); something, such as a wrapper's statistics, "
                    "is kept over resets",
                )
            )
        elif (difference := _beside_another(first, _open(make, opened), expected)) is not None:
            found.append(
                Finding(
                    "instances",
                    "two instances in one process disturb each other: an episode is another one "
                    f"beside them ({difference}); keep state on self, and name the simulator's "
                    "client in every call",
                    fatal=True,
                )
            )
        return [*found, *_endless(first)]


def probe_effect(make: Make, changed: Mapping[str, Make]) -> list[Finding]:
    """Return which changes of a world have no effect on any observation or reward.

    Args:
        make: makes the world without the changes.
        changed: makes the world with one of them, by what the change is called.
    """
    found = []
    for name, make_changed in changed.items():
        with ExitStack() as opened:
            one, other = _open(make, opened), _open(make_changed, opened)
            tries = ((STEPS, 3), (LONG_STEPS, 4))
            if not any(_differ(one, other, steps, seed) for steps, seed in tries):
                found.append(
                    Finding(
                        "effect",
                        f"{name} changed no observation and no reward in {LONG_STEPS} steps",
                    )
                )
    return found


def _open(make: Make, opened: ExitStack) -> Env:
    env = make()
    opened.callback(env.close)
    return env


def _after_others(env: Env, expected: Any) -> str | None:
    """Return how an episode differs from itself once others have been run, or None."""
    for number in range(3):
        trajectory(env, STEPS // 2 + number, seed=5 + number, actions_seed=1 + number)
    return trajectory_difference(expected, trajectory(env, STEPS))


def _beside_another(env: Env, other: Env, expected: Any) -> str | None:
    """Return how an episode differs from itself while another instance is stepped, or None."""
    drawn = iter(actions(other.action_space, STEPS, seed=7))
    other.reset(seed=9)

    def disturb() -> None:
        if any(other.step(next(drawn))[2:4]):
            other.reset()

    return trajectory_difference(expected, trajectory(env, STEPS, between=disturb))


def _differ(one: Env, other: Env, steps: int, seed: int) -> bool:
    first = trajectory(one, steps, seed=seed)
    return trajectory_difference(first, trajectory(other, steps, seed=seed)) is not None


def _endless(env: Env) -> list[Finding]:
    """Follow an episode of random actions, unless the environment states a limit of steps."""
    if env.spec is not None and env.spec.max_episode_steps is not None:
        return []
    begun, steps = time.monotonic(), 0
    env.action_space.seed(0)
    env.reset(seed=0)
    while steps < EPISODE_STEPS and time.monotonic() - begun < EPISODE_SECONDS:
        steps += 1
        if any(env.step(env.action_space.sample())[2:4]):
            return []
    text = (
        f"an episode of random actions had not ended after {steps:,} steps, and the world has no "
        "time limit; give it one, by max_episode_steps where it is registered or "
        "'gymnasium.wrappers:TimeLimit' among its wrappers"
    )
    return [Finding("endless", text, fatal=steps >= HOPELESS_STEPS)]
