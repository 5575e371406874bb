"""Properties of any environment: its interface, episodes, outputs and memory."""

from __future__ import annotations

import ctypes
import gc
import math
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

from .subject import (
    BrokenError,
    Moment,
    NotApplicable,
    Noted,
    Subject,
    actions,
    element,
    property_check,
    put_in_force,
    trajectory,
    trajectory_difference,
)

GROWTH = 5 * 2**20  # bytes that may come with allocators settling, not with a leak
ROUNDS = 3  # of which each one must show growth
STATUS = Path("/proc/self/status")
RESHAPED = 5  # resets until lengths and shapes change too, which takes tens of times as long
# A channel with noise has no bounds.
UNWORRIED = re.compile(r"Box observation space m\w+ value is -?infinity")


@property_check(
    means="Nothing can be run on it, and nothing else was checked.",
    fix="Fix the error that is shown; reset returns (observation, info), step returns "
    "(observation, reward, terminated, truncated, info).",
)
def starts(subject: Subject) -> None:
    """It can be made, reset and stepped."""
    env = subject.env
    put_in_force(env, {})
    _, info = env.reset(seed=0)
    if not isinstance(info, dict):
        raise BrokenError(f"reset returned {type(info).__name__} for info, not a dict")
    for action in actions(env.action_space, 3):
        _, _, terminated, truncated, _ = env.step(action)
        if terminated or truncated:
            break


@property_check(
    means="Wrappers and learners rely on Gymnasium's interface, and may fail.",
    fix="Follow the checker's message (gymnasium.utils.env_checker.check_env).",
)
def gymnasium_checker(subject: Subject) -> None:
    """Gymnasium's environment checker passes it."""
    from gymnasium.utils.env_checker import check_env

    with subject.fresh() as env:
        _checker(lambda: check_env(env.unwrapped, skip_render_check=True))


@property_check(
    means="The learners that headstart trains with may refuse it, or learn badly on it.",
    fix="Follow the checker's message (stable_baselines3.common.env_checker.check_env).",
)
def sb3_checker(subject: Subject) -> None:
    """Stable-Baselines3's environment checker passes it."""
    # Its import loads torch, which takes seconds.
    from stable_baselines3.common.env_checker import check_env

    with subject.fresh() as env:
        _checker(lambda: check_env(env, skip_render_check=True))


def _checker(check: Callable[[], None]) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            check()
        except Exception as error:
            raise BrokenError(f"{type(error).__name__}: {error}") from error
    texts = [re.sub(r"\x1b\[\d*m|WARN: ", "", str(warning.message)) for warning in caught]
    notes = [text for text in dict.fromkeys(texts) if not UNWORRIED.search(text)]
    if notes:
        raise Noted("; ".join(notes))


@property_check(
    means="One NaN or infinity ends a training; parameters at their bounds are what "
    "randomization draws.",
    fix="Clip actions in step, guard divisions and roots, and narrow the bounds of parameters "
    "at which the simulation blows up.",
)
def finite(subject: Subject) -> None:
    """Observations and rewards are finite for all actions and parameters, at corners too."""
    env = subject.env
    _finite(subject.recording.moments, "")
    draws = subject.draws(subject.size.draws, block=4)
    for number, values in zip(subject.repeat(subject.size.draws), draws, strict=False):
        corners = number % 4 < 2
        moments = trajectory(
            env,
            subject.size.draw_steps,
            seed=number,
            values=values,
            actions_seed=number,
            corners=corners,
        )
        at = ", ".join(f"{name} {value:.6g}" for name, value in values.items())
        _finite(
            moments,
            f" with {'corner' if corners else 'inner'} actions{' at ' + at if at else ''}",
        )
    put_in_force(env, {})


def _finite(moments: list[Any], where: str) -> None:
    for moment in moments:
        for name, part in moment.values.items():
            if np.issubdtype(part.dtype, np.inexact) and not np.all(np.isfinite(part)):
                text, index = element(part, int(np.argmin(np.isfinite(part))))
                raise BrokenError(f"{moment.when}{where}: {name}{text} is {part[index]}")


