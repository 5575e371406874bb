"""Markdown made of docstrings, type hints and tables."""

from __future__ import annotations

import ast
import inspect
import itertools
import re
from collections.abc import Iterable, Sequence
from typing import Any

from headstart.experiments.showing.tables.registries import Sheet
from pydantic import TypeAdapter

MADE = "<!-- Made by docs/generate from the code: change it there. -->"


def page(*blocks: str) -> str:
    """Return a generated page of these blocks."""
    return "\n\n".join((MADE, *blocks)) + "\n"


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = []
    for cells in (columns, ["---"] * len(columns), *rows):
        escaped = [cell.replace("|", "\\|") for cell in cells]
        lines.append(f"| {' | '.join(escaped)} |")
    return "\n".join(lines)


def sheet_table(sheet: Sheet) -> str:
    """Return a table of the registries as Markdown."""
    return table(sheet.columns, sheet.rows)


def joined(text: str) -> str:
    """Return a text on one line."""
    return " ".join(text.split())


def paragraphs(cls: Any) -> str:
    """Return a docstring with each paragraph on one line."""
    parts = (inspect.getdoc(cls) or "").split("\n\n")
    return "\n\n".join(joined(part) for part in parts)


def first_line(cls: Any) -> str:
    """Return the first line of a docstring."""
    return (inspect.getdoc(cls) or "").split("\n")[0]


def module_summary(cls: type[Any]) -> str:
    """Return the first paragraph of the docstring of a class's module."""
    module = inspect.getmodule(cls)
    return joined((module.__doc__ or "").split("\n\n")[0])


def attribute_docstring(module: Any, name: str) -> str:
    """Return the text below the assignment of `name` in a module.

    Raises:
        LookupError: the module does not assign `name`.
    """
    body = ast.parse(inspect.getsource(module)).body
    for statement, following in itertools.pairwise(body):
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == name:
            return ast.literal_eval(following.value)
    raise LookupError(f"{module.__name__} assigns no {name}")


def argument_docs(cls: type[Any]) -> dict[str, str]:
    """Return the first sentence on each constructor argument from `:param` lines."""
    found = re.findall(r":param (\w+):(.*?)(?=:param|:return|\Z)", cls.__doc__ or "", re.DOTALL)
    return {name: first_sentence(joined(text.replace("``", "`"))) for name, text in found}


def first_sentence(text: str) -> str:
    """Return the first sentence without notes on defaults and objects, which no file can hold."""
    ends = r"\. (?=[A-Z])|,? it can be|\s+\(?[Dd]efault|\s+(?i:note: |see issue)"
    first = re.split(ends, text)[0]
    return f"{first[:1].upper()}{first[1:]}".rstrip(".,;: ")


def hint_in_words(hint: Any) -> str:
    """Return the YAML values that a type hint allows, in words."""
    return schema_in_words(TypeAdapter(hint).json_schema())


def schema_in_words(schema: dict[str, Any]) -> str:
    """Return the values that a JSON schema allows, in words."""
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(schema_in_words(part) for part in schema["anyOf"]))
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return " or ".join(f"`{choice}`" for choice in schema["enum"])
    kind = schema.get("type")
    if kind == "array":
        parts = schema.get("prefixItems") or [schema["items"]]
        return f"list of {' and '.join(schema_in_words(part) for part in parts)}"
    if kind == "object":
        values = schema.get("additionalProperties")
        simple = isinstance(values, dict) and values.get("type") in ("string", "number")
        return f"mapping to {schema_in_words(values)}" if simple else "mapping"
    words = {
        "string": "text",
        "boolean": "true or false",
        None: "mapping" if "$ref" in schema else "any",
    }
    text = words.get(kind, kind)
    limits = (("minimum", ">="), ("exclusiveMinimum", ">"), ("maximum", "<="))
    return text + "".join(f" {sign} {schema[key]}" for key, sign in limits if key in schema)
