"""The site builds, with every link checked."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mkdocs", reason="needs the extra docs")
pytest.importorskip("material", reason="needs the extra docs")

ROOT = Path(__file__).parents[2]


def test_the_site_builds_and_fetches_nothing(tmp_path):
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    pages = {path.relative_to(tmp_path).as_posix(): path for path in tmp_path.rglob("*.html")}
    assert {"index.html", "start.html", "methods/fine_tune.html", "api/worlds.html"} <= set(pages)
    for name, path in pages.items():
        text = path.read_text(encoding="utf-8")
        assert not re.findall(r'(?:src="|<link[^>]*href=")https?://', text), name
        assert 'class="arithmatex"' not in text, f"{name}: a formula that is no MathML"
