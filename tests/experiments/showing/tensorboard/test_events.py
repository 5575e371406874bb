"""What TensorBoard is given of a run, read back by TensorBoard's own readers and plugins."""

import io
import json
import shutil
import warnings

import numpy as np
import pytest
from headstart.agents.training import log_evaluation, tensorboard_logger
from headstart.core.errors import HeadstartError
from headstart.experiments.measuring import load_run
from headstart.experiments.showing.outputs import write_outputs
from headstart.experiments.showing.tensorboard import events as board
from headstart.experiments.showing.video import clips, encoding
from headstart.experiments.showing.words.summary import summarize
from PIL import Image
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.context import RequestContext
from tensorboard.data.provider import RunTagFilter
from tensorboard.plugins.hparams import api_pb2

from ...conftest import draw_curves

with warnings.catch_warnings():
    # A part of TensorBoard's server warns of itself.
    warnings.simplefilter("ignore", DeprecationWarning)
    from tensorboard.plugins.base_plugin import TBContext
    from tensorboard.plugins.custom_scalar.custom_scalars_plugin import CustomScalarsPlugin
    from tensorboard.plugins.hparams import backend_context, get_experiment
    from tensorboard.plugins.hparams.list_session_groups import Handler
    from tensorboard.plugins.scalar.scalars_plugin import ScalarsPlugin

TARGET = "worn"
GRID = [0, 100, 200, 300, 400, 500]
ANY = RunTagFilter()


class Board:
    """A directory as TensorBoard sees it."""

    def __init__(self, directory):
        multiplexer = EventMultiplexer().AddRunsFromDirectory(str(directory))
        multiplexer.Reload()
        self.data = MultiplexerDataProvider(multiplexer, str(directory))
        instances = {}
        self.context = TBContext(data_provider=self.data, plugin_name_to_instance=instances)
        instances["scalars"] = ScalarsPlugin(self.context)
        self.custom_scalars = CustomScalarsPlugin(self.context)
        self.hparams = backend_context.Context(self.context)

    def ask(self, method, plugin, **more):
        given = {"experiment_id": "", "plugin_name": plugin, "run_tag_filter": ANY} | more
        return getattr(self.data, method)(RequestContext(), **given)

    def tags(self):
        """Return the tags of scalars by run."""
        return {run: set(tags) for run, tags in self.ask("list_scalars", "scalars").items()}

    def curve(self, run, tag):
        """Return (step, value) of a scalar."""
        wanted = RunTagFilter([run], [tag])
        found = self.ask("read_scalars", "scalars", run_tag_filter=wanted, downsample=1000)
        return [(point.step, point.value) for point in found[run][tag]]

    def images(self):
        """Return the pictures of the run `tensorboard` by tag."""
        found = self.ask("read_blob_sequences", "images", downsample=10)["tensorboard"]
        return {
            tag: self.data.read_blob(RequestContext(), blob_key=point.values[2].blob_key)
            for tag, [point] in found.items()
        }

    def charts(self):
        """Return what Custom Scalars shows: by chart, by run and tag, its values."""
        charts = {}
        layout = json.loads(self.custom_scalars.layout_impl(RequestContext(), ""))
        for category in layout["category"]:
            for chart in category["chart"]:
                [series] = chart["margin"]["series"]
                shown = charts[category["title"], chart["title"]] = {}
                for run in self.tags():
                    regex = "|".join(f"({tag})" for tag in series.values())
                    found = self.custom_scalars.scalars_impl(RequestContext(), run, regex, "")
                    events = found["tag_to_events"]
                    if any(tag in events for tag in series.values()):
                        shown[run] = [part for part, tag in series.items() if tag in events]
        return charts

    def trials(self):
        """Return what HPARAMS lists: by trial its settings, outcomes and status."""
        statuses = [api_pb2.STATUS_SUCCESS, api_pb2.STATUS_FAILURE, api_pb2.STATUS_UNKNOWN]
        asked = api_pb2.ListSessionGroupsRequest(allowed_statuses=statuses, slice_size=100)
        groups = Handler(RequestContext(), self.hparams, "", asked).run().session_groups
        found = {}
        for group in groups:
            [session] = group.sessions
            kinds = {name: value.WhichOneof("kind") for name, value in group.hparams.items()}
            settings = {name: getattr(group.hparams[name], kind) for name, kind in kinds.items()}
            outcomes = {m.name.tag: m.value for m in session.metric_values}
            found[group.name] = session.name, settings, outcomes, session.status
        return found

    def infos(self):
        """Return what HPARAMS says of settings and outcomes."""
        asked = api_pb2.GetExperimentRequest()
        return get_experiment.Handler(RequestContext(), self.hparams, "", asked).run()


