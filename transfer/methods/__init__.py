"""Transfer methods, one file each, under the protocol of `base`; `registry` names them all."""

from .base import Method, Problem
from .registry import (
    METHODS,
    check,
    check_budget,
    fits,
    resolve,
    search,
    settings_in_force,
    tunable,
)

__all__ = [
    "METHODS",
    "Method",
    "Problem",
    "check",
    "check_budget",
    "fits",
    "resolve",
    "search",
    "settings_in_force",
    "tunable",
]
