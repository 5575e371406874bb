"""A bundle's deterministic policy as one ONNX file: raw observations in, actions of the world out.

What `Learner.act` does around the network is in the graph: the normalizer's mean, variance and
clipping before it, the unsquashing or clipping of actions after it. A file is left behind only if
ONNX Runtime got the same actions from it.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import logging
import os
import statistics
import tempfile
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
from torch import nn

from ...agents.bundles import spaces
from ...agents.bundles.bundle import Bundle
from ...agents.learner import Array, Learner, MakeWorld, World
from ...core.errors import HeadstartError
from ...envs.spec import WorldSpec
from ...envs.world import World as OwnWorld

TOLERANCE = 1e-5
"""The most an action may be off by: in its own unit, or as a share of half its range if that is
more than 1. Discrete actions must be equal."""
OBSERVATIONS = 1_000
"""Observations that an exported policy is checked on."""
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
    `action` is (batch, *action shape). `make_world` makes the world that observations to check it
    on are drawn in, by default the bundle's; if there is none or it does not fit, they are drawn
    from the normalizer's statistics. `seed` decides the episodes.

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
            observations, origin = _from_statistics(learner, seed)
            origin = f"{origin} ({why_not})"
        else:
            observations = _from_episodes(learner, world, seed)
            origin = f"episodes in {bundle.world_id}"
        data = _converted(learner, _metadata(bundle, world))
    finally:
        if world is not None:
            world.close()
    run = _session(data)
    error = _difference(learner, run(observations), learner.act(observations))
    if not error <= TOLERANCE:
        raise ExportError(
            f"bundle {bundle.directory}: the exported policy's actions are off by {error:.2g}, "
            f"more than {TOLERANCE:g}; nothing was written to '{path}'"
        )
    one = observations[:1]
    timings = _microseconds(lambda: run(one)), _microseconds(lambda: learner.act(one))
    _write(path, data)
    return Export(path, len(data), len(observations), origin, error, *timings)


def require() -> None:
    """Raise ExportError, saying what to install, unless the extra 'export' is there."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise ExportError(
            f"exporting to ONNX needs {', '.join(missing)}: pip install headstart[export]"
        )


class _Acting(nn.Module):
    """`Learner.act` as a module: normalizer, deterministic policy, actions in the world's range."""

    def __init__(self, learner: Learner) -> None:
        super().__init__()
        self.policy = learner.model.policy
        self.bounds: tuple[torch.Tensor, torch.Tensor] | None = None
        space = learner.worlds.action_space
        self.shape: tuple[int, ...] = space.shape or ()
        if isinstance(space, gym.spaces.Box):
            self.bounds = torch.as_tensor(space.low), torch.as_tensor(space.high)
        normalizer = learner.normalizer
        self.normalizes = normalizer is not None and normalizer.norm_obs
        if normalizer is not None and self.normalizes:
            # In single precision a mean far from 0 would lose digits of the deviation from it;
            # subtracted in two parts it does not, and no runtime has to know double precision.
            double = learner.observation_space.dtype == np.float64
            kind = torch.float64 if double else torch.float32
            rms: Any = normalizer.obs_rms
            mean = torch.as_tensor(rms.mean, dtype=torch.float64)
            self.mean = mean.to(kind)
            self.rest = (mean - self.mean.double()).to(kind)
            self.deviation = torch.as_tensor(np.sqrt(rms.var + normalizer.epsilon)).to(kind)
            self.clip = float(normalizer.clip_obs)

    def forward(self, observation: torch.Tensor) -> torch.Tensor:
        """Return actions (batch, *action shape) for observations (batch, *observation shape)."""
        if self.normalizes:
            scaled = ((observation - self.mean) - self.rest) / self.deviation
            observation = scaled.clamp(-self.clip, self.clip).float()
        actions = self.policy._predict(observation, deterministic=True).reshape(-1, *self.shape)
        if self.bounds is None:
            return actions
        low, high = self.bounds
        if self.policy.squash_output:
            return low + 0.5 * (actions + 1.0) * (high - low)
        return torch.minimum(torch.maximum(actions, low), high)


def _check_exportable(bundle: Bundle) -> None:
    space = bundle.observation_space
    if isinstance(space, gym.spaces.Box) and not is_image_space(space):
        return
    kind = "images" if isinstance(space, gym.spaces.Box) else f"of type {type(space).__name__}"
    raise ExportError(
        f"bundle {bundle.directory}: observations are {kind}; only vectors (Box) can be exported"
    )


def _converted(learner: Learner, metadata: dict[str, str]) -> bytes:
    """Return the policy as a serialized ONNX model."""
    import onnx

    learner.model.policy.set_training_mode(False)
    acting = _Acting(learner).eval()
    space = learner.observation_space
    # Two rows: a batch of one would be taken for a constant.
    example = torch.as_tensor(np.zeros((2, *(space.shape or ())), dtype=space.dtype))
    try:
        with _undisturbed():
            program = torch.onnx.export(
                acting,
                (example,),
                input_names=["observation"],
                output_names=["action"],
                dynamic_shapes={"observation": {0: torch.export.Dim("batch")}},
                dynamo=True,
                verbose=False,
            )
    # The exporter's errors have no base class of their own, and say what to report to PyTorch.
    except Exception as error:
        said = " ".join(str(error.__cause__ or error).split())[:200]
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


def _session(data: bytes) -> Callable[[Array], Array]:
    """Return what runs a model in ONNX Runtime, on one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])

    def run(observations: Array) -> Array:
        actions: Array = session.run(["action"], {"observation": observations})[0]
        return actions

    return run


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


def _from_episodes(learner: Learner, world: World, seed: int) -> Array:
    """Return observations of episodes: the policy's own, and by turns those of random actions."""
    world.action_space.seed(seed)
    kind, found, episode = learner.observation_space.dtype, [], 0
    while True:
        observation, _ = world.reset(seed=seed + episode)
        ended = False
        while not ended:
            found.append(np.asarray(observation, dtype=kind))
            if len(found) == OBSERVATIONS:
                return np.stack(found)
            action = world.action_space.sample() if episode % 2 else learner.act(found[-1][None])[0]
            observation, _, terminated, truncated, _ = world.step(action)
            ended = terminated or truncated
        episode += 1


def _from_statistics(learner: Learner, seed: int) -> tuple[Array, str]:
    """Return observations as the normalizer knows them, or as the space allows, and which."""
    space, normalizer = learner.observation_space, learner.normalizer
    if normalizer is None or not normalizer.norm_obs:
        space.seed(seed)
        return np.stack([space.sample() for _ in range(OBSERVATIONS)]), "the observation space"
    rms: Any = normalizer.obs_rms
    shape = (OBSERVATIONS, *rms.mean.shape)
    normal = np.random.default_rng(seed).standard_normal(shape)
    drawn: Array = (rms.mean + np.sqrt(rms.var) * normal).astype(space.dtype)
    return drawn, "the normalizer's statistics"


def _microseconds(call: Callable[[], object]) -> float:
    """Return the median time of a call, after some to warm up."""
    taken = []
    for _ in range(CALLS + CALLS // 10):
        started = time.perf_counter_ns()
        call()
        taken.append(time.perf_counter_ns() - started)
    return statistics.median(taken[CALLS // 10 :]) / 1_000


def _metadata(bundle: Bundle, world: World | None) -> dict[str, str]:
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


def _write(path: Path, data: bytes) -> None:
    """Write a file as a whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
        raise
