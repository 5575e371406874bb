"""Properties, and the environment that they are checked on."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, TypeAlias

import gymnasium
import numpy as np

from ..parameters import Parameter, ParameterSpace, find_parameterized

Env: TypeAlias = gymnasium.Env[Any, Any]
Values: TypeAlias = Mapping[str, float]


class BrokenError(Exception):
    """A property does not hold; the message is what was observed."""


class Noted(Exception):
    """A property holds as far as can be checked, but the user should know something."""


class NotApplicable(Exception):
    """A property does not apply to this environment; the message is the reason."""


@dataclass(frozen=True)
class Size:
    """The amount that a check tries.

    Args:
        trajectory: steps of a trajectory that is compared with another.
        recording: steps that are recorded for the checks of what is returned.
        resets: resets that must not leave a trace.
        draws: draws of parameters.
        draw_steps: steps with each draw.
        memory_steps: steps that must not take memory.
        longest_episode: steps within which an episode must end.
        patience: seconds after which the repetitions of one check end early.

    >>> QUICK.resets, THOROUGH.resets
    (300, 2000)
    """

    trajectory: int
    recording: int
    resets: int
    draws: int
    draw_steps: int
    memory_steps: int
    longest_episode: int
    patience: float


QUICK = Size(60, 400, 300, 8, 60, 0, 5_000, 10.0)
THOROUGH = Size(200, 2_000, 2_000, 40, 1_000, 200_000, 20_000, 900.0)


class Moment(NamedTuple):
    """Copies of the values of a reset or a step; `when` is text such as "step 12"."""

    when: str
    values: dict[str, np.ndarray]


class Ending(NamedTuple):
    """The end of an episode under random actions; `steps` is its length."""

    steps: int
    truncated: bool
    info: dict[str, Any]


@dataclass(frozen=True)
class RecordedEpisodes:
    """Recorded episodes: the objects that were returned, and copies made at that time."""

    returned: list[dict[str, np.ndarray]]
    moments: list[Moment]
    observations: list[Any]
    rewards: list[tuple[str, Any]]
    changed_action: str | None


class Subject:
    """An environment under examination.

    Args:
        make: builds a new instance at every call.
        foreign: whether it is a user's environment, for which `Property.advisory` properties are
            notes; a world of headstart has to hold them.
        size: how much is tried.

    >>> import gymnasium
    >>> subject = Subject(lambda: gymnasium.make("Pendulum-v1"))
    >>> subject.env.action_space.shape
    (1,)
    >>> subject.close()
    """

    def __init__(
        self, make: Callable[..., Env], *, foreign: bool = True, size: Size = QUICK
    ) -> None:
        self.make = make
        self.foreign = foreign
        self.size = size
        self._env: Env | None = None

    @property
    def env(self) -> Env:
        """The instance that the checks share."""
        if self._env is None:
            self._env = self.make()
        return self._env

    @contextmanager
    def fresh(self) -> Iterator[Env]:
        """Make an instance that is closed after use; errors of its `close` are ignored."""
        env = self.make()
        try:
            yield env
        finally:
            with suppress(Exception):
                env.close()

    def close(self) -> None:
        """Close the shared instance; the next check that needs it gets a new one."""
        env, self._env = self._env, None
        if env is not None:
            with suppress(Exception):
                env.close()

    @property
    def parameters(self) -> ParameterSpace:
        """The parameters.

        Raises:
            NotApplicable: there are none, or one has no finite bounds to try.
        """
        world = find_parameterized(self.env)
        if world is None:
            raise NotApplicable("it declares no parameters")
        if not world.parameters:
            raise NotApplicable("its parameters are none")
        for parameter in world.parameters.values():
            if not math.isfinite(parameter.low + parameter.high):
                raise NotApplicable(f"parameter '{parameter.name}' has no finite bounds")
        return world.parameters

    @cached_property
    def _chance(self) -> bool:
        """Whether two new instances differ with the same seed: not all is drawn from it."""
        with self.fresh() as one, self.fresh() as other:
            there = trajectory(one, 20, values={})
            return trajectory_difference(there, trajectory(other, 20, values={})) is not None

    def compare(self) -> None:
        """Check that trajectories can be compared.

        Raises:
            NotApplicable: they differ by chance, which `same_seed` reports.
        """
        if self._chance:
            raise NotApplicable("the same seed does not give the same trajectory")

    def draws(self, count: int, *, block: int = 1) -> Iterator[dict[str, float]]:
        """Yield values of all parameters, alternately at corners of their bounds and inside.

        Parameters that rebuild the simulation change only every `block` draws. The draws of an
        environment without parameters are empty.
        """
        try:
            parameters = self.parameters
        except NotApplicable:
            yield from ({} for _ in range(count))
            return
        slow = {p.name for p in getattr(self.env.unwrapped, "morphology", ())}
        rng = np.random.default_rng(0)
        held: dict[str, float] = {}
        for number in range(count):
            where = rng.random(len(parameters))
            if number % 2 == 0:
                where = np.round(where)
            values = {
                p.name: float(p.low + w * (p.high - p.low))
                for p, w in zip(parameters.values(), where, strict=True)
            }
            if number % block == 0:
                held = {name: values[name] for name in slow}
            yield {**values, **held}

    def repeat(self, count: int) -> Iterator[int]:
        """Count up to `count`, or until `size.patience` is over, but at least to 20."""
        start = time.monotonic()
        for number in range(count):
            if number >= 20 and time.monotonic() - start > self.size.patience:
                return
            yield number

    @cached_property
    def ending(self) -> Ending | None:
        """The end of the longest of three random episodes; None if one does not end."""
        put_in_force(self.env, {})
        found: Ending | None = None
        for seed in range(3):
            self.env.reset(seed=seed)
            source = _Actions(self.env.action_space, seed)
            for number in range(1, self.size.longest_episode + 1):
                _, _, terminated, truncated, info = self.env.step(source.inside())
                if terminated or truncated:
                    if found is None or number > found.steps:
                        found = Ending(number, bool(truncated), info)
                    break
            else:
                return None
        return found

    @cached_property
    def recording(self) -> RecordedEpisodes:
        """Two long episodes of random actions, and then four of one step."""
        env, half = self.env, self.size.recording // 2
        put_in_force(env, {})
        kept = RecordedEpisodes([], [], [], [], None)
        changed: str | None = None
        steps = 0
        for episode, length in enumerate((half, half, 1, 1, 1, 1)):
            _keep(kept, f"reset {episode}", env.reset(seed=0 if episode == 0 else None)[0])
            for action in actions(env.action_space, length, seed=episode):
                steps += 1
                before = {name: part.copy() for name, part in leaves(action, "action")}
                observation, reward, terminated, truncated, _ = env.step(action)
                _keep(kept, f"step {steps}", observation)
                kept.rewards.append((f"step {steps}", reward))
                difference = _difference(before, dict(leaves(action, "action")))
                if difference is not None and changed is None:
                    changed = f"step {steps}: {difference}"
                if terminated or truncated:
                    _keep(kept, f"reset after step {steps}", env.reset()[0])
        return RecordedEpisodes(
            kept.returned, kept.moments, kept.observations, kept.rewards, changed
        )


def _keep(kept: RecordedEpisodes, when: str, observation: Any) -> None:
    parts = dict(leaves(observation, "observation"))
    kept.observations.append(observation)
    kept.returned.append(parts)
    kept.moments.append(Moment(when, {name: part.copy() for name, part in parts.items()}))


def leaves(value: Any, name: str) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the arrays of an observation or action with their names."""
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield from leaves(part, f"{name}[{key!r}]")
    elif isinstance(value, tuple):
        for number, part in enumerate(value):
            yield from leaves(part, f"{name}[{number}]")
    else:
        yield name, np.asarray(value)


