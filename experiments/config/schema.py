"""What an experiment is: read from YAML or built in Python, checked, every default spelled out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from ...agents.algorithms import SENSES
from ...core.errors import LONGEST_LINE, HeadstartError, shown
from ...core.heartbeat import STEP_TIMEOUT
from ...core.named import in_words, split_named
from ...envs.changes import Change
from ...envs.spec import WorldSpec
from ...transfer.randomization import DEFAULT_RANDOMIZER
from . import source as sources
from .explained import explain
from .method_entries import check_name, check_tuned
from .method_entries import method_label as method_label
from .overrides import read_parts
from .sweep import check_sweep
from .yaml_text import ConfigError as ConfigError
from .yaml_text import plain

SOURCE = "source"
"""What stands in results for the source, where trials have a target or a method."""

ANCHOR_EPISODES = 100

Entries = list[str | dict[str, dict[str, Any] | None]]
Steps = Annotated[int, Field(gt=0, strict=True)]
Text = Annotated[str, Field(min_length=1)]
# What is part of headstart is known by its ids, which need no module to be imported first.
WorldId = Annotated[Text, AfterValidator(lambda name: name.removeprefix("headstart:"))]


Plain = AfterValidator(plain)
# Python callers may give classes where a file has their names.
Words = BeforeValidator(in_words)


class Section(BaseModel):
    """Base of all parts: an unknown key is an error, and nothing changes once built.

    What stands below a field is its description in docs/experiment-file.md.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


def _as_text(changes: Any) -> Any:
    """Let Python callers pass `Change` objects where YAML has their text."""
    if isinstance(changes, Mapping):
        return {k: str(v) if isinstance(v, Change) else v for k, v in changes.items()}
    return changes


class Source(Section):
    """Where is learned first."""

    world: WorldId
    """A Gymnasium id; `my_package.envs:MyEnv-v0` imports the module first."""
    kwargs: Annotated[dict[str, Any], Plain] = {}
    """What is passed to `gymnasium.make` with the id."""
    wrappers: Annotated[list[str | dict[str, dict[str, Any]]], Words, Plain] = []
    """Wrappers in the order they are put on: `package.module:Class`, or
    `{"package.module:Class": {argument: value}}`."""
    parameters: Annotated[dict[str, str | dict[str, Any]], Plain] = {}
    """Names for numbers of an environment that was not made with parameters: a path such as
    `body_mass[torso]`, or `{path: ..., low: ..., high: ..., unit: ...}`, by name; see
    docs/adapters.md. Paths may also stand in a randomization or a shift themselves."""
    bundle: Text | None = None
    """A pretrained source policy that all seeds share, in place of training: a bundle's directory,
    or one of headstart, `pretrained/nominal` or `pretrained/randomized`. Randomization,
    algorithm and steps are then the bundle's. Short, where every target names the same `world`:
    `source: pretrained/randomized`."""
    bundle_sha256: str | None = None
    """The sha256 of the bundle's `manifest.json`; a run writes it down, and another is refused."""
    trust: list[Text] = []
    """Modules or packages of your own that the bundle may name, for its algorithm, policy or world:
    a bundle names them, but only you can have them imported. What the experiment itself names needs
    no line here."""
    randomization: dict[str, str] = {}
    """Parameters drawn anew at every training episode, by their changes; evaluation in the source
    is not randomized. `recommended`: the ranges that headstart recommends for the world."""
    randomizer: Annotated[str | dict[str, dict[str, Any] | None], Plain] = "uniform"
    """How parameters are drawn inside `randomization`: a name, `{name: {setting: value}}`, or your
    own as `package.module:Class`; see docs/randomization.md. By default from the distributions as
    they are stated."""
    algorithm: Annotated[str | dict[str, dict[str, Any] | None], Plain] = "ppo"
    """What learns, in the source and in every target: a name, or `{name: {setting: value}}`."""
    history: int | dict[str, Any] | None = None
    """The last steps that policies see, here, in every target and wherever they are evaluated or
    exported: `5`, or `{frames: 5, actions: true, past_weight: 0.1}`, where `actions` are those that
    led to them and `past_weight` is what the past is multiplied by before the networks."""
    critic_sees: str | list[str] | None = None
    """What critics see of the source and policies do not: `parameters` (all), `state` (the true
    values of all channels), or names of some. A channel that no real robot measures is taken from
    the policy where it is named."""
    critic_in_target: str | dict[str, float] | None = None
    """What critics see in targets in place of it: `nominal` (the default), values by parameter,
    such as were fitted, or `nothing`, where critics begin anew."""
    policy_sees: dict[str, Any] | None = None
    """Parameters that the policy itself sees, through an encoder into `latent` numbers:
    `{parameters: [names], latent: 8}`, or `parameters: parameters` for all. A teacher for `adapt`
    and `distill`; where they are unknown it takes the nominal ones for granted."""
    steps: Steps
    """Environment steps that each seed's source policy is trained for; needed without a bundle."""
    policies: Steps | None = None
    """How many source policies are trained, at most one for each seed, which is the default. Fewer
    are shared by the seeds in turn; intervals are then over source policies."""

    @model_validator(mode="before")
    @classmethod
    def _spelled_out(cls, data: Any) -> Any:
        """Put in what a bundle says of itself, and the recommended randomization."""
        return sources.spelled_out(data) if isinstance(data, Mapping) else data

    _text = field_validator("randomization", mode="before")(_as_text)

    @property
    def name(self) -> str:
        """What the source's folder is called."""
        return "randomized" if self.randomization else "nominal"

    def spec(self) -> WorldSpec:
        """Return the source world, not randomized."""
        named = self.parameters if self.parameters or self.randomization else None
        return WorldSpec(self.world, self.kwargs, self.wrappers, parameters=named)


