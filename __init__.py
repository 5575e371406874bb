"""headstart: does what was learned in simulation help there, and by how much?

    import headstart

    result = headstart.run("experiment.yaml")
    result.show()

Importing it registers the worlds (`headstart/PandaReach-v0`, ...) with Gymnasium.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .envs import HeadstartError, Parameter, Parameterized, ParameterSpace, World

if TYPE_CHECKING:
    from .agents.bundles.loaded import load_policy
    from .experiments.api import run
    from .experiments.config.schema import Experiment, load
    from .experiments.showing.result import Result
    from .transfer.methods import Method, Problem
    from .transfer.randomization import UniformRandomization

__version__ = "0.1.0"

__all__ = [
    "Experiment",
    "HeadstartError",
    "Method",
    "Parameter",
    "ParameterSpace",
    "Parameterized",
    "Problem",
    "Result",
    "UniformRandomization",
    "World",
    "load",
    "load_policy",
    "run",
]

# These need torch, whose import takes seconds; making a world should not wait for it.
_LATE = {
    "Experiment": ".experiments.config.schema",
    "load": ".experiments.config.schema",
    "load_policy": ".agents.bundles.loaded",
    "Result": ".experiments.showing.result",
    "run": ".experiments.api",
    "Method": ".transfer.methods",
    "Problem": ".transfer.methods",
    "UniformRandomization": ".transfer.randomization",
}


def __getattr__(name: str) -> Any:
    if name in _LATE:
        from importlib import import_module

        return getattr(import_module(_LATE[name], __name__), name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
