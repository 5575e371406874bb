"""What options of several commands share: what the shell offers after a tab, what is asked."""

from __future__ import annotations

import typer


def confirm_ready(text: str) -> bool:
    """Ask whether what exists once may move."""
    return typer.confirm(f"{text}. Is it ready?")


def world_ids(incomplete: str) -> list[str]:
    """Return the ids of our worlds that begin with what is typed."""
    from ...envs.catalog import WORLDS

    return [world for world in WORLDS if world.startswith(incomplete)]


def ready_made(incomplete: str) -> list[str]:
    """Return the names of pretrained policies that begin with what is typed."""
    from ...agents.bundles.pretrained import KINDS

    return [name for kind in KINDS if (name := f"pretrained/{kind}").startswith(incomplete)]
