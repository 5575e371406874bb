"""Transfer methods, one file each, under the protocol of `base`; `registry` names them all."""

from .base import Method, Problem
from .registry import (
    METHODS,
    check_budget,
    check_method,
    check_networks,
    resolve_method,
    search,
    settings_in_force,
    tunable,
)

__all__ = [
    "METHODS",
    "Method",
    "Problem",
    "check_budget",
    "check_method",
    "check_networks",
    "resolve_method",
    "search",
    "settings_in_force",
    "tunable",
]