class GivenAnchors(Section):
    """Returns that mean a score of 0 (`random`) and of 1 (`reference`)."""

    random: float = Field(allow_inf_nan=False)
    """Mean return of random actions on this target."""
    reference: float = Field(allow_inf_nan=False)
    """Mean return that counts as solved, such as that of a policy trained long on this target."""

    @model_validator(mode="after")
    def _apart(self) -> GivenAnchors:
        if self.reference <= self.random:
            raise ValueError(
                f"the reference return {self.reference:g} must be above the random one "
                f"{self.random:g}"
            )
        return self


class Target(Section):
    """A world that counts; what is not said is as in the source."""

    world: WorldId | None = None
    """A Gymnasium id; by default the source's."""
    kwargs: Annotated[dict[str, Any], Plain] = {}
    """What is passed to `gymnasium.make` with the id; the source's are not taken over."""
    wrappers: Annotated[list[str | dict[str, dict[str, Any]]], Words, Plain] = []
    """As in the source; the source's are not taken over."""
    parameters: Annotated[dict[str, str | dict[str, Any]], Plain] = {}
    """As in the source, whose names are taken over where the world is the same."""
    shift: str | dict[str, str] = {}
    """Parameters by their constant changes, or the name of one of the world's shifts. A change
    with a time, as `"* 0.4 after 1.5 s"`, comes in the midst of every episode; it is for parameters
    that may change then."""
    steps: Steps
    """Environment steps that every method may train for here, per seed."""
    instances: Literal[1] | None = None
    """`1` for a world that exists once, as a robot does: it is opened once, training and evaluation
    take turns in it, trials run one after the other, and it is in no probe and no video. Scores
    need given `anchors` then; see docs/real-robot.md. By default as many as are useful."""
    anchors: GivenAnchors | None = None
    """The returns that mean a score of 0 and of 1. By default, in a world of headstart as it is
    or on a calibrated shift of it, those stored with it: of random actions there, and of its
    nominal policy in the world as it is. Elsewhere the run measures the former, and 1 is the best
    that any of the experiment's methods reaches in the end."""

    _text = field_validator("shift", mode="before")(_as_text)

    def spec(self, source: Source) -> WorldSpec:
        """Return the target world."""
        world = self.world or source.world
        named = self.parameters or (source.parameters if world == source.world else {})
        return WorldSpec(world, self.kwargs, self.wrappers, self.shift, named or None)


