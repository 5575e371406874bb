"""Tuned settings of the algorithms, general and per world."""

from __future__ import annotations

from typing import Any, NamedTuple

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
    # Learned with backpropagation through time, which a smaller step suits.
    ("recurrent_ppo", None): {
        "learning_rate": 5e-4,
        "policy_kwargs": {"lstm_hidden_size": 64},
    },
    # A short horizon: what a joint does is seen in the distance within a few steps.
    ("ppo", "headstart/PandaReach-v0"): {"gamma": 0.92, "policy_kwargs": {"log_std_init": -0.3}},
    ("ppo", "headstart/KukaReach-v0"): {"gamma": 0.92, "policy_kwargs": {"log_std_init": -0.3}},
    # Going around the puck pays only when it is then pushed.
    ("ppo", "headstart/PandaPush-v0"): {
        "n_steps": 128,
        "batch_size": 512,
        "learning_rate": 7e-4,
        "gamma": 0.97,
        "target_kl": 0.03,
        "policy_kwargs": {"log_std_init": -0.5},
    },
    # Laps are won by looking ahead, and progress in metres is of the right size as it is.
    ("ppo", "headstart/RacecarTrack-v0"): {
        "gamma": 0.99,
        "learning_rate": 5e-4,
        "normalize_reward": False,
    },
    # Between obstacles and in a bay there is little room to explore in: small movements at first.
    ("ppo", "headstart/RacecarAvoid-v0"): {
        "n_steps": 128,
        "batch_size": 512,
        "learning_rate": 5e-4,
        "target_kl": 0.02,
        "gamma": 0.99,
        "policy_kwargs": {"net_arch": [128, 128], "log_std_init": -0.7},
    },
    ("ppo", "headstart/RacecarPark-v0"): {
        "learning_rate": 5e-4,
        "normalize_reward": False,
        "policy_kwargs": {"log_std_init": -0.7},
    },
    # Gaits need a long horizon and large, steady updates.
    **{
        ("ppo", f"headstart/{name}-v0"): {
            "n_steps": 256,
            "batch_size": 512,
            "gamma": 0.99,
            "learning_rate": 4e-4,
            "policy_kwargs": {"net_arch": [128, 128], "log_std_init": -0.5},
        }
        for name in ("Hopper", "HalfCheetah")
    },
    # Standing still earns an Ant half of what running does; noise that lasts gets it away.
    ("ppo", "headstart/Ant-v0"): {
        "n_steps": 256,
        "batch_size": 512,
        "gamma": 0.99,
        "gae_lambda": 0.9,
        "learning_rate": 3e-4,
        "use_sde": True,
        "sde_sample_freq": 4,
        "policy_kwargs": {"net_arch": [128, 128], "activation_fn": "relu", "log_std_init": -2.0},
    },
    ("ppo", "headstart/A1Walk-v0"): {
        "n_steps": 128,
        "batch_size": 512,
        "n_epochs": 8,
        "gamma": 0.98,
        "learning_rate": 7e-4,
        "policy_kwargs": {"net_arch": [128, 64], "log_std_init": -1.0},
    },
}
"""Tuned settings; what is not named here is Stable-Baselines3's default."""

BASED_ON = {"recurrent_ppo": "ppo"}
"""Algorithms that begin with the presets of another."""


class Budget(NamedTuple):
    """Environment steps of training, in the world as it is and under randomization.

    Where `goes_on`, those under randomization begin with the nominal policy and count its steps:
    gaits and manoeuvres are hardly found in worlds that disturb every attempt.
    """

    nominal: int
    randomized: int
    goes_on: bool = False


STEPS: dict[str, Budget] = {
    "headstart/CartPoleSwingUp-v0": Budget(250_000, 250_000),
    "headstart/PandaReach-v0": Budget(150_000, 150_000),
    "headstart/KukaReach-v0": Budget(150_000, 150_000),
    "headstart/PandaPush-v0": Budget(400_000, 800_000, goes_on=True),
    "headstart/RacecarTrack-v0": Budget(150_000, 450_000, goes_on=True),
    "headstart/RacecarAvoid-v0": Budget(400_000, 800_000, goes_on=True),
    "headstart/RacecarPark-v0": Budget(400_000, 1_000_000, goes_on=True),
    "headstart/Hopper-v0": Budget(600_000, 600_000),
    "headstart/HalfCheetah-v0": Budget(600_000, 1_000_000, goes_on=True),
    "headstart/Ant-v0": Budget(1_200_000, 1_600_000, goes_on=True),
    "headstart/A1Walk-v0": Budget(600_000, 1_000_000, goes_on=True),
}
"""In which PPO with these presets learns each world."""


def training_steps(world_id: str, randomized: bool) -> int:
    """Return the steps to train for in a world: 100,000 in one that has no presets."""
    return STEPS.get(world_id, Budget(100_000, 100_000))[int(randomized)]
