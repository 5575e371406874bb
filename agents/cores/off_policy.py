"""SB3's SAC, TQC and TD3 with hooks: what is sampled, added terms, critic updates per actor's."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import torch
from sb3_contrib import TQC
from sb3_contrib.common.utils import quantile_huber_loss
from stable_baselines3 import SAC, TD3
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import ReplayBufferSamples
from torch import nn, optim
from torch.nn import functional

from .critics import CriticSettingsPolicy, LayeredTD3Policy
from .hooks import Hooks, fuse
from .squashed import draw

Tensor = torch.Tensor


class OffPolicyCore(OffPolicyAlgorithm):
    """What the off-policy cores share: their hooks, and updates in few calls."""

    hooks: Hooks
    actor: Any
    critic: Any
    critic_target: Any
    tau: float

    def _setup_model(self) -> None:
        super()._setup_model()
        self.hooks = Hooks()
        temperature = getattr(self, "ent_coef_optimizer", None)
        for optimizer in (self.actor.optimizer, self.critic.optimizer, temperature):
            fuse(optimizer)

    def _excluded_save_params(self) -> list[str]:
        return [*super()._excluded_save_params(), "hooks"]

    def _batch(self, size: int) -> ReplayBufferSamples:
        """Return a minibatch: of the replay buffer, or what a hook draws."""
        if self.hooks.batch is not None:
            drawn: ReplayBufferSamples = self.hooks.batch(size)
            return drawn
        assert self.replay_buffer is not None
        return self.replay_buffer.sample(size, env=self._vec_normalize_env)

    def _discounts(self, batch: ReplayBufferSamples) -> Any:
        """Return the discount of what follows: gamma, or for n-step returns each one's own."""
        return self.gamma if batch.discounts is None else batch.discounts

    def _update_critic(self, loss: Tensor) -> None:
        self.critic.optimizer.zero_grad()
        if loss.requires_grad:
            loss.backward()  # type: ignore[no-untyped-call]
            self.critic.optimizer.step()

    def _update_actor(self, loss: Tensor) -> None:
        """Update the actor; the critic's gradients, which SB3 works out as well, are not needed."""
        self.actor.optimizer.zero_grad()
        groups = self.actor.optimizer.param_groups
        inputs = [one for group in groups for one in group["params"]]
        if inputs:
            loss.backward(inputs=inputs)  # type: ignore[no-untyped-call]
            self.actor.optimizer.step()


class _SoftTraining(OffPolicyCore):
    """The update that SAC and TQC have in common."""

    ent_coef_optimizer: optim.Adam | None
    log_ent_coef: Tensor | None
    ent_coef_tensor: Tensor
    target_entropy: Any
    target_update_interval: int
    batch_norm_stats: list[Tensor]
    batch_norm_stats_target: list[Tensor]

    def train(self, gradient_steps: int, batch_size: int = 64) -> None:
        """Take so many critic steps, and a step of actor and temperature after each `ratio`."""
        self.policy.set_training_mode(True)
        optimizers = [self.actor.optimizer, self.critic.optimizer]
        if self.ent_coef_optimizer is not None:
            optimizers.append(self.ent_coef_optimizer)
        self._update_learning_rate(optimizers)
        logged: dict[str, list[Tensor]] = {}

        def note(name: str, value: Tensor) -> None:
            logged.setdefault(f"train/{name}", []).append(value.detach().reshape(()))

        for gradient_step in range(gradient_steps):
            batch = self._batch(batch_size)
            if self.use_sde:
                self.actor.reset_noise()
            self._n_updates += 1
            ratio = self.hooks.ratio
            with_actor = ratio > 0 and self._n_updates % ratio == 0
            # As it is before this step's update of it, as SB3 takes it.
            alpha = self._temperature()
            note("ent_coef", alpha)
            if with_actor:
                actions, log_prob = draw(self.actor, batch.observations)
                entropy_loss = self._update_temperature(log_prob)
                if entropy_loss is not None:
                    note("ent_coef_loss", entropy_loss)
            critic_loss = self._critic_loss(batch, alpha)
            critic_loss = critic_loss + self.hooks.added(self.hooks.critic_terms, batch)
            note("critic_loss", critic_loss)
            self._update_critic(critic_loss)
            if with_actor:
                worth = self._worth(batch.observations, actions)
                actor_loss = (alpha * log_prob - worth).mean()
                actor_loss = actor_loss + self.hooks.added(self.hooks.actor_terms, batch)
                note("actor_loss", actor_loss)
                self._update_actor(actor_loss)
            if gradient_step % self.target_update_interval == 0:
                follow(self.critic, self.critic_target, self.tau)
                copy_statistics(self.batch_norm_stats, self.batch_norm_stats_target)
        self._log(logged)

    def _log(self, logged: dict[str, list[Tensor]]) -> None:
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")
        for name, values in logged.items():
            self.logger.record(name, float(torch.stack(values).mean()))

    def _temperature(self) -> Tensor:
        if self.ent_coef_optimizer is None or self.log_ent_coef is None:
            return self.ent_coef_tensor
        return torch.exp(self.log_ent_coef.detach())

    def _update_temperature(self, log_prob: Tensor) -> Tensor | None:
        """Update the temperature where it is learned; return its loss."""
        if self.ent_coef_optimizer is None or self.log_ent_coef is None:
            return None
        wanted = (log_prob + self.target_entropy).detach()
        loss: Tensor = -(self.log_ent_coef * wanted).mean()
        self.ent_coef_optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.ent_coef_optimizer.step()
        return loss

    def _critic_loss(self, batch: ReplayBufferSamples, alpha: Tensor) -> Tensor:
        raise NotImplementedError

    def _worth(self, observations: Any, actions: Tensor) -> Tensor:
        """Return what the critics say of actions, shape (n, 1)."""
        raise NotImplementedError


