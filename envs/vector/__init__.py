"""Vector environments for SB3 and Gymnasium, stepped by a few processes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .vec_env import ParallelVecEnv, ParallelVectorEnv

__all__ = ["ParallelVecEnv", "ParallelVectorEnv"]


def __getattr__(name: str) -> Any:
    # Their module imports Stable-Baselines3, which takes seconds; `cores` and `pool` do not.
    if name in __all__:
        from . import vec_env

        return getattr(vec_env, name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
