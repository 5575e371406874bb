"""Write the picture of every world: `python docs/pictures.py`.

A world's ready-made policy is at work in it; a world without one stands as it starts.
"""

from __future__ import annotations

import sys
from pathlib import Path

import gymnasium
import matplotlib.image
from headstart.agents.bundles import bundle, pretrained
from headstart.envs import WORLDS

FOLDER = Path(__file__).parent / "images" / "worlds"
SIZE = (640, 400)
MOMENT = 0.25
"""The share of an episode after which the picture is taken."""
SEED = 1_000_000


def picture(world_id: str) -> None:
    """Play the nominal policy, if there is one, until the moment, and write what is seen."""
    has_policy = any(world == world_id for world, _, _ in pretrained.listed())
    env = gymnasium.make(world_id, render_mode="rgb_array", image_size=SIZE)
    observation, _ = env.reset(seed=SEED)
    if has_policy:
        policy = bundle.load(pretrained.find("pretrained/nominal", world_id)).policy()
        for _ in range(int(MOMENT * env.unwrapped.task.episode_steps)):
            observation, *_ = env.step(policy.act(observation[None])[0])
    FOLDER.mkdir(parents=True, exist_ok=True)
    matplotlib.image.imsave(FOLDER / f"{world_id.partition('/')[2]}.png", env.render())
    env.close()


if __name__ == "__main__":
    for chosen in sys.argv[1:] or WORLDS:
        picture(chosen)
