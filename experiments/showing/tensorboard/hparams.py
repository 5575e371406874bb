"""Trials for TensorBoard's HPARAMS: with what settings each was run, and what it came to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from tensorboard.compat.proto import summary_pb2
from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2

from ....core.named import split_named
from ...measuring.catalog import METRICS
from ...measuring.gains import uses_source
from ...measuring.results import Summary
from ...measuring.runs import Run, Trial

Setting: TypeAlias = bool | float | str
Value: TypeAlias = summary_pb2.Summary.Value
Steps: TypeAlias = list[tuple[int, list[Value]]]

OUTCOMES = [
    *(metric for metric in METRICS if metric.unit != "return" and "early" not in metric.key),
    *(metric for metric in METRICS if metric.unit == "return"),
]
"""What a trial came to, scalars `transfer/...`."""
FAILED = ("failed", "invalid")


def sessions(run: Run, summary: Summary, time: float) -> tuple[Value, dict[str, Steps]]:
    """Return the description of all trials, and each trial's values by step.

    The trials are those that have ended, well or not, by their folders under `trials/`. An outcome
    that a trial does not have (a threshold not reached, no baseline of that seed) is not there.
    `time` stands for when they began and ended, in seconds since the epoch.
    """
    ended = {t.unit: t for t in run.trials if t.state in ("done", *FAILED)}
    settings = {path: dict(_settings(run, trial)) for path, trial in ended.items()}
    outcomes = {path: dict(_outcomes(trial, summary)) for path, trial in ended.items()}
    names = list(dict.fromkeys(name for found in settings.values() for name in found))
    infos = {name: _info(name, [found.get(name) for found in settings.values()]) for name in names}
    reached = {name for found in outcomes.values() for name in found}
    about = api_pb2.Experiment(
        hparam_infos=infos.values(),
        metric_infos=[
            api_pb2.MetricInfo(
                name=api_pb2.MetricName(tag=_tag(metric.key)), display_name=metric.title
            )
            for metric in OUTCOMES
            if metric.key in reached
        ],
        time_created_secs=time,
    )
    values: dict[str, Steps] = {}
    for path, trial in ended.items():
        status = api_pb2.STATUS_FAILURE if trial.state in FAILED else api_pb2.STATUS_SUCCESS
        end = plugin_data_pb2.SessionEndInfo(status=status, end_time_secs=time)
        start = plugin_data_pb2.SessionStartInfo(group_name=path, start_time_secs=time)
        for name, value in settings[path].items():
            _put(start.hparams[name], value, infos[name].type)
        values[path] = [
            (0, [_hparams(metadata.SESSION_START_INFO_TAG, session_start_info=start)]),
            (0, [_hparams(metadata.SESSION_END_INFO_TAG, session_end_info=end)]),
        ]
        if scalars := [Value(tag=_tag(n), simple_value=x) for n, x in outcomes[path].items()]:
            values[path].append((trial.steps[-1], scalars))
    return _hparams(metadata.EXPERIMENT_TAG, experiment=about), values


def _settings(run: Run, trial: Trial) -> Iterator[tuple[str, Setting]]:
    """Yield what a trial was run with; a method's own settings go by its registered name."""
    learned = uses_source(run, trial.method)
    yield "target", trial.target
    yield "method", trial.method
    # Seeds are names, not quantities: as text they get a box each to choose by.
    yield "seed", str(trial.seed)
    yield "source_steps", run.source_steps if learned else 0
    yield "randomized", bool(learned and run.source.randomization)
    # One that failed has the steps of those that did not: what all of a method are given.
    done = run.done(trial.target, trial.method)
    yield "target_steps", done[0].steps[-1] if done else run.targets[trial.target].steps or 0
    name, given = split_named(run.method_entries[trial.method], "method")
    yield from _flat(name, {key: value for key, value in given.items() if key != "label"})
    name, given = split_named(run.source.algorithm, "algorithm")
    yield "algorithm", name
    yield from _flat(name, given)


def _flat(prefix: str, settings: Mapping[str, Any]) -> Iterator[tuple[str, Setting]]:
    """Yield settings by dotted names, lists as text; what is null is left out."""
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(f"{prefix}.{key}", value)
        elif isinstance(value, Sequence) and not isinstance(value, str):
            yield f"{prefix}.{key}", ", ".join(map(str, value))
        elif value is not None:
            yield f"{prefix}.{key}", value


def _outcomes(trial: Trial, summary: Summary) -> Iterator[tuple[str, float]]:
    """Yield what a trial came to, as far as the summary has it for its seed."""
    target = summary.targets[trial.target]
    method = target.methods.get(trial.method) or target.equal_total.get(trial.method)
    for metric in OUTCOMES:
        value = getattr(metric.of(method), "per_seed", {}).get(trial.seed)
        if value is not None:
            yield metric.key, float(value)


def _tag(outcome: str) -> str:
    return f"transfer/{outcome}"


def _info(name: str, values: Iterable[Setting | None]) -> api_pb2.HParamInfo:
    """Return the description of a setting from its values over trials; None: it has none there."""
    values = list(values)
    known = [value for value in values if value is not None]
    info = api_pb2.HParamInfo(name=name, differs=len(set(values)) > 1)
    if all(isinstance(value, bool) for value in known):
        info.type = api_pb2.DATA_TYPE_BOOL
        info.domain_discrete.extend(sorted(set(known)))
    elif all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in known):
        info.type = api_pb2.DATA_TYPE_FLOAT64
        info.domain_interval.min_value, info.domain_interval.max_value = min(known), max(known)
    else:
        info.type = api_pb2.DATA_TYPE_STRING
        info.domain_discrete.extend(sorted({str(value) for value in known}))
    return info


def _put(place: Any, value: Setting, kind: int) -> None:
    """Put a setting into a protobuf value of the type that it has in all trials."""
    if kind == api_pb2.DATA_TYPE_BOOL:
        place.bool_value = value
    elif kind == api_pb2.DATA_TYPE_FLOAT64:
        place.number_value = value
    else:
        place.string_value = str(value)


def _hparams(tag: str, **part: Any) -> Value:
    """Return one of the three messages of the HPARAMS plugin."""
    message = plugin_data_pb2.HParamsPluginData(version=metadata.PLUGIN_DATA_VERSION, **part)
    described = summary_pb2.SummaryMetadata(
        data_class=summary_pb2.DATA_CLASS_TENSOR,
        plugin_data=summary_pb2.SummaryMetadata.PluginData(
            plugin_name=metadata.PLUGIN_NAME,
            content=message.SerializeToString(deterministic=True),
        ),
    )
    return Value(tag=tag, metadata=described, tensor=metadata.NULL_TENSOR)
