"""A learner: a Stable-Baselines3 model with its training worlds, normalizer and callbacks."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol, runtime_checkable

import gymnasium as gym
import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.noise import NormalActionNoise
from stable_baselines3.common.preprocessing import (
    get_action_dim,
)
from stable_baselines3.common.save_util import recursive_getattr
from stable_baselines3.common.vec_env import (
    VecEnv,
    VecNormalize,
    VecTransposeImage,
)
from torch import nn

from ..core.errors import HeadstartError, one_line, single_line
from ..envs.privileged import PrivilegedWorld, Privileges
from ..envs.vector.vec_env import ParallelVecEnv
from .algorithms import Algorithm
from .bundles.spaces import Space, check_supported
from .cores.worlds import SerialVecEnv
from .observations import OF_IMAGES, channels_first, fitting_policy, is_channels_last, normalized
from .policies.acting import ActingPolicy
from .policies.base import Policy
from .policies.hindsight import HindsightBuffer, check_goals
from .policies.history import HistoryLayout
from .policies.history_buffer import buffer_arguments
from .policies.history_features import add_history_features
from .policies.history_worlds import HistoryWorlds

Array = np.ndarray[Any, Any]
World = gym.Env[Any, Any]
MakeWorld = Callable[[], World]


@runtime_checkable
class Stateful(Protocol):
    """A callback that keeps more than the number of steps: JSON for the checkpoint, and back."""

    def state(self) -> dict[str, Any]:
        """Return what is kept, as plain JSON data."""
        ...

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what was kept."""
        ...


@runtime_checkable
class Storing(Protocol):
    """A callback that keeps arrays in checkpoints, such as a buffer of its own."""

    def arrays(self) -> dict[str, Array]:
        """Return the arrays by name."""
        ...

    def restore_arrays(self, arrays: Mapping[str, Array]) -> None:
        """Go on from them."""
        ...


@runtime_checkable
class AtReset(Protocol):
    """A callback or buffer that is told when all worlds start anew, amid their episodes."""

    def worlds_reset(self) -> None:
        """Forget the episodes that were cut."""
        ...


