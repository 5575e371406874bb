"""Tuned settings of the algorithms, general and per world."""

from __future__ import annotations

from typing import Any

PRESETS: dict[tuple[str, str | None], dict[str, Any]] = {
    # (algorithm, world id); the world None holds for every world.
    ("ppo", None): {
        "worlds": 16,
        "n_steps": 64,
        "batch_size": 256,
        "n_epochs": 10,
        "learning_rate": 1e-3,
        "gamma": 0.98,
        "gae_lambda": 0.95,
        "ent_coef": 0.0,
        "normalize_reward": True,
        "policy_kwargs": {"net_arch": [64, 64], "activation_fn": "tanh"},
    },
    ("sac", None): {
        "worlds": 1,
        "batch_size": 256,
        "buffer_size": 300_000,
        "learning_starts": 1_000,
        "learning_rate": 3e-4,
        "gamma": 0.98,
        "policy_kwargs": {"net_arch": [256, 256], "activation_fn": "relu"},
    },
    # A short horizon: what a joint does is seen in the distance within a few steps.
    ("ppo", "headstart/PandaReach-v0"): {"gamma": 0.92, "policy_kwargs": {"log_std_init": -0.3}},
    # Laps are won by looking ahead, and progress in metres is of the right size as it is.
    ("ppo", "headstart/RacecarTrack-v0"): {
        "gamma": 0.99,
        "learning_rate": 5e-4,
        "normalize_reward": False,
    },
}
"""Tuned settings; what is not named here is Stable-Baselines3's default."""
