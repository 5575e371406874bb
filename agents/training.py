"""The one training loop: evaluate at step 0 and on a fixed grid, checkpoint, go on exactly."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import KVWriter, Logger, TensorBoardOutputFormat
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from torch.utils.tensorboard import SummaryWriter

from ..core.errors import HeadstartError
from .evaluation import Evaluation, EvaluationError, is_finite, numbers_of, success_of
from .learner import Learner, reset_worlds

LOSSES = (
    "train/loss",
    "train/value_loss",
    "train/policy_gradient_loss",
    "train/policy_objective",
    "train/critic_loss",
    "train/actor_loss",
    "train/ent_coef_loss",
)


class TrainingError(RuntimeError):
    """Training met a number that is not finite; says which and at which step."""


def evaluation_steps(steps: int, every: int, rollout: int) -> list[int]:
    """Return the steps at which training for `steps` with this grid evaluates, all of them.

    An evaluation takes place between two rollouts (of `rollout` steps): at step 0, at the first
    such boundary at or after each multiple of `every`, and at the end, which is the first
    boundary at or after `steps`.
    """
    return sorted(boundaries([*range(0, steps, every), steps], rollout))


def boundaries(grid: Collection[int], rollout: int) -> set[int]:
    """Return the first rollout boundary at or after each step of `grid`."""
    return {whole(step, rollout) for step in grid}


def whole(steps: int, rollout: int) -> int:
    """Return how many steps a budget takes: the first rollout boundary at or after it."""
    return -(-steps // rollout) * rollout


def train(
    learner: Learner,
    *,
    steps: int,
    seed: int,
    grid: Sequence[int],
    evaluate: Callable[[Learner], Evaluation],
    on_evaluation: Callable[[int, Evaluation], None],
    checkpoint_every: int | None = None,
    checkpoints: Sequence[int] = (),
    save_checkpoint: Callable[[int], None] | None = None,
    recorded: Mapping[int, Mapping[str, Any]] | None = None,
    log_dir: str | Path | None = None,
    on_rollout: Callable[[int], None] | None = None,
    outputs: Sequence[KVWriter] = (),
) -> None:
    """Train `learner` up to `steps` environment steps, counting those it has already taken.

    Evaluates at the first rollout boundary at or after each step of `grid` and calls
    `on_evaluation(step, evaluation)`; steps in `recorded` (their lines of `evaluations.jsonl`)
    are not evaluated again. Evaluation leaves the training random streams as they are.

    At the first boundary at or after each multiple of `checkpoint_every`, and each step of
    `checkpoints`, `save_checkpoint(step)` is called; then, in every run whether it is ever
    interrupted or not, all random streams are reseeded from (`seed`, step) and all worlds reset.
    So a learner restored from that checkpoint goes on bit for bit as the uninterrupted one does:
    the same `seed`, `grid`, `checkpoint_every` and `checkpoints` give the same curve and weights.

    With `log_dir`, TensorBoard gets `eval/return`, `eval/success`, `eval/length`, the world's
    `reward/<term>`, the `parameters/<name>` that its episodes had in force (means over those that
    ended) and Stable-Baselines3's own scalars. After a restore, what an earlier run had logged
    beyond the checkpoint is purged, and but for `time/...` the log becomes that of an uninterrupted
    run. `outputs` get the same. `on_rollout(step)` is called at every boundary.

    Raises TrainingError when an observation, a reward, a loss or a weight is not finite.
    """
    if log_dir is not None:
        learner.model.set_logger(tensorboard_logger(log_dir, learner.steps, outputs))
    rollout = learner.algorithm.rollout
    loop = _Loop(
        learner,
        seed=seed,
        evaluations=boundaries(grid, rollout),
        checkpoints=boundaries(
            [*range(0, steps, checkpoint_every or steps), *checkpoints], rollout
        ),
        evaluate=evaluate,
        on_evaluation=on_evaluation,
        save_checkpoint=save_checkpoint,
        recorded=recorded or {},
        on_rollout=on_rollout,
    )
    # The loop resets the worlds itself, at its first boundary; an observation in place keeps
    # SB3 from resetting them too, which would move the normalizer's statistics once more.
    learner.model._last_obs = np.empty(0)
    try:
        learner.model.learn(
            max(steps - learner.steps, 0),
            callback=[*learner.callbacks, loop],
            reset_num_timesteps=False,
        )
    except (ValueError, HeadstartError) as error:
        # Torch's distributions, or the worlds, refuse NaN before any loss is known.
        bad = _not_finite(learner)
        if bad is None:
            raise
        raise TrainingError(
            f"weights are not finite (NaN or infinite) at step {learner.steps}: {bad}"
        ) from error


class _Loop(BaseCallback):
    """What `train` does between and during rollouts."""

    def __init__(
        self,
        learner: Learner,
        *,
        seed: int,
        evaluations: set[int],
        checkpoints: set[int],
        evaluate: Callable[[Learner], Evaluation],
        on_evaluation: Callable[[int, Evaluation], None],
        save_checkpoint: Callable[[int], None] | None,
        recorded: Mapping[int, Mapping[str, Any]],
        on_rollout: Callable[[int], None] | None,
    ) -> None:
        super().__init__()
        self.learner = learner
        self.seed = seed
        self.evaluations = evaluations
        self.checkpoints = checkpoints
        self.evaluate = evaluate
        self.announce = on_evaluation
        self.save_checkpoint = save_checkpoint
        self.recorded = recorded
        self.on_boundary = on_rollout
        self.first_step = learner.steps
        self.running = False
        self.parameters: list[Any] = []
        self.success_key: str | None = None
        self.untold = 0

    def _on_rollout_start(self) -> None:
        step = self.learner.steps
        self._at_boundary(step)
        if step in self.checkpoints or isinstance(self.model, OnPolicyAlgorithm):
            # The losses of the update just made: SB3 logs them a rollout late, or, where a run
            # goes on from this checkpoint, not at all.
            self.logger.dump(step)
        if not self.running:
            self.running = True
            self._restart(step)
        elif step in self.checkpoints:
            if self.save_checkpoint is not None:
                self.save_checkpoint(step)
            self._restart(step)

    def _on_training_end(self) -> None:
        self._at_boundary(self.learner.steps)
        self.logger.dump(self.learner.steps)

    def _on_step(self) -> bool:
        normalizer = self.learner.normalizer
        observations = self.locals["new_obs"] if normalizer is None else normalizer.old_obs
        rewards = self.locals["rewards"] if normalizer is None else normalizer.old_reward
        if not is_finite(observations):
            raise self._not_finite("observation")
        if not is_finite(rewards):
            raise self._not_finite("reward")
        if self.locals["dones"].any():
            self._log_episodes()
        return True

    def _log_episodes(self) -> None:
        """Log what worlds say of themselves at the end of an episode."""
        begun = self._begun()
        ends = zip(self.locals["dones"], self.locals["infos"], strict=True)
        for world, (done, info) in enumerate(ends):
            if not done:
                continue
            if not is_finite(info.get("terminal_observation", 0.0)):
                raise self._not_finite("observation")
            for term, value in numbers_of(info.get("reward_terms")).items():
                self.logger.record_mean(f"reward/{term}", value)
            for name, value in numbers_of(self.parameters[world]).items():
                self.logger.record_mean(f"parameters/{name}", value)
            self.parameters[world] = begun[world]
            self._log_success(info)

    def _log_success(self, info: Mapping[str, Any]) -> None:
        """Log whether an episode succeeded; of worlds that tell so of some, the others did not."""
        told = success_of(info)
        if self.success_key is None and told is None:
            self.untold += 1
            return
        values = [told or 0.0]
        if self.success_key is None:
            self.success_key = "success" if "success" in info else "is_success"
            values = [0.0] * self.untold + values
        if self.success_key == "success":
            for value in values:
                self.logger.record_mean("rollout/success_rate", value)
            return
        # Stable-Baselines3 logs the mean of this buffer, and puts in what a world tells.
        latest = self.model.ep_success_buffer
        assert latest is not None
        latest.extend(values if told is None else values[:-1])

    def _begun(self) -> list[Any]:
        """Return the parameters, as far as told, of the episode that each world began last."""
        return [info.get("parameters") for info in self.learner.worlds.unwrapped.reset_infos]

    def _at_boundary(self, step: int) -> None:
        losses = self.logger.name_to_value
        for name in LOSSES:
            if not np.isfinite(losses.get(name, 0.0)):
                raise self._not_finite(f"loss ({name})")
        if step in self.evaluations:
            if step not in self.recorded:
                self._evaluate(step)
            elif step > self.first_step or step == 0:
                log_evaluation(self.logger, step, self.recorded[step])
        if self.on_boundary is not None:
            self.on_boundary(step)

    def _evaluate(self, step: int) -> None:
        bad = _not_finite(self.learner)
        if bad is not None:
            raise self._not_finite(f"weights ({bad})")
        try:
            with streams_kept():
                evaluation = self.evaluate(self.learner)
        except EvaluationError as error:
            raise TrainingError(f"{error} (after {step} training steps)") from error
        log_evaluation(self.logger, step, evaluation.record(step))
        self.announce(step, evaluation)

    def _restart(self, step: int) -> None:
        """Make all that follows a function of (seed, step) and of what a checkpoint holds."""
        seed = int(np.random.SeedSequence([self.seed, step]).generate_state(1)[0])
        reset_worlds(self.learner, seed >> 1)
        self.parameters = self._begun()
        # A checkpoint has no past episodes, so means over the latest ones begin anew as well.
        for latest in (self.model.ep_info_buffer, self.model.ep_success_buffer):
            assert latest is not None
            latest.clear()
        self.success_key, self.untold = None, 0
        normalizer = self.learner.normalizer
        observations = self.model._last_obs if normalizer is None else normalizer.old_obs
        if not is_finite(observations):
            raise self._not_finite("observation")

    def _not_finite(self, what: str) -> TrainingError:
        return TrainingError(f"{what} is not finite (NaN or infinite) at step {self.learner.steps}")


class _TensorBoard(TensorBoardOutputFormat):
    """SB3's TensorBoard output, with events at or after `purge_step` of earlier files ignored."""

    def __init__(self, directory: str | Path, purge_step: int) -> None:
        self.writer = SummaryWriter(str(directory), purge_step=purge_step)
        self._is_closed = False


