"""Make the pictures of the documentation: `python docs/pictures.py`.

With arguments only those: a world's id, or `transfer` for the moving picture of the README.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import gymnasium
import headstart
import matplotlib.image
from headstart.agents.bundles import bundle, pretrained
from headstart.envs import WORLDS
from headstart.experiments.showing.video.watch import watch

FOLDER = Path(__file__).parent / "images"
SIZE = (640, 400)
MOMENT = 0.25
"""The share of an episode after which a world's picture is taken."""
SEED = 1_000_000

# The car of the README: its front wheels stand 0.2 rad off, which the policy has never met.
TRANSFER = "transfer"
WORLD = "headstart/RacecarTrack-v0"
SHIFT = "misaligned/0.5"
EXPERIMENT = {
    "name": TRANSFER,
    "source": {"world": WORLD, "bundle": "pretrained/nominal"},
    "targets": {"misaligned": {"shift": SHIFT, "steps": 20_000}},
    "methods": ["zero_shot", "fine_tune"],
    "seeds": [0],
    "evaluation": {"every": 2_000, "episodes": 20, "seed": SEED},
}
FIRST_EPISODE = 5
"""The first of the two evaluation episodes that are shown."""


def world_picture(world_id: str) -> None:
    """Write the picture of a world with its nominal policy at work.

    A world without a policy is shown as it starts.
    """
    has_policy = any(world == world_id for world, _, _ in pretrained.listed())
    env = gymnasium.make(world_id, render_mode="rgb_array", image_size=SIZE)
    observation, _ = env.reset(seed=SEED)
    if has_policy:
        place = pretrained.find_pretrained("pretrained/nominal", world_id)
        policy = bundle.load(place).policy().acting()
        for _ in range(int(MOMENT * env.unwrapped.task.episode_steps)):
            observation, *_ = env.step(policy.act(observation[None])[0])
    folder = FOLDER / "worlds"
    folder.mkdir(parents=True, exist_ok=True)
    matplotlib.image.imsave(folder / f"{world_id.partition('/')[2]}.png", env.render())
    env.close()


def transfer_picture() -> None:
    """Fine-tune a policy on a car with misaligned wheels; record it before and after."""
    with tempfile.TemporaryDirectory() as folder:
        result = headstart.run(EXPERIMENT, out=folder)
        result.show()
        watch(
            "pretrained/nominal",
            FOLDER / f"{TRANSFER}.gif",
            world=WORLD,
            shift=SHIFT,
            against=Path(folder) / "trials" / "misaligned" / "fine_tune" / "seed-0",
            episodes=2,
            seed=SEED + FIRST_EPISODE,
            fps=15,
            size="400x300",
        )


if __name__ == "__main__":
    for name in sys.argv[1:] or (*WORLDS, TRANSFER):
        if name == TRANSFER:
            transfer_picture()
        else:
            world_picture(name)