def put_in_force(env: Env, values: Values) -> None:
    """Apply parameters, and the nominals of all others, where there are parameters."""
    world = find_parameterized(env)
    if world is not None:
        world.set_parameters(values)


def far(parameter: Parameter) -> float:
    """Return the bound that is farther from the nominal value."""
    return max((parameter.low, parameter.high), key=lambda end: abs(end - parameter.nominal))


class _Actions:
    """Draws actions of a space, without using the generator of the space."""

    def __init__(self, space: gymnasium.Space[Any], seed: int) -> None:
        self._space = copy.deepcopy(space)
        self._space.seed(seed)
        self._rng = np.random.default_rng(seed)

    def inside(self) -> Any:
        return self._space.sample()

    def corner(self) -> Any:
        return self._corner(self._space)

    def _corner(self, space: gymnasium.Space[Any]) -> Any:
        """Return a corner of the space, or a sample where it has no corners."""
        spaces = gymnasium.spaces
        if isinstance(space, spaces.Box) and space.is_bounded():
            return np.where(self._rng.random(space.shape) < 0.5, space.low, space.high)
        if isinstance(space, spaces.Discrete):
            return space.start + type(space.n)(self._rng.integers(2)) * (space.n - 1)
        if isinstance(space, spaces.Dict):
            return {name: self._corner(part) for name, part in space.spaces.items()}
        if isinstance(space, spaces.Tuple):
            return tuple(self._corner(part) for part in space.spaces)
        return space.sample()


