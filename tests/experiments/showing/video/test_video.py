"""Videos, decoded again: what is seen when, in real time, and what a run's report shows of it."""

import base64
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from headstart.agents.algorithms import resolve_algorithm
from headstart.agents.bundles import bundle
from headstart.agents.evaluation import evaluate
from headstart.agents.learner import create
from headstart.envs.shifts import stored_anchors
from headstart.envs.spec import WorldSpec
from headstart.experiments.api import run
from headstart.experiments.cli import app
from headstart.experiments.config.schema import ConfigError
from headstart.experiments.showing.outputs import write_outputs
from headstart.experiments.showing.video import overlay, watch
from headstart.experiments.showing.video.watch import Panel, VideoError, record
from PIL import Image
from rich.console import Console

pytestmark = pytest.mark.usefixtures("undrawn")

imageio_ffmpeg = pytest.importorskip("imageio_ffmpeg")
REACH = "headstart/PandaReach-v0"
# A picture is as bright as 20 times the steps taken, and red where the episode's seed is odd.
TOY = """
import gymnasium
import numpy as np


class Seen(gymnasium.Env):
    metadata = {"render_modes": ["rgb_array"], "render_fps": 20}
    observation_space = gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float32)
    action_space = gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float32)

    def __init__(self, steps=10, rate=20, render_mode=None, breaks=False):
        self.metadata = {**self.metadata, "render_fps": rate}
        self.steps, self.render_mode, self.breaks = steps, render_mode, breaks

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.odd, self.step_count = bool(seed and seed % 2), 0
        return self.np_random.uniform(-1, 1, 1).astype(np.float32), {}

    def step(self, action):
        self.step_count += 1
        done = self.step_count == self.steps
        info = {"success": self.odd} if done else {}
        return np.full(1, action[0], np.float32), float(1 + action[0]), done, False, info

    def render(self):
        if self.breaks and self.step_count:
            raise RuntimeError("the lamp\\nburnt out")
        picture = np.full((72, 96, 3), 20 * self.step_count % 256, np.uint8)
        picture[..., 0] = 255 if self.odd else picture[..., 0]
        return picture


class Blind(Seen):
    metadata = {"render_modes": []}

    def render(self):
        raise NotImplementedError


for name, cls in (("Seen-v0", Seen), ("Blind-v0", Blind)):
    gymnasium.registry.pop(name, None)
    gymnasium.register(name, entry_point=cls, disable_env_checker=True)
"""
SIZE = (160, 120)
EXPERIMENT = {
    "name": "seen",
    "source": {
        "world": "toy:Seen-v0",
        "algorithm": {"ppo": {"worlds": 2, "n_steps": 16, "batch_size": 32, "n_epochs": 1}},
        "steps": 32,
    },
    "targets": {"short": {"kwargs": {"steps": 5}, "steps": 32}},
    "methods": ["scratch", "zero_shot"],
    "seeds": [3],
    "evaluation": {"every": 32, "episodes": 2, "anchor_episodes": 4},
}