class CoreSAC(_SoftTraining, SAC):
    """SAC that methods can add terms and batches to; critics may be stacked and normalized."""

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {
        **SAC.policy_aliases,
        "MlpPolicy": CriticSettingsPolicy,
    }

    def _critic_loss(self, batch: ReplayBufferSamples, alpha: Tensor) -> Tensor:
        with torch.no_grad():
            next_actions, next_log_prob = draw(self.actor, batch.next_observations)
            values = torch.cat(self.critic_target(batch.next_observations, next_actions), dim=1)
            least = values.min(dim=1, keepdim=True).values - alpha * next_log_prob
            target = batch.rewards + (1 - batch.dones) * self._discounts(batch) * least
        current = self.critic(batch.observations, batch.actions)
        errors = [functional.mse_loss(one, target) for one in current]
        loss: Tensor = 0.5 * sum(errors[1:], start=errors[0])
        return loss

    def _worth(self, observations: Any, actions: Tensor) -> Tensor:
        values = torch.cat(self.critic(observations, actions), dim=1)
        least: Tensor = values.min(dim=1, keepdim=True).values
        return least


class CoreTQC(_SoftTraining, TQC):
    """TQC that methods can add terms and batches to."""

    def _critic_loss(self, batch: ReplayBufferSamples, alpha: Tensor) -> Tensor:
        size, critic = len(batch.rewards), self.critic
        with torch.no_grad():
            next_actions, next_log_prob = draw(self.actor, batch.next_observations)
            quantiles = self.critic_target(batch.next_observations, next_actions)
            dropped = self.top_quantiles_to_drop_per_net * critic.n_critics
            kept = critic.quantiles_total - dropped
            least = torch.sort(quantiles.reshape(size, -1)).values[:, :kept]
            target = least - alpha * next_log_prob
            target = batch.rewards + (1 - batch.dones) * self._discounts(batch) * target
        current = critic(batch.observations, batch.actions)
        return quantile_huber_loss(current, target.unsqueeze(1), sum_over_quantiles=False)

    def _worth(self, observations: Any, actions: Tensor) -> Tensor:
        quantiles: Tensor = self.critic(observations, actions)
        return quantiles.mean(dim=2).mean(dim=1, keepdim=True)


class CoreTD3(OffPolicyCore, TD3):
    """TD3 that methods can add terms and batches to; its actor waits for its own delay as well."""

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {
        **TD3.policy_aliases,
        "MlpPolicy": LayeredTD3Policy,
    }

    def train(self, gradient_steps: int, batch_size: int = 100) -> None:
        """Take so many critic steps; the actor's after each `policy_delay` times `ratio`."""
        self.policy.set_training_mode(True)
        self._update_learning_rate([self.actor.optimizer, self.critic.optimizer])
        actor_losses, critic_losses = [], []
        for _ in range(gradient_steps):
            self._n_updates += 1
            batch = self._batch(batch_size)
            with torch.no_grad():
                noise = batch.actions.clone().normal_(0, self.target_policy_noise)
                noise = noise.clamp(-self.target_noise_clip, self.target_noise_clip)
                actions = (self.actor_target(batch.next_observations) + noise).clamp(-1, 1)
                values = torch.cat(self.critic_target(batch.next_observations, actions), dim=1)
                least = values.min(dim=1, keepdim=True).values
                target = batch.rewards + (1 - batch.dones) * self._discounts(batch) * least
            current = self.critic(batch.observations, batch.actions)
            loss: Any = sum(functional.mse_loss(one, target) for one in current)
            loss = loss + self.hooks.added(self.hooks.critic_terms, batch)
            critic_losses.append(loss.detach())
            self._update_critic(loss)
            delay = self.policy_delay * self.hooks.ratio
            if delay and self._n_updates % delay == 0:
                drawn = self.actor(batch.observations)
                actor_loss = -self.critic.q1_forward(batch.observations, drawn).mean()
                actor_loss = actor_loss + self.hooks.added(self.hooks.actor_terms, batch)
                actor_losses.append(actor_loss.detach())
                self._update_actor(actor_loss)
            if self._n_updates % self.policy_delay == 0:
                follow(self.critic, self.critic_target, self.tau)
                follow(self.actor, self.actor_target, self.tau)
                copy_statistics(self.critic_batch_norm_stats, self.critic_batch_norm_stats_target)
                copy_statistics(self.actor_batch_norm_stats, self.actor_batch_norm_stats_target)
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")
        if actor_losses:
            self.logger.record("train/actor_loss", float(torch.stack(actor_losses).mean()))
        if critic_losses:
            self.logger.record("train/critic_loss", float(torch.stack(critic_losses).mean()))


def follow(network: nn.Module, target: nn.Module, share: float) -> None:
    """Move a target network's parameters towards a network's, by a share of the way."""
    ours: list[Tensor] = list(target.parameters())
    theirs: list[Tensor] = list(network.parameters())
    with torch.no_grad():
        torch._foreach_mul_(ours, 1 - share)
        torch._foreach_add_(ours, theirs, alpha=share)


def copy_statistics(ours: Iterable[Tensor], theirs: Iterable[Tensor]) -> None:
    """Copy running statistics of normalization layers into those of a target network."""
    with torch.no_grad():
        for one, other in zip(ours, theirs, strict=True):
            other.copy_(one)
