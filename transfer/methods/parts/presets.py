"""The presets of `fine_tune`: what each sets, for on-policy and for off-policy algorithms."""

from __future__ import annotations

from typing import Any, Literal

Preset = Literal["auto", "careful", "bold", "restart", "sim_to_online"]

_BOTH: dict[str, Any] = {
    "normalizer": "capped",
    "critic": "kept",
    "optimizer": "reset",
    "policy_head": 1.0,
    "critic_steps": 0,
    "deploy": "learner",
    "l2_sp": 0.0,
    "l2_init": 0.0,
    "weight_decay": 0.0,
    "shrink_and_perturb": None,
    "adam_betas": None,
    "kl_anchor": 0.0,
    "kl_half_life": None,
    "dropout": 0.0,
    "layer_rates": None,
    "unfreeze": None,
    "unfreeze_until": 0.3,
}
_ON_POLICY: dict[str, Any] = {
    **_BOTH,
    "noise": "kept",
    "learning_rate_factor": 1.0,
    "target_kl": "source",
    "min_log_std": None,
    "when_lost": "go_on",
}
_OFF_POLICY: dict[str, Any] = {
    **_BOTH,
    "entropy": "kept",
    "fill_steps": 250,
    "actor_learning_rate": 3e-4,
    "critic_learning_rate": 3e-4,
    "critic_to_actor": 1,
    "gradient_steps": None,
    "source_replay": 0,
    "replay_share": 0.5,
    "replay_until": 0.5,
    "replay_random": 0.0,
    "critic_pretrain": 0,
}
# What an off-policy learner begins with where its source is on-policy and left it no critic: one
# that has seen other actions than the source's, and of the target learns from the target alone.
CROSSING: dict[str, Any] = {
    "source_replay": 20_000,
    "replay_random": 1.0,
    "replay_share": 0.0,
    "critic_pretrain": 5_000,
}

# The learner explores as one that begins, its critic does not expect the source's returns, and
# what it does at first is a weak form of what the source does: the direction without the gain.
_SOFT: dict[str, Any] = {"critic": "head", "noise": "reset", "deploy": "better"}

ON_POLICY: dict[str, dict[str, Any]] = {
    "auto": {
        **_ON_POLICY,
        **_SOFT,
        "policy_head": 0.03,
        "when_lost": "soften",
    },
    "careful": {
        **_ON_POLICY,
        "optimizer": "kept",
        "critic_steps": 2_000,
        "learning_rate_factor": 0.3,
        "target_kl": 0.02,
        "min_log_std": -1.0,
    },
    "bold": {**_ON_POLICY, "critic_steps": 1_000, "target_kl": None, "min_log_std": 0.7},
    "restart": {**_ON_POLICY, **_SOFT, "policy_head": 0.0},
}
OFF_POLICY: dict[str, dict[str, Any]] = {
    "auto": {**_OFF_POLICY, "deploy": "better", "entropy": "reset"},
    "careful": {
        **_OFF_POLICY,
        "optimizer": "kept",
        "critic_steps": 2_000,
        "fill_steps": 5_000,
        "actor_learning_rate": 1e-4,
    },
    "bold": {**_OFF_POLICY, "entropy": "reset"},
    "restart": {**_OFF_POLICY, "deploy": "better", "entropy": "reset", "policy_head": 0.0},
    # Without transitions of the source, which the paper has in every minibatch: where actions do
    # something else in the target they have to be unlearned (results/fine-tune-ablation.md).
    "sim_to_online": {
        **_OFF_POLICY,
        "actor_learning_rate": 1e-4,
        "critic_to_actor": 4,
        "gradient_steps": 4,
    },
}


def preset_settings(preset: str, on_policy: bool) -> dict[str, Any] | None:
    """Return what a preset sets, by setting; None where there is none for such algorithms."""
    return (ON_POLICY if on_policy else OFF_POLICY).get(preset)
