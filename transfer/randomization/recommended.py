"""The randomization recommended for a world, by its name: `recommended`."""

from __future__ import annotations

from ...core.errors import HeadstartError, nearest
from ...envs.worlds.ranges import RANGES

RECOMMENDED = "recommended"


def recommended(world_id: str) -> dict[str, str]:
    """Return the changes recommended for a world, by parameter.

    Raises:
        HeadstartError: there are none for this world; names the nearest that has some.
    """
    if world_id not in RANGES:
        raise HeadstartError(
            f"no recommended randomization for world '{world_id}'{nearest(world_id, RANGES)}"
        )
    return dict(RANGES[world_id])
