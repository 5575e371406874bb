"""The pages on the worlds: the list of all, and one page each."""

from __future__ import annotations

import inspect
import itertools
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from headstart import envs
from headstart.envs import shifts
from headstart.envs.catalog import WORLDS
from headstart.envs.shifts import SHIFT_LEVELS, families
from headstart.envs.vector import vec_env
from headstart.experiments.bench import timing
from headstart.experiments.showing.tables.registries import (
    Sheet,
    band,
    describe_world,
    exceptions,
)
from markdown_text import joined, module_summary, page, paragraphs, sheet_table, table

MANY = """
import gymnasium
from headstart.envs.vector import ParallelVecEnv
from stable_baselines3 import PPO

worlds = ParallelVecEnv([lambda: gymnasium.make("headstart/A1Walk-v0")] * 16, workers=2)
PPO("MlpPolicy", worlds).learn(100_000)
worlds.close()
""".strip()

# The heading above a table of `describe_world`, by the table's first column.
HEADINGS = {
    "observation": "Observations",
    "action": "Actions",
    "reward term": "Rewards",
    "parameter": "Parameters",
    "family of shifts": "Named shifts",
}


def world_page_path(world_id: str) -> str:
    """Return the path of a world's page below docs/."""
    return f"worlds/{_short(world_id)}.md"


def worlds() -> str:
    """Return the page that lists the worlds, with what holds for all of them."""
    return page(
        "# The worlds",
        _gallery(),
        "Observations are float32, channels one after the other; actions are float32 in [-1, 1], "
        "mapped linearly onto the range given. Parameters are listed with their hard bounds; "
        "randomizations and shifts change them as [the experiment file](experiment-file.md) says. "
        "`headstart describe WORLD` prints the content of a world's page.",
        "## Named shifts",
        joined(inspect.getdoc(shifts) or ""),
        "A level's name promises a score, of a policy trained in the nominal world and evaluated "
        "without further training: "
        + "; ".join(f"`{level}` {band(level)}" for level in SHIFT_LEVELS)
        + ". A score of 0 is the return of random actions under the same shift, 1 that of the "
        "policy in the nominal world. Where even a family's extreme does less harm than the level "
        "promises, the level is that extreme and is marked with a star: beyond it the parameter "
        "has no meaning, or the physics is no longer valid. Levels were found on other "
        "episodes than those their scores are measured on, so a score can lie slightly outside its "
        "band; it is then marked, too. `unmodelled` changes what the world's "
        "recommended randomization (`randomization: recommended`) leaves out, by 20 % of the "
        "nominal values, or of the upper bounds where those are 0.",
        "These levels are outside their bands:",
        sheet_table(exceptions()),
        "## Many worlds at once",
        joined(inspect.getdoc(vec_env) or ""),
        f"```python\n{MANY}\n```",
        "`ParallelVectorEnv` is the same as a Gymnasium vector environment. If a worker dies, or "
        "does not answer for `timeout` seconds, all workers are ended with one error that gives "
        "the reason. How much faster it is: [speed](../experiments/results/speed.md).",
        "## How finely time is divided",
        joined((inspect.getdoc(timing) or "").split("\n\n")[1])
        + " `error` is in standard deviations of the observations, over "
        f"{timing.HORIZON} control steps of random actions, from the first contact on; `depth` is "
        "the greatest depth to which bodies sink into each other, on average over "
        f"{timing.PLAYED} steps.",
    )


def _gallery() -> str:
    rows = []
    for world_id, entry in WORLDS.items():
        target = world_page_path(world_id)
        image = f"![{_short(world_id)}]({_image(world_id)})"
        about = f"[**{_short(world_id)}**]({target}): {entry.about}. "
        rows.append((f"[{image}]({target})", about + f"Shifts: {', '.join(families(world_id))}."))
    return table(("world", "about"), rows)


def _short(world_id: str) -> str:
    return world_id.partition("/")[2]


def _image(world_id: str) -> str:
    return f"images/worlds/{_short(world_id)}.png"


def world(world_id: str) -> str:
    """Return a world's page: channels, actions, rewards, parameters, shifts, time."""
    entry = WORLDS[world_id]
    robot, task = entry.parts()
    sections = [
        f"# {world_id}",
        f"![{entry.about}](../{_image(world_id)})",
        module_summary(robot),
        module_summary(task),
        paragraphs(task),
    ]
    # The first part is the line of the catalog, which the docstrings above say in more detail.
    for part in itertools.islice(describe_world(world_id), 1, None):
        if isinstance(part, Sheet):
            heading = HEADINGS.get(part.columns[0])
            sections += [f"## {heading}"] if heading else []
            sections.append(sheet_table(part))
        else:
            sections.append(part)
    rows = [(f"`{key}`", f"`{change}`") for key, change in entry.ranges.items()]
    sections += ["## Recommended randomization", table(("parameter", "change"), rows)]
    studied = json.loads((Path(envs.__file__).parent / "timing.json").read_text()).get(world_id)
    if studied:
        sections += ["## How finely time is divided", entry.why_timing, _timing(studied["rows"])]
    return page(*sections)


def _timing(rows: Iterable[dict[str, Any]]) -> str:
    columns = ("physics steps", "solver iterations", "error", "depth (mm)", "relative cost", "")
    chosen = next(row for row in rows if row["chosen"])
    lines = [
        (
            str(row["substeps"]),
            str(row["solver_iterations"]),
            f"{row['error']:.3f}",
            f"{1e3 * row['penetration']:.2f}",
            f"{row['microseconds'] / chosen['microseconds']:.2f}",
            "chosen" if row["chosen"] else "",
        )
        for row in rows
    ]
    return table(columns, lines)
