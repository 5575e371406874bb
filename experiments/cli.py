"""The command line: `headstart --help` lists what it can do.

Exit status: 0 done, 1 some trials failed or an internal error, 2 the user's mistake, 130
interrupted.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..envs.errors import HeadstartError

app = typer.Typer(
    help="Does what was learned in simulation help there, and by how much?",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
bench_app = typer.Typer(help="Measure speed.", no_args_is_help=True)
app.add_typer(bench_app, name="bench")
console = Console()
errors = Console(stderr=True)

Steps = Annotated[int, typer.Option(min=1, help="Environment steps to train for.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of everything random.")]


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option(help="Show tracebacks of errors.")] = False,
) -> None:
    """Does what was learned in simulation help there, and by how much?"""


@app.command()
def run(
    experiment: Annotated[Path, typer.Argument(help="The experiment's YAML file.")],
    out: Annotated[
        Path | None, typer.Option(help="Run directory.", show_default="runs/<name>")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Override a setting: key.path=value.")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Worker processes.", show_default="the cores")
    ] = None,
) -> None:
    """Run an experiment: sources, then trials, then tables and a report.

    The same command goes on where an interrupted run stopped, and tries failed trials again.
    """
    from .harness import run as run_experiment

    try:
        result = run_experiment(
            experiment, out=out, jobs=jobs, overrides=set_ or [], console=console
        )
    except KeyboardInterrupt:
        errors.print("interrupted; the same command goes on from here")
        raise typer.Exit(130) from None
    result.show(console)
    console.print(f"\nreport: {result.directory / 'report.html'}", highlight=False)
    console.print(f"curves: tensorboard --logdir {result.directory}", highlight=False)
    if result.failed:
        errors.print(f"[red]{len(result.failed)} units failed[/]; the same command tries again")
        raise typer.Exit(1)


@app.command()
def report(
    directory: Annotated[Path, typer.Argument(help="A run directory.")],
) -> None:
    """Write a run's tables, figures and report anew, and print the tables."""
    from .showing import tables, write

    console.print(tables.render(write(directory)))
    console.print(f"\nreport: {directory / 'report.html'}", highlight=False)


@app.command()
def envs() -> None:
    """List the worlds of headstart."""
    from ..envs import WORLDS
    from ..envs.shifts import SHIFTS

    table = Table("world", "about", "shifts")
    for world_id, entry in WORLDS.items():
        table.add_row(world_id, entry.about, ", ".join(SHIFTS.get(world_id, {})))
    console.print(table)
    console.print("Any other Gymnasium id works too; see docs/custom-environment.md.")


@app.command()
def describe(
    env: Annotated[str, typer.Argument(help="A world's id.")],
) -> None:
    """Show a world's spaces, parameters and shifts."""
    from .describing import describe_world

    for part in describe_world(env):
        console.print(part)


@app.command()
def methods() -> None:
    """List the transfer methods and their settings."""
    from .describing import methods_table

    console.print(methods_table())


@app.command()
def pretrain(
    env: Annotated[str, typer.Argument(help="The source world's id.")],
    out: Annotated[Path, typer.Option(help="Where the bundle goes.")],
    steps: Steps = 100_000,
    algorithm: Annotated[str, typer.Option(help="ppo, sac, or package.module:Class.")] = "ppo",
    randomize: Annotated[
        list[str] | None,
        typer.Option(help="A randomized parameter: 'tyre_friction=* uniform(0.5, 1)'."),
    ] = None,
    seed: Seed = 0,
    device: Annotated[str, typer.Option(help="Torch device.")] = "cpu",
) -> None:
    """Train one agent in a source world and save it as a bundle."""
    from .single import pretrain as pretrain_one

    changes = dict(_assignment(text) for text in randomize or [])
    pretrain_one(env, out, steps, algorithm, changes, seed, device, console)
    console.print(f"bundle: {out}", highlight=False)


@app.command()
def evaluate(
    bundle: Annotated[Path, typer.Argument(help="A bundle's directory.")],
    world: Annotated[
        str | None, typer.Option(help="World to evaluate in.", show_default="the bundle's")
    ] = None,
    shift: Annotated[
        list[str] | None,
        typer.Option(help="A named shift, or changes such as 'action_delay== 0.04'."),
    ] = None,
    episodes: Annotated[int, typer.Option(min=1, help="Episodes.")] = 20,
    seed: Seed = 1_000_000,
) -> None:
    """Evaluate a bundle: return, success and length over fixed episodes."""
    from .single import evaluation_table

    texts = shift or []
    named = len(texts) == 1 and "=" not in texts[0]
    change: Any = texts[0] if named else dict(_assignment(text) for text in texts)
    console.print(evaluation_table(bundle, world, change, episodes, seed))


@bench_app.command()
def worlds(
    steps: Annotated[int, typer.Option(min=100, help="Steps per world.")] = 3_000,
) -> None:
    """Microseconds per step of every world: physics, ranging, and the rest."""
    from .bench import worlds_table

    console.print(worlds_table(steps))


def _assignment(text: str) -> tuple[str, str]:
    """Split 'parameter=change' ('delay== 0.1' sets, 'mass=* 2' scales, 'mass=+ 1' adds)."""
    name, separator, change = text.partition("=")
    if not separator:
        raise HeadstartError(f"'{text}': expected parameter=change, as in 'payload_mass=+ 2'")
    return name.strip(), change.strip()


def _terminated(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main() -> None:
    """Run the command line; every error is one line unless --debug is given."""
    signal.signal(signal.SIGTERM, _terminated)
    debug = "--debug" in sys.argv[1:]
    try:
        app()
    except HeadstartError as error:
        if debug:
            raise
        _say(str(error))
        sys.exit(2)
    except Exception as error:
        if debug:
            raise
        _say(f"{type(error).__name__}: {error} (internal error; headstart --debug shows where)")
        sys.exit(1)


def _say(error: str) -> None:
    """Print an error as one line."""
    line = " ".join(error.split())
    errors.print(f"[red]headstart:[/] {escape(line)}", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    main()