@property_check(
    means="Returns are sums of rewards: an array or a string breaks them, or broadcasts them.",
    fix="Return float(reward) from step.",
)
def rewards(subject: Subject) -> None:
    """Rewards are plain numbers."""
    for when, reward in subject.recording.rewards:
        number = isinstance(reward, (int, float, np.integer, np.floating))
        if not number or isinstance(reward, bool):
            raise BrokenError(f"{when}: reward {reward!r} is of type {type(reward).__name__}")


@property_check(
    means="The space scales networks and identifies images; values outside are misread.",
    fix="Widen observation_space, or clip; the dtypes must be equal, too.",
    advisory=True,
)
def in_space(subject: Subject) -> None:
    """Observations lie in the observation space."""
    space = subject.env.observation_space
    recording = subject.recording
    for moment, observation in zip(recording.moments, recording.observations, strict=True):
        if not space.contains(observation):
            parts = ", ".join(f"{name} {_short(part)}" for name, part in moment.values.items())
            raise BrokenError(f"{moment.when}: {parts} is not in {space}")


def _short(part: np.ndarray) -> str:
    return f"{part.dtype}{part.shape} from {np.min(part):.6g} to {np.max(part):.6g}"


@property_check(
    means="A learner that keeps observations would find them changed, and learn from wrong ones.",
    fix="Return a copy (array.copy()), and copy the action before changing it.",
)
def no_aliasing(subject: Subject) -> None:
    """Returned arrays are not overwritten later, nor is the action that step is given."""
    recording = subject.recording
    for number, (now, moment) in enumerate(zip(recording.returned, recording.moments, strict=True)):
        for name, part in now.items():
            if part.tobytes() != moment.values[name].tobytes():
                raise BrokenError(f"{moment.when}: {name} was changed after it was returned")
            for earlier in recording.returned[max(0, number - 2) : number]:
                if np.shares_memory(part, earlier[name]):
                    raise BrokenError(f"{moment.when}: {name} shares memory with an earlier one")
    if recording.changed_action is not None:
        raise BrokenError(f"{recording.changed_action}: step changed it")


@property_check(
    means="An input that never changes teaches nothing; often it is a mistake (a wrong index, "
    "a goal that is never drawn).",
    fix="Leave the element out of the observation, or write what was meant into it.",
    advisory=True,
)
def no_constant(subject: Subject) -> None:
    """No element of the observation is constant over an episode, but for goals."""
    moments = subject.recording.moments
    starts = [k for k, moment in enumerate(moments) if moment.when.startswith("reset")]
    episodes = [
        moments[first:last]
        for first, last in zip(starts, [*starts[1:], len(moments)], strict=True)
        if last - first > 2
    ]
    in_episodes: list[str] = []
    for name in moments[0].values:
        still = _still(moments, name)
        if np.any(still):
            raise BrokenError(
                f"{_places(moments, name, still)} had one value over {len(moments)} observations"
            )
        still = np.all([_still(episode, name) for episode in episodes], axis=0)
        still &= ~_goals(subject, name, still.size)
        if np.any(still):
            in_episodes.append(_places(moments, name, still))
    if in_episodes:
        raise BrokenError(
            f"{'; '.join(in_episodes)} had one value all through each of {len(episodes)} episodes: "
            "right for a goal (a part so named, or a channel of goal=True), else a mistake"
        )


def _still(moments: list[Moment], name: str) -> np.ndarray:
    """Return which elements of an observation never change; a picture counts as one."""
    seen = np.stack([moment.values[name] for moment in moments])
    if seen.ndim == 4 and seen.dtype == np.uint8:
        seen = seen.reshape(len(seen), -1).astype(np.float64).mean(axis=1)
    return np.ravel(np.all(seen == seen[0], axis=0))


