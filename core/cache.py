"""Where headstart keeps what it would have to compute again: the user's cache.

Nothing in it is ever needed: it may be deleted at any time.
"""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "HEADSTART_CACHE"
OFF = "off"


def cache_folder() -> Path | None:
    """Return where the cache lies; None if it is turned off."""
    said = os.environ.get(VARIABLE)
    if said == OFF:
        return None
    if said:
        return Path(said)
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "headstart"
