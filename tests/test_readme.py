"""The README's ten lines of Python run, and its numbers come from the checked-in results."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_ten_lines_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    code = "\n".join(line for line in code.splitlines() if line.strip())
    assert len(code.splitlines()) <= 12
    # The same lines with budgets for a test.
    for long, short in (("40_000", "1_024"), ("20_000", "1_024"), ("2_000", "1_024")):
        assert long in code
        code = code.replace(long, short)
    code = code.replace("[0, 1, 2, 3, 4]", "[0]")
    scope = {}
    exec(compile(code, "README.md", "exec"), scope)
    assert not scope["result"].failed
    assert set(scope["result"].summary["targets"]["heavy"]["methods"]) == {
        "scratch",
        "zero_shot",
        "fine_tune",
    }


def test_every_link_into_the_project_leads_somewhere():
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for link in re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name}: {link}"
