"""Go on learning in the target from the source policy, in one of several well-tried ways."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import partial
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from ...agents.algorithms import Algorithm
from ...agents.learner import Learner
from ...agents.policies.layers import actor_names, names_in
from ...agents.training import whole
from ...core.errors import HeadstartError
from .base import Problem
from .parts.anchors import Pull
from .parts.deployment import BetterOf
from .parts.escalation import SoftenIfLost
from .parts.normalizer import Normalizer, carry
from .parts.presets import Preset, preset_settings
from .parts.schedules import Frozen, LogStdFloor, NoUpdates, check_freezing
from .parts.warm_start import TEMPERATURE, WarmStart, set_adam_betas, set_learning_rate

# A phase may take this share of the budget at most, to a whole rollout more.
PHASE_SHARE = 0.1

_SEARCH = {
    "normalizer": "= choice(carried, frozen, capped)",
    "critic_steps": "= uniform(0, 10_000)",
    "policy_head": "= uniform(0, 1)",
}
_SEARCH_ON_POLICY = {
    "learning_rate_factor": "= loguniform(0.05, 2)",
    "target_kl": "= loguniform(0.005, 0.1)",
    "min_log_std": "= uniform(-2.5, 1)",
}
_SEARCH_OFF_POLICY = {
    "actor_learning_rate": "= loguniform(1e-5, 1e-3)",
    "critic_learning_rate": "= loguniform(3e-5, 3e-3)",
    "fill_steps": "= uniform(0, 10_000)",
}

Steps = Annotated[int, Field(ge=0)]
Rate = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Strength = Annotated[float, Field(ge=0)]
Beta = Annotated[float, Field(ge=0, lt=1)]
Of = Literal["preset"]


@dataclass(frozen=True)
class FineTune:
    """Source weights and further training, as a preset says; single settings may differ from it.

    `preset`: `auto` begins as the source with the noise of a new policy, softens it where little
    of its skill is left (a policy head scaled down to a few hundredths, a new critic head), and
    deploys the source until the learner's own training episodes are better; `careful` changes
    the source policy slowly, its critic first; `bold` gives it its noise and its whole learning
    rate back; `restart` has nothing left of its policy head. A setting that is `preset` is as
    the preset has it.

    `policy_head`: the share of the source's output layer that is kept; a new one is added to
    what is less than 1. `critic`: kept, reset, or reset in its output layer (`head`). `optimizer`:
    the source's moments kept, or reset. `normalizer`: what happens to the source's statistics.
    `critic_steps`: target steps in which only the critic learns, a tenth of the budget at most;
    on-policy it is in whole rollouts, and not where none would be left for the actor. `deploy`:
    what is evaluated and saved: the `learner`, or the `better` of it and the source by what
    training episodes say so far, for which some are played by the source and some without noise.

    On-policy (PPO): `learning_rate_factor` times the source's learning rate; early stopping of
    an update at `target_kl` (`source`: as in the source); `noise`: the policy's standard
    deviation kept, or reset to what a new policy has; `min_log_std`: a floor under its logarithm
    (null: none; under gSDE there is none, since what its noise amounts to depends on the
    observation); `when_lost`: whether to begin as the source and to
    `soften` it, by `policy_head` and `critic`, where its first episodes are little better than a
    softened one's, or to `go_on` from what these settings make of it (only where the `better` is
    deployed).

    Off-policy (SAC): `fill_steps` of the source policy fill the buffer before any update, a tenth
    of the budget at most; learning rates of actor (and temperature) and critic; `entropy`: SAC's
    temperature, where it is learned, kept or reset.

    Against forgetting, and for plasticity: `l2_sp` pulls each weight towards the source's
    (arXiv 1802.01483), `l2_init` towards a new network's (2308.11958), `weight_decay` towards 0,
    each by that share of the learning rate at every update; `shrink_and_perturb`, as [0.5, 0.1],
    scales all weights at the start and adds so much of a new network's (1910.08475);
    `adam_betas`, as [0.99, 0.99], are the optimizer's for targets that change (Dohare 2024).
    """

    name: ClassVar[str] = "fine_tune"
    trains: ClassVar[bool] = True
    needs_source: ClassVar[bool] = True

    preset: Preset = "auto"
    normalizer: Normalizer | Of = "preset"
    policy_head: Share | Of = "preset"
    critic: Literal["kept", "head", "reset"] | Of = "preset"
    optimizer: Literal["kept", "reset"] | Of = "preset"
    critic_steps: Steps | Of = "preset"
    deploy: Literal["learner", "better"] | Of = "preset"
    noise: Literal["kept", "reset"] | Of = "preset"
    when_lost: Literal["soften", "go_on"] | Of = "preset"
    learning_rate_factor: Rate | Of = "preset"
    target_kl: Rate | Literal["source"] | Of | None = "preset"
    min_log_std: float | Of | None = "preset"
    fill_steps: Steps | Of = "preset"
    actor_learning_rate: Rate | Of = "preset"
    critic_learning_rate: Rate | Of = "preset"
    entropy: Literal["kept", "reset"] | Of = "preset"
    l2_sp: Strength | Of = "preset"
    l2_init: Strength | Of = "preset"
    weight_decay: Strength | Of = "preset"
    shrink_and_perturb: tuple[Share, Share] | Of | None = "preset"
    adam_betas: tuple[Beta, Beta] | Of | None = "preset"

    def settings(self, algorithm: Algorithm) -> dict[str, Any]:
        """Return all settings for an algorithm: the preset's, and those that were given.

        Raises:
            HeadstartError: the preset, or a setting, is not for such an algorithm, or settings
                contradict each other.
        """
        found = preset_settings(self.preset, algorithm.on_policy)
        if found is None:
            kind = "off-policy" if algorithm.on_policy else "on-policy"
            raise HeadstartError(
                f"method fine_tune: preset '{self.preset}' is for {kind} algorithms, which "
                f"{algorithm.name} is not"
            )
        given = self._given()
        for name in given:
            if name not in found or (name == "target_kl" and not algorithm.accepts(name)):
                raise HeadstartError(
                    f"method fine_tune: '{name}' does not apply to {algorithm.name}"
                )
        settings = {**found, **given}
        _check_together(settings, set(given))
        return settings

    def check(self, algorithm: Algorithm) -> None:
        """Raise HeadstartError for a setting that does not apply to the algorithm, or for that."""
        check_freezing(self.name, algorithm)
        self.settings(algorithm)

    def fits(self, learner: Learner) -> None:
        """Raise HeadstartError where a learner has not what is to be treated apart."""
        actor_names(learner.model.policy)
        given = self._given()
        for setting, parameter in (
            ("entropy", TEMPERATURE),
            ("min_log_std", "log_std"),
            ("noise", "log_std"),
        ):
            if given.get(setting) is not None and parameter not in learner.parameters():
                raise HeadstartError(
                    f"method fine_tune: '{setting}' does not apply: {learner.algorithm.name} "
                    f"learns no {parameter} here"
                )

    def _given(self) -> dict[str, Any]:
        """Return the settings that are not left to the preset."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        del values["preset"]
        return {name: value for name, value in values.items() if value != "preset"}

    def search(self, algorithm: Algorithm) -> dict[str, str]:
        """Return the settings worth searching, with their ranges."""
        if not algorithm.on_policy:
            return _SEARCH_OFF_POLICY | _SEARCH
        found = _SEARCH_ON_POLICY | _SEARCH
        if algorithm.accepts("use_sde") and algorithm.value("use_sde"):
            del found["min_log_std"]
        # A limit that the preset has not, or that the algorithm has not, is not searched for.
        settings = self.settings(algorithm)
        for limit in ("target_kl", "min_log_std"):
            unlimited = not isinstance(settings[limit], float)
            if limit in found and (
                unlimited or (limit == "target_kl" and not algorithm.accepts(limit))
            ):
                del found[limit]
        return found

    def start(self, problem: Problem) -> Learner:
        """Return the source's learner, set up for its first steps in the target."""
        source = problem.source.algorithm
        self.check(source)
        settings = self.settings(source)
        changes: dict[str, Any] = {}
        if source.on_policy:
            factor = settings["learning_rate_factor"]
            changes["learning_rate"] = source.value("learning_rate") * factor
            if source.accepts("target_kl") and settings["target_kl"] != "source":
                changes["target_kl"] = settings["target_kl"]
        else:
            changes["learning_rate"] = settings["critic_learning_rate"]
            changes["learning_starts"] = 0
        learner = problem.create(source.replace(**changes))
        try:
            self._set_up(problem, learner, settings)
        except BaseException:
            learner.close()
            raise
        return learner

    def _set_up(self, problem: Problem, learner: Learner, settings: dict[str, Any]) -> None:
        """Bring in the source's state, and add the callbacks of the training."""
        source = problem.source
        warm = WarmStart(learner)
        source.restore_weights(learner)
        if settings["optimizer"] == "kept":
            source.restore_optimizers(learner)
        if settings.get("when_lost") == "soften":
            warm.reset({"log_std"} & learner.parameters().keys())
        else:
            warm.reset(_reset_names(learner, settings))
            warm.mix(names_in(learner.model.policy, ["policy_head"]), settings["policy_head"])
        if settings["shrink_and_perturb"] is not None:
            warm.shrink_and_perturb(*settings["shrink_and_perturb"])
        warm.settle_targets()
        carry(source, learner, settings["normalizer"])
        if settings["adam_betas"] is not None:
            set_adam_betas(learner, settings["adam_betas"])
        pulls = {"l2_sp": source.weights(), "l2_init": warm.fresh, "weight_decay": None}
        for name, anchor in pulls.items():
            if settings[name] > 0:
                Pull(learner, settings[name], anchor).attach()
        self._add_phases(problem, learner, settings)
        if settings["deploy"] == "better":
            self._add_choice(problem, learner, settings, warm)

    def _add_choice(
        self, problem: Problem, learner: Learner, settings: dict[str, Any], warm: WarmStart
    ) -> None:
        """Let the source act until it is surpassed, and soften the learner that has lost it."""
        source, softened = problem.source, None
        reset = _reset_names(learner, settings)
        head = names_in(learner.model.policy, ["policy_head"])
        soften = partial(warm.soften, source, reset, head, settings["policy_head"])
        judged = settings.get("when_lost") == "soften"
        if judged:
            softened = source.policy(problem.device)
            WarmStart(softened, warm.fresh).soften(source, reset, head, settings["policy_head"])
        choice = BetterOf(learner, source.policy(problem.device), softened)
        if judged:
            learner.callbacks.append(SoftenIfLost(choice, soften))
        learner.callbacks.append(choice)

    def _add_phases(self, problem: Problem, learner: Learner, settings: dict[str, Any]) -> None:
        """Add what happens before everything learns: a buffer that fills, the critic alone."""
        limit = int(problem.steps * PHASE_SHARE)
        critic_until = min(settings["critic_steps"], limit)
        if learner.algorithm.on_policy:
            floor = settings["min_log_std"]
            if floor is not None and not getattr(learner.model, "use_sde", False):
                learner.callbacks.append(LogStdFloor(learner, floor))
            rollout = learner.algorithm.rollout
            if whole(critic_until, rollout) >= whole(problem.steps, rollout):
                critic_until = 0
        else:
            fill_until = min(settings["fill_steps"], limit)
            critic_until += fill_until
            learner.callbacks.append(NoUpdates(learner, fill_until))
            set_learning_rate(learner, settings["actor_learning_rate"])
        if settings["critic_steps"]:
            actor = actor_names(learner.model.policy)
            frozen = actor | ({TEMPERATURE} & learner.parameters().keys())
            learner.callbacks.append(Frozen(learner, frozen, critic_until))


