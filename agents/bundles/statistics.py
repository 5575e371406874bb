"""A normalizer's running statistics, as a bundle holds them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def running_statistics(normalizer: Any) -> dict[str, Any]:
    """Return a normalizer's running statistics by name."""
    statistics = {"returns": normalizer.ret_rms}
    if normalizer.norm_obs and isinstance(normalizer.obs_rms, dict):
        statistics.update({f"observation.{k}": rms for k, rms in normalizer.obs_rms.items()})
    elif normalizer.norm_obs:
        statistics["observation"] = normalizer.obs_rms
    return statistics


def normalizer_arrays(normalizer: Any) -> dict[str, Array]:
    """Return a normalizer's running statistics as arrays by name."""
    return {
        f"{name}.{part}": np.asarray(getattr(statistics, part), dtype=np.float64)
        for name, statistics in running_statistics(normalizer).items()
        for part in ("mean", "var", "count")
    }


def set_statistics(normalizer: Any, arrays: Mapping[str, Array]) -> None:
    """Take over running statistics, as `normalizer_arrays` returns them."""
    for name, statistics in running_statistics(normalizer).items():
        statistics.mean = np.array(arrays[f"{name}.mean"], dtype=np.float64)
        statistics.var = np.array(arrays[f"{name}.var"], dtype=np.float64)
        statistics.count = float(arrays[f"{name}.count"])
