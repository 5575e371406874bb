"""The driving study as a script, made to be copied: `python experiments/studies/driving.py`.

It is the experiment of studies/driving.yaml; a test holds the two equal. What may stand here:
docs/experiment-file.md. What the car can be varied in: `headstart describe
headstart/RacecarTrack-v0`.
"""

import headstart

EXPERIMENT = {
    "name": "driving",
    # Where is learned first: a car as it was built, on a new track in every episode.
    "source": {
        "world": "headstart/RacecarTrack-v0",
        "algorithm": "ppo",
        "steps": 80_000,
    },
    # The car that counts: its front wheels point 0.2 rad to the side.
    "targets": {"askew-car": {"shift": "misaligned/0.5", "steps": 32_000}},
    "methods": [
        "scratch",
        "zero_shot",
        "naive",
        "fine_tune",
        {"feature_reuse": {"freeze": ["features"]}},
    ],
    "seeds": [0, 1, 2, 3, 4],
    "evaluation": {"every": 2_000, "episodes": 20, "threshold": 0.8},
}

if __name__ == "__main__":
    result = headstart.run(EXPERIMENT)
    result.show()
    print(f"report: {result.directory / 'report.html'}")
    print(f"curves: tensorboard --logdir {result.directory}/trials")
