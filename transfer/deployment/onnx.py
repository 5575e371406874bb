"""A bundle's deterministic policy as one ONNX file: raw observations in, actions of the world out.

All around the network is in the graph (see `graph`). What a policy remembers is input and output:
beside `observation` there is `begins`, true where an episode begins, and each memory comes out as
`<name>_next`, to be put in with the next observation. A file is left behind only if ONNX Runtime
got the same actions from it.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import logging
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from stable_baselines3.common.preprocessing import is_image_space

from ...agents.bundles import spaces
from ...agents.bundles.bundle import Bundle
from ...agents.learner import Array, Learner, MakeWorld, World
from ...agents.policies.history import WHOLE
from ...core.errors import HeadstartError, single_line
from ...core.files import replaced
from ...envs.privileged import OBSERVATION
from ...envs.spec import WorldSpec
from ...envs.world import World as OwnWorld
from .graph import NEXT, Acting, Memory, Remembering

TOLERANCE = 1e-5
"""The most an action may be off by: in its own unit, or as a share of half its range if that is
more than 1. Discrete actions must be equal."""
OBSERVATIONS = 1_000
"""Observations that an exported policy is checked on."""
EPISODE = 50
"""The length of an episode where there is no world to have one in."""
CALLS = 1_000
"""Calls that a timing is the median of."""
NEEDED = ("onnx", "onnxruntime", "onnxscript")


class ExportError(HeadstartError):
    """A policy that cannot be exported, or whose export does not act as it does."""


@dataclass(frozen=True)
class Export:
    """What was exported and how it compares.

    `error` is the largest difference of any action, measured as `TOLERANCE` is, over
    `observations` observations that came from `origin`; `onnx` and `predict` are microseconds per
    call with one observation, in ONNX Runtime (one thread) and by `Learner.act`.
    """

    path: Path
    size: int
    observations: int
    origin: str
    error: float
    onnx: float
    predict: float


def export_onnx(
    bundle: Bundle, path: str | Path, make_world: MakeWorld | None = None, seed: int = 0
) -> Export:
    """Write a bundle's policy to the ONNX file `path`, replacing one that is there.

    The input `observation` is (batch, *observation shape), raw, of the space's type; the output
    `action` is (batch, *action shape). A policy that remembers has the input `begins`, bool
    (batch,), and its memories as inputs and, with `_next` behind their names, as outputs, each
    (batch, ...). `make_world` makes the world that observations to check it on are drawn in, by
    default the bundle's; if there is none or it does not fit, they are drawn from the
    normalizer's statistics. `seed` decides the episodes.

    Raises:
        ExportError: the extra 'export' is not installed, the policy cannot be exported, or the
            exported one does not act as the policy does; then no file is left.
        OSError: the file cannot be written.
    """
    path = Path(path)
    require()
    _check_exportable(bundle)
    learner = bundle.policy()
    world, why_not = _world(bundle, make_world)
    try:
        if world is None:
            seen, origin = _from_statistics(learner, seed)
            origin = f"{origin} ({why_not})"
        else:
            seen = _from_episodes(learner, world, seed)
            origin = f"episodes in {bundle.world_id}"
        acting = (Remembering if learner.remembers else Acting)(learner)
        data = _converted(learner, acting, _metadata(bundle, world, acting))
    finally:
        if world is not None:
            world.close()
    runner = Runner(data)
    error = _difference(learner, *_both(learner, runner, seen))
    if not error <= TOLERANCE:
        raise ExportError(
            f"bundle {bundle.directory}: the exported policy's actions are off by {error:.2g}, "
            f"more than {TOLERANCE:g}; nothing was written to '{path}'"
        )
    one, policy = seen.observations[:1], learner.acting()
    timings = _microseconds(lambda: runner.act(one)), _microseconds(lambda: policy.act(one))
    with replaced(path) as temporary:
        temporary.write_bytes(data)
    return Export(path, len(data), len(seen.observations), origin, error, *timings)


def require() -> None:
    """Raise ExportError, saying what to install, unless the extra 'export' is there."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise ExportError(
            f"exporting to ONNX needs {', '.join(missing)}: pip install headstart[export]"
        )


def _check_exportable(bundle: Bundle) -> None:
    space = bundle.observation_space
    if isinstance(space, gym.spaces.Box) and not is_image_space(space):
        return
    kind = "images" if isinstance(space, gym.spaces.Box) else f"of type {type(space).__name__}"
    raise ExportError(
        f"bundle {bundle.directory}: observations are {kind}; only vectors (Box) can be exported"
    )