class Learner:
    """A model that acts and can be trained; made by `create` or `Bundle.learner`.

    `callbacks` take part in training. A learner restored from a checkpoint goes on exactly as if
    it had never stopped: so what they do must depend on the number of steps and on what those
    that are `Stateful` keep, which is in the checkpoint too.

    `deployed`: the policy that acts in place of the model when it is evaluated or used, as long
    as it is the better one; None for the model itself. Training does not look at it.
    `privileges`: what its critics see of a world and its actor does not, if anything; `in_target`:
    whether that is unknown, since it learns in a target.
    `layout`: how observations and actions make up the history that the model is given, if any.
    `decisions`: what a method decided by itself in training: its `step` and the `decision`.
    `source_steps`: steps that a method took in source worlds beside those of the source's training.
    `is_told`: whether its policy, a teacher's, is given the true parameters where it is evaluated,
    as no robot could be; see `told_worlds`.
    """

    def __init__(
        self,
        algorithm: Algorithm,
        model: BaseAlgorithm,
        layout: HistoryLayout | None = None,
        privileges: Privileges | None = None,
        in_target: bool = False,
    ) -> None:
        self.algorithm = algorithm
        self.model = model
        self.layout = layout
        self.privileges = privileges
        self.in_target = in_target
        self.is_told = False
        self.callbacks: list[BaseCallback] = []
        self.deployed: Learner | None = None
        self.decisions: list[dict[str, Any]] = []
        self.source_steps = 0
        self._frozen: frozenset[str] = frozenset()
        self._groups = {
            name: [list(group["params"]) for group in optimizer.param_groups]
            for name, optimizer in self.optimizers().items()
        }

    @property
    def steps(self) -> int:
        """Environment steps taken so far, over all worlds."""
        return self.model.num_timesteps

    @property
    def normalizer(self) -> VecNormalize | None:
        """The running statistics that observations (and rewards) pass through, if any."""
        return self.model.get_vec_normalize_env()

    @property
    def worlds(self) -> VecEnv:
        """The training worlds as the model sees them."""
        worlds = self.model.get_env()
        assert worlds is not None
        return worlds

    @property
    def observation_space(self) -> Space:
        """The observation space as the worlds declare it (SB3 transposes images)."""
        if self.privileges is not None:
            whole: Space = self.worlds.get_attr("world_space", 0)[0]
            return whole
        space: Space = self.worlds.unwrapped.observation_space
        return space

    @property
    def critic_is_refitted(self) -> bool:
        """Whether its critics see nothing of what they did in the source, and begin anew."""
        nothing = self.algorithm.settings.get("critic_in_target") == "nothing"
        return self.in_target and self.privileges is not None and nothing

    @property
    def frozen(self) -> frozenset[str]:
        """Names of the parameters that training leaves alone."""
        return self._frozen

    @property
    def remembers(self) -> bool:
        """Whether actions depend on more of an episode than the present observation."""
        return self.algorithm.recurrent or self.layout is not None

    def acting(self, deterministic: bool = True, *, histories: bool = False) -> Policy:
        """Return what acts: the model, or the policy that is `deployed` in its place.

        It holds the memory of the episodes that it acts in, and none of the statistics change.
        Draws random numbers only for actions that are not deterministic.

        Args:
            deterministic: whether actions are the most likely ones.
            histories: whether the observations that it will be given are histories already, as
                those of training worlds are.
        """
        if self.deployed is not None:
            return self.deployed.acting(deterministic, histories=histories)
        return ActingPolicy(self, deterministic, histories or self.is_told)

    def told_worlds(self, make_world: MakeWorld) -> MakeWorld:
        """Return what makes the worlds that `acting` policies act in.

        Those of a policy that `is_told` give their true parameters beside each observation.
        """
        privileges = self.privileges
        if not self.is_told or privileges is None:
            return make_world
        return lambda: PrivilegedWorld(make_world(), privileges)

    def act(self, observations: Any, deterministic: bool = True) -> Array:
        """Return actions for raw observations, of a policy without memory; see `acting`.

        Args:
            observations: shape (n, *observation shape), or a dict of such.
            deterministic: whether the actions are the policy's most likely ones.

        Returns:
            Actions, shape (n, *action shape).

        Raises:
            HeadstartError: the policy has a memory: `acting()` keeps it.
        """
        acts = self.deployed or self
        if acts.remembers:
            raise HeadstartError(
                f"a policy of {acts.algorithm.name} remembers its episode: use acting()"
            )
        return acts.acting(deterministic).act(observations)

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return all that is learned by name: the policy's state and, for SAC, its temperature."""
        state: dict[str, torch.Tensor] = dict(self.model.policy.state_dict())
        return {**state, **self._variables()}

    def copy_tensors(self, learned: Mapping[str, torch.Tensor]) -> None:
        """Take over all that is learned, as `tensors` of another learner returns it.

        Raises:
            KeyError: one that this learner has is not there.
        """
        with torch.no_grad():
            for name, tensor in self.tensors().items():
                tensor.copy_(learned[name])

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """Return the model's optimizers by their path, such as `actor.optimizer`."""
        found = {}
        for name in self.model._get_torch_save_params()[0]:
            value = recursive_getattr(self.model, name)
            if isinstance(value, torch.optim.Optimizer):
                found[name] = value
        return found

    def parameters(self) -> dict[str, torch.Tensor]:
        """Return every tensor that an optimizer may hold, by name."""
        return {**dict(self.model.policy.named_parameters()), **self._variables()}

    def trained(self) -> dict[str, frozenset[str]]:
        """Return the names of the parameters each optimizer trains when nothing is frozen."""
        names = {id(tensor): name for name, tensor in self.parameters().items()}
        return {
            optimizer: frozenset(names[id(tensor)] for group in groups for tensor in group)
            for optimizer, groups in self._groups.items()
        }

    def freeze(self, names: Collection[str]) -> None:
        """Keep exactly the parameters `names` from being trained; `freeze(())` frees all.

        Frozen parameters need no gradient and are in no optimizer; the optimizer's moments of
        the others, and of those frozen for a time, are kept.
        """
        names = frozenset(names)
        if names == self._frozen:
            return
        parameters = self.parameters()
        unknown = names - parameters.keys()
        if unknown:
            raise HeadstartError(f"cannot freeze unknown parameters: {sorted(unknown)}")
        for name in names ^ self._frozen:
            # SB3 backpropagates through the temperature whether or not it is trained, so it
            # only leaves its optimizer.
            if isinstance(parameters[name], nn.Parameter):
                parameters[name].requires_grad_(name not in names)
                parameters[name].grad = None
        self._frozen = names
        frozen = {id(parameters[name]) for name in names}
        for name, optimizer in self.optimizers().items():
            for group, owned in zip(optimizer.param_groups, self._groups[name], strict=True):
                group["params"] = [tensor for tensor in owned if id(tensor) not in frozen]

    def settle(self) -> Learner:
        """Return the learner that is to be saved: its model is the policy that was evaluated last.

        It is this one, with the weights and the statistics of the policy that is deployed, if any,
        and with optimizers that begin anew. A deployed policy of another algorithm has none that
        would fit: it is itself returned, with this one's count of steps.
        """
        deployed, self.deployed = self.deployed, None
        if deployed is None:
            return self
        if deployed.algorithm.cls is not self.algorithm.cls:
            deployed.model.num_timesteps = self.steps
            return deployed
        self.copy_tensors(deployed.tensors())
        for optimizer in self.optimizers().values():
            optimizer.state.clear()
        if self.normalizer is not None and deployed.normalizer is not None:
            if self.normalizer.norm_obs:
                self.normalizer.obs_rms = copy.deepcopy(deployed.normalizer.obs_rms)
            self.normalizer.ret_rms = copy.deepcopy(deployed.normalizer.ret_rms)
        return self

    def states(self) -> list[dict[str, Any] | None]:
        """Return what each callback keeps for a checkpoint, in order; None for one without."""
        return [part.state() if isinstance(part, Stateful) else None for part in self.callbacks]

    def restore_states(self, states: Sequence[Mapping[str, Any] | None]) -> None:
        """Give each callback back what it kept.

        Raises:
            HeadstartError: the callbacks are not those that kept it.
        """
        stateful = [isinstance(part, Stateful) for part in self.callbacks]
        if stateful != [state is not None for state in states]:
            raise HeadstartError("the checkpoint was made by a method with other parts")
        for part, state in zip(self.callbacks, states, strict=True):
            if isinstance(part, Stateful) and state is not None:
                part.restore(state)

    def stored(self) -> dict[str, Array]:
        """Return the arrays that callbacks keep for a checkpoint, as `number of callback/name`."""
        return {
            f"{number}/{name}": array
            for number, part in enumerate(self.callbacks)
            if isinstance(part, Storing)
            for name, array in part.arrays().items()
        }

    def restore_stored(self, arrays: Mapping[str, Array]) -> None:
        """Give each callback its arrays back.

        Raises:
            KeyError: one lacks its arrays.
        """
        for number, part in enumerate(self.callbacks):
            if isinstance(part, Storing):
                begin = f"{number}/"
                own = {n.removeprefix(begin): a for n, a in arrays.items() if n.startswith(begin)}
                part.restore_arrays(own)

    def close(self) -> None:
        """Close the training worlds and the log."""
        self.worlds.close()
        self.model.logger.close()

    def _variables(self) -> dict[str, torch.Tensor]:
        names = self.model._get_torch_save_params()[1]
        return {name: recursive_getattr(self.model, name) for name in names}


