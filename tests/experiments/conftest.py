"""A run directory made up from formulas, for the tests of measuring and showing."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from headstart.experiments.config.yaml_text import dumps
from headstart.experiments.running import probing

# What probes of Gymnasium's own worlds have answered, by what they were asked.
_answered: dict[str, Any] = {}
_GYMNASIUMS = ("Pendulum-v1", "CartPole-v1")


@pytest.fixture(autouse=True)
def probed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Probe Gymnasium's own worlds once for all tests: each probe is a process of its own.

    Its answer depends on the working directory, which is another one in each test, only where code
    of one's own is involved.
    """
    ask = probing._ask

    def kept(order: str, main: Any, *place: Any) -> Any:
        asked = json.loads(order)
        worlds = [*asked["worlds"], *asked.get("examined", {}).values()]
        own = any(one["world"] not in _GYMNASIUMS or one["wrappers"] for one in worlds)
        if own or asked["modules"] or main.packed:
            return ask(order, main, *place)
        if order not in _answered:
            _answered[order] = ask(order, main, *place)
        return _answered[order]

    kept.cache_clear = ask.cache_clear  # type: ignore[attr-defined]
    monkeypatch.setattr(probing, "_ask", kept)


METHODS = ("scratch", "zero_shot", "naive", "fine_tune", "feature_reuse")
RANDOM, REFERENCE = -120.0, -10.0
# score at the start, at the end, and the share of the budget over which it rises
SHAPES = {
    "scratch": (0.02, 0.93, 0.30),
    "zero_shot": (0.58, 0.58, 1.0),
    "naive": (0.35, 0.92, 0.20),
    "fine_tune": (0.58, 0.98, 0.06),
    "feature_reuse": (0.04, 0.55, 0.35),
}


def _curve(method: str, seed: int, grid: np.ndarray) -> np.ndarray:
    begin, end, rise = SHAPES[method]
    rng = np.random.default_rng([seed, *method.encode()])
    begin, end = begin + 0.05 * rng.normal(), end + 0.02 * rng.normal()
    end = begin if method == "zero_shot" else end
    rise *= np.exp(0.15 * rng.normal())
    scores = end - (end - begin) * np.exp(-grid / (rise * grid[-1]))
    if method == "naive":
        scores = scores - 0.3 * np.exp(-((grid / grid[-1] - 0.05) ** 2) / 0.001)
    if method != "zero_shot":
        scores[1:] += 0.015 * rng.normal(size=grid.size - 1)
    return RANDOM + scores * (REFERENCE - RANDOM)


def write_trial(path: Path, grid: Sequence[float], returns: Sequence[float], **status: Any) -> None:
    """Write a trial's evaluations.jsonl and status.json."""
    path.mkdir(parents=True, exist_ok=True)
    lines = [
        {
            "step": int(step),
            "return": float(value),
            "returns": [float(value) - 1, float(value) + 1],
            "success": float(np.clip((value - RANDOM) / (REFERENCE - RANDOM), 0, 1)),
            "length": 50.0,
            "episodes": 20,
        }
        for step, value in zip(grid, returns, strict=True)
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (path / "evaluations.jsonl").write_text(text)
    begun = {"state": "done", "step": int(grid[-1]), "steps": int(grid[-1]), "error": None}
    begun |= {"traceback": None, "seconds": 12.5, "computed_on": ["cpu: x86_64"]}
    (path / "status.json").write_text(json.dumps(begun | status))


def draw_curves(run: Any, summary: Any, target: str) -> Any:
    """Return the figure of a target's learning curves."""
    from headstart.experiments.showing.figures.curves import curves_by_method, learning_curves

    shown = curves_by_method(run, target)
    return learning_curves(target, summary.targets[target], summary.threshold, shown)


def build_run(
    root: Path,
    *,
    seeds: Sequence[int] = (0, 1, 2),
    targets: Sequence[str] = ("tired-arm", "long-tool"),
    methods: Sequence[str] = METHODS,
    failed: Sequence[tuple[str, str, int]] = (),
    anchors: bool = True,
    policies: int | None = None,
) -> Path:
    """Write a run directory whose curves follow `SHAPES`, and return its path.

    With `policies` the seeds share so many source policies in turn.
    """
    parameters = {
        "action_delay": ("s", 0.0, 0.0, 0.2, "time from command to motion"),
        "motor_strength": ("1", 1.0, 0.1, 2.0, "factor on joint torques"),
        "tool_length": ("m", 0.1, 0.0, 0.4, "hand to tool tip"),
        "gravity": ("m/s^2", 9.81, 0.0, 20.0, "downward acceleration"),
    }
    names = ("unit", "nominal", "low", "high", "about")
    world = "headstart/PandaReach-v0"
    experiment = {
        "name": "quickstart",
        "source": {
            "world": world,
            "randomization": {
                "action_delay": "= uniform(0, 0.06)",
                "motor_strength": "* loguniform(0.6, 1.4)",
            },
            "algorithm": {"ppo": {"n_steps": 64}},
            "steps": 100_000,
            **({} if policies is None else {"policies": policies}),
        },
        "targets": {
            name: {
                "world": world,
                "shift": {"action_delay": "= 0.04", "tool_length": "+ 0.08"},
                "kwargs": {},
                "wrappers": [],
                "steps": 60_000,
            }
            for name in targets
        },
        "methods": [{name: {}} for name in methods],
        "seeds": list(seeds),
        "evaluation": {"every": 2_000, "episodes": 20, "threshold": 0.8},
    }
    stored = {
        "random": {"return": RANDOM, "origin": "random policy, measured by this run"},
        "reference": {"return": REFERENCE, "origin": "PPO, 2,000,000 steps on this target"},
    }
    unknown = stored | {"reference": None}
    facts = {
        "commands": ["headstart run experiments/studies/quickstart.yaml --jobs 2"],
        "versions": {"headstart": "0.1.0", "torch": "2.13.0"},
        "hardware": {"processor": "x86_64", "cores": 2, "memory": "8 GiB"},
        "git": "0123456789abcdef",
        "started": "2025-01-01T12:00:00+00:00",
        "parameters": {
            world: {name: dict(zip(names, row, strict=True)) for name, row in parameters.items()}
        },
        "anchors": dict.fromkeys((*targets, "source"), stored if anchors else unknown),
    }
    root.mkdir(parents=True, exist_ok=True)
    (root / "experiment.yaml").write_text(dumps(experiment))
    (root / "facts.json").write_text(json.dumps(facts))
    grid = np.linspace(0, 60_000, 31)
    for seed in seeds:
        source = _curve("scratch", 100 + seed, np.linspace(0, 100_000, 11))
        path = root / "source" / "randomized" / f"seed-{seed}"
        write_trial(path, np.linspace(0, 100_000, 11), source)
        for i, target in enumerate(targets):
            for method in methods:
                path = root / "trials" / target / method / f"seed-{seed}"
                returns = _curve(method, 10 * i + seed, grid)
                if (target, method, seed) in failed:
                    error = "TrainingError: NaN in the loss at step 14,336"
                    trace = f"Traceback (most recent call last):\n  <train>\n{error}\n"
                    status = {"state": "failed", "step": 14_336, "steps": 60_000}
                    status |= {"error": error, "traceback": trace}
                    write_trial(path, grid[:8], returns[:8], **status)
                    continue
                kept = {"source_return_before": source[-1], "source_return_after": source[-1] - 4}
                write_trial(path, grid, returns, **(kept if method != "scratch" else {}))
    return root


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Path]:
    """Return `build_run` with a directory of this test's own."""
    return lambda **settings: build_run(tmp_path / "run", **settings)


