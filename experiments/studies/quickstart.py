"""The quickstart as a script, made to be copied: `python experiments/studies/quickstart.py`.

It is the experiment of studies/quickstart.yaml; a test holds the two equal. What may stand here:
docs/experiment-file.md. What a world can be varied in: `headstart describe WORLD`.
"""

import headstart

EXPERIMENT = {
    # The results go to runs/<name>; the same script goes on where it was interrupted.
    "name": "quickstart",
    # Where is learned first: every training episode draws these parameters anew. "=" sets a
    # parameter, "*" scales its nominal, "+" adds to it.
    "source": {
        "world": "headstart/PandaReach-v0",
        "randomization": {
            "action_delay": "= uniform(0, 0.08)",
            "motor_strength": "* loguniform(0.5, 1.3)",
            "velocity_gain": "* uniform(0.7, 1.2)",
            "motor_lag": "= uniform(0, 0.08)",
            "payload_mass": "= uniform(0, 3)",
            "position_noise": "= uniform(0, 0.01)",
        },
        "algorithm": "ppo",  # or {"ppo": {"n_steps": 128}}, "sac", "sb3_contrib:TQC"
        "steps": 48_000,
    },
    # The world that counts. The tool's length was not randomized in the source, so the policy has
    # to learn on here.
    "targets": {
        "tired-arm": {
            "shift": {
                "action_delay": "= 0.04",
                "motor_strength": "* 0.7",
                "velocity_gain": "* 0.85",
                "motor_lag": "= 0.04",
                "payload_mass": "= 1.5",
                "tool_length": "+ 0.05",
            },
            "steps": 24_000,
        },
    },
    # What is compared; "scratch" is what every gain is measured against.
    "methods": [
        "scratch",
        "zero_shot",
        "naive",
        "fine_tune",
        {"feature_reuse": {"freeze": ["features"]}},
    ],
    # One source policy and one trial per method for each; claims need five or more.
    "seeds": [0, 1, 2],
    "evaluation": {"every": 2_000, "episodes": 20, "threshold": 0.8},
}

if __name__ == "__main__":
    result = headstart.run(EXPERIMENT)
    result.show()
    print(f"report: {result.directory / 'report.html'}")
    print(f"curves: tensorboard --logdir {result.directory}/trials")