def _converted(learner: Learner, acting: Acting, metadata: dict[str, str]) -> bytes:
    """Return the policy as a serialized ONNX model."""
    import onnx

    learner.model.policy.set_training_mode(False)
    acting.eval()
    space = learner.observation_space
    # Two rows: a batch of one would be taken for a constant.
    examples = [torch.as_tensor(np.zeros((2, *(space.shape or ())), dtype=space.dtype))]
    names, memory = ["observation"], _memory(acting)
    if memory:
        names += ["begins", *(one.name for one in memory)]
        examples.append(torch.zeros(2, dtype=torch.bool))
        examples += [torch.zeros((2, *one.shape), dtype=one.dtype) for one in memory]
    batch = {0: torch.export.Dim("batch")}
    shapes: Any = (batch, batch, tuple(batch for _ in memory)) if memory else (batch,)
    try:
        with _undisturbed():
            program = torch.onnx.export(
                acting,
                tuple(examples),
                input_names=names,
                output_names=["action", *(one.name + NEXT for one in memory)],
                dynamic_shapes=shapes,
                dynamo=True,
                verbose=False,
            )
    # The exporter's errors have no base class of their own, and say what to report to PyTorch.
    except Exception as error:
        said = single_line(str(error.__cause__ or error))[:200]
        raise ExportError(
            f"{learner.algorithm.name}: this policy cannot be turned into ONNX: {said}"
        ) from error
    assert program is not None
    model = program.model_proto
    # The exporter's notes hold paths of the machine it ran on.
    for part in (*model.graph.node, *model.graph.value_info, *model.graph.initializer, model.graph):
        del part.metadata_props[:]
    onnx.helper.set_model_props(model, metadata)
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Keep PyTorch's exporter from warning of its own parts, and from checks it cannot trace."""
    distribution: Any = torch.distributions.Distribution
    validate, log = distribution._validate_args, logging.getLogger("torch.onnx")
    level = log.level
    try:
        distribution.set_default_validate_args(False)
        log.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)
        distribution.set_default_validate_args(validate)


class Runner:
    """An exported policy in ONNX Runtime, on one thread, with what it remembers."""

    def __init__(self, model: bytes | str | Path) -> None:
        """Load a file, or the contents of one."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        given = model if isinstance(model, bytes) else str(model)
        self._session = onnxruntime.InferenceSession(
            given, options, providers=["CPUExecutionProvider"]
        )
        self._names = [one.name for one in self._session.get_outputs()]
        self._inputs = {one.name: one for one in self._session.get_inputs()}
        self._memory: dict[str, Array] = {}
        self._begins: Array | None = None

    def reset(self, mask: Array) -> None:
        """Begin an episode in the worlds where `mask`, bool of shape (worlds,), is true."""
        if self._begins is not None:
            self._begins = self._begins | np.asarray(mask, dtype=bool)

    def act(self, observations: Array) -> Array:
        """Return actions (n, *action shape) for raw observations (n, *observation shape)."""
        given: dict[str, Array] = {"observation": observations}
        if "begins" in self._inputs:
            if self._begins is None:
                self._begin_all(len(observations))
            assert self._begins is not None
            given |= {"begins": self._begins, **self._memory}
        actions, *memory = self._session.run(self._names, given)
        self._memory = {
            name.removesuffix(NEXT): value
            for name, value in zip(self._names[1:], memory, strict=True)
        }
        self._begins = np.zeros(len(observations), dtype=bool)
        found: Array = actions
        return found

    def _begin_all(self, count: int) -> None:
        self._begins = np.ones(count, dtype=bool)
        for name, one in self._inputs.items():
            if name not in ("observation", "begins"):
                kind = np.float64 if one.type == "tensor(double)" else np.float32
                self._memory[name] = np.zeros((count, *one.shape[1:]), kind)


@dataclass(frozen=True)
class _Seen:
    """Observations to compare a policy and its export on, and where episodes begin among them."""

    observations: Array
    begins: Array


def _both(learner: Learner, runner: Runner, seen: _Seen) -> tuple[Array, Array]:
    """Return the actions of an export and of its policy: in order, where they remember."""
    policy = learner.acting()
    if not learner.remembers:
        return runner.act(seen.observations), policy.act(seen.observations)
    found: list[tuple[Array, Array]] = []
    for observation, begins in zip(seen.observations, seen.begins, strict=True):
        for one in (policy, runner):
            one.reset(np.array([begins]))
        found.append((runner.act(observation[None])[0], policy.act(observation[None])[0]))
    exported, expected = zip(*found, strict=True)
    return np.stack(exported), np.stack(expected)


def _memory(acting: Acting) -> list[Memory]:
    return acting.memory if isinstance(acting, Remembering) else []


def _difference(learner: Learner, actions: Array, expected: Array) -> float:
    """Return how far two batches of actions are apart at most, as `TOLERANCE` measures it."""
    if actions.shape != expected.shape:
        raise ExportError(f"the export gives actions of {actions.shape}, not {expected.shape}")
    apart = np.abs(actions.astype(np.float64) - expected)
    space = learner.worlds.action_space
    if isinstance(space, gym.spaces.Box):
        half = 0.5 * (space.high.astype(np.float64) - space.low)
        apart /= np.where(np.isfinite(half), np.maximum(half, 1.0), 1.0)
    return float(apart.max())


def _world(bundle: Bundle, make_world: MakeWorld | None) -> tuple[World | None, str]:
    """Return a world to draw observations in, or None and why there is none."""
    try:
        world = (make_world or WorldSpec(bundle.world_id).make)()
    except HeadstartError as error:
        return None, str(error)
    try:
        bundle.check_spaces(world.observation_space, world.action_space)
    except HeadstartError as error:
        world.close()
        return None, str(error)
    return world, ""


def _from_episodes(learner: Learner, world: World, seed: int) -> _Seen:
    """Return observations of episodes: the policy's own, and by turns those of random actions."""
    world.action_space.seed(seed)
    kind, found, begins, episode = learner.observation_space.dtype, [], [], 0
    policy = learner.acting()
    while True:
        observation, _ = world.reset(seed=seed + episode)
        policy.reset(np.ones(1, dtype=bool))
        ended, first = False, True
        while not ended:
            found.append(np.asarray(observation, dtype=kind))
            begins.append(first)
            if len(found) == OBSERVATIONS:
                return _Seen(np.stack(found), np.array(begins))
            chosen = policy.act(found[-1][None])[0]
            action = world.action_space.sample() if episode % 2 else chosen
            observation, _, terminated, truncated, _ = world.step(action)
            ended, first = terminated or truncated, False
        episode += 1


