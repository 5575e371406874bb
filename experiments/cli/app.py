"""The command line: `headstart --help` lists what it can do.

Exit status: 0 done, 1 some trials failed or an error that is not the user's, 2 the user's mistake
or a file that cannot be read or written, 130 interrupted.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer
from rich.markup import escape

from ...core.errors import HeadstartError, single_line
from ...core.streams import write_plainly
from ...envs.vector.cores import ONE_THREAD
from . import agents
from .bench import app as bench_app
from .console import console, errors
from .options import world_ids
from .run import run
from .tune import tune

app = typer.Typer(
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)
config_app = typer.Typer()
app.add_typer(config_app, name="config", help="What an experiment's file may hold.")
app.add_typer(bench_app, name="bench", help="Measure anew what headstart says of itself.")


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        console.print(f"headstart {version('headstart')}", highlight=False)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error (anywhere in a line).")
    ] = False,
) -> None:
    """Does what was learned in simulation help there, and by how much?

    First steps:

        headstart run quickstart                     a whole experiment, in minutes
        headstart describe headstart/PandaReach-v0   what a world can be varied in
        headstart run --help                         how to run your own

    Exit status: 0 done, 1 trials failed, 2 a mistake in what was asked or a file that cannot be
    read or written, 130 interrupted.
    """


app.command()(run)


@app.command()
def report(
    directories: Annotated[
        list[Path],
        typer.Argument(metavar="DIR...", help="Run directories, as runs/quickstart."),
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="Where a comparison of several goes.", show_default="runs/comparison"),
    ] = None,
) -> None:
    """Write a run's tables, figures and report anew, and print the tables.

    A run that is not finished is reported as far as it got, a sweep with all its points. Of several
    runs a comparison is written as well: all results beside each other, the settings that differ,
    and what makes comparing them unfair.

    Examples:

        headstart report runs/quickstart
        headstart report runs/ppo runs/sac --out runs/ppo-or-sac
    """
    from ..showing.outputs import compare_runs, holds_sweep, write_outputs
    from ..showing.tables import terminal

    if len(directories) == 1:
        if out is not None:
            raise HeadstartError("--out is for a comparison of several runs; this is only one")
        if holds_sweep(directories[0]):
            # What sweeps and comparisons need takes seconds to be imported.
            from ..running import sweep
            from ..showing.html.sweep import render_sweep
            from ..showing.sweep_outputs import write_sweep_outputs

            for place in sweep.begun_places(directories[0]):
                write_outputs(place)
            console.print(render_sweep(write_sweep_outputs(directories[0])))
        else:
            console.print(terminal.render_summary(write_outputs(directories[0])))
    else:
        for directory in filter(holds_sweep, directories):
            raise HeadstartError(
                f"'{directory}' is a sweep: report one alone, or compare runs such as its points"
            )
        out = out or Path("runs/comparison")
        console.print(compare_runs(directories, out).table())
    console.print()
    for directory in directories:
        console.print(f"report: {directory / 'report.html'}", highlight=False)
    if out is not None:
        console.print(f"comparison: {out / 'comparison.html'}", highlight=False)


@app.command()
def status(
    directory: Annotated[
        Path, typer.Argument(help="A run directory, as runs/quickstart, or a sweep's.")
    ],
    once: Annotated[
        bool, typer.Option("--once", help="Print it once, though the run goes on.")
    ] = False,
) -> None:
    """Show how far a run is: what is done, at work, failed and waiting, and the time left.

    In a terminal the table renews itself until the run ends; Ctrl-C leaves it, not the run.
    """
    from ..running import sweep
    from ..showing.outputs import holds_sweep
    from ..showing.status import overview, sweep_overview, watch_status

    if holds_sweep(directory):
        places = sweep.point_places(directory)
        watch_status(lambda: sweep_overview(places), console, once=once)
        return
    watch_status(lambda: overview(directory), console, once=once)


@app.command()
def envs() -> None:
    """List the worlds of headstart."""
    from ..showing.tables.registries import known_worlds_table as known

    console.print(known())
    console.print(
        "Any other Gymnasium id works too, 'my_package.envs:MyEnv-v0' imports its module first; "
        "see docs/custom-environment.md.",
        highlight=False,
    )


@app.command()
def describe(
    env: Annotated[
        str,
        typer.Argument(help="A world's id, as headstart/PandaReach-v0.", autocompletion=world_ids),
    ],
) -> None:
    """Show what a world observes, does and is rewarded for; its parameters and named shifts."""
    from ..showing.tables.registries import describe_world

    for part in describe_world(env):
        console.print(part, markup=False, highlight=False)


@app.command()
def check(
    env: Annotated[
        str,
        typer.Argument(
            help="A Gymnasium id, as my_package.envs:MyEnv-v0.", autocompletion=world_ids
        ),
    ],
    quick: Annotated[
        bool, typer.Option("--quick", help="Seconds instead of minutes: fewer resets and steps.")
    ] = False,
    kwarg: Annotated[
        list[str] | None,
        typer.Option(help="An argument it is made with, as gain=0.5; may be repeated."),
    ] = None,
    wrapper: Annotated[
        list[str] | None,
        typer.Option(
            help="A wrapper that is put on, as package.module:Class or '{package.module:Class: "
            "{argument: value}}'; may be repeated."
        ),
    ] = None,
    shift: Annotated[
        list[str] | None,
        typer.Option(help="A named shift, or a change as 'mass=* 2'; may be repeated."),
    ] = None,
) -> None:
    """Check that an environment holds what a fair comparison needs, and say how to fix it.

    Seeds, parameters, episodes, what is returned: every property is tried on the environment, and
    where one does not hold it says what was seen. Exit status 1 if any does not.

    Examples:

        headstart check my_package.envs:MyEnv-v0
        headstart check headstart/PandaReach-v0 --quick
        headstart check my_package.envs:MyEnv-v0 --kwarg gain=0.5 --wrapper my_package.wrap:Late
    """
    from ...envs.spec import WorldSpec
    from ..config.yaml_text import parse_yaml
    from .check import check_world, findings

    given: dict[str, Any] = {}
    for text in kwarg or []:
        name, equals, value = text.partition("=")
        if not (equals and name.strip()):
            raise HeadstartError(f"--kwarg {text}: expected name=value")
        given[name.strip()] = parse_yaml(value, f"--kwarg {text}")
    worn = [parse_yaml(text, f"--wrapper {text}") for text in wrapper or []]
    spec = WorldSpec(env, given, worn, agents.read_shift(shift or []))
    outcomes = check_world(spec, quick=quick, console=errors)
    for part in findings(outcomes):
        console.print(part, highlight=False)
    if any(outcome.verdict == "does not hold" for outcome in outcomes):
        raise typer.Exit(1)


@app.command()
def methods() -> None:
    """List the transfer methods and their settings.

    In an experiment, settings stand behind the name: `{fine_tune: {critic_steps: 5_000}}`.
    """
    from ..showing.tables.registries import methods_table as known

    console.print(known())


@config_app.command()
def schema() -> None:
    """Print the JSON schema of experiment files, for completion and checks in an editor.

    Example:

        headstart config schema > experiment.schema.json

    With the YAML extension of VS Code and others, a file that begins with
    `# yaml-language-server: $schema=experiment.schema.json` is then checked as it is written.
    """
    from ..config.schema import json_schema

    print(json_schema())


@config_app.callback()
def _config() -> None:
    """What an experiment's file may hold."""


