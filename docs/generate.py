"""Write the pages of this folder that are made from the code: `python docs/generate.py`.

A test holds the pages and the code together; run this after changing a setting or a world.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import itertools
import json
import re
import typing
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from headstart import envs
from headstart.agents.algorithms import ALGORITHMS, OWN, Algorithm, setting_types
from headstart.agents.bundles import pretrained as shipped
from headstart.agents.presets import PRESETS
from headstart.envs import shifts
from headstart.envs.catalog import WORLDS
from headstart.envs.changes import DISTRIBUTIONS
from headstart.envs.shifts import SHIFT_LEVELS, families
from headstart.envs.vector import vec_env
from headstart.experiments.bench import timing
from headstart.experiments.config import schema as config
from headstart.experiments.config.method_entries import Tuned
from headstart.experiments.showing.tables.registries import (
    Sheet,
    band,
    defaults,
    describe_world,
    exceptions,
    in_yaml,
)
from headstart.transfer.methods import METHODS
from headstart.transfer.methods.parts import normalizer
from pydantic import BaseModel, TypeAdapter

# Of rl-baselines3-zoo's benchmark.md, one run each: PPO after 2 million steps, SAC after 1 million.
RL_ZOO = {
    "headstart/Hopper-v0": ("HopperBulletEnv-v0", 2575, 2603),
    "headstart/HalfCheetah-v0": ("HalfCheetahBulletEnv-v0", 2925, 2792),
    "headstart/Ant-v0": ("AntBulletEnv-v0", 2866, 3073),
}

HERE = Path(__file__).parent
MADE = "<!-- Made by docs/generate.py from the code: change it there. -->"
STUDY = "quickstart"

MANY = """
import gymnasium
from headstart.envs.vector import ParallelVecEnv
from stable_baselines3 import PPO

worlds = ParallelVecEnv([lambda: gymnasium.make("headstart/A1Walk-v0")] * 16, workers=2)
PPO("MlpPolicy", worlds).learn(100_000)
worlds.close()
""".strip()

# Settings that are ours, or that mean something else here than in Stable-Baselines3.
MEANINGS = {
    "policy": "SB3's policy class, or `package.module:Class`",
    "worlds": "Parallel worlds of a learner",
    "normalize": "Observations pass through `VecNormalize`",
    "normalize_reward": "Rewards pass through `VecNormalize`",
    "action_noise": "Standard deviation of Gaussian noise on the action scaled to [-1, 1]",
    "learning_rate": "The learning rate of all optimizers",
}


def experiment_file() -> str:
    """Return the page on an experiment's file: all keys, changes, algorithms and methods."""
    example = Path(config.__file__).parents[1] / "studies" / f"{STUDY}.yaml"
    return _page(
        "# The experiment file",
        "An experiment is one YAML file, run by `headstart run FILE.yaml`, or the same as a Python "
        "dictionary, run by `headstart.run({...})`. A key that is not listed here is an error, "
        "and so is a value of the wrong type; the message names the key and what was expected. "
        "`--set key.path=value` overrides any of them for one run, as in "
        "`--set targets.tired-arm.steps=10_000 --set seeds=[0]`. The run directory's "
        "`experiment.yaml` has every default spelled out.",
        f"This is [`experiments/studies/{STUDY}.yaml`](../experiments/studies/{STUDY}.yaml):",
        f"```yaml\n{example.read_text().strip()}\n```",
        "## Top level",
        _keys(config.Experiment),
        "## `source`",
        _keys(config.Source),
        "The policies that come along: [pretrained.md](pretrained.md).",
        "## `targets.<name>`",
        "What is not said is as in the source, but for `kwargs` and `wrappers`.",
        _keys(config.Target),
        "### `targets.<name>.anchors`",
        _keys(config.Anchors),
        "## `evaluation`",
        _keys(config.EvaluationPlan),
        "## `tuned`, among a method's settings",
        "What `headstart tune` writes beside the settings that it found: see "
        "[tuning.md](tuning.md).",
        _keys(Tuned),
        *_changes(),
        *_algorithms(),
        *_methods(),
    )