def tensorboard_logger(
    directory: str | Path, step: int, outputs: Sequence[KVWriter] = ()
) -> Logger:
    """Return a logger into `directory` for a training that goes on from `step`, and to `outputs`.

    What was logged there beyond `step` by a run that did not end is purged.
    """
    return Logger(str(directory), [_TensorBoard(directory, step + 1 if step else 0), *outputs])


def log_evaluation(logger: Logger, step: int, record: Mapping[str, Any]) -> None:
    """Write an evaluation's line (see `Evaluation.record`) to the log as scalars `eval/...`."""
    values = {f"eval/{key}": record[key] for key in ("return", "success", "length")}
    values = {key: value for key, value in values.items() if value is not None}
    for output in logger.output_formats:
        if isinstance(output, KVWriter):
            output.write(values, dict.fromkeys(values, ("",)), step)


def _not_finite(learner: Learner) -> str | None:
    """Return the name of a learned tensor that is not finite, if any."""
    for name, tensor in learner.tensors().items():
        if not torch.isfinite(tensor).all():
            return name
    return None


@contextmanager
def streams_kept() -> Iterator[None]:
    """Put the global random streams, which SB3 draws from in training, back as they were."""
    python, numpy, cpu = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    gpus = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002
        torch.set_rng_state(cpu)
        if gpus:
            torch.cuda.set_rng_state_all(gpus)
