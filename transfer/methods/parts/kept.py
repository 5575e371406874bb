"""What a method learns in source worlds alone, kept beside the source policy for all targets.

Nothing of it depends on the target: the trials of one source policy, each with a target of its own,
learn it once. Two that learn it at the same time come to the same, and either's file stays.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch

from ....agents.bundles.storage import read_manifest
from ....core.files import replaced
from ..base import Problem

_HASH = "sha256"
Tensors = dict[str, torch.Tensor]


def learned_once(
    problem: Problem, name: str, settings: Mapping[str, Any], learn: Callable[[int], Tensors]
) -> Tensors:
    """Return what was learned in source worlds: as it was kept, or learned now and kept.

    Args:
        problem: says where to keep it, if anywhere, and the seed.
        name: the method's.
        settings: all that it depends on beside the source policy and the seed.
        learn: learns it from a seed; the same tensors whenever it is called with that.
    """
    seed = problem.seed if problem.source_seed is None else problem.source_seed
    if problem.kept is None:
        return learn(seed)
    of_source = read_manifest(problem.source.directory)
    depends = json.dumps([{**settings, "seed": seed}, of_source], sort_keys=True)
    path = problem.kept / f"{name}-{hashlib.sha256(depends.encode()).hexdigest()[:16]}.safetensors"
    found = _read(path)
    if found is None:
        found = {key: tensor.detach().cpu().contiguous() for key, tensor in learn(seed).items()}
        with replaced(path) as temporary:
            safetensors.torch.save_file(found, temporary, {_HASH: _hash(found)})
    return found


def _read(path: Path) -> Tensors | None:
    """Return the tensors of a file; None where there is none, or it is damaged."""
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            names = file.keys()
            found = {key: file.get_tensor(key) for key in names}
            stated = (file.metadata() or {}).get(_HASH)
    except (OSError, safetensors.SafetensorError):
        return None
    return found if stated == _hash(found) else None


def _hash(tensors: Tensors) -> str:
    """Return the hash of names and values."""
    return hashlib.sha256(safetensors.torch.save(tensors)).hexdigest()
