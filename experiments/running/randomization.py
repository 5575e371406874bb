"""The source's randomization of a plan, and what is to be known of it before it is trained."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...transfer.randomization.prepared import PreparedRandomization, prepare_randomization
from ..config.schema import SOURCE
from .plan import Plan


def source_randomization(plan: Plan, world: Any = None) -> PreparedRandomization | None:
    """Return the source's randomization, ready for a training; None where nothing is randomized.

    Args:
        plan: what says what is randomized, and how.
        world: the source's world, to look at; by default one is made for it.

    Raises:
        HeadstartError: a range or a randomizer that does not fit the world or the budget.
    """
    source = plan.experiment.source
    if world is None:
        world = plan.worlds[SOURCE].make()
        try:
            return source_randomization(plan, world)
        finally:
            world.close()
    return prepare_randomization(
        source.randomization,
        source.randomizer,
        world,
        world_id=source.world,
        steps=plan.whole_steps(source.steps),
        changed=bool(source.kwargs or source.wrappers),
    )


def randomization_notes(plan: Plan) -> Iterator[str]:
    """Yield what is to be known of the source's randomization before it is trained."""
    found = None if plan.experiment.source.bundle else source_randomization(plan)
    if found is None or not found.randomizer.adaptive:
        return
    yield f"source.randomizer: an episode is a success by {found.signal}."
    for note in found.notes:
        yield f"source.randomizer: {note}."
