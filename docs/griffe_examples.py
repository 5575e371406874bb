"""Show the examples of docstrings as code: lines from `>>>` to the end of the paragraph."""

from __future__ import annotations

import re
from typing import Any

import griffe

EXAMPLE = re.compile(
    r"^(?P<indent>[ ]*)>>> .*?(?=\n[ ]*\n(?![ ]*>>>)|\Z)", re.DOTALL | re.MULTILINE
)


class Examples(griffe.Extension):
    """Puts examples into code blocks, which Markdown would take for quotations."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite an object's docstring when the object is loaded."""
        if obj.docstring is not None:
            obj.docstring.value = EXAMPLE.sub(_fenced, obj.docstring.value)


def _fenced(match: re.Match[str]) -> str:
    indent = match["indent"]
    return f"{indent}```python\n{match[0]}\n{indent}```"
