"""Commands on one agent, a part of the command line: train, evaluate, look at, hand over."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from ...core.errors import HeadstartError
from ...core.files import write_bytes
from .console import console
from .options import confirm_ready, ready_made, world_ids

Seed = Annotated[int, typer.Option(min=0, help="Seed of everything random.")]
Bundle = Annotated[
    str,
    typer.Argument(
        help="A bundle, the folder of a source or trial, or pretrained/nominal, "
        "pretrained/randomized.",
        autocompletion=ready_made,
    ),
]
Shift = Annotated[
    list[str] | None,
    typer.Option(help="A named shift, or one changed parameter; may be repeated."),
]

Trust = Annotated[
    list[str] | None,
    typer.Option(
        metavar="MODULE",
        help="A module or package of yours that a bundle may name; may be repeated.",
    ),
]


def pretrain(
    env: Annotated[str, typer.Argument(help="The source world's id.", autocompletion=world_ids)],
    out: Annotated[Path, typer.Option(help="Where the bundle goes; not there yet.")],
    steps: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Environment steps to train for, those of --start included.",
            show_default="what PPO needs there, 100000 in worlds of your own",
        ),
    ] = None,
    algorithm: Annotated[
        str | None,
        typer.Option(help="ppo, sac, or package.module:Class.", show_default="ppo"),
    ] = None,
    randomize: Annotated[
        list[str] | None,
        typer.Option(
            help="A parameter drawn anew at every episode, or 'recommended'; may be repeated."
        ),
    ] = None,
    seed: Seed = 0,
    device: Annotated[str, typer.Option(help="Torch device.")] = "cpu",
    workers: Annotated[
        int,
        typer.Option(min=0, help="Processes that step the worlds; 0: none but this one."),
    ] = 0,
    start: Annotated[
        str | None,
        typer.Option(
            help="A bundle to go on from, as in evaluate; its algorithm is kept.",
            show_default="fresh weights",
        ),
    ] = None,
    trust: Trust = None,
) -> None:
    r"""Train one agent in a source world and save it as a bundle.

    Examples:

        headstart pretrain headstart/PandaReach-v0 --out reach --randomize recommended
        headstart pretrain headstart/PandaReach-v0 --out reach --steps 50000 \
            --randomize "motor_strength * loguniform(0.5, 1.3)" \
            --randomize "action_delay = uniform(0, 0.08)"
        headstart pretrain headstart/A1Walk-v0 --out walk --randomize recommended \
            --start pretrained/nominal --steps 1000000

    What can be randomized: `headstart describe headstart/PandaReach-v0`. Changes that stand beside
    `recommended` are put in its place.
    """
    from ...agents.presets import training_steps
    from ...transfer.randomization.recommended import RECOMMENDED, recommended
    from ..running.pretrain import train_bundle as pretrain_one

    texts = randomize or []
    changes = recommended(env) if RECOMMENDED in texts else {}
    changes |= _changes([text for text in texts if text != RECOMMENDED])
    steps = steps or training_steps(env, bool(changes))
    pretrain_one(
        env, out, steps, algorithm, changes, seed, device, console, workers, start, trust or ()
    )
    console.print(f"bundle: {out}", highlight=False)


def evaluate(
    bundle: Bundle,
    world: Annotated[
        str | None,
        typer.Option(
            help="World to evaluate in.",
            show_default="where the bundle belongs: a trial's target",
            autocompletion=world_ids,
        ),
    ] = None,
    shift: Shift = None,
    episodes: Annotated[int, typer.Option(min=1, help="Episodes.")] = 20,
    seed: Seed = 1_000_000,
    estimate: Annotated[
        Path | None,
        typer.Option(
            help="Of a policy of adapt: a picture (.png, .svg) of what it estimates of the "
            "parameters in the first episodes, beside what they are."
        ),
    ] = None,
    ready: Annotated[
        bool,
        typer.Option("--ready", help="A target that exists once may move: do not ask before."),
    ] = False,
    trust: Trust = None,
) -> None:
    """Evaluate a bundle: return, success and length over fixed episodes.

    Examples:

        headstart evaluate reach --shift weak-motors/severe
        headstart evaluate reach --shift "payload_mass = 2"
        headstart evaluate runs/quickstart/source/randomized/seed-0
        headstart evaluate pretrained/nominal --world headstart/Hopper-v0
        headstart evaluate runs/mine/trials/dusty/adapt/seed-0 --estimate estimate.png \
            --shift "tyre_friction * 0.4 after 3 s"

    A trial's bundle is evaluated in its target, with the arguments, wrappers and shift that its
    experiment says, a source's in the source world; `--shift` stands in place of the target's, and
    `--world` is another world, without any. The same `--seed` and `--episodes` are the same
    episodes for every bundle.
    """
    from ..running.pretrain import evaluation_table

    changes = read_shift(shift or [])
    if estimate is not None:
        _draw_estimate(estimate, bundle, world, changes, range(seed, seed + episodes), trust or ())
    may_move = ready or (confirm_ready if sys.stdin.isatty() else False)
    console.print(evaluation_table(bundle, world, changes, episodes, seed, trust or (), may_move))


def import_sb3(
    model: Annotated[
        Path,
        typer.Argument(
            help="An archive of Stable-Baselines3 (.zip), or a folder of the RL Zoo, as "
            "logs/ppo/Pendulum-v1_1."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Where the bundle goes; not there yet.")],
    world: Annotated[
        str | None,
        typer.Option(
            help="The world it was trained in: an archive does not say.",
            show_default="the Zoo's folder",
            autocompletion=world_ids,
        ),
    ] = None,
    normalizer: Annotated[
        Path | None,
        typer.Option(
            help="The file of its VecNormalize, vecnormalize.pkl.",
            show_default="the Zoo's, or none",
        ),
    ] = None,
    algorithm: Annotated[
        str | None,
        typer.Option(
            help="What it is of, as ppo or sb3_contrib:TQC.", show_default="what the archive says"
        ),
    ] = None,
    trust_file: Annotated[
        bool,
        typer.Option(
            "--trust-file",
            help="The files are mine, or of someone I trust: they hold pickles, and loading one "
            "can run any code.",
        ),
    ] = False,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="A setting in place of the archive's, as learning_rate=0.0003."),
    ] = None,
    trust: Trust = None,
) -> None:
    """Make a bundle of a policy that Stable-Baselines3 has saved.

    Examples:

        headstart import model.zip --world Pendulum-v1 --out pendulum --trust-file
        headstart import model.zip --normalizer vecnormalize.pkl --world Hopper-v5 --out hopper \
            --trust-file
        headstart import logs/ppo/Pendulum-v1_1 --out pendulum --trust-file

    Archives of Stable-Baselines3 2.0 and later, of its algorithms and sb3-contrib's. Schedules
    become constants, which is said. Docs: policies-in-and-out.md.
    """
    from ...agents.bundles.sb3_zip import import_sb3_zip, zoo_layout
    from ..config.yaml_text import parse_yaml

    if out.exists():
        raise HeadstartError(f"'{out}' exists already; choose another --out")
    layout = zoo_layout(model)
    world = world or layout.world_id
    if world is None:
        raise HeadstartError("an archive does not say which world it is of: --world ID")
    settings = {}
    for text in set_ or []:
        key, equals, value = text.partition("=")
        if not equals:
            raise HeadstartError(f"--set {text}: expected setting=value")
        settings[key.strip()] = parse_yaml(value, f"--set {text}")
    done = import_sb3_zip(
        layout.archive,
        out,
        world_id=world,
        algorithm=algorithm or layout.algorithm,
        trust=trust_file,
        normalizer=normalizer or layout.normalizer,
        settings=settings,
        modules=trust or (),
    )
    for note in done.notes:
        console.print(f"note: {note}", markup=False, highlight=False)
    its, used = done.bundle, normalizer or layout.normalizer
    console.print(
        f"{its.algorithm.name}, {its.steps:,} steps, "
        + (f"normalizer {used}" if used else "no normalizer"),
        markup=False,
        highlight=False,
    )
    console.print(f"bundle: {out}", markup=False, highlight=False)


def export(
    bundle: Bundle,
    onnx: Annotated[bool, typer.Option("--onnx", help="As ONNX, which is the default.")] = False,
    sb3: Annotated[
        Path | None,
        typer.Option(
            help="As an archive of Stable-Baselines3, model.zip, its VecNormalize beside it."
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="The ONNX file to write.")] = Path("policy.onnx"),
    world: Annotated[
        str | None,
        typer.Option(
            help="World of a pretrained policy.",
            show_default="the bundle's",
            autocompletion=world_ids,
        ),
    ] = None,
    trust: Trust = None,
) -> None:
    """Write a bundle's policy as one ONNX file, or as an archive of Stable-Baselines3.

    ONNX: raw observations in, actions out, with the normalizer and the action range. It is
    compared with the policy on 1,000 observations and timed; a file that acts otherwise is not
    left behind. The archive loads without headstart, and goes on training where the bundle was.

    Examples:

        headstart export runs/quickstart/source/randomized/seed-0 --onnx --out policy.onnx
        headstart export reach --sb3 model.zip
    """
    if sb3 is not None:
        if onnx:
            raise HeadstartError("--onnx and --sb3 are two exports: ask for one at a time")
        _export_sb3(bundle, sb3, world, trust or ())
        return
    from ...transfer.deployment.parity import export_table
    from ..running.bundle_world import simulated_world

    find_world = partial(simulated_world, trust=trust or ())
    console.print(export_table(bundle, out, world, trust or (), find_world))


def watch(
    bundle: Bundle,
    out: Annotated[Path, typer.Option(help="The video: .mp4 or .gif.")] = Path("video.mp4"),
    world: Annotated[
        str | None,
        typer.Option(
            help="World to be seen.", show_default="the bundle's", autocompletion=world_ids
        ),
    ] = None,
    shift: Shift = None,
    against: Annotated[
        str | None, typer.Option(help="A bundle to be seen beside it, in the same world.")
    ] = None,
    episodes: Annotated[int, typer.Option(min=1, help="Episodes.")] = 3,
    seconds: Annotated[float, typer.Option(min=0.1, help="The video's greatest length.")] = 60.0,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the first episode.")] = 1_000_000,
    fps: Annotated[
        float | None,
        typer.Option(min=1, max=120, help="Frames a second.", show_default="the world's, <= 30"),
    ] = None,
    size: Annotated[str, typer.Option(help="A panel's width and height in pixels.")] = "480x360",
    trust: Trust = None,
) -> None:
    """Record a bundle's policy as a video, in real time: the nominal world beside the shifted.

    Examples:

        headstart watch reach --shift weak-motors/severe
        headstart watch reach --shift "payload_mass = 2" --out reach.gif --episodes 1
        headstart watch reach --against tuned --shift weak-motors/severe

    Episodes are those of `headstart evaluate` with the same `--seed`.
    """
    from ..showing.video.watch import watch as watch_policy

    table = watch_policy(
        bundle,
        out,
        world=world,
        shift=read_shift(shift or []),
        against=against,
        episodes=episodes,
        seconds=seconds,
        seed=seed,
        fps=fps,
        size=size,
        console=console,
        trust=trust or (),
    )
    console.print(table)


def _draw_estimate(
    path: Path,
    bundle: str,
    world: str | None,
    shift: str | Mapping[str, str],
    seeds: Sequence[int],
    trust: Sequence[str],
) -> None:
    from ..running.estimates import change_table, trace_estimates
    from ..showing.figures.estimates import estimate_pictures

    if path.suffix not in (".png", ".svg"):
        raise HeadstartError(f"--estimate {path}: expected a name that ends in .png or .svg")
    found = trace_estimates(bundle, world, shift, seeds, trust)
    write_bytes(path, estimate_pictures(found, path.stem)[path.name])
    if found.changes:
        console.print(change_table(found))
    console.print(f"picture: {path}", highlight=False)


def _export_sb3(bundle: str, path: Path, world: str | None, trust: Sequence[str]) -> None:
    from ...agents.bundles import bundle as bundles
    from ...agents.bundles import pretrained
    from ...agents.bundles.sb3_export import export_sb3

    done = export_sb3(bundles.load(pretrained.locate(bundle, world), trust), path)
    name = f"{done.cls.__module__.split('.')[0]}.{done.cls.__name__}"
    lines = [f"{done.archive}: {name}.load('{done.archive}')"]
    if done.normalizer is not None:
        lines.append(f"{done.normalizer}: VecNormalize.load('{done.normalizer}', worlds)")
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _changes(texts: Sequence[str]) -> dict[str, str]:
    """Read 'parameter change' texts, as in 'payload_mass = 2' or 'motor_strength * 0.7'."""
    changes = {}
    for text in texts:
        match = re.fullmatch(r"\s*(\w+)\s*([=*+].*)", text)
        if match is None:
            raise HeadstartError(
                f"'{text}': expected a parameter and its change, as in 'payload_mass = 2' or "
                "'motor_strength * uniform(0.5, 1)'"
            )
        name, change = match.groups()
        if name in changes:
            raise HeadstartError(f"'{text}': '{name}' is changed twice")
        changes[name] = change
    return changes


def read_shift(texts: Sequence[str]) -> Any:
    """Return the one named shift that is meant, or changes by parameter."""
    named = [text for text in texts if re.fullmatch(r"[\w./-]+", text)]
    if named and len(texts) > 1:
        raise HeadstartError(
            f"'{named[0]}': a named shift stands alone; to add to it, give its changes one by one"
        )
    return named[0] if named else _changes(texts)
