"""The command `headstart tune`: a method's settings searched, the same way for every method."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ...core.errors import HeadstartError
from .console import console, errors


def tune(
    experiment: Annotated[
        Path, typer.Argument(help="A YAML file, or a study of headstart, as 'quickstart'.")
    ],
    method: Annotated[
        str,
        typer.Option(
            help="The method: a label or name of the experiment's, any other name, or "
            "package.module:Class."
        ),
    ],
    trials: Annotated[
        int,
        typer.Option(min=1, help="Settings to try, those that the method has now among them."),
    ] = 20,
    out: Annotated[
        Path | None,
        typer.Option(help="Directory of the search.", show_default="runs/<name>-tune/<method>"),
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(
            help="Where the study is kept: a database, as sqlite:///tune.db, or a journal's file.",
            show_default="journal.log in --out",
        ),
    ] = None,
    seeds: Annotated[
        str | None,
        typer.Option(
            help="Seeds to tune on, as 100,101; none of the experiment's.",
            show_default="the first two from 100 on that the experiment has not",
        ),
    ] = None,
    target: Annotated[
        list[str] | None,
        typer.Option(help="A target to tune on; may be repeated.", show_default="all"),
    ] = None,
    search: Annotated[
        list[str] | None,
        typer.Option(
            help="A setting and its range, beside or in place of those that the method declares; "
            "may be repeated."
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="Override a setting, as key.path=value; may be repeated."),
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Processes that run trials.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the search.")] = 0,
) -> None:
    """Search a method's settings with Optuna, and write the best as YAML.

    A trial trains the method on every target and tuning seed; the larger the area under its
    curves, the better. A trial that falls below the median of the others is stopped. The first
    trial is the method as it is. The same command goes on until there are as many --trials as
    asked, and run beside itself it joins in.

    The experiment's own seeds are not tuned on: they are what is reported.

    Examples:

        headstart tune quickstart --method fine_tune
        headstart tune quickstart --method scratch --trials 20 --jobs 2
        headstart tune my-experiment.yaml --method fine_tune --search "critic = choice(kept, reset)"
        headstart tune my-experiment.yaml --method fine_tune --storage sqlite:///tune.db

    Settings stated in the experiment are kept, unless --search names them. With one process the
    same --seed tries the same settings. More: docs/tuning.md.
    """
    from ..tuning import require_optuna

    require_optuna()
    from ..config.schema import load
    from ..tuning import results
    from ..tuning.search import search_settings as tune_method
    from ..tuning.search import task_of
    from .run import find_experiment

    path = find_experiment(experiment)
    task = task_of(
        load(path, set_ or []),
        method,
        seeds=None if seeds is None else _seeds(seeds),
        targets=target or [],
        ranges=search or [],
        seed=seed,
        where=str(path),
    )
    found = tune_method(
        task,
        out=out,
        storage=storage,
        trials=trials,
        jobs=jobs,
        console=console,
        where=str(path),
    )
    if found.tried:
        console.print(results.sheet(found.study, task))
        console.print(results.verdict(found.study, task), highlight=False)
        console.print(f"\nbest: {found.out / 'best.yaml'}", highlight=False)
        console.print(f"curves: tensorboard --logdir {found.out}", highlight=False)
    if found.elsewhere:
        numbers = ", ".join(map(str, found.elsewhere))
        console.print(
            f"started by other processes and not ended: {numbers}. If none is at work on them any "
            "more, the same command where they were started goes on with them.",
            highlight=False,
        )
    for error in found.errors:
        errors.print(f"[red]headstart:[/] {error}", highlight=False, soft_wrap=True)
    if found.errors:
        raise typer.Exit(1)


def _seeds(text: str) -> list[int]:
    """Read seeds that stand between commas."""
    words = [word.strip() for word in text.split(",")]
    if not all(word.isdecimal() for word in words) or len(set(words)) < len(words):
        raise HeadstartError(f"--seeds {text}: expected different whole numbers, as in 100,101")
    return [int(word) for word in words]
