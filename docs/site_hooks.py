"""What the site adds to mkdocs: pages from outside docs/, lists in the navigation, formulas.

On the repository's own pages all links are those of the checkout, so files outside docs/ are taken
into the site below the path that they have there, and links to them are rewritten.
"""

from __future__ import annotations

import html
import json
import posixpath
import re
import shutil
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
DOCS = Path(__file__).parent
OUTSIDE = (
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "experiments/results/*.md",
    "experiments/results/*.csv",
    "experiments/results/*.png",
    "experiments/studies/*.yaml",
)
PACKAGE = ROOT / "build" / "api" / "headstart"
PARTS = ("__init__.py", "core", "envs", "agents", "transfer", "experiments")
LINK = re.compile(r"(\]\()([^)#:\s]+)((?:#[^)\s]*)?\))")
FORMULA = re.compile(
    r'<(?P<tag>div|span) class="arithmatex">\\[\[(](?P<latex>.*?)\\[\])]</(?P=tag)>', re.DOTALL
)


def on_startup(**_: Any) -> None:
    """Lay out the package for the API's pages, as links to its folders.

    The repository's root would do, but all of its .venv would be read as parts of the package.
    """
    shutil.rmtree(PACKAGE, ignore_errors=True)
    PACKAGE.mkdir(parents=True)
    for part in PARTS:
        (PACKAGE / part).symlink_to(ROOT / part)


def on_config(config: Any) -> Any:
    """Replace each `folder/*` of the navigation by the pages of that folder."""
    config.nav = [_expanded(entry) for entry in config.nav]
    return config


def _expanded(entry: Any) -> Any:
    if not isinstance(entry, dict):
        return entry
    [(title, parts)] = entry.items()
    if not isinstance(parts, list):
        return entry
    pages: list[Any] = []
    for part in parts:
        if isinstance(part, str) and part.endswith("/*"):
            pages += _pages_in(part.removesuffix("*"))
        else:
            pages.append(_expanded(part))
    return {title: pages}


def _pages_in(folder: str) -> list[dict[str, str]]:
    base = DOCS if (DOCS / folder).is_dir() else ROOT
    return [{path.stem: f"{folder}{path.name}"} for path in sorted((base / folder).glob("*.md"))]


def on_files(files: Files, config: Any) -> Files:
    """Add the files from outside docs/, and a page for each notebook."""
    for path in sorted(DOCS.glob("*.ipynb")):
        name = path.with_suffix(".md").name
        files.append(File.generated(config, name, content=notebook_page(path)))
    for pattern in OUTSIDE:
        for path in sorted(ROOT.glob(pattern)):
            name = path.relative_to(ROOT).as_posix()
            files.append(File.generated(config, name, abs_src_path=str(path)))
    return files


def notebook_page(path: Path) -> str:
    """Return a notebook as Markdown: its texts, its code, and what its cells show."""
    parts = []
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
            continue
        parts.append(f"```python\n{source}\n```")
        for output in cell["outputs"]:
            shown = output.get("data", {}).get("text/html")
            if shown:
                # Without blank lines, at which Markdown would end the block of HTML.
                lines = (line.strip() for line in "".join(shown).splitlines())
                body = "\n".join(line for line in lines if line)
                parts.append(f"<div>\n{body}\n</div>")
    parts.append(f'<a href="{path.name}" download>This page as a notebook</a>')
    return "\n\n".join(parts)


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Rewrite links that lead out of docs/, or into it from outside."""
    name = page.file.src_uri
    # Where the page is in the checkout: docs/ for all but those that were added.
    inside = any((DOCS / name).with_suffix(kind).is_file() for kind in (".md", ".ipynb"))
    place = posixpath.dirname(f"docs/{name}" if inside else name)

    def rewritten(match: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(place, match[2]))
        there = re.sub(r"\.ipynb$", ".md", target.removeprefix("docs/"))
        if not (ROOT / target).exists() or files.get_file_from_path(there) is None:
            return match[0]
        link = posixpath.relpath(there, posixpath.dirname(name) or ".")
        return f"{match[1]}{link}{match[3]}"

    return LINK.sub(rewritten, markdown)


def on_page_content(content: str, page: Any, config: Any, files: Files) -> str:
    """Turn formulas into MathML, which browsers show without a script."""

    def formula(match: re.Match[str]) -> str:
        display = "block" if match["tag"] == "div" else "inline"
        return convert(html.unescape(match["latex"]).strip(), display=display)

    return FORMULA.sub(formula, content)