def scores_of(method, seed):
    """Return scores at the steps of `GRID`: scratch stays, fine-tuning jumps and learns."""
    if method == "scratch":
        return [0.1 * (seed + 1)] * 6
    return [0.4 + 0.1 * seed, *[0.9] * 5]


@pytest.fixture
def root(make_run):
    return rewrite(make_run(targets=(TARGET,), methods=("scratch", "fine_tune")))


def rewrite(root, scores_of=scores_of):
    """Put curves of `scores_of` in place of those of a run, whose anchors are -120 and -10."""
    for path in (root / "trials").glob("*/*/*"):
        scores = scores_of(path.parent.name, int(path.name[5:]))
        lines = [
            {"step": step, "return": -120 + 110 * s, "success": 0, "length": 50, "episodes": 20}
            for step, s in zip(GRID, scores, strict=True)
        ]
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (path / "evaluations.jsonl").write_text(text)
    return root


def put(root):
    """Write what TensorBoard is given without drawing figures."""
    run = load_run(root)
    board.write_events(run, summarize(run), {}, clips.videos(root))


def near(values):
    return [
        (step, pytest.approx(value, abs=1e-5)) for step, value in zip(GRID, values, strict=True)
    ]


def test_a_method_has_mean_and_interval_over_seeds_on_the_target_steps(root):
    put(root)
    seen = Board(root)
    run = f"tensorboard/{TARGET}/scratch"
    # Scores are 0.1, 0.2 and 0.3: of so few seeds the band is their range.
    half = 0.1
    assert seen.curve(run, f"summary/{TARGET}/score/mean") == near([0.2] * 6)
    assert seen.curve(run, f"summary/{TARGET}/score/low") == near([0.2 - half] * 6)
    assert seen.curve(run, f"summary/{TARGET}/score/high") == near([0.2 + half] * 6)
    # Returns are 110 times as wide, from -120 on.
    assert seen.curve(run, f"summary/{TARGET}/return/mean") == near([-98.0] * 6)
    low = seen.curve(run, f"summary/{TARGET}/return/low")
    assert low == [(step, pytest.approx(-98 - 110 * half, abs=1e-4)) for step in GRID]
    # All seeds of fine-tuning are equal after step 0.
    run = f"tensorboard/{TARGET}/fine_tune"
    assert seen.curve(run, f"summary/{TARGET}/score/mean") == near([0.5, *[0.9] * 5])
    assert seen.curve(run, f"summary/{TARGET}/score/high") == near([0.5 + half, *[0.9] * 5])


def test_every_view_has_the_mean_of_the_means_of_shared_source_policies(make_run):
    root = make_run(
        seeds=range(5),
        targets=(TARGET,),
        methods=("scratch", "fine_tune"),
        anchors=False,
        policies=2,
    )
    # Policy 0 serves the seeds 0, 2, 4 and policy 1 the seeds 1, 3: means of 0.9 and 0.1.
    ends = {"scratch": [0.0] * 5, "fine_tune": [0.9, 0.1] * 3}
    rewrite(root, lambda method, seed: [ends[method][seed]] * 6)
    put(root)
    run = load_run(root)
    summary = summarize(run)
    target = summary.targets[TARGET]
    tuned = target.methods["fine_tune"]
    assert tuned.returns.end.estimate == pytest.approx(-120 + 110 * 0.5)
    # The best mean is the reference, so that 0.9 and 0.1 become 1.8 and 0.2.
    assert target.anchors.reference.value == pytest.approx(-120 + 110 * 0.5)
    assert tuned.scores.end.estimate == pytest.approx(1)
    seen = Board(root)
    shown = seen.curve(f"tensorboard/{TARGET}/fine_tune", f"summary/{TARGET}/return/mean")
    assert shown == near([-65] * 6)
    axis = draw_curves(run, summary, TARGET).axes[0]
    (tuned_line,) = (line for line in axis.lines if line.get_label().startswith("fine_tune"))
    assert tuned_line.get_ydata() == pytest.approx(np.ones(6))
    # Policy 0 is there at once, policy 1 never in 500 steps.
    assert tuned.time_to_threshold.restricted_mean.estimate == 250


