"""The page on the experiment file: every key, the changes, the algorithms."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path

from headstart.agents.algorithms import ALGORITHMS, OWN, Algorithm, resolve_algorithm, setting_types
from headstart.agents.presets import BASED_ON, PRESETS
from headstart.envs.changes import DISTRIBUTIONS, JOINT_DISTRIBUTIONS
from headstart.experiments.config import schema
from headstart.experiments.config.method_entries import Tuned
from headstart.experiments.showing.tables.registries import in_yaml
from headstart.transfer.methods import METHODS
from markdown_text import (
    argument_docs,
    hint_in_words,
    joined,
    page,
    paragraphs,
    schema_in_words,
    table,
)
from pydantic import BaseModel

STUDY = "quickstart"

# Settings of headstart, or with another meaning here than in Stable-Baselines3.
MEANINGS = {
    "policy": "SB3's policy class, or `package.module:Class`",
    "worlds": "Parallel worlds of a learner",
    "normalize": "Observations pass through `VecNormalize`",
    "normalize_reward": "Rewards pass through `VecNormalize`",
    "action_noise": "Standard deviation of Gaussian noise on the action scaled to [-1, 1]",
    "learning_rate": "The learning rate of all optimizers",
}


def experiment_file() -> str:
    """Return the page on the experiment file."""
    example = Path(schema.__file__).parents[1] / "studies" / f"{STUDY}.yaml"
    links = [f"[`{name}`](methods/{name}.md)" for name in METHODS]
    return page(
        "# The experiment file",
        "An experiment is one YAML file, run by `headstart run FILE.yaml`, or the same as a Python "
        "dictionary, run by `headstart.run({...})`. A key that is not listed here is an error, "
        "and so is a value of the wrong type; the message names the key and what was expected. "
        "`--set key.path=value` overrides any of them for one run, as in "
        "`--set targets.tired-arm.steps=10_000 --set seeds=[0]`. The run directory's "
        "`experiment.yaml` lists every default.",
        f"This is [`experiments/studies/{STUDY}.yaml`](../experiments/studies/{STUDY}.yaml):",
        f"```yaml\n{example.read_text().strip()}\n```",
        "## Top level",
        _keys(schema.Experiment),
        "## `source`",
        _keys(schema.Source),
        "What these policies can do: [pretrained policies](pretrained.md).",
        "## `targets.<name>`",
        "A key that is left out has the source's value, except `kwargs` and `wrappers`.",
        _keys(schema.Target),
        "### `targets.<name>.anchors`",
        _keys(schema.GivenAnchors),
        "## `evaluation`",
        _keys(schema.EvaluationPlan),
        "## `methods`",
        "`methods: [scratch, {fine_tune: {critic_steps: 5_000}}]`. Each method has a page with its "
        f"settings: {', '.join(links)}. A custom one is named by its class, "
        '`"package.module:Class"`: [your own method](own-method.md).',
        "### `tuned`, among a method's settings",
        "`headstart tune` writes it beside the settings that it found: see [tuning](tuning.md).",
        _keys(Tuned),
        *_changes(),
        *_algorithms(),
    )


def _keys(section: type[BaseModel]) -> str:
    """Return the table of a section's keys."""
    rows = []
    properties = section.model_json_schema()["properties"]
    for key, field in section.model_fields.items():
        default = "required" if field.is_required() else f"`{in_yaml(field.default)}`"
        meaning = joined(field.description or "")
        rows.append((f"`{key}`", schema_in_words(properties[key]), default, meaning))
    return table(("key", "type", "default", "meaning"), rows)


def _changes() -> Iterable[str]:
    yield "## Changes: randomizations and shifts"
    yield (
        "A randomization and a shift use one notation for how a world differs from its nominal "
        'values: `"= v"` sets a parameter, `"* v"` scales its nominal, `"+ v"` adds to it. In a '
        "shift `v` is a number; in a randomization it may be a distribution. The quotes are "
        "needed: a `*` alone means something else to YAML. What could leave a parameter's hard "
        "bounds is refused before anything runs. More: [randomization](randomization.md)."
    )
    rows = []
    for word, kind in DISTRIBUTIONS.items():
        arguments = kind.form or ", ".join(field.name for field in dataclasses.fields(kind))
        rows.append((f"`{word}({arguments})`", joined(paragraphs(kind))))
    yield table(("distribution", "meaning"), rows)
    yield (
        'Parameters that depend on each other share a key, `"mass, friction"`, and one of these:'
    )
    yield table(
        ("distribution", "meaning"),
        [
            (f"`{word}({joint.form})`", joined(paragraphs(joint)))
            for word, joint in JOINT_DISTRIBUTIONS.items()
        ],
    )
    yield (
        "A distribution is drawn at the start of an episode. `every step` after it draws anew at "
        "every control step, `at 2/s` twice a second on average; that is for parameters that may "
        "change during an episode, as `headstart describe` shows. In a shift, `after 1.5 s` behind "
        "a number lets it hold from that time of every episode on: "
        '`ground_friction: "* 0.4 after 1.5 s"`.'
    )


def _algorithms() -> Iterable[str]:
    yield "## Algorithms"
    yield (
        "`algorithm: ppo`, or `algorithm: {ppo: {learning_rate: 3e-4}}`. Any other class of "
        'Stable-Baselines3 or sb3-contrib by its path: `"sb3_contrib:TQC"`, '
        '`{"stable_baselines3:TD3": {learning_rate: 1e-3}}`, with the settings of that class. '
        "Defaults are headstart's presets where there is one (in bold) and Stable-Baselines3's "
        "otherwise. Settings that are objects in Python are text here: `activation_fn: tanh`, "
        "and `package.module:Class` for policies and feature extractors. `policy_kwargs` of `sac` "
        "and `stable_baselines3:TD3` have two more: `critic_layer_norm: true` normalizes the "
        "critics' hidden layers, and `stacked_critics: true` computes all critics in one batched "
        "product."
    )
    for name in ALGORITHMS:
        yield f"### `{name}`"
        if name in BASED_ON:
            yield f"The presets of `{BASED_ON[name]}`, those of worlds too, hold for it as well."
        yield _algorithm_settings(name)
        for (algorithm, world_id), settings in PRESETS.items():
            if algorithm == name and world_id is not None:
                yield f"Preset for `{world_id}`: `{in_yaml(settings)}`."


def _algorithm_settings(name: str) -> str:
    """Return the table of an algorithm's settings."""
    cls, resolved = ALGORITHMS[name], resolve_algorithm(name, "").settings
    own = dict.fromkeys((BASED_ON.get(name, name), name))
    preset = {key: resolved[key] for one in own for key in PRESETS[one, None]}
    # A core inherits the arguments of the library's class, and their meanings.
    documented = next(base for base in cls.__mro__ if argument_docs(base))
    meanings = {**argument_docs(documented), **MEANINGS}
    rows = []
    for key, kind in setting_types(cls).items():
        default = {"policy": resolved["policy"], **OWN, **preset}.get(key)
        if default is None and key not in preset:
            default = Algorithm(name, {}).value(key)
        shown = f"`{in_yaml(default)}`"
        if key in preset:
            shown = f"**{shown}**"
        rows.append((f"`{key}`", hint_in_words(kind), shown, meanings.get(key, "")))
    return table(("setting", "type", "default", "meaning"), rows)
