"""A run in TensorBoard, beside its trials' own curves: bands over seeds, outcomes, figures, videos.

The run `tensorboard/<target>/<method>` has mean and interval over seeds on the target steps, and
`tensorboard` the layout that draws them as bands (Custom Scalars), the figures and the videos. The
settings and outcome of a trial (HPARAMS) stand in the trial's own folder, so that TensorBoard takes
them and its curves for one run: it shows many runs badly, so there are none without need.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.custom_scalar import metadata as custom_scalars
from tensorboard.summary.writer.record_writer import RecordWriter
from tensorboard.util.tensor_util import make_tensor_proto

from ....core.files import StoreError, write_bytes
from ...measuring.gains import method_curves
from ...measuring.results import Summary, TargetSummary
from ...measuring.runs import Run
from ...measuring.summary import score_curves
from ..formats import counts, extent, over, share_sources
from ..video.encoding import as_gif
from ..words.intervals import span
from .hparams import Steps, Value, sessions

FOLDER = "tensorboard"
# After the files that training writes, which have a time there: TensorBoard reads them in order.
FILES = "events.out.tfevents.summary-"
VIDEO_WIDTH = 640
VIDEO_FPS = 5.0


def write_events(
    run: Run,
    summary: Summary,
    figures: Mapping[str, bytes],
    videos: Mapping[str, tuple[bytes, Mapping[str, Any]]],
) -> list[Path]:
    """Write what TensorBoard shows of a run besides its trials' curves, in place of what was there.

    Every file is replaced as a whole. Equal runs give equal files: their times are
    that of the run's start.

    Args:
        run: the run.
        summary: its summary, in words.
        figures: see `html.report.build_report`.
        videos: see there.

    Returns:
        The files.

    Raises:
        StoreError: a file cannot be written, or an old one not removed.
    """
    # An open TensorBoard reads on in files of later names only, so the name grows with the run.
    name = f"{FILES}{sum(len(trial.evaluations) for trial in run.trials):010d}"
    root = run.directory / FOLDER
    started = _time(run.facts.get("started"))
    described, trials = sessions(run, summary, started)
    files = {root / name: [(0, [_layout(summary), described]), *_pictures(figures, videos)]}
    for target in summary.targets:
        for method in run.methods:
            if steps := _bands(run, summary, target, method):
                files[root / target / method / name] = steps
    for folder, session in trials.items():
        files[run.directory / "trials" / folder / name] = session
    for path, steps in files.items():
        write_bytes(path, encode_events(steps, started))
    for old in (*root.rglob(f"*{FILES}*"), *run.directory.glob(f"trials/*/*/*/*{FILES}*")):
        if old not in files:
            _remove(old)
    return list(files)


def encode_events(steps: Steps, time: float) -> bytes:
    """Return a TensorBoard event file of values by step; `time` is in seconds since the epoch."""
    data = io.BytesIO()
    records = RecordWriter(data)
    records.write(event_pb2.Event(wall_time=time, file_version="brain.Event:2").SerializeToString())
    for step, values in steps:
        content = summary_pb2.Summary(value=values)
        event = event_pb2.Event(wall_time=time, step=step, summary=content)
        records.write(event.SerializeToString(deterministic=True))
    return data.getvalue()


def _bands(run: Run, summary: Summary, target: str, method: str) -> Steps:
    """Return the mean over seeds, with its interval if there is one, at each target step."""
    curves = method_curves(run, target, method)
    if curves is None:
        return []
    found = {"return": curves.returns}
    if summary.targets[target].scored:
        scores = score_curves(curves, summary.targets[target].anchors).scores
        assert scores is not None
        found["score"] = scores
    columns = {}
    for kind, values in found.items():
        mean, low, high = _tags(target, kind)
        columns[mean] = curves.mean(values)
        if ends := curves.band(values):
            columns[low], columns[high] = ends
    return [
        (int(step), [Value(tag=tag, simple_value=at[i]) for tag, at in columns.items()])
        for i, step in enumerate(curves.steps)
    ]


def _tags(target: str, kind: str) -> tuple[str, str, str]:
    """Return the tags of mean and interval; each target has its own, as charts take runs by tag."""
    mean, low, high = (f"summary/{target}/{kind}/{part}" for part in ("mean", "low", "high"))
    return mean, low, high


def _layout(summary: Summary) -> Value:
    """Return the layout of Custom Scalars: for each target all methods' bands in one chart."""
    layout = layout_pb2.Layout()
    for target, entry in summary.targets.items():
        if not entry.evaluations:
            continue
        methods = entry.methods.values()
        shown = f"{extent(counts(methods))} {over(share_sources(methods))}"
        for kind in ("score", "return") if entry.scored else ("return",):
            mean, low, high = _tags(target, kind)
            # A part of its own for each chart: TensorBoard minds the order of parts, not of charts.
            part = layout.category.add(title=f"{target}: {kind}")
            part.closed = kind == "return" and entry.scored
            chart = part.chart.add(title=f"{target}: mean {kind}, {shown}{_robot_time(entry)}")
            chart.margin.series.add(value=mean, lower=low, upper=high)
    described = custom_scalars.create_summary_metadata()
    described.data_class = summary_pb2.DATA_CLASS_TENSOR
    tensor = make_tensor_proto(layout.SerializeToString())
    return Value(tag=custom_scalars.CONFIG_SUMMARY_TAG, metadata=described, tensor=tensor)


def _robot_time(target: TargetSummary) -> str:
    """Return what the steps of a chart's axis are on a robot."""
    if not (target.steps and target.period):
        return ""
    return f"; {target.steps:,} steps are {span(target.steps * target.period)} of robot time"


def _pictures(
    figures: Mapping[str, bytes], videos: Mapping[str, tuple[bytes, Mapping[str, Any]]]
) -> Steps:
    """Return figures and videos as images; TensorBoard plays a gif."""
    images = {f"figures/{file[:-4]}": figures[file] for file in figures if file.endswith(".png")}
    for target, (mp4, _) in videos.items():
        if gif := as_gif(mp4, VIDEO_FPS, VIDEO_WIDTH):
            images[f"videos/{target}"] = gif
    return [(0, [_image(tag, data)]) for tag, data in images.items()]


def _image(tag: str, data: bytes) -> Value:
    """Return a picture, PNG or GIF, as it is encoded."""
    if data.startswith(b"\x89PNG"):
        width, height = (int.from_bytes(data[i : i + 4], "big") for i in (16, 20))
    else:
        width, height = (int.from_bytes(data[i : i + 2], "little") for i in (6, 8))
    image = summary_pb2.Summary.Image(
        width=width, height=height, colorspace=3, encoded_image_string=data
    )
    return Value(tag=tag, image=image)


def _time(started: Any) -> float:
    """Return when a run began in seconds since the epoch; 0 where that is not recorded."""
    try:
        return datetime.fromisoformat(str(started)).timestamp()
    except ValueError:
        return 0.0


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"cannot remove '{path}': {error.strerror}") from error
