"""The videos of a run: for each target, the source policy in the source and each method's last.

They are `videos/<target>.mp4`, beside them `<target>.json` with what is to be seen; a video that
shows all that it could show is not recorded again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from rich.console import Console

from ....agents.bundles import bundle as bundles
from ....agents.learner import Learner
from ....core.errors import HeadstartError, one_line
from ....core.files import StoreError, read_json, write_json
from ....envs.spec import WorldSpec
from ...config.schema import SOURCE, ConfigError
from ...running.plan import Plan
from . import watch
from .encoding import VideoError

FOLDER = "videos"
SIZE = (320, 240)
COLUMNS = 3
EPISODES = 5
SECONDS = 10.0  # s, so that a report of many targets stays small
FASTEST = 15.0  # frames per second


def check_videos(plan: Plan, where: str = "experiment") -> None:
    """Raise ConfigError unless mp4 can be written and every world gives pictures."""
    for spec in plan.examined.values():
        try:
            watch.check_pictures(spec)
        except VideoError as error:
            raise ConfigError(f"{where}: video: {error}") from None


def record_all(plan: Plan, directory: Path, console: Console) -> None:
    """Record what videos of a run are not there; what cannot be recorded is said, not raised."""
    seed = plan.experiment.evaluation.seed
    for target in (name for name in plan.examined if name != SOURCE):
        path = directory / FOLDER / f"{target}.mp4"
        shown = _shown(plan, directory, target)
        about = {"target": target, "panels": [panel for panel, _ in shown], "seed": seed}
        if not shown or (path.is_file() and _known(path, about)):
            continue
        try:
            with console.status(f"video of {target}"):
                outcomes = _record(path, shown, seed, directory, plan.trust)
            write_json(path.with_suffix(".json"), {**about, "outcomes": outcomes})
        # A world may raise anything; the numbers are worth more than the pictures.
        except Exception as error:
            console.print(f"[red]failed[/]  video of {target}  ", end="")
            console.print(one_line(error), markup=False, highlight=False)


def videos(directory: Path) -> dict[str, tuple[bytes, Mapping[str, Any]]]:
    """Return the videos of a run by target, each with what its json says."""
    found: dict[str, tuple[bytes, Mapping[str, Any]]] = {}
    for path in sorted((directory / FOLDER).glob("*.mp4")):
        with suppress(StoreError):
            about = read_json(path.with_suffix(".json"))
            if about is not None:
                found[str(about["target"])] = path.read_bytes(), about
    return found


def _shown(plan: Plan, directory: Path, target: str) -> list[tuple[dict[str, Any], WorldSpec]]:
    """Return the panels that a target's video can have (title, unit, anchors), and their worlds."""
    seeds, there = plan.experiment.seeds, plan.worlds[target]
    sources = [plan.source_path(seed) for seed in seeds]
    candidates = [("source policy, source", SOURCE, plan.worlds[SOURCE], sources)]
    for label in plan.methods:
        trials = [f"trials/{target}/{label}/seed-{seed}" for seed in seeds]
        candidates.append((label, target, there, trials))
    panels = []
    for title, world, spec, units in candidates:
        known = plan.stored_anchors(world)
        anchors = known and {name: anchor["return"] for name, anchor in known.items()}
        for unit in units:
            status = read_json(directory / unit / "status.json") or {}
            if status.get("state") == "done":
                panels.append(({"title": title, "unit": unit, "anchors": anchors}, spec))
                break
    return panels


def _known(path: Path, about: Mapping[str, Any]) -> bool:
    """Whether the video at `path` shows what `about` says."""
    try:
        there = read_json(path.with_suffix(".json")) or {}
    except HeadstartError:
        return False
    return all(there.get(key) == value for key, value in about.items())


def _record(
    path: Path,
    shown: Sequence[tuple[dict[str, Any], WorldSpec]],
    seed: int,
    directory: Path,
    trust: Collection[str],
) -> list[dict[str, Any]]:
    learners: list[Learner] = []
    try:
        panels = []
        for panel, spec in shown:
            learners.append(bundles.load(directory / panel["unit"] / "bundle", trust).policy())
            acts, anchors = learners[-1].acting(), panel["anchors"]
            panels.append(watch.Panel(panel["title"], spec, acts, anchors))
        recording = watch.record(
            path,
            panels,
            seed=seed,
            episodes=EPISODES,
            seconds=SECONDS,
            fastest=FASTEST,
            size=SIZE,
            columns=COLUMNS,
        )
    finally:
        for learner in learners:
            learner.close()
    return [
        {"title": one.title, "returns": one.returns, "successes": one.successes}
        for one in recording.outcomes
    ]
