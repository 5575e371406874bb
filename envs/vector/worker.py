"""A worker process of a vector environment, which steps some of the worlds.

`pool` starts it as a new interpreter. Numbers go through shared memory; the socket carries one byte
to wake it for a step and one back. Only what is rare is pickled: commands, errors, and infos that
are not empty. It ends when its input or its socket ends, so it cannot outlive its parent.
"""

from __future__ import annotations

import mmap
import os
import pickle
import select
import signal
import socket
import threading
import traceback
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import cloudpickle
import gymnasium
import numpy as np

from ...core.errors import HeadstartError
from ..main_module import take_main
from .cores import soon

# What a message starts with. A CALL and an ANSWER go on with the length of a pickle, of
# LENGTH_BYTES bytes, and the pickle.
STEP, CALL, DONE, ANSWER = b"s", b"c", b"d", b"a"
LENGTH_BYTES = 8
# How often a worker checks that its parent is still the process that started it, in seconds: the
# end of its input does not show where another process has inherited the other end.
WATCH = 1.0

Make = Callable[[], gymnasium.Env[Any, Any]]
Key = str | int | None
"""The key of a part of an observation: a Dict's key, a Tuple's index, None for a plain space."""
Built = tuple[gymnasium.Space[Any], gymnasium.Space[Any], dict[str, Any], Any]
"""A world's observation space, action space, metadata and spec."""


class Leaf(NamedTuple):
    """Shape and dtype of one array of a world."""

    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class Layout:
    """The arrays of `count` worlds in shared memory; structured actions are not shared."""

    count: int
    observations: dict[Key, Leaf]
    actions: Leaf | None

    @classmethod
    def of(
        cls, count: int, observations: gymnasium.Space[Any], actions: gymnasium.Space[Any]
    ) -> Layout:
        """Return the layout for worlds of these spaces.

        Raises:
            HeadstartError: observations without a fixed shape, or nested ones.
        """
        parts: Iterable[tuple[Key, gymnasium.Space[Any]]] = [(None, observations)]
        if isinstance(observations, gymnasium.spaces.Dict):
            parts = observations.spaces.items()
        elif isinstance(observations, gymnasium.spaces.Tuple):
            parts = enumerate(observations.spaces)
        leaves = {}
        for key, space in parts:
            leaf = _leaf(space)
            if leaf is None:
                raise HeadstartError(
                    f"observation space {space}: expected Box, Discrete, MultiDiscrete or "
                    "MultiBinary, or a Dict or Tuple of such"
                )
            leaves[key] = leaf
        return cls(count, leaves, _leaf(actions))


def _leaf(space: gymnasium.Space[Any]) -> Leaf | None:
    kinds = gymnasium.spaces
    flat = (kinds.Box, kinds.Discrete, kinds.MultiDiscrete, kinds.MultiBinary)
    if not isinstance(space, flat) or space.shape is None or space.dtype is None:
        return None
    return Leaf(space.shape, space.dtype.str)