def actions(
    space: gymnasium.Space[Any], count: int, seed: int = 0, *, corners: bool = False
) -> list[Any]:
    """Return `count` random actions, inside the space or at corners, from a seed."""
    source = _Actions(space, seed)
    return [source.corner() if corners else source.inside() for _ in range(count)]


def trajectory(
    env: Env,
    steps: int,
    *,
    seed: int | None = 3,
    values: Values | None = None,
    actions_seed: int = 0,
    corners: bool = False,
    between: Callable[[], None] | None = None,
) -> list[Moment]:
    """Reset with `seed` and take random steps; at an end it is reset without a seed.

    `values` are applied first, unless None; `between` is called after every step.
    """
    if values is not None:
        put_in_force(env, values)
    drawn = actions(env.action_space, steps, actions_seed, corners=corners)
    return list(_follow(env, drawn, seed, between))


def departs(env: Env, known: list[Moment], steps: int, *, seed: int, values: Values) -> bool:
    """Whether a trajectory with `values` differs from a known one; it ends where it does."""
    put_in_force(env, values)
    moments = _follow(env, actions(env.action_space, steps), seed)
    return any(
        _difference(one.values, other.values) is not None
        for one, other in zip(known, moments, strict=False)
    )


def _follow(
    env: Env, drawn: list[Any], seed: int | None, between: Callable[[], None] | None = None
) -> Iterator[Moment]:
    """Yield the moments of a trajectory as they come."""
    observation, _ = env.reset(seed=seed)
    yield _moment("reset", observation)
    for number, action in enumerate(drawn, start=1):
        observation, reward, terminated, truncated, _ = env.step(action)
        ends = {"reward": reward, "terminated": terminated, "truncated": truncated}
        yield _moment(f"step {number}", observation, ends)
        if terminated or truncated:
            yield _moment(f"reset after step {number}", env.reset()[0])
        if between is not None:
            between()


def _moment(when: str, observation: Any, others: Mapping[str, Any] | None = None) -> Moment:
    parts = {name: part.copy() for name, part in leaves(observation, "observation")}
    return Moment(when, parts | {name: np.array(part) for name, part in (others or {}).items()})


def trajectory_difference(one: list[Moment], other: list[Moment]) -> str | None:
    """Return the first difference, as "step 3: reward 1.0, then 2.0", or None."""
    for a, b in zip(one, other, strict=False):
        difference = _difference(a.values, b.values)
        if difference is not None:
            return f"{a.when}: {difference}"
    return None


def _difference(one: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray]) -> str | None:
    for name in dict.fromkeys((*one, *other)):
        if name not in one or name not in other:
            return f"{name} is there only once"
        a, b = one[name], other[name]
        if a.shape != b.shape or a.dtype != b.dtype:
            return f"{name} is {a.dtype}{a.shape}, then {b.dtype}{b.shape}"
        if a.tobytes() != b.tobytes():
            if a.ndim == 0:
                return f"{name} {a}, then {b}"
            unequal = np.ravel(a != b) & ~(np.ravel(a != a) & np.ravel(b != b))
            where = element(a, int(np.argmax(unequal)))
            return f"{name}{where[0]} {a[where[1]]}, then {b[where[1]]}"
    return None


def element(array: np.ndarray, flat: int) -> tuple[str, tuple[int, ...]]:
    """Return an element's index as text and as a tuple, given its flat index."""
    index = tuple(int(i) for i in np.unravel_index(flat, array.shape))
    return (f"[{', '.join(map(str, index))}]" if index else ""), index


Check: TypeAlias = Callable[[Subject], None]


@dataclass(frozen=True)
class Property:
    """A property that an environment should have.

    Args:
        name: the name of its check.
        statement: the property in plain words.
        means: what follows where it does not hold.
        fix: what to do then.
        advisory: whether it is only noted, not failed, where a foreign environment lacks it.
        check: returns where it holds, and raises BrokenError, Noted or NotApplicable otherwise.

    >>> from headstart.envs.contract.examine import PROPERTIES
    >>> [rewards] = [each for each in PROPERTIES if each.name == "rewards"]
    >>> rewards.statement, rewards.fix
    ('Rewards are plain numbers', 'Return float(reward) from step.')
    """

    name: str
    statement: str
    means: str
    fix: str
    advisory: bool
    check: Check


PROPERTIES: list[Property] = []


def property_check(*, means: str, fix: str, advisory: bool = False) -> Callable[[Check], Check]:
    """Register a check as a property; its statement is the check's docstring."""

    def register(check: Check) -> Check:
        statement = " ".join((check.__doc__ or "").split()).rstrip(".")
        PROPERTIES.append(Property(check.__name__, statement, means, fix, advisory, check))
        return check

    return register
