"""What is written of runs: results.csv, summary.json, figures, tables, report and comparison.

Where nothing has changed since it was written last, it is not written again: a finished run asked
again answers at once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...core.files import StoreError, read_json, write_json
from ...core.plain import from_json
from ..measuring.results import Summary
from ..records import RunError

if TYPE_CHECKING:
    from ..measuring.runs import Run
    from .html.comparison import ComparisonReport

RECORD = ".outputs.json"
"""What a run directory's outputs were made from, and which they are."""
INPUTS = (
    "experiment.yaml",
    "facts.json",
    "source/*/*/status.json",
    "source/*/*/*.jsonl",
    "trials/*/*/*/status.json",
    "trials/*/*/*/*.jsonl",
    "videos/*",
)
CODE = Path(__file__).parents[1]
PARTS = ("measuring", "showing")
"""The parts of the code that outputs depend on."""


def write_outputs(directory: str | Path) -> Summary:
    """Write results.csv, summary.json, figures, tables, report.html and what TensorBoard shows.

    Each file is replaced as a whole or not at all. Equal runs give equal files; where the run and
    the code that shows it are those of the last time, the files stand as they are.

    Args:
        directory: a run directory; the files are written into it.

    Returns:
        The summary.

    Raises:
        RunError: it is no run directory, or its curves cannot be compared.
        StoreError: a file cannot be written; the files before it are whole, the old one stays.
    """
    root = Path(directory)
    made_from = _fingerprint(root)
    if (summary := _unchanged(root, made_from)) is not None:
        return summary
    # Figures, tables and all that they need take seconds to be imported.
    from ..measuring.runs import load_run

    return _write(load_run(root), made_from)


def holds_sweep(directory: Path) -> bool:
    """Return whether a directory holds a sweep of runs, not a run."""
    return (directory / "sweep.yaml").is_file()


def compare_runs(directories: Sequence[str | Path], out: str | Path) -> ComparisonReport:
    """Write the outputs of every run, and their comparison into another directory.

    Args:
        directories: two run directories or more.
        out: the directory that the comparison is written into.

    Returns:
        The comparison.

    Raises:
        RunError: fewer than two runs, one given twice, one that is none, or `out` is one.
        StoreError: a file cannot be written.
    """
    from ..measuring import comparison
    from .html.comparison import ComparisonReport

    if len(directories) < 2:
        raise RunError("a comparison takes two run directories or more")
    runs, out = comparison.load_apart(directories), Path(out)
    if (out / "experiment.yaml").exists():
        raise RunError(f"'{out}' is a run directory; choose another one for the comparison")
    summaries = [_write(run, _fingerprint(run.directory)) for run in runs]
    compared = ComparisonReport(comparison.members(runs, summaries))
    compared.write(out)
    return compared


def _write(run: Run, made_from: str) -> Summary:
    """Write the outputs of a run, and what they were made from."""
    from .figures.kept import KeptFigures
    from .writing import write_run

    root = run.directory
    kept = KeptFigures(root / "figures", _digest_files(_code_files()), _recorded_figures(root))
    (root / RECORD).unlink(missing_ok=True)
    summary, written = write_run(run, kept)
    sizes = {path.relative_to(root).as_posix(): path.stat().st_size for path in written}
    write_json(root / RECORD, {"inputs": made_from, "files": sizes, "figures": kept.record})
    return summary


def _fingerprint(root: Path) -> str:
    """Return a digest of what the outputs of a run are made from: its records, and our code."""
    inputs = ((root, path) for pattern in INPUTS for path in sorted(root.glob(pattern)))
    return _digest_files(chain(inputs, _code_files()))


def _digest_files(files: Iterable[tuple[Path, Path]]) -> str:
    """Return a digest of files, each with the folder that its name is below, and our version."""
    digest = hashlib.sha256(version("headstart").encode())
    for base, path in files:
        content = path.read_bytes() if path.is_file() else b""
        digest.update(f"{path.relative_to(base)} {len(content)} ".encode())
        digest.update(content)
    return digest.hexdigest()


def _code_files() -> Iterator[tuple[Path, Path]]:
    for part in PARTS:
        files = (path for path in (CODE / part).rglob("*") if path.suffix in (".py", ".j2", ".css"))
        yield from ((CODE, path) for path in sorted(files))


def _recorded_figures(root: Path) -> dict[str, Any]:
    """Return what the figures of the last time were drawn from; nothing where that is not known."""
    try:
        found = (read_json(root / RECORD) or {}).get("figures")
    except StoreError:
        found = None
    return found if isinstance(found, dict) else {}


def _unchanged(root: Path, made_from: str) -> Summary | None:
    """Return the summary that was written from the same; None where it has to be written anew."""
    try:
        record: Any = read_json(root / RECORD)
        sizes = {root / name: size for name, size in record["files"].items()}
        if record["inputs"] != made_from:
            return None
        if any(path.stat().st_size != size for path, size in sizes.items()):
            return None
        found: Summary = from_json(Summary, read_json(root / "summary.json"))
    # Whatever cannot be read is written anew.
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RunError):
        return None
    return found
