"""Tuning: a method's settings searched with Optuna, on seeds that are not reported."""

from __future__ import annotations

import importlib.util

from ...core.errors import HeadstartError


def require_optuna() -> None:
    """Raise HeadstartError unless Optuna, which all of this folder imports, is installed."""
    if importlib.util.find_spec("optuna") is None:
        raise HeadstartError(
            "headstart tune needs the extra 'tune': pip install \"headstart[tune]\""
        )