def worlds() -> str:
    """Return the page that lists the worlds, and says what holds for all of them."""
    rows = [
        (f"[`{world_id}`]({_world_page(world_id)})", entry.about, ", ".join(families(world_id)))
        for world_id, entry in WORLDS.items()
    ]
    return _page(
        "# The worlds",
        "Observations are float32, channels one after the other; actions are float32 in [-1, 1], "
        "mapped linearly onto the range given. Parameters stand with their hard bounds; "
        "randomizations and shifts change them as [the experiment file](experiment-file.md) says. "
        "`headstart describe WORLD` prints what a world's page holds.",
        _table(("world", "about", "families of shifts"), rows),
        "## Named shifts",
        _joined(inspect.getdoc(shifts) or ""),
        "A level's name promises a score, of a policy trained in the nominal world and evaluated "
        "as it is: "
        + "; ".join(f"`{level}` {band(level)}" for level in SHIFT_LEVELS)
        + ". 0 is what random actions get under that very shift, 1 what the policy gets in the "
        "nominal world. Where not even a family's extreme does the harm that a level stands for, "
        "the level is that extreme, marked with a star, out of its band: beyond it the parameter "
        "means nothing any more, or the physics does not hold. Levels were found on other "
        "episodes than those their scores are of, so that a score can lie a little beyond its "
        "band, and is marked then, too. `unmodelled` changes what the world's "
        "recommended randomization (`randomization: recommended`) leaves out, by 20 % of the "
        "nominal values, or of the upper bounds where those are 0.",
        "These levels are out of their bands:",
        _sheet(exceptions()),
        "## Many at once",
        _joined(inspect.getdoc(vec_env) or ""),
        f"```python\n{MANY}\n```",
        "`ParallelVectorEnv` is the same as a Gymnasium vector environment. A worker that dies, or "
        "says nothing for `timeout` seconds, ends all with one error that says what became of it. "
        "How much faster it is: [speed.md](../experiments/results/speed.md).",
        "## How finely time is divided",
        _joined((inspect.getdoc(timing) or "").split("\n\n")[1])
        + " `error` is in standard deviations of the observations, over "
        f"{timing.HORIZON} control steps of random actions, from the first touch on; bodies "
        "sink into each other by the depth given, at most, on average over "
        f"{timing.PLAYED} steps.",
    )


def world(world_id: str) -> str:
    """Return a world's page: channels, actions, rewards, parameters, shifts, time."""
    robot, task = WORLDS[world_id].parts()
    name = world_id.partition("/")[2]
    sections = [
        f"# {world_id}",
        f"![{WORLDS[world_id].about}](../images/worlds/{name}.png)",
        _about(robot),
        _about(task),
        _prose(task),
    ]
    # What comes first is the line of the catalog, which those say better.
    for part in itertools.islice(describe_world(world_id), 1, None):
        sections.append(_sheet(part) if isinstance(part, Sheet) else part)
    rows = [(f"`{key}`", f"`{change}`") for key, change in WORLDS[world_id].ranges.items()]
    sections += ["## Recommended randomization", _table(("parameter", "change"), rows)]
    studied = json.loads((Path(envs.__file__).parent / "timing.json").read_text()).get(world_id)
    if studied:
        why = WORLDS[world_id].why_timing
        sections += ["## How finely time is divided", why, _timing(studied["rows"])]
    return _page(*sections)


def _timing(rows: Iterable[dict[str, Any]]) -> str:
    columns = ("physics steps", "solver iterations", "error", "depth (mm)", "relative cost", "")
    chosen = next(row for row in rows if row["chosen"])
    return _table(
        columns,
        [
            (
                str(row["substeps"]),
                str(row["solver_iterations"]),
                f"{row['error']:.3f}",
                f"{1e3 * row['penetration']:.2f}",
                f"{row['microseconds'] / chosen['microseconds']:.2f}",
                "chosen" if row["chosen"] else "",
            )
            for row in rows
        ],
    )


def _world_page(world_id: str) -> str:
    return f"worlds/{world_id.partition('/')[2]}.md"


