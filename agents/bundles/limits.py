"""How large a bundle's files may be, by what they hold and the memory at hand."""

from __future__ import annotations

import os
from pathlib import Path

MEGABYTE = 2**20
TEXT_FILES = {"bundle.json": 8 * MEGABYTE, "method.json": 16 * MEGABYTE, "card.json": MEGABYTE}
"""Bytes that a file of JSON may have; parsed, it takes up to thirty times as many."""
# A file is in memory as bytes and as tensors, and its tensors once more in the learner.
SHARE_OF_MEMORY = 4
OVERHEAD = MEGABYTE
"""What a file of arrays has beside their numbers: their names and shapes."""
LARGE = 64 * MEGABYTE
"""Bytes of weights from which on it is worth to make the networks before they are read."""
MOMENTS = 4
"""Numbers that an optimizer keeps of each weight at most."""


def memory_at_hand() -> int:
    """Return the bytes of memory that this process may have: the machine's, or its container's."""
    found = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            found = min(found, int(Path(path).read_text()))
        except (OSError, ValueError):
            continue  # no container, or one without a limit, which says "max"
    return found


def file_limit(name: str) -> int:
    """Return how many bytes a bundle's file may have, whatever the bundle is of."""
    return TEXT_FILES.get(name, memory_at_hand() // SHARE_OF_MEMORY)


def buffer_bytes(transitions: int, observation_bytes: int, action_bytes: int) -> int:
    """Return what transitions take: two observations, an action and a few numbers each.

    >>> buffer_bytes(1_000_000, 12, 4)
    80000000
    """
    # Actions may be held in a wider type than the space's.
    return transitions * (2 * observation_bytes + 2 * action_bytes + 6 * 8)
