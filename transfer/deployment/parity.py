"""A bundle's policy handed over as an ONNX file, and a table of how it compares."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium
from rich import box
from rich.table import Table
from rich.text import Text

from ...agents.bundles import bundle as bundles
from ...agents.bundles import pretrained
from ...core.errors import HeadstartError
from ...envs.spec import WorldSpec
from ..randomization import randomized
from .onnx import export_onnx, require


def export_table(
    name: str | Path,
    out: Path,
    world: str | None = None,
    trust: Collection[str] = (),
    find_world: Callable[[bundles.Bundle], WorldSpec] | None = None,
) -> Table:
    """Export the policy of a bundle, checked in its world, and return what came of it.

    `name` is a bundle, the folder of a source or trial that holds one, or `pretrained/<kind>`, for
    a `world`; any other is of its own world. `trust`: modules that the bundle may name, as in
    `bundle.load`. `find_world`: what returns the world in which it is checked, by default the one
    that the bundle names.

    Raises:
        HeadstartError: a damaged bundle, a policy that cannot be exported, or an extra missing.
    """
    require()
    bundle = bundles.load(pretrained.locate(name, world), trust)
    if world not in (None, bundle.world_id):
        raise HeadstartError(f"--world {world}: '{name}' is of {bundle.world_id}")
    if find_world is None or world is not None:
        spec = WorldSpec(world or bundle.own_world())
    else:
        spec = find_world(bundle)
    spec = replace(spec, parameters=spec.parameters or {})

    def make() -> gymnasium.Env[Any, Any]:
        return randomized(spec.make(), bundle.randomization)

    done = export_onnx(bundle, out, make)
    title = Text(f"{done.path}, {done.size / 1000:.1f} kB", style="bold")
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("", "ONNX Runtime", "predict"):
        table.add_column(column, justify="right" if column else "left")
    table.add_row("one action (microseconds)", f"{done.onnx:.1f}", f"{done.predict:.1f}")
    table.add_row("largest difference", f"{done.error:.2g}", "")
    table.caption = f"Compared on {done.observations:,} observations from {done.origin}."
    table.caption_justify = "left"
    return table