def _places(moments: list[Moment], name: str, still: np.ndarray) -> str:
    """Return the names of an observation part's constant elements, at most five."""
    first = moments[0].values[name]
    if first.size != still.size:
        return name
    places = [f"{name}{element(first, int(i))[0]}" for i in np.flatnonzero(still)[:5]]
    return ", ".join(places) + (f" and {still.sum() - 5} more" if still.sum() > 5 else "")


def _goals(subject: Subject, name: str, size: int) -> np.ndarray:
    """Return which elements of an observation are goals, by name or as declared."""
    if "goal" in name:
        return np.ones(size, bool)
    channels = getattr(subject.env.unwrapped, "channels", ())
    goals = np.repeat([c.goal for c in channels], [c.size for c in channels]).astype(bool)
    return goals if goals.size == size else np.zeros(size, bool)


@property_check(
    means="An evaluation waits for the end of its episodes: without one it never returns.",
    fix="Register it with max_episode_steps, or return truncated=True after a number of steps.",
)
def episodes_end(subject: Subject) -> None:
    """Episodes end."""
    ending = subject.ending
    limit = subject.env.spec.max_episode_steps if subject.env.spec else None
    if ending is None and limit is None:
        raise BrokenError(f"no end within {subject.size.longest_episode:,} random steps")
    if ending is not None and not ending.truncated and limit is None and subject.foreign:
        raise Noted(
            f"random episodes are terminated (after {ending.steps} steps at most) and no time "
            "limit was seen: a policy that never fails may never end"
        )


@property_check(
    means="Without it there are returns, but no success rates.",
    fix='Put "success": True or False into info where terminated or truncated is returned '
    '("is_success" does as well).',
)
def success_is_reported(subject: Subject) -> None:
    """The last step of an episode has info["success"], true or false."""
    ending = subject.ending
    if ending is None:
        raise NotApplicable("no episode ended under random actions")
    success = ending.info.get("success", ending.info.get("is_success"))
    if success is None:
        raise Noted(f"info at the end holds {sorted(map(str, ending.info)) or 'nothing'}")
    try:
        number = float(success)
    except (TypeError, ValueError):
        number = math.nan
    if number not in (0.0, 1.0):
        raise BrokenError(f'info["success"] is {success!r} at the end of an episode')


@property_check(
    means="A wrapper that steps once too often would spoil the episodes that follow.",
    fix="Set everything an episode changes in reset; in step after an end, raise or continue.",
)
def after_an_end(subject: Subject) -> None:
    """Steps after an end raise or are ordinary steps, and the next reset starts over."""
    subject.compare()
    env, steps = subject.env, subject.size.trajectory
    ending = subject.ending
    if ending is None:
        raise NotApplicable("no episode ended under random actions")
    before = trajectory(env, steps, values={})
    env.reset(seed=0)
    drawn = iter(actions(env.action_space, ending.steps + 3))
    if not any(any(env.step(action)[2:4]) for action in drawn):
        raise BrokenError("with the same seed and actions an episode ended, and then did not")
    for action in (next(drawn) for _ in range(3)):
        try:
            _, reward, _, _, _ = env.step(action)
        except Exception:
            break
        if not math.isfinite(reward):
            raise BrokenError(f"a step after the end gave the reward {reward}")
    difference = trajectory_difference(before, trajectory(env, steps))
    if difference is not None:
        raise BrokenError(f"with the same seed, before and after such steps: {difference}")


@property_check(
    means="A diverged policy continues silently, and the numbers measured mean nothing.",
    fix="Start step with: if np.shape(action) != self.action_space.shape or "
    "np.isnan(action).any(): raise ValueError(...)",
    advisory=True,
)
def bad_actions(subject: Subject) -> None:
    """An action with a NaN, of a wrong shape or outside a discrete space is refused."""
    env = subject.env
    taken = []
    for what, action in _bad_actions(env.action_space):
        env.reset(seed=0)
        try:
            _, reward, _, _, _ = env.step(action)
        except Exception:
            continue
        taken.append(f"{what} (reward {reward})")
    # The next check gets a new instance, whatever these actions did to this one.
    subject.close()
    if taken:
        raise BrokenError(f"taken without an error: {', '.join(taken)}")


