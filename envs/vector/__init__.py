"""Many worlds at once, stepped by a few worker processes: for SB3 and for Gymnasium."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .vec_env import ParallelVecEnv, ParallelVectorEnv

__all__ = ["ParallelVecEnv", "ParallelVectorEnv"]


def __getattr__(name: str) -> Any:
    # They need Stable-Baselines3, whose import takes seconds; `cores` and `pool` do not.
    if name in __all__:
        from . import vec_env

        return getattr(vec_env, name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