def test_one_chart_for_each_target_shows_all_its_methods_with_their_bands(make_run):
    root = make_run(targets=("a", "b"), failed=[("b", "naive", 1), ("b", "naive", 2)])
    put(root)
    charts = Board(root).charts()
    assert [part for part, _ in charts] == ["a: score", "a: return", "b: score", "b: return"]
    for (part, title), shown in charts.items():
        target, kind = part.split(": ")
        # A control period of 0.04 s
        robot = "60,000 steps are 40 min of robot time"
        assert title == f"{target}: mean {kind}, range over seeds; {robot}"
        methods = ("scratch", "zero_shot", "naive", "fine_tune", "feature_reuse")
        whole = {f"tensorboard/{target}/{m}": ["value", "lower", "upper"] for m in methods}
        if target == "b":
            whole["tensorboard/b/naive"] = ["value"]  # of one seed there is no band
        assert shown == whole


def test_the_charts_of_trials_stay_as_they_were(root):
    log = tensorboard_logger(root / "trials" / TARGET / "scratch" / "seed-0", 0)
    line = {"return": -109.0, "success": 0.5, "length": 50.0}
    for step in GRID:
        log_evaluation(log, step, line)
    log.close()
    before = Board(root).tags()
    put(root)
    seen = Board(root)
    run = f"trials/{TARGET}/scratch/seed-0"
    assert seen.curve(run, "eval/return") == [(step, -109.0) for step in GRID]
    assert before == {run: {"eval/return", "eval/success", "eval/length"}}
    # No other run has a tag of theirs, and there are no more runs than needed.
    others = {name: tags for name, tags in seen.tags().items() if name != run}
    assert not {tag for tags in others.values() for tag in tags if tag.startswith("eval")}
    trials = {f"trials/{TARGET}/{m}/seed-{s}" for m in ("scratch", "fine_tune") for s in range(3)}
    summaries = {f"tensorboard/{TARGET}/{method}" for method in ("scratch", "fine_tune")}
    assert seen.tags().keys() == trials | summaries


def test_hparams_lists_every_trial_with_settings_and_outcomes(root):
    text = (root / "experiment.yaml").read_text()
    settings = "- fine_tune:\n    critic_steps: 0\n    freeze: [features, critic]\n    phase: null"
    (root / "experiment.yaml").write_text(text.replace("- fine_tune: {}", settings))
    put(root)
    seen = Board(root)
    trials = seen.trials()
    assert set(trials) == {
        f"{TARGET}/{m}/seed-{s}" for m in ("scratch", "fine_tune") for s in "012"
    }
    run, settings, outcomes, status = trials[f"{TARGET}/fine_tune/seed-0"]
    assert run == f"trials/{TARGET}/fine_tune/seed-0"
    assert settings == {
        "target": TARGET,
        "method": "fine_tune",
        "seed": "0",
        "source_steps": 100_000,
        "randomized": True,
        "target_steps": 500,  # taken, of 60,000 asked for
        "algorithm": "ppo",
        "ppo.n_steps": 64,
        "fine_tune.critic_steps": 0,
        "fine_tune.freeze": "features, critic",
    }
    # The curve of scores is 0.4, then 0.9; scratch's is 0.1 throughout.
    area = (0.4 + 0.9) / 2 * 0.2 + 0.9 * 0.8
    expected = {
        "start_score": 0.4,
        "end_score": 0.9,
        "area": area,
        "time_to_threshold": 100,
        "jump_start": 0.3,
        "asymptotic_gain": 0.8,
        "area_gain": area - 0.1,
        "start_return": -120 + 110 * 0.4,
        "end_return": -120 + 110 * 0.9,
    }
    assert outcomes == {f"transfer/{n}": pytest.approx(v, rel=1e-5) for n, v in expected.items()}
    assert status == api_pb2.STATUS_SUCCESS

    _, settings, outcomes, _ = trials[f"{TARGET}/scratch/seed-2"]
    assert (settings["source_steps"], settings["randomized"]) == (0, False)
    assert "fine_tune.critic_steps" not in settings
    # Scratch never reaches the threshold and has no gain over itself.
    assert outcomes == {
        f"transfer/{name}": pytest.approx(value, rel=1e-5)
        for name, value in {
            "start_score": 0.3,
            "end_score": 0.3,
            "area": 0.3,
            "start_return": -87.0,
            "end_return": -87.0,
        }.items()
    }
    infos = {info.name: info for info in seen.infos().hparam_infos}
    differing = {name for name, info in infos.items() if info.differs}
    assert differing == {
        "method", "seed", "source_steps", "randomized", "fine_tune.critic_steps", "fine_tune.freeze"
    }  # fmt: skip
    assert list(infos["method"].domain_discrete) == ["fine_tune", "scratch"]
    interval = infos["source_steps"].domain_interval
    assert (interval.min_value, interval.max_value) == (0, 100_000)
    titles = [info.display_name for info in seen.infos().metric_infos]
    assert titles[3:6] == ["time to threshold", "jump-start", "asymptotic gain"]


