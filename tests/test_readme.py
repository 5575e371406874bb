"""The README's ten lines of Python run, and its numbers come from the checked-in results."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_ten_lines_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    code = "\n".join(line for line in code.splitlines() if line.strip())
    assert len(code.splitlines()) <= 12
    # The same lines with budgets for a test.
    few = '"every": 1_024, "episodes": 2, "anchor_episodes": 4'
    for long, short in (("40_000", "1_024"), ("20_000", "1_024"), ('"every": 2_000', few)):
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


def test_the_table_is_the_checked_in_one():
    readme, results = (ROOT / name for name in ("README.md", "experiments/results/quickstart.md"))
    (table,) = re.findall(r"```\n(tired-arm.*?)```", readme.read_text(), re.DOTALL)
    assert table in results.read_text()
    for method in ("scratch", "zero_shot", "naive", "fine_tune", "feature_reuse"):
        assert f"\n {method} " in table


def test_the_moving_picture_is_small():
    (name,) = re.findall(r"\((docs/images/\w+\.gif)\)", (ROOT / "README.md").read_text())
    assert (ROOT / name).stat().st_size < 1.5e6


def test_tests_run_in_a_folder_of_any_name(tmp_path):
    """An archive unpacks as headstart-main, which cannot be imported, and the root is a package."""
    (addopts,) = re.findall(r'^addopts = "(.*)"', (ROOT / "pyproject.toml").read_text(), re.M)
    root = tmp_path / "headstart-main"
    (root / "tests").mkdir(parents=True)
    (root / "__init__.py").write_text("from .envs import World\n")
    (root / "pytest.ini").write_text(
        f"[pytest]\naddopts = {addopts}\ntestpaths = tests\nmarkers = slow\n"
    )
    (root / "tests" / "test_one.py").write_text("def test_one(): pass\n")
    told = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist"],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert "1 passed" in told.stdout, told.stdout + told.stderr
