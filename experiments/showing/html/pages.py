"""HTML pages that need neither network nor script: templates, and figures inside the page."""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from markupsafe import Markup, escape

from ....core.errors import printable
from .. import formats
from ..figures.style import look
from ..tables.rows import tone_of
from ..templating import template_environment
from ..words.intervals import decimals, interval_text, signed_text, span

TEMPLATES = Path(__file__).parent / "templates"


def fill_page(template: str, figures: Mapping[str, bytes], **content: Any) -> str:
    """Return a template filled in; all content is escaped.

    `figures` are images by file name; the PNGs among them go into the page.
    """
    environment = template_environment(TEMPLATES, autoescape=True, finalize=_finalize)
    filters: dict[str, Callable[..., Any]] = {
        "number": formats.number,
        "steps": formats.steps,
        "recovered": formats.recovered,
        "signed": lambda entry: signed_text(entry) if entry else formats.NONE,
        "interval": formats.interval,
        "ends": interval_text,
        "number_ends": lambda entry: interval_text(entry, formats.number),
        "brackets": lambda every: formats.brackets(
            formats.share_sources(every), formats.counts(every)
        ),
        "extent": lambda every: formats.extent(formats.counts(every)),
        "end_title": formats.end_title,
        "span": span,
        "tone": tone_of,
        "decimals": decimals,
        "up": lambda value: f"{math.ceil(value):,}",
        "share": lambda entry: f"{entry.estimate:.0%}" if entry else formats.NONE,
        "duration": formats.duration,
        "p_value": formats.p_value,
        "codes": codes,
    }
    environment.filters.update(filters)
    environment.globals.update(
        unfinished=formats.UNFINISHED,
        unpaired=formats.unpaired,
        colour=lambda number: look(number)[0],
    )
    images = {
        name: base64.b64encode(png).decode()
        for name, png in figures.items()
        if name.endswith(".png")
    }
    return environment.get_template(template).render(images=images, **content)


def _finalize(value: Any) -> Any:
    """Return what an expression of a template puts into the page, without control characters."""
    return type(value)(printable(value, keep="\n\t")) if isinstance(value, str) else value


def codes(text: str) -> Markup:
    """Return escaped text with what stands in backticks as code."""
    return Markup(re.sub(r"`([^`]*)`", r"<code>\1</code>", str(escape(text))))