@pytest.fixture
def here(tmp_path, monkeypatch):
    (tmp_path / "toy.py").write_text(TOY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.delitem(sys.modules, "toy", raising=False)
    return tmp_path


@pytest.fixture
def call(piped, here, capsys, monkeypatch):
    """Run a command line in this process; returns exit status and both outputs."""

    def run(*words):
        with pytest.raises(SystemExit) as ended:
            app.main(words)
        printed = capsys.readouterr()
        return ended.value.code, printed.out, printed.err

    return run


def still(observations):
    return np.zeros((len(observations), 1), np.float32)


def panel(title="", **kwargs):
    return Panel(title, WorldSpec("toy:Seen-v0", kwargs), still)


def decoded(path):
    """Return a video's frames (frames, height, width, 3), its (width, height) and its fps."""
    words = [imageio_ffmpeg.get_ffmpeg_exe(), "-i", str(path), "-f", "rawvideo"]
    done = subprocess.run([*words, "-pix_fmt", "rgb24", "-"], capture_output=True, check=True)
    (stream,) = re.findall(r"Video: h264.*", done.stderr.decode())
    width, height = (int(part) for part in re.search(r", (\d+)x(\d+)", stream).groups())
    fps = float(re.search(r"([\d.]+) fps", stream)[1])
    frames = np.frombuffer(done.stdout, np.uint8).reshape(-1, height, width, 3)
    return frames, {"size": (width, height), "fps": fps}


def test_panels_show_the_same_instant_and_wait_for_each_other(here):
    done = record(Path("a/two.mp4"), [panel(), panel(steps=4)], seed=0, episodes=2, size=SIZE)
    frames, about = decoded("a/two.mp4")
    each = 10 + 1 + int(watch.HOLD * 20)
    assert len(frames) == done.frames == 2 * each
    assert (about["size"], about["fps"]) == ((2 * 160 + overlay.GAP, 120), 20)
    left, right = (frames[:, 60, x].astype(int) for x in (80, 160 + overlay.GAP + 80))
    steps = np.minimum(np.arange(each), 10)
    assert np.abs(left[:each, 1] - 20 * steps).max() < 12
    assert np.abs(right[:each, 1] - 20 * np.minimum(steps, 4)).max() < 12
    # The second episode has the next seed, in both.
    for seen in (left, right):
        assert seen[each:, 0].min() > 200
        assert seen[:each, 0].max() < 220
    assert [one.returns for one in done.outcomes] == [[10.0, 10.0], [4.0, 4.0]]
    assert done.outcomes[0].successes == [False, True]
    assert [path.name for path in Path("a").iterdir()] == ["two.mp4"]


@pytest.mark.parametrize(
    ("rate", "options", "fps", "frames"),
    [(60, {}, 30, 30), (50, {}, 25, 25), (20, {}, 20, 20), (20, {"fps": 10.0}, 10, 10)],
)
def test_playback_is_in_real_time(here, rate, options, fps, frames):
    one = panel(rate=rate, steps=500)
    done = record(Path("one.mp4"), [one], seed=0, seconds=1.0, size=SIZE, **options)
    seen, about = decoded("one.mp4")
    assert (len(seen), done.frames, about["fps"]) == (frames, frames, fps)
    # After a second less a frame, that many steps.
    steps = round(rate * (frames - 1) / fps)
    assert abs(int(seen[-1, 60, 80, 1]) - (20 * steps) % 256) < 12
    assert done.outcomes[0].returns == []


def test_a_gif_needs_no_encoder_and_lasts_as_long(here, monkeypatch):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    done = record(Path("one.gif"), [panel(rate=30)], seed=0, episodes=1, size=SIZE)
    lasting = []
    with Image.open("one.gif") as image:
        for frame in range(image.n_frames):
            image.seek(frame)
            lasting.append(image.info["duration"])
        last = np.asarray(image.convert("RGB"))
    assert last.shape == (120, 160, 3)
    assert len(lasting) >= 11
    assert abs(sum(lasting) / 1000 - done.frames / 30) < 0.02
    assert np.abs(last[60, 80].astype(int) - 200).max() < 12


def test_a_return_is_that_of_an_evaluation(here):
    spec = WorldSpec(REACH, shift={"motor_strength": "* 0.5"})
    one = create(resolve_algorithm({"ppo": {"worlds": 1, "batch_size": 32}}, REACH), spec.make, 0)
    panels = [Panel("weak", spec, one.acting())]
    done = record(Path("reach.mp4"), panels, seed=7, episodes=1, fps=5, size=SIZE)
    assert done.outcomes[0].returns == evaluate(one.act, spec.make, [7], 1).returns.tolist()
    bundle.save(one, "bundle", world_id=REACH)
    one.close()
    frames, _ = decoded("reach.mp4")
    assert len(frames) == 10 + 1 + int(watch.HOLD * 5)
    assert np.abs(frames[0].astype(int) - frames[9]).max() > 50  # something moved


def test_text_stands_in_the_corners_and_says_what_differs(here):
    plain = np.full((120, 160, 3), 200, np.uint8)
    white = (255, 255, 255)
    seen = overlay.annotate(plain, [("a", white), ("b", white)], [("c", white)], [("d", white)])
    changed = (seen != plain).any(axis=2)
    assert changed[:20, :10].all()
    assert changed[-10:, :10].all()
    assert changed[-10:, -10:].all()
    assert not changed[:60, 60:].any()
    assert seen[:40, :20].max() == 255
    wide = overlay.annotate(plain, [("much too long for this " * 9, white)])
    assert (wide != plain).any(axis=2)[0, :150].all()
    spec = WorldSpec(REACH, shift={"tool_length": "+ 0.08", "motor_strength": "* 0.25"})
    world = spec.make()
    assert set(watch._differing(world, spec, world.reset(seed=0)[1])) == {
        "tool_length = 0.185 m",
        "motor_strength = 0.25",
    }
    world.close()
    toy = WorldSpec("toy:Seen-v0", {f"k{i}": i for i in range(9)})
    lines = watch._differing(WorldSpec("toy:Seen-v0").make(), toy, {})
    assert lines == [*(f"k{i} = {i}" for i in range(5)), "and 4 more"]


def test_pictures_that_do_not_fit_get_bars():
    picture = np.full((40, 40, 3), 200, np.uint8)
    seen = overlay.fitted(picture, (80, 40))
    assert seen.shape == (40, 80, 3)
    assert (seen[:, 20:60] == 200).all()
    assert (seen[:, :19] == overlay.BACKGROUND).all()
    tile = overlay.tiled([picture[:39, :39]] * 4, 3)
    assert tile.shape == (2 * 39 + overlay.GAP, 3 * 39 + 2 * overlay.GAP + 1, 3)


def resting(observations):
    return np.zeros((len(observations), 7), np.float32)


def test_an_episodes_end_tells_its_score(monkeypatch):
    seen = []
    monkeypatch.setattr(overlay, "annotate", lambda picture, *lines: seen.append(lines[1]))
    scenes = [
        watch._Scene(Panel("", WorldSpec(REACH, shift=shift), resting), (96, 72))
        for shift in ("weak-motors/mild", {"payload_mass": "= 1"})
    ]
    for scene in scenes:
        scene.begin(0, "")
        scene.picture()
        scene.advance(2.0)  # an episode's 50 steps at 25 Hz
        scene.picture()
        scene.world.close()
    told = [[text for text, _ in lines] for lines in seen]
    got, anchors = scenes[0].outcome.returns[0], stored_anchors(REACH, "weak-motors/mild")
    score = (got - anchors["random"]) / (anchors["reference"] - anchors["random"])
    assert told[0] == ["return 0.00"]
    assert told[1] == ["no success", f"return {got:.2f}", f"score {score:.2f}"]
    assert len(told[3]) == 2  # what is not measured has no score


def test_scores_are_by_the_anchors_of_the_experiment():
    anchors = {"random": -100.0, "reference": 100.0}
    scenes = [
        watch._Scene(Panel("", WorldSpec(REACH), resting, given), (96, 72))
        for given in (anchors, None)
    ]
    assert [scene._anchors for scene in scenes] == [anchors, stored_anchors(REACH, {})]
    for scene in scenes:
        scene.world.close()


def test_the_command(call):
    one = create(
        resolve_algorithm({"ppo": {"worlds": 1, "batch_size": 32}}, REACH), WorldSpec(REACH).make, 0
    )
    bundle.save(one, "bundle", world_id=REACH)
    one.close()
    few = ("--seconds", "0.2", "--size", "96x72")
    code, out, _ = call("watch", "bundle", "--shift", "tool_length + 0.05", "--out", "a.mp4", *few)
    assert code == 0
    assert re.search(r"nominal\s+headstart/PandaReach-v0", out)
    assert re.search(r"shifted\s+headstart/PandaReach-v0", out)
    frames, about = decoded("a.mp4")
    assert about["size"] == (2 * 96 + overlay.GAP, 72)
    assert len(frames) == 5  # 0.2 s at 25 Hz
    code, out, _ = call("watch", "bundle", "--against", "bundle", "--out", "b.mp4", *few)
    assert "before" in out
    assert "after" in out
    call("watch", "bundle", "--out", "c.mp4", *few)
    assert decoded("c.mp4")[1]["size"] == (96, 72)

    for words, said in (
        (("--out", "a.avi"), "'a.avi': a video is .mp4 or .gif"),
        (("--size", "big"), "size 'big': expected WIDTHxHEIGHT"),
        (("--shift", "weak-motor"), "did you mean 'weak-motors'?"),
        (("--world", "toy:Seen-v0"), "does not fit this world: observation space"),
    ):
        code, _, err = call("watch", "bundle", *words)
        assert (code, err.count("\n")) == (2, 1)
        assert said in err


def test_without_an_encoder_one_line_says_what_to_install(call, monkeypatch):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    code, _, err = call("watch", "bundle")
    assert code == 2
    assert err.startswith("headstart: recording mp4 needs imageio-ffmpeg: pip install headstart[vi")
    assert err.count("\n") == 1
    with pytest.raises(
        ConfigError, match=r"^experiment: video: recording mp4 needs imageio-ffmpeg"
    ):
        run({**EXPERIMENT, "video": True}, console=Console(file=io.StringIO()))
    assert not Path("runs").exists()


def test_a_world_without_pictures_is_refused_before_the_run(here):
    blind = {**EXPERIMENT["source"], "world": "toy:Blind-v0"}
    with pytest.raises(ConfigError, match="video: no video of 'toy:Blind-v0': "):
        run({**EXPERIMENT, "source": blind, "video": True}, console=Console(file=io.StringIO()))
    assert not Path("runs").exists()
    with pytest.raises(VideoError, match="no video of 'toy:Blind-v0'"):
        record(Path("a.mp4"), [Panel("", WorldSpec("toy:Blind-v0"), still)], seed=0)
    assert not Path("a.mp4").exists()


def test_a_run_records_what_is_not_there_and_its_report_shows_it(here):
    console = Console(file=io.StringIO(), width=200)
    run(EXPERIMENT, jobs=1, console=console)
    root = Path("runs/seen")
    assert "<video" not in (root / "report.html").read_text()
    # Wished for later: the run is the same.
    result = run({**EXPERIMENT, "video": True}, jobs=1, console=console)
    assert not result.failed
    path = root / "videos" / "short.mp4"
    frames, about = decoded(path)
    assert about["size"] == (3 * 320 + 2 * overlay.GAP, 240)
    assert len(frames) / about["fps"] <= 10
    told = json.loads(path.with_suffix(".json").read_text())
    assert [panel["unit"] for panel in told["panels"]] == [
        "source/nominal/seed-3",
        "trials/short/scratch/seed-3",
        "trials/short/zero_shot/seed-3",
    ]
    # The source is seen in the source, whose episodes are longer; zero_shot is the same policy.
    outcomes = told["outcomes"]
    assert len(outcomes[0]["returns"]) == len(outcomes[1]["returns"]) == 5
    assert [one["successes"][0] for one in outcomes] == [False] * 3
    last = frames[8, 120, [160, 160 + 324, 160 + 648], 1].astype(int)
    assert last[0] > last[1] + 60
    html = (root / "report.html").read_text()
    assert base64.b64encode(path.read_bytes()).decode() in html
    assert "trials/short/scratch/seed-3" in html

    stamp = path.stat().st_mtime_ns
    run({**EXPERIMENT, "video": True}, jobs=1, console=console)
    assert path.stat().st_mtime_ns == stamp
    path.unlink()
    run({**EXPERIMENT, "video": True}, jobs=1, console=console)
    assert path.is_file()
    path.with_suffix(".json").unlink()
    write_outputs(root)
    assert "<video" not in (root / "report.html").read_text()


def test_a_video_that_fails_leaves_the_report(here):
    console = Console(file=io.StringIO(), width=200)
    target = {"kwargs": {"breaks": True}, "steps": 32}
    result = run(
        {**EXPERIMENT, "targets": {"t": target}, "methods": ["scratch"], "video": True},
        jobs=1,
        console=console,
    )
    assert not result.failed
    assert (result.directory / "report.html").is_file()
    assert not list((result.directory / "videos").iterdir())
    printed = console.file.getvalue()
    assert "failed  video of t  RuntimeError: the lamp burnt out\n" in printed