def pretrained() -> str:
    """Return the page on the policies that come along, made from their cards."""
    scores, recipes = [], []
    for (world_id, kind), card in shipped.cards().items():
        nominal, drawn = card["nominal"], card["recommended"]
        speed = nominal["speed"]
        scores.append(
            (
                f"`{world_id}`",
                kind,
                _spread(nominal),
                _share(nominal),
                "" if speed is None else f"{speed:.2f}",
                "" if drawn is None else _spread(drawn),
                "" if drawn is None else _share(drawn),
            )
        )
        recipes.append((f"`{world_id}`", kind, f"{card['steps']:,}", f"`{card['command']}`"))
    measured = "return", "success", "speed (m/s)", "return, randomized", "success, randomized"
    return _page(
        "# Ready-made policies",
        "These come along, trained with seed 0: `pretrained/nominal` in the world as it is, "
        "`pretrained/randomized` under the randomization recommended for it (`randomization: "
        "recommended`). An experiment takes one in place of training its source, by `source: "
        "{world: headstart/PandaReach-v0, bundle: pretrained/randomized}`, or by `source: "
        "pretrained/randomized` where all its targets name the same world. All seeds then share "
        "the one source policy, so intervals do not hold the variation between source policies; "
        "the report says so. `headstart evaluate pretrained/nominal --world "
        "headstart/PandaReach-v0` looks at one.",
        "Returns are mean ± standard deviation over the episodes of the card, in the nominal "
        "world and under the recommended randomization.",
        _table(("world", "policy", *measured), scores),
        "## Beside published returns",
        "The runners' robots, physics steps and rewards are those of the PyBullet Gym worlds, so "
        "their returns can be held against what RL Baselines3 Zoo publishes for those (one run "
        "each; PPO after 2 million steps, SAC after 1 million). What is observed differs: "
        "the worlds' pages say what.",
        _table(("world", "nominal policy", "of PPO's", "their world", "PPO", "SAC"), _published()),
        "## How they were made",
        "These commands train them anew, and `headstart bench pretrained` all of them. It writes "
        "their cards, too: `agents/pretrained/<World>/<kind>/card.json` holds versions, seeds and "
        "what a policy gets on each calibrated shift. `headstart bench pretrained --evaluate` "
        "evaluates those that come along.",
        _table(("world", "policy", "steps", "command"), recipes),
    )


def _published() -> list[tuple[str, ...]]:
    rows = []
    for world_id, (theirs, ppo, sac) in RL_ZOO.items():
        card = shipped.cards()[world_id, "nominal"]
        mean = card["nominal"]["return"]["mean"]
        rows.append(
            (
                f"`{world_id}`",
                f"{mean:,.0f} after {card['steps']:,} steps",
                f"{100 * mean / ppo:.0f} %",
                f"`{theirs}`",
                f"{ppo:,}",
                f"{sac:,}",
            )
        )
    return rows


def _spread(row: dict[str, Any]) -> str:
    return f"{row['return']['mean']:.1f} ± {row['return']['std']:.1f}"


def _share(row: dict[str, Any]) -> str:
    return "" if row["success"] is None else f"{100 * row['success']:.0f} %"


PAGES = {
    **{_world_page(world_id): partial(world, world_id) for world_id in WORLDS},
    "experiment-file.md": experiment_file,
    "worlds.md": worlds,
    "pretrained.md": pretrained,
}


def main() -> None:
    """Write all pages."""
    for name, page in PAGES.items():
        (HERE / name).parent.mkdir(exist_ok=True)
        (HERE / name).write_text(page(), encoding="utf-8")


def _changes() -> Iterable[str]:
    yield "## Changes: randomizations and shifts"
    yield (
        "A randomization and a shift say in the same way how a world differs from its nominal "
        'self: `"= v"` sets a parameter, `"* v"` scales its nominal, `"+ v"` adds to it. In a '
        "shift `v` is a number; in a randomization it may be a distribution. The quotes are "
        "needed: a `*` alone means something else to YAML. What could leave a parameter's hard "
        "bounds is refused before anything runs."
    )
    rows = []
    for word, kind in DISTRIBUTIONS.items():
        fields = [field.name for field in dataclasses.fields(kind)]
        arguments = "a, b, ..." if fields == ["values"] else ", ".join(fields)
        rows.append((f"`{word}({arguments})`", _prose(kind)))
    yield _table(("distribution", "meaning"), rows)


def _algorithms() -> Iterable[str]:
    yield "## Algorithms"
    yield (
        "`algorithm: ppo`, or `algorithm: {ppo: {learning_rate: 3e-4}}`. Any other class of "
        'Stable-Baselines3 or sb3-contrib by its path: `"sb3_contrib:TQC"`, '
        '`{"stable_baselines3:TD3": {learning_rate: 1e-3}}`, with that class\'s own settings. '
        "Defaults are headstart's presets where there is one (in bold) and Stable-Baselines3's "
        "otherwise. Settings that are objects in Python are text here: `activation_fn: tanh`, "
        "and `package.module:Class` for policies and feature extractors."
    )
    for name, cls in ALGORITHMS.items():
        preset = PRESETS[name, None]
        meanings = {**_parameter_docs(cls), **MEANINGS}
        rows = []
        for key, kind in setting_types(cls).items():
            default = {"policy": "MlpPolicy", **OWN, **preset}.get(key)
            if default is None and key not in preset:
                default = Algorithm(name, {}).value(key)
            shown = f"`{in_yaml(default)}`"
            rows.append(
                (
                    f"`{key}`",
                    _type(kind),
                    f"**{shown}**" if key in preset else shown,
                    meanings.get(key, ""),
                )
            )
        yield f"### `{name}`"
        yield _table(("setting", "type", "default", "meaning"), rows)
        for (algorithm, world_id), settings in PRESETS.items():
            if algorithm == name and world_id is not None:
                yield f"Preset for `{world_id}`: `{in_yaml(settings)}`."


