"""What a simulation knows and no robot does: given beside an observation, for critics alone.

Names may be `parameters` (all of the world's), `state` (every channel's true value), single
parameters and single channels. A channel that a real robot could not measure is taken out of the
observation where it is named: then the critic has it and the actor has not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import gymnasium
import numpy as np

from ..core.errors import HeadstartError, nearest
from .parameters import Parameterized, find_parameterized
from .world import World

OBSERVATION, PRIVILEGED = "observation", "privileged"
"""The parts of an observation: what the actor sees, and what only critics do."""
PARAMETERS, STATE = "parameters", "state"
"""Names that stand for all parameters, and for the true values of all channels."""

InTarget = Literal["nominal", "nothing"] | Mapping[str, float]
"""What critics see in a target, where parameters are unknown: the nominal ones, nothing, or, by
name, such as were fitted (the others nominal)."""


@dataclass(frozen=True)
class Privileges:
    """Names that were looked up in a world: all that is needed without one.

    `channels` have their sizes; `hidden` are those taken out of the observation, of which the
    elements `kept` are left (None: all). `nominal` are the nominal parameters, scaled.
    """

    parameters: tuple[str, ...]
    channels: tuple[tuple[str, int], ...]
    hidden: tuple[str, ...]
    kept: tuple[int, ...] | None
    nominal: tuple[float, ...] = ()

    @property
    def size(self) -> int:
        """How many numbers only critics see."""
        return len(self.parameters) + sum(size for _, size in self.channels)

    @classmethod
    def of(cls, env: gymnasium.Env[Any, Any], names: str | Sequence[str]) -> Privileges:
        """Look names up in a world.

        Raises:
            HeadstartError: the world has no such parameter or channel; names the nearest.
        """
        world: Any = env.unwrapped
        parameterized = find_parameterized(env)
        own = [] if parameterized is None else list(parameterized.parameters)
        channels = list(world.channels) if isinstance(world, World) else []
        sizes = {channel.name: channel.size for channel in channels}
        wanted = [names] if isinstance(names, str) else list(names)
        for name in wanted:
            missing = (name == PARAMETERS and not own) or (name == STATE and not sizes)
            known = [PARAMETERS, STATE, *own, *sizes]
            if missing or name not in known:
                hint = "" if missing else nearest(name, known)
                raise HeadstartError(f"critic_sees: this world has no '{name}'{hint}")
        seen = [*sizes] if STATE in wanted else [name for name in wanted if name in sizes]
        hidden = [c.name for c in channels if c.name in seen and not c.measured]
        if hidden and env.observation_space.shape != (sum(sizes.values()),):
            raise HeadstartError(
                f"critic_sees: '{hidden[0]}' cannot be taken out of observations that "
                "wrappers change"
            )
        if hidden and len(hidden) == len(channels):
            raise HeadstartError("critic_sees: it leaves nothing for the actor to see")
        kept: list[int] = []
        start = 0
        for channel in channels:
            kept += [] if channel.name in hidden else range(start, start + channel.size)
            start += channel.size
        named = own if PARAMETERS in wanted else [name for name in wanted if name in own]
        return cls(
            tuple(named),
            tuple((name, sizes[name]) for name in seen),
            tuple(hidden),
            tuple(kept) if hidden else None,
            () if parameterized is None else tuple(_scaled(parameterized, named, {})),
        )

    @property
    def unknown(self) -> np.ndarray:
        """What is given where nothing is known: nominal parameters, and 0 for channels."""
        channels = sum(size for _, size in self.channels)
        return np.array([*self.nominal, *[0.0] * channels], dtype=np.float32)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Privileges:
        """Return what `dataclasses.asdict` made plain data of."""
        kept = data["kept"]
        return cls(
            tuple(map(str, data["parameters"])),
            tuple((str(name), int(size)) for name, size in data["channels"]),
            tuple(map(str, data["hidden"])),
            None if kept is None else tuple(map(int, kept)),
            tuple(map(float, data["nominal"])),
        )

    def space(self, observations: Any) -> gymnasium.spaces.Dict:
        """Return the space of observations with privileged values beside them."""
        if isinstance(observations, gymnasium.spaces.Dict):
            if PRIVILEGED in observations.spaces:
                raise HeadstartError(f"observations have a part '{PRIVILEGED}' already")
            parts = list(observations.items())
        elif self.kept is None:
            parts = [(OBSERVATION, observations)]
        else:
            kept = list(self.kept)
            low, high = observations.low[kept], observations.high[kept]
            space = gymnasium.spaces.Box(low, high, dtype=observations.dtype.type)
            parts = [(OBSERVATION, space)]
        beside = gymnasium.spaces.Box(-np.inf, np.inf, (self.size,), np.float32)
        return gymnasium.spaces.Dict([*parts, (PRIVILEGED, beside)])

    def seen(self, observations: Any) -> dict[str, Any]:
        """Return what the actor sees of observations (n, *shape), without anything privileged."""
        if isinstance(observations, dict):
            return dict(observations)
        if self.kept is not None:
            observations = observations[..., list(self.kept)]
        return {OBSERVATION: observations}


class PrivilegedWorld(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Gives an observation as a Dict: what the actor sees, and what only critics do.

    Parameters are scaled by their hard bounds, to [-1, 1].

    >>> import headstart
    >>> env = gymnasium.make("headstart/CartPoleSwingUp-v0")
    >>> env = PrivilegedWorld(env, Privileges.of(env, ["pole_mass", "pole_velocity"]))
    >>> observation, _ = env.reset(seed=0)
    >>> {key: part.shape for key, part in observation.items()}
    {'observation': (5,), 'privileged': (2,)}
    >>> env.close()
    """

    def __init__(
        self,
        env: gymnasium.Env[Any, Any],
        privileges: Privileges,
        in_target: InTarget | None = None,
    ) -> None:
        """Wrap a world.

        Args:
            env: the world; one without parameters and channels can be looked at only.
            privileges: what critics see of it.
            in_target: None in a source, where the true values are seen; else what is seen in
                place of what is not known in a target.

        Raises:
            HeadstartError: in a target, a channel that is not measured there, or a fitted value of
                an unknown parameter.
        """
        super().__init__(env)
        self.privileges, self.in_target = privileges, in_target
        self.world_space = env.observation_space
        self.observation_space = privileges.space(env.observation_space)
        if in_target is not None and in_target != "nothing":
            if privileges.hidden:
                raise HeadstartError(
                    f"critic_sees: nothing measures '{privileges.hidden[0]}' in a target: say "
                    "critic_in_target: nothing"
                )
            for name in {} if isinstance(in_target, str) else in_target:
                if name not in privileges.parameters:
                    hint = nearest(name, privileges.parameters)
                    raise HeadstartError(f"critic_in_target: '{name}' is not among them{hint}")
        self._parameters = np.zeros(len(privileges.parameters))
        self.latest: Any = None
        """The latest observation as the world gave it."""

    def reset(self, **named: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Start an episode; its parameters are looked up."""
        observation, info = self.env.reset(**named)
        if self.privileges.parameters:
            self._parameters = self._looked_up(info)
        return self._with_privileges(observation), info

    def step(self, action: Any) -> tuple[dict[str, Any], Any, bool, bool, dict[str, Any]]:
        """Advance by a step."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        if self.in_target is None and self.privileges.parameters and "parameters" in info:
            self._parameters = self._looked_up(info)  # they may have changed in this step
        return self._with_privileges(observation), reward, terminated, truncated, info

    def _looked_up(self, info: Mapping[str, Any]) -> np.ndarray:
        """Return the parameters that critics see, each from -1 to 1 between its bounds."""
        world = find_parameterized(self.env)
        assert world is not None
        names = self.privileges.parameters
        values: Mapping[str, float] = {}
        if self.in_target is None:
            told = info.get("parameters")
            if not isinstance(told, Mapping) or not all(name in told for name in names):
                raise HeadstartError(
                    "critic_sees: this world does not tell its parameters at reset, as "
                    "info['parameters']"
                )
            values = {name: float(told[name]) for name in names}
        elif not isinstance(self.in_target, str):
            values = self.in_target
        return np.array(_scaled(world, names, values))

    def _with_privileges(self, observation: Any) -> dict[str, Any]:
        self.latest = observation
        found = self.privileges.seen(observation)
        beside = [np.zeros(self.privileges.size)]
        if self.in_target != "nothing":
            world: Any = self.env.unwrapped
            values = {} if not self.privileges.channels else world.true_values()
            if self.in_target is not None and values:
                values = world.reported_values()
            beside = [self._parameters, *(values[name] for name, _ in self.privileges.channels)]
        found[PRIVILEGED] = np.concatenate(beside).astype(np.float32)
        return found


def _scaled(world: Parameterized, names: Sequence[str], values: Mapping[str, float]) -> list[float]:
    """Return parameters from -1 to 1 between their bounds; nominal ones where no value is given."""
    found = []
    for name in names:
        one = world.parameters[name]
        width = one.high - one.low
        found.append(2 * (values.get(name, one.nominal) - one.low) / width - 1 if width else 0.0)
    return found