def write_curve(root: Path, method: str, seed: int, scores: Sequence[float]) -> None:
    """Replace a trial's curve by one of these scores at steps 0, 10, 20, ..."""
    path = root / "trials" / "tired-arm" / method / f"seed-{seed}"
    fixed = {"success": None, "length": 10.0, "episodes": 4}
    lines = [
        {"step": 10 * i, "return": -120 + 110 * score, "returns": [-120 + 110 * score]} | fixed
        for i, score in enumerate(scores)
    ]
    (path / "evaluations.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    status = {"state": "done", "step": 100, "steps": 100, "error": None, "traceback": None}
    (path / "status.json").write_text(json.dumps(status | {"seconds": 1.0}))


@pytest.fixture
def tiny(make_run: Callable[..., Path]) -> Path:
    """Two methods, two seeds, anchors -120 and -10: a score of x is a return of -120 + 110 x."""
    root = make_run(seeds=(0, 1), targets=("tired-arm",), methods=("scratch", "fine_tune"))
    write_curve(root, "scratch", 0, [0, 0, 0, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8])
    write_curve(root, "scratch", 1, [0, 0, 0, 0, 0, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4])
    write_curve(root, "fine_tune", 0, [0.5, 0.3, 0.5, *[1] * 8])
    write_curve(root, "fine_tune", 1, [0.7, 0.9, 0.9, *[0.9] * 8])
    return root


@pytest.fixture
def tell_terms(tiny: Path) -> Callable[..., None]:
    """Return a function that puts reward terms into the last evaluation of a trial of `tiny`."""

    def tell(method: str, seed: int, **terms: float) -> None:
        path = tiny / "trials" / "tired-arm" / method / f"seed-{seed}" / "evaluations.jsonl"
        *before, last = path.read_text().splitlines()
        last = json.dumps(json.loads(last) | {"reward_terms": terms})
        path.write_text("\n".join([*before, last]))

    return tell


@pytest.fixture
def tunable() -> dict[str, Any]:
    """A tiny experiment to be tuned, one of its seeds where the tuning ones would else begin."""
    algorithm = {"ppo": {"worlds": 2, "n_steps": 32, "batch_size": 32, "n_epochs": 1}}
    anchors = {"random": -1600.0, "reference": -1100.0}
    return {
        "name": "tiny",
        "source": {"world": "Pendulum-v1", "algorithm": algorithm, "steps": 64},
        "targets": {
            "heavy": {"kwargs": {"g": 14.0}, "steps": 192, "anchors": anchors},
            "light": {"kwargs": {"g": 6.0}, "steps": 64},
        },
        "methods": ["scratch", {"fine_tune": {"label": "careful", "critic_steps": 0}}],
        "seeds": [0, 100],
        "evaluation": {"every": 64, "episodes": 1, "anchor_episodes": 4},
    }