app.command()(tune)
app.command()(agents.pretrain)
app.command()(agents.evaluate)
app.command("import")(agents.import_sb3)
app.command()(agents.export)
app.command()(agents.watch)


# The class of all that is wrong with a command line; whether click is a package of its own or a
# part of typer depends on typer's version.
_UsageError: Any = typer.BadParameter.__base__


def main(words: Sequence[str] | None = None) -> None:
    """Run the command line and exit; every error is one line unless --debug is given."""
    words = list(sys.argv[1:] if words is None else words) or ["--help"]
    debug = "--debug" in words
    for name, count in ONE_THREAD.items():
        os.environ.setdefault(name, count)
    # As `python -m` and the workers do: an environment's module may lie in the working directory.
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    write_plainly()
    before = signal.signal(signal.SIGTERM, _terminated)
    try:
        status = app(
            [word for word in words if word != "--debug"],
            prog_name="headstart",
            standalone_mode=False,
        )
    except Exception as error:
        if debug:
            traceback.print_exc()
        status = _say(error)
    finally:
        signal.signal(signal.SIGTERM, before)
    if status == 130:
        hint = "; the same command goes on from here" if {"run", "tune"} & set(words) else ""
        errors.print(f"interrupted{hint}")
    sys.exit(status if isinstance(status, int) else 0)


def _terminated(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _say(error: Exception) -> int:
    """Print an error as one line and return the exit status that it means."""
    status, said = 1, str(error)
    if isinstance(error, HeadstartError):
        status = 2
    elif isinstance(error, _UsageError):
        status, said = 2, _usage(error)
    elif isinstance(error, OSError):
        status = 2
        said = ": ".join(str(part) for part in (error.filename, error.strerror) if part) or said
    elif not _of_training(error):
        said = f"{type(error).__name__}: {error} (internal error; headstart --debug shows where)"
    line = single_line(said)
    errors.print(f"[red]headstart:[/] {escape(line)}", highlight=False, soft_wrap=True)
    return status


def _usage(error: Any) -> str:
    """Return what is wrong with a command line, and where to read what would be right."""
    command = error.ctx.command_path if error.ctx else "headstart"
    said = str(error.format_message()).rstrip(".")
    return f"{said[:1].lower()}{said[1:]}; see {command} --help"


def _of_training(error: Exception) -> bool:
    """Whether a world or a learner went wrong: no one's slip on the command line, nor a bug."""
    from ...agents.evaluation import EvaluationError
    from ...agents.training import TrainingError

    return isinstance(error, (EvaluationError, TrainingError))