def _reset_names(learner: Learner, settings: dict[str, Any]) -> set[str]:
    """Return the parameters that begin anew."""
    policy = learner.model.policy
    critic = {name for name, _ in policy.named_parameters()} - actor_names(policy)
    found: set[str] = set()
    if settings["critic"] == "reset":
        found |= critic
    elif settings["critic"] == "head":
        found |= names_in(policy, ["critic_head"]) & critic
    if settings.get("noise") == "reset":
        found |= {"log_std"} & learner.parameters().keys()
    if settings.get("entropy") == "reset":
        found |= {TEMPERATURE} & learner.parameters().keys()
    return found


def _check_together(settings: dict[str, Any], given: set[str]) -> None:
    """Raise HeadstartError for settings of which one undoes what the other does."""
    if settings.get("when_lost") == "soften" and settings["deploy"] != "better":
        raise HeadstartError(
            "method fine_tune: 'when_lost: soften' needs 'deploy: better', whose training episodes "
            "it is decided by"
        )
    pulled = settings["l2_sp"] > 0
    moved = settings["policy_head"] < 1 or settings["shrink_and_perturb"] is not None
    if pulled and settings["l2_init"] > 0:
        raise HeadstartError(
            "method fine_tune: 'l2_sp' and 'l2_init' contradict each other: one pulls towards the "
            "source's weights, the other towards a new network's"
        )
    if pulled and settings["weight_decay"] > 0:
        raise HeadstartError(
            "method fine_tune: 'l2_sp' and 'weight_decay' contradict each other: one pulls "
            "towards the source's weights, the other towards 0"
        )
    if pulled and moved:
        which = "policy_head" if settings["policy_head"] < 1 else "shrink_and_perturb"
        how = "given" if which in given else "the preset's"
        raise HeadstartError(
            f"method fine_tune: 'l2_sp' pulls back to the source's weights what '{which}' ({how}) "
            "moves away from them; use preset careful or bold"
        )
