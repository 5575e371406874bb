"""What the shell offers after a tab where a world or a ready-made policy is asked for."""

from __future__ import annotations


def world_ids(incomplete: str) -> list[str]:
    """Return the ids of our worlds that begin with what is typed."""
    from ...envs.catalog import WORLDS

    return [world for world in WORLDS if world.startswith(incomplete)]


def ready_made(incomplete: str) -> list[str]:
    """Return the names of ready-made policies that begin with what is typed."""
    from ...agents.bundles.pretrained import KINDS

    return [name for kind in KINDS if (name := f"pretrained/{kind}").startswith(incomplete)]