def test_a_setting_that_is_a_number_here_and_text_there_is_text(root):
    text = (root / "experiment.yaml").read_text()
    entries = "- scratch:\n    last: never\n- scratch:\n    label: fine_tune\n    last: 5"
    (root / "experiment.yaml").write_text(text.replace("- scratch: {}\n- fine_tune: {}", entries))
    put(root)
    found = Board(root).trials()
    assert found[f"{TARGET}/scratch/seed-0"][1]["scratch.last"] == "never"
    assert found[f"{TARGET}/fine_tune/seed-0"][1]["scratch.last"] == "5"


def test_trials_that_failed_are_listed_and_those_not_run_are_not(root):
    folder = root / "trials" / TARGET / "fine_tune"
    put(root)
    before = {path.name for path in root.rglob(f"{board.FILES}*")}
    assert before == {f"{board.FILES}0000000036"}  # 6 trials of 6 evaluations

    (folder / "seed-1" / "status.json").write_text(json.dumps({"state": "failed", "error": "x"}))
    (folder / "seed-2" / "status.json").write_text(json.dumps({"state": "running", "step": 0}))
    put(root)
    trials = Board(root).trials()
    assert trials[f"{TARGET}/fine_tune/seed-1"][2:] == ({}, api_pb2.STATUS_FAILURE)
    assert f"{TARGET}/fine_tune/seed-2" not in trials
    # Nothing of the time before is left, and an open TensorBoard finds the new under a new name.
    assert {path.name for path in root.rglob(f"{board.FILES}*")} == {f"{board.FILES}0000000024"}
    assert not list((folder / "seed-2").glob("events*"))

    shutil.rmtree(root / "trials" / TARGET / "fine_tune")
    put(root)
    assert not list((root / "tensorboard" / TARGET / "fine_tune").iterdir())


KINDS = ("curves", "gains", "times", "survival")


def test_figures_are_there_as_they_are(root, undrawn):
    write_outputs(root)
    images = Board(root).images()
    assert set(images) == {f"figures/{kind}-{TARGET}" for kind in KINDS}
    for tag, image in images.items():
        assert image == (root / f"{tag}.png").read_bytes()


def test_videos_move(root):
    pytest.importorskip("imageio_ffmpeg")
    # 2 s of 20 frames a second, 800 pixels wide, from black to white.
    frames = [np.full((100, 800, 3), 255 * i // 39, np.uint8) for i in range(40)]
    encoding.write_video(root / "videos" / f"{TARGET}.mp4", frames, 20)
    about = {"target": TARGET, "panels": [], "outcomes": [], "seed": 0}
    (root / "videos" / f"{TARGET}.json").write_text(json.dumps(about))
    put(root)
    gif = Image.open(io.BytesIO(Board(root).images()[f"videos/{TARGET}"]))
    assert (gif.format, gif.size, gif.n_frames) == ("GIF", (640, 80), 10)
    brightness = []
    for i in range(gif.n_frames):
        gif.seek(i)
        assert gif.info["duration"] == 200  # milliseconds
        brightness.append(np.asarray(gif.convert("L")).mean())
    assert brightness[0] < 20
    assert brightness[-1] > 230
    assert (np.diff(brightness) > 15).all()
    assert encoding.as_gif(b"no video", 5, 640) is None


def test_a_run_without_scores_has_returns(root):
    facts = json.loads((root / "facts.json").read_text())
    facts["anchors"][TARGET]["random"] = None
    del facts["started"]
    (root / "facts.json").write_text(json.dumps(facts))
    put(root)
    seen = Board(root)
    tags = {f"summary/{TARGET}/return/{part}" for part in ("mean", "low", "high")}
    assert seen.tags()[f"tensorboard/{TARGET}/scratch"] == tags
    assert [part for part, _ in seen.charts()] == [f"{TARGET}: return"]
    outcomes = seen.trials()[f"{TARGET}/fine_tune/seed-1"][2]
    assert set(outcomes) == {"transfer/start_return", "transfer/end_return"}


def test_times_are_that_of_the_runs_beginning(root):
    put(root)
    wanted = RunTagFilter([f"tensorboard/{TARGET}/scratch"])
    found = Board(root).ask("read_scalars", "scalars", run_tag_filter=wanted, downsample=9)
    times = {p.wall_time for tags in found.values() for points in tags.values() for p in points}
    assert times == {1_735_732_800.0}  # 2025-01-01T12:00:00+00:00


def test_what_cannot_be_removed_is_one_clear_line(root):
    (root / "tensorboard" / f"{board.FILES}0000000001").mkdir(parents=True)
    with pytest.raises(HeadstartError, match=r"cannot remove .*: Is a directory"):
        put(root)
