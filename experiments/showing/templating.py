"""Templates, for pages and for words: a line of a block leaves no line, a name must be known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jinja2


def template_environment(
    folder: Path, *, autoescape: bool, finalize: Callable[[Any], Any] | None = None
) -> jinja2.Environment:
    """Return what fills in the templates of a folder.

    Args:
        folder: where the templates lie.
        autoescape: whether values are escaped, as HTML needs and Markdown does not.
        finalize: what is made of each value before it is shown.
    """
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=autoescape,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=finalize,
    )
