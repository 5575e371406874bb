"""Go on learning in the target from the source policy, in one of several well-tried ways."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import partial
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from ...agents.algorithms import Algorithm
from ...agents.cores.off_policy import OffPolicyCore
from ...agents.learner import Learner
from ...agents.policies.layers import actor_names, names_in
from ...agents.training import whole
from ...core.errors import HeadstartError
from .base import Problem
from .parts.anchors import KLAnchor, Pull
from .parts.compatible import check_core, check_together
from .parts.crossing import Distilled, check_actions, crossed
from .parts.deployment import BetterOf
from .parts.escalation import SoftenIfLost
from .parts.layer_rates import add_dropout, set_layer_rates
from .parts.normalizer import Normalizer, carry
from .parts.presets import CROSSING, Preset, preset_settings
from .parts.schedules import Frozen, LogStdFloor, NoUpdates, check_freezing
from .parts.source_replay import SourceReplay
from .parts.teacher import Teacher, gaussian_or_classes
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
_SEARCH_RATIO = {"critic_to_actor": "= choice(1, 4, 20)"}
_SEARCH_REPLAY = {
    "replay_share": "= uniform(0, 0.9)",
    "replay_until": "= uniform(0.1, 1)",
}

Steps = Annotated[int, Field(ge=0)]
Rate = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Strength = Annotated[float, Field(ge=0)]
Ratio = Annotated[int, Field(ge=1)]
DropRate = Annotated[float, Field(ge=0, lt=1)]
Beta = Annotated[float, Field(ge=0, lt=1)]
Of = Literal["preset"]


@dataclass(frozen=True)
class FineTune:
    """Source weights and further training, as a preset says; single settings may differ from it.

    `preset`: `auto` begins as the source with the noise of a new policy, softens it where little
    of its skill is left (a policy head scaled down to a few hundredths, a new critic head), or
    where it gets nowhere with it by a quarter or half of the budget, and deploys the source until
    the learner's own training episodes are better; `careful` changes the source policy slowly, its
    critic first; `bold` gives it its noise and its whole learning rate back; `restart` has nothing
    left of its policy head. A setting that is `preset` is as the preset has it.

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
    softened one's or it gets stuck later, or to `go_on` from what these settings make of it
    (only where the `better` is deployed).

    Off-policy (SAC): `fill_steps` of the source policy fill the buffer before any update, a tenth
    of the budget at most; learning rates of actor (and temperature) and critic; `entropy`: SAC's
    temperature, where it is learned, kept or reset.

    Against forgetting, and for plasticity: `l2_sp` pulls each weight towards the source's
    (arXiv 1802.01483), `l2_init` towards a new network's (2308.11958), `weight_decay` towards 0,
    each by that share of the learning rate at every update; `shrink_and_perturb`, as [0.5, 0.1],
    scales all weights at the start and adds so much of a new network's (1910.08475);
    `adam_betas`, as [0.99, 0.99], are the optimizer's for targets that change (Dohare 2024).
    `kl_anchor` adds so much of the KL divergence from the source's policy, per action dimension,
    to the actor's loss; it halves every `kl_half_life` target steps (null: it stays). `dropout`
    drops that share of the critic's hidden units in updates (2110.02034). `layer_rates`, as
    {features: 0.1}, scales the learning rate of layers by group or pattern. `unfreeze`, as
    [policy_head, features], lets the first of these learn at once and the others one after another,
    the last at the share `unfreeze_until` of the budget (1801.06146); what is not named learns.

    Off-policy, `sim_to_online` is slow in its actor and fast in its critic (2602.20220):
    `critic_to_actor` critic updates for each of the actor, `gradient_steps` critic updates after
    each rollout (null: as the source's). The paper goes on with transitions of the source, too,
    which is worth trying where the target differs little: `source_replay` of the source policy in
    source worlds, which count as source steps, as the share `replay_share` of a minibatch at first,
    falling to none at the share `replay_until` of the budget; of the source worlds the last takes
    random actions in the share `replay_random` of its steps, the first none. `algorithm`, as sac,
    goes on with another than the source's: the source is on-policy, the actor is fitted to it and
    the critic to these transitions, of more actions than the source's own, by `critic_pretrain`
    updates.
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
    kl_anchor: Strength | Of = "preset"
    kl_half_life: Rate | Of | None = "preset"
    dropout: DropRate | Of = "preset"
    layer_rates: Mapping[str, Strength] | Of | None = "preset"
    unfreeze: tuple[str, ...] | Of | None = "preset"
    unfreeze_until: Share | Of = "preset"
    critic_to_actor: Ratio | Of = "preset"
    gradient_steps: Ratio | Of | None = "preset"
    source_replay: Steps | Of = "preset"
    replay_share: Share | Of = "preset"
    replay_until: Share | Of = "preset"
    replay_random: Share | Of = "preset"
    critic_pretrain: Steps | Of = "preset"
    algorithm: str | Mapping[str, Mapping[str, Any] | None] | None = None

    def settings(self, algorithm: Algorithm) -> dict[str, Any]:
        """Return all settings for an algorithm: the preset's, and those that were given.

        Raises:
            HeadstartError: the preset, or a setting, is not for such an algorithm, or settings
                contradict each other.
        """
        own = self._own(algorithm)
        found = preset_settings(self.preset, own.on_policy)
        if found is None:
            kind = "off-policy" if own.on_policy else "on-policy"
            hint = "; give 'algorithm: sac' as well" if own.on_policy else ""
            raise HeadstartError(
                f"method fine_tune: preset '{self.preset}' is for {kind} algorithms, which "
                f"{own.name} is not{hint}"
            )
        given = self._given()
        for name in given:
            if name not in found or (name == "target_kl" and not own.accepts(name)):
                raise HeadstartError(f"method fine_tune: '{name}' does not apply to {own.name}")
        crossing = CROSSING if self.algorithm is not None else {}
        settings = {**found, **crossing, **given}
        check_together(settings, set(given), crossing=bool(crossing))
        check_core(settings, own, algorithm)
        return settings

    def _own(self, algorithm: Algorithm) -> Algorithm:
        """Return the algorithm of the training in the target, given the source's."""
        return algorithm if self.algorithm is None else crossed(self.algorithm, algorithm)

    def check(self, algorithm: Algorithm) -> None:
        """Raise HeadstartError for a setting that does not apply to the algorithm, or for that."""
        check_freezing(self.name, self._own(algorithm))
        self.settings(algorithm)

    def check_budget(self, algorithm: Algorithm, source_steps: int) -> None:
        """Raise HeadstartError for more source replay than the source was trained for, or holds."""
        own, settings = self._own(algorithm), self.settings(algorithm)
        if own.on_policy:
            return
        limits = {"the source's own steps": source_steps, "buffer_size": own.value("buffer_size")}
        for what, limit in limits.items():
            if settings["source_replay"] > limit:
                raise HeadstartError(
                    f"method fine_tune: source_replay = {settings['source_replay']:,}: expected "
                    f"{limit:,} at most ({what})"
                )

    def fits(self, learner: Learner) -> None:
        """Raise HeadstartError where a learner has not what is to be treated apart."""
        given = self._given()
        if self.algorithm is not None:
            check_actions(learner, self._own(learner.algorithm).name)
            return
        policy = learner.model.policy
        actor_names(policy)
        names_in(policy, given.get("layer_rates") or ())
        names_in(policy, given.get("unfreeze") or ())
        if given.get("kl_anchor"):
            gaussian_or_classes(learner, is_learner=True)
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
        del values["preset"], values["algorithm"]
        return {name: value for name, value in values.items() if value != "preset"}

    def search(self, algorithm: Algorithm) -> dict[str, str]:
        """Return the settings worth searching, with their ranges."""
        if not self._own(algorithm).on_policy:
            settings = self.settings(algorithm)
            ranges = _SEARCH_OFF_POLICY | _SEARCH
            if settings["source_replay"]:
                ranges |= _SEARCH_REPLAY
            if settings["source_replay"] or settings["critic_to_actor"] > 1:
                ranges |= _SEARCH_RATIO
            if self.algorithm is not None:
                del ranges["policy_head"]  # nothing of the source's weights is taken over
            return ranges
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
        self.check(problem.source.algorithm)
        settings = self.settings(problem.source.algorithm)
        source = self._own(problem.source.algorithm)
        changes: dict[str, Any] = {}
        if source.on_policy:
            factor = settings["learning_rate_factor"]
            changes["learning_rate"] = source.value("learning_rate") * factor
            if source.accepts("target_kl") and settings["target_kl"] != "source":
                changes["target_kl"] = settings["target_kl"]
        else:
            changes["learning_rate"] = settings["critic_learning_rate"]
            changes["learning_starts"] = 0
            if settings["gradient_steps"] is not None:
                changes["gradient_steps"] = settings["gradient_steps"]
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
        if self.algorithm is None:
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
        if settings["layer_rates"]:
            set_layer_rates(learner, settings["layer_rates"])
        if settings["dropout"]:
            add_dropout(learner, settings["dropout"])
        if settings["kl_anchor"]:
            teacher = Teacher(source.policy(problem.device), learner)
            KLAnchor(learner, teacher, settings["kl_anchor"], settings["kl_half_life"])
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
            learner.callbacks.append(SoftenIfLost(choice, soften, problem.steps))
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
            self._add_source_replay(problem, learner, settings)
        if settings["critic_steps"]:
            actor = actor_names(learner.model.policy)
            frozen = actor | ({TEMPERATURE} & learner.parameters().keys())
            learner.callbacks.append(Frozen(learner, frozen, critic_until))
        groups = settings["unfreeze"] or ()
        trained = frozenset().union(*learner.trained().values())
        for number, group in enumerate(groups[1:], start=1):
            until = settings["unfreeze_until"] * problem.steps * number / (len(groups) - 1)
            names = names_in(learner.model.policy, [group]) & trained
            learner.callbacks.append(Frozen(learner, names, until))

    def _add_source_replay(
        self, problem: Problem, learner: Learner, settings: dict[str, Any]
    ) -> None:
        """Add transitions of the source, and what an on-policy one needs to begin with."""
        if isinstance(learner.model, OffPolicyCore):
            learner.model.hooks.ratio = settings["critic_to_actor"]
        if not settings["source_replay"]:
            return
        replay = SourceReplay(
            learner,
            problem.source.policy(problem.device),
            problem.make_source,
            steps=settings["source_replay"],
            share=settings["replay_share"],
            until=settings["replay_until"] * problem.steps,
            random=settings["replay_random"],
            seed=problem.seed,
        )
        learner.callbacks.append(replay)
        if self.algorithm is not None:
            teacher = Teacher(problem.source.policy(problem.device), learner)
            updates = settings["critic_pretrain"]
            learner.callbacks.append(Distilled(replay, teacher, updates, problem.seed))


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