def create(
    algorithm: Algorithm,
    make_world: MakeWorld,
    seed: int,
    device: str = "cpu",
    *,
    check_spaces: Callable[[Space, Space], None] | None = None,
    workers: int = 0,
    privileges: Privileges | None = None,
    in_target: bool = False,
    making: AbstractContextManager[None] | None = None,
) -> Learner:
    """Make an untrained learner; `seed` decides its initial weights.

    `make_world` is called once for each of the `algorithm.worlds`; `check_spaces` may refuse
    their observation and action space. The worlds are stepped by so many `workers` (processes),
    or by this process if there are none; what is learned is the same bit for bit. `privileges` are
    what `critic_sees` stands for, by default as the worlds have it; `in_target` says that it is
    unknown here (see `critic_in_target`). The model, not
    its worlds, is made in the context `making`. Raises HeadstartError when the settings and the
    world's spaces do not go together.
    """
    check_device(device)
    sees = algorithm.privileged
    there: Any = algorithm.settings.get("critic_in_target") or "nominal"

    def make() -> World:
        world = make_world()
        check_supported(world.observation_space, "observation")
        check_supported(world.action_space, "action")
        if sees is not None:
            known = privileges or Privileges.of(world, sees)
            world = PrivilegedWorld(world, known, there if in_target else None)
        return Monitor(world)

    makes: list[MakeWorld] = [make] * algorithm.worlds
    vector: VecEnv = ParallelVecEnv(makes, workers) if workers else SerialVecEnv(makes)
    try:
        if check_spaces is not None:
            own = vector.observation_space
            whole = own if sees is None else vector.get_attr("world_space", 0)[0]
            check_spaces(whole, vector.action_space)
        if sees is not None:
            privileges = vector.get_attr("privileges", 0)[0]
        arguments = algorithm.arguments()
        _check_goals(vector, algorithm, arguments)
        layout = None
        if algorithm.history is not None:
            vector, layout = _with_history(vector, algorithm, arguments)
        vector = normalized(vector, algorithm)
        if arguments.get("action_noise") is not None:
            size = get_action_dim(vector.action_space)
            deviation = np.full(size, arguments["action_noise"])
            arguments["action_noise"] = NormalActionNoise(np.zeros(size), deviation)
        # What a bundle states is what it was trained with.
        arguments["policy"] = fitting_policy(
            arguments["policy"], vector.observation_space, stated=making is not None
        )
        if arguments["policy"] in OF_IMAGES.values():
            algorithm = algorithm.replace(policy=arguments["policy"])
        try:
            with warnings.catch_warnings(), making or nullcontext():
                # Its advice on buffers that are not its own is followed.
                warnings.filterwarnings("ignore", "`n_steps=.*is ignored")
                model = algorithm.cls(env=vector, seed=seed, device=device, **arguments)
        except HeadstartError:
            raise
        except Exception as error:  # settings that do not go together end in any kind of error
            said = str(error) if isinstance(error, (AssertionError, ValueError)) else ""
            said = single_line(said) or one_line(error)
            raise HeadstartError(f"{algorithm.name} cannot be made: {said}") from error
    except BaseException:
        vector.close()
        raise
    model.set_logger(Logger(None, []))
    return Learner(algorithm, model, layout, privileges if sees is not None else None, in_target)


