"""The pages on the transfer methods: the list of all, and one page each.

A method's page is written by hand, `docs/methods/<name>.md`; its table of settings is put in from
the registry, between two comments.
"""

from __future__ import annotations

import typing
from pathlib import Path

from headstart.experiments.showing.tables.registries import defaults, in_yaml
from headstart.transfer.methods import METHODS
from headstart.transfer.methods.parts import normalizer
from markdown_text import (
    attribute_docstring,
    first_line,
    hint_in_words,
    joined,
    page,
    paragraphs,
    table,
)

DOCS = Path(__file__).parents[1]
BEGIN = "<!-- Settings: made by docs/generate from the code. -->"
END = "<!-- End of the settings. -->"
SECTIONS = ("Idea", "Equation", "Source", "Settings", "Results")


def method_page_path(name: str) -> str:
    """Return the path of a method's page below docs/."""
    return f"methods/{name}.md"


def methods() -> str:
    """Return the page that lists the methods, with what holds for all of them."""
    rows = [
        (f"[`{name}`]({method_page_path(name)})", first_line(cls), _needs(cls), _trains(cls))
        for name, cls in METHODS.items()
    ]
    return page(
        "# The methods",
        "A transfer method decides how what was learned in the source is used in the target. An "
        "experiment lists the methods to compare, by name or with settings:",
        "```yaml\nmethods: [scratch, zero_shot, {fine_tune: {critic_steps: 5_000}}]\n```",
        table(("method", "what it does", "source policy", "trained in the target"), rows),
        "All methods of an experiment get the same target budget, the same seeds and the same "
        "evaluation episodes. `headstart methods` prints this list with the settings. A custom "
        "method is one class: [your own method](own-method.md). To give every method the same "
        "chance, tune each with the same budget: [tuning](tuning.md).",
        "## The normalizer",
        "`normalizer`, a setting of several methods, decides about the source's running statistics "
        "of observations and rewards in the target. "
        + joined(attribute_docstring(normalizer, "Normalizer")),
    )


def _needs(cls: type) -> str:
    return "used" if cls.needs_source else "not used"


def _trains(cls: type) -> str:
    return "yes" if cls.trains else "no"


def method(name: str) -> str:
    """Return a method's page with its current settings.

    Raises:
        LookupError: there is no page yet, or it lacks a section or the place for the settings.
    """
    path = DOCS / method_page_path(name)
    if not path.is_file():
        raise LookupError(
            f"method {name}: write docs/{method_page_path(name)}, see CONTRIBUTING.md"
        )
    text = path.read_text(encoding="utf-8")
    for section in SECTIONS:
        if f"\n## {section}\n" not in text:
            raise LookupError(f"{path}: the section '## {section}' is missing")
    before, found, rest = text.partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not (found and ended):
        raise LookupError(f"{path}: the lines '{BEGIN}' and '{END}' are missing")
    return "\n\n".join((before + BEGIN, _settings(name), END + after))


def _settings(name: str) -> str:
    """Return a method's docstring and the table of its settings."""
    cls = METHODS[name]
    hints = typing.get_type_hints(cls, include_extras=True)
    rows = [
        (f"`{key}`", hint_in_words(hints[key]), f"`{in_yaml(value)}`")
        for key, value in defaults(cls).items()
    ]
    settings = table(("setting", "type", "default"), rows) if rows else "It has no settings."
    return f"{paragraphs(cls)}\n\n{settings}"
