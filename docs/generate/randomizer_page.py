"""The page on the randomizers: what each does, and its settings."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import itertools
import textwrap
import typing

from headstart.experiments.showing.tables.registries import in_yaml
from headstart.transfer.randomization import DEFAULT_RANDOMIZER, RANDOMIZERS, Randomizer
from markdown_text import first_line, hint_in_words, joined, page, paragraphs, table


def randomizers() -> str:
    """Return the page that lists the randomizers with their settings."""
    rows = [(f"[`{n}`](#{n})", first_line(c), _learns(c)) for n, c in RANDOMIZERS.items()]
    return page(
        "# The randomizers",
        "A randomizer decides how parameters are drawn inside `source.randomization`. "
        "`source.randomizer` names it, alone or with settings; the default is "
        f"`{DEFAULT_RANDOMIZER}`. What they are for, and how a custom one is written: "
        "[randomization](randomization.md).",
        '```yaml\nsource:\n  randomization: {pole_mass: "* loguniform(0.5, 4)"}\n'
        "  randomizer: {adr: {queue: 20}}\n```",
        table(("randomizer", "what it does", "learns from success"), rows),
        *(block for name in RANDOMIZERS for block in _section(name)),
    )


def _learns(cls: type[Randomizer]) -> str:
    return "yes" if cls.adaptive else "no"


def _section(name: str) -> list[str]:
    cls = RANDOMIZERS[name]
    hints = typing.get_type_hints(cls, include_extras=True)
    about = _field_docs(cls)
    rows = []
    for one in dataclasses.fields(cls):
        if one.init:
            made = one.default_factory is not dataclasses.MISSING
            default = one.default_factory() if made else one.default
            kind = hint_in_words(hints[one.name])
            rows.append((f"`{one.name}`", kind, f"`{in_yaml(default)}`", about[one.name]))
    settings = table(("setting", "type", "default", "meaning"), rows) if rows else "No settings."
    return [f"## `{name}`", paragraphs(cls), settings]


def _field_docs(cls: type) -> dict[str, str]:
    """Return the text below each field of a dataclass, those of its bases among them."""
    found = {}
    for base in reversed(cls.__mro__[:-1]):
        body = ast.parse(textwrap.dedent(inspect.getsource(base))).body[0].body
        for one, below in itertools.pairwise(body):
            if isinstance(one, ast.AnnAssign) and isinstance(below, ast.Expr):
                found[one.target.id] = joined(ast.literal_eval(below.value))
    return found
