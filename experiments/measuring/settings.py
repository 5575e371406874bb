"""What an experiment that was run says of its source, targets and evaluations, as records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class SourceSettings:
    """What an experiment says of its source; see `config.schema.Source`."""

    world: str | None
    steps: int | None
    bundle: str | None
    bundle_sha256: str | None
    policies: int | None
    algorithm: Any
    randomization: Mapping[str, str]
    kwargs: Mapping[str, Any]
    wrappers: Sequence[Any]

    @classmethod
    def read(cls, written: Mapping[str, Any]) -> SourceSettings:
        """Return the settings that the `source` of a resolved experiment holds."""
        return cls(
            world=written.get("world"),
            steps=written.get("steps"),
            bundle=written.get("bundle"),
            bundle_sha256=written.get("bundle_sha256"),
            policies=written.get("policies"),
            algorithm=written.get("algorithm"),
            randomization=written.get("randomization") or {},
            kwargs=written.get("kwargs") or {},
            wrappers=written.get("wrappers") or (),
        )


@dataclass(frozen=True)
class TargetSettings:
    """What an experiment says of a target; see `config.schema.Target`."""

    world: str | None
    shift: str | Mapping[str, str]
    kwargs: Mapping[str, Any]
    wrappers: Sequence[Any]
    steps: int | None
    instances: int | None = None

    @classmethod
    def read(cls, written: Mapping[str, Any] | None, source: SourceSettings) -> TargetSettings:
        """Return the settings that a target of a resolved experiment holds.

        Its world is the source's where it names none.
        """
        given = written or {}
        return cls(
            world=given.get("world") or source.world,
            shift=given.get("shift") or {},
            kwargs=given.get("kwargs") or {},
            wrappers=given.get("wrappers") or (),
            steps=given.get("steps"),
            instances=given.get("instances"),
        )


@dataclass(frozen=True)
class EvaluationSettings:
    """What an experiment says of its evaluations; see `config.schema.EvaluationPlan`."""

    every: int | None = None
    episodes: int | None = None
    seed: int | None = None
    threshold: float | None = None

    @classmethod
    def read(cls, written: Mapping[str, Any]) -> EvaluationSettings:
        """Return the settings that the `evaluation` of a resolved experiment holds."""
        return cls(*(written.get(name) for name in ("every", "episodes", "seed", "threshold")))
