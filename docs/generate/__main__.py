"""Write the pages of docs/ that are made from the code: `python docs/generate`.

A test compares the pages with the code; run this after a change of a setting, world or method.
"""

from __future__ import annotations

from functools import partial

from experiment_page import experiment_file
from headstart.envs.catalog import WORLDS
from headstart.transfer.methods import METHODS
from method_pages import DOCS, method, method_page_path, methods
from pretrained_page import pretrained
from randomizer_page import randomizers
from world_pages import world, world_page_path, worlds

PAGES = {
    **{world_page_path(world_id): partial(world, world_id) for world_id in WORLDS},
    **{method_page_path(name): partial(method, name) for name in METHODS},
    "experiment-file.md": experiment_file,
    "methods.md": methods,
    "randomizers.md": randomizers,
    "worlds.md": worlds,
    "pretrained.md": pretrained,
}


def main() -> None:
    """Write all pages."""
    for name, make in PAGES.items():
        path = DOCS / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(make(), encoding="utf-8")


if __name__ == "__main__":
    main()
