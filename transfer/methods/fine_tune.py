"""The safe warm start: go on learning in the target without losing the source policy first.

After WSRL (arXiv 2412.07762) for off-policy algorithms and the usual on-policy practice: no
random actions, the critic first, then everything with small steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field

from ...agents.algorithms import Algorithm
from ...agents.learner import Learner
from ...agents.policies.layers import actor_names
from ...agents.training import whole
from ...core.errors import HeadstartError
from .base import Problem
from .parts.normalizer import Normalizer, carry
from .parts.schedules import Frozen, LogStdFloor, NoUpdates, check_freezing

# A phase may take this share of the budget at most, to a whole rollout more.
PHASE_SHARE = 0.1
TEMPERATURE = "log_ent_coef"

_ON_POLICY = ("learning_rate_factor", "target_kl", "min_log_std")
_OFF_POLICY = ("fill_steps", "actor_learning_rate", "critic_learning_rate", "entropy")

_SEARCH = {
    "normalizer": "= choice(carried, frozen, capped)",
    "critic_steps": "= uniform(0, 10_000)",
}
_SEARCH_ON_POLICY = {
    "learning_rate_factor": "= loguniform(0.05, 2)",
    "target_kl": "= loguniform(0.005, 0.1)",
    "min_log_std": "= uniform(-2.5, 0)",
}
_SEARCH_OFF_POLICY = {
    "actor_learning_rate": "= loguniform(1e-5, 1e-3)",
    "critic_learning_rate": "= loguniform(3e-5, 3e-3)",
    "fill_steps": "= uniform(0, 10_000)",
}

Steps = Annotated[int, Field(ge=0)]
Rate = Annotated[float, Field(gt=0)]


@dataclass(frozen=True)
class FineTune:
    """Source weights, careful training; settings of the other kind of algorithm are refused.

    `normalizer`: see above. `critic`, `optimizer`: the source's kept, or reset. `critic_steps`:
    target steps in which only the critic learns, a tenth of the budget at most; on-policy it is in
    whole rollouts, and not where none would be left for the actor. The actor's weights stand still
    then, but not what a normalizer that goes on makes of observations.

    On-policy (PPO): `learning_rate_factor` times the source's learning rate, early stopping of an
    update at `target_kl`, and a floor under the policy's log standard deviation (null: none;
    under gSDE there is none, since what its noise amounts to depends on the observation).

    Off-policy (SAC): `fill_steps` of the frozen source policy fill the buffer before any update;
    a tenth of the budget at most; then separate learning rates for actor (and temperature) and
    critic; `entropy`: SAC's temperature, where it is learned, kept or reset.
    """

    name: ClassVar[str] = "fine_tune"
    trains: ClassVar[bool] = True
    needs_source: ClassVar[bool] = True

    normalizer: Normalizer = "capped"
    critic: Literal["kept", "reset"] = "kept"
    optimizer: Literal["kept", "reset"] = "kept"
    critic_steps: Steps = 2_000
    learning_rate_factor: Rate = 0.3
    target_kl: Rate | None = 0.02
    min_log_std: float | None = -1.0
    fill_steps: Steps = 5_000
    actor_learning_rate: Rate = 1e-4
    critic_learning_rate: Rate = 3e-4
    entropy: Literal["kept", "reset"] = "kept"

    def check(self, algorithm: Algorithm) -> None:
        """Raise HeadstartError for a setting that does not apply to the algorithm, or for that."""
        check_freezing(self.name, algorithm)
        foreign = list(_OFF_POLICY if algorithm.on_policy else _ON_POLICY)
        if algorithm.on_policy and not algorithm.accepts("target_kl"):
            foreign.append("target_kl")
        for name in foreign:
            if self._is_set(name):
                raise HeadstartError(
                    f"method fine_tune: '{name}' does not apply to {algorithm.name}"
                )

    def fits(self, learner: Learner) -> None:
        """Raise HeadstartError where a learner has not what is to be treated apart."""
        actor_names(learner.model.policy)
        for setting, parameter in (("entropy", TEMPERATURE), ("min_log_std", "log_std")):
            treated = self._is_set(setting) and getattr(self, setting) is not None
            if treated and parameter not in learner.parameters():
                raise HeadstartError(
                    f"method fine_tune: '{setting}' does not apply: {learner.algorithm.name} "
                    f"learns no {parameter} here"
                )

    def _is_set(self, setting: str) -> bool:
        """Whether a setting is other than its default, which is what the class has."""
        return bool(getattr(self, setting) != getattr(FineTune, setting))

    def search(self, algorithm: Algorithm) -> dict[str, str]:
        """Return the settings worth searching, with their ranges."""
        if not algorithm.on_policy:
            return _SEARCH_OFF_POLICY | _SEARCH
        found = _SEARCH_ON_POLICY | _SEARCH
        if not algorithm.accepts("target_kl"):
            del found["target_kl"]
        if algorithm.accepts("use_sde") and algorithm.value("use_sde"):
            del found["min_log_std"]
        return found

    def start(self, problem: Problem) -> Learner:
        """Return the source's learner, set up for its first careful steps in the target."""
        source = problem.source.algorithm
        self.check(source)
        changes: dict[str, Any] = {}
        if source.on_policy:
            changes["learning_rate"] = source.value("learning_rate") * self.learning_rate_factor
            if source.accepts("target_kl"):
                changes["target_kl"] = self.target_kl
        else:
            changes.update(learning_rate=self.critic_learning_rate, learning_starts=0)
        learner = problem.create(source.replace(**changes))
        try:
            self._carry_over(problem, learner)
        except BaseException:
            learner.close()
            raise
        return learner

    def _carry_over(self, problem: Problem, learner: Learner) -> None:
        """Bring in the source's state, and add the callbacks of the careful training."""
        source, policy = problem.source, learner.model.policy
        actor = actor_names(policy)
        reset = [name for name, _ in policy.named_parameters() if name not in actor]
        if self.critic == "kept":
            reset = []
        if self.entropy == "reset":
            reset += [name for name in learner.parameters() if name == TEMPERATURE]
        fresh = {name: learner.parameters()[name].detach().clone() for name in reset}
        source.restore_weights(learner)
        if self.optimizer == "kept":
            source.restore_optimizers(learner)
        for name, value in fresh.items():
            parameter = learner.parameters()[name]
            with torch.no_grad():
                parameter.copy_(value)
            for optimizer in learner.optimizers().values():
                optimizer.state.pop(parameter, None)
        carry(source, learner, self.normalizer)

        limit = int(problem.steps * PHASE_SHARE)
        critic_until = min(self.critic_steps, limit)
        if learner.algorithm.on_policy:
            if self.min_log_std is not None and not getattr(learner.model, "use_sde", False):
                learner.callbacks.append(LogStdFloor(learner, self.min_log_std))
            rollout = learner.algorithm.rollout
            if whole(critic_until, rollout) >= whole(problem.steps, rollout):
                critic_until = 0
        else:
            fill_until = min(self.fill_steps, limit)
            critic_until += fill_until
            learner.callbacks.append(NoUpdates(learner, fill_until))
            _set_learning_rate(learner, self.actor_learning_rate)
        frozen = actor | ({TEMPERATURE} & learner.parameters().keys())
        learner.callbacks.append(Frozen(learner, frozen, critic_until))


def _set_learning_rate(learner: Learner, rate: float) -> None:
    """Give actor and temperature their own learning rate.

    SB3 sets one rate on all optimizers before each update, so it is set again at each step.
    """

    def set_rate(optimizer: torch.optim.Optimizer, *_: Any) -> None:
        for group in optimizer.param_groups:
            group["lr"] = rate

    for name, optimizer in learner.optimizers().items():
        if name != "critic.optimizer":
            optimizer.register_step_pre_hook(set_rate)