def _methods() -> Iterable[str]:
    yield "## Methods"
    yield (
        "`methods: [scratch, {fine_tune: {critic_steps: 5_000}}]`; your own class as "
        '`"package.module:Class"`.'
    )
    yield f"`normalizer`, where a method has it: {_joined(_docstring(normalizer, 'Normalizer'))}"
    for name, cls in METHODS.items():
        yield f"### `{name}`"
        yield _prose(cls)
        hints = typing.get_type_hints(cls, include_extras=True)
        rows = [
            (f"`{key}`", _type(hints[key]), f"`{in_yaml(value)}`")
            for key, value in defaults(cls).items()
        ]
        if rows:
            yield _table(("setting", "type", "default"), rows)


def _keys(section: type[BaseModel]) -> str:
    """Return the table of a section's keys."""
    rows = []
    schema = section.model_json_schema()["properties"]
    for key, field in section.model_fields.items():
        default = "required" if field.is_required() else f"`{in_yaml(field.default)}`"
        meaning = _joined(field.description or "")
        rows.append((f"`{key}`", _schema_type(schema[key]), default, meaning))
    return _table(("key", "type", "default", "meaning"), rows)


def _type(hint: Any) -> str:
    """Return what a type hint allows in YAML, in words."""
    return _schema_type(TypeAdapter(hint).json_schema())


def _schema_type(schema: dict[str, Any]) -> str:
    """Return what a JSON schema allows, in words."""
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_schema_type(part) for part in schema["anyOf"]))
    if "enum" in schema:
        return " or ".join(f"`{choice}`" for choice in schema["enum"])
    kind = schema.get("type")
    if kind == "array":
        parts = schema.get("prefixItems") or [schema["items"]]
        return f"list of {' and '.join(_schema_type(part) for part in parts)}"
    if kind == "object":
        values = schema.get("additionalProperties")
        simple = isinstance(values, dict) and values.get("type") in ("string", "number")
        return f"mapping to {_schema_type(values)}" if simple else "mapping"
    words = {
        "string": "text",
        "boolean": "true or false",
        None: "mapping" if "$ref" in schema else "any",
    }
    text = words.get(kind, kind)
    limits = (("minimum", ">="), ("exclusiveMinimum", ">"), ("maximum", "<="))
    return text + "".join(f" {sign} {schema[key]}" for key, sign in limits if key in schema)


def _parameter_docs(cls: type[Any]) -> dict[str, str]:
    """Return the first sentence on each constructor argument out of a docstring's `:param`s."""
    found = re.findall(r":param (\w+):(.*?)(?=:param|:return|\Z)", cls.__doc__ or "", re.DOTALL)
    return {name: _sentence(_joined(text.replace("``", "`"))) for name, text in found}


def _prose(cls: type[Any]) -> str:
    """Return a class's docstring, its paragraphs on one line each."""
    return "\n\n".join(_joined(part) for part in (inspect.getdoc(cls) or "").split("\n\n"))


def _about(cls: type[Any]) -> str:
    """Return the first paragraph of the docstring of a class's module."""
    return _joined((inspect.getmodule(cls).__doc__ or "").split("\n\n")[0])


def _docstring(module: Any, name: str) -> str:
    """Return what stands below the assignment of `name` in a module."""
    body = ast.parse(inspect.getsource(module)).body
    for statement, following in itertools.pairwise(body):
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == name:
            return ast.literal_eval(following.value)
    raise LookupError(f"{module.__name__} assigns no {name}")


def _sentence(text: str) -> str:
    """Return what comes first, without what no text file can state and what the table says."""
    ends = r"\. (?=[A-Z])|,? it can be|\s+\(?[Dd]efault|\s+(?i:note: |see issue)"
    first = re.split(ends, text)[0]
    return f"{first[:1].upper()}{first[1:]}".rstrip(".,;: ")


def _joined(text: str) -> str:
    return " ".join(text.split())


def _sheet(sheet: Sheet) -> str:
    return _table(sheet.columns, sheet.rows)


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines
    )


def _page(*blocks: str) -> str:
    return "\n\n".join((MADE, *blocks)) + "\n"


if __name__ == "__main__":
    main()