def _from_statistics(learner: Learner, seed: int) -> tuple[_Seen, str]:
    """Return observations as the normalizer knows them, or as the space allows, and which."""
    space, normalizer = learner.observation_space, learner.normalizer
    begins = np.arange(OBSERVATIONS) % EPISODE == 0
    if normalizer is None or not normalizer.norm_obs:
        space.seed(seed)
        drawn = np.stack([space.sample() for _ in range(OBSERVATIONS)])
        return _Seen(drawn, begins), "the observation space"
    rms: Any = normalizer.obs_rms
    part = WHOLE if learner.privileges is None else OBSERVATION
    rms = rms[part] if isinstance(rms, dict) else rms
    mean, deviation = rms.mean, np.sqrt(rms.var)
    kept = None if learner.privileges is None else learner.privileges.kept
    places = list(range(space.shape[0])) if kept is None else list(kept)  # type: ignore[index]
    if learner.layout is not None:
        # Those of the newest frame's observation.
        newest = learner.layout.parts[part].shape[0]
        mean, deviation = (values[-newest:][: len(places)] for values in (mean, deviation))
    normal = np.random.default_rng(seed).standard_normal((OBSERVATIONS, len(places)))
    drawn = np.zeros((OBSERVATIONS, *(space.shape or ())), space.dtype)
    drawn[:, places] = mean + deviation * normal
    return _Seen(drawn, begins), "the normalizer's statistics"


def _microseconds(call: Callable[[], object]) -> float:
    """Return the median time of a call, after some to warm up."""
    taken = []
    for _ in range(CALLS + CALLS // 10):
        started = time.perf_counter_ns()
        call()
        taken.append(time.perf_counter_ns() - started)
    return statistics.median(taken[CALLS // 10 :]) / 1_000


def _metadata(bundle: Bundle, world: World | None, acting: Acting) -> dict[str, str]:
    """Return what the file says of the policy; what is not text is JSON."""
    about: dict[str, Any] = {
        "headstart_version": bundle.versions.get("headstart", "unknown"),
        "world": bundle.world_id,
        "algorithm": bundle.algorithm.name,
        "steps": bundle.steps,
        "randomization": bundle.randomization,
        "observation_space": spaces.space_to_json(bundle.observation_space),
        "action_space": spaces.space_to_json(bundle.action_space),
        "bundle_sha256": {
            name: hashlib.sha256(data).hexdigest() for name, data in bundle._contents.items()
        },
    }
    if memory := _memory(acting):
        about["memory"] = [{"name": one.name, "shape": one.shape} for one in memory]
    inner = world.unwrapped if world is not None else None
    if isinstance(inner, OwnWorld):
        about["observation_channels"] = [
            {"name": c.name, "size": c.size, "unit": c.unit, "about": c.about}
            for c in inner.channels
        ]
        about["action_commands"] = [
            {"name": c.name, "unit": c.unit, "at_-1": c.low, "at_+1": c.high, "about": c.about}
            for c in inner.robot.commands
        ]
    return {
        key: value if isinstance(value, str) else json.dumps(value, allow_nan=False)
        for key, value in about.items()
    }
