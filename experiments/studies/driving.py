"""The driving study as a script, made to be copied: `python experiments/studies/driving.py`.

It is the experiment of studies/driving.yaml; a test holds the two equal. What may stand here:
docs/experiment-file.md. What the car can be varied in: `headstart describe
headstart/RacecarTrack-v0`.
"""

import headstart

EXPERIMENT = {
    "name": "driving",
    # Where is learned first: a car that differs a little in every episode, on tracks that do too.
    "source": {
        "world": "headstart/RacecarTrack-v0",
        "randomization": {
            "tyre_friction": "* loguniform(0.5, 1.3)",
            "chassis_mass": "* uniform(0.8, 1.5)",
            "motor_strength": "* uniform(0.7, 1.2)",
            "steering_gain": "* uniform(0.8, 1.2)",
            "steering_offset": "= uniform(-0.05, 0.05)",
            "action_delay": "= uniform(0, 0.06)",
            "lidar_noise": "= uniform(0, 0.05)",
        },
        "algorithm": "ppo",
        "steps": 82_000,
    },
    # The car that counts: worn, laden, late, and its steering more askew than any that was seen.
    "targets": {
        "worn-car": {
            "shift": {
                "tyre_friction": "* 0.75",
                "chassis_mass": "* 1.3",
                "action_delay": "= 0.04",
                "steering_offset": "= 0.2",
            },
            "steps": 32_000,
        },
    },
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