def _bad_actions(space: gymnasium.Space[Any]) -> Iterator[tuple[str, Any]]:
    spaces = gymnasium.spaces
    if isinstance(space, spaces.Box):
        good = actions(space, 1)[0]
        if np.issubdtype(space.dtype, np.floating):
            bad = good.copy()
            bad[..., -1:] = math.nan
            yield "an action with a NaN", bad
        yield f"shape {(*space.shape, 2)}", np.stack([good, good], axis=-1)
        if space.shape:
            longer = np.concatenate([good, good[-1:]])
            yield f"shape {longer.shape}", longer
            yield f"shape {good[:-1].shape}", good[:-1]
    elif isinstance(space, spaces.Discrete):
        yield str(space.start + space.n), space.start + space.n
        yield str(space.start - 1), space.start - 1
    elif isinstance(space, (spaces.MultiDiscrete, spaces.MultiBinary)):
        good = np.ravel(actions(space, 1)[0])
        yield f"{good.size + 1} elements", np.append(good, good[-1:])
    else:
        raise NotApplicable(f"its actions are a {type(space).__name__}")


@property_check(
    means="Its owner and its wrappers may both close it: a finished run would end in an error.",
    fix="Let close do nothing where everything is closed already.",
)
def close_twice(subject: Subject) -> None:
    """Close may be called twice."""
    env = subject.make()
    env.reset(seed=0)
    env.close()
    try:
        env.close()
    except Exception as error:
        raise BrokenError(f"the second close raised {type(error).__name__}: {error}") from error


@property_check(
    means="A long training would be killed when the machine's memory is full.",
    fix="Look for what every reset or step adds: lists that only grow, bodies or clients that "
    "are loaded but not removed.",
)
def memory(subject: Subject) -> None:
    """Memory does not grow over many resets and steps."""
    if not STATUS.exists():
        raise NotApplicable("needs /proc/self/status, which Linux has")
    env, size = subject.env, subject.size

    def work(resets: int, steps: int) -> tuple[int, int]:
        drawn = actions(env.action_space, 50)
        done = 0
        draws = subject.draws(resets, block=RESHAPED)
        for number, values in zip(subject.repeat(resets), draws, strict=False):
            put_in_force(env, values)
            env.reset()
            env.step(drawn[number % len(drawn)])
            done += 1
        put_in_force(env, {})
        env.reset()
        for number in subject.repeat(steps):
            if any(env.step(drawn[number % len(drawn)])[2:4]):
                env.reset()
        return done, steps

    work(max(50, size.resets // 10), size.memory_steps // 10)
    # What leaks grows each time; what allocators and caches take once does not.
    for _ in range(ROUNDS):
        before = _held()
        resets, steps = work(size.resets, size.memory_steps)
        grown = _held() - before
        if grown <= GROWTH:
            return
    tried = f"{resets:,} resets" + (f" and {steps:,} steps" if steps else "")
    raise BrokenError(f"{grown / 2**20:.1f} MiB more after {tried}")


def _held() -> int:
    """Return the bytes that this process has allocated and not freed.

    Whatever ran before leaves holes in the heap, which an environment fills and frees again. So
    memory that was freed is given back to the system first: it is no growth, and growth into it
    would go unseen. Pages of files (code, models) are left out, as the system loads and drops
    them as it likes.
    """
    gc.collect()
    # Other C libraries than glibc have no such function, and may see less.
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
    lines = STATUS.read_text(encoding="ascii", errors="replace").splitlines()
    fields = dict(line.split(":", 1) for line in lines)
    # Old kernels and some containers do not tell the two kinds of pages apart, or know no swap.
    resident, swapped = fields.get("RssAnon", fields["VmRSS"]), fields.get("VmSwap", "0 kB")
    return sum(1024 * int(size.split()[0]) for size in (resident, swapped))
