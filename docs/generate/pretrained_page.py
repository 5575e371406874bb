"""The page on the pretrained policies, made from their cards."""

from __future__ import annotations

from typing import Any

from headstart.agents.bundles import pretrained as bundles
from markdown_text import page, table

# From rl-baselines3-zoo's benchmark.md, one run each: PPO after 2 million steps, SAC after 1.
RL_ZOO = {
    "headstart/Hopper-v0": ("HopperBulletEnv-v0", 2575, 2603),
    "headstart/HalfCheetah-v0": ("HalfCheetahBulletEnv-v0", 2925, 2792),
    "headstart/Ant-v0": ("AntBulletEnv-v0", 2866, 3073),
}


def pretrained() -> str:
    """Return the page on the pretrained policies."""
    scores, recipes = [], []
    for (world_id, kind), card in bundles.cards().items():
        scores.append((f"`{world_id}`", kind, *_measured(card)))
        recipes.append((f"`{world_id}`", kind, f"{card['steps']:,}", f"`{card['command']}`"))
    measured = "return", "success", "speed (m/s)", "return, randomized", "success, randomized"
    return page(
        "# Pretrained policies",
        "Two policies per world are part of the package, trained with seed 0: `pretrained/nominal` "
        "in the nominal world, "
        "`pretrained/randomized` under the randomization recommended for it (`randomization: "
        "recommended`). An experiment takes one in place of training its source, by `source: "
        "{world: headstart/PandaReach-v0, bundle: pretrained/randomized}`, or by `source: "
        "pretrained/randomized` where all its targets name the same world. All seeds then share "
        "the one source policy, so intervals do not include the variation between source policies; "
        "the report says so. `headstart evaluate pretrained/nominal --world "
        "headstart/PandaReach-v0` evaluates one.",
        "Returns are mean ± standard deviation over the episodes of the card, in the nominal "
        "world and under the recommended randomization.",
        table(("world", "policy", *measured), scores),
        "## Compared with published returns",
        "The runners' robots, physics steps and rewards are those of the PyBullet Gym worlds, so "
        "their returns can be compared with what RL Baselines3 Zoo publishes for those (one run "
        "each; PPO after 2 million steps, SAC after 1 million). The observations differ: "
        "the worlds' pages list them.",
        table(("world", "nominal policy", "of PPO's", "their world", "PPO", "SAC"), _published()),
        "## How they were made",
        "These commands train them anew, and `headstart bench pretrained` all of them. It writes "
        "their cards, too: `agents/pretrained/<World>/<kind>/card.json` holds versions, seeds and "
        "a policy's result on each calibrated shift. `headstart bench pretrained --evaluate` "
        "evaluates those of the package.",
        table(("world", "policy", "steps", "command"), recipes),
    )


def _measured(card: dict[str, Any]) -> tuple[str, ...]:
    """Return what was measured of a policy, in the nominal world and under randomization."""
    nominal, drawn = card["nominal"], card["recommended"]
    speed = "" if nominal["speed"] is None else f"{nominal['speed']:.2f}"
    randomized = ("", "") if drawn is None else (_spread(drawn), _share(drawn))
    return (_spread(nominal), _share(nominal), speed, *randomized)


def _published() -> list[tuple[str, ...]]:
    rows = []
    for world_id, (theirs, ppo, sac) in RL_ZOO.items():
        card = bundles.cards()[world_id, "nominal"]
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
