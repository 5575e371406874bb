"""Make rliable_reference.json: what rliable says of fixed scores, which test_across.py holds to.

rliable 1.2.0 cannot be imported beside pandas 3, so it runs in an environment of its own:

    python -m venv rliable && rliable/bin/pip install rliable==1.2.0 "pandas<3"
    rliable/bin/python tests/experiments/reference/rliable_reference.py
"""

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
from rliable import library, metrics

LEVELS = [-0.25, 0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0, 1.25]


def scores(seeds: int, targets: int, stream: int) -> np.ndarray:
    """Return scores `(seeds, targets)`, some of them far down as of seeds that failed."""
    rng = np.random.default_rng(stream)
    failed = rng.random((seeds, targets)) < 0.2
    return rng.normal(np.linspace(0.3, 0.95, targets) - 0.6 * failed, 0.15)


def case(seeds: int, targets: int, stream: int) -> dict:
    """Return one pair of methods' scores and what rliable makes of them."""
    transfer, scratch = scores(seeds, targets, stream), scores(seeds, targets, stream + 1000) - 0.1
    profile, _ = library.create_performance_profile({"T": transfer}, np.array(LEVELS), reps=2)
    return {
        "transfer": transfer.tolist(),
        "scratch": scratch.tolist(),
        "iqm": float(metrics.aggregate_iqm(transfer)),
        "optimality_gap": float(metrics.aggregate_optimality_gap(transfer)),
        "mean": float(metrics.aggregate_mean(transfer)),
        "probability": float(metrics.probability_of_improvement(transfer, scratch)),
        "profile": profile["T"].tolist(),
    }


def main() -> None:
    """Write the file beside this script."""
    sizes = [(3, 2), (5, 1), (5, 3), (7, 4), (10, 6), (30, 5)]
    found = {
        "versions": {name: version(name) for name in ("rliable", "arch", "numpy", "pandas")},
        "levels": LEVELS,
        "cases": [case(*size, stream) for stream, size in enumerate(sizes)],
    }
    path = Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