def _with_history(
    vector: VecEnv, algorithm: Algorithm, arguments: dict[str, Any]
) -> tuple[VecEnv, HistoryLayout]:
    """Return worlds that give histories, and their layout; the model's arguments follow."""
    history = algorithm.history
    assert history is not None
    observations, actions = vector.observation_space, vector.action_space
    layout = HistoryLayout(history, observations, actions)
    add_history_features(arguments, layout)
    if not algorithm.on_policy:
        stored = HistoryLayout(history, channels_first(observations), actions)
        n_steps = int(arguments.get("n_steps", 1))
        arguments.update(buffer_arguments(stored, n_steps, algorithm.value("gamma")))
    return HistoryWorlds(vector, layout), layout


def useful_workers(workers: int, worlds: int) -> int:
    """Return how many of some workers to step so many worlds with: none for one of each."""
    spread = min(workers, worlds)
    return spread if spread > 1 else 0


def check_device(device: str) -> None:
    """Raise HeadstartError for a device that is not there; SB3 would silently take the CPU."""
    try:
        kind = "auto" if device == "auto" else torch.device(device).type
    except RuntimeError:
        raise HeadstartError(f"unknown device '{device}': expected cpu, cuda or auto") from None
    if kind == "cuda" and not torch.cuda.is_available():
        raise HeadstartError(f"device '{device}': PyTorch finds no GPU here")


def unnormalized_worlds(make_world: MakeWorld, count: int) -> VecEnv:
    """Return worlds as learners step them, their observations as a replay buffer stores them."""
    vector: VecEnv = SerialVecEnv([lambda: Monitor(make_world())] * count)
    space = vector.observation_space
    parts = list(space.values()) if isinstance(space, gym.spaces.Dict) else [space]
    return VecTransposeImage(vector) if any(map(is_channels_last, parts)) else vector


def _check_goals(vector: VecEnv, algorithm: Algorithm, arguments: Mapping[str, Any]) -> None:
    """Refuse goals in hindsight in worlds that have none, or beside a history."""
    if arguments.get("replay_buffer_class") is not HindsightBuffer:
        return
    if algorithm.history is not None:
        raise HeadstartError("history and replay_buffer_class: her: choose one of them")
    check_goals(vector.observation_space)


def reset_worlds(learner: Learner, seed: int) -> None:
    """Reseed every random stream of a learner from `seed` and start all its worlds anew."""
    model, worlds = learner.model, learner.worlds
    model.set_random_seed(seed)
    model._last_obs = worlds.reset()  # type: ignore[assignment]
    model._last_episode_starts = np.ones(worlds.num_envs, dtype=bool)
    if learner.normalizer is not None:
        model._last_original_obs = learner.normalizer.get_original_obs()
    if model.action_noise is not None:
        model.action_noise.reset()
    for state in getattr(model, "_last_lstm_states", None) or ():
        for part in state:
            part.zero_()
    if model.use_sde:
        actor: Any = getattr(model, "actor", model.policy)
        actor.reset_noise(worlds.num_envs)
    for callback in learner.callbacks:
        if isinstance(callback, AtReset):
            callback.worlds_reset()
    buffer = getattr(model, "replay_buffer", None)
    if isinstance(buffer, AtReset):
        buffer.worlds_reset()
    if buffer is not None and buffer.size() > 0:
        # The transition before the reset ends its trajectory without being terminal.
        last = buffer.pos - 1
        buffer.timeouts[last] = np.maximum(buffer.timeouts[last], 1 - buffer.dones[last])
