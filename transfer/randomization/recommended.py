"""The randomization recommended for a world, by its name: `recommended`."""

from __future__ import annotations

from ...core.errors import HeadstartError, nearest
from ...envs.catalog import WORLDS

RECOMMENDED = "recommended"


def recommended(world_id: str) -> dict[str, str]:
    """Return the changes recommended for a world, by parameter.

    Args:
        world_id: the world's id, as in "headstart/Ant-v0".

    Returns:
        A change in text form by parameter, to be given to `UniformRandomization`.

    Raises:
        HeadstartError: there are none for this world; names the nearest that has some.

    >>> recommended("headstart/Ant-v0")["ground_friction"]
    '* loguniform(0.7, 1.4)'
    """
    found = recommended_ranges(world_id)
    if found is None:
        having = [known for known, entry in WORLDS.items() if entry.ranges]
        raise HeadstartError(
            f"no recommended randomization for world '{world_id}'{nearest(world_id, having)}"
        )
    return found


def recommended_ranges(world_id: str) -> dict[str, str] | None:
    """Return the recommended changes, or None where a world has none."""
    ranges = WORLDS[world_id].ranges if world_id in WORLDS else {}
    return dict(ranges) or None