class EvaluationPlan(Section):
    """When and how policies are evaluated; the same episodes for all methods."""

    every: Steps
    """Target steps from one evaluation to the next; the first is at step 0, before any update."""
    episodes: Annotated[int, Field(gt=0, strict=True)] = 20
    """Episodes of an evaluation."""
    threshold: Annotated[float, Field(gt=0, le=1)] = 0.8
    """The score whose first lasting reach is the time to threshold: above that of random actions,
    0, and at most the reference's, 1."""
    source_every: Steps | None = None
    """Source steps from one evaluation to the next; by default a tenth of the source's steps."""
    seed: Annotated[int, Field(ge=0, strict=True)] = 1_000_000
    """Seed of the first evaluation episode; the others count up from it."""

    anchor_episodes: Annotated[int, Field(gt=0, le=10_000, strict=True)] = ANCHOR_EPISODES
    """Episodes of random actions, at most, that a score of 0 is measured with where it is not
    known. From 20 on it is enough, looked at after every ten, that the 95 % interval of their mean
    lies within 2 % of it. What was measured is kept for other runs."""

    def episode_seeds(self) -> list[int]:
        """Return the seed of every evaluation episode."""
        return list(range(self.seed, self.seed + self.episodes))


class Experiment(Section):
    """One question: what is learning in `source` worth in each of `targets`?

    >>> experiment = build(
    ...     {
    ...         "name": "heavy",
    ...         "source": {"world": "Pendulum-v1", "steps": 50_000},
    ...         "targets": {"heavy": {"kwargs": {"g": 14.0}, "steps": 20_000}},
    ...         "seeds": [0, 1, 2, 3, 4],
    ...         "evaluation": {"every": 2_000},
    ...     }
    ... )
    >>> experiment.methods, experiment.evaluation.episodes
    (['scratch', 'zero_shot', 'naive', 'fine_tune'], 20)
    """

    name: str
    """What the experiment is called: its run directory is `runs/<name>`."""
    source: Source
    """Where is learned first."""
    targets: Annotated[dict[str, Target], Field(min_length=1)]
    """The worlds that count, by names of your own."""
    methods: Annotated[Entries, Field(min_length=1), Words, Plain] = [
        "scratch",
        "zero_shot",
        "naive",
        "fine_tune",
    ]
    """How what was learned is used: names, `{name: {setting: value}}`, or your own as
    `package.module:Class`. A `label` among the settings names an entry where one method is listed
    twice; `tuned` says what its settings were found with, as `headstart tune` writes it."""
    seeds: Annotated[list[Annotated[int, Field(ge=0, strict=True)]], Field(min_length=1)] = [
        0,
        1,
        2,
        3,
        4,
    ]
    """One source policy and one trial per target and method for each; intervals are over seeds."""
    evaluation: EvaluationPlan
    """When and how policies are evaluated; the same episodes for all methods."""
    checkpoint: Steps = 25_000
    """Training steps from one checkpoint to the next: what an interruption can lose at most.
    Results depend on it, since learners and worlds are reseeded there."""
    device: str = "cpu"
    """Torch device of the learners."""
    sweep: Annotated[dict[str, list[Any] | Literal["leave_one_out"]], Plain] = {}
    """What is varied, to see what a result depends on: one key's path, or two for a grid, each with
    a list of its values, as `targets.icy.shift: [worn-tyres/0.2, worn-tyres/0.6]`;
    `source.randomization: leave_one_out` leaves out one randomized parameter at a time. `*` stands
    for every target. Each point is a run of its own, but for a target's budget of 0, which is where
    the other points' curves begin; see docs/running.md."""
    step_timeout: Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)] = STEP_TIMEOUT
    """Seconds that a world may take for one reset or one step. One that has not returned by then is
    reported, its process is ended, its unit fails and the others go on. May be changed between runs
    of the same directory."""
    callbacks: Annotated[Entries, Words, Plain] = []
    """Stable-Baselines3's callbacks, or custom ones, that take part in every trial's training, not
    in that of sources: `package.module:Class`, or `{"package.module:Class": {argument: value}}`,
    where `{trial}` in a text stands for the trial's folder; see docs/callbacks.md."""
    track: Annotated[str | dict[str, dict[str, Any] | None] | None, Plain] = None
    """Where trials are logged beside TensorBoard: `wandb`, `mlflow`, or that with settings, as
    `{wandb: {project: arm}}`; needs the extra of that name. May be changed between runs of the same
    directory. See docs/callbacks.md."""
    video: bool = False
    """Whether the report shows, per target, a short video of the source policy in the source and
    of each method's final policy in the target. Needs the extra `video`; may be changed between
    runs of the same directory."""

    @model_validator(mode="before")
    @classmethod
    def _source_by_name(cls, data: Any) -> Any:
        """Read `source: pretrained/randomized`: the world is then the targets'."""
        if not isinstance(data, Mapping) or not isinstance(data.get("source"), str):
            return data
        return {**data, "source": sources.of_the_targets(data["source"], data.get("targets"))}

    @field_validator("name")
    @classmethod
    def _file_name(cls, name: str) -> str:
        return check_name(name)

    @field_validator("targets")
    @classmethod
    def _target_names(cls, targets: dict[str, Target]) -> dict[str, Target]:
        for name in targets:
            check_name(name)
            _check_free(name)
        return targets

    @field_validator("seeds")
    @classmethod
    def _unique(cls, seeds: list[int]) -> list[int]:
        if twice := [seed for seed in seeds if seeds.count(seed) > 1]:
            raise ValueError(f"{twice[0]} is listed twice; every seed may be listed once")
        return seeds

    @field_validator("methods")
    @classmethod
    def _one_each(cls, methods: list[Any]) -> list[Any]:
        for method in methods:
            try:
                split_named(method, "method")
            except HeadstartError as error:
                raise ValueError(str(error)) from None
            check_tuned(method)
        names = [method_label(method) for method in methods]
        for name in names:
            _check_free(name)
            if names.count(name) > 1:
                raise ValueError(f"'{name}' is listed twice; give one of them a 'label' of its own")
        return methods

    @field_validator("sweep")
    @classmethod
    def _sweepable(cls, sweep: dict[str, Any]) -> dict[str, Any]:
        check_sweep(sweep)
        return sweep

    @model_validator(mode="after")
    def _enough_seeds(self) -> Experiment:
        policies, seeds = self.source.policies, len(self.seeds)
        if self.source.randomizer != DEFAULT_RANDOMIZER and self.source.bundle is not None:
            raise ValueError("source.randomizer: a pretrained policy is trained already")
        if self.source.randomizer != DEFAULT_RANDOMIZER and not self.source.randomization:
            raise ValueError(
                "source.randomizer: needs a 'randomization' that says what may be drawn, such as "
                "'recommended'"
            )
        if policies is not None and self.source.bundle is not None:
            raise ValueError("source.policies: a pretrained policy is one, and is not trained")
        if policies is not None and policies > seeds:
            raise ValueError(f"source.policies: {policies} for {seeds} seeds; at most one for each")
        return self

    @model_validator(mode="after")
    def _budgets(self) -> Experiment:
        if not self.sweep and self.source_every > self.source.steps:
            raise ValueError(
                f"evaluation.source_every: {self.source_every:,} is more than the source's "
                f"{self.source.steps:,} steps"
            )
        for name, target in self.targets.items():
            if target.steps < self.evaluation.every:
                raise ValueError(
                    f"targets.{name}.steps: {target.steps:,} is less than one evaluation "
                    f"interval (evaluation.every: {self.evaluation.every:,})"
                )
            if left := target.steps % self.evaluation.every:
                below = target.steps - left
                raise ValueError(
                    f"targets.{name}.steps: {target.steps:,} is not on the evaluation grid, a "
                    f"multiple of evaluation.every ({self.evaluation.every:,}); nearest are "
                    f"{below:,} and {below + self.evaluation.every:,}"
                )
        return self

    @property
    def source_every(self) -> int:
        """Source steps between evaluations: ten of them, unless told otherwise."""
        return self.evaluation.source_every or max(1, self.source.steps // 10)

    def resolved(self) -> dict[str, Any]:
        """Return the experiment as plain data with every default spelled out."""
        found = self.model_dump()
        if not self.sweep:  # each point of a sweep has a default of its own
            found["evaluation"]["source_every"] = self.source_every
            del found["sweep"]
        # Runs of before these settings existed do not have them.
        source: dict[str, Any] = dict.fromkeys(("policies", *SENSES))
        source |= {"trust": [], "parameters": {}, "randomizer": DEFAULT_RANDOMIZER}
        _leave_out(found["source"], source)
        _leave_out(found["evaluation"], {"anchor_episodes": ANCHOR_EPISODES})
        _leave_out(found, {"step_timeout": STEP_TIMEOUT, "callbacks": [], "track": None})
        for target in found["targets"].values():
            _leave_out(target, {"parameters": {}, "instances": None})
        found["methods"] = [dict([split_named(method, "method")]) for method in found["methods"]]
        return found


def _leave_out(section: dict[str, Any], defaults: Mapping[str, Any]) -> None:
    """Take out of a section what has its default."""
    for key, value in defaults.items():
        if section[key] == value:
            del section[key]


def source_seed(seeds: Sequence[int], policies: int | None, seed: int) -> int:
    """Return the seed of the source policy that `seed` begins from, of `seeds` in turn."""
    return seed if policies is None else seeds[seeds.index(seed) % policies]


def _check_free(name: str) -> None:
    if name == SOURCE:
        raise ValueError(f"'{SOURCE}' is what results call the source; give it another name")


def load(path: str | Path, overrides: Sequence[str] = ()) -> Experiment:
    """Read an experiment from a YAML file.

    Args:
        path: the file.
        overrides: `key.path=value` texts (the value is read as YAML), as given to `--set`.

    Returns:
        The experiment, with all defaults.

    Raises:
        ConfigError: one line with the file, the key's path and what was expected there.

    >>> text = (
    ...     "{name: heavy, source: {world: Pendulum-v1, steps: 50_000}, seeds: [0], "
    ...     "targets: {heavy: {kwargs: {g: 14.0}, steps: 20_000}}, evaluation: {every: 2_000}}"
    ... )
    >>> _ = Path("heavy.yaml").write_text(text)
    >>> load("heavy.yaml", ["seeds=[3, 4]"]).seeds
    [3, 4]
    """
    found = load_all(path, overrides)
    if len(found) > 1:
        raise ConfigError(f"{path}: holds {len(found)} experiments, and one was expected")
    return found[0]


def load_all(path: str | Path, overrides: Sequence[str] = ()) -> list[Experiment]:
    """Read the experiments of a YAML file, several of them parted by lines of `---`.

    Raises:
        ConfigError: see `load`; or two experiments of one name, whose runs would share a directory.
    """
    return build_all(read_parts(path, overrides), str(path))


def build_all(parts: Sequence[Mapping[str, Any]], where: str) -> list[Experiment]:
    """Check the plain data of a file's experiments and return them.

    Raises:
        ConfigError: see `load_all`.
    """
    found = [build(data, where) for data in parts]
    names = [experiment.name for experiment in found]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"{where}: two experiments are called '{name}'")
    return found


def json_schema() -> str:
    """Return the JSON schema of an experiment's file, as text, its short forms among it."""
    schema = Experiment.model_json_schema()
    name = {"type": "string"}
    source = schema["$defs"]["Source"]
    source["required"].remove("steps")  # a bundle has its own
    for of, key in ((schema, "source"), (source, "randomization")):
        of["properties"][key] = {"anyOf": [of["properties"][key], name]}
    return json.dumps(schema, indent=1)


def build(data: Mapping[str, Any], where: str = "experiment") -> Experiment:
    """Check plain data and return the experiment; errors begin with `where`.

    Raises:
        ConfigError: see `load`.
    """
    try:
        return Experiment.model_validate(data)
    except ValidationError as error:
        raise ConfigError(
            f"{where}: {shown(explain(error, Experiment), LONGEST_LINE - 60)}"
        ) from None