class Shared:
    """The arrays of a layout, each of shape `(count, *leaf shape)`, over an open file."""

    def __init__(self, file: int, layout: Layout) -> None:
        """Map the file with the descriptor `file`, after setting its length."""
        leaves: list[Leaf] = [Leaf((), "<f8"), Leaf((), "|b1"), Leaf((), "|b1")]
        leaves += layout.observations.values()
        leaves += [layout.actions] if layout.actions else []
        places, end = [], 0
        for leaf in leaves:
            places.append(end)
            size = layout.count * int(np.prod(leaf.shape)) * np.dtype(leaf.dtype).itemsize
            end += -(-size // 64) * 64  # whole cache lines
        os.ftruncate(file, end)
        memory = mmap.mmap(file, end)
        arrays = [
            np.ndarray((layout.count, *leaf.shape), leaf.dtype, memory, place)
            for leaf, place in zip(leaves, places, strict=True)
        ]
        self.rewards, self.terminated, self.truncated = arrays[:3]
        self.observations = dict(zip(layout.observations, arrays[3:], strict=False))
        self.actions = arrays[-1] if layout.actions else None


class News(NamedTuple):
    """A step's info, if it is not empty; the last two fields at an episode's end only."""

    info: dict[str, Any]
    final: Any
    reset_info: dict[str, Any] | None


class Failure(NamedTuple):
    """An error in a worker; `exception` is pickled, None where that cannot be."""

    world: int | None
    summary: str
    traceback: str
    exception: bytes | None


class Worlds:
    """A worker's worlds; its public methods are what a CALL may name."""

    def __init__(self, file: int) -> None:
        self._file = file
        self._envs: list[gymnasium.Env[Any, Any]] = []
        self._first = 0
        self.at: int | None = None
        """The number of the world in use, counted over all workers; for messages."""

    def registered(self) -> set[str]:
        """Return the ids that are registered with Gymnasium here."""
        return set(gymnasium.registry)

    def build(
        self, makes: Sequence[Make], first: int, specs: Sequence[bytes], main: bytes | None
    ) -> list[Built]:
        """Make the worlds; return the spaces, metadata and spec of each.

        `specs` are what else the parent has registered, each pickled separately; `main` is what
        the parent was sent of its owner's `__main__`.
        """
        if main is not None:
            take_main(main)
        for pickled in specs:
            # Its module may exist for the parent only; making such a world reports it.
            with suppress(Exception):
                spec = cloudpickle.loads(pickled)
                gymnasium.registry[spec.id] = spec
        self._first = first
        for number, make in enumerate(makes):
            self.at = first + number
            env = make()
            if not isinstance(env, gymnasium.Env):
                raise HeadstartError(
                    f"world {self.at} is a {type(env).__name__}: expected a gymnasium.Env"
                )
            if any(env.unwrapped is other.unwrapped for other in self._envs):
                raise HeadstartError(f"world {self.at} is one that was returned before")
            self._envs.append(env)
        return [(e.observation_space, e.action_space, e.metadata, e.spec) for e in self._envs]

    def share(self, layout: Layout) -> None:
        """Map the memory that numbers are exchanged in."""
        shared = Shared(self._file, layout)
        mine = slice(self._first, self._first + len(self._envs))
        self._observations = [(key, array[mine]) for key, array in shared.observations.items()]
        self._rewards, self._actions = shared.rewards[mine], shared.actions
        self._terminated, self._truncated = shared.terminated[mine], shared.truncated[mine]
        if shared.actions is not None:
            self._actions = shared.actions[mine]

    def step(self, actions: Sequence[Any] | None = None) -> dict[int, News]:
        """Step every world, and reset it where its episode ends.

        `actions` are those in shared memory unless given. Returns news by world.
        """
        if actions is None:
            assert self._actions is not None
            # A copy: a world may keep its action, and shared memory is written over.
            actions = self._actions.copy()  # type: ignore[assignment]
        news = {}
        for row, (env, action) in enumerate(zip(self._envs, actions, strict=True)):  # type: ignore[arg-type]
            self.at = self._first + row
            observation, reward, terminated, truncated, info = env.step(action)
            if terminated or truncated:
                final = observation
                observation, reset_info = env.reset()
                news[self.at] = News(info, final, reset_info)
            elif info:
                news[self.at] = News(info, None, None)
            self._store(row, observation)
            self._rewards[row] = reward
            self._terminated[row] = terminated
            self._truncated[row] = truncated
        return news

    def reset(self, orders: Sequence[tuple[int, int | None, Any]]) -> dict[int, dict[str, Any]]:
        """Reset worlds by (world, seed, options); return their infos."""
        infos = {}
        for world, seed, options in orders:
            self.at = world
            given = {} if options is None else {"options": options}
            row = world - self._first
            observation, infos[world] = self._envs[row].reset(seed=seed, **given)
            self._store(row, observation)
        return infos

    def ask(self, operation: str, orders: Sequence[tuple[int, tuple[Any, ...]]]) -> dict[int, Any]:
        """Do one of OPERATIONS with worlds, given (world, arguments) for each."""
        answers = {}
        for world, arguments in orders:
            self.at = world
            answers[world] = OPERATIONS[operation](self._envs[world - self._first], *arguments)
        return answers

    def close(self) -> None:
        """Close every world."""
        for env in self._envs:
            env.close()

    def _store(self, row: int, observation: Any) -> None:
        for key, array in self._observations:
            array[row] = observation if key is None else observation[key]


def _has(env: gymnasium.Env[Any, Any], name: str) -> bool:
    try:
        env.get_wrapper_attr(name)
    except AttributeError:
        return False
    return True


def _is_wrapped(env: gymnasium.Env[Any, Any], kind: type[Any]) -> bool:
    while isinstance(env, gymnasium.Wrapper):
        if isinstance(env, kind):
            return True
        env = env.env
    return False


def _call(
    env: gymnasium.Env[Any, Any], name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    return env.get_wrapper_attr(name)(*args, **kwargs)


def _call_or_get(
    env: gymnasium.Env[Any, Any], name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Call an attribute, or return it if it cannot be called, as Gymnasium does."""
    found = env.get_wrapper_attr(name)
    return found(*args, **kwargs) if callable(found) else found


OPERATIONS: dict[str, Callable[..., Any]] = {
    "get": lambda env, name: env.get_wrapper_attr(name),
    "has": _has,
    "set": setattr,
    "set_wrapper": lambda env, name, value: env.set_wrapper_attr(name, value),
    "call": _call,
    "call_or_get": _call_or_get,
    "is_wrapped": _is_wrapped,
    "render": lambda env: env.render(),
}


def serve_worlds(link: int, file: int, parent: int, patience: float) -> None:
    """Serve the process `parent` over the socket `link`, with shared memory in `file`.

    `patience` is how long (s) to poll for a next command before sleeping.
    """
    # An interrupt reaches the whole process group: the parent handles it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for descriptor in (link, file):
        os.set_inheritable(descriptor, False)
    life = os.dup(0)
    with open(os.devnull) as nothing:
        os.dup2(nothing.fileno(), 0)
    threading.Thread(target=_leave_with, args=(life, parent), daemon=True).start()
    worlds = Worlds(file)
    try:
        with socket.socket(fileno=link) as connection:
            _serve(connection, worlds, patience)
    except ConnectionError:
        pass  # the parent closed its end while an answer was being sent
    finally:
        worlds.close()


def _serve(connection: socket.socket, worlds: Worlds, patience: float) -> None:
    look = partial(connection.recv, 1, socket.MSG_DONTWAIT)
    while kind := soon(look, patience) or connection.recv(1):
        try:
            if kind == STEP:
                answer = worlds.step()
                if not answer:
                    connection.send(DONE)
                    continue
            else:
                size = int.from_bytes(_receive(connection, LENGTH_BYTES), "little")
                worlds.at = None
                name, arguments = cloudpickle.loads(_receive(connection, size))
                answer = getattr(worlds, name)(*arguments)
            data = _pickled(answer)
        except ConnectionError:
            raise
        except BaseException as error:
            data = cloudpickle.dumps(_failure(error, worlds.at))
        connection.sendall(ANSWER + len(data).to_bytes(LENGTH_BYTES, "little") + data)


def _pickled(answer: Any) -> bytes:
    """Pickle an answer, by cloudpickle where pickle fails, as for a script's classes."""
    try:
        return pickle.dumps(answer, pickle.HIGHEST_PROTOCOL)
    except Exception:
        pickled: bytes = cloudpickle.dumps(answer)
        return pickled


def _receive(connection: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        piece = connection.recv(min(size - len(data), 1 << 20))
        if not piece:
            raise ConnectionError
        data += piece
    return bytes(data)


def _failure(error: BaseException, world: int | None) -> Failure:
    try:
        exception = cloudpickle.dumps(error)
        cloudpickle.loads(exception)
    except Exception:
        exception = None
    summary = "".join(traceback.format_exception_only(error)).strip()
    return Failure(world, summary, "".join(traceback.format_exception(error)), exception)


def _leave_with(life: int, parent: int) -> None:
    """End this process, whatever it is doing, when its parent has ended."""
    while os.getppid() == parent:
        if select.select([life], [], [], WATCH)[0]:
            break
    os._exit(0)
