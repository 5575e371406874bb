"""`headstart run`: the experiments of a file, one after the other."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from ...core.errors import HeadstartError, nearest
from ...core.files import lock
from ..config.overrides import read_parts
from ..records import RUNS
from ..running.claims import PATIENCE
from ..running.settled import digest_asked, recall, remember, say_done
from ..showing.outputs import write_outputs
from ..showing.result import Result, SweepResult
from .console import console, errors
from .options import confirm_ready

STUDIES = Path(__file__).parents[1] / "studies"


def run(
    experiment: Annotated[
        Path, typer.Argument(help="A YAML file, or a study of headstart, as 'quickstart'.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="Run directory.", show_default="runs/<name>")
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="Override a setting, as key.path=value; may be repeated."),
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Worker processes.", show_default="the cores")
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(help="Run on the Ray cluster at host:port, or 'local' to start one here."),
    ] = None,
    trial: Annotated[
        list[str] | None,
        typer.Option(
            help="Run only this trial, as --list prints it ('*' for any), and its source; may be "
            "repeated. Several processes may share one run directory."
        ),
    ] = None,
    list_: Annotated[
        bool, typer.Option("--list", help="Only list the trials, as --trial takes them.")
    ] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Delete what the run directory has of it, and run anew.")
    ] = False,
    keep: Annotated[
        bool,
        typer.Option("--keep", help="Go on although code has changed since; the report says so."),
    ] = False,
    ready: Annotated[
        bool,
        typer.Option(
            "--ready", help="Targets that exist once may move: do not ask before going on."
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would run, and for how long.")
    ] = False,
) -> None:
    """Run an experiment: sources, then trials, then tables and a report.

    The same command goes on where an interrupted run stopped, and tries failed trials again. A file
    with several experiments, parted by lines of ---, runs them one after the other.

    Examples:

        headstart run quickstart
        headstart run my-experiment.yaml --jobs 4
        headstart run my-experiment.yaml --out runs/try --set seeds=[0]
        headstart run my-experiment.yaml --dry-run
        headstart run my-experiment.yaml --cluster 10.0.0.5:6379
        headstart run my-experiment.yaml --trial 'icy-road/*/0'

    On many machines, by Ray or SLURM: docs/running.md. What an experiment's file holds:
    docs/experiment-file.md. The same from Python:
    `headstart.run("my-experiment.yaml").show()`.
    """
    if fresh and keep:
        raise HeadstartError("--fresh and --keep go against each other; give one of them")
    file = find_experiment(experiment)
    texts = read_parts(file, set_ or [])
    # Only what asks for whole runs, here, can be answered by what is known of them.
    whole = not (trial or list_ or fresh or cluster or dry_run)
    asked = [digest_asked(data) for data in texts if whole]
    if whole and show_finished(asked, texts, out):
        return
    # What it takes to run anything takes seconds to be imported.
    from .. import api
    from ..config.schema import build_all

    parts = build_all(texts, str(file))
    chosen = api.share(parts, trial or [])
    failed = 0
    for number, part in enumerate(parts):
        place = run_directory(out, part.name, len(parts))
        if list_:
            for name in api.trials(part):
                print(f"{part.name}/{name}" if len(parts) > 1 else name)
            continue
        if trial and not chosen[part.name]:
            continue
        if dry_run:
            its = chosen[part.name]
            for line in api.preview(part, out=place, jobs=jobs, trials=its, where=str(file)):
                console.print(line, highlight=False)
            continue
        result = api.run(
            part,
            out=place,
            jobs=jobs,
            console=console,
            trials=chosen[part.name],
            cluster=cluster,
            where=str(file),
            fresh=fresh,
            keep=keep,
            ready=ready or (confirm_ready if sys.stdin.isatty() else False),
        )
        show_result(result)
        if whole and not result.failed:
            remember(asked[number], part, result.directory)
        failed += len(result.failed)
    if failed:
        units = f"{failed} unit{'s' * (failed != 1)}"
        errors.print(f"[red]{units} failed[/]; the same command tries again")
        raise typer.Exit(1)


def show_finished(
    asked: Sequence[str], texts: Sequence[Mapping[str, Any]], out: Path | None
) -> bool:
    """Show the runs of a file that are known to be finished; return whether all of them are."""
    places = [run_directory(out, str(data.get("name")), len(texts)) for data in texts]
    done = {place: recall(digest, place) for digest, place in zip(asked, places, strict=True)}
    if None in done.values():
        return False
    for place, units in done.items():
        console.print(say_done(units or 0, units or 0))
        with lock(place, PATIENCE):
            result = Result(place, write_outputs(place), [])
        show_result(result)
    return True


def show_result(result: Result | SweepResult) -> None:
    """Print a run's tables, and where its report and its curves are."""
    result.show(console)
    console.print(f"\nreport: {result.directory / 'report.html'}", highlight=False)
    trials = result.directory / "trials"
    curves = trials if trials.is_dir() else result.directory
    console.print(f"curves: tensorboard --logdir {curves}", highlight=False)


def run_directory(out: Path | None, name: str, experiments: int) -> Path:
    """Return where the run of one of so many experiments of a file lies."""
    if out is None:
        return RUNS / name
    return out / name if experiments > 1 else out


def find_experiment(experiment: Path) -> Path:
    """Return the experiment's file: the one named, or else the study of this name."""
    if experiment.exists() or experiment.suffix or len(experiment.parts) > 1:
        return experiment
    studies = {path.stem: path for path in STUDIES.glob("*.yaml")}
    name = str(experiment)
    if name not in studies:
        raise HeadstartError(f"no file '{name}', and no study of that name{nearest(name, studies)}")
    return studies[name]
