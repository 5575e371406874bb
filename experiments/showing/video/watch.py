"""Policies to look at: worlds side by side on the same episodes, in real time, without a display.

Whatever the panels' worlds are, the same instant of the episode is seen in all of them; a panel
whose episode is over keeps its last picture until the others' are, too.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ....agents.bundles import bundle as bundles
from ....agents.bundles import pretrained
from ....agents.policies.base import Act, Policy, as_policy
from ....core.errors import HeadstartError, single_line
from ....core.named import split_named
from ....core.streams import Terminal
from ....envs.catalog import WORLDS
from ....envs.parameters import find_parameterized
from ....envs.shifts import stored_anchors
from ....envs.spec import WorldSpec
from ....envs.world import World
from ...measuring import metrics
from ...running.bundle_world import bundle_world
from . import encoding, overlay
from .encoding import VideoError

FASTEST = 30.0  # frames per second, unless more are asked for
HOLD = 0.8  # s, how long the end of an episode stands
MOST_LINES = 6  # lines on what differs in a panel


@dataclass(frozen=True)
class Panel:
    """A policy in a world, with a title; one part of the picture.

    `anchors` are the returns that mean a score of 0 (`random`) and of 1 (`reference`), by default
    those stored with the world.
    """

    title: str
    spec: WorldSpec
    policy: Policy | Act
    anchors: Mapping[str, float] | None = None


@dataclass
class Outcome:
    """What a panel's policy got: one return per episode that ended, and whether it succeeded.

    `successes` has None where the world does not say.
    """

    title: str
    world: str
    returns: list[float] = field(default_factory=list)
    successes: list[bool | None] = field(default_factory=list)


@dataclass(frozen=True)
class Recording:
    """A video that was written: `frames` pictures, `fps` a second."""

    path: Path
    frames: int
    fps: float
    outcomes: Sequence[Outcome]


def record(
    path: Path,
    panels: Sequence[Panel],
    *,
    seed: int,
    episodes: int = 3,
    seconds: float = 60.0,
    fps: float | None = None,
    fastest: float = FASTEST,
    size: tuple[int, int] = (480, 360),
    columns: int = 2,
) -> Recording:
    """Record deterministic policies, in real time, as an mp4 or gif by the end of the name.

    Episode i is what follows `reset(seed=seed + i)` in every panel, as in an evaluation. The video
    ends after `episodes` or `seconds`. `fps` is by default the first world's own rate, divided by
    a whole number to be at most `fastest`. `size` is a panel's, (width, height) in pixels.

    Raises:
        VideoError: an encoder is missing, or a world gives no pictures.
        OSError: the file cannot be written.
    """
    encoding.require_encoder(path)
    scenes: list[_Scene] = []
    try:
        for panel in panels:
            scenes.append(_Scene(panel, size))
        own = scenes[0].rate
        rate = fps or own / np.ceil(own / fastest)
        count = 0

        def frames() -> Iterator[np.ndarray]:
            nonlocal count
            for frame in _play(scenes, seed, episodes, seconds, float(rate), columns):
                count += 1
                yield frame

        encoding.write_video(path, frames(), float(rate))
    finally:
        for scene in scenes:
            scene.world.close()
    return Recording(path, count, float(rate), [scene.outcome for scene in scenes])


def check_pictures(spec: WorldSpec) -> None:
    """Raise VideoError unless a picture can be taken of the world and mp4 can be written."""
    encoding.require_encoder(Path("video.mp4"))
    scene = _Scene(Panel("", spec, lambda observations: observations), (96, 72))
    try:
        scene.begin(0, "")
        scene.picture()
    finally:
        scene.world.close()


def _play(
    scenes: Sequence[_Scene], seed: int, episodes: int, seconds: float, fps: float, columns: int
) -> Iterator[np.ndarray]:
    """Yield frame after frame."""
    total = 0
    for episode in range(episodes):
        shown = f"episode {episode + 1} of {episodes}" if episodes > 1 else ""
        for scene in scenes:
            scene.begin(seed + episode, shown)
        frame = held = 0
        while held <= HOLD * fps:
            if total >= seconds * fps:
                return
            for scene in scenes:
                scene.advance(frame / fps)
            yield overlay.tiled([scene.picture() for scene in scenes], columns)
            total, frame = total + 1, frame + 1
            held += all(scene.ended for scene in scenes)


class _Scene:
    """A panel being played."""

    def __init__(self, panel: Panel, size: tuple[int, int]) -> None:
        self.panel, self.size = panel, size
        self._policy = as_policy(panel.policy)
        self.world = _open(panel.spec, size)
        inner, told = self.world.unwrapped, self.world.metadata.get("render_fps")
        # What ours say for others to read is a whole number.
        self.rate = 1 / inner.timing.period if isinstance(inner, World) else float(told or FASTEST)
        self.outcome = Outcome(panel.title, panel.spec.world)
        self.ended = False
        spec = panel.spec
        changed = spec.kwargs or spec.wrappers
        stored = None if changed else stored_anchors(spec.world, spec.shift)
        self._anchors = panel.anchors or stored
        self._observation: Any = None
        self._steps, self._return = 0, 0.0
        self._success: bool | None = None
        self._top: list[overlay.Line] = []
        self._episode = ""
        self._drawn: np.ndarray | None = None

    def begin(self, seed: int, episode: str) -> None:
        """Start the episode of a seed."""
        self._observation, info = self.world.reset(seed=seed)
        self._policy.reset(np.ones(1, dtype=bool))
        self._steps, self._return, self._success, self.ended = 0, 0.0, None, False
        self._episode, self._drawn = episode, None
        name = self.panel.spec.world.split("/")[-1].split(":")[-1]
        titles = [text for text in (self.panel.title, name) if text]
        lines = [" · ".join(titles), *_differing(self.world, self.panel.spec, info)]
        self._top = [(line, overlay.INK) for line in lines]

    def advance(self, time: float) -> None:
        """Step the world until `time` seconds into the episode."""
        # A hair of tolerance, as 3 * 0.04 is not 0.12.
        while not self.ended and self._steps + 1 <= time * self.rate + 1e-6:
            actions = self._policy.act(_batched(self._observation))
            self._observation, reward, terminated, truncated, info = self.world.step(actions[0])
            self._steps += 1
            self._return += float(reward)
            self._drawn = None
            self.ended = terminated or truncated
            if self.ended:
                success = info.get("success", info.get("is_success"))
                self._success = None if success is None else bool(success)
                self.outcome.returns.append(self._return)
                self.outcome.successes.append(self._success)

    def picture(self) -> np.ndarray:
        """Return what is seen now, with its overlay."""
        if self._drawn is None:
            picture = overlay.fitted(_rendered(self.world, self.panel.spec), self.size)
            left: list[overlay.Line] = [(f"return {self._return:.2f}", overlay.INK)]
            if self.ended:
                words = {True: "success", False: "no success", None: "over"}
                colors = {True: overlay.GREEN, False: overlay.RED, None: overlay.INK}
                left.insert(0, (words[self._success], colors[self._success]))
                if self._anchors is not None:
                    score = float(metrics.normalize(self._return, **self._anchors))
                    left.append((f"score {score:.2f}", overlay.INK))
            time = f"{self._steps / self.rate:.2f} s"
            right = [(text, overlay.INK) for text in (self._episode, time) if text]
            self._drawn = overlay.annotate(picture, self._top, left, right)
        return self._drawn


def _open(spec: WorldSpec, size: tuple[int, int]) -> gymnasium.Env[Any, Any]:
    extra: dict[str, Any] = {"render_mode": "rgb_array"}
    if spec.world in WORLDS:
        extra["image_size"] = size
    try:
        with warnings.catch_warnings():
            # Gymnasium warns of a world without this mode; that it fails is said below.
            warnings.simplefilter("ignore")
            return spec.make(**extra)
    except HeadstartError as error:
        raise VideoError(f"no video of '{spec.world}': {error}") from None


def _rendered(world: gymnasium.Env[Any, Any], spec: WorldSpec) -> np.ndarray:
    why = "its render() gives no picture (height, width, 3)"
    try:
        picture: Any = world.render()
    except (gymnasium.error.Error, NotImplementedError, ImportError) as error:
        picture, why = None, single_line(str(error)) or type(error).__name__
    if not isinstance(picture, np.ndarray) or picture.ndim != 3 or picture.shape[2] != 3:
        raise VideoError(f"no video of '{spec.world}': {why}")
    return picture.astype(np.uint8, copy=False)


def _batched(observation: Any) -> Any:
    if isinstance(observation, dict):
        return {key: np.asarray(value)[None] for key, value in observation.items()}
    return np.asarray(observation)[None]


def _differing(world: Any, spec: WorldSpec, info: Mapping[str, Any]) -> list[str]:
    """Return a line on each thing in which a world is not the nominal one."""
    lines = [f"{key} = {value}" for key, value in spec.kwargs.items()]
    for wrapper in spec.wrappers:
        path, _ = split_named(wrapper, "wrapper")
        lines.append(path.split(":")[-1])
    inner = find_parameterized(world)
    if inner is not None:
        values = info.get("parameters", {})
        for parameter in inner.parameters.values():
            value = values.get(parameter.name, parameter.nominal)
            unit = "" if parameter.unit == "1" else f" {parameter.unit}"
            if value != parameter.nominal:
                lines.append(f"{parameter.name} = {value:.4g}{unit}")
    if len(lines) > MOST_LINES:
        lines = [*lines[: MOST_LINES - 1], f"and {len(lines) - MOST_LINES + 1} more"]
    return lines


def watch(
    bundle: str | Path,
    out: Path,
    *,
    world: str | None = None,
    shift: str | Mapping[str, str] = "",
    against: str | Path | None = None,
    episodes: int = 3,
    seconds: float = 60.0,
    seed: int = 0,
    fps: float | None = None,
    size: str = "480x360",
    console: Console | None = None,
    trust: Collection[str] = (),
) -> Table:
    """Record a bundle's policy and return a table of what was seen.

    Without `against`: in the world as it is, and beside it in the shifted one if there is a
    `shift` (a name, or constant changes by parameter). With it: both bundles' policies, in the
    shifted world if there is a `shift`. `world` is by default where the (first) bundle belongs: a
    trial's target, with all that its experiment says of it, its shift unless there is a `shift`.
    `trust`: modules that the bundles may name, as in `bundle.load`.

    Raises:
        HeadstartError: a damaged bundle, a world it does not fit or that gives no pictures, or
            an encoder that is not installed.
    """
    encoding.require_encoder(out)
    pixels = _size(size)
    first = bundles.load(pretrained.locate(bundle, world), trust)
    its = bundle_world(first, world, trust)
    if its.single:
        raise HeadstartError(
            f"target '{its.target}' exists once, and is in no video; name another world with "
            "--world"
        )
    spec = replace(its.spec, shift={}) if shift else its.spec
    shifted = its.shifted(shift).spec
    name = shift if isinstance(shift, str) and shift else "shifted"
    if against is not None:
        second = bundles.load(pretrained.locate(against, world), trust)
        shown = [("before", shifted, first), ("after", shifted, second)]
    elif shift:
        shown = [("nominal", spec, first), (name, shifted, first)]
    else:
        shown = [("", spec, first)]
    panels = []
    for title, where, one in shown:
        one_world = where.make()
        try:
            one.check_spaces(one_world.observation_space, one_world.action_space)
        finally:
            one_world.close()
        panels.append(Panel(title, where, one.policy().acting()))
    with (console or Terminal()).status("recording"):
        recording = record(
            out, panels, seed=seed, episodes=episodes, seconds=seconds, fps=fps, size=pixels
        )
    return _table(recording)


def _table(recording: Recording) -> Table:
    length = recording.frames / recording.fps
    about = f"{recording.path}: {length:.1f} s, {recording.fps:.3g} frames a second"
    table = Table(title=Text(about, style="bold"), title_justify="left", box=box.SIMPLE_HEAD)
    for column in ("panel", "world", "whole episodes", "mean return", "success"):
        table.add_column(column, justify="left" if column in ("panel", "world") else "right")
    for one in recording.outcomes:
        told = [success for success in one.successes if success is not None]
        table.add_row(
            Text(one.title),
            Text(one.world),
            str(len(one.returns)),
            f"{np.mean(one.returns):.3f}" if one.returns else "–",
            f"{np.mean(told):.0%}" if told else "–",
        )
    return table


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    size = (int(match[1]), int(match[2])) if match else (0, 0)
    if not (64 <= size[0] <= 3840 and 64 <= size[1] <= 3840):
        raise VideoError(
            f"size '{text}': expected WIDTHxHEIGHT in pixels, 64 to 3840 each, as 480x360"
        )
    return size
