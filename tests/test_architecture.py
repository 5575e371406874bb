"""What holds of every file: imports one way, complete packaging, small files, no global state."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = ("core", "envs", "agents", "transfer", "experiments")
FILES = [ROOT / "__init__.py", *(path for layer in LAYERS for path in (ROOT / layer).rglob("*.py"))]
# Made to be copied, so they import headstart as a user does.
SCRIPTS = {"experiments/studies/quickstart.py", "experiments/studies/driving.py"}
# Inside experiments, from the ground up: a folder or module imports what lies lower.
HEIGHTS = {
    "config": 0,
    "records": 0,
    "running": 1,
    "measuring": 2,
    "showing": 3,
    "tuning": 4,
    "bench": 4,
    "api": 4,
    "cli": 5,
}
TWICE = 10
# Of numpy.random: what has no part in the global stream, or only keeps it as it is.
ALLOWED = {"default_rng", "Generator", "SeedSequence", "MT19937", "get_state", "set_state"}


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports(path: Path) -> set[str]:
    """Return the absolute names of the modules that a file of the package imports."""
    package = ["headstart", *path.relative_to(ROOT).parts[:-1]]
    found = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            module = [*base, *(node.module or "").split(".")] if node.module else base
            # `from .. import agents` imports a module, too.
            found |= {".".join([*module, alias.name]) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module)
    return found


def test_there_is_something_to_look_at():
    assert len(FILES) > 50
    assert "headstart.core.errors.HeadstartError" in imports(
        ROOT / "experiments" / "cli" / "app.py"
    )
    runner = imports(ROOT / "experiments" / "running" / "runner.py")
    assert "headstart.experiments.config.schema.ConfigError" in runner


def test_imports_run_one_way():
    wrong = []
    for path in FILES:
        here = path.relative_to(ROOT).parts[0]
        # The package's own __init__ stands above all layers.
        above = LAYERS[LAYERS.index(here) + 1 :] if here in LAYERS else ()
        for module in imports(path):
            top, *rest = module.split(".")
            backwards = rest[:1] and rest[0] in above
            whole = not rest and name_of(path) not in SCRIPTS
            if top == "headstart" and (backwards or whole):
                wrong.append(f"{name_of(path)} imports {module}")
    assert not wrong


def test_folders_of_experiments_import_one_way():
    wrong = []
    for path in FILES:
        layer, *rest = path.relative_to(ROOT).with_suffix("").parts
        if layer != "experiments" or name_of(path) in SCRIPTS or rest[0] == "__init__":
            continue
        below = {name for name, height in HEIGHTS.items() if height < HEIGHTS[rest[0]]}
        wrong += [
            f"{name_of(path)} imports {module}"
            for module in imports(path)
            if module.startswith("headstart.experiments.")
            and module.split(".")[2] not in below | {rest[0]}
        ]
    assert not wrong


def test_few_modules_lie_loose_in_experiments():
    loose = {path.stem for path in (ROOT / "experiments").glob("*.py")} - {"__init__"}
    assert loose == {"api", "records"}


def test_no_import_circles():
    """Circles among modules, those of imports inside functions too; types alone make none."""
    modules = {module_of(path): path for path in FILES}
    graph = {name: needed(path, modules) - {name} for name, path in modules.items()}
    while True:
        ends = {name for name, needs in graph.items() if not needs}
        if not ends:
            break
        graph = {name: needs - ends for name, needs in graph.items() if name not in ends}
    assert not graph, "these, or what they import, import each other"


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(["headstart", *(parts[:-1] if parts[-1] == "__init__" else parts)])


def needed(path: Path, modules: dict[str, Path]) -> set[str]:
    """Return the modules of the package that a file needs to run, not only to be typed."""
    package = ["headstart", *path.relative_to(ROOT).parts[:-1]]
    tree = tree_of(path)
    typed = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    found = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom) or not node.level or id(node) in typed:
            continue
        base = ".".join([*package[: len(package) - node.level + 1], *filter(None, [node.module])])
        for alias in node.names:
            found.add(f"{base}.{alias.name}" if f"{base}.{alias.name}" in modules else base)
    return found & set(modules)


def test_few_public_names_are_defined_twice():
    defined: dict[str, set[str]] = {}
    for path in FILES:
        for node in tree_of(path).body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
                defined.setdefault(node.name, set()).add(name_of(path))
    twice = {name: places for name, places in defined.items() if len(places) > 1}
    # A limit to lower: a name should lead a search to one place.
    assert len(twice) <= TWICE, twice


def test_every_package_is_in_the_wheel():
    tomllib = pytest.importorskip("tomllib", reason="needs Python 3.11")
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    there = {path.parent for path in FILES if path.name == "__init__.py"}
    names = {".".join(["headstart", *path.relative_to(ROOT).parts]) for path in there}
    assert set(listed) == names
    modules = {path.parent for path in FILES if name_of(path) not in SCRIPTS}
    assert modules <= there, "a folder of modules has no __init__.py"


def test_files_stay_small():
    files = [*FILES, *(ROOT / "tests").rglob("*.py"), *(ROOT / "docs").rglob("*.py")]
    lines = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    assert {name: count for name, count in lines.items() if count > 500} == {}


def test_nothing_draws_from_numpys_global_stream():
    wrong = [
        f"{name_of(path)}:{node.lineno} uses {ast.unparse(node)}"
        for path in FILES
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Attribute)
        and ast.unparse(node.value) in ("np.random", "numpy.random")
        and node.attr not in ALLOWED
    ]
    assert not wrong


def test_importing_headstart_waits_for_no_learning_library():
    code = (
        "import sys, headstart, gymnasium; gymnasium.spec('headstart/PandaReach-v0'); "
        "import headstart.experiments.cli.app; "
        "print(sorted({'torch', 'stable_baselines3', 'pandas', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
