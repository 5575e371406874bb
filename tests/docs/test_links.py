"""Every link, picture and path that the pages name is there."""

import pydoc
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "experiments" / "results").glob("*.md")),
]
LINK = re.compile(r"\]\(([^)\s]+)\)|<img[^>]* src=\"([^\"]+)\"")
# A path of the checkout in backticks: a folder of the top level, and what is below it.
PATH = re.compile(
    r"`((?:core|envs|agents|transfer|experiments|tests|docs)/[\w./-]*[\w/])`|"
    r"(?<=[ `])((?:experiments|tests|docs)/[\w./-]+\.(?:py|yaml|md))\b"
)


def name_of(page):
    return page.relative_to(ROOT).as_posix()


def prose(page):
    """Return a page without its blocks of code."""
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)


def anchors(page):
    """Return the anchors of a page's headings, as Markdown's renderers make them."""
    found = set()
    for heading in re.findall(r"^#+ (.+)$", prose(page), re.M):
        plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\s-]", "", plain.strip().lower())
        found.add(re.sub(r"[\s]+", "-", slug))
    return found


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_and_pictures_lead_somewhere(page):
    for match in LINK.finditer(prose(page)):
        link = match[1] or match[2]
        if re.match(r"\w+:", link):
            continue
        path, _, anchor = link.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.is_file() or (there.is_dir() and not anchor), f"{name_of(page)}: {link}"
        if anchor:
            assert anchor in anchors(there), f"{name_of(page)}: no heading for {link}"


def test_paths_that_are_named_are_there():
    # The changelog names what was.
    for page in (page for page in PAGES if page.name != "CHANGELOG.md"):
        for match in PATH.finditer(page.read_text(encoding="utf-8")):
            path = match[1] or match[2]
            assert (ROOT / path).exists(), f"{name_of(page)}: {path}"


def test_pages_that_the_code_names_are_there():
    for folder in ("envs", "agents", "transfer", "experiments"):
        for path in (ROOT / folder).rglob("*.py"):
            for name in re.findall(r"\bdocs/[\w/-]+\.md", path.read_text(encoding="utf-8")):
                assert (ROOT / name).is_file(), f"{name_of(path)}: {name}"


def test_the_site_fetches_nothing():
    # A font, a script or a style of another host would; material's fonts are on unless turned off.
    config = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert "  font: false\n" in config
    assert not re.findall(r"https?://", config)
    assert not re.findall(r"https?:|@import", (ROOT / "docs" / "site.css").read_text())


def test_what_the_site_needs_is_pinned():
    tomllib = pytest.importorskip("tomllib", reason="needs Python 3.11")
    pinned = (ROOT / "constraints.txt").read_text().lower().split()
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    for requirement in extras["docs"]:
        name = re.match(r"[\w-]+", requirement)[0]
        assert any(line.startswith(f"{name}==") for line in pinned), name


def names_in_api_pages():
    for page in sorted((DOCS / "api").glob("*.md")):
        yield from re.findall(r"^::: ([\w.]+)", page.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("name", list(names_in_api_pages()))
def test_what_the_api_pages_name_is_there(name):
    assert pydoc.locate(name) is not None
