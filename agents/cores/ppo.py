"""SB3's PPO with hooks, and with less time spent around its worlds' steps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3 import PPO
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.utils import explained_variance, obs_as_tensor
from stable_baselines3.common.vec_env import VecEnv
from torch.nn import functional

from .closed_form import ClosedForm, Coefficients, Parts
from .hooks import Hooks, fuse
from .masking import Masked


class CorePPO(PPO):
    """PPO that methods can add terms, masks and other actions to.

    Policies of plain networks are acted with and learned from in closed form (`ClosedForm`),
    unless a term is added to the loss; all others by autograd, as SB3 does.
    """

    hooks: Hooks

    def _setup_model(self) -> None:
        super()._setup_model()
        self.hooks = Hooks()
        fuse(self.policy.optimizer)

    def _excluded_save_params(self) -> list[str]:
        return [*super()._excluded_save_params(), "hooks"]

    def collect_rollouts(
        self,
        env: VecEnv,
        callback: BaseCallback,
        rollout_buffer: RolloutBuffer,
        n_rollout_steps: int,
    ) -> bool:
        """Fill the buffer with steps of all worlds; as SB3's, with `Hooks.choose`.

        Returns:
            False where a callback ended it.
        """
        assert self._last_obs is not None, "No previous observation was provided"
        self.policy.set_training_mode(False)
        closed = ClosedForm.of(self.policy)
        n_steps = 0
        rollout_buffer.reset()
        if self.use_sde:
            self.policy.reset_noise(env.num_envs)
        callback.on_rollout_start()
        while n_steps < n_rollout_steps:
            if self.use_sde and self.sde_sample_freq > 0 and n_steps % self.sde_sample_freq == 0:
                self.policy.reset_noise(env.num_envs)
            with torch.no_grad():
                tensors, values, log_probs = self._act(closed)
            actions = tensors.cpu().numpy()
            clipped_actions = actions
            if isinstance(self.action_space, spaces.Box):
                if self.policy.squash_output:
                    clipped_actions = self.policy.unscale_action(clipped_actions)
                else:
                    low, high = self.action_space.low, self.action_space.high
                    clipped_actions = np.minimum(np.maximum(actions, low), high)
            new_obs, rewards, dones, infos = env.step(clipped_actions)
            self.num_timesteps += env.num_envs
            callback.update_locals(locals())
            if not callback.on_step():
                return False
            if dones.any():
                self._update_info_buffer(infos, dones)
                self._add_values_at_time_limits(closed, rewards, dones, infos)
            n_steps += 1
            if isinstance(self.action_space, spaces.Discrete):
                actions = actions.reshape(-1, 1)
            rollout_buffer.add(
                self._last_obs,  # type: ignore[arg-type]
                actions,
                rewards,
                self._last_episode_starts,  # type: ignore[arg-type]
                values,
                log_probs,
            )
            self._last_obs = new_obs  # type: ignore[assignment]
            self._last_episode_starts = dones
        with torch.no_grad():
            values = self._values(closed, obs_as_tensor(new_obs, self.device))  # type: ignore[arg-type]
        rollout_buffer.compute_returns_and_advantage(last_values=values, dones=dones)
        callback.update_locals(locals())
        callback.on_rollout_end()
        return True

    def _act(self, closed: ClosedForm | None) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return actions, values and log probabilities for the latest observations."""
        observations = obs_as_tensor(self._last_obs, self.device)  # type: ignore[arg-type]
        if closed is not None:
            assert isinstance(observations, torch.Tensor)
            actions, values, log_probs, mean = closed.act(observations)
            shape = (-1, *(self.action_space.shape or ()))
            actions = actions.reshape(shape)
            choices = mean.reshape(shape)
            mode = lambda: choices  # noqa: E731
        else:
            actions, values, log_probs = self.policy(observations)
            mode = self.policy.action_dist.mode
        if self.hooks.choose is not None:
            actions = self.hooks.choose(actions, mode)
        return actions, values, log_probs

    def _values(self, closed: ClosedForm | None, observations: Any) -> torch.Tensor:
        if closed is not None:
            return closed.values(observations)
        return self.policy.predict_values(observations)

    def _add_values_at_time_limits(
        self, closed: ClosedForm | None, rewards: Any, dones: Any, infos: list[dict[str, Any]]
    ) -> None:
        """Add the value of where an episode was cut to its last reward."""
        for world in np.flatnonzero(dones):
            last = infos[world].get("terminal_observation")
            if last is not None and infos[world].get("TimeLimit.truncated", False):
                observation = self.policy.obs_to_tensor(last)[0]
                with torch.no_grad():
                    value = self._values(closed, observation)[0]
                rewards[world] += self.gamma * value

    def train(self) -> None:
        """Update the policy by the rollout in the buffer; without a step to learn from, not."""
        if isinstance(self.rollout_buffer, Masked) and not self.rollout_buffer.is_enough():
            return
        self.policy.set_training_mode(True)
        self._update_learning_rate(self.policy.optimizer)
        progress = self._current_progress_remaining
        clip_range_vf = None if self.clip_range_vf is None else self.clip_range_vf(progress)  # type: ignore[operator]
        weights = Coefficients(
            self.clip_range(progress),  # type: ignore[operator]
            clip_range_vf,
            self.ent_coef,
            self.vf_coef,
            self.normalize_advantage,
        )
        has_terms = self.hooks.actor_terms or self.hooks.critic_terms
        closed = None if has_terms else ClosedForm.of(self.policy)
        if closed is not None:
            closed.begin()
        parts: list[Parts] = []
        for _ in range(self.n_epochs):
            first, going_on = len(parts), True
            for batch in self._minibatches():
                if closed is not None:
                    with torch.no_grad():
                        parts.append(closed.gradient(batch, weights))
                else:
                    parts.append(self._losses(batch, weights))
                if self.target_kl is not None:
                    going_on = float(parts[-1].divergence) <= 1.5 * self.target_kl
                    if not going_on:
                        break
                self._step(parts[-1], closed)
            self._n_updates += 1
            if not going_on:
                break
        self._log(parts, first, weights)

    def _minibatches(self) -> Iterator[Any]:
        """Yield the minibatches of one pass: the rollout is brought into order only once."""
        whole = next(iter(self.rollout_buffer.get(None)))
        for first in range(0, len(whole.advantages), self.batch_size):
            yield type(whole)(*(_rows(part, first, first + self.batch_size) for part in whole))

    def _losses(self, batch: Any, weights: Coefficients) -> Parts:
        """Return the loss of a minibatch, the terms of the hooks with it, to be differentiated."""
        actions = batch.actions
        if isinstance(self.action_space, spaces.Discrete):
            actions = actions.long().flatten()
        values, log_prob, entropy = self.policy.evaluate_actions(batch.observations, actions)
        values = values.flatten()
        advantages = batch.advantages
        if weights.normalize_advantage and len(advantages) > 1:
            advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
        ratio = torch.exp(log_prob - batch.old_log_prob)
        clip = weights.clip_range
        bound = advantages * torch.clamp(ratio, 1 - clip, 1 + clip)
        policy_loss = -torch.min(advantages * ratio, bound).mean()
        if weights.clip_range_vf is not None:
            moved = values - batch.old_values
            limit = weights.clip_range_vf
            values = batch.old_values + torch.clamp(moved, -limit, limit)
        value_loss = functional.mse_loss(batch.returns, values)
        # Without an analytical form it is estimated by the actions that were taken.
        entropy_loss = torch.mean(log_prob) if entropy is None else -torch.mean(entropy)
        loss = policy_loss + weights.ent_coef * entropy_loss + weights.vf_coef * value_loss
        loss = loss + self.hooks.added(self.hooks.actor_terms, batch)
        loss = loss + self.hooks.added(self.hooks.critic_terms, batch)
        with torch.no_grad():
            log_ratio = log_prob - batch.old_log_prob
            clipped = torch.mean((torch.abs(ratio - 1) > clip).float())
            divergence = torch.mean((torch.exp(log_ratio) - 1) - log_ratio)
        return Parts(loss, policy_loss, value_loss, entropy_loss, clipped, divergence)

    def _step(self, parts: Parts, closed: ClosedForm | None) -> None:
        """Take one step of the optimizer, with the norm of the gradient clipped."""
        if closed is not None:
            closed.clip(self.max_grad_norm)
        else:
            self.policy.optimizer.zero_grad()
            parts.loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(self.policy.parameters(), self.max_grad_norm)
        self.policy.optimizer.step()

    def _log(self, parts: list[Parts], last_pass: int, weights: Coefficients) -> None:
        """Record what SB3 records: means over all minibatches, the divergence of the last pass."""

        def mean(name: str, first: int = 0) -> float:
            return float(torch.stack([getattr(one, name).detach() for one in parts[first:]]).mean())

        buffer, record = self.rollout_buffer, self.logger.record
        record("train/entropy_loss", mean("entropy"))
        record("train/policy_gradient_loss", mean("policy"))
        record("train/value_loss", mean("value"))
        record("train/approx_kl", mean("divergence", last_pass))
        record("train/clip_fraction", mean("clipped"))
        record("train/loss", float(parts[-1].loss.detach()))
        explained = explained_variance(buffer.values.flatten(), buffer.returns.flatten())
        record("train/explained_variance", explained)
        if hasattr(self.policy, "log_std"):
            record("train/std", float(torch.exp(self.policy.log_std.detach()).mean()))
        record("train/n_updates", self._n_updates, exclude="tensorboard")
        record("train/clip_range", weights.clip_range)
        if weights.clip_range_vf is not None:
            record("train/clip_range_vf", weights.clip_range_vf)


def _rows(part: Any, first: int, end: int) -> Any:
    """Return some rows of a tensor, or of each tensor of a dict."""
    if isinstance(part, dict):
        return {key: value[first:end] for key, value in part.items()}
    return part[first:end]
